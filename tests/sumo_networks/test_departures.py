"""Buses depart some seconds off their timetable, otherwise with each seed, and nothing else changes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from sumo_networks.departures import SPREAD_S, BusService, Departures, timetabled
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Job, Record, simulate_many
from sumo_networks.sumo_xml import elements, time_s
from sumo_networks.trips import read_demand

BUSES = {
    **{f"bus_7.{k}": 120.0 * k for k in range(5)},
    **{f"bus_by_route.{k}": 30.0 + 240 * k for k in range(3)},
    "express_1": 50.0,
}


@pytest.fixture
def service(grid_scenario: Scenario, tmp_path: Path) -> BusService:
    return timetabled(grid_scenario, read_demand(grid_scenario), tmp_path / "timetable")


def _written(departures: Departures, seed: int, folder: Path) -> dict[str, float]:
    path = folder / f"{seed}.rou.xml"
    departures.write(seed, path)
    return {bus.get("id", ""): time_s(bus.get("depart", "")) for bus in elements(path)}


def _due_s(trip: ET.Element) -> float:
    return float(trip.get("depart", "")) - float(trip.get("departDelay", ""))


def _with_routes(scenario: Scenario, folder: Path, demand: str) -> Scenario:
    routes = folder / "other.rou.xml"
    routes.write_text(f'<routes><route id="r" edges="A_B B_east"/>{demand}</routes>')
    return replace(scenario, routes=(routes,))


def test_every_bus_departs_within_two_minutes_after_its_time(service: BusService, tmp_path: Path) -> None:
    assert {bus.element.get("id"): bus.due_s for bus in service.departures.buses} == BUSES
    written = _written(service.departures, 1, tmp_path)
    assert written.keys() == BUSES.keys()
    assert all(0 <= written[name] - due_s < SPREAD_S for name, due_s in BUSES.items())
    assert list(written.values()) == sorted(written.values()), "SUMO asks for the order of departure"


def test_departures_follow_from_the_seed_alone(service: BusService, tmp_path: Path) -> None:
    once = _written(service.departures, 1, tmp_path)
    assert _written(service.departures, 1, tmp_path) == once
    assert _written(service.departures, 2, tmp_path) != once


def test_a_run_has_the_same_traffic_with_its_buses_at_other_times(
    grid_scenario: Scenario, service: BusService, tmp_path: Path
) -> None:
    jobs = [
        Job(grid_scenario, 3, tmp_path / "as_is", record=Record.TRIPS),
        Job(service.scenario, 3, tmp_path / "varied", record=Record.TRIPS, departures=service.departures),
    ]
    due_s: list[dict[str, float]] = []
    for run in simulate_many(jobs, 2):
        trips = list(elements(run.tripinfo, "tripinfo"))
        due_s.append({trip.get("id", ""): _due_s(trip) for trip in trips if float(trip.get("depart", "")) >= 0})
    as_is, varied = due_s
    written = _written(service.departures, 3, tmp_path)
    assert {name: at_s for name, at_s in as_is.items() if name in BUSES} == pytest.approx(BUSES, abs=0.5)
    assert {name: at_s for name, at_s in varied.items() if name in BUSES} == pytest.approx(
        {name: written[name] for name in varied.keys() & BUSES.keys()}, abs=0.5
    )
    assert {"bus_7.0", "bus_by_route.1", "express_1"} <= varied.keys()
    assert {name for name in as_is if name not in BUSES} == {name for name in varied if name not in BUSES}
    assert {"main.3", "coach_1"} <= varied.keys()


def test_times_at_a_bus_s_own_stops_go_along(grid_scenario: Scenario, tmp_path: Path) -> None:
    stop = '<stop busStop="stop_b" until="90"/>'
    bus = f'<vehicle id="a" depart="10" route="r">{stop}</vehicle>'
    scenario = _with_routes(grid_scenario, tmp_path, bus)
    departures = timetabled(scenario, read_demand(scenario), tmp_path / "t").departures
    departures.write(4, tmp_path / "4.rou.xml")
    (found,) = elements(tmp_path / "4.rou.xml")
    (its_stop,) = found.iter("stop")
    assert time_s(its_stop.get("until", "")) - 90 == time_s(found.get("depart", "")) - 10 > 0


@pytest.mark.parametrize(
    "when",
    [
        'begin="0" end="600" probability="0.01"',
        'begin="0" end="600" period="exp(0.01)"',
        'begin="0" end="600" number="0"',
        'begin="0" number="5"',
    ],
)
def test_flows_without_even_intervals_stay_as_they_are(grid_scenario: Scenario, tmp_path: Path, when: str) -> None:
    flow = f'<flow id="a" {when} route="r"><stop busStop="stop_b" duration="5"/></flow>'
    scenario = _with_routes(grid_scenario, tmp_path, flow)
    service = timetabled(scenario, read_demand(scenario), tmp_path / "t")
    assert not service.departures.buses
    assert [flow.get("id") for flow in elements(service.scenario.routes[0], "flow")] == ["a"]


@pytest.mark.parametrize(
    ("when", "due_s"),
    [
        ('begin="0" end="300" period="100"', [0, 100, 200]),
        ('begin="0" end="300" number="2"', [0, 150]),
        ('begin="0:00:30" vehsPerHour="12" number="2"', [30, 330]),
        ('period="250"', [0, 250, 500]),
        ('begin="700" period="250"', []),
    ],
)
def test_flows_at_even_intervals_become_their_buses(
    grid_scenario: Scenario, tmp_path: Path, when: str, due_s: list[float]
) -> None:
    flow = f'<flow id="a" {when} route="r"><stop busStop="stop_b" duration="5"/></flow>'
    scenario = _with_routes(grid_scenario, tmp_path, flow)
    departures = timetabled(scenario, read_demand(scenario), tmp_path / "t").departures
    assert [bus.due_s for bus in departures.buses] == due_s
    assert [bus.element.get("id") for bus in departures.buses] == [f"a.{k}" for k in range(len(due_s))]


def test_a_scenario_without_buses_is_the_scenario(grid_scenario: Scenario, tmp_path: Path) -> None:
    scenario = _with_routes(grid_scenario, tmp_path, '<flow id="a" begin="0" period="9" end="60" route="r"/>')
    assert timetabled(scenario, read_demand(scenario), tmp_path / "t") == BusService(scenario, Departures(()))
