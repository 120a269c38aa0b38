"""The search in the simulator: a fixed budget, the same plan on any machine, and never a loss on its own seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimiser.safety import check_plan
from optimiser.signals import ControllerPlan, NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.heats import ENTRANTS
from sumo_networks.moves import Freedom
from sumo_networks.polish import Budget, Polished, polish
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.stress import OTHER_DEMANDS, STRESS_RUNS
from sumo_networks.timings import network_plan, running_timings

BUDGET = Budget(runs=8, seeds=2, batch=3)


@pytest.fixture(scope="module")
def scenario(grid_folder: Path) -> Scenario:
    return load_scenario(grid_folder / "run.sumocfg", 0.0, 240.0)


@pytest.fixture(scope="module")
def model(scenario: Scenario) -> CityModel:
    return read_network(scenario.net, scenario.additionals, profile_named("shipped"))


def _as_safe_as_running(model: CityModel) -> Freedom:
    def broken(plan: ControllerPlan) -> set[tuple[str, tuple[str, ...]]]:
        return {(finding.rule.value, finding.groups) for finding in check_plan(plan)}

    known = {junction.id: broken(junction.running) for junction in model.network.junctions}
    return Freedom(safe=lambda plan: broken(plan) <= known[plan.junction])


def _polished(scenario: Scenario, model: CityModel, folder: Path, workers: int, freedom: Freedom) -> Polished:
    start = network_plan(model.network, running_timings(model.network), "shipped")
    return polish(scenario, model, {"start": start}, freedom, BUDGET, np.random.default_rng(5), folder, workers=workers)


@pytest.fixture(scope="module")
def once(scenario: Scenario, model: CityModel, tmp_path_factory: pytest.TempPathFactory) -> Polished:
    return _polished(scenario, model, tmp_path_factory.mktemp("once"), 2, _as_safe_as_running(model))


def test_any_number_of_workers_finds_the_same(
    scenario: Scenario, model: CityModel, once: Polished, tmp_path: Path
) -> None:
    assert _polished(scenario, model, tmp_path, 1, _as_safe_as_running(model)) == once


def test_spends_its_budget_and_at_most_one_batch_more(once: Polished) -> None:
    joined, demands = 2, len(OTHER_DEMANDS)
    one_turn = BUDGET.batch + joined + ENTRANTS * (BUDGET.seeds - 1 + STRESS_RUNS * demands) + BUDGET.seeds * demands
    assert BUDGET.runs <= once.runs <= BUDGET.runs + one_turn


def test_few_runs_are_spent_on_fewer_seeds_and_ask_for_no_proof() -> None:
    assert len(Budget(runs=300, seeds=10).seed_numbers()) == 10
    assert len(Budget(runs=60, seeds=10).seed_numbers()) == 3
    assert [Budget(runs=runs).proof_runs for runs in (39, 40, 60, 100, 200, 300, 1000)] == [0, 2, 3, 5, 15, 25, 25]


def test_never_ends_worse_than_the_running_plan_on_its_own_seeds(once: Polished) -> None:
    assert once.score <= 1.0
    scores = [step.score for step in once.steps]
    assert scores == sorted(scores, reverse=True)
    assert [step.runs for step in once.steps] == sorted(step.runs for step in once.steps)


def test_searches_on_seeds_that_no_verdict_uses(once: Polished) -> None:
    assert once.seeds == (1000, 1001)


def test_the_plan_breaks_nothing_that_the_running_one_keeps(model: CityModel, once: Polished) -> None:
    freedom = _as_safe_as_running(model)
    assert all(freedom.safe(controller) for controller in once.plan.controllers)


def test_leaves_no_runs_behind(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    _polished(scenario, model, tmp_path, 2, _as_safe_as_running(model))
    assert not list(tmp_path.rglob("*.xml"))


def test_a_start_that_is_not_safe_is_not_run(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    running = running_timings(model.network)
    shortened = {
        name: type(timing)(timing.sequence, tuple(1.0 for _ in timing.durations_s), timing.start_s)
        for name, timing in running.items()
    }
    unsafe: NetworkPlan = network_plan(model.network, shortened, "shipped")
    freedom = _as_safe_as_running(model)
    assert not all(freedom.safe(controller) for controller in unsafe.controllers)
    found = polish(
        scenario, model, {"unsafe": unsafe}, freedom, Budget(runs=0, seeds=1), np.random.default_rng(1), tmp_path
    )
    assert found.start == "running"
    assert all(freedom.safe(controller) for controller in found.plan.controllers)
