"""Recorded feeds agree with the truth beside them, and hold what a city's systems would have seen and no more."""

from __future__ import annotations

import csv
import filecmp
import io
import json
import math
import subprocess
import zipfile
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sumo_networks.cities.esil
from sumo_networks.detector_counts import read_detector_counts
from sumo_networks.errors import NetworkError, ScenarioError
from sumo_networks.feeds_format import FeedClock, gtfs_time
from sumo_networks.feeds_run import Ride
from sumo_networks.feeds_taps import cards_of_rides
from sumo_networks.georeference import georeference
from sumo_networks.record import Feeds, record_feeds
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import sumo_binary

ESIL = Path(sumo_networks.cities.esil.__file__).parent
PERIOD_S = 1200.0

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    esil = load_scenario(ESIL)
    return replace(esil, end_s=esil.begin_s + PERIOD_S)


@pytest.fixture(scope="module")
def feeds(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Feeds:
    return record_feeds(scenario, tmp_path_factory.mktemp("feeds"), 7, cash_share=0.2)


def _rows(path: Path) -> Rows:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _gtfs(feeds: Feeds, table: str) -> Rows:
    assert feeds.gtfs is not None
    with zipfile.ZipFile(feeds.gtfs) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(f"{table}.txt").decode())))


def _seconds(row: dict[str, str]) -> float:
    moment = datetime.fromisoformat(row["event_timestamp"])
    midnight = datetime.combine(date.fromisoformat(row["service_date"]), datetime.min.time(), moment.tzinfo)
    return (moment - midnight).total_seconds()


def test_each_ride_with_a_card_left_one_tap_and_cash_left_none(feeds: Feeds) -> None:
    rides, taps = _rows(feeds.truth / "rides.csv"), _rows(feeds.fare_transactions)
    assert len(rides) == feeds.rides > 200
    told = Counter((tap["fare_media_id"], tap["vehicle_id"], _seconds(tap)) for tap in taps)
    true = Counter((r["fare_media_id"], r["vehicle_id"], float(r["boarded_at_s"])) for r in rides if r["fare_media_id"])
    assert told == true
    assert len({tap["transaction_id"] for tap in taps}) == len(taps) == feeds.taps < len(rides)
    assert {tap["fare_action"] for tap in taps} == {"Enter vehicle"}


def test_control_totals_count_every_boarding_of_a_line(feeds: Feeds) -> None:
    line_of = {trip["trip_id"]: trip["route_id"] for trip in _gtfs(feeds, "trips")}
    boardings = Counter(line_of[ride["trip_id"]] for ride in _rows(feeds.truth / "rides.csv"))
    assert {row["route_id"]: int(row["boardings"]) for row in _rows(feeds.control_totals)} == boardings


def test_loads_are_who_boarded_less_who_alighted_by_then(feeds: Feeds) -> None:
    rides: defaultdict[str, Rows] = defaultdict(list)
    for ride in _rows(feeds.truth / "rides.csv"):
        rides[ride["vehicle_id"]].append(ride)
    loads = _rows(feeds.truth / "bus_loads.csv")
    assert max(int(row["load_pax"]) for row in loads) >= 5
    for row in loads:
        left_s = float(row["departed_at_s"])
        aboard = sum(float(ride["boarded_at_s"]) <= left_s for ride in rides[row["vehicle_id"]])
        gone = sum(float(ride["alighted_at_s"] or math.inf) <= left_s for ride in rides[row["vehicle_id"]])
        assert int(row["load_pax"]) == aboard - gone >= 0


@pytest.mark.parametrize("kind,side", [("entry", "from_edge"), ("exit", "to_edge")])
def test_detectors_count_what_crossed_the_stop_lines(feeds: Feeds, kind: str, side: str) -> None:
    true, counted = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for flow in _rows(feeds.truth / "turning_flows.csv"):
        true[flow["tls"], flow[side]] += int(flow["count_veh"])
    for row in _rows(feeds.detectors):
        if row["kind"] == kind:
            counted[row["tls"], row["edge"]] += int(row["count_veh"])
    assert counted.keys() == true.keys()
    assert sum(true.values()) > 2000
    assert max(abs(counted[place] - true[place]) for place in true) <= 4
    assert sum(counted.values()) == pytest.approx(sum(true.values()), rel=0.01)


