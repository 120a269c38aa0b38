"""Priority that the model chose stays in the plan only where SUMO agrees that it pays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimiser.active_priority import active
from optimiser.signals import NetworkPlan, Priority
from sumo_networks.bindings import CityModel
from sumo_networks.measure import DelayAt, Measures, RunMeasures
from sumo_networks.priority_trial import Trial, tried
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario, load_scenario

MEASURES = Measures(0.0, 0.0, 100.0, None, None, None, 0, 0, 0, None, None)
ALLOWED = Priority(max_extension_s=10, max_early_green_s=15, lines=("7", "with_stops"))


@pytest.fixture(scope="module")
def scenario(grid_folder: Path) -> Scenario:
    return load_scenario(grid_folder / "run.sumocfg", 0.0, 300.0)


@pytest.fixture(scope="module")
def model(scenario: Scenario) -> CityModel:
    return read_network(scenario.net, scenario.additionals, profile_named("shipped"), scenario.zone)


def plan(model: CityModel, priority: Priority) -> NetworkPlan:
    controllers = tuple(
        junction.running.model_copy(update={"priority": priority}) for junction in model.network.junctions
    )
    return NetworkPlan(network_hash=model.network.network_hash, profile="", controllers=controllers)


def test_what_changes_nothing_is_not_kept(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    nobody = ALLOWED.model_copy(update={"lines": ("no such line",)})
    told: list[tuple[int, int]] = []
    found = tried(scenario, model, plan(model, nobody), [1000], tmp_path, progress=lambda *done: told.append(done))
    assert found.plan == plan(model, Priority())
    assert found.dropped == ("A", "B")
    assert found.person_delay_s[0] == found.person_delay_s[1] > 0
    assert told == [(1, 4), (2, 4), (3, 4)]


def _trial(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Scenario,
    model: CityModel,
    folder: Path,
    person_delays_s: dict[str, float],
    at_a_s: dict[str, float],
) -> Trial:
    """A trial whose runs are given: person delay, and delay of a vehicle at junction A, by the name of the runs."""

    def runs(bench: object, name: str, plan: NetworkPlan | None) -> list[RunMeasures]:
        return [
            RunMeasures(
                seed=seed,
                measures=replace(MEASURES, person_delay_s=person_delays_s[name]),
                junctions={"A": DelayAt(100 * at_a_s[name], 100), "B": DelayAt(1000.0, 100)},
                approaches={},
                lines={},
                queues=(),
            )
            for seed in (1000, 1001)
        ]

    monkeypatch.setattr("sumo_networks.priority_trial._Bench.runs", runs)
    return tried(scenario, model, plan(model, ALLOWED), [1000, 1001], folder)


def test_a_junction_where_vehicles_lose_gives_its_priority_up(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario, model: CityModel, tmp_path: Path
) -> None:
    persons_s = {"shipped": 50.0, "without": 50.0, "with": 45.0, "with_fewer": 46.0}
    at_a_s = {"shipped": 10.0, "without": 10.0, "with": 16.0, "with_fewer": 10.0}
    found = _trial(monkeypatch, scenario, model, tmp_path, persons_s, at_a_s)
    assert found.dropped == ("A",)
    assert [active(controller.priority) for controller in found.plan.controllers] == [False, True]
    assert found.person_delay_s == (50.0, 46.0)


@pytest.mark.parametrize(("with_it_s", "kept"), [(49.0, True), (50.0, False), (51.0, False)])
def test_priority_that_pays_is_kept_and_any_other_is_not(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Scenario,
    model: CityModel,
    tmp_path: Path,
    with_it_s: float,
    kept: bool,
) -> None:
    persons_s = {"shipped": 60.0, "without": 50.0, "with": with_it_s}
    same_s = dict.fromkeys(persons_s, 10.0)
    found = _trial(monkeypatch, scenario, model, tmp_path, persons_s, same_s)
    assert [active(controller.priority) for controller in found.plan.controllers] == [kept, kept]
    assert found.dropped == (() if kept else ("A", "B"))


def test_priority_that_a_verdict_would_refuse_a_place_for_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario, model: CityModel, tmp_path: Path
) -> None:
    persons_s = {"shipped": 60.0, "without": 50.0, "with": 45.0}
    # Against the shipped program it is over 5 s for sure with priority, and just under without.
    at_a_s = {"shipped": 10.0, "without": 14.0, "with": 18.0}
    found = _trial(monkeypatch, scenario, model, tmp_path, persons_s, at_a_s)
    assert found.dropped == ("A", "B")
