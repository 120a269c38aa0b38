"""Stop lines of signalised approaches: `stop_lines.csv` of a feeds folder, and where each path crosses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.errors import FeedError
from mobility.service_schemas import StopLine
from mobility.sources.gtfs import Timetable
from mobility.sources.tides import read_good

REACH_M = 20.0
HEADING_DEG = 45.0
PLACE = {"approach_id": pl.String, "latitude": pl.Float64, "longitude": pl.Float64, "heading": pl.Float64}
Floats = npt.NDArray[np.float64]


def read_stop_lines(path: Path) -> pl.DataFrame:
    """Columns of PLACE: approach_id; latitude and longitude of its stop line; heading of the traffic that crosses it,
    degrees from north. Raises FeedError naming the column or line that is wrong."""
    records = read_good(path)
    strings = records.rows
    for column in PLACE:
        if column not in strings.columns:
            raise FeedError(f"{path.name} lacks the column '{column}'")
    typed = strings.select(pl.col(name).str.strip_chars().cast(kind, strict=False) for name, kind in PLACE.items())
    typed = typed.with_columns(records.lines.alias("row"))
    wrong = typed.filter(
        pl.any_horizontal(pl.col(name).is_null() for name in PLACE)
        | ~pl.col("latitude").is_between(-90, 90)
        | ~pl.col("longitude").is_between(-180, 180)
        | ~pl.col("heading").is_finite()
    )
    if wrong.height:
        raise FeedError(
            f"{path.name}, line {wrong['row'][0]}: needs an approach_id, and latitude, longitude and heading in degrees"
        )
    return typed.drop("row")


def stop_lines_on_paths(feeds: Path, timetable: Timetable) -> pl.DataFrame | None:
    """The stop lines of a feeds folder on the paths of the timetable; nothing where it has no `stop_lines.csv`."""
    path = feeds / "stop_lines.csv"
    return place_stop_lines(read_stop_lines(path), timetable) if path.exists() else None


def place_stop_lines(places: pl.DataFrame, timetable: Timetable) -> pl.DataFrame:
    """Columns of StopLine, sorted by pattern and place: where the path of a pattern passes within REACH_M of a stop
    line in the direction of its traffic (HEADING_DEG to either side). `places`: columns of PLACE."""
    at = timetable.projection.project(places, "longitude", "latitude")
    found: list[tuple[str, str, float, float]] = []
    for key, points in timetable.paths.sort("pattern_id", "path_m").group_by("pattern_id", maintain_order=True):
        along, x, y = (points[name].to_numpy() for name in ("path_m", "x_m", "y_m"))
        kept = np.append(np.diff(along) > 0, True)
        crossings = _crossings(at, along[kept], x[kept], y[kept])
        found += [(str(key[0]), approach, place, float(along[-1])) for approach, place in crossings]
    rows = pl.DataFrame(found, schema=StopLine.create_empty().schema, orient="row")
    return rows.sort("pattern_id", "stop_line_m", "approach_id")


def _crossings(at: pl.DataFrame, along: Floats, x: Floats, y: Floats) -> list[tuple[str, float]]:
    """Approach and metres along one path, for every time the path passes a stop line."""
    if len(along) < 2:
        return []
    dx, dy, length = np.diff(x), np.diff(y), np.diff(along)
    bearing = np.degrees(np.arctan2(dx, dy))
    found: list[tuple[str, float]] = []
    for approach, px, py, heading in at.select("approach_id", "x_m", "y_m", "heading").iter_rows():
        share = np.clip(((px - x[:-1]) * dx + (py - y[:-1]) * dy) / (dx**2 + dy**2), 0.0, 1.0)
        offset = np.hypot(x[:-1] + share * dx - px, y[:-1] + share * dy - py)
        turned = np.abs((bearing - heading + 180.0) % 360.0 - 180.0)
        near = np.flatnonzero((offset <= REACH_M) & (turned <= HEADING_DEG))
        # pieces of path that follow each other within reach are one passage
        for passage in np.split(near, np.flatnonzero(np.diff(near) > 1) + 1):
            if passage.size:
                best = passage[offset[passage].argmin()]
                found.append((approach, round(float(along[best] + share[best] * length[best]), 2)))
    return found
