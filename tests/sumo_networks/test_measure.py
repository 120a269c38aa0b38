"""Delay is measured over all trips that were due, weighed by people, and told where it arose."""

from __future__ import annotations

import importlib.util
import os
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import ModuleType

import pytest

from sumo_networks.approaches import ApproachKey, read_approaches
from sumo_networks.errors import SimulationError
from sumo_networks.measure import Collision, RunMeasures, measure, measure_trips
from sumo_networks.recording import signalled_lanes
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Record, Run, simulate, sumo_environment
from sumo_networks.sumo_xml import elements
from sumo_networks.timetable import keep_timetable
from sumo_networks.trips import read_demand, within_period

TRIPS = """<tripinfos>
    <tripinfo id="car.0" depart="10" departLane="middle_A_1" departDelay="4"
              arrival="90" timeLoss="16" waitingCount="2"/>
    <tripinfo id="car.1" depart="20" departLane="middle_A_1" departDelay="0"
              arrival="-1" timeLoss="310" waitingCount="4"/>
    <tripinfo id="main.7" depart="-1" departLane="" departDelay="40" arrival="-1" timeLoss="0" waitingCount="0"/>
    <tripinfo id="main.8" depart="-1" departLane="" departDelay="0" arrival="-1" timeLoss="0" waitingCount="0"/>
    <tripinfo id="bus_7.0" depart="0" departLane="west_middle_1" departDelay="0"
              arrival="200" timeLoss="50" waitingCount="3"/>
    {persons}
</tripinfos>
"""
RIDERS = """
    <personinfo id="p0" depart="0">
        <walk timeLoss="6"/><ride vehicle="bus_7.0" timeLoss="1"/><walk timeLoss="4"/>
    </personinfo>
    <personinfo id="p1" depart="5"><walk timeLoss="20"/><ride vehicle="NULL" timeLoss="-1"/></personinfo>
    <personinfo id="p2" depart="-1"><walk timeLoss="0"/></personinfo>
"""


def _run(folder: Path, persons: str) -> Run:
    (folder / "tripinfo.xml").write_text(TRIPS.format(persons=persons))
    return Run(folder, 1, 0, 600, 600, 1.0, folder / "tripinfo.xml")


def test_delay_counts_finished_unfinished_and_not_inserted_trips(grid_scenario: Scenario, tmp_path: Path) -> None:
    found = measure_trips(_run(tmp_path, ""), grid_scenario, read_demand(grid_scenario))
    assert found.vehicle_delay_s == fmean([20, 310, 40, 50])
    assert found.bus_delay_s == 50
    assert found.pedestrian_delay_s is None
    assert (found.throughput_veh, found.not_inserted_veh, found.stuck_over_300s_veh) == (2, 1, 1)
    assert found.stops_per_veh == 3
    assert found.co2_g_per_veh_km is None and found.collisions is None


def test_a_bus_weighs_the_stated_load_where_nobody_rides(grid_scenario: Scenario, tmp_path: Path) -> None:
    found = measure_trips(_run(tmp_path, ""), grid_scenario, read_demand(grid_scenario))
    assert found.person_delay_s == pytest.approx((1.3 * 370 + 20 * 50) / (1.3 * 3 + 20))


def test_a_bus_weighs_its_rides_where_people_ride_and_walkers_count(grid_scenario: Scenario, tmp_path: Path) -> None:
    found = measure_trips(_run(tmp_path, RIDERS), grid_scenario, read_demand(grid_scenario))
    assert found.person_delay_s == pytest.approx((1.3 * 370 + 1 * 50 + 30) / (1.3 * 3 + 1 + 2))
    assert found.pedestrian_delay_s == 15


def test_a_truncated_output_is_told(grid_scenario: Scenario, tmp_path: Path) -> None:
    run = _run(tmp_path, "")
    run.tripinfo.write_text(run.tripinfo.read_text()[:300])
    with pytest.raises(SimulationError, match=r"tripinfo\.xml: SUMO left no whole file"):
        measure_trips(run, grid_scenario, read_demand(grid_scenario))


def test_buses_are_vehicles_with_public_stops(grid_scenario: Scenario) -> None:
    demand = read_demand(grid_scenario)
    assert demand.line("bus_7.3") == "7"
    assert demand.line("bus_by_route.0") == "with_stops"
    assert demand.line("express_1") == "express"
    assert demand.line("express_1.1") == "express"
    assert demand.line("coach_1") is None
    assert demand.line("main.12") is None


