"""Whether stages, windows and interstages tell the same as the greens, and fill the cycle."""

from __future__ import annotations

from collections.abc import Iterator

from optimiser.safety.findings import TOLERANCE_S, Finding, Rule, seconds
from optimiser.safety.history import interval_length_s
from optimiser.signals import ControllerPlan, Interstage, Right, StageWindow


def stage_rules(plan: ControllerPlan) -> Iterator[Finding]:
    """Findings on the named windows of a plan whose numbers can be read; none for a plan without stages."""
    known = {stage.id for stage in plan.stages}
    named = [window.stage for window in plan.windows]
    named += [name for change in plan.interstages for name in (change.from_stage, change.to_stage)]
    for name in sorted(set(named) - known):
        yield _finding(plan, Rule.UNKNOWN_STAGE, (name,), 0.0, f"a window or interstage names an unknown stage {name}")
    if not plan.windows:
        return
    yield from _cycle_sum(plan)
    yield from _window_lengths(plan)
    for window in plan.windows:
        yield from _greens_in_window(plan, window)
    for i, change in enumerate(_running_interstages(plan)):
        if change is not None:
            yield from _switches(plan, change, plan.windows[i].end_s)


def _running_interstages(plan: ControllerPlan) -> list[Interstage | None]:
    """The interstage after each window: the one listed at the same place, else the first between the same stages."""
    running: list[Interstage | None] = []
    for i, window in enumerate(plan.windows):
        following = plan.windows[(i + 1) % len(plan.windows)]
        pair = (window.stage, following.stage)
        listed = plan.interstages[i : i + 1] + plan.interstages
        running.append(next((c for c in listed if (c.from_stage, c.to_stage) == pair), None))
    return running


def _cycle_sum(plan: ControllerPlan) -> Iterator[Finding]:
    """Windows and the interstages between them make up one cycle, in order and without a rest."""
    changes = _running_interstages(plan)
    total_s = sum(_window_length_s(plan, window) for window in plan.windows)
    for i, (window, change) in enumerate(zip(plan.windows, changes, strict=True)):
        following = plan.windows[(i + 1) % len(plan.windows)]
        gap_s = (following.start_s - window.end_s) % plan.cycle_s
        if plan.cycle_s - gap_s < TOLERANCE_S:
            gap_s = 0.0
        if change is None and plan.interstages:
            message = f"no interstage leads from stage {window.stage} to stage {following.stage}"
            groups = (window.stage, following.stage)
            yield _finding(plan, Rule.INTERSTAGE, groups, window.end_s, message)
        total_s += gap_s if change is None else change.duration_s
        if change is not None and abs(gap_s - change.duration_s) > TOLERANCE_S:
            message = (
                f"{seconds(gap_s)} lie between stage {window.stage} and stage {following.stage}, "
                f"their interstage takes {seconds(change.duration_s)}"
            )
            groups = (window.stage, following.stage)
            yield _finding(plan, Rule.CYCLE_SUM, groups, window.end_s, message, gap_s, change.duration_s)
    if abs(total_s - plan.cycle_s) > TOLERANCE_S:
        message = f"stages and interstages sum up to {seconds(total_s)}, the cycle is {seconds(plan.cycle_s)}"
        yield _finding(plan, Rule.CYCLE_SUM, (), 0.0, message, round(total_s, 6), plan.cycle_s)


def _window_length_s(plan: ControllerPlan, window: StageWindow) -> float:
    if abs(window.end_s - window.start_s) < TOLERANCE_S:
        return 0.0
    return interval_length_s(window.start_s, window.end_s, plan.cycle_s)


def _window_lengths(plan: ControllerPlan) -> Iterator[Finding]:
    stages = {stage.id: stage for stage in plan.stages}
    for window in plan.windows:
        if window.stage not in stages:
            continue
        stage = stages[window.stage]
        length_s = _window_length_s(plan, window)
        if max(window.start_s, window.end_s) > plan.cycle_s + TOLERANCE_S:
            message = f"stage {stage.id} ends at {seconds(window.end_s)}, after the cycle of {seconds(plan.cycle_s)}"
            yield _finding(plan, Rule.CYCLE_SUM, (stage.id,), window.start_s, message, window.end_s, plan.cycle_s)
        if length_s < stage.min_s - TOLERANCE_S:
            message = f"stage {stage.id} lasts {seconds(length_s)}, less than its {seconds(stage.min_s)}"
            yield _finding(plan, Rule.STAGE_LENGTH, (stage.id,), window.start_s, message, length_s, stage.min_s)
        if stage.max_s is not None and length_s > stage.max_s + TOLERANCE_S:
            message = f"stage {stage.id} lasts {seconds(length_s)}, over its {seconds(stage.max_s)}"
            yield _finding(plan, Rule.STAGE_LENGTH, (stage.id,), window.start_s, message, length_s, stage.max_s)


