"""Memory that is given back when it is free."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Final

M_MMAP_THRESHOLD: Final = -3
LARGE_BYTES: Final = 1 << 22


@cache
def give_back_large_arrays() -> None:
    """Have glibc return each large array to the system when it is freed, and not keep it for the next one.

    Left alone it raises that limit up to 32 MB as arrays come and go (mallopt(3), M_MMAP_THRESHOLD), and those of a
    day's taps, 16 MB each, stay with the process to its end: half a gigabyte. Other C libraries have no such limit."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
