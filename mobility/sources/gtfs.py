"""GTFS Schedule (https://gtfs.org/documentation/schedule/reference), from a zip or a folder.

Only what flows need: stops, the trips that run on the service date, their patterns (the stops in order) and the path
each pattern drives, with the place of its stops on it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from mobility.geometry import Projection
from mobility.map_matching import place_stops
from mobility.repeats import may_repeat
from mobility.sources.frequencies import none_repeated, repeat_trips
from mobility.sources.gtfs_tables import (
    REQUIRED,
    SHAPES,
    WEEKDAYS,
    Tables,
    dates,
    latitudes,
    longitudes,
    seconds,
    whole_numbers,
)

STOP = {"stop_id": pl.String, "stop_name": pl.String, "x_m": pl.Float64, "y_m": pl.Float64}
TRIP = {
    "trip_id": pl.String,
    "line": pl.String,
    "direction_id": pl.Int64,
    "block_id": pl.String,
    "pattern_id": pl.String,
}
CALL = {
    "trip_id": pl.String,
    "trip_stop_sequence": pl.Int64,
    "stop_id": pl.String,
    "arrival_s": pl.Float64,
    "departure_s": pl.Float64,
    "is_timepoint": pl.Boolean,
}
PATTERN_STOP = {"pattern_id": pl.String, "trip_stop_sequence": pl.Int64, "stop_id": pl.String, "path_m": pl.Float64}
PATH = {"pattern_id": pl.String, "path_m": pl.Float64, "x_m": pl.Float64, "y_m": pl.Float64}


@dataclass(frozen=True)
class Timetable:
    """Frames with the columns of STOP, TRIP, CALL, PATTERN_STOP and PATH above.

    `trip_stop_sequence` counts 1, 2, 3 along a trip (TIDES) whatever numbers GTFS gave. Times are seconds after the
    service date's midnight (null where GTFS gives none); at a timepoint they are exact (GTFS `timepoint`). `path_m` is
    the distance along the driven path; `x_m`, `y_m` are metres in `projection`. `repetitions`: which trips
    `frequencies.txt` made of which (REPETITION); `bounds`: min longitude, min latitude, max longitude, max latitude of
    the stops. `notes`: what was not taken as it stands in the files, a sentence each."""

    stops: pl.DataFrame
    trips: pl.DataFrame
    calls: pl.DataFrame
    pattern_stops: pl.DataFrame
    paths: pl.DataFrame
    projection: Projection
    repetitions: pl.DataFrame = field(default_factory=none_repeated)
    bounds: tuple[float, float, float, float] | None = None
    notes: tuple[str, ...] = ()


def empty_timetable(projection: Projection) -> Timetable:
    """A timetable without stops or trips."""
    return Timetable(
        pl.DataFrame(schema=STOP),
        pl.DataFrame(schema=TRIP),
        pl.DataFrame(schema=CALL),
        pl.DataFrame(schema=PATTERN_STOP),
        pl.DataFrame(schema=PATH),
        projection,
    )


def read_timetable(path: Path, service_date: date) -> Timetable:
    """The trips of `service_date`. Where the calendar has no service on that date, all trips are taken, with a note.

    Raises FeedError where the archive is broken or lacks a file or column, naming it, and where a value cannot be read,
    naming its line."""
    tables = Tables(path)
    stops_raw, trips_raw, times_raw = (tables.required(name) for name in REQUIRED)
    stops_raw = _placed(tables, "stops.txt", stops_raw, "stop_lat", "stop_lon").drop_nulls("stop_id")
    tables.assert_each_once("stops.txt", stops_raw["stop_id"])
    projection = Projection.around(stops_raw["stop_lon"], stops_raw["stop_lat"])
    stops = projection.project(stops_raw, "stop_lon", "stop_lat").select(
        "stop_id", _or_null(stops_raw, "stop_name"), "x_m", "y_m"
    )
    running = _running_services(tables, service_date)
    if running is not None:
        trips_raw = trips_raw.filter(pl.col("service_id").is_in(running))
    tables.assert_given("trips.txt", trips_raw["route_id"])
    times_raw = times_raw.join(trips_raw.select("trip_id"), on="trip_id", how="semi")
    notes = _notes(tables, service_date if running is None else None, trips_raw, times_raw, stops)
    calls = _calls(tables, times_raw, stops)
    notes += _of_times_that_run_back(calls)
    repeated = repeat_trips(tables, _trips(trips_raw, calls), calls)
    trips, calls = repeated.trips, repeated.calls
    if trips.is_empty():
        return replace(empty_timetable(projection), stops=stops.sort("stop_id"), bounds=_extent(stops_raw), notes=notes)
    paths = _paths(tables, trips, calls, stops, projection)
    order = _pattern_order(trips, calls).join(stops.select("stop_id", "x_m", "y_m"), on="stop_id")
    pattern_stops = place_stops(order, paths).select(list(PATTERN_STOP))
    return Timetable(
        stops.sort("stop_id"),
        trips.select(list(TRIP)).sort("trip_id"),
        calls.join(trips.select("trip_id"), on="trip_id").sort("trip_id", "trip_stop_sequence"),
        pattern_stops.sort("pattern_id", "trip_stop_sequence"),
        paths,
        projection,
        repeated.repetitions,
        _extent(stops_raw),
        notes,
    )


def _placed(tables: Tables, name: str, table: pl.DataFrame, latitude: str, longitude: str) -> pl.DataFrame:
    """The rows that have a place. (0, 0), in the Atlantic, is what some systems write for a place they do not know: it
    would stretch the city's extent over half the earth."""
    table = tables.typed(name, table, (latitude,), latitudes, "number from -90 to 90")
    table = tables.typed(name, table, (longitude,), longitudes, "number from -180 to 180")
    known = (pl.col(latitude) != 0) | (pl.col(longitude) != 0)
    return table.drop_nulls([latitude, longitude]).filter(known)


