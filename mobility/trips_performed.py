"""Trips driven beside trips planned: what ran as scheduled, what was added, what nobody saw.

A vehicle that names its trip settles the matter. One of which only the pattern is known (performed.py) takes the
planned trip of that pattern that nobody else drove and whose start is nearest, nearest pairs first, each trip once.
"""

from __future__ import annotations

import polars as pl

from mobility.nearest_starts import nearest_starts
from mobility.service_schemas import TripPerformed
from mobility.sources.gtfs import Timetable

EDGE_S = 600.0
RUN = ["vehicle_id", "trip_id_performed"]


def trips_performed(
    visits: pl.DataFrame, timetable: Timetable, midnight_s: float, begin_s: float, end_s: float
) -> pl.DataFrame:
    """Columns of TripPerformed, service_date apart, sorted by line, pattern and start. `visits`: rows of StopVisit.

    `midnight_s`: epoch second of the service date's midnight; `begin_s`, `end_s`: epoch seconds between which the feeds
    were recorded; a planned trip that starts outside is not asked for."""
    planned = _planned(timetable, midnight_s)
    named = _by_name(_driven(visits), planned)
    due = planned.filter(pl.col("planned_s").is_between(begin_s, end_s))
    free = due.join(named.drop_nulls("trip_id_scheduled"), left_on="trip_id", right_on="trip_id_scheduled", how="anti")
    by_start = _by_start(named.filter(pl.col("trip_id_scheduled").is_null()), free)
    matched = named.join(by_start, on=RUN, how="left", maintain_order="left").with_columns(
        pl.coalesce("trip_id_scheduled", "trip_by_start").alias("trip_id_scheduled"),
        pl.when(pl.col("trip_by_start").is_not_null())
        .then(pl.lit("start_time"))
        .otherwise("schedule_match")
        .alias("schedule_match"),
    )
    unseen = due.join(
        matched.drop_nulls("trip_id_scheduled"), left_on="trip_id", right_on="trip_id_scheduled", how="anti"
    )
    return _described(matched, unseen, planned, timetable, begin_s, end_s)


def scheduled_trip(performed: pl.DataFrame) -> pl.DataFrame:
    """Which planned trip each run of a vehicle is: RUN, trip_id. `performed`: rows of TripPerformed."""
    return performed.drop_nulls(["vehicle_id", "trip_id_scheduled"]).select(
        *RUN, pl.col("trip_id_scheduled").alias("trip_id")
    )


def _planned(timetable: Timetable, midnight_s: float) -> pl.DataFrame:
    """trip_id, line, direction_id, pattern_id, planned_s (epoch second of the start; null where it has no time)."""
    starts = (
        timetable.calls.sort("trip_id", "trip_stop_sequence")
        .group_by("trip_id", maintain_order=True)
        .agg((pl.col("departure_s").first() + midnight_s).alias("planned_s"))
    )
    return timetable.trips.drop("block_id").join(starts, on="trip_id").sort("trip_id")


def _driven(visits: pl.DataFrame) -> pl.DataFrame:
    """One row a run of a vehicle: RUN, line, direction_id, pattern_id, what GPS saw of it (null where nothing)."""
    seen = pl.col("method") != "timetable"
    return (
        visits.sort(*RUN, "trip_stop_sequence")
        .group_by(RUN, maintain_order=True)
        .agg(
            pl.col("line", "direction_id", "pattern_id").first(),
            seen.sum().cast(pl.Int64).alias("stops_seen"),
            pl.col("trip_stop_sequence").filter(seen).min().alias("first_seen"),
            pl.col("trip_stop_sequence").filter(seen).max().alias("last_seen"),
            pl.col("departure").filter(seen).first().alias("actual_trip_start"),
            pl.col("arrival").filter(seen).last().alias("actual_trip_end"),
            pl.col("departure").first().alias("first_departure"),
        )
    )


def _by_name(driven: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """`driven` with trip_id_scheduled and schedule_match. Where several vehicles name one trip, the one that was seen
    at most of its stops drove it, and the others were added."""
    known = pl.col("trip_id_performed").is_in(planned["trip_id"].implode())
    return (
        driven.sort(["trip_id_performed", "stops_seen", "vehicle_id"], descending=[False, True, False])
        .with_columns((known & pl.col("trip_id_performed").is_first_distinct()).alias("is_named"))
        .with_columns(
            pl.when("is_named").then("trip_id_performed").alias("trip_id_scheduled"),
            pl.when("is_named").then(pl.lit("name")).alias("schedule_match"),
        )
        .drop("is_named")
        .sort(RUN)
    )


def _by_start(driven: pl.DataFrame, free: pl.DataFrame) -> pl.DataFrame:
    """RUN, trip_by_start: pairs of a run and a free planned trip of its pattern, the nearest starts first."""
    started = driven.select(*RUN, "pattern_id", (pl.col("first_departure").dt.epoch("ms") / 1000).alias("driven_s"))
    pairs = started.join(
        free.select("pattern_id", pl.col("trip_id").alias("trip_by_start"), "planned_s"), on="pattern_id"
    )
    return nearest_starts(pairs, RUN, "trip_by_start")


def _described(
    matched: pl.DataFrame,
    unseen: pl.DataFrame,
    planned: pl.DataFrame,
    timetable: Timetable,
    begin_s: float,
    end_s: float,
) -> pl.DataFrame:
    lengths = timetable.pattern_stops.group_by("pattern_id").agg(pl.len().cast(pl.Int64).alias("stops"))
    start_s, end = (pl.col(name).dt.epoch("ms") / 1000 for name in ("actual_trip_start", "actual_trip_end"))
    late_start = (pl.col("first_seen") > 1) & (start_s > begin_s + EDGE_S)
    early_end = (pl.col("last_seen") < pl.col("stops")) & (end < end_s - EDGE_S)
    is_planned = pl.col("trip_id_scheduled").is_not_null()
    nobody = unseen.select(
        pl.col("trip_id").alias("trip_id_performed"),
        pl.col("trip_id").alias("trip_id_scheduled"),
        "line",
        "direction_id",
        "pattern_id",
        pl.lit(0, dtype=pl.Int64).alias("stops_seen"),
        pl.lit("Canceled").alias("schedule_relationship"),
    )
    driven = matched.with_columns(
        pl.when(is_planned).then(pl.lit("Scheduled")).otherwise(pl.lit("Added")).alias("schedule_relationship")
    )
    plan = planned.select(pl.col("trip_id").alias("trip_id_scheduled"), "planned_s")
    return (
        pl.concat([driven, nobody], how="diagonal")
        .join(lengths, on="pattern_id", how="left")
        .join(plan, on="trip_id_scheduled", how="left")
        .with_columns(
            (late_start | early_end).fill_null(False).alias("is_short"),
            pl.from_epoch((pl.col("planned_s") * 1000).round().cast(pl.Int64), time_unit="ms")
            .dt.replace_time_zone("UTC")
            .alias("schedule_trip_start"),
        )
        .sort("line", "pattern_id", pl.coalesce("actual_trip_start", "schedule_trip_start"), *RUN)
        .select(name for name in TripPerformed.column_names() if name != "service_date")
    )
