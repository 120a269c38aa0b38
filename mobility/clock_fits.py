"""How many taps fall on a stop under each offset of a clock, compiled: every tap beside the stops around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]


class Stays(NamedTuple):
    """When vehicles stood at stops: keys (vehicle, then milliseconds) of arrival, rising, and of departure."""

    arrival: Ints
    departure: Ints


@njit(cache=True, nogil=True)
def taps_that_fit(device: Ints, at: Ints, stays: Stays, devices: int, furthest_s: int, late_s: int) -> Ints:
    """Of each device and each offset, in whole seconds from -furthest_s to furthest_s, how many of its taps (keys `at`)
    fall on a stop of their vehicle, or up to `late_s` after the departure from it."""
    arrival, departure = stays.arrival, stays.departure
    most, width_ms = 2 * furthest_s, furthest_s * 1000
    steps = np.zeros((devices, most + 2), np.int64)
    for tap in range(len(at)):
        visit = np.searchsorted(arrival, at[tap] - width_ms)
        while visit < len(arrival) and arrival[visit] < at[tap] + width_ms:
            latest = min(most, (at[tap] - arrival[visit]) // 1000 + furthest_s)
            earliest = max(0, furthest_s - late_s - (departure[visit] - at[tap]) // 1000)
            if earliest <= latest:
                steps[device[tap], earliest] += 1
                steps[device[tap], latest + 1] -= 1
            visit += 1
    for row in range(devices):
        for offset in range(1, most + 1):
            steps[row, offset] += steps[row, offset - 1]
    return steps[:, : most + 1]
