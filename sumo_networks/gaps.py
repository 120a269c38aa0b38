"""Gaps between the end of one group's green and the start of a conflicting one's, within a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimiser.signals import Conflict, Right
from optimiser.timeline import Timeline

_TINY_S = 1e-6


@dataclass(frozen=True)
class Gap:
    """Green of `clearing` ends at `end_s` of the cycle, and `seconds` later that of `entering` starts."""

    clearing: str
    entering: str
    end_s: float
    seconds: float


def conflict_gaps(timeline: Timeline, conflicts: Sequence[Conflict]) -> tuple[Gap, ...]:
    """For both orders of each conflict and every end of green, the gap to the next start of the other group.

    Where a group gives way to the one that clears, its change from permissive to protected green is a start too. Groups
    that are always or never green have no gaps."""
    found = []
    for conflict in conflicts:
        for clearing, entering in ((conflict.first, conflict.second), (conflict.second, conflict.first)):
            starts = _starts(timeline, entering, conflict.yields == entering)
            for end_s in _ends(timeline, clearing) if starts else []:
                seconds = min((start_s - end_s) % timeline.cycle_s for start_s in starts)
                found.append(Gap(clearing, entering, end_s, seconds))
    return tuple(found)


def _lasts(timeline: Timeline, group: str) -> bool:
    lengths = [(g.end_s - g.start_s) % timeline.cycle_s or timeline.cycle_s for g in timeline.greens[group]]
    return sum(lengths) >= timeline.cycle_s - _TINY_S


def _ends(timeline: Timeline, group: str) -> list[float]:
    """Ends of green; a change of right is none."""
    begins = {green.start_s % timeline.cycle_s for green in timeline.greens[group]}
    stops = {green.end_s % timeline.cycle_s for green in timeline.greens[group]}
    return [] if _lasts(timeline, group) else sorted(stops - begins)


def _starts(timeline: Timeline, group: str, gives_way: bool) -> list[float]:
    """Starts of green; with `gives_way` also the changes to protected green."""
    greens = timeline.greens[group]
    stops = {green.end_s % timeline.cycle_s: green.right for green in greens}
    found = set()
    for green in greens:
        before = stops.get(green.start_s % timeline.cycle_s)
        if before is None or (gives_way and before is not green.right and green.right is Right.PROTECTED):
            found.add(green.start_s % timeline.cycle_s)
    return [] if len(greens) == 1 and _lasts(timeline, group) else sorted(found)
