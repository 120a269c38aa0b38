"""The service that was run, from stop visits and the timetable: its tables, in the order they build on each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import dataframely as dy
import polars as pl

from mobility import lake
from mobility.categories import in_categories, in_text
from mobility.headways import headways, planned_headways, wait_times
from mobility.positions import PlacedPositions, on_paths
from mobility.punctuality import punctuality
from mobility.roads import shared_roads
from mobility.run_times import run_times, stop_to_stop
from mobility.segment_speeds import line_segments, segment_speeds
from mobility.service_schemas import (
    Headway,
    LineSegment,
    PathPosition,
    Punctuality,
    RoadSegment,
    RunTime,
    SegmentSpeed,
    SignalDelay,
    SignalPassage,
    TripPerformed,
    WaitTime,
)
from mobility.signal_delays import signal_delays, signal_passages
from mobility.sources.gtfs import Timetable
from mobility.trips_performed import RUN, scheduled_trip, trips_performed

S = TypeVar("S", bound=dy.Schema)

TABLES: dict[str, type[dy.Schema]] = {
    "trips_performed": TripPerformed,
    "headways": Headway,
    "wait_times": WaitTime,
    "punctuality": Punctuality,
    "run_times": RunTime,
    "segment_speeds": SegmentSpeed,
    "signal_passages": SignalPassage,
    "signal_delays": SignalDelay,
    "road_segments": RoadSegment,
    "line_segments": LineSegment,
}


@dataclass(frozen=True)
class Record:
    """The day the feeds are of: its date, the epoch second of its midnight, and those between which was recorded."""

    service_date: date
    midnight_s: float
    begin_s: float
    end_s: float


def service_tables(
    visits: pl.DataFrame, passages: pl.DataFrame, timetable: Timetable, record: Record
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Every table of TABLES with its name, each made when it is asked for. `visits`: rows of StopVisit, names as text
    or, as those of the timetable, in categories; `passages`: `passages_of_signals`."""
    day, midnight_s = pl.lit(record.service_date).alias("service_date"), record.midnight_s
    yield "line_segments", line_segments(timetable).with_columns(day)
    yield "signal_passages", passages
    yield "signal_delays", signal_delays(passages, midnight_s)
    trips = trips_performed(visits, timetable, midnight_s, record.begin_s, record.end_s)
    yield "trips_performed", trips.with_columns(day)
    calls, driven = _calls(timetable), scheduled_trip(trips)
    yield from _waits(visits, driven, planned_headways(calls), record)
    run_calls = driven.join(calls, on="trip_id")
    yield "punctuality", punctuality(visits, run_calls, midnight_s)
    runs = stop_to_stop(visits, timetable.pattern_stops)
    yield "run_times", run_times(runs, run_calls, midnight_s)
    yield from _speeds(runs, timetable, record)


def _speeds(runs: pl.DataFrame, timetable: Timetable, record: Record) -> Iterator[tuple[str, pl.DataFrame]]:
    roads = shared_roads(timetable.paths, timetable.projection)
    yield "road_segments", roads.segments.with_columns(pl.lit(record.service_date).alias("service_date"))
    samples = in_categories(roads.samples, {"pattern_id": timetable.pattern_stops.schema["pattern_id"]})
    roads = replace(roads, samples=samples)
    yield "segment_speeds", segment_speeds(runs, roads, timetable.pattern_stops, record.midnight_s)


def _waits(
    visits: pl.DataFrame, driven: pl.DataFrame, planned: pl.DataFrame, record: Record
) -> Iterator[tuple[str, pl.DataFrame]]:
    headway_of_run = driven.join(planned.select("trip_id", "trip_stop_sequence", "scheduled_headway_s"), on="trip_id")
    gaps = headways(visits, headway_of_run.drop("trip_id"))
    yield "headways", gaps
    yield "wait_times", wait_times(gaps, planned, record.midnight_s, record.begin_s, record.end_s)


def passages_of_signals(visits: pl.DataFrame, placed: PlacedPositions, stop_lines: pl.DataFrame | None) -> pl.DataFrame:
    """Rows of SignalPassage. `visits`: rows of StopVisit; `stop_lines`: StopLine rows, or nothing known of signals."""
    if stop_lines is None or stop_lines.is_empty():
        return SignalPassage.create_empty()
    return signal_passages(path_positions(placed, stop_lines), stop_lines, in_text(visits))


def path_positions(placed: PlacedPositions, stop_lines: pl.DataFrame) -> dy.DataFrame[PathPosition]:
    """The positions of the trips whose pattern crosses a stop line, on the paths of their patterns, never backwards."""
    forward = (
        in_text(on_paths(placed))
        .join(stop_lines.select("pattern_id").unique(), on="pattern_id", how="semi", maintain_order="left")
        .with_columns(pl.col("path_m").cum_max().over(RUN))
    )
    return PathPosition.validate(forward.select(PathPosition.column_names()), cast=True)


def write_service(flows: Path, tables: Iterable[tuple[str, pl.DataFrame]], service_date: date) -> None:
    """Write the tables of `service_tables` into a flows folder, one after the other."""
    for name, rows in tables:
        lake.write(flows, name, TABLES[name], rows, service_date)


def read_service_table(flows: Path, schema: type[S]) -> dy.DataFrame[S]:
    """One of the tables above from a flows folder, as read_service_table(folder, SegmentSpeed)."""
    return lake.read(flows, next(name for name, known in TABLES.items() if known is schema), schema)


def _calls(timetable: Timetable) -> pl.DataFrame:
    """The timetable's calls with line, direction_id and is_last_stop."""
    return timetable.calls.join(timetable.trips.select("trip_id", "line", "direction_id"), on="trip_id").with_columns(
        (pl.col("trip_stop_sequence") == pl.col("trip_stop_sequence").max().over("trip_id")).alias("is_last_stop")
    )
