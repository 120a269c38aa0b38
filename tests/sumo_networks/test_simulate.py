"""A run of SUMO writes into its own folder alone, is the same for the same seed, and says why it failed."""

from __future__ import annotations

import os
import shutil
import signal
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sumo_networks.errors import ScenarioError, SimulationError
from sumo_networks.recording import redirect_outputs, signalled_lanes
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Job, Record, Run, simulate, simulate_many, sumo_environment


@pytest.fixture(scope="module")
def full_run(grid_scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulate(grid_scenario, 1, tmp_path_factory.mktemp("full"))


def _trips(run: Run) -> list[dict[str, str]]:
    return [dict(trip.attrib) for trip in ET.parse(run.tripinfo).getroot().iter("tripinfo")]


def test_a_full_run_records_trips_states_edges_and_queues(full_run: Run) -> None:
    assert len(_trips(full_run)) > 200
    assert full_run.tls_states is not None and full_run.queues is not None and full_run.statistic is not None
    states = list(ET.parse(full_run.tls_states).getroot().iter("tlsState"))
    assert {state.get("id") for state in states} == {"A", "B"}
    assert float(states[-1].get("time", "0")) >= 599
    queues = list(ET.parse(full_run.queues).getroot().iter("interval"))
    assert len({queue.get("id") for queue in queues}) == len(signalled_lanes_of(full_run))
    assert max(float(queue.get("maxJamLengthInMeters", "0")) for queue in queues) > 5


def signalled_lanes_of(run: Run) -> set[str]:
    recording = ET.parse(run.folder / "recording.add.xml").getroot()
    return {element.get("lane", "") for element in recording.iter("laneAreaDetector")}


def test_incoming_lanes_are_those_at_stop_lines(grid_scenario: Scenario) -> None:
    signalled = signalled_lanes(grid_scenario.net)
    assert signalled.controllers == ("A", "B")
    edges = {lane.rpartition("_")[0] for lane, _ in signalled.lanes}
    assert {"middle_A", "A_B", "B_A", "east_B", "north_a_A", "south_b_B"} <= edges
    assert not edges & {"west_middle", "A_middle", "B_east"}
    assert all(length_m > 50 for _, length_m in signalled.lanes)


def test_sumo_does_not_see_the_environment_of_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sumo_environment()
    for name in ("JASYL_TEST", "LANG", "LC_ALL", "PROJ_DATA", "PYTHONHASHSEED", "SUMO_HOME"):
        monkeypatch.setenv(name, "another")
    assert sumo_environment() == before
    monkeypatch.setenv("PATH", "/elsewhere")
    assert sumo_environment() == before | {"PATH": "/elsewhere"}


def test_nothing_is_written_beside_the_scenario(grid_scenario: Scenario, full_run: Run) -> None:
    names = {path.name for path in grid_scenario.folder.iterdir()}
    assert names == {
        "grid.nod.xml",
        "grid.edg.xml",
        "grid.net.xml",
        "stops.add.xml",
        "demand.rou.xml",
        "run.sumocfg",
    }
    detectors = [path for path in full_run.folder.iterdir() if "additional_0_output" in path.name]
    assert detectors and detectors[0].stat().st_size > 0


def test_the_same_seed_gives_the_same_trips_and_another_seed_others(
    grid_scenario: Scenario, full_run: Run, tmp_path: Path
) -> None:
    again, other = simulate_many(
        [
            Job(grid_scenario, 1, tmp_path / "again", record=Record.TRIPS),
            Job(grid_scenario, 2, tmp_path / "other", record=Record.TRIPS),
        ],
        workers=2,
    )
    assert (again.seed, other.seed) == (1, 2)
    assert again.stops is None and again.tls_states is None
    assert _trips(again) == _trips(full_run)
    assert _trips(other) != _trips(full_run)


def test_the_options_of_the_config_hold_in_the_run(full_run: Run) -> None:
    assert '<step-length value="0.5"/>' in full_run.tripinfo.read_text()


def test_more_demand_brings_more_trips(grid_scenario: Scenario, full_run: Run, tmp_path: Path) -> None:
    run = simulate(grid_scenario, 1, tmp_path, scale=1.3, record=Record.TRIPS)
    assert len(_trips(run)) > 1.15 * len(_trips(full_run))


def test_a_plan_changes_the_program_in_use(grid_scenario: Scenario, grid_plan: Path, tmp_path: Path) -> None:
    run = simulate(grid_scenario, 1, tmp_path, plan=grid_plan, end_s=60)
    assert run.tls_states is not None
    programs = {state.get("programID") for state in ET.parse(run.tls_states).getroot().iter("tlsState")}
    assert programs == {"new"}


def test_a_run_may_go_on_past_the_period(grid_scenario: Scenario, tmp_path: Path) -> None:
    run = simulate(grid_scenario, 1, tmp_path, end_s=660, record=Record.TRIPS)
    assert (run.end_s, run.due_s) == (660, 600)


def test_sumo_s_own_error_is_told(grid_scenario: Scenario, tmp_path: Path) -> None:
    plan = tmp_path / "plan.add.xml"
    plan.write_text(
        '<additional><tlLogic id="A" type="static" programID="x"><phase duration="9" state="G"/></tlLogic></additional>'
    )
    with pytest.raises(SimulationError) as caught:
        simulate(grid_scenario, 1, tmp_path / "run", plan=plan, record=Record.TRIPS)
    told = str(caught.value)
    assert "seed 1 with plan plan.add.xml: SUMO failed: " in told
    assert "'A'" in told
    assert "\n" not in told


def test_an_unknown_edge_in_the_demand_is_told(grid_scenario: Scenario, tmp_path: Path) -> None:
    routes = tmp_path / "wrong.rou.xml"
    routes.write_text('<routes><vehicle id="v" depart="0"><route edges="nowhere"/></vehicle></routes>')
    with pytest.raises(SimulationError, match="nowhere"):
        simulate(replace(grid_scenario, routes=(routes,)), 1, tmp_path / "run", record=Record.TRIPS)


def _sumo_of_this_process() -> int | None:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition(")")
        except OSError:
            continue
        if name.endswith("(sumo") and int(rest.split()[1]) == os.getpid():
            return int(stat.parent.name)
    return None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the process of SUMO through /proc")
def test_a_sumo_that_dies_is_told(grid_scenario: Scenario, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(simulate, grid_scenario, 1, tmp_path, end_s=1e6, record=Record.TRIPS)
        while (sumo := _sumo_of_this_process()) is None and not running.done():
            time.sleep(0.01)
        assert sumo is not None
        os.kill(sumo, signal.SIGKILL)
        with pytest.raises(SimulationError, match=r"grid\d*, seed 1: SUMO failed: ended by signal 9"):
            running.result()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the process of SUMO through /proc")
def test_a_sumo_that_is_asked_to_end_early_is_told(grid_scenario: Scenario, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(simulate, grid_scenario, 1, tmp_path, end_s=1e6, record=Record.TRIPS)
        while (sumo := _sumo_of_this_process()) is None or not (tmp_path / "tripinfo.xml").is_file():
            assert not running.done()
            time.sleep(0.01)
        os.kill(sumo, signal.SIGTERM)
        with pytest.raises(SimulationError, match=r"seed 1: SUMO was ended from outside at [\d.]+ s, before 1e\+06 s"):
            running.result()


def test_a_missing_plan_is_told(grid_scenario: Scenario, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such plan"):
        simulate(grid_scenario, 1, tmp_path / "run", plan=tmp_path / "none.add.xml")


def test_one_failing_run_ends_the_others_and_its_error_is_raised(grid_scenario: Scenario, tmp_path: Path) -> None:
    routes = tmp_path / "wrong.rou.xml"
    routes.write_text('<routes><vehicle id="v" depart="0"><route edges="nowhere"/></vehicle></routes>')
    wrong = replace(grid_scenario, routes=(routes,))
    jobs = [Job(grid_scenario, seed, tmp_path / f"{seed}", record=Record.TRIPS) for seed in range(1, 7)]
    jobs.insert(1, Job(wrong, 9, tmp_path / "wrong", record=Record.TRIPS))
    done: list[int] = []
    with pytest.raises(SimulationError, match="nowhere"):
        simulate_many(jobs, workers=2, on_done=lambda run: done.append(run.seed))
    assert len(done) < 6


def test_runs_come_back_in_the_order_of_the_jobs(grid_scenario: Scenario, tmp_path: Path) -> None:
    done: list[int] = []
    jobs = [
        Job(grid_scenario, seed, tmp_path / f"{seed}", end_s=end_s, record=Record.TRIPS)
        for seed, end_s in ((5, 600), (4, 5), (3, 5))
    ]
    runs = simulate_many(jobs, workers=3, on_done=lambda run: done.append(run.seed))
    assert [run.seed for run in runs] == [5, 4, 3]
    assert sorted(done) == [3, 4, 5]


def test_every_output_of_an_additional_is_redirected_and_inputs_still_found(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    folder.mkdir()
    (data / "deep").mkdir()
    (data / "deep" / "inner.add.xml").write_text(
        '<additional><edgeData id="e" file="edges.xml" edgesFile="edges.txt"/></additional>'
    )
    (data / "outer.add.xml").write_text(
        '<additional><include href="deep/inner.add.xml"/><timedEvent type="SaveTLSStates" source="A" dest="s.xml"/>'
        '<variableSpeedSign id="v" lanes="x_0" file="speeds.xml"/><vTypeProbe id="p" file="types.xml"/></additional>'
    )
    (data / "plain.add.xml").write_text("<additional/>")
    outer, plain = redirect_outputs((data / "outer.add.xml", data / "plain.add.xml"), folder)
    assert plain == data / "plain.add.xml"
    root = ET.parse(outer).getroot()
    edge_data = root.findall("edgeData")[0]
    assert Path(edge_data.get("file", "")).parent == folder
    assert edge_data.get("edgesFile") == str(data / "deep" / "edges.txt")
    assert Path(root.findall("vTypeProbe")[0].get("file", "")).parent == folder
    assert Path(root.findall("timedEvent")[0].get("dest", "")).parent == folder
    assert root.findall("variableSpeedSign")[0].get("file") == str(data / "speeds.xml")


def test_paths_with_blanks_work(grid_folder: Path, tmp_path: Path) -> None:
    town = Path(shutil.copytree(grid_folder, tmp_path / "a town"))
    run = simulate(load_scenario(town / "run.sumocfg"), 1, tmp_path / "a run", end_s=30)
    assert _trips(run)
