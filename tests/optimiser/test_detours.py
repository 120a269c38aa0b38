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

from optimiser.active_detours import WayState, go_on, passes_s, shown
from optimiser.active_priority import Arrival, PriorityState
from optimiser.detour_candidates import detour_candidates
from optimiser.detour_ways import ways
from optimiser.detours import detour_plan
from optimiser.elastic_cycle import planned_position
from optimiser.errors import PriorityError
from optimiser.safety import AspectChange, SignalLog, check_against, check_log, check_plan
from optimiser.safety.findings import Rule
from optimiser.signals import (
    ControllerPlan,
    Detour,
    GreenInterval,
    GroupLimits,
    Interstage,
    Junction,
    Offset,
    Priority,
    Right,
    SignalGroup,
    Stage,
    StageWindow,
)
from optimiser.timeline import controller_plan

LINES = ("7",)


def skippable(plan: ControllerPlan) -> ControllerPlan:
    """The plan with every stage skippable."""
    stages = tuple(stage.model_copy(update={"skippable": True}) for stage in plan.stages)
    return plan.model_copy(update={"stages": stages})


def offering(junction: Junction, plan: ControllerPlan, groups: frozenset[str], priority: Priority) -> ControllerPlan:
    """The plan with every detour that may be offered where all stages may be skipped."""
    plan = skippable(plan)
    detours = detour_candidates(junction, plan, groups, priority, 60.0)
    return plan.model_copy(update={"priority": priority.model_copy(update={"detours": detours})})


def tight(plan: ControllerPlan, more_s: int) -> ControllerPlan:
    """The plan with limits of green and red so much over the longest that it shows with its detours."""
    limits = {}
    for group in (group.id for group in plan.groups):
        asked = plan.model_copy(update={"limits": {group: GroupLimits(max_green_s=1.0, max_red_s=1.0)}})
        found = {f.rule: f.measured for f in check_plan(asked) if f.groups == (group,)}
        green_s, red_s = found.get(Rule.MAX_GREEN), found.get(Rule.MAX_RED)
        limits[group] = GroupLimits(
            # a green that never ends is as long as it is watched
            max_green_s=None if green_s is None or red_s is None else green_s + more_s,
            max_red_s=None if red_s is None else red_s + more_s,
        )
    return plan.model_copy(update={"limits": limits})