def test_detectors_cover_the_period_in_steps_of_300_s(scenario: Scenario, feeds: Feeds) -> None:
    steps: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in _rows(feeds.detectors):
        steps[row["detector_id"]].append((int(row["interval_begin_s"]), int(row["interval_end_s"])))
    begin = round(scenario.begin_s)
    expected = [(start, start + 300) for start in range(begin, begin + round(PERIOD_S), 300)]
    assert all(intervals == expected for intervals in steps.values())


def test_stop_lines_lie_on_the_shapes_of_lines_that_cross_them_and_point_ahead(feeds: Feeds) -> None:
    lines = _rows(feeds.stop_lines)
    assert {row["approach_id"] for row in lines} == {
        f"{flow['tls']}:{flow['from_edge']}" for flow in _rows(feeds.truth / "turning_flows.csv")
    }
    shapes: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for point in _gtfs(feeds, "shapes"):
        shapes[point["shape_id"]].append(_metres(point["shape_pt_lat"], point["shape_pt_lon"]))
    headings: defaultdict[str, list[float]] = defaultdict(list)
    for row in lines:
        at = _metres(row["latitude"], row["longitude"])
        for shape in shapes.values():
            for (ax, ay), (bx, by) in pairwise(shape):
                if math.dist(at, (bx, by)) < 0.5 and math.dist((ax, ay), (bx, by)) > 1:
                    headings[row["approach_id"]].append(math.degrees(math.atan2(bx - ax, by - ay)) % 360)
    assert len(headings) > 20
    told = {row["approach_id"]: float(row["heading"]) for row in lines}
    off = [abs((heading - told[name] + 180) % 360 - 180) for name, found in headings.items() for heading in found]
    assert max(off) < 5


def test_queues_are_told_in_metres_by_lane_areas_alone(feeds: Feeds) -> None:
    rows = _rows(feeds.detectors)
    assert {row["kind"] for row in rows if row["jam_length_m_max"]} == {"queue"}
    assert max(float(row["jam_length_m_max"]) for row in rows if row["kind"] == "queue") > 30
    assert all(0 <= float(row["occupancy_pct"]) <= 100 for row in rows)


def test_positions_lie_along_the_shape_of_the_trip(feeds: Feeds) -> None:
    shape_of = {trip["trip_id"]: trip["shape_id"] for trip in _gtfs(feeds, "trips")}
    shapes: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for point in _gtfs(feeds, "shapes"):
        shapes[point["shape_id"]].append(_metres(point["shape_pt_lat"], point["shape_pt_lon"]))
    pings = _rows(feeds.vehicle_locations)
    assert len(pings) == feeds.pings > 500
    off_m = [
        _distance_m(_metres(ping["latitude"], ping["longitude"]), shapes[shape_of[ping["trip_id_performed"]]])
        for ping in pings[::7]
    ]
    assert 1 < float(np.median(off_m)) < 8
    assert max(off_m) < 40


def _metres(lat: str, lon: str) -> tuple[float, float]:
    return float(lon) * 111_195 * math.cos(math.radians(51.1)), float(lat) * 111_195


def _distance_m(place: tuple[float, float], line: list[tuple[float, float]]) -> float:
    best = math.inf
    for (ax, ay), (bx, by) in pairwise(line):
        length2 = (bx - ax) ** 2 + (by - ay) ** 2
        share = ((place[0] - ax) * (bx - ax) + (place[1] - ay) * (by - ay)) / length2 if length2 else 0.0
        share = min(1.0, max(0.0, share))
        best = min(best, math.dist(place, (ax + share * (bx - ax), ay + share * (by - ay))))
    return best


