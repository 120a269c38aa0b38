"""Times of a trip's stop visits, compiled: what GPS did not see comes from the timetable, and nothing goes back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mobility.stop_crossings import Crossings

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NOT, GPS, INTERPOLATED, TIMETABLE = range(-1, 3)


class Planned(NamedTuple):
    """Seconds after `midnight_s` of all calls of the timetable, NaN where it gives none; `first`: the row of each
    trip's first call among them, -1 where the trip is not planned."""

    first: Ints
    arrival_s: Floats
    departure_s: Floats
    midnight_s: float


class Trust(NamedTuple):
    """A gap between positions over `seen_gap_s` makes a time interpolated, and its confidence falls to `floor` at
    `longest_gap_s`; a time by the timetable has `by_timetable`."""

    seen_gap_s: float
    longest_gap_s: float
    floor: float
    by_timetable: float


class Visited(NamedTuple):
    """What comes out, one entry a call: its trip; epoch milliseconds, and seconds between them; how late it was against
    the timetable where GPS saw it; GPS, INTERPOLATED, TIMETABLE or NOT (and then nothing else); the confidence."""

    trip: npt.NDArray[np.int32]
    arrival_ms: Ints
    departure_ms: Ints
    dwell_s: Floats
    delay_s: Floats
    method: npt.NDArray[np.int8]
    confidence: Floats


def nothing_visited(calls: int) -> Visited:
    """Room for so many calls."""
    return Visited(
        np.empty(calls, np.int32),
        np.empty(calls, np.int64),
        np.empty(calls, np.int64),
        np.empty(calls),
        np.empty(calls),
        np.empty(calls, np.int8),
        np.empty(calls),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def time_visits(
    begin: int,
    end: int,
    first_call: Ints,
    crossings: Crossings,
    planned: Planned,
    trust: Trust,
    end_s: float,
    visited: Visited,
) -> None:
    """Visits, until `end_s`, of the trips from `begin` to before `end`; trip t has the calls from first_call[t] on.

    A call that was not seen is as late as the last one seen before it, else as the next one seen, else on time."""
    for trip in range(begin, end):
        carried_s, latest_s = _first_delay_s(trip, first_call, crossings, planned), -np.inf
        for call in range(first_call[trip], first_call[trip + 1]):
            arrival_s, departure_s = crossings.arrival_s[call], crossings.departure_s[call]
            planned_s, leaving_s = _planned_s(trip, call - first_call[trip], planned)
            delay_s, gap_s = arrival_s - planned_s, crossings.gap_s[call]
            if not np.isnan(delay_s):
                carried_s = delay_s
            if np.isnan(arrival_s):
                arrival_s, departure_s = planned_s + carried_s, leaving_s + carried_s
                method, confidence = TIMETABLE, trust.by_timetable
            else:
                fade = (gap_s - trust.seen_gap_s) / (trust.longest_gap_s - trust.seen_gap_s)
                method = INTERPOLATED if gap_s > trust.seen_gap_s else GPS
                confidence = 1.0 - min(1.0, max(0.0, fade)) * (1.0 - trust.floor)
            visited.trip[call], visited.method[call] = trip, NOT
            if not np.isnan(arrival_s) and not np.isnan(departure_s):
                # a vehicle cannot reach a stop before it has left the one ahead, whatever the sources say
                latest_s = max(latest_s, arrival_s)
                departure_s = max(latest_s, departure_s)
                if latest_s <= end_s:
                    visited.arrival_ms[call] = np.int64(np.rint(latest_s * 1000.0))
                    visited.departure_ms[call] = np.int64(np.rint(departure_s * 1000.0))
                    visited.dwell_s[call], visited.delay_s[call] = departure_s - latest_s, delay_s
                    visited.method[call], visited.confidence[call] = method, confidence


@njit(cache=True, nogil=True)
def _planned_s(trip: int, place: int, planned: Planned) -> tuple[float, float]:
    """Epoch seconds of arrival and departure at the call with that `place` in the trip."""
    if planned.first[trip] < 0:
        return np.nan, np.nan
    row = planned.first[trip] + place
    return planned.arrival_s[row] + planned.midnight_s, planned.departure_s[row] + planned.midnight_s


@njit(cache=True, nogil=True)
def _first_delay_s(trip: int, first_call: Ints, crossings: Crossings, planned: Planned) -> float:
    for call in range(first_call[trip], first_call[trip + 1]):
        delay_s: float = crossings.arrival_s[call] - _planned_s(trip, call - first_call[trip], planned)[0]
        if not np.isnan(delay_s):
            return delay_s
    return 0.0


@njit(cache=True, nogil=True)
def in_order(rows: Ints, vehicle: Ints, visited: Visited) -> bool:
    """Whether the calls `rows` follow each other by the vehicle of their trip and arrival."""
    for at in range(1, len(rows)):
        before, here = rows[at - 1], rows[at]
        ahead = vehicle[visited.trip[here]] - vehicle[visited.trip[before]]
        if ahead < 0 or (ahead == 0 and visited.arrival_ms[here] < visited.arrival_ms[before]):
            return False
    return True
