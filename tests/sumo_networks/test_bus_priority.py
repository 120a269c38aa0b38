"""Bus priority in the loop: buses gain, every shown state keeps the plan's rules, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimiser.detour_candidates import detour_candidates
from optimiser.safety import check_log
from optimiser.signals import NetworkPlan, Priority
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.errors import PlanMismatchError, ScenarioError
from sumo_networks.measure import Measures, measure
from sumo_networks.priority_control import ReportQuality, read_priority, write_priority
from sumo_networks.priority_run import GRANTED
from sumo_networks.profiles import profile_named
from sumo_networks.programs import write_programs
from sumo_networks.read import read_network
from sumo_networks.recorded_states import recorded_states, signal_logs
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Run, simulate
from sumo_networks.sumo_xml import elements
from sumo_networks.trips import read_demand

LINES = ("7", "with_stops")
ALLOWED = Priority(max_extension_s=10, max_early_green_s=15, lines=LINES)


@pytest.fixture(scope="module")
def scenario(grid_folder: Path) -> Scenario:
    return load_scenario(grid_folder / "run.sumocfg", 0.0, 500.0)


@pytest.fixture(scope="module")
def model(scenario: Scenario) -> CityModel:
    return read_network(scenario.net, scenario.additionals, profile_named("shipped"), scenario.zone)


def with_priority(model: CityModel, **of_junction: Priority) -> NetworkPlan:
    """The shipped programs as plans, some with priority."""
    controllers = tuple(
        junction.running.model_copy(update={"priority": of_junction.get(junction.id, Priority())})
        for junction in model.network.junctions
    )
    return NetworkPlan(network_hash=model.network.network_hash, profile="", controllers=controllers)


def run_plan(scenario: Scenario, model: CityModel, plan: NetworkPlan, folder: Path, seed: int = 1) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    write_programs(plan, model.bindings, folder / "plan.add.xml")
    control = write_priority(plan, model, scenario, folder / "priority.json")
    return simulate(scenario, seed, folder, plan=folder / "plan.add.xml", priority=control)


def measured(run: Run, scenario: Scenario) -> Measures:
    return measure(run, scenario, read_demand(scenario), read_approaches(scenario.net)).measures


def trips(run: Run) -> list[dict[str, str]]:
    return [dict(element.attrib) for element in elements(run.tripinfo, "tripinfo", "personinfo")]


@pytest.fixture(scope="module")
def fixed(scenario: Scenario, model: CityModel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_plan(scenario, model, with_priority(model), tmp_path_factory.mktemp("fixed"))


@pytest.fixture(scope="module")
def prioritised(scenario: Scenario, model: CityModel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_plan(scenario, model, with_priority(model, A=ALLOWED), tmp_path_factory.mktemp("prioritised"))


def test_a_controller_in_the_loop_without_a_bus_to_serve_runs_its_plan_to_the_letter(
    scenario: Scenario, model: CityModel, fixed: Run, tmp_path: Path
) -> None:
    nobody = ALLOWED.model_copy(update={"lines": ("no such line",)})
    looped = run_plan(scenario, model, with_priority(model, A=nobody, B=nobody), tmp_path)
    assert trips(looped) == trips(fixed)
    assert fixed.tls_states is not None and looped.tls_states is not None
    shown, planned = recorded_states(looped.tls_states), recorded_states(fixed.tls_states)
    assert [(s.times_s, s.states) for s in shown.values()] == [(s.times_s, s.states) for s in planned.values()]
    assert shown["A"].programs != planned["A"].programs, "SUMO's own program did not run"


def test_buses_gain_and_every_shown_state_keeps_the_rules(
    scenario: Scenario, model: CityModel, fixed: Run, prioritised: Run
) -> None:
    before, after = measured(fixed, scenario).bus_delay_s, measured(prioritised, scenario).bus_delay_s
    assert before is not None and after is not None
    assert after < 0.95 * before
    assert prioritised.tls_states is not None
    for name, log in signal_logs(prioritised.tls_states, model.bindings).items():
        assert check_log(log, model.network.junction(name).running) == ()


def test_junctions_without_priority_run_as_ever(fixed: Run, prioritised: Run) -> None:
    assert fixed.tls_states is not None and prioritised.tls_states is not None
    before, after = recorded_states(fixed.tls_states), recorded_states(prioritised.tls_states)
    assert before["B"] == after["B"]
    assert before["A"].times_s != after["A"].times_s


def test_the_same_seed_gives_the_same_run_and_another_another(
    scenario: Scenario, model: CityModel, prioritised: Run, tmp_path: Path
) -> None:
    plan = with_priority(model, A=ALLOWED)
    assert trips(run_plan(scenario, model, plan, tmp_path / "again")) == trips(prioritised)
    assert trips(run_plan(scenario, model, plan, tmp_path / "other", seed=2)) != trips(prioritised)


def test_buses_of_other_lines_or_with_too_few_aboard_get_nothing(
    scenario: Scenario, model: CityModel, fixed: Run, tmp_path: Path
) -> None:
    full = ALLOWED.model_copy(update={"min_load_pax": 80.0})
    assert trips(run_plan(scenario, model, with_priority(model, A=full), tmp_path)) == trips(fixed)


def test_what_lets_nothing_happen_is_no_priority(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    for none in (Priority(), Priority(max_extension_s=10), Priority(lines=LINES)):
        assert write_priority(with_priority(model, A=none), model, scenario, tmp_path / "none.json") is None


def test_the_control_file_is_the_same_for_the_same_plan_and_names_what_is_wrong_with_another(
    scenario: Scenario, model: CityModel, tmp_path: Path
) -> None:
    plan = with_priority(model, A=ALLOWED)
    one = write_priority(plan, model, scenario, tmp_path / "one.json", ReportQuality(delay_s=20))
    two = write_priority(plan, model, scenario, tmp_path / "two.json", ReportQuality(delay_s=20))
    assert one is not None and two is not None
    assert one.read_bytes() == two.read_bytes()
    control = read_priority(one)
    assert control.reports.delay_s == 20
    assert [junction.tls for junction in control.junctions] == ["A"]
    assert control.bus_load_pax is None, "the scenario's riders are counted"
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(PlanMismatchError, match="no priority control"):
        read_priority(tmp_path / "broken.json")


def test_a_period_of_parts_of_seconds_is_refused(scenario: Scenario, model: CityModel, tmp_path: Path) -> None:
    control = write_priority(with_priority(model, A=ALLOWED), model, scenario, tmp_path / "priority.json")
    with pytest.raises(ScenarioError, match="from whole second to whole second"):
        simulate(scenario, 1, tmp_path / "run", end_s=100.5, priority=control)


def test_a_stage_left_out_or_inserted_for_a_bus_is_shown_by_the_rules(
    scenario: Scenario, model: CityModel, fixed: Run, tmp_path: Path
) -> None:
    junction = model.network.junction("A")
    stages = tuple(stage.model_copy(update={"skippable": True}) for stage in junction.running.stages)
    skippable = junction.running.model_copy(update={"stages": stages})
    groups = frozenset(group.id for group in junction.groups)
    bare = Priority(lines=LINES)
    detours = detour_candidates(junction, skippable, groups, bare, most_insertion_s=20.0)
    assert detours
    detoured = skippable.model_copy(update={"priority": bare.model_copy(update={"detours": detours})})
    plan = NetworkPlan(network_hash=model.network.network_hash, profile="", controllers=(detoured,))
    run = run_plan(scenario, model, plan, tmp_path)
    given = (run.folder / GRANTED).read_text().splitlines()[1:]
    assert {row.split(",")[1] for row in given} & {"skip", "insertion"}
    assert run.tls_states is not None and fixed.tls_states is not None
    shown, planned = recorded_states(run.tls_states)["A"], recorded_states(fixed.tls_states)["A"]
    assert (shown.times_s, shown.states) != (planned.times_s, planned.states)
    for name, log in signal_logs(run.tls_states, model.bindings).items():
        assert check_log(log, model.network.junction(name).running) == ()