def test_the_demand_tells_where_a_trip_begins(grid_scenario: Scenario) -> None:
    demand = read_demand(grid_scenario)
    assert demand.origin("main.3") == "west_middle"
    assert demand.origin("cross_a.0") == "north_a_A"
    assert demand.origin("express_1") == "west_middle"
    assert demand.origin("stranger") is None


def test_edges_count_for_the_next_signal_downstream(grid_scenario: Scenario) -> None:
    approaches = read_approaches(grid_scenario.net)
    assert approaches.of_edge["middle_A"] == ApproachKey("A", "middle_A")
    assert approaches.of_edge["west_middle"] == ApproachKey("A", "middle_A")
    assert approaches.of_edge["A_B"] == ApproachKey("B", "A_B")
    assert "B_east" not in approaches.of_edge
    assert approaches.link_counts.keys() == {"A", "B"}
    inner = {key.junction for edge, key in approaches.of_edge.items() if edge.startswith(":A_")}
    assert inner == {"A"}


def test_way_on_to_several_signals_is_ambiguous(tmp_path: Path) -> None:
    def edge(name: str, start: str, end: str) -> str:
        return f'<edge id="{name}" from="{start}" to="{end}"><lane id="{name}_0" length="100"/></edge>'

    def connection(start: str, end: str, signal: str = "") -> str:
        return f'<connection from="{start}" to="{end}" fromLane="0" toLane="0" {signal}/>'

    net = tmp_path / "fork.net.xml"
    net.write_text(
        "<net>"
        + edge("in", "0", "fork")
        + edge("left", "fork", "L")
        + edge("right", "fork", "R")
        + edge("before", "x", "0")
        + edge("out", "L", "y")
        + connection("before", "in")
        + connection("in", "left")
        + connection("in", "right")
        + connection("left", "out", 'tl="L" linkIndex="0"')
        + connection("right", "out", 'tl="R" linkIndex="0"')
        + "</net>"
    )
    of_edge = read_approaches(net).of_edge
    assert of_edge == {"left": ApproachKey("L", "left"), "right": ApproachKey("R", "right")}
    net.write_text(net.read_text().replace('tl="R"', 'tl="L"'))
    of_edge = read_approaches(net).of_edge
    assert of_edge["in"] == of_edge["before"] == ApproachKey("L", "")


def test_rail_signals_are_no_junctions(tmp_path: Path) -> None:
    net = tmp_path / "rail.net.xml"
    net.write_text(
        '<net><edge id="in" from="a" to="S"><lane id="in_0" length="100"/></edge>'
        '<edge id="out" from="S" to="b"><lane id="out_0" length="100"/></edge>'
        '<junction id="S" type="rail_signal"/>'
        '<connection from="in" to="out" fromLane="0" toLane="0" tl="S" linkIndex="0"/></net>'
    )
    assert read_approaches(net).link_counts == {}
    assert signalled_lanes(net).controllers == ()


