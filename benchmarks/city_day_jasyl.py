"""The core steps on a city day as jasyl takes them, each timed: run by city_day_process.py."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.stopwatch import Stopwatch
from mobility.alightings import alightings
from mobility.boardings import boardings
from mobility.clustering import by_vehicle_and_time
from mobility.geometry import Projection
from mobility.od_matrix import od_flows
from mobility.performed import PERFORMED, assign_trips
from mobility.positions import place_positions
from mobility.sources.gtfs import read_timetable
from mobility.sources.manifest import read_manifest
from mobility.visits import stop_visits


def run(folder: Path, out: Path, begun_s: float) -> dict[str, object]:
    """Take all steps on the feeds in `folder`; what they answer goes to `out` for a look at the truth. Imports, from
    `begun_s` on, are part of a day's work.

    What no later step needs is let go of, so that memory is that of the largest step."""
    watch = Stopwatch(since=begun_s)
    watch.lap("start")
    manifest = read_manifest(folder)
    midnight = manifest.midnight()
    timetable = read_timetable(folder / "gtfs.zip", manifest.service_date)
    watch.lap("timetable")
    pings = _positions(folder / "vehicle_locations.parquet", timetable.projection)
    taps = _taps(folder / "fare_transactions.parquet")
    watch.lap("read and cluster")
    placed = place_positions(assign_trips(pings, timetable, midnight.timestamp()), timetable.paths)
    end_s = (midnight + timedelta(seconds=manifest.end_s)).timestamp()
    visits = stop_visits(placed, timetable, pl.DataFrame(schema=PERFORMED), midnight.timestamp(), end_s)
    pattern_stops, stops = timetable.pattern_stops, timetable.stops
    del pings, placed, timetable
    watch.lap("stop visits")
    steps = [boardings(taps, visits)]
    del taps
    watch.lap("as-of")
    visits.select("trip_id_performed", "trip_stop_sequence", "arrival", "method").write_parquet(out / "visits.parquet")
    steps[0].select("leg_id", "trip_id_performed", "boarding_stop_id").write_parquet(out / "boardings.parquet")
    sizes = {"stop visits": visits.height, "boardings": steps[0].height}
    watch.lap("write")
    ended = alightings(steps.pop(), visits, pattern_stops, stops)
    del visits
    watch.lap("chaining")
    legs = ended.legs.with_columns(
        pl.lit(manifest.service_date).alias("service_date"), pl.col("riders").cast(pl.Float64).alias("pax")
    )
    cells = od_flows(ended, legs, midnight)
    watch.lap("OD")
    ended.legs.select("leg_id", "alighting_stop_id", "method").write_parquet(out / "alightings.parquet")
    return {**watch.read(), "rows": {**sizes, "legs": legs.height, "OD cells": cells.height}}


def _positions(path: Path, projection: Projection) -> pl.DataFrame:
    """What the steps need of vehicle_locations, in the order of the lake."""
    east_m, north_m = projection.metres_per_degree()
    return _clustered(
        path,
        pl.col("trip_id_performed").cast(pl.Categorical),
        ((pl.col("longitude") - projection.lon0) * east_m).alias("x_m"),
        ((pl.col("latitude") - projection.lat0) * north_m).alias("y_m"),
    )


def _taps(path: Path) -> pl.DataFrame:
    """Rows of FareTransaction, in the order of the lake."""
    named = pl.col("fare_media_id").alias("card_id")
    return _clustered(path, pl.col("transaction_id"), pl.col("fare_action"), named).with_columns(
        pl.lit(1, dtype=pl.Int64).alias("group_size"),
        pl.lit(1.0).alias("event_precision_s"),
        pl.lit(None, dtype=pl.String).alias("trip_id_performed"),
        pl.lit(None, dtype=pl.String).alias("device_id"),
    )


def _clustered(path: Path, *columns: pl.Expr) -> pl.DataFrame:
    """vehicle_id, event_timestamp and `columns` by vehicle and time, one column read and sorted after the other."""

    def read(column: pl.Expr) -> pl.Series:
        return pl.scan_parquet(path).select(column).collect().to_series()

    vehicle_id = read(pl.col("vehicle_id").cast(pl.Categorical))
    event_timestamp = read(pl.col("event_timestamp").dt.cast_time_unit("ms"))
    order = pl.Series(by_vehicle_and_time(vehicle_id, event_timestamp))
    sorted_columns = [vehicle_id.gather(order), event_timestamp.gather(order)]
    del vehicle_id, event_timestamp
    return pl.DataFrame([*sorted_columns, *(read(column).gather(order) for column in columns)])
