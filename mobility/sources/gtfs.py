"""GTFS Schedule (https://gtfs.org/documentation/schedule/reference), from a zip or a folder.

Only what flows need: stops, the trips that run on the service date, their patterns (the stops in order) and the path
each pattern drives, with the place of its stops on it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from mobility.errors import FeedError
from mobility.geometry import Projection
from mobility.map_matching import place_stops
from mobility.repeats import may_repeat

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
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
REQUIRED = {
    "stops.txt": ("stop_id", "stop_lat", "stop_lon"),
    "trips.txt": ("trip_id", "route_id", "service_id"),
    "stop_times.txt": ("trip_id", "stop_id", "stop_sequence"),
}


@dataclass(frozen=True)
class Timetable:
    """Frames with the columns of STOP, TRIP, CALL, PATTERN_STOP and PATH above.

    `trip_stop_sequence` counts 1, 2, 3 along a trip (TIDES) whatever numbers GTFS gave. Times are seconds after the
    service date's midnight (null where GTFS gives none); at a timepoint they are exact (GTFS `timepoint`). `path_m` is
    the distance along the driven path; `x_m`, `y_m` are metres in `projection`. `bounds`: min longitude, min
    latitude, max longitude, max latitude of the stops."""

    stops: pl.DataFrame
    trips: pl.DataFrame
    calls: pl.DataFrame
    pattern_stops: pl.DataFrame
    paths: pl.DataFrame
    projection: Projection
    bounds: tuple[float, float, float, float] | None = None


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
    """The trips of `service_date`. Where the calendar has no service on that date, all trips are taken.

    Raises FeedError where the archive is broken or lacks a file or column, naming it."""
    tables = _Tables(path)
    stops_raw, trips_raw, times_raw = (tables.required(name) for name in REQUIRED)
    stops_raw = stops_raw.with_columns(
        pl.col("stop_lat", "stop_lon").str.strip_chars().cast(pl.Float64, strict=False)
    ).drop_nulls(["stop_id", "stop_lat", "stop_lon"])
    projection = Projection.around(stops_raw["stop_lon"], stops_raw["stop_lat"])
    stops = projection.project(stops_raw, "stop_lon", "stop_lat").select(
        "stop_id", _or_null(stops_raw, "stop_name"), "x_m", "y_m"
    )
    running = _running_services(tables, service_date)
    if running is not None:
        trips_raw = trips_raw.filter(pl.col("service_id").is_in(running))
    calls = _calls(times_raw, trips_raw, stops)
    trips = _trips(trips_raw, calls)
    if trips.is_empty():
        return replace(empty_timetable(projection), stops=stops.sort("stop_id"), bounds=_extent(stops_raw))
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
        _extent(stops_raw),
    )


def _extent(stops: pl.DataFrame) -> tuple[float, float, float, float] | None:
    if stops.is_empty():
        return None
    lon, lat = stops["stop_lon"].to_numpy(), stops["stop_lat"].to_numpy()
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


class _Tables:
    """The text files of a GTFS archive, each read once as strings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            self._bytes = {file.name: file.read_bytes() for file in path.glob("*.txt")}
            return
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".txt")]
                self._bytes = {Path(name).name: archive.read(name) for name in names}
        except (zipfile.BadZipFile, OSError) as error:
            raise FeedError(f"{path} cannot be opened as a GTFS archive: {error}") from error

    def optional(self, name: str) -> pl.DataFrame | None:
        """The table, or nothing where the file is missing or empty."""
        content = self._bytes.get(name, b"").removeprefix(b"\xef\xbb\xbf")
        if not content.strip():
            return None
        try:
            table = pl.read_csv(io.BytesIO(content), infer_schema=False, truncate_ragged_lines=True)
        except pl.exceptions.PolarsError as error:
            raise FeedError(f"{self.path}: {name} is no CSV: {error}") from error
        return table.rename({column: column.strip() for column in table.columns})

    def required(self, name: str) -> pl.DataFrame:
        """The table with at least its REQUIRED columns."""
        table = self.optional(name)
        if table is None:
            raise FeedError(f"{self.path} lacks {name}")
        for column in REQUIRED[name]:
            if column not in table.columns:
                raise FeedError(f"{self.path}: {name} lacks the column '{column}'")
        return table


