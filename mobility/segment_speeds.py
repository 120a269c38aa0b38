"""Speeds of buses on the road segments that lines share, and the way of each line from stop to stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mobility.batches import frozen
from mobility.categories import categories_of, enum_of, in_categories
from mobility.hash_table import rows_with
from mobility.line_stops import Floats, Ints
from mobility.map_matching import MAX_SPEED_M_S
from mobility.roads import STEP_M, Roads
from mobility.segment_cells import Runs, SegmentHours, Ways, summed_up
from mobility.service_schemas import LineSegment, SegmentSpeed
from mobility.sources.gtfs import Timetable
from mobility.visits import DEFAULT as VISIT_RULES

BETWEEN = ["pattern_id", "trip_stop_sequence"]
BATCH_SEGMENTS = 5_000
LOW_SHARE = 0.15
MOST_STOPS = 1 << 20


def segment_speeds(runs: pl.DataFrame, roads: Roads, pattern_stops: pl.DataFrame, midnight_s: float) -> pl.DataFrame:
    """Columns of SegmentSpeed, sorted by segment and hour. `runs`: rows of run_times.stop_to_stop.

    A bus has on every segment between two stops the mean speed of its run between them, from the end of the first
    stop's zone to the start of the second's: dwell is left out, waiting at signals and in queues is not. Runs faster
    than a bus can go are errors of a position or of a stop's place, and are left out."""
    lines = enum_of(runs["line"])
    speeds = _speeds(runs, lines, midnight_s)
    segments = pl.Enum(roads.segments["segment_id"].unique().sort())
    if speeds.is_empty() or not len(segments.categories):
        return SegmentSpeed.create_empty()
    ways, way = _ways_of(_between_stops(roads.samples, pattern_stops), segments, speeds)
    first_hour = speeds["hour"].min()
    assert isinstance(first_hour, int)
    hour = (speeds["hour"] - first_hour).to_numpy()
    measured = (speeds[name].to_numpy() for name in ("line", "speed_m_s", "confidence"))
    driven, hours, count = frozen(Runs(way, hour, *measured)), 1 + int(hour.max()), len(segments.categories)
    names = _Names(segments, lines.categories, first_hour, speeds["service_date"][0])
    lengths = roads.segments.select("segment_id", "length_m")
    # a city has more runs over segments than should stand in memory at once
    cells = [
        _named(summed_up(begin, min(begin + BATCH_SEGMENTS, count), hours, driven, ways, LOW_SHARE), names)
        for begin in range(0, count, BATCH_SEGMENTS)
    ]
    passages = (pl.col("driven_m") / pl.col("length_m")).round().clip(lower_bound=1).cast(pl.Int64).alias("passages")
    told = pl.concat(cells).join(lengths, on="segment_id", maintain_order="left").with_columns(passages)
    return told.select(SegmentSpeed.column_names())


@dataclass(frozen=True)
class _Names:
    """What the numbers of SegmentHours stand for; hours from the first on."""

    segments: pl.Enum
    lines: pl.Series
    first_hour: int
    service_date: date


def _ways_of(between: pl.DataFrame, segments: pl.Enum, speeds: pl.DataFrame) -> tuple[Ways, Ints]:
    """The segments from stop to stop (`_between_stops`), and of each of the `speeds` the number of its way."""
    names = categories_of((between, speeds), ["pattern_id"])
    place = pl.col("pattern_id").to_physical().cast(pl.Int64) * MOST_STOPS + pl.col("trip_stop_sequence")

    def numbered(frame: pl.DataFrame) -> Ints:
        found: Ints = in_categories(frame.select(BETWEEN), names).select(place).to_series().to_numpy()
        return found

    ordered = between.with_columns(pl.Series("place", numbered(between))).sort("place", "segment_id")
    known, first = np.unique(ordered["place"].to_numpy(), return_index=True)
    segment = ordered["segment_id"].cast(segments).to_physical().cast(pl.Int64).to_numpy()
    metres = ordered["metres"].cast(pl.Float64).to_numpy()
    return frozen(Ways(np.r_[first, ordered.height], segment, metres)), rows_with(known, numbered(speeds))


def _named(cells: SegmentHours, names: _Names) -> pl.DataFrame:
    """Columns of SegmentSpeed (passages apart) and driven_m."""
    lines = pl.DataFrame(
        {
            "cell": np.repeat(np.arange(len(cells.hour), dtype=np.uint32), np.diff(cells.first_line)),
            "line": names.lines.gather(cells.line),
        }
    )
    return pl.DataFrame(
        {
            "service_date": pl.Series([names.service_date]).new_from_index(0, len(cells.hour)),
            "segment_id": names.segments.categories.gather(cells.segment),
            "hour": cells.hour + names.first_hour,
            "lines": lines.group_by("cell", maintain_order=True).agg(pl.col("line").str.join(","))["line"],
            "driven_m": cells.driven_m,
            "speed_m_s": pl.Series(cells.speed_m_s).round(3),
            "p15_speed_m_s": pl.Series(cells.low_speed_m_s).round(3),
            "confidence": pl.Series(cells.confidence).round(6),
        }
    )


