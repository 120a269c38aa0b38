"""Which repetition of a trip a vehicle drove that names only the trip, as feeds of GTFS `frequencies.txt` do."""

from __future__ import annotations

import polars as pl

from mobility.nearest_starts import nearest_starts


def name_repetitions(runs: pl.DataFrame, repetitions: pl.DataFrame, midnight_s: float) -> pl.DataFrame:
    """`runs` with `named_trip` changed from a repeated trip to one of its repetitions.

    `runs`: vehicle_id, named_trip, began_s (epoch seconds), by vehicle and time; neighbours that name the same trip are
    one run. `repetitions`: REPETITION, starts after `midnight_s`. Nearest starts first, each repetition once; what is
    left over, and further from every start than half an hour, keeps its name."""
    if repetitions.is_empty() or runs.is_empty():
        return runs
    change = (pl.col("vehicle_id") != pl.col("vehicle_id").shift()) | pl.col("named_trip").ne_missing(
        pl.col("named_trip").shift()
    )
    numbered = runs.with_columns(change.fill_null(True).cum_sum().alias("run"))
    asked = numbered.group_by("run", maintain_order=True).agg(pl.col("named_trip", "began_s").first())
    pairs = asked.join(repetitions, left_on="named_trip", right_on="repeats").select(
        "run",
        pl.col("trip_id").alias("repetition"),
        (pl.col("began_s") - midnight_s).alias("driven_s"),
        pl.col("start_s").alias("planned_s"),
    )
    named = nearest_starts(pairs, ["run"], "repetition")
    return (
        numbered.join(named, on="run", how="left", maintain_order="left")
        .with_columns(pl.coalesce("repetition", "named_trip").alias("named_trip"))
        .drop("run", "repetition")
    )
