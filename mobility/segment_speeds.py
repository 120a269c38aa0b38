"""Speeds of buses on the road segments that lines share, and the way of each line from stop to stop."""

from __future__ import annotations

import numpy as np
import polars as pl

from mobility.categories import enum_of
from mobility.line_stops import Floats
from mobility.map_matching import MAX_SPEED_M_S
from mobility.roads import STEP_M, Roads
from mobility.service_schemas import LineSegment, SegmentSpeed
from mobility.sources.gtfs import Timetable
from mobility.visits import DEFAULT as VISIT_RULES

BETWEEN = ["pattern_id", "trip_stop_sequence"]
# a service day may run past midnight, but never so long
MOST_HOURS = 100
BATCH_SEGMENTS = 5_000


def segment_speeds(runs: pl.DataFrame, roads: Roads, pattern_stops: pl.DataFrame, midnight_s: float) -> pl.DataFrame:
    """Columns of SegmentSpeed, sorted by segment and hour. `runs`: rows of run_times.stop_to_stop.

    A bus has on every segment between two stops the mean speed of its run between them, from the end of the first
    stop's zone to the start of the second's: dwell is left out, waiting at signals and in queues is not. Runs faster
    than a bus can go are errors of a position or of a stop's place, and are left out."""
    lines = enum_of(runs["line"])
    speeds = _speeds(runs, lines, midnight_s)
    segments = pl.Enum(roads.segments["segment_id"].unique().sort())
    shares = _between_stops(roads.samples, pattern_stops).with_columns(pl.col("segment_id").cast(segments))
    lengths = roads.segments.select(pl.col("segment_id").cast(segments), "length_m")
    number = pl.col("segment_id").to_physical()
    # a city has more runs over segments than should stand in memory at once
    batches = (
        shares.filter(number.is_between(begin, begin + BATCH_SEGMENTS - 1))
        for begin in range(0, len(segments.categories), BATCH_SEGMENTS)
    )
    cells = [_cells(speeds, batch, lengths, lines) for batch in batches]
    return pl.concat(cells) if cells else SegmentSpeed.create_empty()


def _cells(speeds: pl.DataFrame, shares: pl.DataFrame, lengths: pl.DataFrame, lines: pl.Enum) -> pl.DataFrame:
    """Columns of SegmentSpeed of the segments in `shares` (_between_stops), sorted by segment and hour."""
    # a segment's hour is one number until all is summed up
    cell = pl.col("segment_id").to_physical().cast(pl.Int64) * MOST_HOURS + pl.col("hour")
    driven = (
        speeds.with_row_index("run")
        .select(*BETWEEN, "hour", "run")
        .join(shares, on=BETWEEN, maintain_order="left_right")
        .select(cell.alias("cell"), "segment_id", "run", "metres")
        # where the rows of a cell stand together, to sum them up takes no list of their places
        .sort("cell", maintain_order=True)
    )
    driven = driven.hstack(speeds.select("speed_m_s", "confidence")[driven["run"]])
    # a line is in a cell by any of its runs
    named = speeds.select(*BETWEEN, "hour", "line").unique().join(shares, on=BETWEEN)
    cells = driven.group_by("cell").agg(
        pl.col("segment_id", "run").first(),
        pl.col("metres").sum().alias("driven_m"),
        (pl.col("metres").sum() / (pl.col("metres") / pl.col("speed_m_s")).sum()).round(3).alias("speed_m_s"),
        pl.col("speed_m_s").quantile(0.15, "linear").round(3).alias("p15_speed_m_s"),
        pl.col("confidence").mean().round(6),
    )
    return (
        cells.hstack(speeds.select("service_date", "hour")[cells["run"]])
        .join(lengths, on="segment_id")
        .join(_lines(named.select(cell.alias("cell"), "line"), lines), on="cell")
        .sort("cell")
        .with_columns(
            pl.col("segment_id").cast(pl.String),
            (pl.col("driven_m") / pl.col("length_m")).round().clip(lower_bound=1).cast(pl.Int64).alias("passages"),
        )
        .select(SegmentSpeed.column_names())
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


def _lines(named: pl.DataFrame, lines: pl.Enum) -> pl.DataFrame:
    """The lines in each cell, in order: cell, lines. `named`: cell, line (its place in `lines`)."""
    count = max(1, len(lines.categories))
    told = named.select((pl.col("cell") * count + pl.col("line")).unique().sort().alias("key"))
    return (
        told.select(pl.col("key") // count, lines.categories.gather(told["key"] % count).alias("line"))
        .group_by(pl.col("key").alias("cell"), maintain_order=True)
        .agg(pl.col("line").str.join(",").alias("lines"))
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
