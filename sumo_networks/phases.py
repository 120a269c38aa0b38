"""From the phases of a SUMO program to signal groups' greens, stages and interstages.

A phase without amber or red-amber in which a group is green is a stage; the phases between two stages are an
interstage. Adjacent phases with the same state are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import GreenInterval, Interstage, Right, Stage, StageSequence
from sumo_networks.net_file import ProgramPhase

RIGHTS = {"G": Right.PROTECTED, "g": Right.PERMISSIVE, "s": Right.STOP_FIRST}
GREEN = "Gg"
AMBERS = "yY"
CHANGING = "yYu"


@dataclass(frozen=True)
class _Span:
    """A merged phase: the aspect of each group, s from the start of the first stage."""

    start_s: float
    end_s: float
    aspects: dict[str, str]

    def is_stage(self) -> bool:
        shown = self.aspects.values()
        return any(aspect in RIGHTS for aspect in shown) and not any(aspect in CHANGING for aspect in shown)


@dataclass(frozen=True)
class StagedProgram:
    """A program in stages. `start_s` is where in the file's cycle the first stage begins; `amber_s` the usual amber of
    each group that ever ends its green, `red_amber_s` the usual red-amber of each that ever starts one."""

    stages: tuple[Stage, ...]
    sequence: StageSequence
    durations_s: tuple[float, ...]
    cycle_s: float
    start_s: float
    amber_s: dict[str, float]
    red_amber_s: dict[str, float]


def staged_program(phases: Sequence[ProgramPhase], links: Mapping[str, tuple[int, ...]]) -> StagedProgram:
    """Stages, interstages and running durations of a program; `links` gives the link indices of each group.

    The first stage is the one that phase 0 belongs to, or the next after it. Where no phase is free of amber the
    longest one stands as the only stage. Lengths of stages bound nothing yet: `min_s` is 1."""
    spans, start_s = _spans(phases, links)
    cycle_s = spans[-1].end_s
    ambers = {group: _switch_times(group, spans, AMBERS) for group in links}
    amber_s = {group: _usual(_after_green(group, spans, found)) for group, found in ambers.items() if found}
    stages: list[Stage] = []
    durations: list[float] = []
    interstages: list[Interstage] = []
    starts = _stage_indices(spans)
    for number, index in enumerate(starts):
        span = spans[index]
        greens = {group: RIGHTS[aspect] for group, aspect in span.aspects.items() if aspect in RIGHTS}
        stages.append(Stage(id=str(number + 1), greens=greens))
        durations.append(span.end_s - span.start_s)
    for number, index in enumerate(starts):
        following = starts[number + 1] if number + 1 < len(starts) else len(spans)
        interstages.append(
            _interstage(
                stages[number],
                stages[(number + 1) % len(stages)],
                spans[index + 1 : following],
                spans[index].end_s,
                {group: {at: s for at, s in found.items() if s != amber_s[group]} for group, found in ambers.items()},
                cycle_s,
            )
        )
    sequence = StageSequence(id="running", stages=tuple(stage.id for stage in stages), interstages=tuple(interstages))
    reds = {group: _red_ambers(group, spans) for group in links}
    red_amber_s = {group: _usual(found) for group, found in reds.items() if found}
    return StagedProgram(tuple(stages), sequence, tuple(durations), cycle_s, start_s, amber_s, red_amber_s)


def _spans(phases: Sequence[ProgramPhase], links: Mapping[str, tuple[int, ...]]) -> tuple[list[_Span], float]:
    """Merged phases, turned so that the first is a stage, and the file's second at which that one starts."""
    rows: list[tuple[float, float, dict[str, str]]] = []
    clock = 0.0
    for phase in phases:
        aspects = {group: phase.state[indices[0]] for group, indices in links.items()}
        if rows and rows[-1][2] == aspects:
            rows[-1] = (rows[-1][0], clock + phase.duration_s, aspects)
        elif phase.duration_s > 0:
            rows.append((clock, clock + phase.duration_s, aspects))
        clock += phase.duration_s
    if len(rows) > 1 and rows[0][2] == rows[-1][2]:
        last = rows.pop()
        rows[0] = (last[0] - clock, rows[0][1], rows[0][2])
    first = next((i for i, row in enumerate(rows) if _Span(*row).is_stage()), _longest(rows))
    origin = rows[first][0]
    turned = [*rows[first:], *((start + clock, end + clock, aspects) for start, end, aspects in rows[:first])]
    return [_Span(start - origin, end - origin, aspects) for start, end, aspects in turned], origin % clock


def _longest(rows: Sequence[tuple[float, float, dict[str, str]]]) -> int:
    return max(range(len(rows)), key=lambda i: (rows[i][1] - rows[i][0], -i))


def _stage_indices(spans: Sequence[_Span]) -> list[int]:
    return [i for i, span in enumerate(spans) if i == 0 or span.is_stage()]


def _switch_times(group: str, spans: Sequence[_Span], shown: str) -> dict[float, float]:
    """Per end of green of the group (second of the cycle) how long one of the `shown` aspects follows it."""
    found: dict[float, float] = {}
    count = len(spans)
    for i, span in enumerate(spans):
        if span.aspects[group] in RIGHTS and spans[(i + 1) % count].aspects[group] not in RIGHTS:
            length_s = 0.0
            j = i + 1
            while j < i + count and spans[j % count].aspects[group] in shown:
                length_s += spans[j % count].end_s - spans[j % count].start_s
                j += 1
            found[span.end_s] = length_s
    return found


