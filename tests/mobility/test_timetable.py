"""GTFS comes in as the trips of one service date, whatever the file leaves out."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from synthetic_city import City

from mobility.errors import FeedError
from mobility.sources.gtfs import read_timetable

MONDAY = date(2025, 3, 3)


def archive(city: City, folder: Path) -> Path:
    return city.write(folder) / "gtfs.zip"


def test_trips_calls_and_patterns_are_those_of_the_day(city: City, tmp_path: Path) -> None:
    timetable = read_timetable(archive(city, tmp_path), MONDAY)
    assert timetable.trips.height == len(city.gtfs["trips.txt"])
    assert timetable.calls.height == len(city.gtfs["stop_times.txt"])
    assert timetable.pattern_stops.group_by("pattern_id").len()["len"].to_list() == [8] * 4
    places = timetable.pattern_stops.with_columns(pl.col("path_m").diff().over("pattern_id").alias("step_m"))
    assert places["step_m"].drop_nulls().is_between(440, 460).all()


def test_a_date_removed_from_the_calendar_has_other_services_only(city: City, tmp_path: Path) -> None:
    for trip in city.gtfs["trips.txt"][:10]:
        trip["service_id"] = "extra"
    city.gtfs["calendar_dates.txt"] = [
        {"service_id": "day", "date": "20250303", "exception_type": "2"},
        {"service_id": "extra", "date": "20250303", "exception_type": "1"},
    ]
    assert read_timetable(archive(city, tmp_path), MONDAY).trips.height == 10


def test_times_left_out_between_timepoints_are_interpolated(city: City, tmp_path: Path) -> None:
    trip = city.gtfs["trips.txt"][0]["trip_id"]
    calls = [call for call in city.gtfs["stop_times.txt"] if call["trip_id"] == trip]
    for call in calls[1:-1]:
        call["arrival_time"] = call["departure_time"] = ""
    timetable = read_timetable(archive(city, tmp_path), MONDAY)
    arrivals = timetable.calls.filter(pl.col("trip_id") == trip)["arrival_s"]
    assert arrivals.null_count() == 0
    assert (arrivals.diff().drop_nulls() > 0).all()


def test_hours_past_midnight_are_kept(city: City, tmp_path: Path) -> None:
    city.gtfs["stop_times.txt"][-1]["arrival_time"] = "25:10:30"
    timetable = read_timetable(archive(city, tmp_path), MONDAY)
    assert timetable.calls["arrival_s"].max() == 25 * 3600 + 630


def test_without_shapes_the_path_runs_straight_from_stop_to_stop(city: City, tmp_path: Path) -> None:
    del city.gtfs["shapes.txt"]
    timetable = read_timetable(archive(city, tmp_path), MONDAY)
    assert timetable.paths["path_m"].max() == pytest.approx(7 * 450, rel=0.01)


@pytest.mark.parametrize(
    ("table", "column"), [("stops.txt", "stop_lat"), ("trips.txt", "route_id"), ("stop_times.txt", "stop_sequence")]
)
def test_a_missing_column_or_file_is_named(city: City, tmp_path: Path, table: str, column: str) -> None:
    for row in city.gtfs[table]:
        del row[column]
    with pytest.raises(FeedError, match=f"{table} lacks the column '{column}'"):
        read_timetable(archive(city, tmp_path / "column"), MONDAY)
    del city.gtfs[table]
    with pytest.raises(FeedError, match=f"lacks {table}"):
        read_timetable(archive(city, tmp_path / "file"), MONDAY)


def test_a_real_timetable_is_read(real_data: Path) -> None:
    timetable = read_timetable(real_data / "mobility" / "wmata" / "gtfs.zip", date(2026, 2, 16))
    assert timetable.trips.height > 100
    steps = timetable.pattern_stops.sort("pattern_id", "trip_stop_sequence").with_columns(
        pl.col("path_m").diff().over("pattern_id").alias("step_m")
    )
    assert (steps["step_m"].drop_nulls() >= 0).all()
    assert steps.filter(pl.col("step_m") == 0).height < 0.01 * steps.height


def test_a_folder_is_read_as_its_archive_is(city: City, tmp_path: Path) -> None:
    packed = archive(city, tmp_path)
    with zipfile.ZipFile(packed) as files:
        files.extractall(tmp_path / "gtfs")
    assert read_timetable(tmp_path / "gtfs", MONDAY).calls.equals(read_timetable(packed, MONDAY).calls)
