"""With `priority = true` the main job gives a plan with bus priority, and proves it with the controller in the loop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.run import RunOptions, RunResult, run_line, verify_plan
from optimiser.active_priority import active
from optimiser.rule_tables import PriorityRules
from optimiser.signals import NetworkPlan


@pytest.fixture(scope="module")
def prioritised(town: Path, small: RunOptions, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    rules = small.rules.model_copy(update={"priority": PriorityRules()})
    return run_line(town, tmp_path_factory.mktemp("prioritised"), replace(small, rules=rules))


def test_the_plan_says_what_its_controllers_may_do_and_run_json_why(prioritised: RunResult) -> None:
    plan = NetworkPlan.model_validate_json((prioritised.folder / "plan.json").read_text())
    told = json.loads((prioritised.folder / "run.json").read_text())["priority"]
    assert [one["junction"] for one in told["junctions"]] == ["C"]
    chosen = told["junctions"][0]["choice"]
    assert chosen["lines"] == ["7"]
    assert chosen["saved_s"] > chosen["lost_s"]
    kept = "C" not in told["dropped"]
    assert active(plan.controllers[0].priority) is kept
    before, after = told["person_delay_s"]
    assert after < before if kept else after == before
    assert min(told["seeds"]) >= 1000


def test_the_verdict_is_one_with_priority_running(
    town: Path, prioritised: RunResult, small: RunOptions, tmp_path: Path
) -> None:
    plan = prioritised.plan.controllers[0]
    allowed = plan.priority.model_copy(update={"max_extension_s": 15, "max_early_green_s": 20, "lines": ("7",)})
    with_it = prioritised.plan.model_copy(update={"controllers": (plan.model_copy(update={"priority": allowed}),)})
    bare = plan.model_copy(update={"priority": allowed.model_copy(update={"lines": ()})})
    without = prioritised.plan.model_copy(update={"controllers": (bare,)})
    bus_delays_s = []
    for name, tried in (("with", with_it), ("without", without)):
        (tmp_path / f"{name}.json").write_text(tried.model_dump_json())
        verdict = verify_plan(town, tmp_path / f"{name}.json", tmp_path / name, replace(small, seeds=(1, 2)))
        assert not [finding for finding in verdict.findings if finding.new]
        assert verdict.plan_id == tried.id
        bus_delays_s.append(verdict.candidate.bus_delay_s)
    assert bus_delays_s[0] is not None and bus_delays_s[1] is not None
    assert bus_delays_s[0] < bus_delays_s[1]


def test_the_same_command_gives_the_same_plan_and_verdict_with_priority_too(
    town: Path, prioritised: RunResult, small: RunOptions, tmp_path: Path
) -> None:
    rules = small.rules.model_copy(update={"priority": PriorityRules()})
    again = run_line(town, tmp_path / "again", replace(small, rules=rules, workers=1))
    for name in ("plan.json", "plan.add.xml", "verdict.json"):
        assert (again.folder / name).read_bytes() == (prioritised.folder / name).read_bytes(), name
