"""The whole line on a small town: from its roads and traffic to a plan that the simulator has proved."""

from __future__ import annotations

import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from api.run import RunResult, optimise_scenario, run_line
from api.run_options import RunOptions
from api.terminal import StepBars, print_fallen, print_kept, print_long, print_verdict
from optimiser.errors import RulesError
from optimiser.rule_tables import JunctionRules, PolishRules
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import NetworkPlan
from sumo_networks.errors import PlanMismatchError
from sumo_networks.simulate import sumo_binary, sumo_environment
from sumo_networks.stress import Fallen
from sumo_networks.sumo_xml import elements

FIGURES = {
    "person_delay_s",
    "vehicle_delay_s",
    "bus_delay_s",
    "pedestrian_delay_s",
    "stops_per_veh",
    "co2_g_per_veh_km",
    "throughput_veh",
    "not_inserted_veh",
    "stuck_over_300s_veh",
    "collisions",
    "teleports",
}
TOP = {"accepted", "reasons", "seeds", "plan_id", "network_hash", "findings"}


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_leaves_every_result_in_the_folder(town_run: RunResult) -> None:
    for name in ("plan.json", "plan.add.xml", "verdict.json", "run.json", "report.html", "flows/summary.json"):
        assert (town_run.folder / name).stat().st_size > 0, name


def test_the_verdict_has_every_key_of_its_contract(town_run: RunResult) -> None:
    verdict = json.loads((town_run.folder / "verdict.json").read_text())
    assert verdict.keys() >= TOP
    for side in ("baseline", "candidate", "difference", "relative"):
        assert verdict[side].keys() == FIGURES, side
    for comparison in ("difference", "relative"):
        for figure, found in verdict[comparison].items():
            assert found is None or found.keys() == {"mean", "low", "high"}, figure
    assert verdict["seeds"] == [1, 2, 3]
    assert verdict["baseline"]["bus_delay_s"] is not None


def test_a_program_that_serves_the_wrong_street_is_surely_improved(town_run: RunResult) -> None:
    assert town_run.verdict.accepted, town_run.verdict.reasons
    relative = town_run.verdict.relative.person_delay_s
    assert relative is not None and relative.mean < -0.1
    assert not [finding for finding in town_run.verdict.findings if finding.new]


def test_the_verdict_is_about_the_plan_that_was_written(town_run: RunResult) -> None:
    plan = NetworkPlan.model_validate_json((town_run.folder / "plan.json").read_text())
    assert plan == town_run.plan
    assert plan.id == town_run.verdict.plan_id
    assert plan.network_hash == town_run.verdict.network_hash


def test_run_json_tells_times_versions_and_how_the_solver_ended(town_run: RunResult) -> None:
    told = json.loads((town_run.folder / "run.json").read_text())
    assert set(told["versions"]) >= {"jasyl", "highspy", "eclipse-sumo", "python"}
    assert told["optimiser"]["status"] in {"optimal", "node_limit"}
    assert {solve["ended"] for solve in told["optimiser"]["solves"]} <= {
        "optimal",
        "node_limit",
        "cutoff",
        "infeasible",
    }
    assert told["seconds"].keys() >= {"record feeds", "flows", "optimise", "polish in SUMO", "verify in SUMO"}
    assert min(told["polish"]["seeds"]) >= 1000


def test_the_same_command_gives_the_same_plan_and_verdict(
    town: Path, town_run: RunResult, small: RunOptions, tmp_path: Path
) -> None:
    again = run_line(town, tmp_path / "again", replace(small, workers=1))
    for name in ("plan.json", "plan.add.xml", "verdict.json", "demand.json", "report.html"):
        assert (again.folder / name).read_bytes() == (town_run.folder / name).read_bytes(), name


