"""Work that was killed goes on from its last measured run, and never answers with a run of something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimiser.safety import Finding, Rule
from sumo_networks.approaches import read_approaches
from sumo_networks.journal import Journal, Kept, run_measured
from sumo_networks.measure import measure
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Job, Record, Run
from sumo_networks.trips import read_demand

BROKEN = Finding("A", Rule.INTERGREEN, ("G1", "G2"), 12.5, 3.1, 4.0, "G2 starts 3.1 s after G1 ends, not 4 s")


@pytest.fixture
def scenario(grid_folder: Path) -> Scenario:
    return load_scenario(grid_folder / "run.sumocfg", 0.0, 120.0)


class _Looks:
    """Measures runs and counts how many it saw."""

    def __init__(self, scenario: Scenario) -> None:
        self.demand, self.approaches = read_demand(scenario), read_approaches(scenario.net)
        self.seen: list[int] = []

    def __call__(self, job: Job, run: Run) -> Kept:
        self.seen.append(job.seed)
        return Kept(measure(run, job.scenario, self.demand, self.approaches), (BROKEN,))


def _jobs(scenario: Scenario, folder: Path, seeds: tuple[int, ...]) -> list[Job]:
    return [Job(scenario, seed, folder / str(seed), record=Record.DELAYS) for seed in seeds]


def test_a_second_start_simulates_only_what_is_missing_and_gives_the_same(scenario: Scenario, tmp_path: Path) -> None:
    file, look = tmp_path / "journal.jsonl", _Looks(scenario)
    first = run_measured(_jobs(scenario, tmp_path, (1, 2)), 2, Journal(file), look)
    told: list[int] = []
    again = run_measured(
        _jobs(scenario, tmp_path, (2, 3, 1)), 1, Journal(file), look, lambda job: told.append(job.seed)
    )
    assert sorted(look.seen) == [1, 2, 3]
    assert sorted(told) == [1, 2, 3]
    assert [again[2], again[0]] == first
    assert again[0].findings == (BROKEN,)
    assert not list(tmp_path.rglob("*.xml"))


def test_a_line_that_a_kill_cut_short_is_run_again(scenario: Scenario, tmp_path: Path) -> None:
    file, look = tmp_path / "journal.jsonl", _Looks(scenario)
    whole = run_measured(_jobs(scenario, tmp_path, (1,)), 1, Journal(file), look)
    file.write_text(file.read_text()[:-40])
    assert run_measured(_jobs(scenario, tmp_path, (1,)), 1, Journal(file), look) == whole
    assert run_measured(_jobs(scenario, tmp_path, (1,)), 1, Journal(file), look) == whole
    assert look.seen == [1, 1]


def test_other_inputs_are_other_runs(scenario: Scenario, grid_folder: Path, tmp_path: Path) -> None:
    file, look = tmp_path / "journal.jsonl", _Looks(scenario)
    plan = tmp_path / "plan.add.xml"
    plan.write_text("<additional/>")
    control = tmp_path / "priority.json"
    control.write_text('{"junctions": [], "lines": {}}')
    job = _jobs(scenario, tmp_path, (1,))[0]
    others = [
        job,
        replace(job, scale=1.1),
        replace(job, end_s=100.0),
        replace(job, plan=plan),
        replace(job, plan=plan, priority=control),
        replace(job, scenario=replace(scenario, car_occupancy=2.0)),
        replace(job, scenario=replace(scenario, options=(*scenario.options, ("step-length", "1")))),
    ]
    for other in others:
        run_measured([other], 1, Journal(file), look)
    plan.write_text("<additional><!-- another plan --></additional>")
    run_measured([others[3]], 1, Journal(file), look)
    control.write_text('{"junctions": [], "lines": {"bus": "7"}}')
    run_measured([others[4]], 1, Journal(file), look)
    run_measured([job], 1, Journal(file, of="another network"), look)
    run_measured([job], 1, Journal(file), look, purpose=lambda job: "with another eye")
    assert len(look.seen) == len(others) + 4


def test_a_closed_journal_leaves_nothing(scenario: Scenario, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    run_measured(_jobs(scenario, tmp_path, (1,)), 1, journal, _Looks(scenario))
    journal.close()
    assert not (tmp_path / "journal.jsonl").exists()
    journal.close()
