"""Early, on time or late at the timepoints: stops with an exact time in the timetable (GTFS `timepoint`)."""

from __future__ import annotations

import polars as pl

from mobility.run_calls import join_calls
from mobility.service_schemas import Punctuality

EARLY_S = -60.0
LATE_S = 300.0
DIGITS = 6


def punctuality(visits: pl.DataFrame, calls: pl.DataFrame, midnight_s: float) -> pl.DataFrame:
    """Columns of Punctuality, sorted by line, direction, stop and hour (of the planned time).

    `visits`: rows of StopVisit; `calls`: vehicle_id, trip_id_performed, trip_stop_sequence, arrival_s, departure_s
    (from midnight), is_timepoint, of the planned trip that each run is. Interpolated and unseen visits are left out:
    they would repeat the timetable."""
    arrives = pl.col("is_last_stop")
    planned_s = pl.when(arrives).then("arrival_s").otherwise("departure_s")
    actual = pl.when(arrives).then("arrival").otherwise("departure")
    delay_s = pl.col("delay_at_point_s")
    early, late = delay_s < EARLY_S, delay_s > LATE_S
    key = ["service_date", "line", "direction_id", "stop_id", "hour"]
    return (
        join_calls(visits.filter(pl.col("method") == "gps"), calls.filter("is_timepoint"), "inner")
        .with_columns(
            (actual.dt.epoch("ms") / 1000 - midnight_s - planned_s).alias("delay_at_point_s"),
            (planned_s // 3600).cast(pl.Int64).alias("hour"),
        )
        .drop_nulls("delay_at_point_s")
        .group_by(key)
        .agg(
            pl.len().cast(pl.Int64).alias("visits"),
            early.sum().cast(pl.Int64).alias("early"),
            (~early & ~late).sum().cast(pl.Int64).alias("on_time"),
            late.sum().cast(pl.Int64).alias("late"),
            (~early & ~late).mean().round(DIGITS).alias("on_time_share"),
            delay_s.mean().round(3).alias("mean_delay_s"),
            delay_s.median().round(3).alias("median_delay_s"),
            delay_s.quantile(0.85, "linear").round(3).alias("p85_delay_s"),
        )
        .sort(key)
        .select(Punctuality.column_names())
    )