def test_a_run_that_fails_leaves_no_results_beside_an_older_verdict(
    town: Path, small: RunOptions, tmp_path: Path
) -> None:
    (tmp_path / "verdict.json").write_text("of an earlier run")
    (tmp_path / "notes.txt").write_text("the engineer's")
    unknown = replace(small, rules=Rules(junctions={"nowhere": JunctionRules(locked=True)}))
    with pytest.raises(RulesError, match="nowhere"):
        run_line(town, tmp_path, unknown)
    assert not (tmp_path / "verdict.json").exists()
    assert (tmp_path / "previous" / "verdict.json").read_text() == "of an earlier run"
    assert (tmp_path / "notes.txt").is_file()


def test_an_earlier_plan_is_a_start_and_is_kept_where_nothing_better_is_found(
    town: Path, town_run: RunResult, small: RunOptions, tmp_path: Path
) -> None:
    no_search = replace(small, rules=Rules(polish=PolishRules(runs=0, seeds=1)))
    earlier = replace(no_search, start=town_run.folder / "plan.json")
    polished = optimise_scenario(town, tmp_path / "out", earlier, None, None).polished
    without = optimise_scenario(town, tmp_path / "without", no_search, None, None).polished
    assert without.start != "earlier plan"
    assert polished.start == "earlier plan"
    assert polished.score <= without.score
    assert polished.plan.controllers == town_run.plan.controllers


def test_an_earlier_plan_for_another_network_is_refused(town: Path, small: RunOptions, tmp_path: Path) -> None:
    other = tmp_path / "other.add.xml"
    other.write_text(
        '<additional><tlLogic id="nowhere" type="static" programID="p" offset="0">'
        '<phase duration="30" state="G"/></tlLogic></additional>'
    )
    with pytest.raises(PlanMismatchError, match="nowhere"):
        optimise_scenario(town, tmp_path / "out", replace(small, start=other), None, None)


class _KilledError(Exception):
    """Stands for the kill."""


@pytest.mark.parametrize(("step", "share"), [("polish in SUMO", 0.6), ("verify in SUMO", 0.5)])
def test_a_killed_run_goes_on_from_its_last_simulation_to_the_same_bytes(
    town: Path, town_run: RunResult, small: RunOptions, tmp_path: Path, step: str, share: float
) -> None:
    def kill(at: str, done: float) -> None:
        if at == step and done >= share:
            raise _KilledError

    journal, kept = tmp_path / "journal.jsonl", []
    for _ in range(2):
        with pytest.raises(_KilledError):
            run_line(town, tmp_path, small, kill)
        kept.append(journal.read_text().count('"key"'))
    assert 0 < kept[0] <= kept[1] <= kept[0] + small.workers, "the second start simulated again what was there"
    resumed = run_line(town, tmp_path, small)
    assert not journal.exists()
    for name in ("plan.json", "verdict.json", "report.html"):
        assert (resumed.folder / name).read_bytes() == (town_run.folder / name).read_bytes(), name


def test_nothing_is_written_beside_the_data(town: Path, town_run: RunResult) -> None:
    built = {f"town.{kind}.xml" for kind in ("nod", "edg", "net", "add", "rou")} | {"town.sumocfg"}
    assert _names(town.parent) == built
    assert town_run.folder not in town.parents


def test_the_additional_file_alone_puts_the_plan_in_use(town: Path, town_run: RunResult, tmp_path: Path) -> None:
    record = tmp_path / "record.add.xml"
    states = tmp_path / "states.xml"
    record.write_text(f'<additional><timedEvent type="SaveTLSStates" source="C" dest="{states}"/></additional>')
    additionals = [town.parent / "town.add.xml", town_run.folder / "plan.add.xml", record]
    subprocess.run(
        [
            str(sumo_binary("sumo")),
            "-c",
            str(town),
            "-a",
            ",".join(map(str, additionals)),
            "-e",
            "200",
            "--no-step-log",
        ],
        env=sumo_environment(),
        check=True,
        capture_output=True,
    )
    plan = next(iter(elements(town_run.folder / "plan.add.xml", "tlLogic")))
    recorded = list(elements(states, "tlsState"))
    assert {found.get("programID") for found in recorded} == {plan.get("programID")}
    assert plan.get("programID") != "shipped"
    assert {found.get("state") for found in recorded} == {phase.get("state") for phase in plan.iter("phase")}


