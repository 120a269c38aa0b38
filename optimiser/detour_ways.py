"""What a controller shows on each detour of its plan, second by second, and where it goes on in the plan.

A detour is shown from its own plan, from the end of the elastic part of the window it leaves to a second of the window
it joins at which nothing changes in either plan; so every amber and red-amber is whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from optimiser.detours import detour_plan, kept_windows, place
from optimiser.elastic_cycle import ElasticCycle, elastic_cycle
from optimiser.errors import PriorityError
from optimiser.signals import ControllerPlan, Detour, Right


@dataclass(frozen=True)
class Way:
    """One detour: the elastic stage of the plan at whose end it `leaves`, the one that it `joins`, the `seconds` of its
    own plan shown in between, and the second of the planned cycle that comes next. `green` tells by group the seconds
    of its own plan in which it is green; `longer_s` how much later (under 0: sooner) than planned that is."""

    leaves: int
    joins: int
    seconds: tuple[int, ...]
    resumes: int
    green: dict[str, frozenset[int]]
    longer_s: int


@dataclass(frozen=True)
class Ways:
    """The planned cycle, and the plan's detours in their order."""

    planned: ElasticCycle
    detours: tuple[Way, ...]


def ways(plan: ControllerPlan) -> Ways:
    """The cycle of a plan and what it shows on its detours.

    Raises PriorityError where plan or detour name no stages or do not switch on whole seconds, where the stages of the
    plan do not tell its greens, or where a window that a detour leaves or joins is never at rest."""
    planned = elastic_cycle(plan)
    return Ways(planned, tuple(_way(plan, planned, detour) for detour in plan.priority.detours))


def _way(plan: ControllerPlan, planned: ElasticCycle, detour: Detour) -> Way:
    shown = detour_plan(plan, detour)
    own = elastic_cycle(shown)
    count = len(kept_windows(plan, detour))
    numbers = {stage.window: number for number, stage in enumerate(planned.stages)}
    of_own = {stage.window: stage for stage in own.stages}
    before, after = of_own.get(count - 1), of_own.get(0)
    if before is None or after is None or not {detour.leaves, detour.joins} <= set(numbers):
        raise _never_at_rest(plan, detour)
    leaves, joined = planned.stages[numbers[detour.leaves]], planned.stages[numbers[detour.joins]]
    zero_s = round(plan.windows[detour.joins].start_s)
    left_s = (leaves.end_s - 1 - zero_s) % planned.cycle_s + 1
    first_s = max((joined.start_s - zero_s) % planned.cycle_s, after.start_s)
    # a detour without interstages lasts a second of the window that it joins
    first_s = max(first_s, 1 if left_s == own.cycle_s else 0)
    last_s = min((joined.end_s - 1 - zero_s) % planned.cycle_s + 1, after.end_s)
    if not before.start_s < left_s <= before.end_s or first_s >= last_s:
        raise _never_at_rest(plan, detour)
    _check_greens(plan, shown, detour, zero_s, left_s)
    seconds = (*range(left_s, own.cycle_s), *range(first_s))
    resumes = (first_s + zero_s) % planned.cycle_s
    planned_s = (resumes - leaves.end_s) % planned.cycle_s
    longer_s = len(seconds) - planned_s
    return Way(numbers[detour.leaves], numbers[detour.joins], seconds, resumes, own.green, longer_s)


def _check_greens(plan: ControllerPlan, shown: ControllerPlan, detour: Detour, zero_s: int, left_s: int) -> None:
    """Raises PriorityError where a group shows something else in the windows kept than in the plan."""
    for group in (group.id for group in plan.groups):
        planned, own = _rights(plan, group), _rights(shown, group)
        if any(planned.get((s + zero_s) % round(plan.cycle_s)) is not own.get(s) for s in range(left_s)):
            raise PriorityError(
                f"{place(plan, detour)}: the stages of the plan do not tell all greens of group {group}; "
                "name the group in its stages or take the detour away"
            )


def _rights(plan: ControllerPlan, group: str) -> dict[int, Right]:
    """The right of each second in which a group is green."""
    cycle_s = round(plan.cycle_s)
    found: dict[int, Right] = {}
    for interval in plan.greens.get(group, ()):
        length_s = (interval.end_s - interval.start_s) % plan.cycle_s or plan.cycle_s
        found |= {(round(interval.start_s) + k) % cycle_s: interval.right for k in range(round(length_s))}
    return found


def _never_at_rest(plan: ControllerPlan, detour: Detour) -> PriorityError:
    return PriorityError(
        f"{place(plan, detour)}: in a window that it leaves or joins something always changes; "
        "make the window longer or take the detour away"
    )
