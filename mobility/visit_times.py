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
    """Epoch seconds of every call by the timetable, NaN where it gives none."""

    arrival_s: Floats
    departure_s: Floats


class Trust(NamedTuple):
    """A gap between positions over `seen_gap_s` makes a time interpolated, and its confidence falls to `floor` at
    `longest_gap_s`; a time by the timetable has `by_timetable`."""

    seen_gap_s: float
    longest_gap_s: float
    floor: float
    by_timetable: float


class Visited(NamedTuple):
    """What comes out, one entry a call: epoch milliseconds, seconds between them, how late it was against the timetable
    where GPS saw it, GPS, INTERPOLATED, TIMETABLE or NOT (and then nothing else), and the confidence."""

    arrival_ms: Ints
    departure_ms: Ints
    dwell_s: Floats
    delay_s: Floats
    method: npt.NDArray[np.int8]
    confidence: Floats


def nothing_visited(calls: int) -> Visited:
    """Room for so many calls."""
    return Visited(
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
        carried_s, latest_s = _first_delay_s(first_call[trip], first_call[trip + 1], crossings, planned), -np.inf
        for call in range(first_call[trip], first_call[trip + 1]):
            arrival_s, departure_s = crossings.arrival_s[call], crossings.departure_s[call]
            delay_s, gap_s = arrival_s - planned.arrival_s[call], crossings.gap_s[call]
            if not np.isnan(delay_s):
                carried_s = delay_s
            if np.isnan(arrival_s):
                arrival_s, departure_s = planned.arrival_s[call] + carried_s, planned.departure_s[call] + carried_s
                method, confidence = TIMETABLE, trust.by_timetable
            else:
                fade = (gap_s - trust.seen_gap_s) / (trust.longest_gap_s - trust.seen_gap_s)
                method = INTERPOLATED if gap_s > trust.seen_gap_s else GPS
                confidence = 1.0 - min(1.0, max(0.0, fade)) * (1.0 - trust.floor)
            visited.method[call] = NOT
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
def _first_delay_s(begin: int, end: int, crossings: Crossings, planned: Planned) -> float:
    for call in range(begin, end):
        delay_s: float = crossings.arrival_s[call] - planned.arrival_s[call]
        if not np.isnan(delay_s):
            return delay_s
    return 0.0
