"""Whether stages, windows and interstages tell the same as the greens, and fill the cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimiser.safety.findings import TOLERANCE_S, Finding, Rule, seconds
from optimiser.safety.history import interval_length_s
from optimiser.signals import ControllerPlan, GreenInterval, Interstage, Right, StageWindow


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
        for turn in (-1, 0, 1, 2):
            green_start_s = interval.start_s + turn * plan.cycle_s
            shown_s += max(0.0, min(green_start_s + green_s, start_s + length_s) - max(green_start_s, start_s))
    return shown_s


def _switches(plan: ControllerPlan, change: Interstage, start_s: float) -> Iterator[Finding]:
    """The greens within an interstage are those that its switch times tell, group by group."""
    stages = {stage.id: stage for stage in plan.stages}
    if change.from_stage not in stages or change.to_stage not in stages:
        return
    for what, times in (("on", change.on_s), ("off", change.off_s)):
        for group, time_s in sorted(times.items()):
            if time_s > change.duration_s + TOLERANCE_S:
                message = (
                    f"group {group} switches {what} after the end of the interstage "
                    f"{change.from_stage} to {change.to_stage}"
                )
                groups = (change.from_stage, change.to_stage, group)
                yield _finding(plan, Rule.INTERSTAGE, groups, start_s, message, time_s, change.duration_s)
    before, after = stages[change.from_stage].greens, stages[change.to_stage].greens
    for group in sorted({*before, *after, *change.off_s, *change.on_s, *change.greens}):
        if group in change.greens:
            yield from _listed_greens(plan, change, group, change.greens[group], start_s)
            continue
        for told in _told(change, group, before.get(group), after.get(group)):
            length_s = told.end_s - told.start_s
            if length_s > TOLERANCE_S:
                yield from _as_told(plan, change, group, told, start_s + told.start_s)


@dataclass(frozen=True)
class _Told:
    """Part of an interstage, in seconds after its start, in which a group shows `right` (None: no green)."""

    start_s: float
    end_s: float
    right: Right | None


def _told(change: Interstage, group: str, before: Right | None, after: Right | None) -> tuple[_Told, ...]:
    """What the contract of `Interstage` says a group shows from its start to its end."""
    off_s, on_s, end_s = change.off_s.get(group), change.on_s.get(group), change.duration_s
    if before is None and after is None:
        if off_s is None or on_s is None or off_s <= on_s:
            return ()
        return (_Told(0.0, on_s, None), _Told(on_s, off_s, Right.PERMISSIVE), _Told(off_s, end_s, None))
    if before is not None and after is not None and off_s is None:
        switch_s = end_s if on_s is None else on_s
        return (_Told(0.0, switch_s, before), _Told(switch_s, end_s, after))
    leaves_s = 0.0 if before is None else off_s or 0.0
    comes_s = end_s if after is None or on_s is None else on_s
    return (_Told(0.0, leaves_s, before), _Told(leaves_s, comes_s, None), _Told(comes_s, end_s, after))


def _as_told(plan: ControllerPlan, change: Interstage, group: str, told: _Told, at_s: float) -> Iterator[Finding]:
    length_s = told.end_s - told.start_s
    if told.right is None:
        green_s = sum(_shown_s(plan, group, right, at_s, length_s) for right in Right)
        as_told_s = length_s - green_s
    else:
        as_told_s = _shown_s(plan, group, told.right, at_s, length_s)
    if as_told_s < length_s - TOLERANCE_S:
        what = "no green" if told.right is None else f"a {told.right} green"
        message = (
            f"the interstage from {change.from_stage} to {change.to_stage} gives group {group} {what} for "
            f"{seconds(length_s)} from {seconds(at_s % plan.cycle_s)} on, the plan for {seconds(as_told_s)}"
        )
        groups = (change.from_stage, change.to_stage, group)
        yield _finding(plan, Rule.INTERSTAGE, groups, at_s, message, round(as_told_s, 6), round(length_s, 6))


def _listed_greens(
    plan: ControllerPlan, change: Interstage, group: str, intervals: tuple[GreenInterval, ...], start_s: float
) -> Iterator[Finding]:
    """A group whose greens an interstage lists shows these and nothing else within it."""
    groups = (change.from_stage, change.to_stage, group)
    for right in Right:
        listed = [i for i in intervals if i.right is right]
        listed_s = sum(max(0.0, i.end_s - i.start_s) for i in listed)
        met_s = sum(
            _shown_s(plan, group, right, start_s + i.start_s, i.end_s - i.start_s)
            for i in listed
            if i.end_s > i.start_s
        )
        shown_s = _shown_s(plan, group, right, start_s, change.duration_s)
        if abs(listed_s - met_s) > TOLERANCE_S or abs(listed_s - shown_s) > TOLERANCE_S:
            message = (
                f"the interstage from {change.from_stage} to {change.to_stage} lists {seconds(listed_s)} of {right} "
                f"green for group {group}, the plan shows {seconds(shown_s)} of it, {seconds(met_s)} at these times"
            )
            yield _finding(plan, Rule.INTERSTAGE, groups, start_s, message, round(met_s, 6), round(listed_s, 6))


def _finding(
    plan: ControllerPlan,
    rule: Rule,
    names: tuple[str, ...],
    at_s: float,
    message: str,
    measured: float | None = None,
    required: float | None = None,
) -> Finding:
    return Finding(
        plan.junction,
        rule,
        names,
        round(at_s % plan.cycle_s, 6),
        measured,
        required,
        f"junction {plan.junction}: {message}",
    )
