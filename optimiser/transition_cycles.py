"""The cycles by which a controller comes into step with a new offset: how many, and how long each stage of them is.

A shift of e seconds later, 0 <= e < C, is made up by n cycles of C + e / n, or of C - (C - e) / n the other way round.
Every stage of them stays between a least and a most duration. These are chosen so that all stages at their least
together keep every minimum of the junction (greens, intergreens, walks) and all at their most together every maximum
(greens, reds, waits). Each of these times is affine in the stage durations with weights that are not negative, so
whatever lies between keeps both, also where a green begins in one cycle and ends in the next, of another length.

Methods (Shelby, Bullock & Gettman 2006, Transition methods in traffic signal control, Transportation Research
Record 1978): *shortest way* lengthens or shortens, whichever is in step first; *add only* lengthens; *dwell* holds the
longest stage. The first two change a cycle by no more than a share of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from optimiser.formulation.case import Requirement
from optimiser.formulation.limits import requirements
from optimiser.signals import ControllerPlan, Junction, StageSequence
from optimiser.stage_forms import SequenceForm, sequence_form

Method = Literal["shortest_way", "dwell", "add_only"]
Durations = tuple[float, ...]
_TINY_S = 1e-6


@dataclass(frozen=True)
class TransitionLimits:
    """By which share of itself a cycle may be lengthened or shortened while it changes step."""

    longer_share: float = 0.25
    shorter_share: float = 0.2


@dataclass(frozen=True)
class TimedStages:
    """The stages of a plan in their order, from any of them on. The first starts at `starts_s` seconds after the epoch,
    mod `cycle_s`."""

    sequence: StageSequence
    durations_s: Durations
    starts_s: float
    cycle_s: float


@dataclass(frozen=True)
class StageBounds:
    """Least and most duration of each stage in a cycle that changes step, s; and the most of one held alone."""

    least_s: Durations
    most_s: Durations
    held: int
    held_most_s: float

    def from_stage(self, first: int) -> StageBounds:
        """The same bounds for the stages from the `first` of these on."""
        count = len(self.least_s)
        order = [(first + i) % count for i in range(count)]
        return StageBounds(
            tuple(self.least_s[i] for i in order),
            tuple(self.most_s[i] for i in order),
            (self.held - first) % count,
            self.held_most_s,
        )


def timed_stages(plan: ControllerPlan, first: int, zero_s: float) -> TimedStages:
    """The stages of `plan` from its `first` on; `zero_s` is where second 0 of its cycle falls after the epoch."""
    windows, changes = plan.windows, plan.interstages
    order = [(first + i) % len(windows) for i in range(len(windows))]
    sequence = StageSequence(
        id="transition",
        stages=tuple(windows[i].stage for i in order),
        interstages=tuple(changes[i] for i in order),
    )
    durations_s = tuple(_length_s(windows[i].start_s, windows[i].end_s, plan.cycle_s) for i in order)
    return TimedStages(sequence, durations_s, (zero_s + windows[first].start_s) % plan.cycle_s, plan.cycle_s)


def stage_bounds(junction: Junction, timed: TimedStages, limits: TransitionLimits) -> StageBounds:
    """How far the stages may be shortened and lengthened, second by second, the least changed stage first."""
    form = sequence_form(junction, timed.sequence)
    planned_s = timed.durations_s
    longer_s = min(limits.longer_share * timed.cycle_s, max(0.0, junction.max_cycle_s - timed.cycle_s))
    shorter_s = min(limits.shorter_share * timed.cycle_s, max(0.0, timed.cycle_s - junction.min_cycle_s))
    limited = requirements(junction, form)
    may_grow, may_shrink = _may_grow(form, limited), _may_shrink(form, limited)
    most_s = _moved(planned_s, 1.0, math.floor(longer_s + _TINY_S), may_grow, range(len(planned_s)))
    least_s = _moved(planned_s, -1.0, math.floor(shorter_s + _TINY_S), may_shrink, range(len(planned_s)))
    held = max(range(len(planned_s)), key=lambda i: (planned_s[i], -i))
    held_for_s = min(timed.cycle_s, max(0.0, junction.max_cycle_s - timed.cycle_s))
    held_s = _moved(planned_s, 1.0, math.floor(held_for_s + _TINY_S), may_grow, (held,))
    return StageBounds(least_s, most_s, held, held_s[held])


def least_durations(junction: Junction, form: SequenceForm) -> Durations:
    """Stage durations none of which may be shortened alone, from half a minute each down, s."""
    longest_s = tuple(max(30.0, least_s) for least_s in form.min_s)
    steps = math.ceil(sum(longest_s))
    return _moved(longest_s, -1.0, steps, _may_shrink(form, requirements(junction, form)), range(len(longest_s)))


def transition_cycles(
    timed: TimedStages, bounds: StageBounds, shift_s: float, method: Method
) -> tuple[Durations, ...] | None:
    """Stage durations of each cycle until the stages start `shift_s` later, mod the cycle, than they would unchanged.

    Nothing where they are in step already; None where the method cannot get them there within the bounds."""
    shift_s %= timed.cycle_s
    if min(shift_s, timed.cycle_s - shift_s) < _TINY_S:
        return ()
    if method == "dwell":
        most_s = tuple(
            bounds.held_most_s if i == bounds.held else planned_s for i, planned_s in enumerate(timed.durations_s)
        )
        return _cycles(timed, most_s, shift_s)
    longer = _cycles(timed, bounds.most_s, shift_s)
    shorter = _cycles(timed, bounds.least_s, shift_s - timed.cycle_s) if method == "shortest_way" else None
    ways = [way for way in (longer, shorter) if way is not None]
    return min(ways, key=lambda way: (sum(map(sum, way)) + len(way) * _lost_s(timed), len(way)), default=None)


def _cycles(timed: TimedStages, bound_s: Durations, change_s: float) -> tuple[Durations, ...] | None:
    """The fewest cycles whose changes towards `bound_s` sum to `change_s`, spread evenly in whole seconds."""
    room_s = abs(sum(bound_s) - sum(timed.durations_s))
    if room_s < _TINY_S:
        return None
    count = math.ceil(abs(change_s) / room_s - _TINY_S)
    sign = math.copysign(1.0, change_s)
    whole_s, rest_s = divmod(abs(change_s) + _TINY_S, 1.0)
    marks = [round(whole_s * i / count) for i in range(count + 1)]
    changes = [float(after - before) for before, after in itertools.pairwise(marks)]
    if rest_s > 2 * _TINY_S:
        # Offsets between seconds leave a fraction; the least changed cycle has room for it.
        changes[changes.index(min(changes))] += rest_s - _TINY_S
    return tuple(_changed(timed.durations_s, sign * change, bound_s) for change in changes)


def _changed(planned_s: Durations, change_s: float, bound_s: Durations) -> Durations:
    """The durations with a change in all, in proportion as far as the bounds let them."""
    sign = math.copysign(1.0, change_s)

    def may(durations_s: Durations, i: int) -> bool:
        return sign * (bound_s[i] - durations_s[i]) > -_TINY_S

    whole_s = math.floor(abs(change_s) + _TINY_S)
    found = list(_moved(planned_s, sign, whole_s, may, range(len(planned_s))))
    rest_s = abs(change_s) - whole_s
    if rest_s > _TINY_S:
        place = max(range(len(found)), key=lambda i: sign * (bound_s[i] - found[i]))
        found[place] += sign * rest_s
    return tuple(found)


def _moved(
    planned_s: Durations, step_s: float, steps: int, may: Callable[[Durations, int], bool], stages: Sequence[int]
) -> Durations:
    """Up to so many steps of a second, each to the stage that is least changed in proportion and still may change."""
    found = planned_s
    for _ in range(steps):
        for i in sorted(stages, key=lambda i: (abs(found[i] - planned_s[i]) / max(planned_s[i], 1.0), i)):
            tried = (*found[:i], found[i] + step_s, *found[i + 1 :])
            if may(tried, i):
                found = tried
                break
        else:
            break
    return found


def _may_grow(form: SequenceForm, limited: Sequence[Requirement]) -> Callable[[Durations, int], bool]:
    upper = [(r.expression, r) for r in limited if r.most_s is not None]

    def may(durations_s: Durations, i: int) -> bool:
        most_s = form.max_s[i]
        within = most_s is None or durations_s[i] <= most_s + _TINY_S
        return within and all(r.kept_by(e.at(durations_s)) for e, r in upper if e.weights[i])

    return may


def _may_shrink(form: SequenceForm, limited: Sequence[Requirement]) -> Callable[[Durations, int], bool]:
    lower = [(r.expression, r) for r in limited if r.least_s is not None]

    def may(durations_s: Durations, i: int) -> bool:
        within = durations_s[i] >= form.min_s[i] - _TINY_S
        return within and all(r.kept_by(e.at(durations_s)) for e, r in lower if e.weights[i])

    return may


def _lost_s(timed: TimedStages) -> float:
    return timed.cycle_s - sum(timed.durations_s)


def _length_s(start_s: float, end_s: float, cycle_s: float) -> float:
    return (end_s - start_s) % cycle_s or (cycle_s if end_s != start_s else 0.0)
