"""A day of plans in SUMO: the switches happen, nothing unsafe is ever shown, and each plan ends up in step."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optimiser.demand import Demand
from optimiser.evaluation import demands_of
from optimiser.offered import running_durations_s
from optimiser.rules import Rules
from optimiser.safety import check_log
from optimiser.signals import ControllerPlan, NetworkPlan
from optimiser.timeline import controller_plan, sequence_start_s
from optimiser.transition_costs import NO_TRANSITION, network_transition, plans_of
from optimiser.transition_cycles import Method
from sumo_networks.bindings import CityModel
from sumo_networks.day_programs import DayPeriod, write_day_programs
from sumo_networks.day_proof import prove_changes
from sumo_networks.errors import PlanMismatchError, SimulationError
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.recorded_states import recorded_states, signal_logs
from sumo_networks.scenario import Scenario
from sumo_networks.signal_states import signal_states
from sumo_networks.simulate import simulate

SWITCHES_S = (150.0, 620.0)
END_S = 1200.0


@pytest.fixture(scope="module")
def town(grid_scenario: Scenario) -> CityModel:
    return read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped"))


def day_of(town: CityModel, method: Method) -> tuple[DayPeriod, ...]:
    """The running plan, a longer one with other offsets for five minutes, and the running one again."""
    network = town.network
    longer = tuple(
        controller_plan(
            junction,
            junction.sequences[0],
            tuple(d + (12.0 if i == 0 else 3.0) for i, d in enumerate(running_durations_s(junction))),
            23.0 + 31.0 * number,
        )
        for number, junction in enumerate(network.junctions)
    )
    quiet = NetworkPlan(network_hash=network.network_hash, profile="", controllers=())
    busy = quiet.model_copy(update={"controllers": longer})
    demands = demands_of(network, Demand(begin_s=0, end_s=900, turning_flows=()), Rules())
    into = network_transition(network, quiet, busy, SWITCHES_S[0], demands, 0.0, method)
    out = network_transition(network, busy, quiet, SWITCHES_S[1], demands, 0.0, method)
    return (DayPeriod(quiet, NO_TRANSITION), DayPeriod(busy, into), DayPeriod(quiet, out))


def state_at(plan: ControllerPlan, town: CityModel, time_s: float) -> str:
    """What a plan shows at a second."""
    second = (time_s - sequence_start_s(plan)) % plan.cycle_s
    for length_s, state in signal_states(plan, town.bindings[plan.junction]):
        if second < length_s:
            return state
        second -= length_s
    raise AssertionError("the second lies beyond the cycle")


def test_a_day_with_switches_runs_with_traffic_and_no_state_breaks_a_rule(
    town: CityModel, grid_scenario: Scenario, tmp_path: Path
) -> None:
    day = day_of(town, "shortest_way")
    programs = tmp_path / "day.add.xml"
    write_day_programs(town.network, town.bindings, day, programs, 0.0)
    run = simulate(replace(grid_scenario, end_s=END_S), 1, tmp_path / "run", plan=programs)
    assert run.tls_states is not None
    quiet, busy = (plans_of(town.network, day[i].plan) for i in (0, 1))
    for junction, log in signal_logs(run.tls_states, town.bindings).items():
        assert check_log(log, busy[junction]) == ()
    for junction, record in recorded_states(run.tls_states).items():
        assert len(record.programs) == 4 and record.programs[0] != record.programs[2]
        into, out = (next(c for c in period.begins_with.changes if c.junction == junction) for period in day[1:])
        shown = dict(zip(record.times_s, record.states, strict=True))
        for time_s, state in shown.items():
            if time_s < into.leaves_s or time_s >= out.in_step_s:
                assert state == state_at(quiet[junction], town, time_s)
            elif into.in_step_s <= time_s < out.leaves_s:
                assert state == state_at(busy[junction], town, time_s)
        assert any(into.in_step_s <= time_s < out.leaves_s for time_s in shown)
        assert any(time_s >= out.in_step_s for time_s in shown)


def test_every_change_is_proved_in_a_run_of_its_own(town: CityModel, grid_scenario: Scenario, tmp_path: Path) -> None:
    proofs = prove_changes(grid_scenario, town, day_of(town, "shortest_way"), tmp_path)
    assert [proof.junctions for proof in proofs] == [2, 2]
    assert all(proof.findings == () for proof in proofs)
    assert all(proof.begin_s < at_s < proof.end_s for proof, at_s in zip(proofs, SWITCHES_S, strict=True))


def test_a_switch_that_jumps_is_found_unsafe(
    town: CityModel, grid_scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof can fail: the same day with the transitions taken out of the WAUTs."""

    changed: list[Path] = []

    def jumping(*given: Any) -> None:
        write_day_programs(*given)
        path = given[3]
        assert isinstance(path, Path)
        if changed:
            return
        changed.append(path)
        tree = ET.parse(path)
        for waut in tree.iter("WAUT"):
            bridged, after, *_ = waut.findall("wautSwitch")
            waut.remove(after)
            bridged.set("to", after.get("to", ""))
            bridged.set("time", "171")
        tree.write(path)

    monkeypatch.setattr("sumo_networks.day_proof.write_day_programs", jumping)
    proof, *_ = prove_changes(grid_scenario, town, day_of(town, "shortest_way"), tmp_path)
    assert proof.findings


