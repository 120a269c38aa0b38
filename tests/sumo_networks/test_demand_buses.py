"""Buses at stop lines: lines matched to the edges they drive, with the headway and the people there are."""

from __future__ import annotations

import subprocess
import zipfile
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mobility import lake
from mobility.geometry import Projection
from mobility.schemas import LineLoad
from optimiser.demand import BusFlow
from sumo_networks.bindings import CityModel
from sumo_networks.bus_flows import bus_flows
from sumo_networks.demand import PEDESTRIANS_PAX_H, assumed_pedestrians, build_demand
from sumo_networks.detector_counts import DetectorError
from sumo_networks.georeference import georeference
from sumo_networks.net_file import read_net
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.shape_matching import EdgeMatcher
from sumo_networks.simulate import sumo_binary, sumo_environment

# A grid of 3 x 3 nodes, A0 to C2, 200 m apart, all signalled; a line drives A0, B0, B1, B2, C2.
WAY = ("A0B0", "B0B1", "B1B2", "B2C2")
STOPS = {"first": (50.0, 0.0), "second": (200.0, 300.0), "third": (350.0, 400.0)}
DEPARTURES_S = (0, 600, 1200, 1800, 2400, 3000)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    folder = tmp_path_factory.mktemp("grid")
    net = folder / "grid.net.xml"
    command = [str(sumo_binary("netgenerate")), "--grid", "--grid.number", "3", "--grid.length", "200"]
    command += ["--default-junction-type", "traffic_light", "--default.lanenumber", "2", "--crossings.guess"]
    command += ["--sidewalks.guess", "--sidewalks.guess.min-speed", "0", "-o", str(net)]
    subprocess.run(command, check=True, cwd=folder, env=sumo_environment(), capture_output=True)
    return Scenario("grid", folder, None, net, (), (), 0.0, 3600.0)


@pytest.fixture(scope="module")
def model(scenario: Scenario) -> CityModel:
    return read_network(scenario.net, (), profile_named("rilsa"))


def clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"


