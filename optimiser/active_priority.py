"""What an actively prioritised controller does each second: green extension, early green, and the way back to the plan.

Pure: the position in the cycle, the plan's priority and the arrivals that are expected go in, the change of the running
stage comes out. Detours are `active_detours`' business. Three cases for a bus whose group

* is green when it is due: nothing, but the way back to the plan does not take that green away;
* loses its green shortly before: *green extension* of the last stage that serves it, to when it is surely through;
* is red when it is due: *early green*, by shortening the stages before it, each in proportion to what it can spare.

How far the controller ever runs from its plan is bounded by max_extension_s behind and max_early_green_s ahead. Without
a bus to serve it goes back, over the stages of recovery_cycles, longer or shorter in proportion as well, so that no
stage pays for all. Strategy and names as in TCRP Synthesis 83 (2010) and Hounsell & Shrestha (2012), IEEE
Trans. ITS 13; what each stage may give is `elastic_cycle`'s word alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimiser.elastic_cycle import ElasticCycle, Position, next_position
from optimiser.signals import Priority


@dataclass(frozen=True)
class Arrival:
    """A bus on its way to the stop line: seconds from now until it is there if nothing holds it up, at the earliest,
    as expected and at the latest; 0 where it is there. `load_pax` is who is aboard."""

    group: str
    earliest_s: float
    expected_s: float
    latest_s: float
    load_pax: float


@dataclass(frozen=True)
class PriorityState:
    """A controller's position, and how many stages it may still take for the way back to its plan."""

    at: Position
    stages_left: int = 0


def decide(cycle: ElasticCycle, priority: Priority, state: PriorityState, arrivals: Sequence[Arrival]) -> int:
    """The change of the stage that runs now, s, if nothing else becomes known; 0 between elastic parts.

    Of several buses the one with most people aboard counts first, then the one that is there first."""
    at = state.at
    if cycle.stage_at(at.second) is None:
        return 0
    # By how much the running stage may be shorter and longer without harm to the buses looked at so far.
    least_s, most_s = -cycle.cycle_s, cycle.cycle_s
    for arrival in sorted(arrivals, key=lambda a: (-a.load_pax, a.expected_s, a.group)):
        shown = cycle.green.get(arrival.group, frozenset())
        if at.second in shown:
            left_s = _until(cycle, at, arrival.group, green=False)
            change_s = _extension_s(cycle, priority, at, arrival, left_s)
            if 0 < change_s <= most_s:
                return change_s
            if arrival.latest_s <= left_s:
                least_s = max(least_s, _up(arrival.latest_s - left_s))
        elif shown:
            wait_s = _until(cycle, at, arrival.group, green=True)
            change_s = max(least_s, _early_green_s(cycle, priority, at, arrival, wait_s))
            if change_s < 0:
                return change_s
            most_s = min(most_s, max(0, int(arrival.expected_s) - wait_s))
    return max(min(0, least_s), min(most_s, _recovery_s(cycle, state)))


def step(cycle: ElasticCycle, priority: Priority, state: PriorityState, change_s: int) -> PriorityState:
    """The state a second later, when the running stage is to change by so much.

    A stage that led further from the plan, or past it, starts the way back anew."""
    at = next_position(cycle, state.at, change_s)
    if cycle.stage_at(state.at.second) is None or at.shown_s > state.at.shown_s:
        return PriorityState(at, state.stages_left)
    given_s = at.changes_s[-1]
    if given_s * at.late_s > 0:
        return PriorityState(at, priority.recovery_cycles * len(cycle.stages))
    return PriorityState(at, max(0, state.stages_left - 1))


