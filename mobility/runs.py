"""Runs of neighbouring rows that say the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numba import njit

from mobility.line_stops import Floats, Ints


def runs_of(rows: pl.DataFrame, columns: Sequence[str]) -> tuple[Ints, Ints]:
    """First row of each run of rows equal in `columns` (a null equals a null), and how many rows it has."""
    ends = [rows[name].rle().struct.field("len").cast(pl.Int64).cum_sum() for name in columns]
    end = pl.concat(ends).unique().sort()
    first = end.shift(1, fill_value=0)
    return first.to_numpy(), (end - first).to_numpy()


@njit(cache=True, nogil=True)
def spans(first: Ints, rows: Ints, values: Floats) -> Floats:
    """How far the finite `values` of each run, `rows` of them from `first` on and at least one, are apart."""
    found = np.empty(len(first))
    for run in range(len(first)):
        least = most = values[first[run]]
        for row in range(first[run] + 1, first[run] + rows[run]):
            least, most = min(least, values[row]), max(most, values[row])
        found[run] = most - least
    return found
