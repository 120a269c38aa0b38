"""Vehicle positions on the paths of their trips; and those that are on none, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from mobility.map_matching import GPS, MatchingModel, match_rows, pattern_numbers
from mobility.path_viterbi import AFTER, BEFORE, CONTRADICTS, FAR, MATCHED, Floats, Ints, Places, Points, Tracks
from mobility.performed import Performed
from mobility.schemas import UnmatchedLocation

NO_TRIP, NO_PATTERN = 5, 6
REASONS = {
    FAR: "further from the path of its trip than positions can be wrong",
    BEFORE: "the vehicle names the trip but has not begun it",
    AFTER: "the vehicle names the trip but has ended it",
    CONTRADICTS: "contradicts the positions before and after it",
    NO_TRIP: "names no trip, and passed the stops of none in order",
    NO_PATTERN: "names a trip the timetable does not know, and passed the stops of none in order",
}


@dataclass(frozen=True)
class PlacedPositions:
    """`performed.pings` (their x_m and y_m apart) row by row: `at_s` in epoch seconds, `places` on the path of their
    trip. `tracks`: rows of each of `performed.trips`; their patterns count as `patterns` (pattern_id, pattern_number).
    """

    performed: Performed
    patterns: pl.DataFrame
    tracks: Tracks
    at_s: Floats
    places: Places


def place_positions(performed: Performed, paths: pl.DataFrame, model: MatchingModel = GPS) -> PlacedPositions:
    """Match every position that has a trip to the path of the trip's pattern. `paths`: Timetable."""
    pings = performed.pings
    at_s = pings["event_timestamp"].dt.cast_time_unit("ms").to_physical().to_numpy() / 1000.0
    points = Points(pings["x_m"].to_numpy(), pings["y_m"].to_numpy(), at_s)
    patterns = pattern_numbers(paths)
    tracks = _tracks(performed, patterns)
    places = match_rows(points, tracks, paths, model)
    astray = performed.runs.filter(pl.col("track").is_null()).select("first_row", "rows", "named")
    for first_row, rows, named in astray.iter_rows():
        places.status[first_row : first_row + rows] = NO_PATTERN if named else NO_TRIP
    # metres are of no use once the places are known, and weigh as much as these
    return PlacedPositions(replace(performed, pings=pings.drop("x_m", "y_m")), patterns, tracks, at_s, places)


def on_paths(placed: PlacedPositions) -> pl.DataFrame:
    """Positions on the path of their trip: vehicle_id, trip_id_performed, pattern_id, event_timestamp, path_m (metres
    along the path), offset_m (distance from it); sorted by vehicle, trip and time."""
    trips = placed.performed.trips.select("vehicle_id", "trip_id_performed", "pattern_id")
    rows, track = _rows_of_tracks(placed.tracks)
    matched = placed.places.status[rows] == MATCHED
    rows, track = rows[matched], track[matched]
    return trips[pl.Series(track)].with_columns(
        placed.performed.pings["event_timestamp"][rows],
        pl.Series("path_m", placed.places.path_m[rows]),
        pl.Series("offset_m", placed.places.offset_m[rows]),
    )


def off_paths(placed: PlacedPositions) -> pl.DataFrame:
    """Positions on no path (columns of UnmatchedLocation, service_date apart), sorted by vehicle and time."""
    columns = [name for name in UnmatchedLocation.column_names() if name not in ("service_date", "reason")]
    rows = np.flatnonzero(placed.places.status != MATCHED)
    status = pl.Series("reason", placed.places.status[rows])
    return placed.performed.pings.select(columns)[rows].with_columns(
        status.replace_strict(REASONS, return_dtype=pl.String)
    )


def reasons(placed: PlacedPositions) -> dict[str, int]:
    """How many positions are on no path, by reason."""
    status = placed.places.status
    counts = np.bincount(status[status != MATCHED], minlength=max(REASONS) + 1)
    return {reason: int(counts[status]) for status, reason in REASONS.items() if counts[status]}


def _tracks(performed: Performed, patterns: pl.DataFrame) -> Tracks:
    runs = performed.runs.drop_nulls("track")
    numbered = performed.trips.join(patterns, on="pattern_id", how="left", maintain_order="left")
    return Tracks(
        numbered["pattern_number"].to_numpy(),
        np.searchsorted(runs["track"].to_numpy(), np.arange(performed.trips.height + 1)),
        runs["first_row"].to_numpy(),
        runs["rows"].to_numpy(),
    )


def _rows_of_tracks(tracks: Tracks) -> tuple[Ints, Ints]:
    """Row of every position of a trip, and its track; track by track."""
    within = np.arange(tracks.rows.sum()) - np.repeat(tracks.rows.cumsum() - tracks.rows, tracks.rows)
    run_track = np.repeat(np.arange(len(tracks.pattern)), np.diff(tracks.first_run))
    return np.repeat(tracks.first_row, tracks.rows) + within, np.repeat(run_track, tracks.rows)
