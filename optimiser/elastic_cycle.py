"""A plan's cycle with stages that may run longer or shorter than planned: what each may give, and what has been given.

Only seconds in which nothing changes are repeated or left out: the *elastic part* of a stage is the longest time within
its window in which no group switches, shows amber or red-amber. Everything else, interstages above all, is shown whole
and in its order. So a run of the cycle is the planned one with whole-second *changes* c_i of its elastic parts, and a
rule on the time between two switches is a rule on the sum of the changes between them:

    least - planned <= sum of c_i over the elastic parts between the switches <= most - planned        (s)

Where the plan itself breaks a rule, that time is never made worse; a stage in which groups in conflict are green
together is no longer than planned. The time from each stage to its return is at most the plan's longest cycle.

A change is chosen when its stage runs, so that all rules hold if everything later runs as planned; then no change, 0,
is always allowed. How active priority works is told in Hounsell & Shrestha (2012), IEEE Trans. ITS 13. Shares no code
with `optimiser.safety`, which judges what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from optimiser.errors import PriorityError
from optimiser.signals import ControllerPlan, GreenInterval, Right

LEAST_GREEN_S = 4.0
_TINY_S = 1e-6


@dataclass(frozen=True)
class ElasticStage:
    """The elastic part of one stage, in the `window` of that number: seconds [start_s, end_s) of the cycle (end_s may
    be beyond the cycle's end), and how far the stage's own limits let it change (`most_s` None: as far as the rules on
    groups let it)."""

    stage: str
    window: int
    start_s: int
    end_s: int
    least_s: int
    most_s: int | None
    groups: frozenset[str]

    @property
    def length_s(self) -> int:
        """Planned length."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Span:
    """Elastic stages, by number and in order, between two switches; the sum of their changes is bounded."""

    stages: tuple[int, ...]
    least_s: float
    most_s: float


@dataclass(frozen=True)
class Range:
    """The changes allowed now, s; 0 is among them."""

    least_s: int
    most_s: int

    def nearest(self, change_s: float) -> int:
        """The allowed change nearest to the one wished."""
        return round(max(self.least_s, min(self.most_s, change_s)))


@dataclass(frozen=True)
class ElasticCycle:
    """One controller's cycle. Second 0 of the cycle starts `offset_s` after the epoch, each cycle when run as planned.
    `green` tells by group the seconds of the cycle in which it is green."""

    junction: str
    cycle_s: int
    offset_s: int
    stages: tuple[ElasticStage, ...]
    spans: tuple[Span, ...]
    green: dict[str, frozenset[int]]

    @cached_property
    def _stage_at(self) -> tuple[int | None, ...]:
        found: list[int | None] = [None] * self.cycle_s
        for number, stage in enumerate(self.stages):
            for second in range(stage.start_s, stage.end_s):
                found[second % self.cycle_s] = number
        return tuple(found)

    @cached_property
    def _spans_of(self) -> tuple[tuple[tuple[int, Span], ...], ...]:
        """By stage the spans it is in, each with its place in it."""
        return tuple(
            tuple((span.stages.index(number), span) for span in self.spans if number in span.stages)
            for number in range(len(self.stages))
        )

    def stage_at(self, second: int) -> int | None:
        """The elastic stage whose elastic part holds a second of the cycle; None between them."""
        return self._stage_at[second]

    def range_of(self, number: int, changes_s: tuple[int, ...]) -> Range:
        """Allowed changes of a stage after those before it, `changes_s` with the latest last."""
        stage = self.stages[number]
        least_s: float = stage.least_s
        most_s: float = self.cycle_s if stage.most_s is None else stage.most_s
        for before, span in self._spans_of[number]:
            given_s = sum(changes_s[len(changes_s) - before :]) if before else 0
            least_s = max(least_s, span.least_s - given_s)
            most_s = min(most_s, span.most_s - given_s)
        return Range(min(0, _up(least_s)), max(0, _down(most_s)))

    @cached_property
    def spare_s(self) -> tuple[int, ...]:
        """By how much each stage alone may be shorter when all others run as planned."""
        return tuple(-self.range_of(number, ()).least_s for number in range(len(self.stages)))


@dataclass(frozen=True)
class Position:
    """Where a controller is: the second of the planned cycle that it shows; how many seconds of the elastic part have
    been shown, this one included (0 between elastic parts); the changes of as many stages as the cycle has, the latest
    last; and `late_s`, how far behind the plan it runs (under 0: ahead of it)."""

    second: int
    shown_s: int
    changes_s: tuple[int, ...]
    late_s: int = 0


def planned_position(cycle: ElasticCycle, time_s: int) -> Position:
    """Where the plan is at `time_s` after the epoch, in its offset."""
    second = (time_s - cycle.offset_s) % cycle.cycle_s
    number = cycle.stage_at(second)
    shown_s = 0 if number is None else (second - cycle.stages[number].start_s) % cycle.cycle_s + 1
    return Position(second, shown_s, (0,) * len(cycle.stages))


def next_position(cycle: ElasticCycle, at: Position, change_s: int = 0) -> Position:
    """The position a second later, when the running stage is to change by `change_s` in all: one beyond what is allowed
    is taken as the nearest that is, one that has been passed already ends the stage now."""
    number = cycle.stage_at(at.second)
    if number is None:
        return _entered(cycle, at, (at.second + 1) % cycle.cycle_s)
    stage = cycle.stages[number]
    allowed = cycle.range_of(number, at.changes_s)
    if at.shown_s < stage.length_s + allowed.nearest(change_s):
        # The last second of the part is shown again where it runs longer.
        second = (stage.start_s + min(at.shown_s, stage.length_s - 1)) % cycle.cycle_s
        return replace(at, second=second, shown_s=at.shown_s + 1)
    given_s = at.shown_s - stage.length_s
    ended = replace(at, changes_s=(*at.changes_s[1:], given_s), late_s=at.late_s + given_s)
    return _entered(cycle, ended, stage.end_s % cycle.cycle_s)


def _entered(cycle: ElasticCycle, at: Position, second: int) -> Position:
    return replace(at, second=second, shown_s=0 if cycle.stage_at(second) is None else 1)


def elastic_cycle(plan: ControllerPlan) -> ElasticCycle:
    """The cycle of a plan that names its stages and switches on whole seconds.

    Raises PriorityError where it does not: active priority then has nothing to work on."""
    if not plan.windows:
        raise PriorityError(
            f"junction {plan.junction}: the plan names no stages, so none can be extended; "
            "give it stages or take its priority away"
        )
    cycle_s = _whole(plan, plan.cycle_s, "its cycle is")
    busy, switches = _busy(plan)
    stages: list[ElasticStage] = []
    start_s = _sequence_start_s(plan)
    for place, window in sorted(enumerate(plan.windows), key=lambda numbered: numbered[1].start_s):
        part = _elastic_part(plan, window.start_s, window.end_s, busy, switches)
        if part is None:
            continue
        stage = next((stage for stage in plan.stages if stage.id == window.stage), None)
        length_s = round((window.end_s - window.start_s) % plan.cycle_s or plan.cycle_s)
        least_s, most_s = (1.0, None) if stage is None else (stage.min_s, stage.max_s)
        first, last = part
        groups = frozenset(
            g for g, greens in plan.greens.items() if any(_holds(i, first, cycle_s) for i in _goes(greens))
        )
        stages.append(
            ElasticStage(
                stage=window.stage,
                window=place,
                start_s=first,
                end_s=last,
                least_s=min(0, max(_up(least_s - length_s), 1 - (last - first))),
                most_s=0 if _at_odds(plan, groups) else None if most_s is None else max(0, _down(most_s - length_s)),
                groups=groups,
            )
        )
    green = {
        group: frozenset(s for s in range(cycle_s) if any(_holds(i, s, cycle_s) for i in _goes(intervals)))
        for group, intervals in plan.greens.items()
    }
    return ElasticCycle(
        plan.junction,
        cycle_s,
        _whole(plan, start_s, "its cycle starts at"),
        tuple(stages),
        tuple(_merged(_spans(plan, stages))),
        green,
    )


def _sequence_start_s(plan: ControllerPlan) -> float:
    greens = plan.greens.get(plan.offset.reference_group, ())
    return (plan.offset.seconds - (greens[0].start_s if greens else 0.0)) % plan.cycle_s


def _whole(plan: ControllerPlan, value_s: float, what: str) -> int:
    if abs(value_s - round(value_s)) > 1e-3:
        raise PriorityError(
            f"junction {plan.junction}: {what} {value_s:g} s; active priority counts whole seconds, "
            "so round the plan or take its priority away"
        )
    return round(value_s)


def _goes(intervals: Iterable[GreenInterval]) -> Iterator[GreenInterval]:
    """Those that are more than a stop-first on red."""
    return (interval for interval in intervals if interval.right is not Right.STOP_FIRST)


def _holds(interval: GreenInterval, second: float, cycle_s: float) -> bool:
    length_s = (interval.end_s - interval.start_s) % cycle_s or cycle_s
    return (second - interval.start_s) % cycle_s < length_s


def _busy(plan: ControllerPlan) -> tuple[frozenset[int], frozenset[int]]:
    """Seconds of the cycle in which some group shows amber or red-amber, and those at which some group switches."""
    cycle_s = round(plan.cycle_s)
    busy: set[int] = set()
    switches: set[int] = set()
    groups = {group.id: group for group in plan.groups}
    for name, intervals in plan.greens.items():
        for interval in intervals:
            if (interval.start_s, interval.end_s) == (0, plan.cycle_s):
                continue
            start_s = _whole(plan, interval.start_s, f"group {name} switches at")
            end_s = _whole(plan, interval.end_s, f"group {name} switches at")
            switches |= {start_s % cycle_s, end_s % cycle_s}
            starts, ends = (
                {round(i.start_s) % cycle_s for i in intervals},
                {round(i.end_s) % cycle_s for i in intervals},
            )
            amber_s = groups[name].amber_s if interval.amber_s is None else interval.amber_s
            if end_s % cycle_s not in starts:
                busy |= {(end_s + k) % cycle_s for k in range(_whole(plan, amber_s, f"the amber of group {name} is"))}
            if start_s % cycle_s not in ends:
                red_amber_s = _whole(plan, groups[name].red_amber_s, f"the red-amber of group {name} is")
                busy |= {(start_s - k) % cycle_s for k in range(1, red_amber_s + 1)}
    return frozenset(busy), frozenset(switches)


def _elastic_part(
    plan: ControllerPlan, start_s: float, end_s: float, busy: frozenset[int], switches: frozenset[int]
) -> tuple[int, int] | None:
    """The longest time within a window in which nothing changes, the first of equals; None where there is none."""
    cycle_s = round(plan.cycle_s)
    first = _whole(plan, start_s, "a stage starts at")
    last = _whole(plan, end_s, "a stage ends at")
    if last <= first:
        last += cycle_s if plan.windows and abs(start_s - end_s) > _TINY_S else 0
    best: tuple[int, int] | None = None
    begin: int | None = None
    for second in range(first, last + 1):
        ends = second == last or second % cycle_s in busy or second % cycle_s in switches
        if begin is not None and ends:
            if best is None or second - begin > best[1] - best[0]:
                best = begin, second
            begin = None
        if second < last and second % cycle_s not in busy and begin is None:
            begin = second
    return best


@dataclass(frozen=True)
class _Green:
    """One green of a group without a break, on an axis that does not wrap; `rights` with the second each starts."""

    start_s: float
    end_s: float
    rights: tuple[tuple[float, Right], ...]


def _runs(plan: ControllerPlan, group: str) -> list[_Green]:
    """Greens of a group in the order of their starts; none where it is green for good. Stop-first greens are reds."""
    parts = sorted(
        (i.start_s, i.start_s + ((i.end_s - i.start_s) % plan.cycle_s or plan.cycle_s), i.right)
        for i in plan.greens.get(group, ())
        if i.right is not Right.STOP_FIRST
    )
    runs: list[_Green] = []
    for start_s, end_s, right in parts:
        if runs and abs(runs[-1].end_s - start_s) < _TINY_S:
            runs[-1] = _Green(runs[-1].start_s, end_s, (*runs[-1].rights, (start_s, right)))
        else:
            runs.append(_Green(start_s, end_s, ((start_s, right),)))
    if len(runs) > 1 and abs(runs[-1].end_s - plan.cycle_s - runs[0].start_s) < _TINY_S:
        last, first = runs.pop(), runs.pop(0)
        moved = tuple((s + plan.cycle_s, right) for s, right in first.rights)
        runs.append(_Green(last.start_s, first.end_s + plan.cycle_s, (*last.rights, *moved)))
    return [run for run in runs if run.end_s - run.start_s < plan.cycle_s - _TINY_S]


def _spans(plan: ControllerPlan, stages: list[ElasticStage]) -> Iterator[Span]:
    for start_s, end_s, least_s, most_s in _bounded_times(plan):
        inside = _inside(stages, start_s, end_s, plan.cycle_s)
        if inside:
            planned_s = end_s - start_s
            yield Span(inside, min(0.0, least_s - planned_s), max(0.0, most_s - planned_s))
    round_trip = tuple(range(len(stages)))
    for first in round_trip:
        inside = round_trip[first:] + round_trip[:first]
        yield Span(inside, -float("inf"), max(0.0, plan.max_cycle_s - plan.cycle_s))


def _at_odds(plan: ControllerPlan, green: frozenset[str]) -> bool:
    """Whether groups are green together that must never be."""
    return any({conflict.first, conflict.second} <= green for conflict in plan.conflicts if not conflict.yields)


def _inside(stages: list[ElasticStage], start_s: float, end_s: float, cycle_s: float) -> tuple[int, ...]:
    """Elastic stages that lie between two times, in their order from the first on."""
    found = []
    for number, stage in enumerate(stages):
        after_s = (stage.start_s - start_s + _TINY_S) % cycle_s - _TINY_S
        if after_s + stage.length_s <= end_s - start_s + _TINY_S:
            found.append((after_s, number))
    return tuple(number for _, number in sorted(found))


def _bounded_times(plan: ControllerPlan) -> Iterator[tuple[float, float, float, float]]:
    """(start, end, least, most) of every time between two switches that a rule bounds."""
    runs = {group.id: _runs(plan, group.id) for group in plan.groups}
    inf = float("inf")
    walks = {rule.group: rule for rule in plan.pedestrians}
    for group in plan.groups:
        limits = plan.limits.get(group.id)
        most_green_s = limits.max_green_s if limits else None
        most_red_s = [limits.max_red_s] if limits and limits.max_red_s is not None else []
        least_s = max(group.min_green_s, LEAST_GREEN_S)
        if group.id in walks:
            least_s = max(least_s, walks[group.id].walk_s)
            most_red_s += [] if walks[group.id].on_demand else [walks[group.id].max_wait_s]
        ambers = [group.amber_s, *(i.amber_s for i in plan.greens.get(group.id, ()) if i.amber_s is not None)]
        for i, run in enumerate(runs[group.id]):
            yield run.start_s, run.end_s, least_s, inf if most_green_s is None else most_green_s
            following = runs[group.id][(i + 1) % len(runs[group.id])]
            red_s = (following.start_s - run.end_s) % plan.cycle_s
            yield run.end_s, run.end_s + red_s, max(ambers) + group.red_amber_s, min(most_red_s, default=inf)
    yield from _clearances(plan, runs)


def _clearances(plan: ControllerPlan, runs: dict[str, list[_Green]]) -> Iterator[tuple[float, float, float, float]]:
    """Times from the end of a green to the next start of another that must not be shorter: intergreens, and clearance
    of pedestrians. A green that becomes protected starts anew."""
    needed = [(rule.clearing, rule.entering, rule.seconds) for rule in plan.intergreens]
    clearance_s = {rule.group: rule.clearance_s for rule in plan.pedestrians}
    for conflict in plan.conflicts:
        for walkers, other in ((conflict.first, conflict.second), (conflict.second, conflict.first)):
            if walkers in clearance_s:
                needed.append((walkers, other, clearance_s[walkers]))
    for clearing, entering, seconds in needed:
        if clearing == entering:
            continue
        starts = [s for run in runs.get(entering, ()) for s, right in _starts(run)]
        for run in runs.get(clearing, ()):
            gaps = sorted((start_s - run.end_s + _TINY_S) % plan.cycle_s - _TINY_S for start_s in starts)
            for gap_s in gaps:
                yield run.end_s, run.end_s + max(0.0, gap_s), seconds, float("inf")


def _starts(run: _Green) -> Iterator[tuple[float, Right]]:
    yield run.rights[0]
    yield from (part for part in run.rights[1:] if part[1] is Right.PROTECTED)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """One span for each set of stages, with the narrower of its bounds; those that bound nothing are left out."""
    found: dict[tuple[int, ...], Span] = {}
    for span in spans:
        known = found.get(span.stages, span)
        found[span.stages] = Span(span.stages, max(known.least_s, span.least_s), min(known.most_s, span.most_s))
    return [found[stages] for stages in sorted(found)]


def _up(value_s: float) -> int:
    return int(-(-(value_s - _TINY_S) // 1))


def _down(value_s: float) -> int:
    return int((value_s + _TINY_S) // 1)
