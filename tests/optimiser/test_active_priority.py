"""A controller with priority serves buses within its plan's rules, and finds the way back to its offset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from junctions import valid_plans
from signal_logs import log_of_seconds

from optimiser.active_priority import Arrival, PriorityState, decide, step
from optimiser.elastic_cycle import ElasticCycle, elastic_cycle, next_position, planned_position
from optimiser.safety import check_log
from optimiser.signals import ControllerPlan, GroupLimits, Priority

PRIORITY = Priority(max_extension_s=10, max_early_green_s=10, recovery_cycles=2, lines=("7",))


@st.composite
def tight_plans(draw: st.DrawFn) -> ControllerPlan:
    """Valid plans, with limits on reds and greens a little over what the plan shows."""
    plan = draw(valid_plans())
    limits = {}
    for group in plan.groups:
        greens = plan.greens[group.id]
        if len(greens) == 1 and (greens[0].start_s, greens[0].end_s) != (0, plan.cycle_s):
            green_s = (greens[0].end_s - greens[0].start_s) % plan.cycle_s
            more_s = draw(st.integers(0, 8))
            red_s = plan.cycle_s - green_s
            limits[group.id] = GroupLimits(max_green_s=green_s + more_s, max_red_s=red_s + draw(st.integers(0, 8)))
    return plan.model_copy(update={"limits": limits if draw(st.booleans()) else {}})


def run(
    cycle: ElasticCycle, priority: Priority, arrivals_at: dict[int, list[Arrival]], length_s: int
) -> list[PriorityState]:
    """States second by second; arrivals are known from their second on until the next are."""
    states = [PriorityState(planned_position(cycle, 0))]
    known: list[Arrival] = []
    for time_s in range(length_s - 1):
        known = arrivals_at.get(time_s, known)
        states.append(step(cycle, priority, states[-1], decide(cycle, priority, states[-1], known)))
    return states


@st.composite
def arrivals(draw: st.DrawFn, plan: ControllerPlan) -> list[Arrival]:
    found = []
    for _ in range(draw(st.integers(0, 3))):
        expected_s, spread_s = draw(st.integers(0, 40)), draw(st.integers(0, 8))
        group = draw(st.sampled_from([group.id for group in plan.groups]))
        load_pax = float(draw(st.integers(0, 60)))
        found.append(Arrival(group, max(0, expected_s - spread_s), expected_s, expected_s + spread_s, load_pax))
    return found


@given(tight_plans(), st.data())
def test_whatever_buses_come_the_checker_finds_nothing(plan: ControllerPlan, data: st.DataObject) -> None:
    cycle = elastic_cycle(plan)
    length_s = 6 * cycle.cycle_s
    times = data.draw(st.lists(st.integers(0, length_s), max_size=12, unique=True))
    known = {time_s: data.draw(arrivals(plan)) for time_s in times}
    extension_s, early_s = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 30))
    priority = Priority(max_extension_s=extension_s, max_early_green_s=early_s, lines=("7",))
    states = run(cycle, priority, known, length_s)
    assert check_log(log_of_seconds(plan, [state.at.second for state in states]), plan) == ()
    assert all(-early_s <= state.at.late_s <= extension_s for state in states)


@given(tight_plans(), st.data())
def test_whatever_changes_are_asked_for_the_checker_finds_nothing(plan: ControllerPlan, data: st.DataObject) -> None:
    cycle = elastic_cycle(plan)
    at = planned_position(cycle, 0)
    seconds = [at.second]
    for change_s in data.draw(st.lists(st.integers(-60, 60), min_size=8, max_size=40)):
        while cycle.stage_at(at.second) is None:
            at = next_position(cycle, at)
            seconds.append(at.second)
        before = at
        while at.shown_s >= before.shown_s:
            before, at = at, next_position(cycle, at, change_s)
            seconds.append(at.second)
            if at.shown_s == 1:
                break
    assert check_log(log_of_seconds(plan, seconds), plan) == ()


@given(valid_plans(), st.integers(0, 500))
def test_without_a_bus_the_plan_runs_in_its_offset(plan: ControllerPlan, from_s: int) -> None:
    cycle = elastic_cycle(plan)
    at = planned_position(cycle, from_s)
    for time_s in range(from_s, from_s + 2 * cycle.cycle_s):
        assert at == planned_position(cycle, time_s)
        at = next_position(cycle, at)