def _speeds(runs: pl.DataFrame, lines: pl.Enum, midnight_s: float) -> pl.DataFrame:
    """Runs a bus can have driven: service_date, line (its place in `lines`), BETWEEN, hour (of the departure),
    speed_m_s, confidence."""
    length_m = pl.col("end_m") - pl.col("start_m")
    driven_m = length_m - 2 * VISIT_RULES.zone_m
    return (
        runs.filter((pl.col("run_s") > 0) & (driven_m > 0))
        .with_columns((driven_m / pl.col("run_s")).alias("speed_m_s"))
        .filter(pl.col("speed_m_s").is_between(0, MAX_SPEED_M_S, closed="right"))
        .with_columns(((pl.col("departure").dt.epoch("ms") / 1000 - midnight_s) // 3600).cast(pl.Int64).alias("hour"))
        .select(
            "service_date",
            pl.col("line").cast(lines).to_physical().cast(pl.Int64),
            "pattern_id",
            "trip_stop_sequence",
            "hour",
            "speed_m_s",
            "confidence",
        )
    )


def line_segments(timetable: Timetable) -> pl.DataFrame:
    """Columns of LineSegment, service_date apart: the way between two stops that follow each other on any pattern of a
    line; where its patterns differ, that of the first by name."""
    stops = (
        timetable.pattern_stops.join(
            timetable.trips.select("pattern_id", "line").unique("pattern_id", keep="any"), on="pattern_id"
        )
        .sort("line", "pattern_id", "trip_stop_sequence")
        .with_columns(
            pl.col("stop_id").shift(-1).over("pattern_id").alias("to_stop"),
            pl.col("path_m").shift(-1).over("pattern_id").alias("end_m"),
        )
        .drop_nulls("to_stop")
        .unique(["line", "stop_id", "to_stop"], keep="first", maintain_order=True)
        .rename({"stop_id": "from_stop", "path_m": "start_m"})
    )
    return (
        stops.with_columns((pl.col("end_m") - pl.col("start_m")).round(1).alias("length_m"))
        .hstack(_ways(stops, timetable))
        .select(name for name in LineSegment.column_names() if name != "service_date")
        .sort("line", "from_stop", "to_stop")
    )


def _between_stops(samples: pl.DataFrame, pattern_stops: pl.DataFrame) -> pl.DataFrame:
    """Metres of each segment from each stop to the next: pattern_id, trip_stop_sequence, segment_id, metres."""
    return (
        samples.sort("path_m")
        .join_asof(
            pattern_stops.select("pattern_id", "trip_stop_sequence", "path_m").sort("path_m"),
            on="path_m",
            by="pattern_id",
            strategy="backward",
            check_sortedness=False,
        )
        .drop_nulls("trip_stop_sequence")
        .group_by("pattern_id", "trip_stop_sequence", "segment_id")
        .agg((pl.len() * STEP_M).alias("metres"))
    )


def _ways(stops: pl.DataFrame, timetable: Timetable) -> pl.DataFrame:
    """longitudes and latitudes of the way from `start_m` to `end_m` on the path of each row's pattern."""
    points = {
        str(key[0]): [rows[name].to_numpy() for name in ("path_m", "x_m", "y_m")]
        for key, rows in timetable.paths.sort("pattern_id", "path_m").group_by("pattern_id")
    }
    ways: list[tuple[Floats, Floats]] = []
    for pattern, start_m, end_m in stops.select("pattern_id", "start_m", "end_m").iter_rows():
        along, x, y = points[pattern]
        inside = along[np.searchsorted(along, start_m, "right") : np.searchsorted(along, end_m)]
        places = np.r_[start_m, inside, end_m]
        ways.append((np.interp(places, along, x), np.interp(places, along, y)))
    projection = timetable.projection
    number = np.repeat(np.arange(len(ways), dtype=np.uint32), [len(x) for x, _ in ways])
    xs, ys = (np.concatenate([np.empty(0), *(way[axis] for way in ways)]) for axis in (0, 1))
    return (
        pl.DataFrame({"way": number, "x": xs, "y": ys})
        .group_by("way", maintain_order=True)
        .agg(
            projection.longitude(pl.col("x")).round(6).alias("longitudes"),
            projection.latitude(pl.col("y")).round(6).alias("latitudes"),
        )
        .select("longitudes", "latitudes")
    )