def test_the_timetable_names_every_bus_and_never_goes_back(feeds: Feeds) -> None:
    trips = {trip["trip_id"] for trip in _gtfs(feeds, "trips")}
    assert trips == {ping["vehicle_id"] for ping in _rows(feeds.vehicle_locations)}
    assert {route["route_id"] for route in _gtfs(feeds, "routes")} == {"10", "21", "32", "37", "44"}
    times: defaultdict[str, list[str]] = defaultdict(list)
    for stop in _gtfs(feeds, "stop_times"):
        times[stop["trip_id"]].append(stop["departure_time"])
    assert times.keys() == trips
    assert all(due == sorted(due) for due in times.values())
    lengths = {trip.rpartition(".")[0]: len(due) for trip, due in times.items()}
    # Buses under way at the end have their whole timetable too.
    assert all(lengths[trip.rpartition(".")[0]] == len(due) >= 5 for trip, due in times.items())
    stops = {stop["stop_id"] for stop in _gtfs(feeds, "stops")}
    assert {stop["stop_id"] for stop in _gtfs(feeds, "stop_times")} == stops


def test_the_two_ways_of_a_line_have_their_own_direction(feeds: Feeds) -> None:
    directions: defaultdict[str, set[str]] = defaultdict(set)
    for trip in _gtfs(feeds, "trips"):
        directions[trip["trip_id"].rpartition(".")[0]].add(trip["direction_id"])
    assert all(len(found) == 1 for found in directions.values())
    assert directions["10-a"] != directions["10-b"]


