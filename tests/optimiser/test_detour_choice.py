"""Which detours a plan offers buses: those that the rules allow and that save more than they cost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from junctions import four_arm
from prioritised_runs import bus
from test_detours import LINES, offering, run, taken
from test_priority_model import demand, network

from optimiser.active_detours import WayState, shown
from optimiser.bus_priority import PrioritisedPlan, with_priority
from optimiser.detour_ways import ways
from optimiser.formulation.priority import choose
from optimiser.formulation.priority_events import BusLine, PriorityCase, detoured
from optimiser.rule_tables import JunctionRules, PriorityRules
from optimiser.rules import Rules
from optimiser.safety import check_plan
from optimiser.signals import ControllerPlan, NetworkPlan, Priority

LINE = BusLine("7", "west_through", 10.0, 30.0)


def plan_for(group: str, number: int) -> ControllerPlan:
    """The running plan of the four-arm junction with one of the detours for buses of a group."""
    junction = four_arm()
    plan = offering(junction, junction.running, frozenset({group}), Priority(lines=LINES))
    one = (plan.priority.detours[number],)
    return plan.model_copy(update={"priority": plan.priority.model_copy(update={"detours": one})})


def squared_reds(plan: ControllerPlan, states: Sequence[WayState], group: str) -> int:
    """Sum of the squares of whole reds."""
    cycles = ways(plan)
    green = [second in seconds[group] for seconds, second in (shown(cycles, state) for state in states)]
    ends = [s for s in range(1, len(green)) if green[s - 1] and not green[s]]
    starts = [s for s in range(1, len(green)) if green[s] and not green[s - 1]]
    return sum((next(s for s in starts if s > end) - end) ** 2 for end in ends if any(s > end for s in starts))


@pytest.mark.parametrize("bus_group", ["west_through", "north_left"])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("other", ["north_through", "north_left", "west_left", "north_walk"])
def test_the_loss_of_others_is_websters_over_the_reds_that_the_controller_shows(
    bus_group: str, number: int, other: str
) -> None:
    plan = plan_for(bus_group, number)
    cycles = ways(plan)
    way = cycles.detours[0]
    case = PriorityCase(cycles.planned, {other: 3600.0}, (), (LINE,), 2, 0.95, ways=cycles.detours)
    effect = detoured(case, 0, [bus_group])[bus_group]
    at_s = 92 + cycles.planned.stages[way.leaves].end_s - 1
    states = run(plan, {s: [bus(bus_group, at_s - s)] for s in range(at_s - 10, at_s + 3)} | {at_s + 3: []}, 9 * 92)
    assert len(taken(states)) == 1
    assert states[-1].state.at.late_s == 0
    # One person a second: half the squares.
    loss_s = (squared_reds(plan, states, other) - squared_reds(plan, run(plan, {}, 9 * 92), other)) / 2
    assert effect.loss_s == pytest.approx(loss_s)


@pytest.mark.parametrize(("bus_group", "number"), [("west_through", 0), ("west_through", 2), ("north_left", 2)])
def test_what_buses_save_is_nearly_what_the_controller_gives_them(bus_group: str, number: int) -> None:
    plan = plan_for(bus_group, number)
    cycles = ways(plan)
    cycle_s, planned = cycles.planned.cycle_s, cycles.planned.green[bus_group]
    case = PriorityCase(cycles.planned, {}, (), (LINE,), 2, 0.95, ways=cycles.detours)
    effect = detoured(case, 0, [bus_group])[bus_group]
    saved_s, promised_s = 0, 0
    for second in (second for second in range(0, cycle_s, 3) if second not in planned):
        at_s = 2 * cycle_s + second
        states = run(plan, {s: [bus(bus_group, at_s - s)] for s in range(at_s - 60, at_s + 130)}, 4 * cycle_s + 100)
        green = [now in seconds[bus_group] for seconds, now in (shown(cycles, state) for state in states)]
        wait_s = next(k for k in range(2 * cycle_s) if (second + k) % cycle_s in planned)
        saved_s += wait_s - next(k for k in range(2 * cycle_s) if green[at_s + k])
        promised_s += effect.saved_s.get(second, 0)
    assert 0 < saved_s <= promised_s <= 1.2 * saved_s


def test_a_detour_is_chosen_where_nobody_loses_and_not_where_many_do() -> None:
    cycles = ways(plan_for("west_through", 0))

    def chosen(left_pax_h: float) -> tuple[int, ...]:
        case = PriorityCase(cycles.planned, {"north_left": left_pax_h}, (), (LINE,), 2, 0.95, ways=cycles.detours)
        return choose(case, 5, 5).detours

    assert chosen(left_pax_h=0.0) == (0,)
    assert chosen(left_pax_h=50_000.0) == ()


def prioritised(priority: PriorityRules, junction: JunctionRules, load_pax: float = 80.0) -> PrioritisedPlan:
    rules = Rules(priority=priority, junctions={"four_arm": junction})
    city = rules.apply(network(four_arm()))
    plan = NetworkPlan(network_hash=city.network_hash, profile="", controllers=(city.junctions[0].running,))
    return with_priority(city, demand(load_pax), plan, rules)


def test_stages_are_skipped_where_the_rules_name_them_alone() -> None:
    limits = PriorityRules(max_extension_s=0, max_early_green_s=0)
    skippable = JunctionRules(skippable_stages=("stage4",))
    assert prioritised(limits, JunctionRules(), load_pax=160.0).plan.controllers[0].priority == Priority()
    assert prioritised(limits, skippable, load_pax=40.0).plan.controllers[0].priority == Priority()
    found = prioritised(limits, skippable, load_pax=160.0)
    skips = found.plan.controllers[0].priority.detours
    assert [(detour.leaves, detour.joins, detour.stages) for detour in skips] == [(2, 0, ())]
    assert found.junctions[0].detours == skips
    assert check_plan(found.plan.controllers[0]) == ()


def test_a_stage_is_inserted_for_as_long_as_the_rules_allow_and_after_no_forbidden_one() -> None:
    none = prioritised(PriorityRules(max_insertion_s=3), JunctionRules()).plan.controllers[0]
    assert none.priority.detours == ()
    found = prioritised(PriorityRules(max_insertion_s=20), JunctionRules()).plan.controllers[0]
    assert found.priority.detours
    assert all(seconds <= 20 for detour in found.priority.detours for _, seconds in detour.stages)
    assert check_plan(found) == ()
    led = {(c.from_stage, c.to_stage) for d in found.priority.detours for c in d.interstages}
    running = {(c.from_stage, c.to_stage) for c in four_arm().sequences[0].interstages}
    rules = JunctionRules(forbidden_sequences=tuple(sorted(led - running)))
    assert prioritised(PriorityRules(max_insertion_s=20), rules).plan.controllers[0].priority.detours == ()
