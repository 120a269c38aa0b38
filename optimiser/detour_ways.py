"""A controller's cycle as planned beside those of its detours, and how it goes over from one to another.

Over means in the stage that a detour leaves, which both cycles hold: the position is the same second of the same stage
in another numbering, with the changes that the stages before it had. In the detour's cycle all of its rules are kept,
in the planned one all of the plan's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from optimiser.detours import detour_plan, dropped_groups, kept_windows
from optimiser.elastic_cycle import ElasticCycle, Position, elastic_cycle
from optimiser.signals import ControllerPlan, Detour


@dataclass(frozen=True)
class Way:
    """One detour: its own `cycle`, the planned cycle's stage that it `leaves` and that stage's number in its own,
    by planned stage its number in its own cycle (None: not shown), and the planned second at which its own second 0
    lies. `longer_s`: how much longer its cycle is (under 0: shorter)."""

    cycle: ElasticCycle
    leaves: int
    own: int
    number_of: tuple[int | None, ...]
    zero_s: int
    longer_s: int


@dataclass(frozen=True)
class Ways:
    """The planned cycle, and the plan's detours that can be taken from it, by their place in the plan."""

    planned: ElasticCycle
    detours: dict[int, Way]

    def cycle(self, detour: int | None) -> ElasticCycle:
        """The cycle of a detour; of None the planned one."""
        return self.planned if detour is None else self.detours[detour].cycle


def ways(plan: ControllerPlan) -> Ways:
    """The cycles of a plan. No way is a detour that leaves a stage without an elastic part, or with another one than
    in the plan, or that leaves out a group whose red or wait could then be over its limit.

    Raises PriorityError where the plan or a detour has no stages, or does not switch on whole seconds."""
    planned = elastic_cycle(plan)
    found: dict[int, Way] = {}
    for place, detour in enumerate(plan.priority.detours):
        shown = detour_plan(plan, detour)
        way = _way(planned, elastic_cycle(shown), detour, kept_windows(plan, detour), plan)
        if way is not None and all(limit_s >= red_s for red_s, limit_s in _longest_reds(plan, shown)):
            found[place] = way
    return Ways(planned, found)


def _way(
    planned: ElasticCycle, cycle: ElasticCycle, detour: Detour, kept: tuple[int, ...], plan: ControllerPlan
) -> Way | None:
    of_window = {stage.window: number for number, stage in enumerate(cycle.stages)}
    number_of = tuple(
        of_window.get(kept.index(stage.window)) if stage.window in kept else None for stage in planned.stages
    )
    leaves = next((n for n, stage in enumerate(planned.stages) if stage.window == detour.leaves), None)
    own = None if leaves is None else number_of[leaves]
    if leaves is None or own is None:
        return None
    zero_s = round(plan.windows[detour.joins].start_s)
    now, then = planned.stages[leaves], cycle.stages[own]
    if now.length_s != then.length_s or (now.start_s - zero_s - then.start_s) % planned.cycle_s:
        return None
    return Way(cycle, leaves, own, number_of, zero_s, cycle.cycle_s - planned.cycle_s)


def _longest_reds(plan: ControllerPlan, shown: ControllerPlan) -> Iterator[tuple[float, float]]:
    """Of each group that a detour leaves out the longest time without green, however far from its plan the controller
    runs before and after, and the limit of it."""
    priority = plan.priority
    astray_s = (
        priority.max_extension_s
        + priority.max_early_green_s
        + max(abs(detour_plan(plan, detour).cycle_s - plan.cycle_s) for detour in priority.detours)
    )
    waits_s = {rule.group: rule.max_wait_s for rule in plan.pedestrians if not rule.on_demand}
    for group in dropped_groups(plan, shown):
        limits = plan.limits.get(group)
        green_s = min((i.end_s - i.start_s) % plan.cycle_s or plan.cycle_s for i in plan.greens[group])
        for limit_s in (waits_s.get(group), limits.max_red_s if limits else None):
            if limit_s is not None:
                yield 2 * plan.cycle_s - green_s + astray_s, limit_s


def onto(planned: ElasticCycle, way: Way, at: Position) -> Position:
    """The same second of the stage that a detour leaves, in the detour's cycle, which ends sooner or later by what the
    detour saves or takes."""
    planned_number = {own: number for number, own in enumerate(way.number_of) if own is not None}
    count = len(way.cycle.stages)
    changes_s = tuple(
        0 if number is None else at.changes_s[-_stages_ago(way.leaves, number, len(planned.stages))]
        for number in (planned_number.get((way.own - ago) % count) for ago in range(count, 0, -1))
    )
    second = (at.second - way.zero_s) % planned.cycle_s
    return replace(at, second=second, changes_s=changes_s, late_s=at.late_s + way.longer_s)


def back(planned: ElasticCycle, way: Way, at: Position) -> Position:
    """The same second of the stage that a detour leaves, in the planned cycle. What the detour left out has no
    changes."""
    count = len(planned.stages)
    changes_s = tuple(
        0 if own is None else at.changes_s[-_stages_ago(way.own, own, len(way.cycle.stages))]
        for own in (way.number_of[(way.leaves - ago) % count] for ago in range(count, 0, -1))
    )
    return replace(at, second=(at.second + way.zero_s) % planned.cycle_s, changes_s=changes_s)


def _stages_ago(now: int, before: int, count: int) -> int:
    """How many stages ago stage `before` ran, when stage `now` runs; a whole cycle for the same."""
    return (now - before) % count or count
