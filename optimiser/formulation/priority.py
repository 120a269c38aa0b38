"""Active priority at one junction: what an extension or an early green saves buses and costs everyone else.

A bus of group g comes at a second x of the cycle with even chance, 1/C each. d is the time since g's green ended, u the
time until it starts again. Extended by n = d + 1 + m seconds, m the margin that the spread of predicted arrivals asks
for, the green lets it pass with probability p (TCRP Synthesis 83, 2010; Hounsell & Shrestha 2012, IEEE Trans. ITS 13):

    n <= e                saves p u,          costs L+(g, n)
    else                  saves min(a, u),    costs L-(g, min(a, u))

with e = max_extension_s and a = max_early_green_s, whole seconds. The loss of all others is that of the changes c_i of
the stages, which the controller's own rules fix (`active_priority`): those of the event, and in proportion the way back
over the recovery cycles. With the reds r of every group and what the changes make of them, r',

    L = sum over groups  h / (3600 * 2 (1 - y)) * sum (r'^2 - r^2)  +  sum over movements  pi N' s * (green lost, s)

persons * s an event: Webster's first term (1958; HCM 2010, eq. 18-20) where arrivals come evenly at h persons an hour,
and the overflow of Akcelik (1980; HCM 2010, eq. 18-45) made linear, N' = T/4 (1 + z / sqrt(z^2 + 8 k q / T)), z = flow
less capacity (veh/h), T in h, s the saturation flow (veh/h), pi persons a vehicle. Shorter reds count as gains. More
green for a queue that the plan itself leaves does not: the straight line would promise too much of it.

    max over e, a, lines   sum over lines  b (w S(e, a) - L(e, a))          persons * s / h

b buses an hour, w the people aboard times their weight. Given e and a the best lines are those with a positive term, so
enumeration over whole seconds is exact. Allowed are only e and a whose changes the junction's rules allow, from which
the way back can be made, and which leave every movement that loses green a degree of saturation within the limit over
the cycles of the event and its recovery, at the number of events that then happen within them.

Not known to it: buses that come at the same time, platoons, the queue before the bus.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from optimiser.elastic_cycle import ElasticCycle


@dataclass(frozen=True)
class Detection:
    """How well arrivals are known: an extension runs `margin_s` beyond the expected arrival, which is enough with the
    probability `passes`. One standard deviation of what reports every 10 s, 10 s old, leave."""

    margin_s: int = 5
    passes: float = 0.84


@dataclass(frozen=True)
class MovementLoad:
    """A movement's part in capacity: its group, degree of saturation as planned, effective green a cycle (s), and the
    persons * s that a second of green lost costs."""

    group: str
    degree_of_saturation: float
    green_s: float
    price_s: float


@dataclass(frozen=True)
class BusLine:
    """Buses of one line that make one movement: its group, buses an hour, weighted passengers aboard."""

    line: str
    group: str
    buses_h: float
    persons: float


@dataclass(frozen=True)
class PriorityCase:
    """One junction that priority is chosen for. `persons_h` gives by group the sum of h / (1 - y) over its movements,
    buses apart; `most_saturated` is the degree of saturation that priority may lead to."""

    cycle: ElasticCycle
    persons_h: Mapping[str, float]
    movements: tuple[MovementLoad, ...]
    lines: tuple[BusLine, ...]
    recovery_cycles: int
    most_saturated: float
    detection: Detection = Detection()


@dataclass(frozen=True)
class Effect:
    """What one event of `given_s` costs all others (persons * s), and by group the seconds of green lost over it and
    the way back (under 0: gained)."""

    given_s: int
    loss_s: float
    green_lost_s: Mapping[str, int]


@dataclass(frozen=True)
class Choice:
    """The best limits and lines; saving of bus passengers and loss of all others in persons * s / h."""

    max_extension_s: int
    max_early_green_s: int
    lines: tuple[str, ...]
    saved_s: float
    lost_s: float


NONE = Choice(0, 0, (), 0.0, 0.0)


@dataclass(frozen=True)
class Effects:
    """Events of one junction, by group of the bus and seconds asked for; None where the rules on the junction let
    nothing happen. Early greens give what they can, extensions all or nothing."""

    case: PriorityCase
    extension: Mapping[tuple[str, int], Effect | None]
    early_green: Mapping[tuple[str, int], Effect | None]

    @cached_property
    def waits(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """By group of a bus, for each second of the cycle without green: seconds since it ended, and until it starts
        again."""
        return {group: _waits(self.case.cycle, group) for group in sorted({line.group for line in self.case.lines})}


def choose(case: PriorityCase, most_extension_s: int, most_early_green_s: int) -> Choice:
    """The limits and lines of greatest net saving; NONE where nothing saves more than it costs. Of equal ones the
    least."""
    effects = events(case, most_extension_s, most_early_green_s)
    best = NONE
    # What cannot be made up for within the recovery cycles is not given.
    most_extension_s = min(most_extension_s, case.recovery_cycles * sum(case.cycle.spare_s))
    for extension_s in range(most_extension_s + 1):
        for early_green_s in range(most_early_green_s + 1):
            found = _with_limits(effects, extension_s, early_green_s)
            if found is not None and found.saved_s - found.lost_s > best.saved_s - best.lost_s + 1e-6:
                best = found
    return best


def events(case: PriorityCase, most_extension_s: int, most_early_green_s: int) -> Effects:
    """Effects of every event up to these limits."""
    groups = sorted({line.group for line in case.lines})
    return Effects(
        case,
        {(g, n): _extended(case, g, n) for g in groups for n in range(1, most_extension_s + 1)},
        {(g, n): _brought_forward(case, g, n) for g in groups for n in range(1, most_early_green_s + 1)},
    )


def _with_limits(effects: Effects, extension_s: int, early_green_s: int) -> Choice | None:
    """The best lines at these limits; None where there are none, or a movement is left too little green."""
    case = effects.case
    of_group = {g: _per_bus(effects, g, extension_s, early_green_s) for g in effects.waits}
    net: dict[str, list[tuple[float, float, str, float]]] = {}
    for line in case.lines:
        saved_s, lost_s, chance = of_group[line.group]
        entry = (line.buses_h * line.persons * saved_s, line.buses_h * lost_s, line.group, line.buses_h * chance)
        net.setdefault(line.line, []).append(entry)
    kept = {name: parts for name, parts in sorted(net.items()) if sum(p[0] - p[1] for p in parts) > 0}
    parts = [part for name in kept for part in kept[name]]
    if not parts or not _within_saturation(effects, parts, extension_s, early_green_s):
        return None
    return Choice(
        extension_s, early_green_s, tuple(kept), sum(part[0] for part in parts), sum(part[1] for part in parts)
    )


def _per_bus(effects: Effects, group: str, extension_s: int, early_green_s: int) -> tuple[float, float, float]:
    """Saving of a bus (s), loss of others (persons * s) and chance of an event, means over the second it comes at."""
    case = effects.case
    saved_s, lost_s, count = 0.0, 0.0, 0
    for since_s, until_s in effects.waits[group]:
        needed_s = since_s + 1 + case.detection.margin_s
        extended = effects.extension.get((group, needed_s)) if needed_s <= extension_s else None
        event = extended or effects.early_green.get((group, min(early_green_s, until_s)))
        if event is not None:
            saved_s += case.detection.passes * until_s if extended is not None else event.given_s
            lost_s, count = lost_s + event.loss_s, count + 1
    cycle_s = case.cycle.cycle_s
    return saved_s / cycle_s, lost_s / cycle_s, count / cycle_s


def _within_saturation(
    effects: Effects, parts: Sequence[tuple[float, float, str, float]], extension_s: int, early_green_s: int
) -> bool:
    """Whether movements that lose green stay within the limit over an event's cycles, at its worst and as often as
    events then come; one that is over it as planned may lose none."""
    case = effects.case
    cycles = 1 + case.recovery_cycles
    window_h = cycles * case.cycle.cycle_s / 3600
    for group in sorted({part[2] for part in parts}):
        often = max(1.0, window_h * sum(part[3] for part in parts if part[2] == group))
        worst = [effects.extension.get((group, extension_s)), effects.early_green.get((group, early_green_s))]
        for event in worst:
            for movement in case.movements if event is not None else ():
                lost_s = often * max(0, event.green_lost_s.get(movement.group, 0)) if event is not None else 0.0
                if lost_s and not _bears(movement, lost_s / cycles, case.most_saturated):
                    return False
    return True


def _bears(movement: MovementLoad, lost_s: float, most: float) -> bool:
    left_s = movement.green_s - lost_s
    return left_s > 0 and movement.degree_of_saturation * movement.green_s <= most * left_s


def _waits(cycle: ElasticCycle, group: str) -> tuple[tuple[int, int], ...]:
    green = cycle.green.get(group, frozenset())
    if not green:
        return ()
    seconds = range(cycle.cycle_s)
    found = []
    for x in (x for x in seconds if x not in green):
        since_s = next(k for k in seconds if (x - 1 - k) % cycle.cycle_s in green)
        until_s = next(k for k in seconds if (x + k) % cycle.cycle_s in green)
        found.append((since_s, until_s))
    return tuple(found)


def _extended(case: PriorityCase, group: str, by_s: int) -> Effect | None:
    """The effect of extending each green of a group that can be extended; the mean over its greens."""
    cycle = case.cycle
    ends = [n for n, stage in enumerate(cycle.stages) if group in stage.groups and _ends_green(cycle, n, group)]
    found = []
    for number in ends:
        if by_s > cycle.range_of(number, ()).most_s:
            return None
        changes = [0] * number + [by_s]
        found.append(_effect(case, by_s, changes + _way_back(case, number + 1, by_s)))
    return _mean(found)


def _brought_forward(case: PriorityCase, group: str, by_s: int) -> Effect | None:
    """The effect of starting each green of a group earlier; the mean over its greens."""
    cycle, count = case.cycle, len(case.cycle.stages)
    found = []
    for number, stage in enumerate(cycle.stages):
        if group not in stage.groups or group in cycle.stages[number - 1].groups:
            continue
        before: list[int] = []
        for k in range(1, count):
            other = (number - k) % count
            if group in cycle.stages[other].groups:
                break
            before.insert(0, other)
        spare_s = [cycle.spare_s[other] for other in before]
        given_s = min(by_s, sum(spare_s))
        if not given_s:
            return None
        changes = [0] * before[0] + [-part for part in _shared(given_s, spare_s)]
        found.append(_effect(case, given_s, changes + _way_back(case, len(changes) % count, -given_s)))
    return _mean(found)


def _ends_green(cycle: ElasticCycle, number: int, group: str) -> bool:
    return group not in cycle.stages[(number + 1) % len(cycle.stages)].groups


def _way_back(case: PriorityCase, first: int, late_s: int) -> list[int]:
    """Changes of the stages from `first` on that bring the controller back to its plan, as `active_priority` does."""
    cycle, count = case.cycle, len(case.cycle.stages)
    shares = cycle.spare_s if late_s > 0 else tuple(stage.length_s for stage in cycle.stages)
    numbers = [(first + k) % count for k in range(case.recovery_cycles * count)]
    parts = _shared(abs(late_s), [shares[number] for number in numbers])
    return [-part if late_s > 0 else part for part in parts]


def _shared(total_s: int, weights: Sequence[int]) -> list[int]:
    """Whole seconds in proportion to weights, rounded up from the first on, until the total is given."""
    found: list[int] = []
    for i, weight in enumerate(weights):
        left_s, rest = total_s - sum(found), sum(weights[i:])
        found.append(min(left_s, math.ceil(left_s * weight / rest)) if rest else 0)
    return found


def _effect(case: PriorityCase, given_s: int, changes: Sequence[int]) -> Effect:
    """What a series of changes, from the first stage of a cycle on, costs; before and after it the plan runs."""
    cycle, count = case.cycle, len(case.cycle.stages)
    cycles = -(-len(changes) // count) + 1
    at = [*changes, *([0] * (cycles * count - len(changes)))]
    loss_s = 0.0
    lost: dict[str, int] = {}
    for group in sorted({*case.persons_h, *(movement.group for movement in case.movements)}):
        spans = _reds(cycle, group)
        if not spans:
            continue
        squares = 0
        for first, stages, red_s in spans:
            for turn in range(-1, cycles):
                moved_s = sum(at[i] for i in (turn * count + first + k for k in range(stages)) if 0 <= i < len(at))
                squares += (red_s + moved_s) ** 2 - red_s**2
        loss_s += case.persons_h.get(group, 0.0) / 7200 * squares
        lost[group] = -sum(c for i, c in enumerate(at) if group in cycle.stages[i % count].groups)
    # More green for a queue that the plan leaves is the plan's business: only green lost counts.
    loss_s += sum(m.price_s * max(0, lost.get(m.group, 0)) for m in case.movements)
    return Effect(given_s, loss_s, lost)


def _reds(cycle: ElasticCycle, group: str) -> list[tuple[int, int, int]]:
    """Each red of a group: its first elastic stage, how many lie in it, and its length as planned (s)."""
    green = cycle.green.get(group, frozenset())
    found = []
    for start_s in (s for s in range(cycle.cycle_s) if s not in green and (s - 1) % cycle.cycle_s in green):
        length_s = next(k for k in range(1, cycle.cycle_s + 1) if (start_s + k) % cycle.cycle_s in green)
        inside = [cycle.stage_at((start_s + k) % cycle.cycle_s) for k in range(length_s)]
        stages = [number for number in dict.fromkeys(inside) if number is not None]
        if stages:
            found.append((stages[0], len(stages), length_s))
    return found


def _mean(found: Sequence[Effect]) -> Effect | None:
    if not found:
        return None
    groups = sorted({group for effect in found for group in effect.green_lost_s})
    worst = {group: max(effect.green_lost_s.get(group, 0) for effect in found) for group in groups}
    given_s = min(effect.given_s for effect in found)
    return Effect(given_s, sum(effect.loss_s for effect in found) / len(found), worst)
