"""Which of a day's stop visits riders leave at, compiled: millions of places they may leave at, each looked up once.

Visits are numbered by vehicle, trip and stop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SEQUENCE_BITS = 20


class Places(NamedTuple):
    """Of each visit the number of its `trip` and the `key` (trip, then stop sequence: rising); `first`: of each trip
    the number of its first visit less the key of that, so that a key added to it tells where a visit mostly is."""

    trip: Ints
    key: Ints
    first: Ints

    @classmethod
    def of(cls, key: Ints) -> Places:
        """Of visits in order of their keys."""
        trip = key >> SEQUENCE_BITS
        first = np.flatnonzero(np.r_[True, trip[1:] != trip[:-1]][: len(trip)])
        return cls(trip, key, first - key[first])


class Spread(NamedTuple):
    """Where riders leave whom only shares tell of: those of way w have the rows first[w] to first[w] + rows[w] of
    `sequence` (of the stop) and `share`."""

    first: Ints
    rows: Ints
    sequence: Ints
    share: Floats


@njit(cache=True, nogil=True)
def _visit_at(key: int, likely: int, keys: Ints) -> int:
    """Number of the visit with this key, or of the one that would follow it; it is mostly the `likely` one."""
    if 0 <= likely < len(keys) and keys[likely] == key:
        return likely
    return int(np.searchsorted(keys, key))


@njit(cache=True, nogil=True)
def _visit_left(boarded: int, sequence: int, trip: Ints, keys: Ints, first: Ints) -> int:
    """Number of the visit at which riders who boarded at another are off: that of the stop `sequence` of its trip or,
    where the vehicle was not at that stop, the next one; -1 where there is none."""
    own = trip[boarded]
    key = (own << SEQUENCE_BITS) + sequence
    found = _visit_at(key, key + first[own], keys)
    return found if found < len(keys) and trip[found] == own and found > boarded else -1


# arrays are taken out of the tuple before each loop: within it, to count who holds them would take most of the time


@njit(cache=True, nogil=True)
def visits_at(trip: Ints, sequence: Ints, places: Places) -> Ints:
    """Number of the visit of each trip at the stop `sequence`, or of the one that would follow it."""
    keys, first = places.key, places.first
    found = np.empty(len(trip), np.int64)
    for row in range(len(trip)):
        key = (trip[row] << SEQUENCE_BITS) + sequence[row]
        found[row] = _visit_at(key, key + first[trip[row]], keys)
    return found


@njit(cache=True, nogil=True)
def visits_left(boarded: Ints, sequence: Ints, places: Places) -> Ints:
    """`_visit_left` of each."""
    trip, keys, first = places.trip, places.key, places.first
    found = np.empty(len(boarded), np.int64)
    for row in range(len(boarded)):
        found[row] = _visit_left(boarded[row], sequence[row], trip, keys, first)
    return found


@njit(cache=True, nogil=True)
def left_by_options(
    leg: npt.NDArray[np.uint32], sequence: Ints, probability: Floats, boarded: Ints, pax: Floats, places: Places
) -> Floats:
    """Passengers who leave at each visit, of legs with options: `leg`, `sequence`, `probability` of each option; where
    each leg `boarded` and the `pax` it stands for."""
    trip, keys, first = places.trip, places.key, places.first
    told = np.zeros(len(keys))
    for row in range(len(leg)):
        off = _visit_left(boarded[leg[row]], sequence[row], trip, keys, first)
        if off >= 0:
            told[off] += pax[leg[row]] * probability[row]
    return told


@njit(cache=True, nogil=True)
def left_by_shares(begin: int, end: int, pax: Floats, way: Ints, spread: Spread, places: Places) -> Floats:
    """Passengers who leave at each visit, of the `pax` that boarded at the visits from `begin` to before `end` and are
    spread as the shares of the visit's `way` (-1: of none) say."""
    trip, keys, first = places.trip, places.key, places.first
    sequence, share, begins, rows = spread.sequence, spread.share, spread.first, spread.rows
    told = np.zeros(len(keys))
    for visit in range(begin, end):
        if pax[visit] > 0 and way[visit] >= 0:
            for row in range(begins[way[visit]], begins[way[visit]] + rows[way[visit]]):
                off = _visit_left(visit, sequence[row], trip, keys, first)
                if off >= 0:
                    told[off] += pax[visit] * share[row]
    return told


@njit(cache=True, nogil=True)
def added_up(values: Floats, trip: Ints) -> Floats:
    """Values added up along each trip."""
    added = np.empty(len(values))
    for row in range(len(values)):
        added[row] = values[row]
        if row and trip[row] == trip[row - 1]:
            added[row] += added[row - 1]
    return added
