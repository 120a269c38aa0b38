"""Taps that fall on a stop under an offset, counted as the plain way of saying it counts them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.clock_fits import Stays, taps_that_fit

FURTHEST_S, LATE_S = 8, 2
times = st.integers(20_000, 60_000)


@settings(deadline=None)
@given(st.lists(st.tuples(times, st.integers(0, 9_000)), max_size=8), st.lists(st.tuples(st.integers(0, 1), times)))
def test_a_tap_fits_where_its_bus_stood(stood: list[tuple[int, int]], taps: list[tuple[int, int]]) -> None:
    stood.sort()
    arrival = np.array([begin for begin, _ in stood], dtype=np.int64)
    departure = arrival + np.array([long for _, long in stood], dtype=np.int64)
    device, at = (np.array([tap[column] for tap in taps], dtype=np.int64) for column in (0, 1))
    found = taps_that_fit(device, at, Stays(arrival, departure), 2, FURTHEST_S, LATE_S)
    assert found.shape == (2, 2 * FURTHEST_S + 1)
    for row in range(2):
        for offset in range(-FURTHEST_S, FURTHEST_S + 1):
            expected = 0
            for own, tapped in taps:
                near = (
                    (begin, begin + long)
                    for begin, long in stood
                    if -FURTHEST_S * 1000 <= begin - tapped < FURTHEST_S * 1000
                )
                expected += sum(
                    own == row and -((end - tapped) // 1000) - LATE_S <= offset <= (tapped - begin) // 1000
                    for begin, end in near
                )
            assert found[row, offset + FURTHEST_S] == expected
