"""Which stop visit each tap belongs to, compiled: one walk along taps and visits, both in order of vehicle and time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

VEHICLE_BITS = 41
GPS, LATE, EARLY, TIMETABLE = range(4)


class Visits(NamedTuple):
    """Stop visits: keys (vehicle, then milliseconds) from which on taps are of the visit, of arrival and of departure;
    what is known of it. `by_beginning`: the visits in order of the first key; `starts`: those at first stops."""

    began: Ints
    arrival: Ints
    departure: Ints
    confidence: Floats
    is_last: Bools
    by_timetable: Bools
    by_beginning: Ints
    starts: Ints


class Limits(NamedTuple):
    """As in BoardingRules."""

    prompt_s: float
    lost_s: float
    waiting_s: float


class Boarded(NamedTuple):
    """What comes out, one entry a tap that has a visit: both, GPS, LATE, EARLY or TIMETABLE, and the confidence."""

    tap: npt.NDArray[np.uint32]
    visit: npt.NDArray[np.uint32]
    method: npt.NDArray[np.uint32]
    confidence: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def board(at: Ints, visits: Visits, limits: Limits) -> Boarded:
    """The visits of taps with the sorted keys `at`.

    A tap is of the last visit of its vehicle that had begun; where that is the last of a trip or further off than the
    next beginning of a trip, it is of that."""
    boarded = Boarded(
        np.empty(len(at), np.uint32), np.empty(len(at), np.uint32), np.empty(len(at), np.uint32), np.empty(len(at))
    )
    begun, next_start, found = 0, 0, 0
    for tap in range(len(at)):
        while begun < len(visits.by_beginning) and visits.began[visits.by_beginning[begun]] <= at[tap]:
            begun += 1
        while next_start < len(visits.starts) and visits.began[visits.starts[next_start]] < at[tap]:
            next_start += 1
        late_s, early_s = np.inf, np.inf
        behind = visits.by_beginning[begun - 1] if begun > 0 else -1
        ahead = visits.starts[next_start] if next_start < len(visits.starts) else -1
        if behind >= 0 and _same_vehicle(visits.arrival[behind], at[tap]):
            late_s = max(0, at[tap] - visits.departure[behind]) / 1000.0
        if ahead >= 0 and _same_vehicle(visits.arrival[ahead], at[tap]):
            early_s = (visits.arrival[ahead] - at[tap]) / 1000.0
        is_behind = late_s <= limits.lost_s
        is_early = early_s <= limits.waiting_s and (not is_behind or visits.is_last[behind] or early_s < late_s)
        if is_early or is_behind:
            visit = ahead if is_early else behind
            boarded.tap[found], boarded.visit[found] = tap, visit
            boarded.method[found], near = _certainty(visit, is_early, late_s, visits, limits)
            boarded.confidence[found] = near * visits.confidence[visit]
            found += 1
    return Boarded(boarded.tap[:found], boarded.visit[:found], boarded.method[:found], boarded.confidence[:found])


@njit(cache=True, nogil=True)
def _same_vehicle(one: int, other: int) -> bool:
    return (one >> VEHICLE_BITS) == (other >> VEHICLE_BITS)


@njit(cache=True, nogil=True, error_model="numpy")
def _certainty(visit: int, is_early: bool, late_s: float, visits: Visits, limits: Limits) -> tuple[int, float]:
    """How it is known that a tap is of a visit whose times are certain, and how surely."""
    method, near = GPS, 0.99
    if is_early:
        method, near = EARLY, 0.9
    else:
        if late_s > limits.prompt_s:
            method = LATE
            near -= 0.4 * min(1.0, (late_s - limits.prompt_s) / (limits.lost_s - limits.prompt_s))
        if visits.is_last[visit]:
            near = 0.5
    if visits.by_timetable[visit]:
        method = TIMETABLE
    return method, near
