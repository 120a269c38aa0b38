"""Limits and lines of bus priority are those of greatest net saving, and leave others the capacity they need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from junctions import four_arm
from prioritised_runs import coming, ends_of_green, run, starts_of_green

from optimiser.active_priority import PriorityState, active
from optimiser.bus_priority import PrioritisedPlan, with_priority
from optimiser.demand import BusFlow, Demand, TurningFlow
from optimiser.elastic_cycle import ElasticCycle, elastic_cycle
from optimiser.errors import RulesError
from optimiser.formulation.priority import NONE, choose, events
from optimiser.formulation.priority_events import BusLine, Detection, MovementLoad, PriorityCase
from optimiser.rule_tables import JunctionRules, PriorityRules
from optimiser.rules import Rules, load_rules
from optimiser.signals import Junction, Network, NetworkPlan, Priority

MAIN, CROSS = "north_through", "west_through"
LINE = BusLine("7", MAIN, 10.0, 30.0)


@pytest.fixture(scope="module")
def cycle() -> ElasticCycle:
    return elastic_cycle(four_arm().running)


def case(cycle: ElasticCycle, cross_pax_h: float = 0.0, *lines: BusLine) -> PriorityCase:
    return PriorityCase(cycle, {CROSS: cross_pax_h}, (), lines or (LINE,), recovery_cycles=2, most_saturated=0.95)


def test_a_bus_whose_green_lasts_saves_what_it_would_have_waited(cycle: ElasticCycle) -> None:
    sure = replace(case(cycle), detection=Detection(margin_s=0, passes=1.0))
    red_s = cycle.cycle_s - len(cycle.green[MAIN])
    # Of every cycle's seconds one more lets a bus through that would have waited for the whole red.
    assert choose(sure, 1, 0).saved_s == pytest.approx(10 * 30 * red_s / cycle.cycle_s)
    early = choose(sure, 0, 5)
    waits = [min(5, until_s) for until_s in range(1, red_s + 1)]
    assert early.saved_s == pytest.approx(10 * 30 * sum(waits) / cycle.cycle_s)


def test_with_nobody_else_there_everything_allowed_is_given(cycle: ElasticCycle) -> None:
    found = choose(case(cycle), 12, 12)
    assert (found.max_extension_s, found.max_early_green_s, found.lines) == (12, 12, ("7",))
    assert found.lost_s == 0


def test_an_empty_bus_on_a_side_street_is_not_worth_the_delay_of_the_main_road(cycle: ElasticCycle) -> None:
    crowded = choose(case(cycle, 4000.0), 12, 12)
    empty = choose(case(cycle, 4000.0, replace(LINE, persons=0.5)), 12, 12)
    assert empty == NONE
    assert 0 < crowded.lost_s < crowded.saved_s


def test_more_people_on_the_cross_street_never_get_a_bus_more_priority(cycle: ElasticCycle) -> None:
    nets = [choose(case(cycle, pax_h), 12, 12) for pax_h in (0.0, 1000.0, 4000.0, 20_000.0)]
    given = [found.max_extension_s + found.max_early_green_s for found in nets]
    assert given == sorted(given, reverse=True)
    assert given[0] > given[-1]


def test_lines_that_cost_more_than_they_save_are_left_out(cycle: ElasticCycle) -> None:
    empty = BusLine("8", MAIN, 10.0, 0.1)
    found = choose(case(cycle, 3000.0, LINE, empty), 12, 12)
    assert found.lines == ("7",)


def test_the_choice_is_the_best_of_all_limits(cycle: ElasticCycle) -> None:
    crowded = case(cycle, 3000.0, LINE, BusLine("9", CROSS, 4.0, 10.0))
    best = choose(crowded, 8, 8)
    for extension_s in range(9):
        for early_green_s in range(9):
            less = choose(crowded, extension_s, early_green_s)
            assert less.saved_s - less.lost_s <= best.saved_s - best.lost_s + 1e-6


def squared_reds(cycle: ElasticCycle, states: list[PriorityState], group: str) -> int:
    """Sum of the squares of whole reds."""
    ends, starts = ends_of_green(cycle, states, group), starts_of_green(cycle, states, group)
    return sum((next(s for s in starts if s > end) - end) ** 2 for end in ends if any(s > end for s in starts))


@pytest.mark.parametrize("given_s", [3, 6, 10])
def test_the_loss_of_others_is_websters_over_the_reds_that_the_controller_shows(
    cycle: ElasticCycle, given_s: int
) -> None:
    allowed = Priority(max_extension_s=12, max_early_green_s=12, recovery_cycles=2, lines=("7",))
    effects = events(case(cycle, 3600.0), 12, 12)
    fixed = squared_reds(cycle, run(cycle, allowed, {}, 6 * 92), CROSS)
    for event, known in (
        (effects.extension[MAIN, given_s], coming((MAIN, 92 + 24 + given_s), until_s=92 + 24 + given_s)),
        (effects.early_green[MAIN, given_s], coming((MAIN, 2 * 92 - 1 - given_s), until_s=2 * 92 - 1)),
    ):
        shown = run(cycle, allowed, known, 6 * 92)
        assert event is not None
        assert max(abs(state.at.late_s) for state in shown) == given_s == event.given_s
        # One person a second: half the squares.
        loss_s = (squared_reds(cycle, shown, CROSS) - fixed) / 2
        assert event.loss_s == pytest.approx(loss_s)


@pytest.mark.parametrize(("saturated", "expected"), [(0.5, True), (0.94, False), (1.2, False)])
def test_a_movement_that_loses_green_keeps_its_reserve(cycle: ElasticCycle, saturated: float, expected: bool) -> None:
    loads = (MovementLoad(CROSS, saturated, float(len(cycle.green[CROSS])), 0.0),)
    found = choose(replace(case(cycle), movements=loads), 10, 10)
    assert (found.max_extension_s == 10) is expected


def network(junction: Junction) -> Network:
    return Network(network_hash=junction.running.network_hash, junctions=(junction,), links=())


def demand(load_pax: float = 40.0) -> Demand:
    junction = four_arm()
    flows = tuple(
        TurningFlow(junction=junction.id, movement=movement.id, flow_veh_h=120, served_veh_h=120)
        for movement in junction.movements
    )
    movement = next(movement.id for movement in junction.movements if movement.group == MAIN)
    bus = BusFlow(junction=junction.id, movement=movement, line="7", buses_h=8, headway_s=450, load_pax=load_pax)
    return Demand(begin_s=0, end_s=3600, turning_flows=flows, bus_flows=(bus,))


def prioritised(rules: Rules, load_pax: float = 40.0) -> PrioritisedPlan:
    junction = four_arm()
    plan = NetworkPlan(network_hash=junction.running.network_hash, profile="", controllers=(junction.running,))
    return with_priority(network(junction), demand(load_pax), plan, rules)


def test_a_plan_gets_priority_where_the_rules_ask_for_it_and_is_else_the_same() -> None:
    found = prioritised(Rules(priority=PriorityRules(max_extension_s=8, recovery_cycles=3)))
    priority = found.plan.controllers[0].priority
    assert active(priority)
    assert priority.lines == ("7",)
    assert priority.max_extension_s <= 8
    assert priority.recovery_cycles == 3
    bare = found.plan.controllers[0].model_copy(update={"priority": four_arm().running.priority})
    assert bare == four_arm().running
    assert prioritised(Rules()).plan.controllers[0] == four_arm().running


def test_no_priority_for_empty_buses_nor_where_the_junction_is_left_out() -> None:
    assert not active(prioritised(Rules(priority=PriorityRules()), load_pax=0.0).plan.controllers[0].priority)
    out = Rules(priority=PriorityRules(), junctions={"four_arm": JunctionRules(priority=False)})
    assert not active(prioritised(out).plan.controllers[0].priority)


def test_a_plan_without_stages_gets_a_note_and_no_priority() -> None:
    junction = four_arm()
    bare = junction.running.model_copy(update={"windows": ()})
    plan = NetworkPlan(network_hash=bare.network_hash, profile="", controllers=(bare,))
    found = with_priority(network(junction), demand(), plan, Rules(priority=PriorityRules()))
    assert found.plan == plan
    assert "names no stages" in found.junctions[0].note


def test_a_line_that_does_not_run_is_named_with_the_nearest_that_does() -> None:
    with pytest.raises(RulesError, match=r"priority.lines: there is no bus line '77'; did you mean '7'"):
        prioritised(Rules(priority=PriorityRules(lines=("77",))))


def test_the_rules_file_says_yes_no_or_how_much(tmp_path: Path) -> None:
    def read(text: str) -> PriorityRules | None:
        path = tmp_path / "rules.toml"
        path.write_text(text, encoding="utf-8")
        return load_rules(path).priority

    assert read("") is None
    assert read("priority = false") is None
    assert read("priority = true") == PriorityRules()
    assert read("[priority]\nmax_extension_s = 7\nlines = ['7']") == PriorityRules(max_extension_s=7, lines=("7",))
    with pytest.raises(RulesError, match=r"max_extension: no such rule; did you mean 'max_extension_s'"):
        read("[priority]\nmax_extension = 7")
    with pytest.raises(RulesError, match="priority"):
        read('priority = "yes"')
