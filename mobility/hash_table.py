"""Equal hashes among millions, compiled: tables with open addressing (Knuth, TAOCP 3, section 6.4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint32]

EMPTY = 0xFFFFFFFF


@njit(cache=True, nogil=True)
def any_twice(hashes: Hashes) -> bool:
    """Whether two of the hashes are the same.

    Hashes are dealt out by their first bits, so that each table stays in the processor's cache (radix partitioning;
    Manegold, Boncz & Kersten 2002)."""
    bits = 8 if len(hashes) > 1 << 16 else 1
    ends, dealt = _dealt_out(hashes, np.uint64(64 - bits), 1 << bits)
    begin, most = 0, 0
    for end in ends:
        most, begin = max(most, end - begin), end
    table = np.empty(_size(most), np.uint64)
    mask = np.uint64(len(table) - 1)
    begin = 0
    for end in ends:
        # nought marks a free place, so it has none of its own
        table[:] = 0
        noughts = 0
        for at in range(begin, end):
            value = dealt[at]
            if value == 0:
                noughts += 1
                continue
            place = value & mask
            while table[place] != 0:
                if table[place] == value:
                    return True
                place = (place + np.uint64(1)) & mask
            table[place] = value
        if noughts > 1:
            return True
        begin = end
    return False


@njit(cache=True, nogil=True)
def first_rows(hashes: Hashes) -> Rows:
    """Of each row the first one with the same hash."""
    table = np.full(_size(len(hashes)), EMPTY, np.uint32)
    mask = np.uint64(len(table) - 1)
    first = np.empty(len(hashes), np.uint32)
    for row in range(len(hashes)):
        value = hashes[row]
        place = value & mask
        while table[place] != EMPTY and hashes[table[place]] != value:
            place = (place + np.uint64(1)) & mask
        if table[place] == EMPTY:
            table[place] = row
        first[row] = table[place]
    return first


@njit(cache=True, nogil=True)
def rows_with(keys: Ints, wanted: Ints) -> Ints:
    """Of each number `wanted` the row of `keys`, which are all different, that has it; -1 where none has."""
    table = np.full(_size(len(keys)), EMPTY, np.uint32)
    mask = np.uint64(len(table) - 1)
    for row in range(len(keys)):
        place = _scattered(keys[row]) & mask
        while table[place] != EMPTY:
            place = (place + np.uint64(1)) & mask
        table[place] = row
    found = np.full(len(wanted), -1, np.int64)
    for at in range(len(wanted)):
        place = _scattered(wanted[at]) & mask
        while table[place] != EMPTY and keys[table[place]] != wanted[at]:
            place = (place + np.uint64(1)) & mask
        if table[place] != EMPTY:
            found[at] = table[place]
    return found


@njit(cache=True, nogil=True)
def _scattered(key: int) -> np.uint64:
    """Neighbours stay near each other, as rows mostly come in order (Fibonacci hashing; Knuth, TAOCP 3, 6.4)."""
    return np.uint64(key) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)


@njit(cache=True, nogil=True)
def _dealt_out(hashes: Hashes, shift: np.uint64, parts: int) -> tuple[npt.NDArray[np.int64], Hashes]:
    """The hashes by what is left of each after `shift`, and where each part ends."""
    ends = np.zeros(parts + 1, np.int64)
    for value in hashes:
        ends[(value >> shift) + np.uint64(1)] += 1
    for part in range(parts):
        ends[part + 1] += ends[part]
    dealt = np.empty(len(hashes), np.uint64)
    for value in hashes:
        part = value >> shift
        dealt[ends[part]] = value
        ends[part] += 1
    return ends[:parts], dealt


@njit(cache=True, nogil=True)
def _size(count: int) -> int:
    """A power of two that leaves at least half of a table with so many entries free."""
    size = 2
    while size < 2 * count:
        size *= 2
    return size