def test_the_description_says_when_where_and_that_the_place_is_made_up(scenario: Scenario, feeds: Feeds) -> None:
    told = json.loads((feeds.folder / "feeds.json").read_text())
    assert (told["begin_s"], told["end_s"], told["zone"]) == (scenario.begin_s, scenario.end_s, "Asia/Almaty")
    assert told["geo_reference"]["made_up"] is True
    west, south, east, north = told["bounds"]
    for stop in _gtfs(feeds, "stops"):
        assert west <= float(stop["stop_lon"]) <= east and south <= float(stop["stop_lat"]) <= north


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(scenario: Scenario, tmp_path: Path) -> None:
    short = replace(scenario, end_s=scenario.begin_s + 300)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        record_feeds(short, tmp_path / name, seed)
    names = sorted(str(path.relative_to(tmp_path / "a")) for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(names) == 10
    assert filecmp.cmpfiles(tmp_path / "a", tmp_path / "b", names, shallow=False) == (names, [], [])
    assert not filecmp.cmp(tmp_path / "a/vehicle_locations.csv", tmp_path / "c/vehicle_locations.csv", shallow=False)


def test_lines_are_named_by_attribute_else_route_else_vehicle(grid_scenario: Scenario, tmp_path: Path) -> None:
    feeds = record_feeds(grid_scenario, tmp_path, 1)
    lines = {trip["trip_id"]: trip["route_id"] for trip in _gtfs(feeds, "trips")}
    assert {lines["bus_7.0"], lines["bus_by_route.0"], lines["express_1"]} == {"7", "with_stops", "express"}
    assert "coach_1" not in lines
    rides = _rows(feeds.truth / "rides.csv")
    assert rides and {lines[ride["vehicle_id"]] for ride in rides} == {"7"}
    assert {(ride["boarding_stop_id"], ride["alighting_stop_id"]) for ride in rides} <= {
        ("stop_a", "stop_b"),
        ("stop_a", ""),
    }


def test_a_scenario_without_buses_leaves_empty_tables_and_counts(grid_scenario: Scenario, tmp_path: Path) -> None:
    cars = tmp_path / "cars.rou.xml"
    cars.write_text('<routes><flow id="c" from="west_middle" to="B_east" begin="0" end="600" period="4"/></routes>')
    told: list[float] = []
    feeds = record_feeds(
        replace(grid_scenario, routes=(cars,)), tmp_path / "out", 1, progress=lambda _step, done: told.append(done)
    )
    assert feeds.gtfs is None and not (feeds.folder / "gtfs.zip").exists()
    assert (feeds.buses, feeds.rides, feeds.taps, feeds.pings) == (0, 0, 0, 0)
    for table in (feeds.fare_transactions, feeds.vehicle_locations, feeds.control_totals):
        assert len(table.read_text().splitlines()) == 1
    assert sum(int(row["count_veh"]) for row in _rows(feeds.detectors) if row["kind"] == "entry") > 200
    assert told == sorted(told) and told[-1] == 1.0


def test_a_net_without_signals_has_no_detectors(grid_folder: Path, grid_scenario: Scenario, tmp_path: Path) -> None:
    plain = ["-n", "grid.nod.xml", "-e", "grid.edg.xml", "-o", str(tmp_path / "plain.net.xml"), "--tls.unset", "A,B"]
    subprocess.run([str(sumo_binary("netconvert")), *plain], cwd=grid_folder, check=True, capture_output=True)
    cars = tmp_path / "cars.rou.xml"
    cars.write_text('<routes><flow id="c" from="west_middle" to="B_east" begin="0" end="60" period="4"/></routes>')
    scenario = replace(grid_scenario, net=tmp_path / "plain.net.xml", routes=(cars,), additionals=(), end_s=60.0)
    feeds = record_feeds(scenario, tmp_path / "out", 1)
    assert _rows(feeds.detectors) == [] and _rows(feeds.truth / "turning_flows.csv") == []
    assert _rows(feeds.stop_lines) == []


def test_counts_of_a_period_that_begins_within_a_second_are_of_that_period(
    grid_scenario: Scenario, tmp_path: Path
) -> None:
    period = replace(grid_scenario, begin_s=30.5, end_s=90.5)
    feeds = record_feeds(period, tmp_path / "feeds", 1)
    counts = read_detector_counts(feeds.detectors, period.begin_s, period.end_s)
    assert counts.begins_s.tolist() == [30.5]
    assert counts.durations_s.tolist() == [60.0]


def test_settings_that_cannot_be_are_refused(grid_scenario: Scenario, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cash share"):
        record_feeds(replace(grid_scenario, end_s=2.0), tmp_path, 1, cash_share=1.5)
    with pytest.raises(ScenarioError, match="interval of 1 s or more"):
        record_feeds(grid_scenario, tmp_path, 1, gps_interval_s=0)
    with pytest.raises(ScenarioError, match="share from 0 to under 1"):
        record_feeds(grid_scenario, tmp_path, 1, gps_gap_share=1.0)


def test_a_file_in_place_of_the_folder_is_refused(scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "feeds").write_text("")
    with pytest.raises(ScenarioError, match="is a file"):
        record_feeds(scenario, tmp_path / "feeds", 1)


def _ride(person: str) -> Ride:
    return Ride(person, "bus", 0, 0.0, None, None)


def test_ways_out_and_back_and_a_named_card_are_one_card() -> None:
    rides = tuple(_ride(person) for person in ("x.out", "x.back", "y", "z"))
    cards = cards_of_rides(rides, {"z": "y"}, 0.0, "salt")
    assert cards[0] == cards[1] != cards[2] == cards[3]
    assert all(len(card) == 16 and card.isdigit() for card in cards)


def test_who_rides_with_others_keeps_the_card() -> None:
    alone = cards_of_rides((_ride("x"),), {}, 0.5, "salt")
    among = cards_of_rides(tuple(_ride(person) for person in ("a", "x", "b")), {}, 0.5, "salt")
    assert among[1] == alone[0]


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_person_pays_always_cash_or_always_by_card(share: float, seed: int) -> None:
    rides = tuple(_ride(f"p{number % 40}") for number in range(120))
    cards = cards_of_rides(rides, {}, share, f"{seed}")
    assert cards[:40] == cards[40:80] == cards[80:]
    if share in (0.0, 1.0):
        assert sum(not card for card in cards) == 120 * share


@given(st.integers(0, 200_000))
def test_times_run_past_midnight_in_gtfs_and_into_the_next_day_elsewhere(seconds: int) -> None:
    hours, minutes, left = map(int, gtfs_time(seconds).split(":"))
    assert hours * 3600 + minutes * 60 + left == seconds
    clock = FeedClock(date(2025, 3, 3), ZoneInfo("Asia/Almaty"))
    moment = datetime.fromisoformat(clock.timestamp(seconds))
    assert moment.timestamp() - datetime(2025, 3, 3, tzinfo=ZoneInfo("Asia/Almaty")).timestamp() == seconds


def test_the_day_the_clocks_change_has_23_hours() -> None:
    clock = FeedClock(date(2025, 3, 30), ZoneInfo("Europe/Rome"))
    assert clock.timestamp(10_800) == "2025-03-30T04:00:00+02:00"


def test_a_made_up_place_keeps_distances() -> None:
    place = georeference(ESIL / "esil.net.xml")
    a, b = (_metres(str(lat), str(lon)) for lon, lat in (place.to_lon_lat(100, 200), place.to_lon_lat(400, 600)))
    assert place.made_up and math.dist(a, b) == pytest.approx(500, rel=1e-3)


def test_a_net_without_a_location_is_refused(tmp_path: Path) -> None:
    net = tmp_path / "bare.net.xml"
    net.write_text("<net><location/></net>")
    with pytest.raises(NetworkError, match="rebuild the net"):
        georeference(net)


def test_bologna_has_its_riders_and_buses_but_not_the_cars_of_class_bus(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "signals" / "bologna_acosta_persontrips"
    before = sorted(path.name for path in folder.iterdir())
    feeds = record_feeds(load_scenario(folder / "run.sumocfg", end_s=600), tmp_path, 1)
    assert 15 <= feeds.buses <= 60
    assert feeds.rides > 100
    assert {trip["route_id"] for trip in _gtfs(feeds, "trips")} >= {"14", "21", "130"}
    told = json.loads((tmp_path / "feeds.json").read_text())
    assert told["geo_reference"]["lat0"] == pytest.approx(44.5, abs=0.05) and not told["geo_reference"]["made_up"]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_vehicles_that_a_rerouter_sends_round_and_round_are_counted_each_time_they_pass(tmp_path: Path) -> None:
    net = ["--grid", "--grid.number=2", "--grid.attach-length=100", "--default-junction-type=traffic_light"]
    subprocess.run([sumo_binary("netgenerate"), *net, "-o", tmp_path / "net.xml"], check=True, capture_output=True)
    (tmp_path / "cars.rou.xml").write_text(
        '<routes><flow id="f" begin="0" end="60" number="10"><route edges="A0A1 A1B1 B1B0"/></flow></routes>'
    )
    ways = {"B1B0": "B1B0 B0A0 A0A1", "A0A1": "A0A1 A1B1 B1B0"}
    rerouters = "".join(
        f'<route id="from{edge}" edges="{way}"/><rerouter id="at{edge}" edges="{edge}">'
        f'<interval begin="0" end="900"><routeProbReroute id="from{edge}" probability="1"/></interval></rerouter>'
        for edge, way in ways.items()
    )
    (tmp_path / "round.add.xml").write_text(f"<additional>{rerouters}</additional>")
    (tmp_path / "run.sumocfg").write_text(
        '<configuration><input><net-file value="net.xml"/><route-files value="cars.rou.xml"/>'
        '<additional-files value="round.add.xml"/></input><time><begin value="0"/><end value="900"/></time>'
        "</configuration>"
    )
    feeds = record_feeds(load_scenario(tmp_path / "run.sumocfg"), tmp_path / "feeds", 1)
    turned = [row for row in _rows(feeds.truth / "turning_flows.csv") if row["from_edge"] == "A1B1"]
    assert {row["to_edge"] for row in turned if int(row["count_veh"])} == {"B1B0"}
    assert sum(int(row["count_veh"]) for row in turned) > 2 * 10
