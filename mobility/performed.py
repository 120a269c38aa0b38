"""Which trip of the timetable, or at least which pattern of stops, a vehicle was driving at each position.

A position says its trip (`trip_id_performed`). Where it is blank between two positions of one trip it is that trip;
where it is blank throughout, or names no trip of the timetable, the vehicle's own id may be that of a trip or a block
with one trip; else the pattern whose stops the vehicle passed in order is taken, if it fits well enough.
All this is asked once for each run of positions that say the same, not once for each position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.line_stops import Floats, Ints, spread
from mobility.repetitions import name_repetitions
from mobility.runs import runs_of, spans
from mobility.sources.gtfs import Timetable

NEAR_STOP_M = 45.0
LEAST_SHARE_OF_STOPS = 0.7
LEAST_STOPS = 3
# A blank run that stays within this much of itself is a layover: it passes no three stops.
LAYOVER_M = 300.0

RUN = ["vehicle_id", "trip_id_performed"]
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
    """`pings`: the positions as they came. `runs`: track (row of `trips`, null where the run belongs to no trip),
    first_row, rows (of `pings`), named (whether the positions or the vehicle named a trip), sorted by track and row.
    `trips`: columns of PERFORMED, sorted by vehicle and trip; `trip_id` is the timetable's, null where only the pattern
    is known. `by_pattern` and `unmatched`: how many runs of a vehicle were given a pattern by their stops, and how many
    that named a trip fit none."""

    pings: pl.DataFrame
    runs: pl.DataFrame
    trips: pl.DataFrame
    by_pattern: int
    unmatched: int


def assign_trips(pings: pl.DataFrame, timetable: Timetable, midnight_s: float) -> Performed:
    """Give every position its trip. `pings`: rows of VehicleLocation with x_m, y_m, sorted by vehicle and time; names
    may be text or categories. `midnight_s`: epoch second of the service date's midnight."""
    joined = (
        name_repetitions(_named(_runs(pings)), timetable.repetitions, midnight_s)
        .join(_by_name(timetable), on="named_trip", how="left", maintain_order="left")
        .join(_by_vehicle_id(timetable), on="vehicle_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("trip_by_name", "trip_by_vehicle").alias("trip_id"))
        .with_columns(
            pl.coalesce("trip_id", "named_trip", pl.concat_str(pl.lit("unnamed:"), "vehicle_id")).alias(
                "trip_id_performed"
            )
        )
    )
    unknown = joined.filter(pl.col("trip_id").is_null())
    fitted = _patterns_by_stops(_pings_of(unknown, pings), timetable)
    # a blank trip between two trips is a layover or a way to the depot, and contradicts no timetable
    misfits = unknown.drop_nulls("named_trip").select(RUN).unique().join(fitted, on=RUN, how="anti")
    certain = (
        joined.drop_nulls("trip_id")
        .select(*RUN, "trip_id")
        .unique()
        .join(timetable.trips.select("trip_id", "line", "direction_id", "pattern_id"), on="trip_id")
    )
    trips = pl.concat([certain.select(list(PERFORMED)), fitted.select(list(PERFORMED))]).sort(RUN)
    tracks = trips.select(RUN).with_row_index("track").with_columns(pl.col("track").cast(pl.Int64))
    runs = (
        joined.join(tracks, on=RUN, how="left")
        .select("track", "first_row", "rows", pl.coalesce("trip_id", "named_trip").is_not_null().alias("named"))
        .sort("track", "first_row", nulls_last=True)
    )
    return Performed(pings, runs, trips, fitted.height, misfits.height)


def _runs(pings: pl.DataFrame) -> pl.DataFrame:
    """Neighbouring positions of one vehicle that say the same trip: first_row, rows, vehicle_id, trip_id_performed,
    began_s (epoch seconds)."""
    first, rows = runs_of(pings, RUN)
    said = pings.select(RUN)[first].cast(pl.String)
    began_s = pings["event_timestamp"][first].dt.epoch("ms").alias("began_s") / 1000
    return said.with_columns(pl.Series("first_row", first), pl.Series("rows", rows), began_s)


def _named(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs with `named_trip`: the trip they say, or the one said before and after a blank."""
    before = pl.col("trip_id_performed").forward_fill().over("vehicle_id")
    after = pl.col("trip_id_performed").backward_fill().over("vehicle_id")
    filled = pl.coalesce("trip_id_performed", pl.when(before == after).then(before))
    return runs.with_columns(filled.alias("named_trip"))


def _pings_of(runs: pl.DataFrame, pings: pl.DataFrame) -> pl.DataFrame:
    """The positions of `runs` (RUN, x_m, y_m, event_timestamp), without the blank runs that stand still."""
    first, rows = runs["first_row"].to_numpy(), runs["rows"].to_numpy()
    moving = pl.Series(_spread_m(pings, first, rows) > LAYOVER_M) | runs["named_trip"].is_not_null()
    runs, kept = runs.filter(moving), moving.to_numpy()
    run, row = spread(first[kept], rows[kept])
    return pl.concat([pings.select("x_m", "y_m", "event_timestamp")[row], runs.select(RUN)[run]], how="horizontal")


def _spread_m(pings: pl.DataFrame, first: Ints, rows: Ints) -> Floats:
    """How far apart the positions of each run are, along x or y whichever is more."""
    widest: Floats = np.maximum(*(spans(first, rows, pings[name].to_numpy()) for name in ("x_m", "y_m")))
    return widest


def _by_name(timetable: Timetable) -> pl.DataFrame:
    return timetable.trips.select(pl.col("trip_id").alias("named_trip"), pl.col("trip_id").alias("trip_by_name"))


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
        .group_by(*RUN, "stop_id")
        .agg(pl.col("event_timestamp").mean().alias("passed_at"))
    )
    lengths = timetable.pattern_stops.group_by("pattern_id").agg(pl.len().alias("stops"))
    in_order = pl.col("passed_at") > pl.col("passed_at").shift(1).over([*RUN, "pattern_id"])
    return (
        passed.join(timetable.pattern_stops, on="stop_id")
        .sort(*RUN, "pattern_id", "trip_stop_sequence")
        .with_columns(in_order.fill_null(True).alias("in_order"))
        .group_by(*RUN, "pattern_id")
        .agg(pl.col("in_order").sum().cast(pl.Int64).alias("hits"))
        .join(lengths, on="pattern_id")
        .with_columns((pl.col("hits") / pl.col("stops")).alias("share"))
        .filter((pl.col("share") >= LEAST_SHARE_OF_STOPS) & (pl.col("hits") >= LEAST_STOPS))
        .sort(["share", "hits", "pattern_id"], descending=[True, True, False])
        .unique(RUN, keep="first", maintain_order=True)
        .join(
            timetable.trips.select("pattern_id", "line", "direction_id").unique("pattern_id", keep="any"),
            on="pattern_id",
        )
        .with_columns(pl.lit(None, dtype=pl.String).alias("trip_id"))
    )
