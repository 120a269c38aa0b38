"""Rules on the detours that priority may take: the plan is shown, one detour, and the plan again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from optimiser.safety.changes import signal_changes
from optimiser.safety.findings import TOLERANCE_S, Finding, Rule, seconds
from optimiser.safety.greens import green_rules
from optimiser.safety.history import UNROLLED_CYCLES, History, Part, history, interval_length_s
from optimiser.signals import ControllerPlan, Detour, Interstage, Right, SignalGroup


def detour_rules(plan: ControllerPlan) -> Iterator[Finding]:
    """Findings on each detour of a plan whose numbers can be read; times are seconds after the detour begins."""
    for number, detour in enumerate(plan.priority.detours):
        faults = list(_faults(plan, detour))
        if faults:
            yield from (_named(finding, number) for finding in faults)
            continue
        shown = _taken_once(plan, detour)
        found = [*signal_changes(plan, shown), *green_rules(shown, plan)]
        found += [*_lengths(plan, detour), *_untold(plan, detour)]
        yield from (_named(finding, number) for finding in found)


def _named(finding: Finding, number: int) -> Finding:
    return replace(finding, message=f"{finding.message} (on detour {number})")


def _faults(plan: ControllerPlan, detour: Detour) -> Iterator[Finding]:
    """What leaves no detour to check: windows or stages that are none, interstages that do not lead through them."""
    count = len(plan.windows)
    if not 0 <= detour.leaves < count or not 0 <= detour.joins < count or detour.leaves == detour.joins:
        message = f"it leads from window {detour.leaves} to window {detour.joins} of {count}"
        yield _finding(plan, Rule.DETOUR, (), message)
        return
    if len(plan.interstages) != count:
        yield _finding(plan, Rule.DETOUR, (), "the plan does not tell the interstages between its windows")
    left_out = [
        plan.windows[(detour.leaves + k) % count].stage for k in range(1, (detour.joins - detour.leaves) % count)
    ]
    skippable = {stage.id for stage in plan.stages if stage.skippable}
    for name in sorted(set(left_out) - skippable):
        yield _finding(plan, Rule.DETOUR, (name,), f"it leaves out stage {name}, which may not be skipped")
    names = [plan.windows[detour.leaves].stage, *(s for s, _ in detour.stages), plan.windows[detour.joins].stage]
    for name in sorted(set(names) - {stage.id for stage in plan.stages}):
        yield _finding(plan, Rule.UNKNOWN_STAGE, (name,), f"it names an unknown stage {name}")
    led = [(change.from_stage, change.to_stage) for change in detour.interstages]
    if led != list(pairwise(names)):
        message = f"its interstages do not lead through {', '.join(names)}"
        yield _finding(plan, Rule.INTERSTAGE, tuple(names), message)
    groups = {group.id for group in plan.groups}
    for change in detour.interstages:
        for name in sorted({*change.off_s, *change.on_s, *change.amber_s, *change.greens} - groups):
            yield _finding(plan, Rule.UNKNOWN_GROUP, (name,), f"it names a group {name} that the plan has not")
        late_s = max([*change.off_s.values(), *change.on_s.values()], default=0.0)
        if late_s > change.duration_s + TOLERANCE_S:
            message = f"a group switches after the end of the interstage {change.from_stage} to {change.to_stage}"
            stages = (change.from_stage, change.to_stage)
            yield _finding(plan, Rule.INTERSTAGE, stages, message, late_s, change.duration_s)


def _untold(plan: ControllerPlan, detour: Detour) -> Iterator[Finding]:
    """Groups that the plan has green where the detour leaves or joins it, and the stage there does not name."""
    stages = {stage.id: stage for stage in plan.stages}
    for window, at_s in (
        (plan.windows[detour.leaves], plan.windows[detour.leaves].end_s - 2 * TOLERANCE_S),
        (plan.windows[detour.joins], plan.windows[detour.joins].start_s + 2 * TOLERANCE_S),
    ):
        for group in sorted(set(plan.greens) - set(stages[window.stage].greens)):
            if _planned(plan, group, at_s - TOLERANCE_S, at_s + TOLERANCE_S, 0.0):
                message = f"group {group} is green in stage {window.stage}, which does not name it"
                yield _finding(plan, Rule.STAGE_GREENS, (window.stage, group), message)


def _lengths(plan: ControllerPlan, detour: Detour) -> Iterator[Finding]:
    """Stages that it inserts and the cycle that holds it are within their limits."""
    stages = {stage.id: stage for stage in plan.stages}
    for name, length_s in detour.stages:
        least_s, most_s = stages[name].min_s, stages[name].max_s
        if length_s < least_s - TOLERANCE_S:
            message = f"stage {name} lasts {seconds(length_s)}, less than its {seconds(least_s)}"
            yield _finding(plan, Rule.STAGE_LENGTH, (name,), message, length_s, least_s)
        if most_s is not None and length_s > most_s + TOLERANCE_S:
            message = f"stage {name} lasts {seconds(length_s)}, over its {seconds(most_s)}"
            yield _finding(plan, Rule.STAGE_LENGTH, (name,), message, length_s, most_s)
    cycle_s = _kept_s(plan, detour) + _length_s(detour)
    if cycle_s > plan.max_cycle_s + TOLERANCE_S:
        message = f"the cycle that holds it lasts {seconds(cycle_s)}, over the limit of {seconds(plan.max_cycle_s)}"
        yield _finding(plan, Rule.MAX_CYCLE, (), message, cycle_s, plan.max_cycle_s)


def _taken_once(plan: ControllerPlan, detour: Detour) -> History:
    """What is shown around one detour, which begins at second 0; the plan for some cycles before it and after."""
    begins_s, joins_s = plan.windows[detour.leaves].end_s, plan.windows[detour.joins].start_s
    before_s = after_s = UNROLLED_CYCLES * plan.cycle_s
    ends_s = _length_s(detour)
    parts: dict[str, list[Part]] = {}
    for group in plan.groups:
        before = _planned(plan, group.id, begins_s - before_s, begins_s, -begins_s)
        after = _planned(plan, group.id, joins_s, joins_s + after_s, ends_s - joins_s)
        parts[group.id] = [*_along(plan, detour, group, before), *after]
    return history(plan.junction, -before_s, ends_s + after_s, parts)


def _planned(plan: ControllerPlan, group: str, from_s: float, to_s: float, shift_s: float) -> list[Part]:
    """Greens of a group by the plan in a span of its own time, shifted."""
    ambers = {known.id: known.amber_s for known in plan.groups}
    found: list[Part] = []
    for interval in plan.greens.get(group, ()):
        amber_s = ambers[group] if interval.amber_s is None else interval.amber_s
        length_s = interval_length_s(interval.start_s, interval.end_s, plan.cycle_s)
        for turn in range(-UNROLLED_CYCLES - 2, UNROLLED_CYCLES + 2):
            start_s = interval.start_s + turn * plan.cycle_s
            first_s, last_s = max(start_s, from_s), min(start_s + length_s, to_s)
            if first_s < last_s:
                found.append(Part(first_s + shift_s, last_s + shift_s, interval.right, amber_s))
    return found


def _along(plan: ControllerPlan, detour: Detour, group: SignalGroup, before: list[Part]) -> list[Part]:
    """Greens of a group up to the end of the detour, by the contract of interstages and stages."""
    greens = {stage.id: stage.greens for stage in plan.stages}
    found = list(before)
    clock = 0.0
    for i, change in enumerate(detour.interstages):
        told = _told(change, group, greens[change.from_stage].get(group.id), greens[change.to_stage].get(group.id))
        for part in told:
            shown = replace(part, start_s=clock + part.start_s, end_s=clock + part.end_s)
            # one of no length carries the amber of the green that ends there
            ended = [known for known in found if abs(known.end_s - shown.start_s) <= TOLERANCE_S]
            if shown.end_s > shown.start_s:
                found.append(shown)
            elif ended:
                found = [replace(one, amber_s=shown.amber_s) if one is ended[-1] else one for one in found]
        clock += change.duration_s
        if i < len(detour.stages):
            name, length_s = detour.stages[i]
            if group.id in greens[name]:
                found.append(Part(clock, clock + length_s, greens[name][group.id], group.amber_s))
            clock += length_s
    return found


def _told(change: Interstage, group: SignalGroup, before: Right | None, after: Right | None) -> list[Part]:
    """Greens of a group within an interstage, in seconds after its start."""
    off_s, on_s, end_s = change.off_s.get(group.id), change.on_s.get(group.id), change.duration_s
    amber_s = change.amber_s.get(group.id, group.amber_s)
    if group.id in change.greens:
        listed = [
            Part(i.start_s, i.end_s, i.right, group.amber_s if i.amber_s is None else i.amber_s)
            for i in change.greens[group.id]
        ]
        return [Part(0.0, 0.0, before, amber_s), *listed] if before is not None and off_s == 0 else listed
    if before is not None and after is not None and off_s is None:
        switch_s = end_s if on_s is None else on_s
        return [Part(0.0, switch_s, before, amber_s), Part(switch_s, end_s, after, amber_s)]
    if before is None and after is None:
        return [] if off_s is None or on_s is None else [Part(on_s, off_s, Right.PERMISSIVE, amber_s)]
    leaving = [] if before is None else [Part(0.0, off_s or 0.0, before, amber_s)]
    coming = [] if after is None else [Part(end_s if on_s is None else on_s, end_s, after, group.amber_s)]
    return leaving + coming


def _kept_s(plan: ControllerPlan, detour: Detour) -> float:
    kept_s = (plan.windows[detour.leaves].end_s - plan.windows[detour.joins].start_s) % plan.cycle_s
    return kept_s if kept_s > TOLERANCE_S else plan.cycle_s


def _length_s(detour: Detour) -> float:
    return sum(change.duration_s for change in detour.interstages) + sum(length_s for _, length_s in detour.stages)


def _finding(
    plan: ControllerPlan,
    rule: Rule,
    names: tuple[str, ...],
    message: str,
    measured: float | None = None,
    required: float | None = None,
) -> Finding:
    return Finding(plan.junction, rule, names, 0.0, measured, required, f"junction {plan.junction}: {message}")
