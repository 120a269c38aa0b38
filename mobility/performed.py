"""Which trip of the timetable, or at least which pattern of stops, a vehicle was driving at each position.

A position says its trip (`trip_id_performed`). Where it is blank between two positions of one trip it is that trip;
where it is blank throughout, or names no trip of the timetable, the vehicle's own id may be that of a trip or a block
with one trip; else the pattern whose stops the vehicle passed in order is taken, if it fits well enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.sources.gtfs import Timetable

NEAR_STOP_M = 45.0
LEAST_SHARE_OF_STOPS = 0.7
LEAST_STOPS = 3

PERFORMED = {
    "vehicle_id": pl.String,
    "trip_id_performed": pl.String,
    "trip_id": pl.String,
    "line": pl.String,
    "direction_id": pl.Int64,
    "pattern_id": pl.String,
}


@dataclass(frozen=True)
class Performed:
    """`pings`: positions with trip_id_performed and pattern_id. `trips`: columns of PERFORMED; `trip_id` is the
    timetable's, null where only the pattern is known. `by_pattern` and `unmatched`: how many runs of a vehicle were
    given a pattern by their stops, and how many that named a trip fit none."""

    pings: pl.DataFrame
    trips: pl.DataFrame
    by_pattern: int
    unmatched: int


def assign_trips(pings: pl.DataFrame, timetable: Timetable) -> Performed:
    """Give every position its trip. `pings`: rows of VehicleLocation with x_m, y_m, sorted by vehicle and time."""
    before = pl.col("trip_id_performed").forward_fill().over("vehicle_id")
    after = pl.col("trip_id_performed").backward_fill().over("vehicle_id")
    named = pings.with_columns(
        pl.coalesce("trip_id_performed", pl.when(before == after).then(before)).alias("named_trip")
    )
    by_own_id = _by_vehicle_id(timetable)
    known = timetable.trips.select(pl.col("trip_id").alias("named_trip"), pl.col("trip_id").alias("trip_by_name"))
    joined = (
        named.join(known, on="named_trip", how="left", maintain_order="left")
        .join(by_own_id, on="vehicle_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("trip_by_name", "trip_by_vehicle").alias("trip_id"))
    )
    certain = joined.filter(pl.col("trip_id").is_not_null()).with_columns(pl.col("trip_id").alias("trip_id_performed"))
    unknown = joined.filter(pl.col("trip_id").is_null()).with_columns(
        pl.coalesce("named_trip", pl.concat_str(pl.lit("unnamed:"), "vehicle_id")).alias("trip_id_performed")
    )
    fitted = _patterns_by_stops(unknown, timetable)
    # a blank trip between two trips is a layover or a way to the depot, and contradicts no timetable
    runs = unknown.filter(pl.col("named_trip").is_not_null()).select("vehicle_id", "trip_id_performed").unique()
    misfits = runs.join(fitted, on=["vehicle_id", "trip_id_performed"], how="anti")
    certain_trips = (
        certain.select("vehicle_id", "trip_id_performed", "trip_id")
        .unique()
        .join(timetable.trips.select("trip_id", "line", "direction_id", "pattern_id"), on="trip_id")
    )
    trips = pl.concat([certain_trips.select(list(PERFORMED)), fitted.select(list(PERFORMED))]).sort(
        "vehicle_id", "trip_id_performed"
    )
    kept = (
        pl.concat([certain, unknown])
        .select(*pings.columns)
        .join(trips.select("vehicle_id", "trip_id_performed", "pattern_id"), on=["vehicle_id", "trip_id_performed"])
        .sort("vehicle_id", "event_timestamp", "location_ping_id")
    )
    return Performed(kept, trips, fitted.height, misfits.height)


def _by_vehicle_id(timetable: Timetable) -> pl.DataFrame:
    """Vehicles whose id is that of a trip, or of a block with a single trip: vehicle_id, trip_by_vehicle."""
    blocks = (
        timetable.trips.drop_nulls("block_id")
        .filter(pl.len().over("block_id") == 1)
        .select(pl.col("block_id").alias("vehicle_id"), pl.col("trip_id").alias("trip_by_vehicle"))
    )
    own = timetable.trips.select(pl.col("trip_id").alias("vehicle_id"), pl.col("trip_id").alias("trip_by_vehicle"))
    return pl.concat([own, blocks]).unique("vehicle_id", keep="first", maintain_order=True)


def _patterns_by_stops(pings: pl.DataFrame, timetable: Timetable) -> pl.DataFrame:
    """Best pattern of every run, by the share of its stops that the run passed near and in order (PERFORMED)."""
    run = ["vehicle_id", "trip_id_performed"]
    stops = timetable.stops.select("stop_id", pl.col("x_m").alias("stop_x"), pl.col("y_m").alias("stop_y"))
    cell = 2 * NEAR_STOP_M
    around = pl.DataFrame({"i": [-1, 0, 1]}).join(pl.DataFrame({"j": [-1, 0, 1]}), how="cross")
    indexed = stops.join(around, how="cross").with_columns(
        ((pl.col("stop_x") / cell).floor().cast(pl.Int64) + pl.col("i")).alias("cx"),
        ((pl.col("stop_y") / cell).floor().cast(pl.Int64) + pl.col("j")).alias("cy"),
    )
    passed = (
        pings.with_columns(
            (pl.col("x_m") / cell).floor().cast(pl.Int64).alias("cx"),
            (pl.col("y_m") / cell).floor().cast(pl.Int64).alias("cy"),
        )
        .join(indexed, on=["cx", "cy"])
        .filter((pl.col("x_m") - pl.col("stop_x")).pow(2) + (pl.col("y_m") - pl.col("stop_y")).pow(2) < NEAR_STOP_M**2)
        .group_by(*run, "stop_id")
        .agg(pl.col("event_timestamp").mean().alias("passed_at"))
    )
    lengths = timetable.pattern_stops.group_by("pattern_id").agg(pl.len().alias("stops"))
    in_order = pl.col("passed_at") > pl.col("passed_at").shift(1).over([*run, "pattern_id"])
    return (
        passed.join(timetable.pattern_stops, on="stop_id")
        .sort(*run, "pattern_id", "trip_stop_sequence")
        .with_columns(in_order.fill_null(True).alias("in_order"))
        .group_by(*run, "pattern_id")
        .agg(pl.col("in_order").sum().cast(pl.Int64).alias("hits"))
        .join(lengths, on="pattern_id")
        .with_columns((pl.col("hits") / pl.col("stops")).alias("share"))
        .filter((pl.col("share") >= LEAST_SHARE_OF_STOPS) & (pl.col("hits") >= LEAST_STOPS))
        .sort(["share", "hits", "pattern_id"], descending=[True, True, False])
        .unique(run, keep="first", maintain_order=True)
        .join(
            timetable.trips.select("pattern_id", "line", "direction_id").unique("pattern_id", keep="any"),
            on="pattern_id",
        )
        .with_columns(pl.lit(None, dtype=pl.String).alias("trip_id"))
    )
