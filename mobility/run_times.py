"""Run times from stop to stop and dwell times, by line and hour."""

from __future__ import annotations

import polars as pl

from mobility.cells import Cells, sorted_by
from mobility.run_calls import join_calls
from mobility.service_schemas import RunTime

TRIP = ["vehicle_id", "trip_id_performed"]
SEEN = ("gps", "gps_interpolated")


def stop_to_stop(visits: pl.DataFrame, pattern_stops: pl.DataFrame) -> pl.DataFrame:
    """Each run of a vehicle from one stop to the next that GPS saw at both ends, sorted by trip and stop.

    `visits`: rows of StopVisit; `pattern_stops`: pattern_id, trip_stop_sequence, path_m. Returns service_date, TRIP,
    pattern_id, line, direction_id, trip_stop_sequence (of the first), from_stop, to_stop, departure, arrival, dwell_s,
    run_s, start_m, end_m, confidence."""
    following = _next("trip_stop_sequence") == pl.col("trip_stop_sequence") + 1
    return (
        sorted_by(visits, [*TRIP, "trip_stop_sequence"])
        .join(pattern_stops.drop("stop_id"), on=["pattern_id", "trip_stop_sequence"], maintain_order="left")
        .with_columns(
            _next("stop_id").alias("to_stop"),
            _next("arrival").alias("next_arrival"),
            _next("path_m").alias("end_m"),
            _next("method").is_in(SEEN).alias("end_seen"),
            pl.min_horizontal("confidence", _next("confidence")).alias("confidence"),
            following.alias("follows"),
        )
        .filter(pl.col("follows") & pl.col("method").is_in(SEEN) & pl.col("end_seen"))
        .select(
            "service_date",
            *TRIP,
            "pattern_id",
            "line",
            "direction_id",
            "trip_stop_sequence",
            pl.col("stop_id").alias("from_stop"),
            "to_stop",
            "departure",
            pl.col("next_arrival").alias("arrival"),
            "dwell_s",
            ((pl.col("next_arrival") - pl.col("departure")).dt.total_milliseconds() / 1000).alias("run_s"),
            pl.col("path_m").alias("start_m"),
            "end_m",
            "confidence",
        )
    )


def run_times(runs: pl.DataFrame, calls: pl.DataFrame, midnight_s: float) -> pl.DataFrame:
    """Columns of RunTime, sorted by line, stops and hour (of the departure). `runs`: rows of `stop_to_stop`.

    `calls`: vehicle_id, trip_id_performed, trip_stop_sequence, arrival_s, departure_s of the planned trip."""
    planned = calls.sort(*TRIP, "trip_stop_sequence").with_columns(
        (_next("arrival_s") - pl.col("departure_s")).alias("planned_run_s")
    )
    key = ["service_date", "line", "from_stop", "to_stop", "hour"]
    hour = ((pl.col("departure").dt.epoch("ms") / 1000 - midnight_s) // 3600).cast(pl.Int64).alias("hour")
    told = join_calls(runs, planned.select(*TRIP, "trip_stop_sequence", "planned_run_s"), "left").with_columns(hour)
    cells = Cells.of(told.select(key))
    (length_m,) = cells.quantiles(told["end_m"] - told["start_m"], 0.5)
    run_s, dwell_s = (cells.quantiles(told[name], 0.5, 0.85) for name in ("run_s", "dwell_s"))
    return (
        cells.firsts(told.select(key))
        .with_columns(
            cells.least(told["direction_id"]).alias("direction_id"),
            cells.counts().alias("runs"),
            length_m.round(1).alias("length_m"),
            run_s[0].round(3).alias("median_run_s"),
            run_s[1].round(3).alias("p85_run_s"),
            cells.means(told["planned_run_s"]).round(3).alias("scheduled_run_s"),
            dwell_s[0].round(3).alias("median_dwell_s"),
            dwell_s[1].round(3).alias("p85_dwell_s"),
            cells.means(told["confidence"]).round(6).alias("confidence"),
        )
        .select(RunTime.column_names())
    )


def _next(column: str) -> pl.Expr:
    """What the row after has, where it is of the same TRIP; the rows of one stand together."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in TRIP)
    return pl.when(same).then(pl.col(column).shift(-1))
