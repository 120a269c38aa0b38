"""With `priority = true` the main job gives a plan with bus priority, and a verdict has the controller in the loop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.city import read_city
from api.proof import ProofEffort, prove
from api.run import optimise_scenario
from api.run_options import RunOptions
from optimiser.active_priority import active
from optimiser.rule_tables import PriorityRules
from optimiser.rules import Rules
from optimiser.signals import NetworkPlan, Priority
from sumo_networks.programs import write_programs
from sumo_networks.scenario import load_scenario
from sumo_networks.verdict import PRIORITY_NOTE, Verdict


@pytest.fixture(scope="module")
def prioritised(town: Path, small: RunOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with plan.json and run.json."""
    out = tmp_path_factory.mktemp("prioritised")
    rules = small.rules.model_copy(update={"priority": PriorityRules()})
    optimise_scenario(town, out, replace(small, rules=rules), None, None)
    return out


def test_the_plan_says_what_its_controllers_may_do_and_run_json_why(prioritised: Path) -> None:
    plan = NetworkPlan.model_validate_json((prioritised / "plan.json").read_text())
    told = json.loads((prioritised / "run.json").read_text())["priority"]
    assert [one["junction"] for one in told["junctions"]] == ["C"]
    chosen = told["junctions"][0]["choice"]
    assert chosen["lines"] == ["7"]
    assert chosen["saved_s"] > chosen["lost_s"]
    kept = "C" not in told["dropped"]
    assert active(plan.controllers[0].priority) is kept
    before, after = told["person_delay_s"]
    assert after < before if kept else after == before
    assert min(told["seeds"]) >= 1000


def test_a_verdict_has_priority_running_in_the_plans_runs_alone(town: Path, tmp_path: Path) -> None:
    scenario = load_scenario(town)
    model = read_city(scenario, Rules())
    running = model.network.junctions[0].running
    effort = ProofEffort(seeds=(1, 2), robustness=(), workers=2)

    def verdict(name: str, priority: Priority) -> Verdict:
        controllers = (running.model_copy(update={"priority": priority}),)
        plan = NetworkPlan(network_hash=running.network_hash, profile="", controllers=controllers)
        write_programs(plan, model.bindings, tmp_path / f"{name}.add.xml")
        folder = tmp_path / name
        return prove(scenario, model, plan, tmp_path / f"{name}.add.xml", Rules(), effort, folder, lambda _: None)

    with_it = verdict("with", Priority(max_extension_s=10, max_early_green_s=20, lines=("7",)))
    without = verdict("without", Priority())
    assert with_it.baseline == without.baseline == without.candidate
    assert with_it.candidate != without.candidate
    assert with_it.plan_id != without.plan_id
    assert set(with_it.notes) - set(without.notes) == {PRIORITY_NOTE}
    assert not [finding for finding in with_it.findings if finding.new]
    assert with_it.cleared is not None and without.cleared is not None
    assert with_it.cleared.baseline == without.cleared.candidate != with_it.cleared.candidate
