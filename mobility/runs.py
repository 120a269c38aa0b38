"""Runs of neighbouring rows that say the same."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mobility.line_stops import Ints


def runs_of(rows: pl.DataFrame, columns: Sequence[str]) -> tuple[Ints, Ints]:
    """First row of each run of rows equal in `columns` (a null equals a null), and how many rows it has."""
    ends = [rows[name].rle().struct.field("len").cast(pl.Int64).cum_sum() for name in columns]
    end = pl.concat(ends).unique().sort()
    first = end.shift(1, fill_value=0)
    return first.to_numpy(), (end - first).to_numpy()