@st.composite
def detoured_plans(draw: st.DrawFn) -> ControllerPlan:
    """Valid plans, some with tight limits, with detours for some of their groups."""
    named = st.sampled_from(sorted(JUNCTIONS)).map(lambda name: JUNCTIONS[name]())
    junction = draw(st.one_of(named, random_junctions()))
    lengths_s = [window.end_s - window.start_s for window in junction.running.windows]
    durations_s = tuple(length_s + draw(st.integers(0, 5)) for length_s in lengths_s)
    plan = controller_plan(junction, junction.sequences[0], durations_s, float(draw(st.integers(0, 200))))
    plan = shifted(plan, float(draw(st.integers(0, 60))))
    priority = Priority(
        max_extension_s=draw(st.integers(0, 20)), max_early_green_s=draw(st.integers(0, 20)), lines=LINES
    )
    groups = draw(st.sets(st.sampled_from([group.id for group in plan.groups]), min_size=1, max_size=2))
    plan = offering(junction, plan, frozenset(groups), priority)
    return tight(plan, draw(st.integers(0, 4))) if draw(st.booleans()) else plan


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
    cycles = ways(plan)
    aspects = {None: aspects_by_second(plan)}
    aspects |= {n: aspects_by_second(detour_plan(plan, detour)) for n, detour in enumerate(plan.priority.detours)}
    entries = [
        AspectChange(float(time_s), group.id, aspects[state.detour][group.id][shown(cycles, state)[1]])
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
def test_nothing_is_changed_for_a_cycle_before_a_detour_nor_after_it(plan: ControllerPlan, data: st.DataObject) -> None:
    assume(plan.priority.detours)
    length_s = 7 * round(plan.cycle_s)
    always = data.draw(arrivals(plan))
    states = run(plan, {0: always}, length_s)
    cycle_s = round(plan.cycle_s)
    for begin in taken(states):
        end = next((s for s in range(begin, length_s) if states[s].detour is None), length_s)
        # to the stage in which the plan was joined
        after = states[end : end + cycle_s - (states[end].state.at.shown_s if end < length_s else 0)]
        assert not any(any(state.state.at.changes_s) for state in (states[begin - 1], *after))
        assert all(state.detour is None for state in after)


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
    seconds = [shown(cycles, state) for state in states]
    return [s for s, (green, second) in enumerate(seconds) if second in green[group]]


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
    assert states[-1].state.at.second == planned_position(ways(skipping).planned, len(states) - 1).second, (
        "back in step"
    )


def test_a_stage_is_never_skipped_twice_running(skipping: ControllerPlan) -> None:
    always = {s: [bus("west_through", 26 - s % 92)] for s in range(8 * 92)}
    alone = skipping.priority.model_copy(update={"max_early_green_s": 0.0})
    skipping = skipping.model_copy(update={"priority": alone})
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
    short = change.model_copy(update={"amber_s": {"north_through": 1.0}})
    assert Rule.AMBER_TOO_SHORT in broken(skipping, interstages=(short,))
    unknown = Interstage(from_stage=change.from_stage, to_stage="nowhere", duration_s=9.0)
    assert Rule.UNKNOWN_STAGE in broken(skipping, stages=(("nowhere", 9.0),), interstages=(unknown, unknown))


def test_who_is_left_out_may_not_wait_longer_than_its_limit(skipping: ControllerPlan) -> None:
    limited = skipping.model_copy(update={"limits": {"north_left": GroupLimits(max_red_s=120.0)}})
    assert Rule.MAX_RED in {finding.rule for finding in check_plan(limited)}
    junction = four_arm()
    bare = limited.model_copy(update={"priority": Priority()})
    assert not [
        d
        for d in offering(junction, bare, frozenset({"west_through"}), Priority(lines=LINES)).priority.detours
        if not d.stages and d.leaves == 0
    ]


def test_only_stages_that_the_plan_calls_skippable_are_left_out(skipping: ControllerPlan) -> None:
    stages = tuple(stage.model_copy(update={"skippable": False}) for stage in skipping.stages)
    found = check_plan(skipping.model_copy(update={"stages": stages}))
    assert [(finding.rule, finding.groups) for finding in found] == [(Rule.DETOUR, ("stage2",))]


def test_an_inserted_stage_keeps_its_own_limits() -> None:
    junction = four_arm()
    plan = offering(junction, junction.running, frozenset({"north_left"}), Priority(lines=LINES))
    (inserted,) = (d for d in plan.priority.detours if d.stages and d.leaves == 2)
    plan = plan.model_copy(update={"priority": Priority(lines=LINES, detours=(inserted,))})
    stages = tuple(s.model_copy(update={"max_s": 12.0}) if s.id == "stage2" else s for s in plan.stages)
    assert Rule.STAGE_LENGTH in broken(plan.model_copy(update={"stages": stages}), stages=(("stage2", 50.0),))
    assert Rule.MIN_GREEN in broken(plan, stages=(("stage2", 2.0),))


def test_a_group_that_the_stages_do_not_tell_of_makes_a_detour_unsafe_and_is_not_run(skipping: ControllerPlan) -> None:
    always = GreenInterval(start_s=0.0, end_s=skipping.cycle_s)
    groups = (*skipping.groups, SignalGroup(id="arrow"))
    plan = skipping.model_copy(update={"groups": groups, "greens": {**skipping.greens, "arrow": (always,)}})
    assert {f.rule for f in check_plan(plan)} == {Rule.STAGE_GREENS}
    with pytest.raises(PriorityError, match="do not tell all greens of group arrow"):
        ways(plan)


def test_a_shorter_amber_on_a_detour_is_weaker_than_the_junctions(skipping: ControllerPlan) -> None:
    change = skipping.priority.detours[0].interstages[0].model_copy(update={"amber_s": {"north_through": 3.0}})
    detour = skipping.priority.detours[0].model_copy(update={"interstages": (change,)})
    longer = tuple(g.model_copy(update={"amber_s": 4.0}) if g.id == "north_through" else g for g in skipping.groups)
    reference = skipping.model_copy(update={"groups": longer})
    plan = reference.model_copy(update={"priority": skipping.priority.model_copy(update={"detours": (detour,)})})
    assert check_against(reference, reference) == ()
    assert {f.rule for f in check_against(plan, reference)} == {Rule.WEAKER_AMBER}


def test_a_bus_passes_at_once_in_green_and_when_it_has_started_after_red() -> None:
    assert passes_s([True] * 9, due_s=3.0) == 3.0
    assert passes_s([False] * 4 + [True] * 9, due_s=3.0) == 8.0
    assert passes_s([False] * 4 + [True] * 3 + [False] * 5, due_s=3.0) == 12.0, "three seconds of green are too few"


def test_a_stage_between_no_interstages_is_skipped_too() -> None:
    back = Interstage(from_stage="b", to_stage="a", duration_s=0.0, on_s={"g": 0.0})
    plan = ControllerPlan(
        junction="J",
        network_hash="",
        cycle_s=30.0,
        offset=Offset(reference_group="g"),
        groups=(SignalGroup(id="g"),),
        greens={"g": (GreenInterval(start_s=0.0, end_s=10.0),)},
        stages=(
            Stage(id="a", greens={"g": Right.PROTECTED}),
            Stage(id="b", greens={}),
            Stage(id="c", greens={}, skippable=True),
        ),
        windows=tuple(StageWindow(stage=s, start_s=10.0 * i, end_s=10.0 * (i + 1) % 30) for i, s in enumerate("abc")),
        interstages=(
            Interstage(from_stage="a", to_stage="b", duration_s=0.0, off_s={"g": 0.0}),
            Interstage(from_stage="b", to_stage="c", duration_s=0.0),
            Interstage(from_stage="c", to_stage="a", duration_s=0.0, on_s={"g": 0.0}),
        ),
        priority=Priority(lines=LINES, detours=(Detour(leaves=1, joins=0, interstages=(back,)),)),
    )
    assert check_plan(plan) == ()
    states = run(plan, {s: [bus("g", 20 - s)] for s in range(25)} | {25: []}, 120)
    assert taken(states) == [20]
    assert greens_of(plan, states, "g")[10:20] == list(range(20, 30)), "ten seconds sooner"
    assert check_log(log_of_states(plan, states), plan) == ()


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
