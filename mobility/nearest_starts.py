"""Runs of vehicles and planned trips paired off by their starts."""

from __future__ import annotations

from typing import Final

import polars as pl

# So far from its planned start a run is no longer taken for that trip.
LONGEST_SHIFT_S: Final = 1800.0


def nearest_starts(pairs: pl.DataFrame, run: list[str], trip: str) -> pl.DataFrame:
    """Of `pairs` (the columns of `run`, `trip`, `driven_s` and `planned_s`, seconds on the same clock) those that lie
    nearest, each run and each trip once; none over half an hour apart. Columns of `run`, and `trip`."""
    near = (
        pairs.with_columns((pl.col("driven_s") - pl.col("planned_s")).abs().alias("shift_s"))
        .filter(pl.col("shift_s") <= LONGEST_SHIFT_S)
        .sort("shift_s", *run, trip)
        .select(*run, trip)
    )
    runs_taken, trips_taken = set[tuple[object, ...]](), set[str]()
    kept = list[bool]()
    for *of_run, of_trip in near.iter_rows():
        free = tuple(of_run) not in runs_taken and of_trip not in trips_taken
        kept.append(free)
        if free:
            runs_taken.add(tuple(of_run))
            trips_taken.add(of_trip)
    return near.filter(pl.Series(kept, dtype=pl.Boolean))
