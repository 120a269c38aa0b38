"""Riders are off at the visit of their stop, or at the next one of the trip where the bus left that stop out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.visit_riders import (
    SEQUENCE_BITS,
    Places,
    Spread,
    added_up,
    left_by_options,
    left_by_shares,
    visits_at,
    visits_left,
)

trips = st.lists(st.sets(st.integers(1, 6), min_size=1), min_size=1, max_size=4)


def places(stops: list[set[int]]) -> Places:
    keys = [(trip << SEQUENCE_BITS) + stop for trip, own in enumerate(stops) for stop in sorted(own)]
    return Places.of(np.array(keys, dtype=np.int64))


@settings(deadline=None)
@given(trips)
def test_every_stop_of_every_trip_is_found(stops: list[set[int]]) -> None:
    known = places(stops)
    visits = [(trip, stop) for trip, own in enumerate(stops) for stop in sorted(own)]
    for trip in range(len(stops)):
        for sequence in range(8):
            (found,) = visits_at(np.array([trip]), np.array([sequence]), known)
            assert found == sum(visit < (trip, sequence) for visit in visits)
    for boarded, (trip, at) in enumerate(visits):
        for sequence in range(8):
            (off,) = visits_left(np.array([boarded]), np.array([sequence]), known)
            later = [n for n, (own, stop) in enumerate(visits) if own == trip and stop >= max(sequence, at + 1)]
            assert off == (later[0] if later and sequence > at else -1)


def test_nobody_leaves_where_no_visit_is() -> None:
    known, none = Places.of(np.zeros(0, np.int64)), np.zeros(0, np.int64)
    assert len(visits_at(none, none, known)) == len(visits_left(none, none, known)) == 0
    assert len(left_by_options(none.astype(np.uint32), none, np.zeros(0), none, np.zeros(0), known)) == 0


def test_passengers_leave_as_options_and_shares_say() -> None:
    known = places([{1, 2, 4}, {1, 2}])
    leg, sequence = np.array([0, 0, 1, 1], np.uint32), np.array([2, 3, 2, 3])
    boarded, pax = np.array([0, 3]), np.array([2.0, 3.0])
    left = left_by_options(leg, sequence, np.array([0.5, 0.5, 0.25, 0.75]), boarded, pax, known)
    # the second trip has no third stop, and the first bus did not stop at its third
    assert left.tolist() == [0.0, 1.0, 1.0, 0.0, 0.75]
    spread = Spread(np.array([0]), np.array([2]), np.array([2, 4]), np.array([0.25, 0.75]))
    way = np.array([0, -1, -1, 0, -1])
    left = left_by_shares(0, 5, np.array([4.0, 1.0, 1.0, 4.0, 1.0]), way, spread, known)
    assert left.tolist() == [0.0, 1.0, 3.0, 0.0, 1.0]


def test_sums_run_along_each_trip() -> None:
    assert added_up(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1])).tolist() == [1.0, 3.0, 3.0, 7.0]