def _greens_in_window(plan: ControllerPlan, window: StageWindow) -> Iterator[Finding]:
    """A group that a stage names shows the right named there from the start of the window to its end."""
    stage = next((stage for stage in plan.stages if stage.id == window.stage), None)
    length_s = _window_length_s(plan, window)
    if stage is None or length_s < TOLERANCE_S:
        return
    for group, right in sorted(stage.greens.items()):
        shown_s = _shown_s(plan, group, right, window.start_s, length_s)
        if shown_s < length_s - TOLERANCE_S:
            message = (
                f"stage {stage.id} gives group {group} a {right} green for {seconds(length_s)}, "
                f"the plan for {seconds(shown_s)}"
            )
            groups = (stage.id, group)
            yield _finding(plan, Rule.STAGE_GREENS, groups, window.start_s, message, round(shown_s, 6), length_s)


def _shown_s(plan: ControllerPlan, group: str, right: Right, start_s: float, length_s: float) -> float:
    """How long `group` shows `right` within the time from `start_s` on."""
    shown_s = 0.0
    for interval in plan.greens.get(group, ()):
        if interval.right is not right:
            continue
        green_s = interval_length_s(interval.start_s, interval.end_s, plan.cycle_s)
        for turn in (-1, 0, 1):
            green_start_s = interval.start_s + turn * plan.cycle_s
            shown_s += max(0.0, min(green_start_s + green_s, start_s + length_s) - max(green_start_s, start_s))
    return shown_s


def _switches(plan: ControllerPlan, change: Interstage, start_s: float) -> Iterator[Finding]:
    """The switch times of an interstage are those of the greens."""
    stages = {stage.id: stage for stage in plan.stages}
    if change.from_stage not in stages or change.to_stage not in stages:
        return
    before, after = stages[change.from_stage].greens, stages[change.to_stage].greens
    for what, times in (("on", change.on_s), ("off", change.off_s)):
        for group, time_s in sorted(times.items()):
            if time_s > change.duration_s + TOLERANCE_S:
                message = (
                    f"group {group} switches {what} after the end of the interstage "
                    f"{change.from_stage} to {change.to_stage}"
                )
                groups = (change.from_stage, change.to_stage, group)
                yield _finding(plan, Rule.INTERSTAGE, groups, start_s, message, time_s, change.duration_s)
    for group, off_s in sorted(change.off_s.items()):
        on_s = change.on_s.get(group)
        if group in before and (on_s is None or on_s > off_s + TOLERANCE_S) and off_s < change.duration_s - TOLERANCE_S:
            yield from _mismatch(plan, change, group, start_s + off_s, None)
    for group, on_s in sorted(change.on_s.items()):
        if group in after and on_s < change.duration_s - TOLERANCE_S:
            yield from _mismatch(plan, change, group, start_s + on_s, after[group])


def _mismatch(
    plan: ControllerPlan, change: Interstage, group: str, time_s: float, right: Right | None
) -> Iterator[Finding]:
    """A finding unless `group` shows `right` (None: no green) from just after `time_s` on."""
    instant_s = 5 * TOLERANCE_S
    probe_s = (time_s + instant_s) % plan.cycle_s
    shown = [kind for kind in Right if _shown_s(plan, group, kind, probe_s, instant_s) > TOLERANCE_S]
    if shown == ([] if right is None else [right]):
        return
    message = (
        f"the interstage from {change.from_stage} to {change.to_stage} has group {group} "
        f"{'without green' if right is None else right} from {seconds(time_s % plan.cycle_s)} on, the greens "
        f"{' and '.join(shown) or 'without green'}"
    )
    groups = (change.from_stage, change.to_stage, group)
    yield _finding(plan, Rule.INTERSTAGE, groups, time_s % plan.cycle_s, message)


def _finding(
    plan: ControllerPlan,
    rule: Rule,
    names: tuple[str, ...],
    at_s: float,
    message: str,
    measured: float | None = None,
    required: float | None = None,
) -> Finding:
    return Finding(plan.junction, rule, names, at_s, measured, required, f"junction {plan.junction}: {message}")
