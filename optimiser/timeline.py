"""From stages with durations to the greens of each group: the one way a plan is built from a stage sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optimiser.signals import (
    ControllerPlan,
    GreenInterval,
    Interstage,
    Junction,
    Offset,
    Right,
    SignalGroup,
    Stage,
    StageSequence,
    StageWindow,
)


@dataclass(frozen=True)
class Timeline:
    """Greens of all groups and windows of all stages within one cycle, seconds from the start of the first stage."""

    cycle_s: float
    greens: dict[str, tuple[GreenInterval, ...]]
    windows: tuple[StageWindow, ...]


@dataclass(frozen=True)
class _Piece:
    """Part of a green, on an axis that does not wrap."""

    start_s: float
    end_s: float
    right: Right
    amber_s: float | None = None


def expand(junction: Junction, sequence: StageSequence, durations_s: tuple[float, ...]) -> Timeline:
    """Greens and windows of `sequence` when its i-th stage lasts `durations_s[i]` seconds.

    Raises ValueError where the number of durations is not that of the stages."""
    if len(durations_s) != len(sequence.stages):
        raise ValueError(
            f"junction {junction.id}: sequence {sequence.id} has {len(sequence.stages)} stages, not {len(durations_s)}"
        )
    return timeline_of(junction.groups, junction.stages, sequence, durations_s)


def timeline_of(
    groups: Iterable[SignalGroup], stages: Iterable[Stage], sequence: StageSequence, durations_s: Sequence[float]
) -> Timeline:
    """Greens and windows of `sequence` over these stages, of which the i-th lasts `durations_s[i]` seconds."""
    by_id = {stage.id: stage for stage in stages}
    windows: list[StageWindow] = []
    clock = 0.0
    for i, stage_id in enumerate(sequence.stages):
        windows.append(StageWindow(stage=stage_id, start_s=clock, end_s=clock + durations_s[i]))
        clock += durations_s[i] + sequence.interstages[i].duration_s
    cycle_s = clock
    greens = {group.id: _group_greens(group.id, sequence, by_id, tuple(windows), cycle_s) for group in groups}
    return Timeline(cycle_s, greens, tuple(windows))


def controller_plan(
    junction: Junction, sequence: StageSequence, durations_s: tuple[float, ...], offset_s: float
) -> ControllerPlan:
    """Plan of `junction` with the first stage starting at `offset_s` (mod cycle) after the epoch."""
    timeline = expand(junction, sequence, durations_s)
    reference = _reference_group(junction, timeline)
    start_s = timeline.greens[reference][0].start_s if reference else 0.0
    used = set(sequence.stages)
    return junction.running.model_copy(
        update={
            "cycle_s": timeline.cycle_s,
            "offset": Offset(
                seconds=(offset_s + start_s) % timeline.cycle_s,
                reference_group=reference,
                epoch=junction.running.offset.epoch,
                zone=junction.running.offset.zone,
            ),
            "greens": timeline.greens,
            "stages": tuple(stage for stage in junction.stages if stage.id in used),
            "windows": timeline.windows,
            "interstages": sequence.interstages,
            "conflicts": junction.conflicts,
            "intergreens": junction.intergreens,
            "limits": junction.limits,
            "pedestrians": junction.pedestrians,
            "max_cycle_s": max(junction.max_cycle_s, timeline.cycle_s if junction.locked else 0.0),
        }
    )


def sequence_start_s(plan: ControllerPlan) -> float:
    """Seconds after the epoch, within the cycle, at which second 0 of the plan's cycle falls."""
    start_s = 0.0
    if plan.offset.reference_group:
        start_s = plan.greens[plan.offset.reference_group][0].start_s
    return (plan.offset.seconds - start_s) % plan.cycle_s


def _reference_group(junction: Junction, timeline: Timeline) -> str:
    """First group with a green that does not last the whole cycle."""
    for group in junction.groups:
        greens = timeline.greens[group.id]
        if greens and not (len(greens) == 1 and greens[0].start_s == 0 and greens[0].end_s == timeline.cycle_s):
            return group.id
    return ""


def _group_greens(
    group: str,
    sequence: StageSequence,
    stages: dict[str, Stage],
    windows: tuple[StageWindow, ...],
    cycle_s: float,
) -> tuple[GreenInterval, ...]:
    pieces: list[_Piece] = []
    for i, stage_id in enumerate(sequence.stages):
        right = stages[stage_id].greens.get(group)
        if right is not None:
            pieces.append(_Piece(windows[i].start_s, windows[i].end_s, right))
        following = stages[sequence.stages[(i + 1) % len(sequence.stages)]].greens.get(group)
        pieces += _within_interstage(group, sequence.interstages[i], windows[i].end_s, right, following)
    return _joined(pieces, cycle_s)


def _within_interstage(
    group: str, change: Interstage, start_s: float, before: Right | None, after: Right | None
) -> list[_Piece]:
    """Parts of green in time order; one of no length carries the amber of a green that ends with its stage."""
    off_s, on_s = change.off_s.get(group), change.on_s.get(group)
    end_s = start_s + change.duration_s
    amber_s = change.amber_s.get(group)
    if group in change.greens:
        parts = [_Piece(start_s + g.start_s, start_s + g.end_s, g.right, g.amber_s) for g in change.greens[group]]
        return [_Piece(start_s, start_s, before, amber_s), *parts] if before is not None and off_s == 0 else parts
    if before is not None and after is not None and off_s is None:
        switch_s = end_s if on_s is None else start_s + on_s
        return [_Piece(start_s, switch_s, before), _Piece(switch_s, end_s, after)]
    pieces: list[_Piece] = []
    if before is not None:
        pieces.append(_Piece(start_s, start_s + (off_s or 0.0), before, amber_s))
    if after is not None:
        pieces.append(_Piece(start_s + (change.duration_s if on_s is None else on_s), end_s, after))
    if before is None and after is None and on_s is not None and off_s is not None:
        pieces.append(_Piece(start_s + on_s, start_s + off_s, Right.PERMISSIVE, amber_s))
    return pieces


def _joined(pieces: list[_Piece], cycle_s: float) -> tuple[GreenInterval, ...]:
    """Touching pieces of the same right become one interval, also over the cycle's end."""
    runs: list[_Piece] = []
    for piece in pieces:
        if runs and abs(runs[-1].end_s - piece.start_s) < 1e-9 and runs[-1].right == piece.right:
            runs[-1] = _Piece(runs[-1].start_s, piece.end_s, piece.right, piece.amber_s)
        else:
            runs.append(piece)
    runs = [run for run in runs if run.end_s - run.start_s > 1e-9]
    if (
        len(runs) > 1
        and abs(runs[0].start_s) < 1e-9
        and abs(runs[-1].end_s - cycle_s) < 1e-9
        and runs[0].right == runs[-1].right
    ):
        first = runs.pop(0)
        last = runs.pop()
        runs.append(_Piece(last.start_s, first.end_s, first.right, first.amber_s))
    intervals = [GreenInterval(start_s=r.start_s, end_s=r.end_s, right=r.right, amber_s=r.amber_s) for r in runs]
    return tuple(sorted(intervals, key=lambda interval: interval.start_s))