def test_a_change_that_sumo_never_shows_is_no_proof(
    town: CityModel, grid_scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_switches(*given: Any) -> None:
        write_day_programs(*given)
        path = given[3]
        assert isinstance(path, Path)
        tree = ET.parse(path)
        for waut in tree.iter("WAUT"):
            for switch in waut.findall("wautSwitch"):
                waut.remove(switch)
        tree.write(path)

    monkeypatch.setattr("sumo_networks.day_proof.write_day_programs", without_switches)
    with pytest.raises(SimulationError, match="SUMO did not show the plan that is to run then"):
        prove_changes(grid_scenario, town, day_of(town, "shortest_way"), tmp_path)


def test_a_change_that_is_not_over_when_the_next_begins_is_no_day(town: CityModel, tmp_path: Path) -> None:
    quiet, busy, back = day_of(town, "shortest_way")
    soon = replace(
        back.begins_with,
        changes=tuple(
            replace(change, leaves_s=change.leaves_s - 420, in_step_s=change.in_step_s - 420)
            for change in back.begins_with.changes
        ),
    )
    day = [quiet, busy, replace(back, begins_with=soon)]
    with pytest.raises(PlanMismatchError, match="a change of plan is not over when the next begins"):
        write_day_programs(town.network, town.bindings, day, tmp_path / "day.add.xml", 0.0)


def test_a_junction_that_keeps_its_program_all_day_is_not_written(town: CityModel, tmp_path: Path) -> None:
    kept = NetworkPlan(network_hash=town.network.network_hash, profile="", controllers=())
    write_day_programs(town.network, town.bindings, [DayPeriod(kept, NO_TRANSITION)], tmp_path / "day.add.xml", 0.0)
    assert "tlLogic" not in (tmp_path / "day.add.xml").read_text()


def test_one_plan_all_day_is_one_program_without_a_switch(
    town: CityModel, grid_scenario: Scenario, tmp_path: Path
) -> None:
    _, busy, _ = day_of(town, "shortest_way")
    programs = tmp_path / "day.add.xml"
    write_day_programs(town.network, town.bindings, [replace(busy, begins_with=NO_TRANSITION)], programs, 0.0)
    assert "WAUT" not in programs.read_text()
    run = simulate(replace(grid_scenario, routes=(), end_s=240.0), 1, tmp_path / "run", plan=programs)
    assert run.tls_states is not None
    plans = plans_of(town.network, busy.plan)
    for junction, record in recorded_states(run.tls_states).items():
        for time_s, state in zip(record.times_s, record.states, strict=True):
            assert state == state_at(plans[junction], town, time_s)


def test_a_day_joined_midway_begins_with_the_program_of_that_moment(
    town: CityModel, grid_scenario: Scenario, tmp_path: Path
) -> None:
    day = day_of(town, "shortest_way")
    begin_s = max(change.in_step_s for change in day[1].begins_with.changes) + 120.0
    programs = tmp_path / "day.add.xml"
    write_day_programs(town.network, town.bindings, day, programs, begin_s)
    empty = replace(grid_scenario, routes=(), begin_s=begin_s, end_s=begin_s + 60)
    run = simulate(empty, 1, tmp_path / "run", plan=programs)
    assert run.tls_states is not None
    plans = plans_of(town.network, day[1].plan)
    for junction, record in recorded_states(run.tls_states).items():
        for time_s, state in zip(record.times_s, record.states, strict=True):
            assert state == state_at(plans[junction], town, time_s)
