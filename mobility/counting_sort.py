"""Rows in order of a small whole number, without comparing them: counting sort (Knuth, TAOCP 3, section 5.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Rows = npt.NDArray[np.uint32]


@njit(cache=True, nogil=True)
def stable_order(number: npt.NDArray[Any], size: int) -> Rows:
    """Order of rows by `number` (from 0 to `size` - 1); equal ones stay as they come."""
    place = np.zeros(size + 1, dtype=np.int64)
    for row in range(len(number)):
        place[number[row] + 1] += 1
    for value in range(size):
        place[value + 1] += place[value]
    order = np.empty(len(number), dtype=np.uint32)
    for row in range(len(number)):
        order[place[number[row]]] = row
        place[number[row]] += 1
    return order