def test_without_a_budget_to_search_there_is_still_a_plan(town: Path, small: RunOptions, tmp_path: Path) -> None:
    options = replace(small, rules=Rules(polish=PolishRules(runs=0, seeds=1)))
    polished = optimise_scenario(town, tmp_path / "out", options, None, None).polished
    assert polished.steps == ()
    assert (tmp_path / "out" / "plan.json").is_file()


def test_a_solver_out_of_its_limit_falls_back_to_the_best_known_plan_and_says_so(
    town: Path, small: RunOptions, tmp_path: Path
) -> None:
    settings = ModelSettings(time_limit_s=0.0)
    options = replace(small, rules=Rules(polish=PolishRules(runs=0, seeds=1)), settings=settings)
    polished = optimise_scenario(town, tmp_path / "out", options, None, None).polished
    told = json.loads((tmp_path / "out" / "run.json").read_text())["optimiser"]
    assert told["status"] == "fallback"
    assert told["notes"]
    assert polished.plan.controllers


@pytest.mark.slow
def test_a_plan_that_is_not_better_is_refused_and_the_shipped_programs_stay(
    town: Path, small: RunOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = Rules(junctions={"C": JunctionRules(locked=True)}, polish=PolishRules(runs=2, seeds=1))
    result = run_line(town, tmp_path / "out", replace(small, rules=locked))
    assert not result.verdict.accepted
    assert result.plan.controllers == ()
    assert any("No sure gain" in reason for reason in result.verdict.reasons)
    print_verdict(result.verdict)
    assert "shipped programs stay" in capsys.readouterr().out
    assert "shipped programs stay" in result.report.read_text()


def test_the_terminal_says_which_junctions_keep_their_programs_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    print_kept({f"J{n}": "a NEMA controller" for n in range(7)} | {"A": "locked by the rules [x]"})
    told = " ".join(capsys.readouterr().out.split())
    assert "A keeps its program: locked by the rules [x]" in told
    assert "J0, J1, J2, J3, J4 and 2 more keep their programs: a NEMA controller" in told


def test_the_terminal_says_that_a_period_of_a_day_takes_long_and_not_that_an_hour_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_long(3600)
    assert not capsys.readouterr().err
    print_long(100_000)
    told = " ".join(capsys.readouterr().err.split())
    assert "The period is 27.8 h" in told and "--begin and --end" in told


def test_the_terminal_says_which_plans_were_let_go_and_what_their_worst_run_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_fallen([Fallen("milp 0", 0.9, 15, 699.4, 23.06, 32.2)] * 5, held=False)
    told = capsys.readouterr().out
    assert (
        "let go: milp 0: at 90% of the demand the worst of 15 runs had 699 s of delay a person, the others 23.1 s; "
        "a verdict that met it would see 158.3 s, the shipped programs have 32.2 s"
    ) in told
    assert told.count("let go: milp 0") == 3
    assert "2 more, all in run.json" in told
    assert "no plan that the rules allow held" in told


def test_a_log_that_nobody_watches_tells_each_step_and_its_quarters() -> None:
    log = io.StringIO()
    with Progress(console=Console(file=log), disable=True) as progress:
        bars = StepBars(progress)
        for step, share in [("flows", 0.0), ("flows", 1.0), *(("search", k / 100) for k in range(101))]:
            bars(step, share)
    assert log.getvalue().split("\n")[:-1] == [
        "flows",
        "flows 75 %",
        "search",
        "search 25 %",
        "search 50 %",
        "search 75 %",
    ]
