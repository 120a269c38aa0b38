"""When a controller takes a detour for a bus, second by second: stages skipped, or one inserted.

At the end of the stage that a detour leaves, the two ways on are compared: how long each bus that is expected waits if
the plan goes on (with the early green that it may still get), and if the detour is taken. The one with fewer
passenger-seconds is taken. After it the plan is shown for a cycle before another detour, so nothing is left out twice
running. One that shortens the cycle is not taken further ahead of the plan than early greens lead, one that lengthens
it not behind the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from optimiser.active_priority import Arrival, PriorityState, between, decide, step
from optimiser.detour_ways import Way, Ways, back, onto
from optimiser.elastic_cycle import ElasticCycle, Position, next_position
from optimiser.signals import Priority

STARTS_WITHIN_S: Final = 4
"""Green that a bus that has waited needs to pass the stop line: start-up loss and a headway (HCM 2010, chapter 31)."""


@dataclass(frozen=True)
class WayState:
    """A controller's state in the cycle of a `detour` (None: the planned one). `rested`: the plan has been shown since
    the last detour."""

    state: PriorityState
    detour: int | None = None
    rested: bool = True


def go_on(ways: Ways, priority: Priority, before: WayState, arrivals: Sequence[Arrival]) -> WayState:
    """The state a second later, with what priority does for these buses."""
    cycle, at = ways.cycle(before.detour), before.state.at
    change_s = decide(cycle, priority, before.state, arrivals)
    if before.detour is None and before.rested:
        taken = _taken(ways, priority, at, change_s, arrivals)
        if taken is not None:
            return on_detour(ways, priority, at, taken)
    after = step(cycle, priority, before.state, change_s)
    entered = cycle.stage_at(after.at.second) if after.at.shown_s == 1 else None
    if before.detour is None:
        return WayState(after, None, before.rested or (entered is not None and entered != cycle.stage_at(at.second)))
    way = ways.detours[before.detour]
    if entered == way.own:
        return WayState(PriorityState(back(ways.planned, way, after.at), after.stages_left), None, rested=False)
    return WayState(after, before.detour, rested=False)


def on_detour(ways: Ways, priority: Priority, at: Position, taken: int) -> WayState:
    """The first second after the stage that the detour leaves, of which `at` is the last."""
    way = ways.detours[taken]
    own = onto(ways.planned, way, at)
    state = PriorityState(own, priority.recovery_cycles * len(way.cycle.stages))
    after = step(way.cycle, priority, state, _given_s(way.cycle, own))
    return WayState(PriorityState(after.at, state.stages_left), taken, rested=False)


def _taken(ways: Ways, priority: Priority, at: Position, change_s: int, arrivals: Sequence[Arrival]) -> int | None:
    """The detour that saves most where the running stage ends now; None where the plan is best."""
    planned = ways.planned
    number = planned.stage_at(at.second)
    if number is None or _given_s(planned, at) < planned.range_of(number, at.changes_s).nearest(change_s):
        return None
    saved = {
        place: _saved_pax_s(planned, way, priority, at, arrivals)
        for place, way in ways.detours.items()
        if way.leaves == number and _allowed(planned, way, priority, at)
    }
    best = max(saved, key=lambda place: (saved[place], -place), default=None)
    return best if best is not None and saved[best] > 0 else None


def _allowed(planned: ElasticCycle, way: Way, priority: Priority, at: Position) -> bool:
    """Whether the detour keeps the rules of its own cycle if the stage ends now, and the way back is not too long."""
    own = onto(planned, way, at)
    given_s, allowed = _given_s(way.cycle, own), way.cycle.range_of(way.own, own.changes_s)
    if not allowed.least_s <= given_s <= allowed.most_s:
        return False
    late_s = at.late_s + given_s
    if way.longer_s > 0:
        return late_s <= 0 and way.longer_s <= priority.recovery_cycles * sum(planned.spare_s)
    return late_s >= -priority.max_early_green_s


def _saved_pax_s(
    planned: ElasticCycle, way: Way, priority: Priority, at: Position, arrivals: Iterable[Arrival]
) -> float:
    """Passenger-seconds that the buses that are expected wait less on the detour; a driver counts as one."""
    number = way.leaves
    ahead = next_position(planned, at, _given_s(planned, at))
    own = onto(planned, way, at)
    on_way = next_position(way.cycle, own, _given_s(way.cycle, own))
    saved_pax_s = 0.0
    for arrival in arrivals:
        if arrival.group not in planned.green:
            continue
        spare_s = sum(planned.spare_s[other] for other in between(planned, number, arrival.group))
        early_s = max(0, min(spare_s, int(priority.max_early_green_s) + ahead.late_s))
        wait_s = max(0.0, _wait_s(planned, ahead, arrival) - early_s)
        saved_pax_s += max(1.0, arrival.load_pax) * (wait_s - _wait_s(way.cycle, on_way, arrival))
    return saved_pax_s


def _wait_s(cycle: ElasticCycle, at: Position, arrival: Arrival) -> float:
    """How long a bus waits if the cycle goes on from here, a second from now, without changes: the mean over the
    earliest, the expected and the latest arrival."""
    green = cycle.green.get(arrival.group, frozenset())
    shown = [(at.second + seconds) % cycle.cycle_s in green for seconds in range(2 * cycle.cycle_s)]
    return fmean(
        _passes_s(shown, due_s) - due_s for due_s in (arrival.earliest_s, arrival.expected_s, arrival.latest_s)
    )


def _passes_s(shown: Sequence[bool], due_s: float) -> float:
    """Seconds from now at which a bus passes that is due then, if its green is `shown` from the next second on: at once
    in green, after red when it has started; never within what is shown counts as its end."""
    waited, green_s = False, 0
    for now_s, green in enumerate(shown, start=1):
        if now_s < due_s:
            continue
        waited, green_s = waited or not green, green_s + 1 if green else 0
        if green_s and (not waited or green_s >= STARTS_WITHIN_S):
            return max(due_s, float(now_s))
    return max(due_s, float(len(shown)))


def _given_s(cycle: ElasticCycle, at: Position) -> int:
    """The change of the running stage if it ends now."""
    number = cycle.stage_at(at.second)
    return 0 if number is None else at.shown_s - cycle.stages[number].length_s
