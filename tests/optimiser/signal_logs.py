"""Records of what a controller that runs a plan shows."""

from __future__ import annotations

from collections.abc import Sequence

from optimiser.safety import Aspect, AspectChange, SignalLog
from optimiser.signals import ControllerPlan, GroupKind, Right, SignalGroup


def log_of(plan: ControllerPlan, cycles: int = 3, begin_s: float = 0.0) -> SignalLog:
    """What a controller that runs `plan` shows for so many cycles."""
    end_s = begin_s + cycles * plan.cycle_s
    entries: list[AspectChange] = []
    for group in plan.groups:
        changes = _aspects(plan, group, cycles)
        shown = [(begin_s + time_s, aspect) for time_s, aspect in changes]
        opening = [aspect for time_s, aspect in shown if time_s <= begin_s]
        entries.append(AspectChange(begin_s, group.id, opening[-1] if opening else Aspect.RED))
        entries += [AspectChange(time_s, group.id, aspect) for time_s, aspect in shown if begin_s < time_s < end_s]
    return SignalLog(plan.junction, begin_s, end_s, tuple(sorted(entries, key=lambda e: (e.time_s, e.group))))


def _aspects(plan: ControllerPlan, group: SignalGroup, cycles: int) -> list[tuple[float, Aspect]]:
    changes: dict[float, Aspect] = {}
    intervals = plan.greens.get(group.id, ())
    starts = {round(interval.start_s % plan.cycle_s, 6) for interval in intervals}
    for turn in range(-1, cycles + 1):
        for interval in intervals:
            start_s = interval.start_s + turn * plan.cycle_s
            length_s = (interval.end_s - interval.start_s) % plan.cycle_s or plan.cycle_s
            end_s = start_s + length_s
            touches = round(end_s % plan.cycle_s, 6) in starts
            amber_s = group.amber_s if interval.amber_s is None else interval.amber_s
            ends = {i.end_s % plan.cycle_s for i in intervals}
            if group.red_amber_s and start_s % plan.cycle_s not in ends:
                changes.setdefault(start_s - group.red_amber_s, Aspect.RED_AMBER)
            changes[start_s] = Aspect(interval.right.value)
            if touches:
                continue
            if group.kind is GroupKind.PEDESTRIAN or interval.right is Right.STOP_FIRST or not amber_s:
                changes[end_s] = Aspect.RED
            else:
                changes[end_s] = Aspect.AMBER
                changes.setdefault(end_s + amber_s, Aspect.RED)
    return sorted(changes.items())


def aspects_by_second(plan: ControllerPlan) -> dict[str, list[Aspect]]:
    """What each group shows in each whole second of the cycle when a controller runs `plan`."""
    cycle_s = round(plan.cycle_s)
    shown: dict[str, list[Aspect]] = {}
    for group in plan.groups:
        changes = [e for e in log_of(plan).entries if e.group == group.id]
        by_time = {round(change.time_s): change.aspect for change in changes}
        aspects: list[Aspect] = []
        for time_s in range(2 * cycle_s):
            aspects.append(by_time[time_s] if time_s in by_time else aspects[-1])
        shown[group.id] = aspects[cycle_s:]
    return shown


def log_of_seconds(plan: ControllerPlan, seconds: Sequence[int]) -> SignalLog:
    """What a controller shows that runs through these seconds of the plan's cycle, one after the other."""
    entries = [
        AspectChange(float(time_s), group, aspects[second])
        for group, aspects in aspects_by_second(plan).items()
        for time_s, second in enumerate(seconds)
    ]
    return SignalLog(plan.junction, 0.0, float(len(seconds)), tuple(entries))
