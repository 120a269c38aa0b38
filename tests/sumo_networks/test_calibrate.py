"""Calibration against SUMO: exact on made crossings, and what it says is what a long queue does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sumo_networks.bindings import CityModel
from sumo_networks.calibrate import calibrate, protected_greens
from sumo_networks.discharge import Discharge, LaneGreen, measure_discharge, pool, shrink
from sumo_networks.discharge_experiment import DischargeCase, discharge_of_cases
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Record, simulate, sumo_binary, sumo_environment
from sumo_networks.sumo_xml import elements
from sumo_networks.vehicle_mix import read_vehicle_mix

PRIOR = Discharge(headway_s=1.9, start_up_loss_s=2.0, end_gain_s=1.0)
CYCLE_S, GREEN_S, AMBER_S = 70, 40, 3


def crossings(headway_s: float, loss_s: float, green: LaneGreen, vehicles: int) -> list[float]:
    """The first four vehicles take four headways and the loss; the others follow at the headway."""
    fourth_s = green.start_s + 4 * headway_s + loss_s
    first_four = [green.start_s + (index + 1) * (fourth_s - green.start_s) / 4 for index in range(4)]
    return first_four + [fourth_s + (index + 1) * headway_s for index in range(vehicles - 4)]


def test_headway_and_loss_are_found_exactly_in_even_discharge() -> None:
    green = LaneGreen(100.0, 140.0, 145.0, queued_veh=15)
    found = measure_discharge([green], crossings(2.1, 1.6, green, 15), PRIOR)
    assert found is not None
    assert found.headway_s == pytest.approx(2.1)
    assert found.start_up_loss_s == pytest.approx(1.6)
    assert (found.headways, found.greens, found.saturated_greens) == (11, 1, 0)


def test_what_a_saturated_green_carries_is_what_crossed() -> None:
    greens = [LaneGreen(start, start + 40.0, start + 45.0, queued_veh=50) for start in (0.0, 90.0, 180.0)]
    times = [time_s for green in greens for time_s in crossings(2.0, 1.5, green, 20)]
    found = measure_discharge(greens, times, PRIOR)
    assert found is not None
    assert found.saturated_greens == 3
    carried = found.saturation_veh_h / 3600 * (40.0 - found.start_up_loss_s + found.end_gain_s)
    assert carried == pytest.approx(20.0)


def test_short_queues_and_vehicles_behind_the_queue_are_not_discharge() -> None:
    green = LaneGreen(0.0, 60.0, 65.0, queued_veh=5)
    assert measure_discharge([green], crossings(2.0, 1.5, green, 20), PRIOR) is None
    longer = LaneGreen(0.0, 60.0, 65.0, queued_veh=10)
    free = [*crossings(2.0, 1.5, longer, 10), 35.0, 44.0, 59.0]
    found = measure_discharge([longer], free, PRIOR)
    assert found is not None
    assert found.headways == 6
    assert found.headway_s == pytest.approx(2.0)


def test_a_queue_held_up_behind_the_line_does_not_lower_saturation() -> None:
    green = LaneGreen(0.0, 60.0, 65.0, queued_veh=50)
    times = crossings(2.0, 1.5, green, 12)
    blocked = [time_s if index < 8 else time_s + 20.0 for index, time_s in enumerate(times)]
    found = measure_discharge([green], blocked, PRIOR)
    assert found is not None
    assert found.headway_s == pytest.approx(2.0)
    assert found.saturated_greens == 0


def test_a_lane_that_showed_little_keeps_near_the_prior_and_one_that_showed_much_leaves_it() -> None:
    little = shrink(Discharge(2.5, 3.0, 0.0, headways=3, greens=1, saturated_greens=0), PRIOR)
    much = shrink(Discharge(2.5, 3.0, 0.0, headways=3000, greens=300, saturated_greens=300), PRIOR)
    assert abs(little.headway_s - PRIOR.headway_s) < 0.1 * (2.5 - PRIOR.headway_s)
    assert abs(much.headway_s - 2.5) < 0.02 * (2.5 - PRIOR.headway_s)
    assert shrink(None, PRIOR) == PRIOR


def test_one_lane_with_many_headways_does_not_speak_for_all() -> None:
    slow = Discharge(2.6, 2.0, 1.0, headways=10_000, greens=500, saturated_greens=500)
    quick = [Discharge(1.8, 2.0, 1.0, headways=200, greens=20, saturated_greens=20) for _ in range(4)]
    assert pool([slow, *quick], PRIOR).headway_s < 2.05
    assert pool([], PRIOR) == PRIOR


def test_only_whole_greens_of_all_links_together_are_protected() -> None:
    switches = [(0.0, "Gr"), (10.0, "rr"), (20.0, "GG"), (50.0, "yG"), (53.0, "rG"), (60.0, "rr"), (70.0, "Gg")]
    assert protected_greens(switches, (0, 1)) == [LaneGreen(20.0, 50.0, 55.0, 0)]
    assert protected_greens(switches, (0,)) == [LaneGreen(20.0, 50.0, 55.0, 0)]
    assert protected_greens(switches, (1,)) == [LaneGreen(20.0, 60.0, 62.0, 0)]


def queue_scenario(folder: Path) -> Scenario:
    """One lane to a signal, always queued."""
    (folder / "n.nod.xml").write_text(
        '<nodes><node id="a" x="0" y="0"/><node id="J" x="500" y="0" type="traffic_light"/>'
        '<node id="b" x="800" y="0"/><node id="side" x="500" y="200"/><node id="away" x="500" y="-200"/></nodes>'
    )
    (folder / "n.edg.xml").write_text(
        '<edges><edge id="in" from="a" to="J" numLanes="1" speed="13.89"/>'
        '<edge id="out" from="J" to="b" numLanes="1" speed="13.89"/>'
        '<edge id="side_in" from="side" to="J" numLanes="1" speed="13.89"/>'
        '<edge id="side_out" from="J" to="away" numLanes="1" speed="13.89"/></edges>'
    )
    (folder / "n.con.xml").write_text(
        '<connections><connection from="in" to="out"/><connection from="side_in" to="side_out"/></connections>'
    )
    net = folder / "n.net.xml"
    command = [str(sumo_binary("netconvert")), "-n", "n.nod.xml", "-e", "n.edg.xml", "-x", "n.con.xml", "-o", str(net)]
    subprocess.run(command, check=True, cwd=folder, env=sumo_environment(), capture_output=True)
    index = {c.get("from"): int(c.get("linkIndex", "0")) for c in elements(net, "connection") if c.get("tl") == "J"}
    phases = [(GREEN_S, "G", "r"), (AMBER_S, "y", "r"), (2, "r", "r"), (20, "r", "G"), (3, "r", "y"), (2, "r", "r")]
    assert sum(duration for duration, _, _ in phases) == CYCLE_S
    lines = []
    for duration_s, main, side in phases:
        state = ["r", "r"]
        state[index["in"]], state[index["side_in"]] = main, side
        lines.append(f'<phase duration="{duration_s}" state="{"".join(state)}"/>')
    (folder / "tls.add.xml").write_text(
        f'<additional><tlLogic id="J" type="static" programID="test" offset="0">{"".join(lines)}</tlLogic></additional>'
    )
    (folder / "queue.rou.xml").write_text(
        '<routes><vType id="slow" accel="1.5" tau="1.4" minGap="3"/><route id="way" edges="in out"/>'
        '<flow id="f" type="slow" route="way" begin="0" end="3600" period="1.9" departSpeed="max"/></routes>'
    )
    return Scenario(
        name="queue",
        folder=folder,
        config=None,
        net=net,
        routes=(folder / "queue.rou.xml",),
        additionals=(folder / "tls.add.xml",),
        begin_s=0.0,
        end_s=1400.0,
    )


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return queue_scenario(tmp_path_factory.mktemp("queue"))


@pytest.fixture(scope="module")
def model(queue: Scenario) -> CityModel:
    return read_network(queue.net, queue.additionals, profile_named("rilsa"))


def served_per_green(scenario: Scenario, folder: Path, seed: int) -> float:
    """Vehicles over the stop line in each of the last ten cycles, counted by a loop of its own."""
    folder = folder.absolute()
    count = folder / "count.add.xml"
    count.write_text(
        f'<additional><inductionLoop id="line" lane="in_0" pos="-0.5" period="{CYCLE_S}" '
        f'file="{folder / "count.xml"}"/></additional>'
    )
    simulate(scenario, seed, folder, additionals=(count,), record=Record.TRIPS)
    counts = [int(interval.get("nVehEntered", "0")) for interval in elements(folder / "count.xml", "interval")]
    return sum(counts[-10:]) / 10


def test_calibrated_lane_carries_what_a_long_queue_is_counted_to(
    queue: Scenario, model: CityModel, tmp_path: Path
) -> None:
    result = calibrate(queue, model, tmp_path / "calibration", seed=7)
    lane = next(lane for lane in result.model.network.junction("J").lanes if lane.id == "in_0")
    (tmp_path / "count").mkdir()
    counted = served_per_green(queue, tmp_path / "count", seed=8)
    carried = lane.saturation_veh_h / 3600 * (GREEN_S - lane.start_up_loss_s + lane.end_gain_s)
    assert carried == pytest.approx(counted, rel=0.03)
    figures = next(found for found in result.lanes if found.lane == "in_0")
    assert figures.measured is not None and figures.measured.headways > 50


def test_a_lane_without_traffic_gets_what_lanes_like_it_showed(
    queue: Scenario, model: CityModel, tmp_path: Path
) -> None:
    result = calibrate(queue, model, tmp_path, seed=7)
    lanes = {found.lane: found for found in result.lanes}
    assert lanes["side_in_0"].measured is None
    assert lanes["side_in_0"].case == lanes["in_0"].case
    assert lanes["side_in_0"].calibrated.headway_s == pytest.approx(lanes["in_0"].calibrated.headway_s, rel=0.05)


def test_calibration_changes_lanes_alone_and_is_repeatable(queue: Scenario, model: CityModel, tmp_path: Path) -> None:
    once = calibrate(queue, model, tmp_path / "once", seed=3).model
    again = calibrate(queue, model, tmp_path / "again", seed=3).model
    assert once == again
    before, after = model.network.junction("J"), once.network.junction("J")
    assert before != after
    assert before == after.model_copy(update={"lanes": before.lanes})


def test_slow_turns_and_slow_drivers_discharge_slower(queue: Scenario, tmp_path: Path) -> None:
    straight, turn = DischargeCase(13.89, 13.89), DischargeCase(13.89, 5.0)
    slow = discharge_of_cases((straight, turn), read_vehicle_mix(queue), tmp_path / "slow", 1)
    (tmp_path / "no.rou.xml").write_text("<routes/>")
    usual_mix = read_vehicle_mix(Scenario("none", tmp_path, None, queue.net, (tmp_path / "no.rou.xml",), (), 0.0, 1.0))
    usual = discharge_of_cases((straight, turn), usual_mix, tmp_path / "usual", 1)
    assert slow[turn].saturation_veh_h < slow[straight].saturation_veh_h < usual[straight].saturation_veh_h
    assert 1600 < usual[straight].saturation_veh_h < 2300


def test_buses_and_people_are_not_the_cars_of_a_scenario(tmp_path: Path) -> None:
    (tmp_path / "r.rou.xml").write_text(
        '<routes><vType id="coach" vClass="bus"/><vType id="van" length="7"/>'
        '<trip id="1" type="coach" depart="0"/><trip id="2" type="van" depart="0"/><trip id="3" depart="1"/>'
        '<trip id="4" type="van" depart="2"/></routes>'
    )
    mix = read_vehicle_mix(Scenario("s", tmp_path, None, tmp_path / "n", (tmp_path / "r.rou.xml",), (), 0.0, 1.0))
    assert mix.shares == (("van", 2 / 3), ("DEFAULT_VEHTYPE", 1 / 3))
    assert len(mix.definitions) == 1 and "van" in mix.definitions[0]
