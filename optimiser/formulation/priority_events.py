"""What one event of bus priority does at a junction: an extension, an early green, or a detour, and the way back.

The terms are those of `formulation.priority`. For a detour the controller itself is asked what it shows, from the end
of the stage that it leaves until it is back in its offset; so its loss is that of the reds and greens that come of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from optimiser.active_detours import Second, WayState, go_on, shown
from optimiser.active_priority import PriorityState
from optimiser.detour_ways import Way, Ways
from optimiser.elastic_cycle import ElasticCycle, planned_position
from optimiser.signals import Priority

MOST_CYCLES_BACK: Final = 6
"""So many cycles beyond those of the way back a controller may need to be in its offset again after a detour."""


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
    buses apart; `most_saturated` is the degree of saturation that priority may lead to; `ways` are the detours there
    may be."""

    cycle: ElasticCycle
    persons_h: Mapping[str, float]
    movements: tuple[MovementLoad, ...]
    lines: tuple[BusLine, ...]
    recovery_cycles: int
    most_saturated: float
    detection: Detection = Detection()
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True)
class Effect:
    """What one event of `given_s` costs all others (persons * s), and by group the seconds of green lost over it and
    the way back (under 0: gained). `saved_s` of a detour: by second of the cycle at which a bus comes what it saves."""

    given_s: int
    loss_s: float
    green_lost_s: Mapping[str, int]
    saved_s: Mapping[int, int] = field(default_factory=dict)


def extended(case: PriorityCase, group: str, by_s: int) -> Effect | None:
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


def brought_forward(case: PriorityCase, group: str, by_s: int) -> Effect | None:
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


def detoured(case: PriorityCase, number: int, groups: Iterable[str]) -> dict[str, Effect]:
    """The effect of a detour by the bus's group, for those of `groups` to which it brings a green forward; none where
    the controller does not find back to its plan."""
    way, cycle = case.ways[number], case.cycle
    after = _shown(case, number)
    if after is None:
        return {}
    begin = cycle.stages[way.leaves].end_s
    before = [(cycle.green, (begin + k) % cycle.cycle_s) for k in range(-cycle.cycle_s, 0)]
    planned = before + [(cycle.green, (begin + k) % cycle.cycle_s) for k in range(len(after))]
    on_detour = before + after
    loss_s = 0.0
    lost: dict[str, int] = {}
    for group in sorted({*case.persons_h, *(movement.group for movement in case.movements)}):
        now, then = _green_and_squared_reds(on_detour, group), _green_and_squared_reds(planned, group)
        loss_s += case.persons_h.get(group, 0.0) / 7200 * (now[1] - then[1])
        lost[group] = then[0] - now[0]
    loss_s += sum(m.price_s * max(0, lost.get(m.group, 0)) for m in case.movements)
    saved_s = {group: _saved_s(cycle, begin, planned, on_detour, group) for group in groups}
    return {group: Effect(max(by.values()), loss_s, lost, by) for group, by in saved_s.items() if by}


def _shown(case: PriorityCase, number: int) -> list[Second] | None:
    """Second by second what is shown from the beginning of a detour to a cycle after the controller is back in its
    offset, at the same place of its plan; None where it does not come back."""
    cycles = Ways(case.cycle, case.ways)
    priority = Priority(recovery_cycles=case.recovery_cycles)
    end_s = case.cycle.stages[case.ways[number].leaves].end_s
    last = planned_position(case.cycle, case.cycle.offset_s + end_s - 1)
    state = WayState(PriorityState(last), number)
    seconds: list[Second] = []
    for _ in range((case.recovery_cycles + MOST_CYCLES_BACK) * case.cycle.cycle_s):
        seconds.append(shown(cycles, state))
        state = go_on(cycles, priority, state, ())
        back = state.detour is None and not state.quiet and state.state.at.late_s == 0
        if back and state.state.at.second == end_s % case.cycle.cycle_s:
            whole = [(case.cycle.green, (end_s + k) % case.cycle.cycle_s) for k in range(case.cycle.cycle_s)]
            return seconds + whole
    return None


def _saved_s(
    cycle: ElasticCycle, begin: int, planned: Sequence[Second], on_detour: Sequence[Second], group: str
) -> dict[int, int]:
    """By the second of the planned cycle at which a bus comes, by how much less it waits: the more of what it saves
    that comes in the cycle before the detour begins, and in the one after. Others are left out."""
    then, now = _waits_s(planned, group), _waits_s(on_detour, group)
    found: dict[int, int] = {}
    for k in range(cycle.cycle_s):
        saved_s = max(then[k] - now[k], then[k + cycle.cycle_s] - now[k + cycle.cycle_s])
        if saved_s > 0:
            found[(begin + k) % cycle.cycle_s] = saved_s
    return found


def _waits_s(seconds: Sequence[Second], group: str) -> list[int]:
    """For each second how long it is until the group is green, itself included; to the end where it never is again."""
    waits_s, wait_s = [], 0
    for green, second in reversed(seconds):
        wait_s = 0 if second in green.get(group, ()) else wait_s + 1
        waits_s.append(wait_s)
    return waits_s[::-1]


def _green_and_squared_reds(seconds: Sequence[Second], group: str) -> tuple[int, int]:
    """Seconds of green of a group, and the sum of the squares of its reds (s)."""
    green_s, squares, red_s = 0, 0, 0
    for green, second in seconds:
        if second not in green.get(group, ()):
            red_s += 1
        else:
            green_s, squares, red_s = green_s + 1, squares + red_s**2, 0
    return green_s, squares + red_s**2


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
