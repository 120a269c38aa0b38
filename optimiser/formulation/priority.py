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

A detour (`formulation.priority_events`) saves what the controller's seconds tell for each second x, and is taken where
that is more than an early green gives. With D the detours that are allowed,

    max over e, a, D, lines   sum over lines  b (w S(e, a, D) - L(e, a, D))          persons * s / h

b buses an hour, w the people aboard times their weight. Given e and a the best lines are those with a positive term, so
enumeration over whole seconds is exact; to them detours are added one by one, while one pays. Allowed are only e and a
whose changes the junction's rules allow, from which the way back can be made, and which leave every movement that loses
green a degree of saturation within the limit over the cycles of the event and its recovery, at the number of events
that then happen within them.

Not known to it: buses that come at the same time, platoons, the queue before the bus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from optimiser.elastic_cycle import ElasticCycle
from optimiser.formulation.priority_events import (
    Effect,
    MovementLoad,
    PriorityCase,
    brought_forward,
    detoured,
    extended,
)


@dataclass(frozen=True)
class Choice:
    """The best limits, lines and detours; saving of bus passengers and loss of all others in persons * s / h."""

    max_extension_s: int
    max_early_green_s: int
    lines: tuple[str, ...]
    saved_s: float
    lost_s: float
    detours: tuple[int, ...] = ()

    @property
    def net_s(self) -> float:
        """What is saved less what is lost, persons * s / h."""
        return self.saved_s - self.lost_s


NONE = Choice(0, 0, (), 0.0, 0.0)


@dataclass(frozen=True)
class Wait:
    """A second of the cycle without green, seconds since it ended, and until it starts again."""

    second: int
    since_s: int
    until_s: int


@dataclass(frozen=True)
class Effects:
    """Events of one junction, by group of the bus and seconds asked for, or number of the detour; None where the rules
    on the junction let nothing happen. Early greens give what they can, extensions all or nothing."""

    case: PriorityCase
    extension: Mapping[tuple[str, int], Effect | None]
    early_green: Mapping[tuple[str, int], Effect | None]
    detours: Mapping[tuple[str, int], Effect]

    @cached_property
    def waits(self) -> Mapping[str, tuple[Wait, ...]]:
        """By group of a bus, each second of the cycle without green."""
        return {group: _waits(self.case.cycle, group) for group in sorted({line.group for line in self.case.lines})}


@dataclass(frozen=True)
class Allowed:
    """What may happen at a junction: seconds, and numbers of detours."""

    extension_s: int = 0
    early_green_s: int = 0
    detours: tuple[int, ...] = ()


def choose(case: PriorityCase, most_extension_s: int, most_early_green_s: int) -> Choice:
    """The limits, lines and detours of greatest net saving; NONE where nothing saves more than it costs. Of equal ones
    the least."""
    effects = events(case, most_extension_s, most_early_green_s)
    best = NONE
    # What cannot be made up for within the recovery cycles is not given.
    most_extension_s = min(most_extension_s, case.recovery_cycles * sum(case.cycle.spare_s))
    for extension_s in range(most_extension_s + 1):
        for early_green_s in range(most_early_green_s + 1):
            best = _better(best, _choice(effects, Allowed(extension_s, early_green_s)))
    while True:
        before = best
        for number in sorted(set(range(len(case.ways))) - set(before.detours)):
            detours = tuple(sorted((*before.detours, number)))
            allowed = Allowed(before.max_extension_s, before.max_early_green_s, detours)
            best = _better(best, _choice(effects, allowed))
        if best is before:
            return best


def _better(best: Choice, found: Choice | None) -> Choice:
    return found if found is not None and found.net_s > best.net_s + 1e-6 else best


def events(case: PriorityCase, most_extension_s: int, most_early_green_s: int) -> Effects:
    """Effects of every event up to these limits."""
    groups = sorted({line.group for line in case.lines})
    return Effects(
        case,
        {(g, n): extended(case, g, n) for g in groups for n in range(1, most_extension_s + 1)},
        {(g, n): brought_forward(case, g, n) for g in groups for n in range(1, most_early_green_s + 1)},
        {(g, n): e for n in range(len(case.ways)) for g, e in detoured(case, n, groups).items()},
    )


