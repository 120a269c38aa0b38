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


@njit(cache=True, nogil=True)
def order_by_digit(number: npt.NDArray[np.int64], order: Rows, shift: int, bits: int) -> Rows:
    """Rows that stand in `order` by `bits` bits of `number` (none negative), of which `shift` lower ones are left out;
    equal ones stay as they come."""
    mask = (1 << bits) - 1
    place = np.zeros(mask + 2, dtype=np.int64)
    for value in number:
        place[((value >> shift) & mask) + 1] += 1
    for digit in range(mask + 1):
        place[digit + 1] += place[digit]
    after = np.empty(len(order), dtype=np.uint32)
    for row in order:
        digit = (number[row] >> shift) & mask
        after[place[digit]] = row
        place[digit] += 1
    return after
