"""Rows in order of a wide key, compiled: dealt out by the first bits of the key, and each small part sorted on its own.

Keys that are spread over their range (hashes, places with times) leave parts of a few rows, which stay in the
processor's cache (distribution sort; Knuth, TAOCP 3, section 5.2.1); parts are shared among threads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from mobility.batches import in_batches

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint32]

ROWS_A_PART = 16
MOST_PART_BITS = 17
BATCH_ROWS = 250_000
# rows that are sorted by insertion; of more, a merge sort takes less
FEW_ROWS = 48


def sorted_keys(key: Ints) -> tuple[Ints, Rows]:
    """The keys (none negative) in order, and the row each comes from; equal ones as they come."""
    if not len(key):
        return np.zeros(0, np.int64), np.zeros(0, np.uint32)
    least, most = int(key.min()), int(key.max())
    bits = min(MOST_PART_BITS, (len(key) // ROWS_A_PART).bit_length())
    shift = max(0, (most - least).bit_length() - bits)
    first, ordered, row = _dealt_out(key, least, shift, ((most - least) >> shift) + 1)
    in_batches(_sort_parts, first, BATCH_ROWS, first, ordered, row)
    return ordered, row


@njit(cache=True, nogil=True)
def _dealt_out(key: Ints, least: int, shift: int, parts: int) -> tuple[Ints, Ints, Rows]:
    """Where each part begins and the last one ends, and the keys part by part with their rows."""
    first = np.zeros(parts + 1, np.int64)
    for value in key:
        first[((value - least) >> shift) + 1] += 1
    for part in range(parts):
        first[part + 1] += first[part]
    place = first[:-1].copy()
    ordered, rows = np.empty(len(key), np.int64), np.empty(len(key), np.uint32)
    for row in range(len(key)):
        part = (key[row] - least) >> shift
        ordered[place[part]], rows[place[part]] = key[row], row
        place[part] += 1
    return first, ordered, rows


@njit(cache=True, nogil=True)
def _sort_parts(begin: int, end: int, first: Ints, key: Ints, row: Rows) -> None:
    """Bring the parts from `begin` to before `end` in order."""
    for part in range(begin, end):
        low, high = first[part], first[part + 1]
        if high - low > FEW_ROWS:
            order = np.argsort(key[low:high], kind="mergesort")
            key[low:high], row[low:high] = key[low:high][order], row[low:high][order]
            continue
        for at in range(low + 1, high):
            held_key, held_row, place = key[at], row[at], at
            while place > low and key[place - 1] > held_key:
                key[place], row[place] = key[place - 1], row[place - 1]
                place -= 1
            key[place], row[place] = held_key, held_row
