"""When a plan is searched for a second time: with stages that wait until turners within the junction have left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import api.search
from api.city import read_city
from api.run import RunResult
from api.run_options import RunOptions
from api.search import WHY_AGAIN, PlanFound, find_plan
from api.step_clock import StepClock
from optimiser.coordination import optimise
from optimiser.demand import Demand
from optimiser.result import OptimisationResult
from optimiser.rules import Rules
from optimiser.sequences import stage_orders
from optimiser.signals import Junction, Network, NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.journal import Journal
from sumo_networks.polish import Polished
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.stress import Fallen
from sumo_networks.sumo_xml import elements

ARROW_S = 6
FALLEN = Fallen("milp 1", 1.0, 4, 600.0, 30.0, 36.0)


@pytest.fixture(scope="module")
def with_arrows(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """The town with an arrow for those who turn left after each green: they share the one lane of their road."""
    lines = ["<additional>", '<tlLogic id="C" type="static" programID="arrows" offset="0">']
    for phase in next(iter(elements(town.parent / "town.net.xml", "tlLogic"))).iter("phase"):
        state = phase.get("state", "")
        if "y" in state:
            continue
        ends = state.replace("G", "y")
        arrow = state.replace("G", "r").replace("g", "G")
        for shown_s, letters in ((30, state), (3, ends), (ARROW_S, arrow), (3, arrow.replace("G", "y"))):
            lines.append(f'<phase duration="{shown_s}" state="{letters}"/>')
    program = tmp_path_factory.mktemp("arrows") / "arrows.add.xml"
    program.write_text("\n".join([*lines, "</tlLogic>", "</additional>"]))
    scenario = load_scenario(town)
    return replace(scenario, additionals=(*scenario.additionals, program))


@dataclass
class Searches:
    """Searches that end as told, on the networks that they were given."""

    result: OptimisationResult
    ends: list[Polished]
    networks: list[Network] = field(default_factory=list)

    def search(self, scenario: Scenario, model: CityModel, *_: object) -> PlanFound:
        self.networks.append(model.network)
        return PlanFound(model, self.result, self.result, self.ends[len(self.networks) - 1])


def searched(searches: Searches, scenario: Scenario, patched: pytest.MonkeyPatch, folder: Path) -> PlanFound:
    patched.setattr(api.search, "_search", searches.search)
    demand = Demand(begin_s=0.0, end_s=3600.0, turning_flows=())
    model = read_city(scenario, Rules())
    return find_plan(scenario, model, demand, RunOptions(), folder, StepClock(None), Journal())


def end(score: float, *fallen: Fallen) -> Polished:
    plan = NetworkPlan(network_hash="", profile="shipped", controllers=())
    return Polished(plan=plan, score=score, start="running", steps=(), runs=10, seeds=(1000,), fallen=fallen)


@pytest.fixture(scope="module")
def result(town: Path, town_run: RunResult) -> OptimisationResult:
    demand = Demand.model_validate_json((town_run.folder / "demand.json").read_text())
    return optimise(read_city(load_scenario(town), Rules()).network, demand, Rules())


def test_stages_wait_in_a_second_search_where_traffic_locks_up_under_all_that_was_better(
    with_arrows: Scenario, result: OptimisationResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    searches = Searches(result, [end(1.0, FALLEN), end(0.9, FALLEN)])
    told = searched(searches, with_arrows, monkeypatch, tmp_path)
    first, second = (network.junction("C") for network in searches.networks)
    assert not first.turners_leave and second.turners_leave
    assert shortest_change_s(second) > shortest_change_s(first)
    assert (told.polished.score, told.polished.runs, told.polished.fallen) == (0.9, 20, (FALLEN, FALLEN))
    assert WHY_AGAIN in told.result.notes and WHY_AGAIN not in told.first.notes
    assert told.model.network == searches.networks[1]


@pytest.mark.parametrize("second", [end(1.0, FALLEN), end(1.0), end(1.02), replace(end(0.9, FALLEN), held=False)])
def test_the_first_search_stands_where_the_second_finds_nothing_better_either_and_both_are_told(
    second: Polished,
    with_arrows: Scenario,
    result: OptimisationResult,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    searches = Searches(result, [end(1.0, FALLEN), second])
    told = searched(searches, with_arrows, monkeypatch, tmp_path)
    assert len(searches.networks) == 2 and told.model.network == searches.networks[0]
    assert told.result == told.first == result
    assert (told.polished.score, told.polished.runs) == (1.0, 20)
    assert told.polished.fallen == (FALLEN, *second.fallen)


@pytest.mark.parametrize("first", [end(0.9, FALLEN), end(1.0), end(0.9)])
def test_there_is_one_search_where_it_found_something_or_nothing_fell(
    first: Polished,
    with_arrows: Scenario,
    result: OptimisationResult,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    searches = Searches(result, [first])
    told = searched(searches, with_arrows, monkeypatch, tmp_path)
    assert told[1:] == (result, result, first) and searches.networks == [told.model.network]


def test_there_is_one_search_where_no_turners_have_an_arrow(
    town: Path, result: OptimisationResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    searches = Searches(result, [end(1.0, FALLEN)])
    searched(searches, load_scenario(town), monkeypatch, tmp_path)
    assert len(searches.networks) == 1


def shortest_change_s(junction: Junction) -> float:
    """All interstages of the order that has the least of them."""
    return min(sum(change.duration_s for change in order.interstages) for order in stage_orders(junction))
