"""A real afternoon of GTFS-Realtime positions (Washington DC, three lines): what becomes of every position, which stops
have a visit, and how fast the buses seem to go."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from mobility.ingest import ServiceDay, ingest_locations
from mobility.performed import PERFORMED, assign_trips
from mobility.positions import PlacedPositions, off_paths, on_paths, place_positions
from mobility.sources.gtfs import Timetable, read_timetable
from mobility.sources.gtfs_realtime import read_vehicle_positions
from mobility.visits import stop_visits

SERVICE_DATE, ZONE = date(2026, 2, 16), ZoneInfo("America/New_York")
TRIP = ["vehicle_id", "trip_id_performed"]
QUANTILES = {"median": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}


def case(data: Path) -> dict[str, Any]:
    """Counts of positions by what became of them, share of passed stops with a visit, speeds in m/s."""
    folder = data / "mobility" / "wmata"
    positions = folder / "vehicle_positions_2026-02-16.csv.gz"
    if not positions.is_file():
        raise SystemExit(f"{positions} is missing: set JASYL_DATA to the data folder")
    begin = time.perf_counter()
    timetable = read_timetable(folder / "gtfs.zip", SERVICE_DATE)
    noon = datetime(SERVICE_DATE.year, SERVICE_DATE.month, SERVICE_DATE.day, 12, tzinfo=ZONE)
    midnight = noon.astimezone(UTC) - timedelta(hours=12)
    ingested = ingest_locations(
        read_vehicle_positions(positions), ServiceDay("wmata", SERVICE_DATE, midnight, timetable.bounds)
    )
    projected = timetable.projection.project(ingested.accepted, "longitude", "latitude")
    midnight_s = midnight.timestamp()
    placed = place_positions(assign_trips(projected, timetable, midnight_s), timetable.paths)
    visits = stop_visits(
        placed, timetable, pl.DataFrame(schema=PERFORMED), midnight_s, midnight_s + timedelta(hours=30).total_seconds()
    )
    taken = time.perf_counter() - begin
    matched, refused = on_paths(placed), pl.concat([ingested.quarantined["reason"], off_paths(placed)["reason"]])
    reasons = dict(refused.value_counts(sort=True).iter_rows())
    if ingested.read != matched.height + refused.len():
        raise SystemExit(f"{ingested.read} positions read, but {matched.height} matched and {refused.len()} refused")
    return {
        "case": "wmata",
        "seconds": round(taken, 2),
        "positions": {"read": ingested.read, "matched": matched.height, "quarantined": refused.len()},
        "reasons": reasons,
        "offset_m": _quantiles(matched["offset_m"]),
        "stops": _stops(placed, visits, timetable),
        "speed_m_s": _speeds(matched, visits, timetable),
    }


def _stops(placed: PlacedPositions, visits: pl.DataFrame, timetable: Timetable) -> dict[str, Any]:
    """Stops between the first and the last matched position of a trip along its path, and those of them GPS saw."""
    tracked = (
        on_paths(placed)
        .group_by(TRIP)
        .agg(pl.col("path_m").min().alias("from_m"), pl.col("path_m").max().alias("to_m"))
    )
    passed = (
        tracked.join(placed.performed.trips, on=TRIP)
        .join(timetable.pattern_stops, on="pattern_id")
        .filter(pl.col("path_m").is_between(pl.col("from_m"), pl.col("to_m")))
    )
    seen = visits.filter(pl.col("method") != "timetable")
    visited = passed.join(seen, on=[*TRIP, "trip_stop_sequence"], how="semi")
    return {
        "trips": tracked.height,
        "passed": passed.height,
        "visited": visited.height,
        "share": round(visited.height / passed.height, 4),
        "methods": dict(seen["method"].value_counts().sort("method").iter_rows()),
    }


def _speeds(matched: pl.DataFrame, visits: pl.DataFrame, timetable: Timetable) -> dict[str, Any]:
    """Speeds between matched positions that follow each other, and between the arrivals at stops that do."""
    places = timetable.pattern_stops.select("pattern_id", "trip_stop_sequence", "path_m")
    arrivals = (
        visits.filter(pl.col("method") != "timetable")
        .join(places, on=["pattern_id", "trip_stop_sequence"])
        .sort(*TRIP, "trip_stop_sequence")
        .rename({"arrival": "event_timestamp"})
    )
    return {"between_positions": _quantiles(_speed(matched)), "between_stops": _quantiles(_speed(arrivals))}


def _speed(moves: pl.DataFrame) -> pl.Series:
    driven_m = pl.col("path_m").diff().over(TRIP)
    taken_s = pl.col("event_timestamp").diff().dt.total_milliseconds().over(TRIP) / 1000
    return moves.select((driven_m / taken_s).alias("speed"))["speed"].drop_nulls()


def _quantiles(values: pl.Series) -> dict[str, float]:
    return {name: round(float(values.quantile(share, "linear") or 0.0), 2) for name, share in QUANTILES.items()}
