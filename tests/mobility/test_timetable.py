"""GTFS comes in as the trips of one service date, whatever the file leaves out."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from synthetic_city import KEY, City, as_csv

from mobility.errors import FeedError
from mobility.pipeline import build_flows
from mobility.sources.gtfs import read_timetable

MONDAY = date(2025, 3, 3)


def archive(city: City, folder: Path) -> Path:
    return city.write(folder) / "gtfs.zip"


def packed(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return path


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


@pytest.mark.parametrize(
    ("table", "column", "text", "said"),
    [
        ("stops.txt", "stop_lat", "x", "stops.txt, line 4: stop_lat 'x' is no number"),
        ("stops.txt", "stop_lon", "nan", "stops.txt, line 4: stop_lon 'nan' is no number"),
        ("stop_times.txt", "stop_sequence", "one", "stop_times.txt, line 4: stop_sequence 'one' is no whole number"),
        ("stop_times.txt", "stop_sequence", "1.5", "stop_times.txt, line 4: stop_sequence '1.5' is no whole number"),
        ("stop_times.txt", "stop_sequence", "", "stop_times.txt, line 4: stop_sequence is missing"),
        ("stop_times.txt", "arrival_time", "nan:00:00", "line 4: arrival_time 'nan:00:00' is no time such as 08:15:00"),
        ("stop_times.txt", "departure_time", "soon", "line 4: departure_time 'soon' is no time such as 08:15:00"),
        ("stop_times.txt", "arrival_time", "08:75:00", "line 4: arrival_time '08:75:00' is no time such as 08:15:00"),
        ("stop_times.txt", "arrival_time", "-1:00:00", "line 4: arrival_time '-1:00:00' is no time such as 08:15:00"),
        ("stops.txt", "stop_lat", "511.3", "stops.txt, line 4: stop_lat '511.3' is no number from -90 to 90"),
        ("shapes.txt", "shape_pt_lon", "181", "line 4: shape_pt_lon '181' is no number from -180 to 180"),
        ("trips.txt", "route_id", "", "trips.txt, line 4: route_id is missing"),
        ("shapes.txt", "shape_pt_lat", "inf", "shapes.txt, line 4: shape_pt_lat 'inf' is no number"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_its_line(
    city: City, tmp_path: Path, table: str, column: str, text: str, said: str
) -> None:
    city.gtfs[table][2][column] = text
    with pytest.raises(FeedError, match=said):
        read_timetable(archive(city, tmp_path), MONDAY)


def test_whole_numbers_may_have_the_point_of_a_spreadsheet(city: City, tmp_path: Path) -> None:
    expected = read_timetable(archive(city, tmp_path / "whole"), MONDAY)
    for call in city.gtfs["stop_times.txt"]:
        call["stop_sequence"] += ".0"
    assert read_timetable(archive(city, tmp_path / "point"), MONDAY).calls.equals(expected.calls)


def test_a_calendar_without_service_on_the_day_is_noted(city: City, tmp_path: Path) -> None:
    assert read_timetable(archive(city, tmp_path), MONDAY).notes == ()
    timetable = read_timetable(archive(city, tmp_path), date(2026, 3, 2))
    count = len(city.gtfs["trips.txt"])
    assert timetable.trips.height == count
    assert timetable.notes == (
        f"The calendar of the timetable has no service on 2026-03-02: all its {count} trips were taken.",
    )


@pytest.mark.parametrize(
    ("table", "column", "text", "said"),
    [
        ("calendar.txt", "end_date", "2025-12-31", "calendar.txt, line 2: end_date '2025-12-31' is no date such as"),
        ("calendar_dates.txt", "date", "", "calendar_dates.txt, line 2: date is missing"),
        ("calendar.txt", "monday", None, "calendar.txt lacks the column 'monday'"),
        ("calendar_dates.txt", "date", None, "calendar_dates.txt lacks the column 'date'"),
    ],
)
def test_a_calendar_that_cannot_be_read_is_told(
    city: City, tmp_path: Path, table: str, column: str, text: str | None, said: str
) -> None:
    city.gtfs["calendar_dates.txt"] = [{"service_id": "day", "date": "20250304", "exception_type": "1"}]
    if text is None:
        del city.gtfs[table][0][column]
    else:
        city.gtfs[table][0][column] = text
    with pytest.raises(FeedError, match=said):
        read_timetable(archive(city, tmp_path), MONDAY)


def test_an_exception_of_no_service_changes_nothing(city: City, tmp_path: Path) -> None:
    city.gtfs["calendar_dates.txt"] = [{"service_id": "", "date": "20250303", "exception_type": "1"}]
    assert read_timetable(archive(city, tmp_path), MONDAY).trips.height == len(city.gtfs["trips.txt"])


def test_calls_at_stops_without_a_place_are_noted(city: City, tmp_path: Path) -> None:
    city.gtfs["stops.txt"][0]["stop_lat"] = ""
    lost = city.gtfs["stops.txt"][0]["stop_id"]
    count = sum(call["stop_id"] == lost for call in city.gtfs["stop_times.txt"])
    assert read_timetable(archive(city, tmp_path), MONDAY).notes == (
        f"{count} calls of the timetable were left out: stops.txt lacks their stop or gives it no place "
        f"(first: {lost}).",
    )


@pytest.mark.parametrize("blank", ["\n\n", "\r\n\r\n", " \n", ",,\n"])
def test_lines_of_nothing_are_no_rows_and_other_lines_keep_their_numbers(
    city: City, tmp_path: Path, blank: str
) -> None:
    expected = read_timetable(archive(city, tmp_path / "whole"), MONDAY)
    text = {name: as_csv(rows) for name, rows in city.gtfs.items()}
    text = {name: table.replace("\n", "\n" + blank, 2) + blank for name, table in text.items()}
    timetable = read_timetable(packed(tmp_path / "blank.zip", text), MONDAY)
    assert timetable.calls.equals(expected.calls) and timetable.notes == ()
    text["trips.txt"] = text["trips.txt"].rstrip("\r\n ,") + "\n" + ",".join(["x", "", "day"]) + "\n"
    line = text["trips.txt"].count("\n")
    columns = text["trips.txt"].splitlines()[0]
    text["trips.txt"] = text["trips.txt"].replace(columns, "trip_id,route_id,service_id", 1)
    with pytest.raises(FeedError, match=rf"trips\.txt, line {line}: route_id is missing"):
        read_timetable(packed(tmp_path / "broken.zip", text), MONDAY)


def test_blanks_around_an_id_are_no_part_of_it(city: City, tmp_path: Path) -> None:
    expected = read_timetable(archive(city, tmp_path / "bare"), MONDAY)
    for call in city.gtfs["stop_times.txt"]:
        call["trip_id"] += " "
    assert read_timetable(archive(city, tmp_path / "blanks"), MONDAY).calls.equals(expected.calls)


def test_an_archive_of_two_timetables_is_not_mixed(city: City, tmp_path: Path) -> None:
    text = {name: as_csv(rows) for name, rows in city.gtfs.items()}
    both = {f"{folder}/{name}": table for folder in ("bus", "rail") for name, table in text.items()}
    with pytest.raises(FeedError, match=r"more than one timetable \(bus/(\w+\.txt) and rail/\1\)"):
        read_timetable(packed(tmp_path / "both.zip", both), MONDAY)
    one = {f"bus/{name}": table for name, table in text.items()} | {"__MACOSX/bus/._stops.txt": "\x05"}
    assert read_timetable(packed(tmp_path / "one.zip", one), MONDAY).trips.height == len(city.gtfs["trips.txt"])


def test_a_stop_on_the_equator_off_africa_has_no_place_and_does_not_stretch_the_city(
    city: City, tmp_path: Path
) -> None:
    expected = read_timetable(archive(city, tmp_path / "city"), MONDAY)
    city.gtfs["stops.txt"].append(city.gtfs["stops.txt"][0] | {"stop_id": "depot", "stop_lat": "0", "stop_lon": "0.0"})
    timetable = read_timetable(archive(city, tmp_path / "depot"), MONDAY)
    assert timetable.bounds == expected.bounds and timetable.projection == expected.projection


def test_trips_without_calls_are_noted(city: City, tmp_path: Path) -> None:
    trips = city.gtfs["trips.txt"]
    city.gtfs["stop_times.txt"] = [c for c in city.gtfs["stop_times.txt"] if c["trip_id"] != trips[3]["trip_id"]]
    assert read_timetable(archive(city, tmp_path), MONDAY).notes == (
        f"1 of the {len(trips)} trips of the timetable were left out: stop_times.txt has fewer than two calls of "
        f"theirs (first: {trips[3]['trip_id']}).",
    )


def test_calls_that_run_back_in_time_are_noted(city: City, tmp_path: Path) -> None:
    trip = city.gtfs["trips.txt"][0]["trip_id"]
    calls = sorted(
        (call for call in city.gtfs["stop_times.txt"] if call["trip_id"] == trip), key=lambda c: int(c["stop_sequence"])
    )
    calls[3]["arrival_time"] = calls[3]["departure_time"] = "00:00:01"
    assert read_timetable(archive(city, tmp_path), MONDAY).notes == (
        "1 calls of the timetable are earlier than the call before them, or leave before they arrive "
        f"(first: trip {trip}, call 4).",
    )


def _every(trip: str, begin: str, end: str, headway_s: str, exact: str = "") -> dict[str, str]:
    return {"trip_id": trip, "start_time": begin, "end_time": end, "headway_secs": headway_s, "exact_times": exact}


def test_trips_of_frequencies_run_once_a_headway(city: City, tmp_path: Path) -> None:
    trip = city.gtfs["trips.txt"][0]["trip_id"]
    once = read_timetable(archive(city, tmp_path / "once"), MONDAY)
    city.gtfs["frequencies.txt"] = [
        _every(trip, "06:00:00", "07:00:00", "1200", "1"),
        _every(trip, "07:00:00", "08:30:00", "2400"),
        _every(trip, "23:59:59", "24:00:00", "600"),
    ]
    timetable = read_timetable(archive(city, tmp_path / "repeated"), MONDAY)
    starts = ["06:00:00", "06:20:00", "06:40:00", "07:00:00", "07:40:00", "08:20:00", "23:59:59"]
    repeated = timetable.calls.filter(pl.col("trip_id").str.starts_with(f"{trip}@"))
    assert repeated["trip_id"].unique().sort().to_list() == [f"{trip}@{start}" for start in starts]
    assert timetable.repetitions["repeats"].unique().to_list() == [trip]
    assert not timetable.trips["trip_id"].is_in([trip]).any()
    as_given = once.calls.filter(pl.col("trip_id") == trip)
    for start_s, (_, calls) in zip(
        [6 * 3600, 6 * 3600 + 1200, 6 * 3600 + 2400], repeated.group_by("trip_id", maintain_order=True), strict=False
    ):
        later_s = start_s - as_given["departure_s"][0]
        assert calls["arrival_s"].to_list() == (as_given["arrival_s"] + later_s).to_list()
        assert calls["stop_id"].to_list() == as_given["stop_id"].to_list()
        assert calls["is_timepoint"].all()
    assert not repeated.filter(pl.col("trip_id").str.ends_with("07:40:00"))["is_timepoint"].any()
    assert timetable.trips.height == once.trips.height - 1 + len(starts)
    assert timetable.pattern_stops.equals(once.pattern_stops)


def test_what_cannot_be_read_of_frequencies_is_named_with_its_line(city: City, tmp_path: Path) -> None:
    trip = city.gtfs["trips.txt"][0]["trip_id"]
    for number, (row, said) in enumerate(
        [
            (_every(trip, "06:00:00", "07:00:00", "0"), "headway_secs '0' is no number of seconds over 0"),
            (_every(trip, "06:00:00", "", "600"), "end_time is missing"),
            (_every(trip, "six", "07:00:00", "600"), "start_time 'six' is no time such as 08:15:00"),
        ]
    ):
        city.gtfs["frequencies.txt"] = [_every(trip, "05:00:00", "06:00:00", "600"), row]
        with pytest.raises(FeedError, match=rf"frequencies\.txt, line 3: {said}"):
            read_timetable(archive(city, tmp_path / str(number)), MONDAY)


def test_frequencies_that_end_as_they_begin_leave_no_trip(city: City, tmp_path: Path) -> None:
    trip = city.gtfs["trips.txt"][0]["trip_id"]
    city.gtfs["frequencies.txt"] = [_every(trip, "07:00:00", "06:00:00", "600")]
    timetable = read_timetable(archive(city, tmp_path), MONDAY)
    assert timetable.trips.height == len(city.gtfs["trips.txt"]) - 1
    assert timetable.repetitions.is_empty()


def test_notes_of_the_timetable_are_warnings_of_the_flows(city: City, tmp_path: Path) -> None:
    city.gtfs["calendar.txt"][0]["end_date"] = "20250101"
    summary = build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    assert any("has no service on 2025-03-03" in warning for warning in summary.warnings)


def test_a_stop_that_stands_twice_is_named_with_its_lines(city: City, tmp_path: Path) -> None:
    city.gtfs["stops.txt"].append(city.gtfs["stops.txt"][1])
    last = len(city.gtfs["stops.txt"]) + 1
    with pytest.raises(FeedError, match=rf"stops\.txt, lines 3 and {last}: stop_id '1-A1' must be on one line only"):
        read_timetable(archive(city, tmp_path), MONDAY)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_an_archive_whose_content_is_damaged_is_told(city: City, tmp_path: Path, packing: int) -> None:
    path = tmp_path / "gtfs.zip"
    with zipfile.ZipFile(path, "w", packing) as files:
        files.writestr("stops.txt", as_csv(city.gtfs["stops.txt"]))
    content = bytearray(path.read_bytes())
    content[60:200] = b"\xff" * 140
    path.write_bytes(content)
    with pytest.raises(FeedError, match=r"gtfs\.zip cannot be opened as a GTFS archive"):
        read_timetable(path, MONDAY)


def test_an_archive_under_a_password_is_told(city: City, tmp_path: Path) -> None:
    path = archive(city, tmp_path)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[central + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(FeedError, match=r"gtfs\.zip cannot be opened as a GTFS archive: .*password"):
        read_timetable(path, MONDAY)


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
