"""A controller skips or inserts a stage for a bus within all rules, and the checker knows which detours break one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from junctions import JUNCTIONS, four_arm, random_junctions, shifted
from prioritised_runs import bus
from signal_logs import aspects_by_second
from test_active_priority import arrivals

from optimiser.active_detours import WayState, go_on
from optimiser.active_priority import Arrival, PriorityState
from optimiser.detour_candidates import detour_candidates
from optimiser.detour_ways import back, onto, ways
from optimiser.detours import detour_plan
from optimiser.elastic_cycle import planned_position
from optimiser.errors import PriorityError
from optimiser.safety import AspectChange, SignalLog, check_log, check_plan
from optimiser.safety.findings import Rule
from optimiser.signals import ControllerPlan, Detour, GroupLimits, Interstage, Junction, Priority
from optimiser.timeline import controller_plan

LINES = ("7",)


def skippable(junction: Junction) -> Junction:
    """The junction with every stage skippable."""
    stages = tuple(stage.model_copy(update={"skippable": True}) for stage in junction.stages)
    return junction.model_copy(update={"stages": stages})


def offering(junction: Junction, plan: ControllerPlan, groups: frozenset[str], priority: Priority) -> ControllerPlan:
    """The plan with every detour that may be offered."""
    detours = detour_candidates(skippable(junction), plan, groups, priority, 60.0)
    return plan.model_copy(update={"priority": priority.model_copy(update={"detours": detours})})


@st.composite
def detoured_plans(draw: st.DrawFn) -> ControllerPlan:
    """Valid plans, some with tight limits, with detours for some of their groups."""
    named = st.sampled_from(sorted(JUNCTIONS)).map(lambda name: JUNCTIONS[name]())
    junction = draw(st.one_of(named, random_junctions()))
    lengths_s = [window.end_s - window.start_s for window in junction.running.windows]
    durations_s = tuple(length_s + draw(st.integers(0, 5)) for length_s in lengths_s)
    plan = controller_plan(junction, junction.sequences[0], durations_s, float(draw(st.integers(0, 200))))
    plan = shifted(plan, float(draw(st.integers(0, 60))))
    if draw(st.booleans()):
        most_s = plan.cycle_s + draw(st.integers(0, 150))
        plan = plan.model_copy(update={"limits": {g.id: GroupLimits(max_red_s=most_s) for g in plan.groups}})
    priority = Priority(
        max_extension_s=draw(st.integers(0, 20)), max_early_green_s=draw(st.integers(0, 20)), lines=LINES
    )
    groups = draw(st.sets(st.sampled_from([group.id for group in plan.groups]), min_size=1, max_size=2))
    return offering(junction, plan, frozenset(groups), priority)


def run(plan: ControllerPlan, known: dict[int, list[Arrival]], length_s: int) -> list[WayState]:
    """States second by second; arrivals are known from their second on until the next are."""
    cycles = ways(plan)
    states = [WayState(PriorityState(planned_position(cycles.planned, 0)))]
    coming: list[Arrival] = []
    for time_s in range(length_s - 1):
        coming = known.get(time_s, coming)
        states.append(go_on(cycles, plan.priority, states[-1], coming))
    return states


def log_of_states(plan: ControllerPlan, states: Sequence[WayState]) -> SignalLog:
    """What a controller shows that goes through these states."""
    shown = {None: aspects_by_second(plan)}
    shown |= {n: aspects_by_second(detour_plan(plan, detour)) for n, detour in enumerate(plan.priority.detours)}
    entries = [
        AspectChange(float(time_s), group.id, shown[state.detour][group.id][state.state.at.second])
        for group in plan.groups
        for time_s, state in enumerate(states)
    ]
    return SignalLog(plan.junction, 0.0, float(len(states)), tuple(entries))


def taken(states: Sequence[WayState]) -> list[int]:
    """Seconds at which a detour begins."""
    return [s for s in range(1, len(states)) if states[s - 1].detour is None and states[s].detour is not None]


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(detoured_plans(), st.data())
def test_whatever_buses_come_the_checker_finds_nothing(plan: ControllerPlan, data: st.DataObject) -> None:
    assume(plan.priority.detours)
    length_s = 7 * round(plan.cycle_s)
    times = data.draw(st.lists(st.integers(0, length_s), max_size=14, unique=True))
    states = run(plan, {time_s: data.draw(arrivals(plan)) for time_s in times}, length_s)
    event(f"{min(3, len(taken(states)))} detours taken or more")
    assert check_log(log_of_states(plan, states), plan) == ()


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(detoured_plans())
def test_what_is_offered_the_checker_finds_nothing_on(plan: ControllerPlan) -> None:
    assert check_plan(plan) == ()


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(detoured_plans(), st.data())
def test_over_to_a_detour_and_back_is_the_same_position(plan: ControllerPlan, data: st.DataObject) -> None:
    cycles = ways(plan)
    assume(cycles.detours)
    way = cycles.detours[data.draw(st.sampled_from(sorted(cycles.detours)))]
    stage = cycles.planned.stages[way.leaves]
    at = planned_position(cycles.planned, cycles.planned.offset_s + stage.start_s)
    there = onto(cycles.planned, way, at)
    assert there.late_s == way.longer_s
    assert way.cycle.stage_at(there.second) == way.own
    returned = back(cycles.planned, way, there)
    assert (returned.second, returned.shown_s, returned.changes_s) == (at.second, at.shown_s, at.changes_s)


@pytest.fixture
def skipping() -> ControllerPlan:
    """Four stages of a four-arm junction, cycle 92 s: north and south until 24 s, their left turns 32 to 42, east and
    west 48 to 68, theirs 76 to 86; for buses from the west that go on, stage 2 may be skipped."""
    junction = four_arm()
    priority = Priority(max_early_green_s=5, lines=LINES)
    plan = offering(junction, junction.running, frozenset({"west_through"}), priority)
    skips = tuple(d for d in plan.priority.detours if not d.stages and d.leaves == 0)
    return plan.model_copy(update={"priority": priority.model_copy(update={"detours": skips})})


def greens_of(plan: ControllerPlan, states: Sequence[WayState], group: str) -> list[int]:
    """Seconds in which a group is green."""
    cycles = ways(plan)
    return [s for s, state in enumerate(states) if state.state.at.second in cycles.cycle(state.detour).green[group]]


def test_a_stage_is_skipped_for_a_bus_that_would_wait_for_it_and_once_only(skipping: ControllerPlan) -> None:
    waiting = {s: [bus("west_through", 26 - s)] for s in range(60)} | {60: []}
    states = run(skipping, waiting, 4 * 92)
    assert len(taken(states)) == 1
    green = greens_of(skipping, states, "west_through")
    planned = greens_of(skipping, run(skipping, {}, 4 * 92), "west_through")
    assert green[0] < planned[0] - 5, "the early green alone gives five seconds"
    left = greens_of(skipping, states, "north_left")
    assert left and left[0] > 92, "the stage left out is shown in the next cycle"
    assert states[-1].detour is None
    assert states[-1].state.at.second == planned_position(ways(skipping).planned, len(states) - 1).second


def test_a_stage_is_never_skipped_twice_running(skipping: ControllerPlan) -> None:
    always = {s: [bus("west_through", 26 - s % 92)] for s in range(8 * 92)}
    states = run(skipping, always, 8 * 92)
    left = greens_of(skipping, states, "north_left")
    starts = [s for s in left if s - 1 not in left]
    assert len(taken(states)) >= 2
    for before, after in zip(taken(states), taken(states)[1:], strict=False):
        assert any(before < start < after for start in starts)


def test_the_plan_goes_on_where_others_aboard_would_lose_more(skipping: ControllerPlan) -> None:
    def skipped(others: float) -> bool:
        known = {s: [bus("west_through", 26 - s), bus("north_left", 30 - s, load_pax=others)] for s in range(60)}
        return bool(taken(run(skipping, known, 92)))

    assert skipped(others=1.0)
    assert not skipped(others=60.0)


def test_a_stage_is_inserted_for_a_bus_that_has_just_missed_its_own() -> None:
    junction = four_arm()
    priority = Priority(lines=LINES)
    plan = offering(junction, junction.running, frozenset({"north_left"}), priority)
    inserted = tuple(d for d in plan.priority.detours if d.stages and d.leaves == 2)
    assert inserted
    plan = plan.model_copy(update={"priority": priority.model_copy(update={"detours": inserted})})
    states = run(plan, {s: [bus("north_left", 50 - s)] for s in range(92)} | {92: []}, 5 * 92)
    assert len(taken(states)) == 1
    green = [s for s in greens_of(plan, states, "north_left") if s > 50]
    planned = [s for s in greens_of(plan, run(plan, {}, 2 * 92), "north_left") if s > 50]
    assert green[0] < planned[0]
    assert states[-1].state.at.late_s == 0, "and the controller is back in its offset"


def broken(plan: ControllerPlan, **changes: object) -> set[Rule]:
    """Rules that the checker finds broken when the only detour is changed."""
    detour = plan.priority.detours[0].model_copy(update=changes)
    priority = plan.priority.model_copy(update={"detours": (detour,)})
    return {finding.rule for finding in check_plan(plan.model_copy(update={"priority": priority}))}


def test_the_checker_knows_a_detour_that_breaks_a_rule(skipping: ControllerPlan) -> None:
    change = skipping.priority.detours[0].interstages[0]
    assert broken(skipping) == set()
    at_once = change.model_copy(update={"duration_s": 0.0, "on_s": {}, "off_s": {}})
    assert Rule.INTERGREEN in broken(skipping, interstages=(at_once,))
    assert broken(skipping, interstages=()) == {Rule.INTERSTAGE}
    assert broken(skipping, leaves=9) == {Rule.DETOUR}
    assert broken(skipping, joins=0) == {Rule.DETOUR}
    late = change.model_copy(update={"on_s": dict.fromkeys(change.on_s, 99.0)})
    assert Rule.INTERSTAGE in broken(skipping, interstages=(late,))
    unknown = Interstage(from_stage=change.from_stage, to_stage="nowhere", duration_s=9.0)
    assert Rule.UNKNOWN_STAGE in broken(skipping, stages=(("nowhere", 9.0),), interstages=(unknown, unknown))


def test_who_is_left_out_may_not_wait_longer_than_its_limit(skipping: ControllerPlan) -> None:
    limited = skipping.model_copy(update={"limits": {"north_left": GroupLimits(max_red_s=120.0)}})
    assert Rule.MAX_RED in {finding.rule for finding in check_plan(limited)}
    assert not ways(limited).detours
    junction = four_arm()
    bare = limited.model_copy(update={"priority": Priority()})
    assert not [
        d
        for d in offering(junction, bare, frozenset({"west_through"}), Priority(lines=LINES)).priority.detours
        if not d.stages and d.leaves == 0
    ]


def test_a_detour_names_the_lines_it_is_for(skipping: ControllerPlan) -> None:
    nobody = skipping.priority.model_copy(update={"lines": (), "max_early_green_s": 0.0})
    found = check_plan(skipping.model_copy(update={"priority": nobody}))
    assert [finding.rule for finding in found] == [Rule.PRIORITY_WITHOUT_LINES]


def test_a_detour_through_windows_that_are_none_is_refused(skipping: ControllerPlan) -> None:
    with pytest.raises(PriorityError, match="detour from window 0 to 9: the plan has no such windows"):
        detour_plan(skipping, Detour(leaves=0, joins=9, interstages=()))
    with pytest.raises(PriorityError, match="do not lead from each stage to the next"):
        detour_plan(skipping, skipping.priority.detours[0].model_copy(update={"joins": 3}))


def test_plans_without_detours_keep_the_id_they_had() -> None:
    plan = four_arm().running
    assert "detours" not in plan.priority.model_dump()
    assert "detours" in Priority(detours=(Detour(leaves=0, joins=2, interstages=()),)).model_dump()