def _or_null(table: pl.DataFrame, column: str) -> pl.Expr:
    return pl.col(column) if column in table.columns else pl.lit(None, dtype=pl.String).alias(column)


def _running_services(tables: _Tables, service_date: date) -> list[str] | None:
    """Ids of the services of that date; nothing (= take all) where the calendar knows none."""
    day = service_date.strftime("%Y%m%d")
    running: set[str] = set()
    calendar = tables.optional("calendar.txt")
    if calendar is not None:
        weekday = WEEKDAYS[service_date.weekday()]
        active = calendar.filter((pl.col(weekday) == "1") & (pl.col("start_date") <= day) & (pl.col("end_date") >= day))
        running.update(active["service_id"].drop_nulls().to_list())
    exceptions = tables.optional("calendar_dates.txt")
    if exceptions is not None:
        today = exceptions.filter(pl.col("date") == day)
        running.update(today.filter(pl.col("exception_type") == "1")["service_id"].to_list())
        running.difference_update(today.filter(pl.col("exception_type") == "2")["service_id"].to_list())
    return sorted(running) or None


def _seconds(column: str) -> pl.Expr:
    """HH:MM:SS, hours may pass 24, as seconds. A day has few of them, so each is read once."""
    return pl.col(column).map_batches(_read_seconds, return_dtype=pl.Float64)


def _read_seconds(clock: pl.Series) -> pl.Series:
    shown = clock.unique().alias("clock").to_frame()
    parts = pl.col("clock").str.strip_chars().str.split(":")
    numbers = [parts.list.get(i, null_on_oob=True).cast(pl.Float64, strict=False) for i in range(3)]
    read = shown.with_columns((numbers[0] * 3600 + numbers[1] * 60 + numbers[2]).alias("seconds"))
    return clock.to_frame("clock").join(read, on="clock", how="left", maintain_order="left")["seconds"]


def _calls(times: pl.DataFrame, trips: pl.DataFrame, stops: pl.DataFrame) -> pl.DataFrame:
    for column in ("arrival_time", "departure_time"):
        if column not in times.columns:
            times = times.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    given = pl.coalesce("arrival_s", "departure_s").is_not_null()
    calls = (
        times.join(trips.select("trip_id"), on="trip_id", how="semi")
        .join(stops.select("stop_id"), on="stop_id", how="semi")
        .with_columns(
            pl.col("stop_sequence").str.strip_chars().cast(pl.Int64, strict=False),
            _seconds("arrival_time").alias("arrival_s"),
            _seconds("departure_time").alias("departure_s"),
        )
        .drop_nulls("stop_sequence")
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
    tables: _Tables, trips: pl.DataFrame, calls: pl.DataFrame, stops: pl.DataFrame, projection: Projection
) -> pl.DataFrame:
    """Path of every pattern: its GTFS shape, or straight lines from stop to stop where there is none."""
    shapes = tables.optional("shapes.txt")
    patterns = trips.group_by("pattern_id").agg(pl.col("shape_id").first())
    points = pl.DataFrame(schema={"pattern_id": pl.String, "place": pl.Int64, "x_m": pl.Float64, "y_m": pl.Float64})
    if shapes is not None and {"shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"} <= set(shapes.columns):
        numeric = shapes.with_columns(
            pl.col("shape_pt_lat", "shape_pt_lon").str.strip_chars().cast(pl.Float64, strict=False),
            pl.col("shape_pt_sequence").str.strip_chars().cast(pl.Int64, strict=False).alias("place"),
        ).drop_nulls(["shape_pt_lat", "shape_pt_lon", "place"])
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
