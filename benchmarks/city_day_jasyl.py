"""The core steps on a city day as jasyl takes them, each timed: run by cityday.py in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

# before the imports: what they cost is part of a day's work
BEGUN = time.perf_counter()

import polars as pl  # noqa: E402

from benchmarks.stopwatch import Stopwatch  # noqa: E402
from mobility.alightings import alightings  # noqa: E402
from mobility.boardings import boardings  # noqa: E402
from mobility.clustering import by_vehicle_and_time  # noqa: E402
from mobility.od_matrix import od_flows  # noqa: E402
from mobility.performed import PERFORMED, assign_trips  # noqa: E402
from mobility.positions import place_positions  # noqa: E402
from mobility.sources.gtfs import read_timetable  # noqa: E402
from mobility.sources.manifest import read_manifest  # noqa: E402
from mobility.visits import stop_visits  # noqa: E402


def run(folder: Path, out: Path) -> dict[str, object]:
    """Take all steps on the feeds in `folder`; stop visits and boardings go to `out` for a look at the truth."""
    watch = Stopwatch(since=BEGUN)
    watch.lap("start")
    manifest = read_manifest(folder)
    timetable = read_timetable(folder / "gtfs.zip", manifest.service_date)
    watch.lap("timetable")
    pings = _clustered(folder / "vehicle_locations.parquet")
    taps = _clustered(folder / "fare_transactions.parquet").select(
        *("transaction_id", "event_timestamp", "vehicle_id", "fare_action"),
        pl.col("fare_media_id").alias("card_id"),
        pl.lit(1, dtype=pl.Int64).alias("group_size"),
        pl.lit(1.0).alias("event_precision_s"),
        pl.lit(None, dtype=pl.String).alias("trip_id_performed"),
        pl.lit(None, dtype=pl.String).alias("device_id"),
    )
    watch.lap("read and cluster")
    projected = timetable.projection.project(pings, "longitude", "latitude")
    placed = place_positions(assign_trips(projected, timetable), timetable.paths)
    midnight = manifest.midnight()
    end_s = (midnight + timedelta(seconds=manifest.end_s)).timestamp()
    visits = stop_visits(placed, timetable, pl.DataFrame(schema=PERFORMED), midnight.timestamp(), end_s)
    watch.lap("stop visits")
    boarded = boardings(taps, visits)
    watch.lap("as-of")
    ended = alightings(boarded, visits, timetable.pattern_stops, timetable.stops)
    watch.lap("chaining")
    legs = ended.legs.with_columns(
        pl.lit(manifest.service_date).alias("service_date"), pl.col("riders").cast(pl.Float64).alias("pax")
    )
    cells = od_flows(ended, legs, midnight)
    watch.lap("OD")
    visits.select("trip_id_performed", "trip_stop_sequence", "arrival", "method").write_parquet(out / "visits.parquet")
    boarded.select("leg_id", "trip_id_performed", "boarding_stop_id").write_parquet(out / "boardings.parquet")
    ended.legs.select("leg_id", "alighting_stop_id", "method").write_parquet(out / "alightings.parquet")
    sizes = {"stop visits": visits.height, "boardings": boarded.height, "legs": legs.height, "OD cells": cells.height}
    return {**watch.read(), "rows": sizes}


def _clustered(path: Path) -> pl.DataFrame:
    rows = pl.read_parquet(path).with_columns(pl.col("event_timestamp").dt.cast_time_unit("ms"))
    return by_vehicle_and_time(rows)


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