def _extent(stops: pl.DataFrame) -> tuple[float, float, float, float] | None:
    if stops.is_empty():
        return None
    lon, lat = stops["stop_lon"].to_numpy(), stops["stop_lat"].to_numpy()
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _or_null(table: pl.DataFrame, column: str) -> pl.Expr:
    return pl.col(column) if column in table.columns else pl.lit(None, dtype=pl.String).alias(column)


def _running_services(tables: Tables, service_date: date) -> list[str] | None:
    """Ids of the services of that date; nothing (= take all) where the calendar knows none."""
    running: set[str] = set()
    weekday, needed = WEEKDAYS[service_date.weekday()], "date such as 20250303"
    calendar = tables.optional("calendar.txt")
    if calendar is not None:
        calendar = tables.typed("calendar.txt", calendar, ("start_date", "end_date"), dates, needed, may_be_blank=False)
        on_its_days = pl.lit(service_date).is_between("start_date", "end_date")
        active = calendar.filter(on_its_days & (pl.col(weekday).str.strip_chars() == "1"))
        running.update(active["service_id"].drop_nulls().to_list())
    exceptions = tables.optional("calendar_dates.txt")
    if exceptions is not None:
        exceptions = tables.typed("calendar_dates.txt", exceptions, ("date",), dates, needed, may_be_blank=False)
        today = exceptions.filter(pl.col("date") == service_date).drop_nulls("service_id")
        kind = pl.col("exception_type").str.strip_chars()
        running.update(today.filter(kind == "1")["service_id"].to_list())
        running.difference_update(today.filter(kind == "2")["service_id"].to_list())
    return sorted(running) or None


def _notes(
    tables: Tables, without_service: date | None, trips: pl.DataFrame, times: pl.DataFrame, stops: pl.DataFrame
) -> tuple[str, ...]:
    """What of the day's timetable is not taken as it stands there, a sentence each. `without_service`: the service date
    if the calendar has no service on it; `times`: calls of the trips."""
    notes = []
    if without_service is not None:
        notes.append(
            f"The calendar of the timetable has no service on {without_service}: all its {trips.height} trips were "
            "taken."
        )
    served = times.group_by("trip_id").agg(pl.len().alias("calls")).filter(pl.col("calls") >= 2)
    idle = trips.join(served, on="trip_id", how="anti")["trip_id"]
    if not idle.is_empty():
        notes.append(
            f"{idle.len()} of the {trips.height} trips of the timetable were left out: stop_times.txt has fewer than "
            f"two calls of theirs (first: {idle[0]})."
        )
    lost = times.join(stops, on="stop_id", how="anti")["stop_id"]
    if not lost.is_empty():
        notes.append(
            f"{lost.len()} calls of the timetable were left out: stops.txt lacks their stop or gives it no place "
            f"(first: {lost[0]})."
        )
    return tuple(notes)


def _of_times_that_run_back(calls: pl.DataFrame) -> tuple[str, ...]:
    """A sentence where calls come before those they follow: what was planned between them is not to be trusted."""
    before = pl.col("departure_s").shift().over("trip_id")
    back = calls.filter((pl.col("departure_s") < pl.col("arrival_s")) | (pl.col("arrival_s") < before))
    if back.is_empty():
        return ()
    return (
        f"{back.height} calls of the timetable are earlier than the call before them, or leave before they arrive "
        f"(first: trip {back['trip_id'][0]}, call {back['trip_stop_sequence'][0]}).",
    )