def _after_green(group: str, spans: Sequence[_Span], ambers: Mapping[float, float]) -> list[float]:
    """The ambers after greens; where there are none, those after a turn on red, which needs no amber."""
    ends = {span.end_s for span in spans if span.aspects[group] in GREEN}
    return [length_s for end_s, length_s in ambers.items() if end_s in ends] or list(ambers.values())


def _red_ambers(group: str, spans: Sequence[_Span]) -> list[float]:
    """Per start of green of the group how long red-amber comes before it."""
    found: list[float] = []
    count = len(spans)
    for i, span in enumerate(spans):
        if span.aspects[group] in GREEN and spans[i - 1].aspects[group] not in RIGHTS:
            length_s = 0.0
            j = i - 1
            while j > i - count and spans[j % count].aspects[group] == "u":
                length_s += spans[j % count].end_s - spans[j % count].start_s
                j -= 1
            found.append(length_s)
    return found


def _usual(lengths_s: Iterable[float]) -> float:
    """The most frequent length, the larger of two as frequent."""
    counts = Counter(lengths_s)
    return max(counts, key=lambda length: (counts[length], length))


def _interstage(
    before: Stage,
    after: Stage,
    spans: Sequence[_Span],
    start_s: float,
    odd_ambers: Mapping[str, Mapping[float, float]],
    cycle_s: float,
) -> Interstage:
    """The change from `before` to `after` that `spans` show; `odd_ambers` are the ambers that are not the group's own,
    by end of green."""
    duration_s = spans[-1].end_s - start_s if spans else 0.0
    off: dict[str, float] = {}
    on: dict[str, float] = {}
    ambers: dict[str, float] = {}
    explicit: dict[str, tuple[GreenInterval, ...]] = {}
    for group, odd in odd_ambers.items():
        right_before, right_after = before.greens.get(group), after.greens.get(group)
        parts = _parts(group, spans, start_s, odd)
        end_s = _run_end(parts) if right_before is not None else None
        begin_s = _run_begin(parts, duration_s) if right_after is not None else None
        lasting = end_s is not None and begin_s is not None and end_s == duration_s and begin_s <= 0.0
        if lasting:
            _continue(group, parts, right_before, right_after, duration_s, on, explicit)
            continue
        if end_s is not None:
            off[group] = end_s
            amber_s = odd.get(start_s + end_s, odd.get((start_s + end_s) % cycle_s))
            if amber_s is not None:
                ambers[group] = amber_s
        if begin_s is not None:
            on[group] = begin_s
        if not _told(parts, right_before, right_after, end_s, begin_s, duration_s):
            explicit[group] = parts
    return Interstage(
        from_stage=before.id,
        to_stage=after.id,
        duration_s=duration_s,
        off_s=off,
        on_s=on,
        amber_s=ambers,
        greens=explicit,
    )


def _parts(group: str, spans: Sequence[_Span], start_s: float, odd: Mapping[float, float]) -> tuple[GreenInterval, ...]:
    """Greens of the group within the interstage, s after its start."""
    parts: list[GreenInterval] = []
    for span in spans:
        right = RIGHTS.get(span.aspects[group])
        if right is None:
            continue
        begin_s, end_s, amber_s = span.start_s - start_s, span.end_s - start_s, odd.get(span.end_s)
        if parts and parts[-1].end_s == begin_s and parts[-1].right is right:
            begin_s = parts.pop().start_s
        parts.append(GreenInterval(start_s=begin_s, end_s=end_s, right=right, amber_s=amber_s))
    return tuple(parts)


def _run_end(parts: Sequence[GreenInterval]) -> float:
    """End of the green that goes on from the interstage's start."""
    end_s = 0.0
    for part in parts:
        if part.start_s != end_s:
            break
        end_s = part.end_s
    return end_s


def _run_begin(parts: Sequence[GreenInterval], duration_s: float) -> float:
    """Start of the green that goes on after the interstage's end."""
    begin_s = duration_s
    for part in reversed(parts):
        if part.end_s != begin_s:
            break
        begin_s = part.start_s
    return begin_s


def _continue(
    group: str,
    parts: tuple[GreenInterval, ...],
    before: Right | None,
    after: Right | None,
    duration_s: float,
    on: dict[str, float],
    explicit: dict[str, tuple[GreenInterval, ...]],
) -> None:
    """A green that lasts through: at most one change of right is told by `on`, more by its parts."""
    rights = [part.right for part in parts]
    if before is after and all(right is before for right in rights):
        return
    if before is not after and rights in ([], [before], [after], [before, after]):
        on[group] = next((part.start_s for part in parts if part.right is after), duration_s)
        return
    explicit[group] = parts


def _told(
    parts: Sequence[GreenInterval],
    before: Right | None,
    after: Right | None,
    end_s: float | None,
    begin_s: float | None,
    duration_s: float,
) -> bool:
    """Whether the two switch times alone tell these greens."""
    told: list[tuple[float, float, Right]] = []
    if before is not None and end_s:
        told.append((0.0, end_s, before))
    if after is not None and begin_s is not None and begin_s < duration_s:
        told.append((begin_s, duration_s, after))
    return told == [(part.start_s, part.end_s, part.right) for part in parts]
