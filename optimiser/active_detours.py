"""When a controller takes a detour for a bus, second by second: stages skipped, or one inserted.

A detour is taken amid cycles that run as planned: nothing has been changed for a cycle before it, and nothing is for a
cycle after it. So what is shown is the plan, the detour and the plan, which the checker has judged; the way back to the
offset comes then. Until the detour begins no other priority is given: it is chosen where the buses that are expected
wait fewer passenger-seconds by it than by the plan with the early green that they may still get.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean
from typing import Final

from optimiser.active_priority import Arrival, PriorityState, between, decide, step
from optimiser.detour_ways import Way, Ways
from optimiser.elastic_cycle import ElasticCycle, Position
from optimiser.signals import Priority

STARTS_WITHIN_S: Final = 4
"""Green that a bus that has waited needs to pass the stop line: start-up loss and a headway (HCM 2010, chapter 31)."""

Second = tuple[dict[str, frozenset[int]], int]
"""The seconds of green by group of a plan, and the second of it that is shown."""


@dataclass(frozen=True)
class WayState:
    """A controller's state: `state` in the planned cycle, which stands still on a `detour`, of which `shown_s` seconds
    have been shown before this one. `quiet` stages more run as planned before anything may change again."""

    state: PriorityState
    detour: int | None = None
    shown_s: int = 0
    quiet: int = 0


def shown(ways: Ways, state: WayState) -> Second:
    """What is shown in a state."""
    if state.detour is None:
        return ways.planned.green, state.state.at.second
    way = ways.detours[state.detour]
    return way.green, way.seconds[state.shown_s]


def go_on(ways: Ways, priority: Priority, before: WayState, arrivals: Sequence[Arrival]) -> WayState:
    """The state a second later, with what priority does for these buses."""
    if before.detour is not None:
        return _along(ways, priority, before, ways.detours[before.detour])
    if before.quiet:
        return _as_planned(ways, priority, before)
    at = before.state.at
    taken = _best(ways, priority, at, arrivals)
    if taken is None:
        change_s = decide(ways.planned, priority, before.state, arrivals)
        return replace(before, state=step(ways.planned, priority, before.state, change_s))
    number = ways.detours[taken].leaves
    if ways.planned.stage_at(at.second) == number and at.shown_s == ways.planned.stages[number].length_s:
        return replace(before, detour=taken)
    return _as_planned(ways, priority, before)


def _along(ways: Ways, priority: Priority, before: WayState, way: Way) -> WayState:
    """The next second of a detour, or the first of the plan after it."""
    if before.shown_s + 1 < len(way.seconds):
        return replace(before, shown_s=before.shown_s + 1)
    planned, late_s = ways.planned, before.state.at.late_s + way.longer_s
    shown_s = (way.resumes - planned.stages[way.joins].start_s) % planned.cycle_s + 1
    at = Position(way.resumes, shown_s, (0,) * len(planned.stages), late_s)
    return WayState(PriorityState(at), quiet=len(planned.stages))


def _as_planned(ways: Ways, priority: Priority, before: WayState) -> WayState:
    """The next second of the plan, nothing changed. The way back begins when the quiet stages are over."""
    planned, at = ways.planned, before.state.at
    after = step(planned, priority, before.state, 0)
    number = planned.stage_at(at.second)
    ended = number is not None and (planned.stage_at(after.at.second) != number or after.at.shown_s == 1)
    quiet = max(0, before.quiet - ended)
    if before.quiet and not quiet:
        after = PriorityState(after.at, priority.recovery_cycles * len(planned.stages))
    return WayState(after, quiet=quiet)


def _best(ways: Ways, priority: Priority, at: Position, arrivals: Sequence[Arrival]) -> int | None:
    """The detour that saves most, where nothing has been changed for a cycle; None where the plan is best."""
    planned, number = ways.planned, ways.planned.stage_at(at.second)
    if number is None or not arrivals or at.late_s or any(at.changes_s):
        return None
    if at.shown_s > planned.stages[number].length_s:
        return None
    can_give_back_s = priority.recovery_cycles * sum(planned.spare_s)
    saved = {
        place: _saved_pax_s(planned, way, priority, at, arrivals)
        for place, way in enumerate(ways.detours)
        if way.longer_s <= can_give_back_s
    }
    best = max(saved, key=lambda place: (saved[place], -place), default=None)
    return best if best is not None and saved[best] > 0 else None


def _saved_pax_s(
    planned: ElasticCycle, way: Way, priority: Priority, at: Position, arrivals: Iterable[Arrival]
) -> float:
    """Passenger-seconds that the buses that are expected wait less if the detour is taken next; a driver counts as
    one."""
    length_s = 2 * planned.cycle_s
    on_plan = list(islice(_planned_from(planned, at.second + 1), length_s))
    on_way = list(islice(_ahead(planned, way, at.second + 1), length_s))
    saved_pax_s = 0.0
    for arrival in arrivals:
        early_s = _early_green_s(planned, priority, at, arrival.group)
        wait_s = max(0.0, _wait_s(on_plan, arrival) - early_s)
        saved_pax_s += max(1.0, arrival.load_pax) * (wait_s - _wait_s(on_way, arrival))
    return saved_pax_s


def _ahead(planned: ElasticCycle, way: Way, second: int) -> Iterator[Second]:
    """What is shown from a second of the plan on if the detour is taken next, without end."""
    left_s = (planned.stages[way.leaves].end_s - second) % planned.cycle_s
    yield from islice(_planned_from(planned, second), left_s)
    yield from ((way.green, own) for own in way.seconds)
    yield from _planned_from(planned, way.resumes)


def _planned_from(planned: ElasticCycle, second: int) -> Iterator[Second]:
    while True:
        yield planned.green, second % planned.cycle_s
        second += 1


def _early_green_s(planned: ElasticCycle, priority: Priority, at: Position, group: str) -> int:
    """By how much the next green of a group may still be brought forward."""
    number = planned.stage_at(at.second)
    if number is None or group not in planned.green or at.second in planned.green[group]:
        return 0
    spare_s = sum(planned.spare_s[other] for other in between(planned, number, group))
    own_s = min(-planned.range_of(number, at.changes_s).least_s, planned.stages[number].length_s - at.shown_s)
    return min(int(priority.max_early_green_s), spare_s + max(0, own_s))


def _wait_s(seconds: Sequence[Second], arrival: Arrival) -> float:
    """How long a bus waits if this is shown from the next second on: the mean over the earliest, the expected and the
    latest arrival."""
    green = [second in greens.get(arrival.group, ()) for greens, second in seconds]
    due = arrival.earliest_s, arrival.expected_s, arrival.latest_s
    return fmean(passes_s(green, due_s) - due_s for due_s in due)


def passes_s(green: Sequence[bool], due_s: float) -> float:
    """Seconds from now at which a bus passes that is due then, if it has `green` from the next second on: at once in
    green, after red when it has started; never within what is known counts as its end."""
    waited, green_s = False, 0
    for now_s, is_green in enumerate(green, start=1):
        if now_s < due_s:
            continue
        waited, green_s = waited or not is_green, green_s + 1 if is_green else 0
        if green_s and (not waited or green_s >= STARTS_WITHIN_S):
            return max(due_s, float(now_s))
    return max(due_s, float(len(green)))