def write_gtfs(scenario: Scenario, path: Path, noise_m: float = 0.0) -> None:
    place = georeference(scenario.net)
    x0, y0 = 0.0, 0.0
    corners = [(x0 + 10, y0), (x0 + 200, y0), (x0 + 200, y0 + 400), (x0 + 390, y0 + 400)]
    random = np.random.default_rng(1)
    points = [(x + random.normal(0, noise_m + 1e-9), y + random.normal(0, noise_m + 1e-9)) for x, y in corners]
    shape = [f"s,{lat},{lon},{i}" for i, (lon, lat) in enumerate(place.to_lon_lat(x, y) for x, y in points)]
    stops = [
        f"{name},{name},{lat},{lon}" for name, (lon, lat) in ((n, place.to_lon_lat(*at)) for n, at in STOPS.items())
    ]
    trips = [f"L,day,trip{start},s" for start in DEPARTURES_S]
    times = [
        f"trip{start},{clock(start + 60 * i)},{clock(start + 60 * i + 20)},{name},{i}"
        for start in DEPARTURES_S
        for i, name in enumerate(STOPS)
    ]
    tables = {
        "agency.txt": ["agency_id,agency_name,agency_url,agency_timezone", "a,a,https://example.org,UTC"],
        "routes.txt": ["route_id,agency_id,route_short_name,route_type", "L,a,L,3"],
        "stops.txt": ["stop_id,stop_name,stop_lat,stop_lon", *stops],
        "trips.txt": ["route_id,service_id,trip_id,shape_id", *trips],
        "stop_times.txt": ["trip_id,arrival_time,departure_time,stop_id,stop_sequence", *times],
        "calendar.txt": [
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date",
            "day,1,1,1,1,1,1,1,20250101,20251231",
        ],
        "shapes.txt": ["shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence", *shape],
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, lines in tables.items():
            archive.writestr(name, "\n".join(lines) + "\n")


def write_loads(folder: Path, rows: list[tuple[str, str, float]]) -> None:
    table = pl.DataFrame(
        {
            "service_date": [date(2025, 3, 3)] * len(rows),
            "line": ["L"] * len(rows),
            "from_stop": [row[0] for row in rows],
            "to_stop": [row[1] for row in rows],
            "hour": pl.Series([0] * len(rows), dtype=pl.Int64),
            "buses": pl.Series([6] * len(rows), dtype=pl.Int64),
            "load_pax": [row[2] for row in rows],
            "cards": pl.Series([60] * len(rows), dtype=pl.Int64),
            "buses_h": [6.0] * len(rows),
            "headway_s": [600.0] * len(rows),
            "confidence": [0.9] * len(rows),
        }
    )
    lake.write(folder, "line_loads", LineLoad, table, date(2025, 3, 3))


def flows_of(scenario: Scenario, model: CityModel, feeds: Path, flows: Path | None) -> dict[str, BusFlow]:
    found = bus_flows(scenario, model, read_net(scenario.net), feeds, flows)
    return {flow.movement: flow for flow in found}


def test_a_line_makes_the_movements_of_the_edges_it_drives(
    scenario: Scenario, model: CityModel, tmp_path: Path
) -> None:
    write_gtfs(scenario, tmp_path / "gtfs.zip")
    flows = flows_of(scenario, model, tmp_path, None)
    assert set(flows) == {f"{before}->{behind}" for before, behind in pairwise(WAY)}
    for flow in flows.values():
        assert (flow.line, flow.buses_h, flow.headway_s, flow.load_pax) == ("L", 6.0, 600.0, 20.0)


def test_a_crooked_shape_still_finds_its_way(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    write_gtfs(scenario, tmp_path / "gtfs.zip", noise_m=6.0)
    assert len(flows_of(scenario, model, tmp_path, None)) == 3


def test_loads_are_those_between_the_stops_around_the_movement(
    scenario: Scenario, model: CityModel, tmp_path: Path
) -> None:
    write_gtfs(scenario, tmp_path / "gtfs.zip")
    write_loads(tmp_path / "flows", [("first", "second", 31.5), ("second", "third", 12.25)])
    flows = flows_of(scenario, model, tmp_path, tmp_path / "flows")
    assert flows["A0B0->B0B1"].load_pax == 31.5
    assert flows["B0B1->B1B2"].load_pax == 31.5
    assert flows["B1B2->B2C2"].load_pax == 12.25


def test_where_nobody_was_counted_the_scenario_says_the_load(
    scenario: Scenario, model: CityModel, tmp_path: Path
) -> None:
    write_gtfs(scenario, tmp_path / "gtfs.zip")
    write_loads(tmp_path / "flows", [("first", "second", 0.0), ("second", "third", 0.0)])
    flows = flows_of(replace(scenario, bus_load_pax=17.0), model, tmp_path, tmp_path / "flows")
    assert {flow.load_pax for flow in flows.values()} == {17.0}


def test_only_buses_of_the_period_count(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    write_gtfs(scenario, tmp_path / "gtfs.zip")
    flows = flows_of(replace(scenario, begin_s=500.0, end_s=2300.0), model, tmp_path, None)
    assert {flow.buses_h for flow in flows.values()} == {6.0}
    assert flows_of(replace(scenario, begin_s=7200.0, end_s=9000.0), model, tmp_path, None) == {}


def test_without_a_timetable_there_are_no_buses(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    assert flows_of(scenario, model, tmp_path, None) == {}


def test_a_path_out_and_back_is_driven_both_ways(scenario: Scenario) -> None:
    net, place = read_net(scenario.net), georeference(scenario.net)
    matcher = EdgeMatcher(net, place, Projection(*place.to_lon_lat(0.0, 0.0)))
    x_m, y_m = np.array([20.0, 200.0, 200.0, 205.0, 205.0, 20.0]), np.array([-5.0, -5.0, 195.0, 195.0, 5.0, 5.0])
    path_m = np.concatenate(([0.0], np.hypot(np.diff(x_m), np.diff(y_m)).cumsum()))
    assert [driven.edge for driven in matcher.match(path_m, x_m, y_m)] == ["A0B0", "B0B1", "B1B0", "B0A0"]
    assert matcher.match(path_m, x_m + 10_000.0, y_m) == []


def test_demand_is_composed_and_says_what_is_assumed(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    write_gtfs(scenario, tmp_path / "gtfs.zip")
    lines = ["detector_id,kind,tls,edge,lane,position_m,interval_begin_s,interval_end_s,count_veh,occupancy_pct"]
    lines[0] += ",jam_length_m_mean,jam_length_m_max"
    lanes = sorted({lane.id for junction in model.network.junctions for lane in junction.lanes})
    for begin_s in range(0, 3600, 300):
        for number, lane in enumerate(lanes):
            count = 10 + (number + begin_s // 300) % 7
            edge = lane.rsplit("_", 1)[0]
            lines.append(f"e{lane},entry,x,{edge},{lane},190,{begin_s},{begin_s + 300},{count},10,,")
    (tmp_path / "detectors.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    measured = build_demand(scenario, model, tmp_path, None)
    assert measured.faults == ()
    served = sum(flow.served_veh_h for flow in measured.demand.turning_flows)
    counted = sum(float(line.split(",")[8]) for line in lines[1:])
    assert served == pytest.approx(counted, rel=1e-3)
    assert {flow.occupancy_pax for flow in measured.demand.turning_flows} == {scenario.car_occupancy}
    assert len(measured.demand.bus_flows) == 3
    assert measured.demand.pedestrian_flows == assumed_pedestrians(model)
    assert {flow.flow_pax_h for flow in measured.demand.pedestrian_flows} == {PEDESTRIANS_PAX_H}
    assert build_demand(scenario, model, tmp_path, None) == measured


@pytest.mark.parametrize(
    ("lane", "count", "said"),
    [("elsewhere_0", "7", "lane elsewhere_0 of detector e"), ("A0B0_0", "", "no entry or exit loop counted anything")],
)
def test_counts_of_another_network_or_none_at_all_make_no_demand(
    scenario: Scenario, model: CityModel, tmp_path: Path, lane: str, count: str, said: str
) -> None:
    header = "detector_id,kind,tls,edge,lane,position_m,interval_begin_s,interval_end_s,count_veh,occupancy_pct"
    row = f"e,entry,x,edge,{lane},190,0,300,{count},10,,"
    (tmp_path / "detectors.csv").write_text(f"{header},jam_length_m_mean,jam_length_m_max\n{row}\n")
    with pytest.raises(DetectorError, match=said):
        build_demand(scenario, model, tmp_path, None)