def _calls(tables: Tables, times: pl.DataFrame, stops: pl.DataFrame) -> pl.DataFrame:
    for column in ("arrival_time", "departure_time"):
        if column not in times.columns:
            times = times.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    name = "stop_times.txt"
    times = tables.typed(name, times, ("stop_sequence",), whole_numbers, "whole number", may_be_blank=False)
    times = tables.typed(name, times, ("arrival_time", "departure_time"), seconds, "time such as 08:15:00")
    given = pl.coalesce("arrival_s", "departure_s").is_not_null()
    calls = (
        times.with_columns(pl.col("arrival_time").alias("arrival_s"), pl.col("departure_time").alias("departure_s"))
        .join(stops.select("stop_id"), on="stop_id", how="semi")
        .pipe(_each_once, ["trip_id", "stop_sequence"])
        .pipe(_by_trip)
        .with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("trip_id").alias("trip_stop_sequence"),
            (given & (_or_null(times, "timepoint") != "0").fill_null(True)).alias("is_timepoint"),
            pl.coalesce("arrival_s", "departure_s"),
            pl.coalesce("departure_s", "arrival_s"),
        )
    )
    place, untimed = pl.col("trip_stop_sequence").cast(pl.Float64), calls.filter(pl.col("arrival_s").is_null())
    between = [pl.col(name).interpolate_by(place).over("trip_id") for name in ("arrival_s", "departure_s")]
    return (calls if untimed.is_empty() else calls.with_columns(between)).select(list(CALL))


def _each_once(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The first of the rows that are the same in `columns`."""
    return rows.unique(columns, keep="first", maintain_order=True) if may_repeat(rows.select(columns)) else rows


def _by_trip(calls: pl.DataFrame) -> pl.DataFrame:
    """Calls by trip and stop_sequence, trips compared as numbers."""
    trip = calls["trip_id"].cast(pl.Enum(calls["trip_id"].unique().sort())).to_physical()
    return calls[calls.select(trip, "stop_sequence").select(pl.arg_sort_by("trip_id", "stop_sequence")).to_series()]


def _trips(trips: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Trips with at least two stops; the pattern is named by line, direction and a digest of stops and shape."""
    chains = calls.group_by("trip_id", maintain_order=True).agg(
        pl.col("stop_id").str.join("\x1f").alias("chain"), pl.len().alias("calls")
    )
    described = (
        trips.with_columns(
            pl.col("route_id").alias("line"),
            _or_null(trips, "block_id"),
            _or_null(trips, "shape_id"),
            _or_null(trips, "direction_id").cast(pl.Int64, strict=False),
        )
        .join(chains.filter(pl.col("calls") >= 2), on="trip_id")
        .unique("trip_id", keep="first", maintain_order=True)
    )
    signature = pl.concat_str(
        "line",
        pl.col("direction_id").cast(pl.String).fill_null(""),
        pl.col("shape_id").fill_null(""),
        "chain",
        separator="\x1e",
    )
    described = described.with_columns(signature.alias("signature"))
    distinct = described["signature"].unique()
    digests = [hashlib.blake2b(text.encode(), digest_size=4).hexdigest() for text in distinct.to_list()]
    digest = pl.col("signature").replace_strict(distinct, pl.Series(digests, dtype=pl.String))
    return described.with_columns(pl.concat_str("line", digest, separator=":").alias("pattern_id"))


def _pattern_order(trips: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    example = trips.group_by("pattern_id").agg(pl.col("trip_id").min())
    return example.join(calls, on="trip_id").select("pattern_id", "trip_stop_sequence", "stop_id")


def _paths(
    tables: Tables, trips: pl.DataFrame, calls: pl.DataFrame, stops: pl.DataFrame, projection: Projection
) -> pl.DataFrame:
    """Path of every pattern: its GTFS shape, or straight lines from stop to stop where there is none."""
    shapes = tables.optional(SHAPES)
    patterns = trips.group_by("pattern_id").agg(pl.col("shape_id").first())
    points = pl.DataFrame(schema={"pattern_id": pl.String, "place": pl.Int64, "x_m": pl.Float64, "y_m": pl.Float64})
    if shapes is not None and {"shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"} <= set(shapes.columns):
        shapes = _placed(tables, SHAPES, shapes, "shape_pt_lat", "shape_pt_lon")
        shapes = tables.typed(SHAPES, shapes, ("shape_pt_sequence",), whole_numbers, "whole number")
        numeric = shapes.with_columns(pl.col("shape_pt_sequence").alias("place")).drop_nulls("place")
        drawn = projection.project(numeric, "shape_pt_lon", "shape_pt_lat").join(patterns, on="shape_id")
        points = drawn.filter(pl.len().over("pattern_id") >= 2).select(points.columns)
    straight = (
        _pattern_order(trips, calls)
        .join(points.select("pattern_id").unique(), on="pattern_id", how="anti")
        .join(stops, on="stop_id")
        .select("pattern_id", pl.col("trip_stop_sequence").alias("place"), "x_m", "y_m")
    )
    step = (pl.col("x_m").diff() ** 2 + pl.col("y_m").diff() ** 2).sqrt().fill_null(0.0)
    return (
        pl.concat([points, straight])
        .sort("pattern_id", "place")
        .with_columns(step.over("pattern_id").cum_sum().over("pattern_id").alias("path_m"))
        .select(list(PATH))
    )
