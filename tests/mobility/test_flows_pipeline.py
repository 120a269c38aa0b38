"""From a feeds folder to a flows folder: right where the truth is known, the same twice, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
from synthetic_city import KEY, City

from mobility import flows, lake
from mobility.errors import FeedError
from mobility.pipeline import build_flows
from mobility.schemas import StopVisit
from mobility.summary import read_summary


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def legs_with_truth(city: City, out: Path) -> pl.DataFrame:
    """Legs beside the true ride of the same tap (taps are numbered in the order of the tapped rides)."""
    tapped = [ride for ride in city.rides if ride.card]
    truth = pl.DataFrame(
        {
            "leg_id": [f"t{number}" for number in range(len(tapped))],
            "true_boarding": [ride.boarding for ride in tapped],
            "true_alighting": [ride.alighting for ride in tapped],
            "true_trip": [ride.trip for ride in tapped],
        }
    )
    return flows.read_journey_legs(out).join(truth, on="leg_id")


def test_boarding_stops_and_chained_alightings_are_the_true_ones(city: City, tmp_path: Path) -> None:
    summary = build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    legs = legs_with_truth(city, tmp_path / "flows")
    assert summary.unplaced == 0
    assert legs.height == len(city.taps)
    assert (legs["boarding_stop_id"] == legs["true_boarding"]).mean() >= 0.99
    assert (legs["trip_id_performed"] == legs["true_trip"]).mean() >= 0.99
    chained = legs.filter(pl.col("method").str.starts_with("chained"))
    assert chained.height > 0.6 * legs.height
    assert (chained["alighting_stop_id"] == chained["true_alighting"]).mean() >= 0.95


def test_line_totals_are_the_control_totals(city: City, tmp_path: Path) -> None:
    build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    by_line = flows.read_boardings(tmp_path / "flows").group_by("line").agg(pl.col("boardings_pax").sum())
    expected = {row["route_id"]: float(row["boardings"]) for row in city.totals}
    assert dict(by_line.iter_rows()) == pytest.approx(expected, rel=1e-6)


def test_the_same_feeds_give_the_same_bytes(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    build_flows(feeds, tmp_path / "one", key=KEY)
    build_flows(feeds, tmp_path / "two", key=KEY)
    first = content(tmp_path / "one")
    assert first == content(tmp_path / "two")
    build_flows(feeds, tmp_path / "one", key=KEY)
    assert content(tmp_path / "one") == first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_key_gives_other_pseudonyms_and_the_same_flows(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    build_flows(feeds, tmp_path / "one", key=KEY)
    build_flows(feeds, tmp_path / "two", key=KEY + b"!")
    one, two = (flows.read_journey_legs(tmp_path / name) for name in ("one", "two"))
    assert not set(one["card_id"].to_list()) & set(two["card_id"].to_list())
    assert flows.read_od_flows(tmp_path / "one").equals(flows.read_od_flows(tmp_path / "two"))


def test_a_build_that_fails_leaves_the_flows_as_they_were(city: City, tmp_path: Path) -> None:
    build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    before = content(tmp_path / "flows")
    city.totals[0]["boardings"] = "many"
    with pytest.raises(FeedError, match=r"control_totals.csv, line 2"):
        build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    assert content(tmp_path / "flows") == before


def test_feeds_without_taps_positions_or_timetable_give_empty_typed_tables(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    for name in ("fare_transactions.csv", "vehicle_locations.csv", "gtfs.zip", "control_totals.csv"):
        (feeds / name).unlink()
    summary = build_flows(feeds, tmp_path / "flows", key=KEY)
    assert len(summary.warnings) == 3
    assert summary.boarded == 0
    for read in (flows.read_od_flows, flows.read_link_loads, flows.read_line_loads, flows.read_journeys):
        assert read(tmp_path / "flows").is_empty()


def test_files_with_a_header_alone_are_no_error(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    for name in ("fare_transactions.csv", "vehicle_locations.csv", "control_totals.csv"):
        path = feeds / name
        path.write_text(path.read_text().splitlines()[0] + "\n")
    summary = build_flows(feeds, tmp_path / "flows", key=KEY)
    assert "There are no taps: the flows are empty." in summary.warnings
    assert flows.read_journey_legs(tmp_path / "flows").is_empty()


def test_trips_the_timetable_does_not_name_get_the_pattern_they_drove(city: City, tmp_path: Path) -> None:
    for position in city.positions:
        if position["vehicle_id"] == "bus-11" and position["trip_id_performed"]:
            position["trip_id_performed"] = "new-" + position["trip_id_performed"]
    summary = build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    legs = legs_with_truth(city, tmp_path / "flows").filter(pl.col("vehicle_id") == "bus-11")
    assert summary.trips_by_pattern > 0
    assert any("does not name" in warning for warning in summary.warnings)
    assert legs.height > 0
    assert (legs["boarding_stop_id"] == legs["true_boarding"]).mean() >= 0.95


def test_a_timetable_of_another_city_is_told_and_counted(city: City, tmp_path: Path) -> None:
    for stop in city.gtfs["stops.txt"]:
        stop["stop_lat"] = str(float(stop["stop_lat"]) + 0.03)
    for trip in (*city.gtfs["trips.txt"], *city.gtfs["stop_times.txt"]):
        trip["trip_id"] = "x" + trip["trip_id"]
    summary = build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    assert summary.trips == 0
    assert summary.trips_unmatched > 0
    assert summary.unplaced == len(city.taps)
    assert any("fit neither a trip nor a pattern" in warning for warning in summary.warnings)


def test_a_vehicle_without_positions_gets_its_stops_by_the_timetable_with_less_confidence(
    city: City, tmp_path: Path
) -> None:
    silent = "bus-22"
    tapped = [ride for ride in city.rides if ride.card]
    city.positions = [row for row in city.positions if row["vehicle_id"] != silent]
    for tap, ride in zip(city.taps, tapped, strict=True):
        if tap["vehicle_id"] == silent:
            tap["vehicle_id"] = ride.trip
    build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    legs = legs_with_truth(city, tmp_path / "flows")
    planned = legs.filter(pl.col("boarding_method") == "timetable")
    assert planned.height > 10
    assert (
        planned["boarding_confidence"].max()
        < legs.filter(pl.col("boarding_method") == "gps")["boarding_confidence"].min()
    )
    assert (planned["boarding_stop_id"] == planned["true_boarding"]).mean() > 0.5


def test_summary_and_tables_come_back_as_they_were_written(city: City, tmp_path: Path) -> None:
    stages: list[str] = []
    out = tmp_path / "flows"
    summary = build_flows(
        city.write(tmp_path / "feeds"), out, key=KEY, progress=lambda stage, share: stages.append(stage)
    )
    assert read_summary(out) == summary
    assert json.loads((out / "summary.json").read_text())["zone"] == "Asia/Almaty"
    assert stages[0] == "timetable and vehicle positions" and stages[-1] == "done"
    assert lake.read(out, "stop_visits", StopVisit).height == summary.stop_visits


def test_broken_descriptions_of_feeds_are_told_in_one_sentence(city: City, tmp_path: Path) -> None:
    city.zone = "Mars/Olympus"
    with pytest.raises(FeedError, match=r"zone 'Mars/Olympus' is no IANA time zone"):
        build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    path = tmp_path / "feeds" / "feeds.json"
    path.write_text(path.read_text().replace("Mars/Olympus", "Asia/Almaty").replace("2025-03-03", "0001-01-01"))
    with pytest.raises(FeedError, match=r"feeds\.json: service_date '0001-01-01': 0001-01-01 is not of the years 1990"):
        build_flows(tmp_path / "feeds", tmp_path / "flows", key=KEY)
    path.unlink()
    with pytest.raises(FeedError, match=r"feeds\.json is missing"):
        build_flows(tmp_path / "feeds", tmp_path / "flows", key=KEY)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("service_date", "2025-02-30", "service_date '2025-02-30': day is out of range for month"),
        ("begin_s", "seven", "begin_s is 'seven'; give a number"),
        ("begin_s", None, "begin_s is None; give a number"),
        ("end_s", float("nan"), "end_s is nan; give a number"),
        ("end_s", float("inf"), "end_s is inf; give a number"),
        ("cash_share", "15 %", "cash_share is '15 %'; give a number"),
        ("agency_id", " ", "agency_id is ' '; name the agency"),
        ("agency_id", None, "agency_id is None; name the agency"),
        ("bounds", [71, 51, 72, "x"], "one of bounds is 'x'; give a number"),
        ("bounds", [51, 71, 52, 70], "bounds must be .* and a least is over its most"),
    ],
)
def test_a_value_of_feeds_json_that_makes_no_sense_is_named(
    city: City, tmp_path: Path, name: str, value: object, said: str
) -> None:
    path = city.write(tmp_path / "feeds") / "feeds.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(FeedError, match=rf"feeds\.json: {said}"):
        build_flows(tmp_path / "feeds", tmp_path / "flows", key=KEY)
    assert not (tmp_path / "flows" / "summary.json").exists()


def test_a_control_total_below_the_taps_of_its_line_is_a_warning(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    line = city.gtfs["trips.txt"][0]["route_id"]
    (feeds / "control_totals.csv").write_text(f"route_id,boardings\n{line},1\n")
    summary = build_flows(feeds, tmp_path / "flows", key=KEY)
    assert summary.lines_below_taps == (line,)
    assert any(f"Lines {line} have a control total below their tapped riders" in said for said in summary.warnings)
    (feeds / "control_totals.csv").write_text(f"route_id,boardings\n{line},100000\n")
    assert build_flows(feeds, tmp_path / "flows", key=KEY).lines_below_taps == ()


def test_positions_far_from_all_paths_are_a_warning(city: City, tmp_path: Path) -> None:
    for stop in city.gtfs["stops.txt"]:
        stop["stop_lat"], stop["stop_lon"] = stop["stop_lon"], stop["stop_lat"]
    del city.gtfs["shapes.txt"]
    summary = build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    assert any("vehicle positions are far from the path of their trip" in said for said in summary.warnings)


def test_a_broken_timetable_archive_is_told(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    (feeds / "gtfs.zip").write_bytes((feeds / "gtfs.zip").read_bytes()[:200])
    with pytest.raises(FeedError, match=r"gtfs\.zip cannot be opened"):
        build_flows(feeds, tmp_path / "flows", key=KEY)
