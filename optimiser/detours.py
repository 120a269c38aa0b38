"""Detours: ways past a stage, or by one stage more, that a controller may take for a bus.

The plan of a detour is what a controller would show that takes it in every cycle: the windows from the one it joins to
the one it leaves, then the detour. Whoever takes it once shows the detour's part of that plan amid cycles of its own.
"""

from __future__ import annotations

from optimiser.errors import PriorityError
from optimiser.signals import ControllerPlan, Detour, Offset, Priority, StageSequence
from optimiser.timeline import timeline_of


def detour_plan(plan: ControllerPlan, detour: Detour) -> ControllerPlan:
    """The plan that takes a detour in every cycle; its second 0 is the start of the window that the detour joins.

    Raises PriorityError where the plan has no such windows, or the detour no interstage before and after each stage."""
    kept = kept_windows(plan, detour)
    names = [plan.windows[window].stage for window in kept] + [stage for stage, _ in detour.stages]
    changes = (*(plan.interstages[window] for window in kept[:-1]), *detour.interstages)
    led = [(change.from_stage, change.to_stage) for change in changes]
    if led != [(name, names[(i + 1) % len(names)]) for i, name in enumerate(names)]:
        raise PriorityError(f"{place(plan, detour)}: its interstages do not lead from each stage to the next")
    durations_s = [_length_s(plan, window) for window in kept] + [seconds for _, seconds in detour.stages]
    sequence = StageSequence(id="detour", stages=tuple(names), interstages=changes)
    timeline = timeline_of(plan.groups, plan.stages, sequence, durations_s)
    return plan.model_copy(
        update={
            "cycle_s": timeline.cycle_s,
            "offset": Offset(epoch=plan.offset.epoch, zone=plan.offset.zone),
            "greens": timeline.greens,
            "windows": timeline.windows,
            "interstages": changes,
            "priority": Priority(),
        }
    )


def kept_windows(plan: ControllerPlan, detour: Detour) -> tuple[int, ...]:
    """Numbers of the plan's windows that are shown with a detour, from the one it joins to the one it leaves.

    Raises PriorityError where the plan has no such windows, or no interstage after each."""
    count = len(plan.windows)
    if not (0 <= detour.leaves < count and 0 <= detour.joins < count) or len(plan.interstages) != count:
        raise PriorityError(f"{place(plan, detour)}: the plan has no such windows with interstages between them")
    return tuple((detour.joins + k) % count for k in range((detour.leaves - detour.joins) % count + 1))


def _length_s(plan: ControllerPlan, number: int) -> float:
    window = plan.windows[number]
    return (window.end_s - window.start_s) % plan.cycle_s


def place(plan: ControllerPlan, detour: Detour) -> str:
    """The junction and windows of a detour, for a message."""
    return f"junction {plan.junction}: detour from window {detour.leaves} to {detour.joins}"
