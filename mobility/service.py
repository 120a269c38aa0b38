"""The service that was run, from stop visits and the timetable: its tables, in the order they build on each other."""

from __future__ import annotations

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
) -> dict[str, pl.DataFrame]:
    """Every table of TABLES by its name. `visits`: rows of StopVisit, names as text or, as those of the timetable, in
    categories; `passages`: `passages_of_signals`."""
    trips = trips_performed(visits, timetable, record.midnight_s, record.begin_s, record.end_s)
    roads = shared_roads(timetable.paths, timetable.projection)
    samples = in_categories(roads.samples, {"pattern_id": timetable.pattern_stops.schema["pattern_id"]})
    calls, driven, pattern_stops = _calls(timetable), scheduled_trip(trips), timetable.pattern_stops
    run_calls = driven.join(calls, on="trip_id")
    planned = planned_headways(calls)
    headway_of_run = driven.join(planned.select("trip_id", "trip_stop_sequence", "scheduled_headway_s"), on="trip_id")
    gaps = headways(visits, headway_of_run.drop("trip_id"))
    runs = stop_to_stop(visits, pattern_stops)
    speeds = segment_speeds(runs, replace(roads, samples=samples), pattern_stops, record.midnight_s)
    return {
        "trips_performed": trips.with_columns(pl.lit(record.service_date).alias("service_date")),
        "headways": gaps,
        "wait_times": wait_times(gaps, planned, record.midnight_s, record.begin_s, record.end_s),
        "punctuality": punctuality(visits, run_calls, record.midnight_s),
        "run_times": run_times(runs, run_calls, record.midnight_s),
        "segment_speeds": speeds,
        "signal_passages": passages,
        "signal_delays": signal_delays(passages, record.midnight_s),
        "road_segments": roads.segments.with_columns(pl.lit(record.service_date).alias("service_date")),
        "line_segments": line_segments(timetable).with_columns(pl.lit(record.service_date).alias("service_date")),
    }


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


def write_service(flows: Path, tables: dict[str, pl.DataFrame], service_date: date) -> None:
    """Write the tables of `service_tables` into a flows folder."""
    for name, schema in TABLES.items():
        lake.write(flows, name, schema, tables[name], service_date)


def read_service_table(flows: Path, schema: type[S]) -> dy.DataFrame[S]:
    """One of the tables above from a flows folder, as read_service_table(folder, SegmentSpeed)."""
    return lake.read(flows, next(name for name, known in TABLES.items() if known is schema), schema)


def _calls(timetable: Timetable) -> pl.DataFrame:
    """The timetable's calls with line, direction_id and is_last_stop."""
    return timetable.calls.join(timetable.trips.select("trip_id", "line", "direction_id"), on="trip_id").with_columns(
        (pl.col("trip_stop_sequence") == pl.col("trip_stop_sequence").max().over("trip_id")).alias("is_last_stop")
    )
