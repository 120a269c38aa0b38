"""Early, on time or late at the timepoints: stops with an exact time in the timetable (GTFS `timepoint`)."""

from __future__ import annotations

import polars as pl

from mobility.cells import Cells
from mobility.run_calls import PLACE, RUN, join_calls
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
    seen, points = visits.filter(pl.col("method") == "gps"), calls.filter("is_timepoint")
    told = (
        join_calls(seen, points.select(*RUN, PLACE, "arrival_s", "departure_s"), "inner")
        .with_columns(
            (actual.dt.epoch("ms") / 1000 - midnight_s - planned_s).alias("delay_at_point_s"),
            (planned_s // 3600).cast(pl.Int64).alias("hour"),
        )
        .drop_nulls("delay_at_point_s")
        .select(*key, delay_s, early.alias("early"), late.alias("late"), (~early & ~late).alias("on_time"))
    )
    cells = Cells.of(told.select(key))
    median, p85 = cells.quantiles(told["delay_at_point_s"], 0.5, 0.85)
    return (
        cells.firsts(told.select(key))
        .with_columns(
            cells.counts().alias("visits"),
            *(cells.sums(told[name]).cast(pl.Int64).alias(name) for name in ("early", "on_time", "late")),
            cells.means(told["on_time"]).round(DIGITS).alias("on_time_share"),
            cells.means(told["delay_at_point_s"]).round(3).alias("mean_delay_s"),
            median.round(3).alias("median_delay_s"),
            p85.round(3).alias("p85_delay_s"),
        )
        .select(Punctuality.column_names())
    )
