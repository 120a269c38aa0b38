"""What buses lose at signals: every stop line they come to, red counted, stops and free driving not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sumo_networks.approaches import ApproachKey, read_approaches
from sumo_networks.bus_signal_delay import POSITIONS, Crossing, bus_crossings, recording_buses
from sumo_networks.net_file import read_net
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import simulate
from sumo_networks.trips import read_demand


def _crossings(scenario: Scenario, folder: Path) -> list[Crossing]:
    run = simulate(recording_buses(scenario), 1, folder)
    assert run.stops is not None
    speeds_m_s = {name: lane.speed_m_s for name, lane in read_net(scenario.net).lanes.items()}
    demand, approaches = read_demand(scenario), read_approaches(scenario.net)
    return bus_crossings(folder / POSITIONS, run.stops, demand, approaches, speeds_m_s)


@pytest.fixture(scope="module")
def scenario(grid_folder: Path) -> Scenario:
    return load_scenario(grid_folder / "run.sumocfg", 0.0, 600.0)


@pytest.fixture(scope="module")
def crossings(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> list[Crossing]:
    return _crossings(scenario, tmp_path_factory.mktemp("signals"))


def test_each_bus_is_seen_once_at_each_stop_line_on_its_way(crossings: list[Crossing]) -> None:
    seen = [(crossing.bus, crossing.approach) for crossing in crossings]
    assert len(seen) == len(set(seen))
    first = [crossing for crossing in crossings if crossing.bus == "bus_7.0"]
    assert [crossing.approach for crossing in first] == [ApproachKey("A", "middle_A"), ApproachKey("B", "A_B")]
    assert {crossing.line for crossing in first} == {"7"}


def test_without_signals_less_is_lost(scenario: Scenario, crossings: list[Crossing], tmp_path: Path) -> None:
    off = replace(scenario, options=tuple(sorted((dict(scenario.options) | {"tls.all-off": "true"}).items())))
    free = _crossings(off, tmp_path)
    assert len(free) >= len(crossings)
    assert _mean_s(free) < _mean_s(crossings)


def test_time_at_a_stop_is_none_of_it(scenario: Scenario, crossings: list[Crossing], tmp_path: Path) -> None:
    longer = tmp_path / "longer.rou.xml"
    longer.write_text(scenario.routes[0].read_text().replace('"stop_a" duration="10"', '"stop_a" duration="40"'))
    held = _crossings(replace(scenario, routes=(longer,)), tmp_path)
    crossed_s = {(one.bus, one.approach.junction): one.crossed_s for one in held if one.crossed_s}
    later = [
        crossed_s[one.bus, "B"] - one.crossed_s for one in crossings if (one.bus, "B") in crossed_s and one.crossed_s
    ]
    assert max(later) > 20.0, "buses that stand longer before B come later"
    assert abs(_mean_s(held) - _mean_s(crossings)) < 10.0


def _mean_s(crossings: list[Crossing]) -> float:
    return sum(crossing.delay_s for crossing in crossings) / len(crossings)


def test_a_bus_that_waits_when_the_record_ends_has_its_delay_so_far(scenario: Scenario, tmp_path: Path) -> None:
    short = replace(scenario, end_s=100.0)
    waiting = [crossing for crossing in _crossings(short, tmp_path) if crossing.crossed_s is None]
    assert waiting
    assert all(0.0 <= crossing.delay_s <= 100.0 for crossing in waiting)