def _extension_s(cycle: ElasticCycle, priority: Priority, at: Position, arrival: Arrival, left_s: int) -> int:
    """By how much the running stage must be longer for the bus to pass; 0 where it need not or may not be, or where a
    stage after it still holds the green."""
    number = cycle.stage_at(at.second)
    if number is None or _last_of_green(cycle, number, arrival.group) != number:
        return 0
    # A stage that is over its time already would end now: what it is over by comes on top.
    change_s = _up(arrival.latest_s - left_s) + max(0, at.shown_s - cycle.stages[number].length_s)
    # No more than the stages can give back within the cycles of the way back.
    back_s = priority.recovery_cycles * sum(cycle.spare_s)
    allowed_s = min(priority.max_extension_s, min(priority.max_extension_s, back_s) - at.late_s)
    return change_s if 0 < change_s <= min(allowed_s, cycle.range_of(number, at.changes_s).most_s) else 0


def _early_green_s(cycle: ElasticCycle, priority: Priority, at: Position, arrival: Arrival, wait_s: int) -> int:
    """The running stage's part of what the stages before the bus's green give up (under 0), 0 where none is wanted."""
    number = cycle.stage_at(at.second)
    wanted_s = min(wait_s - max(0.0, arrival.expected_s), priority.max_early_green_s + at.late_s)
    if number is None or wanted_s < 1:
        return 0
    own_s = -cycle.range_of(number, at.changes_s).least_s
    others_s = sum(cycle.spare_s[other] for other in between(cycle, number, arrival.group))
    if own_s <= 0:
        return 0
    part_s = _up(int(wanted_s) * own_s / (own_s + others_s))
    return -max(0, min(part_s, own_s, cycle.stages[number].length_s - at.shown_s))


def _recovery_s(cycle: ElasticCycle, state: PriorityState) -> int:
    """The running stage's part of the way back to the plan."""
    at, number = state.at, cycle.stage_at(state.at.second)
    if number is None or at.late_s == 0:
        return 0
    late = at.late_s > 0
    shares = cycle.spare_s if late else tuple(stage.length_s for stage in cycle.stages)
    whole_s = sum(shares[(number + k) % len(shares)] for k in range(max(1, state.stages_left)))
    if whole_s <= 0:
        return 0
    part_s = min(_up(abs(at.late_s) * shares[number] / whole_s), abs(at.late_s))
    return cycle.range_of(number, at.changes_s).nearest(-part_s if late else part_s)


def _until(cycle: ElasticCycle, at: Position, group: str, *, green: bool) -> int:
    """Seconds, this one included, until the group is green (or is not) if all stages run as planned from now on; a
    stage that is over its time ends now."""
    shown = cycle.green[group]
    for seconds in range(cycle.cycle_s):
        if ((at.second + seconds) % cycle.cycle_s in shown) is green:
            return seconds
    return cycle.cycle_s


def _last_of_green(cycle: ElasticCycle, number: int, group: str) -> int:
    """The last elastic stage of the green of a group that stage `number` is in."""
    second, last = cycle.stages[number].start_s, number
    shown = cycle.green[group]
    for offset in range(cycle.cycle_s):
        at = (second + offset) % cycle.cycle_s
        if at not in shown:
            return last
        found = cycle.stage_at(at)
        last = last if found is None else found
    return last


def between(cycle: ElasticCycle, number: int, group: str) -> list[int]:
    """Elastic stages after stage `number` that end before the group's next green starts."""
    shown = cycle.green[group]
    found: list[int] = []
    start_s = cycle.stages[number].end_s
    for offset in range(cycle.cycle_s):
        at = (start_s + offset) % cycle.cycle_s
        if at in shown:
            return found
        stage = cycle.stage_at(at)
        if stage is not None and stage not in found:
            found.append(stage)
    return found


def active(priority: Priority) -> bool:
    """Whether a plan's priority lets anything happen."""
    allowed_s = max(priority.max_extension_s, priority.max_early_green_s)
    return bool(priority.lines) and (allowed_s > 0 or bool(priority.detours))


def _up(value_s: float) -> int:
    return int(-(-(value_s - 1e-6) // 1))