@pytest.fixture(scope="module")
def measured(grid_scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> RunMeasures:
    run = simulate(grid_scenario, 1, tmp_path_factory.mktemp("measured"))
    return measure(run, grid_scenario, read_demand(grid_scenario), read_approaches(grid_scenario.net))


def test_a_run_tells_delay_by_junction_approach_and_line(measured: RunMeasures) -> None:
    assert set(measured.junctions) == {"A", "B"}
    assert set(measured.lines) == {"7", "with_stops", "express"}
    assert measured.lines["7"].vehicles == 5
    assert measured.lines["7"].per_vehicle_s > 0
    main = measured.approaches[ApproachKey("A", "middle_A")]
    assert main.vehicles > 80
    assert main.per_vehicle_s > 5
    for junction, at in measured.junctions.items():
        parts = [part for key, part in measured.approaches.items() if key.junction == junction]
        assert at.delay_s == pytest.approx(sum(part.delay_s for part in parts))


def test_what_people_lost_is_behind_the_person_delay(measured: RunMeasures, grid_scenario: Scenario) -> None:
    lost = measured.lost
    assert set(lost.lines) == set(measured.lines)
    assert lost.cars > 0 and lost.walks > 0 and lost.lines["7"] > 0
    persons = (lost.cars + sum(lost.lines.values()) + lost.walks) / measured.measures.person_delay_s
    trips = measured.measures.throughput_veh + measured.measures.not_inserted_veh
    assert persons > grid_scenario.car_occupancy * 0.8 * trips


def test_delay_at_junctions_is_most_of_all_delay(measured: RunMeasures) -> None:
    trips = measured.measures.throughput_veh + 30
    total_s = measured.measures.vehicle_delay_s * trips
    assert 0.6 * total_s < sum(at.delay_s for at in measured.junctions.values()) < 1.1 * total_s


def test_figures_are_those_of_a_plausible_town(measured: RunMeasures) -> None:
    figures = measured.measures
    assert figures.collisions == 0 and figures.teleports == 0
    assert figures.co2_g_per_veh_km is not None and 100 < figures.co2_g_per_veh_km < 1500
    assert figures.pedestrian_delay_s is not None and figures.pedestrian_delay_s > 0
    assert figures.stops_per_veh is not None and 0.2 < figures.stops_per_veh < 3
    longest = max(measured.queues, key=lambda queue: queue.queue_m)
    assert 10 < longest.queue_m <= longest.length_m


def test_vehicles_that_cannot_enter_delay_the_approach_they_wait_for(grid_scenario: Scenario, tmp_path: Path) -> None:
    run = simulate(grid_scenario, 1, tmp_path, scale=3.0)
    found = measure(run, grid_scenario, read_demand(grid_scenario), read_approaches(grid_scenario.net))
    assert found.measures.not_inserted_veh > 0
    waited_s = found.approaches[ApproachKey("A", "middle_A")]
    assert waited_s.per_vehicle_s > 60


def test_within_the_period_all_leave_when_the_run_goes_on(grid_scenario: Scenario, tmp_path: Path) -> None:
    cut = within_period(grid_scenario, tmp_path / "demand")
    demand = read_demand(grid_scenario)
    at_end = measure_trips(simulate(grid_scenario, 1, tmp_path / "a", record=Record.TRIPS), grid_scenario, demand)
    later = simulate(cut, 1, tmp_path / "b", end_s=1200, record=Record.TRIPS)
    cleared = measure_trips(later, cut, demand)
    assert at_end.throughput_veh < cleared.throughput_veh
    assert cleared.not_inserted_veh == 0
    text = later.tripinfo.read_text()
    assert max(float(part.split('"')[0]) for part in text.split(' depart="')[1:]) < 640
    again = measure_trips(replace(later, due_s=1200), cut, demand)
    assert again.throughput_veh == cleared.throughput_veh


def test_flows_are_cut_at_the_end_in_proportion(grid_scenario: Scenario, tmp_path: Path) -> None:
    routes = tmp_path / "flows.rou.xml"
    routes.write_text(
        '<routes><flow id="half" begin="0" end="1200" number="100" route="r"/>'
        '<flow id="late" begin="600" end="900" number="10" route="r"/>'
        '<vehicle id="in" depart="599.9"/><vehicle id="out" depart="0:10:00"/><trip id="now" depart="triggered"/>'
        '<vType id="t"/></routes>'
    )
    cut = within_period(replace(grid_scenario, routes=(routes,)), tmp_path / "cut")
    text = cut.routes[0].read_text()
    assert 'number="50"' in text and 'end="600"' in text
    assert "late" not in text and '"out"' not in text
    assert all(name in text for name in ('"in"', '"now"', '"t"'))


@pytest.mark.parametrize("factor", [0.5, 1.1, 2.0])
def test_more_demand_brings_more_cars_but_the_same_buses(
    grid_scenario: Scenario, tmp_path: Path, factor: float
) -> None:
    demand = read_demand(grid_scenario)
    scenario = keep_timetable(grid_scenario, demand, factor, tmp_path / "demand")
    run = simulate(scenario, 1, tmp_path / "run", scale=factor, end_s=300, record=Record.TRIPS)
    names = [trip.get("id", "") for trip in elements(run.tripinfo, "tripinfo")]
    assert sorted(name for name in names if demand.line(name)) == [
        "bus_7.0",
        "bus_7.1",
        "bus_7.2",
        "bus_by_route.0",
        "bus_by_route.1",
        "express_1",
    ]
    cars = len([name for name in names if name.startswith("main.")])
    assert cars == pytest.approx(300 * 700 / 3600 * factor, rel=0.1)


def test_types_in_a_distribution_keep_their_timetable_too(grid_scenario: Scenario, tmp_path: Path) -> None:
    types = tmp_path / "types.add.xml"
    types.write_text(
        '<additional><vType id="long" vClass="bus" length="18"/>'
        '<vTypeDistribution id="fleet"><vType id="short" vClass="bus" scale="2"/></vTypeDistribution>'
        '<vTypeDistribution id="mixed" vTypes="long"/></additional>'
    )
    routes = tmp_path / "fleet.rou.xml"
    stop = '<stop busStop="stop_b" duration="5"/>'
    routes.write_text(
        '<routes><route id="r" edges="A_B B_east"/>'
        f'<vehicle id="a" type="fleet" depart="0" route="r">{stop}</vehicle>'
        f'<vehicle id="b" type="mixed" depart="1" route="r">{stop}</vehicle>'
        f'<vehicle id="c" depart="2" route="r">{stop}</vehicle></routes>'
    )
    scenario = replace(grid_scenario, routes=(routes,), additionals=(*grid_scenario.additionals, types))
    kept = keep_timetable(scenario, read_demand(scenario), 2.0, tmp_path / "kept")
    run = simulate(kept, 1, tmp_path / "run", scale=2.0, end_s=60, record=Record.TRIPS)
    assert sorted(trip.get("id", "") for trip in elements(run.tripinfo, "tripinfo")) == ["a", "a.1", "b", "c"]


def test_demand_in_an_additional_file_is_cut_too(grid_scenario: Scenario, tmp_path: Path) -> None:
    extra = tmp_path / "extra.add.xml"
    extra.write_text(
        '<additional><variableSpeedSign id="v" lanes="A_B_1" file="speeds.xml"/>'
        '<vehicle id="in" depart="10"/><vehicle id="out" depart="900"/></additional>'
    )
    with_demand = replace(grid_scenario, additionals=(*grid_scenario.additionals, extra))
    cut = within_period(with_demand, tmp_path / "cut")
    assert cut.additionals[0] == grid_scenario.additionals[0]
    text = cut.additionals[1].read_text()
    assert '"in"' in text and '"out"' not in text
    assert str(tmp_path / "speeds.xml") in text


def _judge(real_data: Path) -> ModuleType:
    path = real_data.parent / "judges" / "signals.py"
    if not path.is_file():
        pytest.skip(f"no judge at {path}")
    spec = importlib.util.spec_from_file_location("signals_judge", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "vehicles_within", "persons_within"),
    [
        ("cologne1", 1e-6, 1e-6),
        ("ingolstadt1", 1e-6, None),
        pytest.param("bologna_acosta", 0.005, 0.03, marks=pytest.mark.slow),
    ],
)
def test_delay_agrees_with_the_independent_judge(
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    vehicles_within: float,
    persons_within: float | None,
) -> None:
    # The judge counts what is due at the very end as well, and takes for a bus whatever has "bus" in its name.
    judge = _judge(real_data)
    for variable in os.environ.keys() - sumo_environment().keys():
        monkeypatch.delenv(variable)
    config = next((real_data / "signals" / name).glob("*.sumocfg"))
    seconds = 900.0
    asked = Namespace(seconds=seconds, car_occupancy=1.3, bus_load=20)
    told = judge.one(judge.scenario(str(config)), None, 11, asked)[0]
    scenario = load_scenario(config)
    scenario = replace(scenario, end_s=scenario.begin_s + seconds)
    found = measure_trips(simulate(scenario, 11, tmp_path, record=Record.TRIPS), scenario, read_demand(scenario))
    assert found.vehicle_delay_s == pytest.approx(told["delay_s"], rel=vehicles_within)
    assert found.throughput_veh == told["finished"]
    if persons_within is not None:
        assert found.person_delay_s == pytest.approx(told["person_delay_s"], rel=persons_within)


def test_collisions_at_signals_are_told_from_those_elsewhere(grid_scenario: Scenario, tmp_path: Path) -> None:
    approaches = read_approaches(grid_scenario.net)
    lanes = {
        "middle_A_0": "A",
        "A_B_1": "B",
        "B_east_0": "B",
        "west_middle_0": None,
        ":A_0_0": "A",
        ":middle_0_0": None,
    }
    assert {lane: approaches.signal_at(lane) for lane in lanes} == lanes
    run = replace(_run(tmp_path, ""), collisions=tmp_path / "collisions.xml")
    assert run.collisions is not None
    found = "".join(f'<collision time="1.00" lane="{lane}"/>' for lane in lanes)
    run.collisions.write_text(f"<collisions>{found}</collisions>")
    measured = measure(run, grid_scenario, read_demand(grid_scenario), approaches)
    assert measured.collisions_at_signals == tuple(Collision(at, lane, 1.0) for lane, at in lanes.items() if at)
