"""A controller with priority serves buses within its plan's rules, and finds the way back to its offset."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junctions import JUNCTIONS, four_arm, valid_plans
from prioritised_runs import bus, coming, ends_of_green, run, starts_of_green
from signal_logs import log_of_seconds

from optimiser.active_priority import Arrival
from optimiser.elastic_cycle import ElasticCycle, elastic_cycle, next_position, planned_position
from optimiser.errors import PriorityError
from optimiser.safety import check_log
from optimiser.signals import (
    Conflict,
    ControllerPlan,
    GreenInterval,
    GroupLimits,
    Offset,
    Priority,
    SignalGroup,
    Stage,
    StageWindow,
)

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
    seconds = [state.at.second for state in states]
    assert check_log(log_of_seconds(plan, seconds), plan) == ()
    assert all(_follows(cycle, *pair) for pair in pairwise(seconds)), "only elastic parts are repeated or left out"
    assert all(-early_s <= state.at.late_s <= extension_s for state in states)


def _follows(cycle: ElasticCycle, second: int, after: int) -> bool:
    number = cycle.stage_at(second)
    if after == (second + 1) % cycle.cycle_s:
        return True
    return number is not None and after in (second, cycle.stages[number].end_s % cycle.cycle_s)


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


@pytest.fixture(scope="module")
def cycle() -> ElasticCycle:
    """Four stages: north and south until 24 s, their left turns 32 to 42, east and west 48 to 68, theirs 76 to 86; the
    cycle is 92 s."""
    return elastic_cycle(four_arm().running)


def test_a_green_is_extended_until_the_bus_is_through_and_no_longer(cycle: ElasticCycle) -> None:
    states = run(cycle, PRIORITY, coming(("north_through", 28), until_s=29), 4 * 92)
    assert ends_of_green(cycle, states, "north_through")[0] == 28
    assert max(state.at.late_s for state in states) == 4


def test_a_bus_too_late_for_the_extension_gets_none_but_an_early_green(cycle: ElasticCycle) -> None:
    states = run(cycle, PRIORITY, coming(("north_through", 35), until_s=100), 4 * 92)
    assert ends_of_green(cycle, states, "north_through")[0] == 24
    planned = starts_of_green(cycle, run(cycle, PRIORITY, {}, 2 * 92), "north_through")[0]
    assert starts_of_green(cycle, states, "north_through")[0] == planned - 10


def test_an_early_green_is_made_of_all_stages_before_it(cycle: ElasticCycle) -> None:
    known = coming(("west_left", 40), until_s=70)
    states = run(cycle, PRIORITY, known, 4 * 92)
    assert starts_of_green(cycle, states, "west_left")[0] == 76 - 10
    shorter = states[66].at.changes_s
    assert sum(shorter) == -10
    assert all(-spare_s <= change_s < 0 for change_s, spare_s in zip(shorter[1:], cycle.spare_s[:3], strict=True))


def test_a_bus_that_is_due_after_its_green_starts_brings_it_forward_by_nothing(cycle: ElasticCycle) -> None:
    states = run(cycle, PRIORITY, coming(("west_left", 77), until_s=78), 2 * 92)
    assert [state.at.late_s for state in states] == [0] * len(states)


@pytest.mark.parametrize("comes", [("north_through", 30), ("west_left", 45), ("west_through", 20)])
def test_a_controller_is_back_in_its_offset_within_the_recovery_cycles(
    cycle: ElasticCycle, comes: tuple[str, int]
) -> None:
    states = run(cycle, PRIORITY, coming(comes, until_s=80), 6 * 92)
    away = [s for s, state in enumerate(states) if state.at.late_s]
    assert away, "the bus changed something"
    assert away[-1] - away[0] <= (PRIORITY.recovery_cycles + 1) * 92
    assert states[-1].at.second == planned_position(cycle, len(states) - 1).second


@given(st.sampled_from(sorted(JUNCTIONS)), st.data())
def test_after_any_buses_the_way_back_takes_no_longer_than_the_recovery_cycles(name: str, data: st.DataObject) -> None:
    plan = JUNCTIONS[name]().running
    cycle = elastic_cycle(plan)
    times = data.draw(st.lists(st.integers(0, 2 * cycle.cycle_s), max_size=8, unique=True))
    known = {time_s: data.draw(arrivals(plan)) for time_s in times}
    known[2 * cycle.cycle_s] = []
    recovery_cycles = data.draw(st.integers(1, 3))
    priority = Priority(max_extension_s=8, max_early_green_s=8, recovery_cycles=recovery_cycles, lines=("7",))
    # The stage that runs when the last bus is through may still end late; from its end on the cycles count.
    back_s = (2 + 1 + recovery_cycles) * cycle.cycle_s + 8
    states = run(cycle, priority, known, back_s + cycle.cycle_s)
    assert all(state.at.late_s == 0 for state in states[back_s:])


def test_the_fuller_bus_counts_first(cycle: ElasticCycle) -> None:
    def ends(north_pax: float, west_pax: float) -> int:
        known = {
            s: [bus("north_through", 23 - s, load_pax=north_pax), bus("west_left", 10 - s, load_pax=west_pax)]
            for s in range(24)
        }
        return ends_of_green(cycle, run(cycle, PRIORITY, known, 92), "north_through")[0]

    assert ends(north_pax=40, west_pax=20) == 23
    assert ends(north_pax=20, west_pax=40) < 23


def test_nothing_is_done_for_a_group_that_is_never_green_or_with_no_allowance(cycle: ElasticCycle) -> None:
    known = coming(("north_through", 28), ("unknown", 3), until_s=60)
    states = run(cycle, Priority(lines=("7",)), known, 2 * 92)
    assert all(state.at.late_s == 0 for state in states)


def test_a_plan_without_stages_or_with_parts_of_seconds_cannot_run_priority() -> None:
    plan = four_arm().running
    with pytest.raises(PriorityError, match="names no stages"):
        elastic_cycle(plan.model_copy(update={"windows": ()}))
    with pytest.raises(PriorityError, match="counts whole seconds"):
        elastic_cycle(plan.model_copy(update={"cycle_s": 92.5}))


def test_a_cycle_is_never_longer_than_the_plans_longest() -> None:
    """Whichever stage it is counted from, and whichever stages give the seconds."""
    cycle = elastic_cycle(four_arm().running.model_copy(update={"max_cycle_s": 97.0}))
    count = len(cycle.stages)
    for first in range(count):
        planned = (0,) * count
        assert cycle.range_of(first, planned).most_s == 5
        assert cycle.range_of((first + 1) % count, (*planned[1:], 3)).most_s == 2
        assert cycle.range_of((first + count - 1) % count, (*planned[:1], 5, *planned[2:])).most_s == 0
        assert cycle.range_of(first, (5, *planned[1:])).most_s == 5, "a cycle ago it does not count"


def test_conflicting_greens_that_a_plan_has_already_are_not_made_longer() -> None:
    def green(start_s: float, end_s: float) -> tuple[GreenInterval, ...]:
        return (GreenInterval(start_s=start_s, end_s=end_s),)

    plan = ControllerPlan(
        junction="j",
        network_hash="0" * 32,
        cycle_s=60,
        offset=Offset(),
        groups=(SignalGroup(id="a"), SignalGroup(id="b")),
        greens={"a": green(0, 27), "b": green(20, 50)},
        stages=(Stage(id="both", greens={}),),
        windows=(StageWindow(stage="both", start_s=20, end_s=27),),
        conflicts=(Conflict(first="a", second="b"),),
    )
    (stage,) = elastic_cycle(plan).stages
    assert stage.most_s == 0


def test_no_green_is_extended_that_the_stages_could_not_give_back() -> None:
    plan = four_arm().running
    longest = {g.id: g.model_copy(update={"min_green_s": _green_s(plan, g.id)}) for g in plan.groups}
    at_their_least = plan.model_copy(update={"groups": tuple(longest.values())})
    cycle = elastic_cycle(at_their_least)
    assert not any(cycle.spare_s)
    states = run(cycle, PRIORITY, coming(("north_through", 28), until_s=60), 3 * 92)
    assert all(state.at.late_s == 0 for state in states)


def _green_s(plan: ControllerPlan, group: str) -> float:
    return min((i.end_s - i.start_s) % plan.cycle_s or plan.cycle_s for i in plan.greens[group])
