"""A stage sequence with durations left open: every green, red and gap as an affine function of the durations.

The cycle is cut at every switch into segments. Each lies within one stage and lasts as long as it, or within one
interstage and has a fixed length; so all times of a plan are affine in the stage durations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import TypeVar, cast

from optimiser.signals import ControllerPlan, GreenInterval, Junction, Right, StageSequence
from optimiser.timeline import expand

_PROBE_S = 10.0
_TINY_S = 1e-6
A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True)
class Affine:
    """constant_s + sum of weights[i] * duration of stage i, in s."""

    constant_s: float
    weights: tuple[float, ...]

    def at(self, durations_s: Sequence[float]) -> float:
        """Value for the given stage durations, s."""
        return self.constant_s + sum(w * d for w, d in zip(self.weights, durations_s, strict=True))

    def __add__(self, other: Affine) -> Affine:
        weights = tuple(a + b for a, b in zip(self.weights, other.weights, strict=True))
        return Affine(self.constant_s + other.constant_s, weights)

    def __sub__(self, other: Affine) -> Affine:
        return self + other.scaled(-1.0)

    def scaled(self, factor: float) -> Affine:
        """This, times a number."""
        return Affine(self.constant_s * factor, tuple(w * factor for w in self.weights))

    @property
    def fixed(self) -> bool:
        """Whether no stage duration changes it."""
        return not any(self.weights)


@dataclass(frozen=True)
class Segment:
    """Part of the cycle within which no group switches: its length and the right of each group that is green."""

    length: Affine
    rights: dict[str, Right]


@dataclass(frozen=True)
class Green:
    """One uninterrupted green of a group, from segment `first` on over `count` segments (over the cycle's end)."""

    first: int
    count: int
    start: Affine
    length: Affine


@dataclass(frozen=True)
class SequenceForm:
    """A stage sequence of a junction, or a fixed plan (then without open durations). It runs `repeats` times within the
    common cycle."""

    junction: str
    id: str
    sequence: StageSequence | None
    min_s: tuple[float, ...]
    max_s: tuple[float | None, ...]
    segments: tuple[Segment, ...]
    repeats: int = 1

    @cached_property
    def zero(self) -> Affine:
        """No time at all."""
        return Affine(0.0, (0.0,) * len(self.min_s))

    @cached_property
    def cycle(self) -> Affine:
        """Length of the whole cycle."""
        return self.span(0, len(self.segments))

    def span(self, first: int, count: int) -> Affine:
        """Length of `count` segments from segment `first` on, over the cycle's end."""
        known = self._spans.get((first, count))
        if known is None:
            known = self.zero
            for i in range(count):
                known = known + self.segments[(first + i) % len(self.segments)].length
            self._spans[first, count] = known
        return known

    def runs(self, shown: Callable[[Segment], bool]) -> tuple[Green, ...]:
        """Uninterrupted runs of segments for which `shown` holds; one that never ends starts at segment 0."""
        return self.runs_of(tuple(shown(segment) for segment in self.segments))

    def runs_of(self, marks: tuple[bool, ...]) -> tuple[Green, ...]:
        """Uninterrupted runs of marked segments, in the order in which they start."""
        known = self._runs.get(marks)
        if known is None:
            known = self._runs[marks] = self._found_runs(marks)
        return known

    def remembered(self, about: A, find: Callable[[A, SequenceForm], T]) -> T:
        """What `find` says of `about` and this form, worked out once."""
        key = id(about), find
        if key not in self._found:
            # with what it is about, whose id nothing else can get as long as it is kept
            self._found[key] = about, find(about, self)
        return cast(T, self._found[key][1])

    def __getstate__(self) -> dict[str, object]:
        """What another process gets: the form, without what was worked out of it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    # A form is asked for the same things at every cycle; it cannot change, so they are found once.
    @cached_property
    def _found(self) -> dict[tuple[int, object], tuple[object, object]]:
        return {}

    @cached_property
    def _spans(self) -> dict[tuple[int, int], Affine]:
        return {}

    @cached_property
    def _runs(self) -> dict[tuple[bool, ...], tuple[Green, ...]]:
        return {}

    def _found_runs(self, marks: tuple[bool, ...]) -> tuple[Green, ...]:
        n = len(marks)
        if all(marks):
            return (Green(0, n, self.zero, self.cycle),)
        found = []
        for i in range(n):
            if marks[i] and not marks[i - 1]:
                count = next(k for k in range(1, n + 1) if not marks[(i + k) % n])
                found.append(Green(i, count, self.span(0, i), self.span(i, count)))
        return tuple(found)

    def greens(self, group: str) -> tuple[Green, ...]:
        """All greens of a group, whatever right they give."""
        return self.runs(lambda segment: group in segment.rights)

    def reds(self, group: str) -> tuple[Affine, ...]:
        """Length of the red before each green of `greens`; empty where the group is green for good or never."""
        greens = self.greens(group)
        n = len(self.segments)
        if not greens or greens[0].count == n:
            return ()
        ends = [(green.first + green.count) % n for green in greens]
        return tuple(self.span(ends[i - 1], (green.first - ends[i - 1]) % n) for i, green in enumerate(greens))


def sequence_form(junction: Junction, sequence: StageSequence) -> SequenceForm:
    """The form of one stage sequence, taken from what `timeline.expand` makes of it."""
    probe = (_PROBE_S,) * len(sequence.stages)
    timeline = expand(junction, sequence, probe)
    stages = {stage.id: stage for stage in junction.stages}
    cuts = {0.0, timeline.cycle_s} | _switches(timeline.greens)
    inner: list[tuple[float, float, int]] = []
    for i, window in enumerate(timeline.windows):
        cuts |= {window.start_s, window.end_s}
        inner.append((window.start_s, window.end_s, i))
    segments = []
    ordered = _distinct(sorted(cut for cut in cuts if cut <= timeline.cycle_s + _TINY_S))
    for start_s, end_s in pairwise(ordered):
        weights = [0.0] * len(probe)
        constant_s = end_s - start_s
        for window_start_s, window_end_s, i in inner:
            if window_start_s - _TINY_S <= start_s and end_s <= window_end_s + _TINY_S:
                share = (end_s - start_s) / _PROBE_S
                weights[i], constant_s = share, 0.0
        middle_s = (start_s + end_s) / 2
        rights = _rights_at(timeline.greens, middle_s, timeline.cycle_s)
        segments.append(Segment(Affine(round(constant_s, 6), tuple(weights)), rights))
    return SequenceForm(
        junction.id,
        sequence.id,
        sequence,
        tuple(float(max(1, math.ceil(stages[stage].min_s - _TINY_S))) for stage in sequence.stages),
        tuple(stages[stage].max_s for stage in sequence.stages),
        tuple(segments),
    )


def plan_form(plan: ControllerPlan) -> SequenceForm:
    """The form of a plan as it stands, with nothing left open."""
    cuts = {0.0, plan.cycle_s} | _switches(plan.greens)
    ordered = _distinct(sorted(cut for cut in cuts if cut <= plan.cycle_s + _TINY_S))
    segments = tuple(
        Segment(Affine(end_s - start_s, ()), _rights_at(plan.greens, (start_s + end_s) / 2, plan.cycle_s))
        for start_s, end_s in pairwise(ordered)
    )
    return SequenceForm(plan.junction, "running", None, (), (), segments)


def _distinct(times_s: Sequence[float]) -> list[float]:
    kept: list[float] = []
    for time_s in times_s:
        if not kept or time_s - kept[-1] > _TINY_S:
            kept.append(time_s)
    return kept


def _switches(greens: dict[str, tuple[GreenInterval, ...]]) -> set[float]:
    return {t for intervals in greens.values() for i in intervals for t in (i.start_s, i.end_s)}


def _rights_at(greens: dict[str, tuple[GreenInterval, ...]], time_s: float, cycle_s: float) -> dict[str, Right]:
    shown = {}
    for group in sorted(greens):
        for interval in greens[group]:
            length_s = (interval.end_s - interval.start_s) % cycle_s or cycle_s
            if (time_s - interval.start_s) % cycle_s < length_s:
                shown[group] = interval.right
    return shown