def _choice(effects: Effects, allowed: Allowed) -> Choice | None:
    """The best lines at these limits; None where there are none, or a movement is left too little green."""
    case = effects.case
    of_group = {g: _per_bus(effects, g, allowed) for g in effects.waits}
    net: dict[str, list[tuple[float, float, str, float]]] = {}
    for line in case.lines:
        saved_s, lost_s, chance = of_group[line.group]
        entry = (line.buses_h * line.persons * saved_s, line.buses_h * lost_s, line.group, line.buses_h * chance)
        net.setdefault(line.line, []).append(entry)
    kept = {name: parts for name, parts in sorted(net.items()) if sum(p[0] - p[1] for p in parts) > 0}
    parts = [part for name in kept for part in kept[name]]
    if not parts or not _within_saturation(effects, parts, allowed):
        return None
    saved_s, lost_s = sum(part[0] for part in parts), sum(part[1] for part in parts)
    return Choice(allowed.extension_s, allowed.early_green_s, tuple(kept), saved_s, lost_s, allowed.detours)


def _per_bus(effects: Effects, group: str, allowed: Allowed) -> tuple[float, float, float]:
    """Saving of a bus (s), loss of others (persons * s) and chance of an event, means over the second it comes at."""
    case = effects.case
    saved_s, lost_s, count = 0.0, 0.0, 0
    for wait in effects.waits[group]:
        needed_s = wait.since_s + 1 + case.detection.margin_s
        longer = effects.extension.get((group, needed_s)) if needed_s <= allowed.extension_s else None
        event = longer or _sooner(effects, group, wait, allowed)
        if event is not None:
            saved_s += case.detection.passes * wait.until_s if longer is not None else _given_s(event, wait)
            lost_s, count = lost_s + event.loss_s, count + 1
    cycle_s = case.cycle.cycle_s
    return saved_s / cycle_s, lost_s / cycle_s, count / cycle_s


def _sooner(effects: Effects, group: str, wait: Wait, allowed: Allowed) -> Effect | None:
    """The event that saves a bus most which comes at a second without green, of equal ones the first."""
    found = [effects.early_green.get((group, min(allowed.early_green_s, wait.until_s)))]
    found += [effects.detours.get((group, number)) for number in allowed.detours]
    saving = [event for event in found if event is not None and _given_s(event, wait) > 0]
    return max(saving, key=lambda event: _given_s(event, wait), default=None)


def _given_s(event: Effect, wait: Wait) -> int:
    """What an early green or a detour saves a bus, s."""
    return event.saved_s.get(wait.second, 0) if event.saved_s else min(event.given_s, wait.until_s)


def _within_saturation(effects: Effects, parts: Sequence[tuple[float, float, str, float]], allowed: Allowed) -> bool:
    """Whether movements that lose green stay within the limit over an event's cycles, at its worst and as often as
    events then come; one that is over it as planned may lose none."""
    case = effects.case
    cycles = 1 + case.recovery_cycles
    window_h = cycles * case.cycle.cycle_s / 3600
    for group in sorted({part[2] for part in parts}):
        often = max(1.0, window_h * sum(part[3] for part in parts if part[2] == group))
        for event in _worst(effects, group, allowed):
            for movement in case.movements:
                lost_s = often * max(0, event.green_lost_s.get(movement.group, 0))
                if lost_s and not _bears(movement, lost_s / cycles, case.most_saturated):
                    return False
    return True


def _worst(effects: Effects, group: str, allowed: Allowed) -> list[Effect]:
    found = [
        effects.extension.get((group, allowed.extension_s)),
        effects.early_green.get((group, allowed.early_green_s)),
        *(effects.detours.get((group, number)) for number in allowed.detours),
    ]
    return [event for event in found if event is not None]


def _bears(movement: MovementLoad, lost_s: float, most: float) -> bool:
    left_s = movement.green_s - lost_s
    return left_s > 0 and movement.degree_of_saturation * movement.green_s <= most * left_s


def _waits(cycle: ElasticCycle, group: str) -> tuple[Wait, ...]:
    green = cycle.green.get(group, frozenset())
    if not green:
        return ()
    seconds = range(cycle.cycle_s)
    found = []
    for x in (x for x in seconds if x not in green):
        since_s = next(k for k in seconds if (x - 1 - k) % cycle.cycle_s in green)
        until_s = next(k for k in seconds if (x + k) % cycle.cycle_s in green)
        found.append(Wait(x, since_s, until_s))
    return tuple(found)
