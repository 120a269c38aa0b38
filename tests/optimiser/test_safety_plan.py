"""The checker passes valid plans and refuses each way of breaking a rule by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from junctions import JUNCTIONS, NETWORK_HASH, PERMISSIVE, PROTECTED, valid_plans

from optimiser.safety import Finding, Rule, check_network_plan, check_plan
from optimiser.signals import (
    Conflict,
    ControllerPlan,
    GreenInterval,
    GroupKind,
    GroupLimits,
    Intergreen,
    NetworkPlan,
    Pedestrians,
    Priority,
    Right,
    SignalGroup,
    Stage,
)


def changed(plan: ControllerPlan, **updates: object) -> ControllerPlan:
    return plan.model_copy(update=updates)


def with_group(plan: ControllerPlan, name: str, **updates: object) -> ControllerPlan:
    groups = tuple(g.model_copy(update=updates) if g.id == name else g for g in plan.groups)
    return changed(plan, groups=groups)


def with_greens(plan: ControllerPlan, name: str, *intervals: GreenInterval) -> ControllerPlan:
    return changed(plan, greens={**plan.greens, name: intervals})


def named(plan: ControllerPlan, rule: Rule) -> list[Finding]:
    return [finding for finding in check_plan(plan) if finding.rule is rule]


def single_greens(plan: ControllerPlan) -> dict[str, GreenInterval]:
    """Groups with one green that ends."""
    return {
        group: intervals[0]
        for group, intervals in plan.greens.items()
        if len(intervals) == 1 and (intervals[0].start_s, intervals[0].end_s) != (0, plan.cycle_s)
    }


def length_s(plan: ControllerPlan, interval: GreenInterval) -> float:
    return (interval.end_s - interval.start_s) % plan.cycle_s or plan.cycle_s


def ending(plan: ControllerPlan, interval: GreenInterval, after_s: float) -> GreenInterval:
    return interval.model_copy(update={"end_s": (interval.start_s + after_s) % plan.cycle_s})


@pytest.fixture(params=sorted(JUNCTIONS))
def plan(request: pytest.FixtureRequest) -> ControllerPlan:
    return JUNCTIONS[request.param]().running


@given(valid_plans())
def test_valid_plan_has_no_finding(plan: ControllerPlan) -> None:
    assert check_plan(plan) == ()


@given(valid_plans(), st.data())
def test_green_under_the_minimum_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    greens = single_greens(plan)
    assume(greens)
    name = data.draw(st.sampled_from(sorted(greens)))
    least_s = max(4.0, next(g.min_green_s for g in plan.groups if g.id == name))
    shorter = with_greens(plan, name, ending(plan, greens[name], data.draw(st.floats(0.1, least_s - 0.1))))
    found = named(shorter, Rule.MIN_GREEN)
    assert [finding.groups for finding in found] == [(name,)]
    assert found[0].measured < found[0].required == least_s


def test_green_under_four_seconds_is_refused_whatever_the_plan_says(plan: ControllerPlan) -> None:
    name, green = sorted(single_greens(plan).items())[0]
    lax = with_group(plan, name, min_green_s=0.0)
    assert named(with_greens(lax, name, ending(plan, green, 3.5)), Rule.MIN_GREEN)[0].required == 4.0


@given(valid_plans(), st.data())
def test_amber_under_the_floor_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    greens = single_greens(plan)
    drivers = [g for g in plan.groups if g.kind is not GroupKind.PEDESTRIAN and g.id in greens]
    assume(drivers)
    group = data.draw(st.sampled_from(drivers))
    floor_s = 2.0 if group.kind is GroupKind.BICYCLE else 3.0
    amber_s = data.draw(st.floats(0, floor_s - 0.01))
    for tampered in (
        with_group(plan, group.id, amber_s=amber_s),
        with_greens(plan, group.id, greens[group.id].model_copy(update={"amber_s": amber_s})),
    ):
        assert [f.groups for f in named(tampered, Rule.AMBER_TOO_SHORT)] == [(group.id,)]


def test_amber_that_the_gap_to_the_next_green_cannot_hold_is_refused(plan: ControllerPlan) -> None:
    greens = single_greens(plan)
    name = next(g.id for g in plan.groups if g.kind is GroupKind.VEHICLE and g.id in greens)
    start_s = greens[name].start_s
    whole_s = length_s(plan, greens[name])
    back_s = start_s + whole_s + 2.0
    again = GreenInterval(start_s=back_s, end_s=back_s + 5.0)
    found = named(with_greens(plan, name, greens[name], again), Rule.AMBER_DOES_NOT_FIT)
    assert [(f.groups, f.measured) for f in found] == [((name,), 2.0)]


def test_red_amber_that_the_gap_cannot_hold_is_refused() -> None:
    plan = JUNCTIONS["rilsa"]().running
    green = plan.greens["K1"][0]
    again = GreenInterval(start_s=green.end_s + 3.5, end_s=green.end_s + 9.0)
    found = named(with_greens(plan, "K1", green, again), Rule.RED_AMBER_DOES_NOT_FIT)
    assert [(f.groups, f.measured, f.required) for f in found] == [(("K1",), 3.5, 4.0)]


@given(valid_plans(), st.data())
def test_green_that_eats_into_an_intergreen_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    greens = single_greens(plan)
    together = {frozenset((c.first, c.second)) for c in plan.conflicts if c.yields}
    pairs = [
        i
        for i in plan.intergreens
        if i.seconds >= 1
        and {i.clearing, i.entering} <= set(greens)
        and frozenset((i.clearing, i.entering)) not in together
    ]
    assume(pairs)
    pair = data.draw(st.sampled_from(pairs))
    green = greens[pair.clearing]
    to_next_s = (greens[pair.entering].start_s - green.start_s) % plan.cycle_s
    kept_s = data.draw(st.floats(0, pair.seconds - 0.1))
    found = named(with_greens(plan, pair.clearing, ending(plan, green, to_next_s - kept_s)), Rule.INTERGREEN)
    match = [f for f in found if f.groups == (pair.clearing, pair.entering)]
    assert match and match[0].measured == pytest.approx(kept_s, abs=1e-4)


@given(valid_plans(), st.data())
def test_conflicting_greens_are_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    greens = single_greens(plan)
    pairs = [c for c in plan.conflicts if not c.yields and {c.first, c.second} <= set(greens)]
    assume(pairs)
    pair = data.draw(st.sampled_from(pairs))
    right = data.draw(st.sampled_from(list(Right)))
    to_next_s = (greens[pair.second].start_s - greens[pair.first].start_s) % plan.cycle_s
    longer = ending(plan, greens[pair.first], to_next_s + 1.0).model_copy(update={"right": right})
    found = named(with_greens(plan, pair.first, longer), Rule.CONFLICTING_GREENS)
    assert (pair.first, pair.second) in [f.groups for f in found]


@pytest.mark.parametrize("name", ["four_arm", "tee"])
def test_protected_green_of_the_group_that_gives_way_is_refused(name: str) -> None:
    plan = JUNCTIONS[name]().running
    for conflict in plan.conflicts:
        if conflict.yields:
            greens = [i.model_copy(update={"right": PROTECTED}) for i in plan.greens[conflict.yields]]
            found = named(with_greens(plan, conflict.yields, *greens), Rule.CONFLICTING_GREENS)
            assert (conflict.first, conflict.second) in [f.groups for f in found]


def test_becoming_protected_while_the_stream_ahead_still_clears_is_refused() -> None:
    plan = JUNCTIONS["tee"]().running
    permissive, protected = plan.greens["east_left"]
    clear_s = plan.greens["west"][-1].end_s
    early = (
        permissive.model_copy(update={"end_s": clear_s + 2.0}),
        protected.model_copy(update={"start_s": clear_s + 2.0}),
    )
    found = named(with_greens(plan, "east_left", *early), Rule.INTERGREEN)
    assert [(f.groups, f.measured) for f in found] == [(("west", "east_left"), 2.0)]


def test_both_permissive_greens_of_a_conflict_with_right_of_way_may_meet() -> None:
    plan = JUNCTIONS["tee"]().running
    greens = tuple(i.model_copy(update={"right": PERMISSIVE}) for i in plan.greens["west"])
    assert named(with_greens(plan, "west", *greens), Rule.CONFLICTING_GREENS) == []


@given(valid_plans(), st.data())
def test_conflict_without_an_intergreen_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    apart = {frozenset((c.first, c.second)) for c in plan.conflicts if not c.yields}
    pairs = [i for i in plan.intergreens if frozenset((i.clearing, i.entering)) in apart]
    assume(pairs)
    gone = data.draw(st.sampled_from(pairs))
    tampered = changed(plan, intergreens=tuple(i for i in plan.intergreens if i != gone))
    assert [f.groups for f in named(tampered, Rule.INTERGREEN_MISSING)] == [(gone.clearing, gone.entering)]


def test_overlap_of_a_pair_known_by_its_intergreen_alone_is_refused() -> None:
    plan = JUNCTIONS["four_arm"]().running
    free = changed(plan, conflicts=())
    together = with_greens(free, "east_through", *plan.greens["north_through"])
    groups = [f.groups for f in named(together, Rule.INTERGREEN)]
    assert ("north_through", "east_through") in groups


@given(valid_plans(), st.data())
def test_group_that_never_gets_green_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([group.id for group in plan.groups]))
    gone = changed(plan, greens={group: i for group, i in plan.greens.items() if group != name})
    for tampered in (with_greens(plan, name), gone):
        assert [f.groups for f in named(tampered, Rule.NEVER_GREEN)] == [(name,)]


def test_group_marked_unused_may_stay_red(plan: ControllerPlan) -> None:
    dark = SignalGroup(id="dark", unused=True)
    wider = changed(
        plan, groups=(*plan.groups, dark), conflicts=(*plan.conflicts, Conflict(first="dark", second=plan.groups[0].id))
    )
    assert check_plan(wider) == ()


@given(valid_plans(), st.data())
def test_walk_too_short_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    greens = single_greens(plan)
    walkers = [rule for rule in plan.pedestrians if rule.group in greens]
    assume(walkers)
    rule = data.draw(st.sampled_from(walkers))
    walk_s = data.draw(st.floats(1, rule.walk_s - 0.1))
    tampered = with_greens(plan, rule.group, ending(plan, greens[rule.group], walk_s))
    assert [f.groups for f in named(tampered, Rule.PEDESTRIAN_WALK)] == [(rule.group,)]


@given(valid_plans(), st.data())
def test_walk_that_ends_too_late_to_clear_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    greens = single_greens(plan)
    crossed = [
        (rule, other)
        for rule in plan.pedestrians
        for c in plan.conflicts
        for walk, other in ((c.first, c.second), (c.second, c.first))
        if walk == rule.group
        and {walk, other} <= set(greens)
        and not c.yields
        and not any(p.group == other for p in plan.pedestrians)
    ]
    assume(crossed)
    rule, other = data.draw(st.sampled_from(crossed))
    to_next_s = (greens[other].start_s - greens[rule.group].start_s) % plan.cycle_s
    late = ending(plan, greens[rule.group], to_next_s - data.draw(st.floats(0.1, rule.clearance_s - 0.1)))
    found = named(with_greens(plan, rule.group, late), Rule.PEDESTRIAN_CLEARANCE)
    assert (rule.group, other) in [f.groups for f in found]


def test_pedestrians_who_wait_too_long_are_named_unless_served_on_demand() -> None:
    plan = JUNCTIONS["four_arm"]().running
    rules = tuple(rule.model_copy(update={"max_wait_s": 30.0}) for rule in plan.pedestrians)
    assert {f.groups for f in named(changed(plan, pedestrians=rules), Rule.PEDESTRIAN_WAIT)} == {
        (rule.group,) for rule in rules
    }
    on_demand = tuple(rule.model_copy(update={"on_demand": True}) for rule in rules)
    assert check_plan(changed(plan, pedestrians=on_demand)) == ()


@given(valid_plans(), st.floats(0.1, 20))
def test_cycle_that_stages_do_not_fill_is_refused(plan: ControllerPlan, more_s: float) -> None:
    assume(all(window.end_s > window.start_s for window in plan.windows))  # else one stage takes up the rest
    assert named(changed(plan, cycle_s=plan.cycle_s + more_s), Rule.CYCLE_SUM)


@given(valid_plans(), st.data())
def test_stages_that_leave_a_gap_or_overlap_are_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(plan.windows) - 1))
    by_s = data.draw(st.sampled_from([-3.0, -0.5, 0.5, 3.0]))
    window = plan.windows[i]
    moved = window.model_copy(update={"end_s": (window.end_s + by_s) % plan.cycle_s})
    windows = (*plan.windows[:i], moved, *plan.windows[i + 1 :])
    assert named(changed(plan, windows=windows), Rule.CYCLE_SUM)


def test_stage_that_names_a_group_without_green_is_refused(plan: ControllerPlan) -> None:
    first, *rest = plan.stages
    other = next(group.id for group in plan.groups if group.id not in first.greens)
    tampered = first.model_copy(update={"greens": {**first.greens, other: PROTECTED}})
    found = named(changed(plan, stages=(tampered, *rest)), Rule.STAGE_GREENS)
    assert [f.groups for f in found] == [(first.id, other)]


def test_stage_outside_its_limits_is_refused(plan: ControllerPlan) -> None:
    first, *rest = plan.stages
    for limits in ({"min_s": 100.0}, {"max_s": 2.0}):
        stages = (first.model_copy(update=limits), *rest)
        assert [f.groups for f in named(changed(plan, stages=stages), Rule.STAGE_LENGTH)] == [(first.id,)]


@pytest.mark.parametrize("which", ["off_s", "on_s"])
def test_interstage_that_switches_at_other_times_than_the_greens_is_refused(plan: ControllerPlan, which: str) -> None:
    i, change = next((i, c) for i, c in enumerate(plan.interstages) if c.duration_s >= 4 and getattr(c, which))
    times = {group: (time_s + 2.5) % change.duration_s for group, time_s in getattr(change, which).items()}
    tampered = change.model_copy(update={which: times})
    changes = (*plan.interstages[:i], tampered, *plan.interstages[i + 1 :])
    assert named(changed(plan, interstages=changes), Rule.INTERSTAGE)


def test_interstage_that_lists_other_greens_than_the_plan_shows_is_refused(plan: ControllerPlan) -> None:
    first, *rest = plan.interstages
    listed = {plan.groups[0].id: (GreenInterval(start_s=0.5, end_s=1.5, right=Right.STOP_FIRST),)}
    tampered = first.model_copy(update={"greens": listed})
    assert named(changed(plan, interstages=(tampered, *rest)), Rule.INTERSTAGE)


def test_limits_of_green_red_and_cycle_are_kept(plan: ControllerPlan) -> None:
    name = sorted(single_greens(plan))[0]
    for rule, limits in ((Rule.MAX_GREEN, GroupLimits(max_green_s=6)), (Rule.MAX_RED, GroupLimits(max_red_s=5))):
        assert [f.groups for f in named(changed(plan, limits={name: limits}), rule)] == [(name,)]
    assert named(changed(plan, max_cycle_s=plan.cycle_s - 1), Rule.MAX_CYCLE)


def test_flashing_green_longer_than_the_green_is_refused(plan: ControllerPlan) -> None:
    name, green = sorted(single_greens(plan).items())[0]
    tampered = with_group(plan, name, flashing_green_s=length_s(plan, green) + 1)
    assert [f.groups for f in named(tampered, Rule.FLASHING_GREEN)] == [(name,)]


def test_green_outside_the_cycle_or_over_another_is_refused(plan: ControllerPlan) -> None:
    name = plan.groups[0].id
    late = GreenInterval(start_s=plan.cycle_s - 10, end_s=plan.cycle_s + 5)
    assert named(with_greens(plan, name, late), Rule.OUTSIDE_CYCLE)
    twice = (GreenInterval(start_s=0, end_s=20), GreenInterval(start_s=15, end_s=30))
    assert named(with_greens(plan, name, *twice), Rule.OVERLAPPING_INTERVALS)
    beyond = GreenInterval(start_s=plan.cycle_s, end_s=5)
    assert named(with_greens(plan, name, beyond), Rule.OUTSIDE_CYCLE)


@pytest.mark.parametrize("cycle_s", [0.0, 0.5])
def test_cycle_of_no_length_is_refused(plan: ControllerPlan, cycle_s: float) -> None:
    assert named(changed(plan, cycle_s=cycle_s), Rule.CYCLE)


def numbers(value: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Ways to all numbers in a plan as JSON."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in numbers(item, (*way, key))]
    if isinstance(value, list):
        return [found for i, item in enumerate(value) for found in numbers(item, (*way, i))]
    return [way] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def put(value: dict[str, object], way: tuple[str | int, ...], number: float) -> None:
    inner: dict[str | int, object] = value
    for step in way[:-1]:
        inner = inner[step]  # a path found by `numbers`
    inner[way[-1]] = number


@given(valid_plans(), st.data())
def test_any_number_that_is_none_or_negative_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    raw = plan.model_dump(mode="json")
    way = data.draw(st.sampled_from([w for w in numbers(raw) if w[-1] != "recovery_cycles"]))
    put(raw, way, data.draw(st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.001, -3.0, 1e300])))
    assert named(ControllerPlan.model_validate(raw), Rule.INVALID_NUMBER)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda plan: changed(plan, greens={**plan.greens, "ghost": (GreenInterval(start_s=0, end_s=10),)}),
        lambda plan: changed(plan, conflicts=(*plan.conflicts, Conflict(first="ghost", second=plan.groups[0].id))),
        lambda plan: changed(
            plan, intergreens=(*plan.intergreens, Intergreen(clearing="ghost", entering="ghost", seconds=1))
        ),
        lambda plan: changed(plan, pedestrians=(*plan.pedestrians, Pedestrians(group="ghost"))),
        lambda plan: changed(plan, limits={"ghost": GroupLimits()}),
        lambda plan: changed(plan, stages=(*plan.stages, Stage(id="more", greens={"ghost": PROTECTED}))),
        lambda plan: changed(plan, modes=plan.modes.model_copy(update={"flashing_amber_groups": ("ghost",)})),
    ],
)
def test_unknown_group_is_named(plan: ControllerPlan, tamper: Callable[[ControllerPlan], ControllerPlan]) -> None:
    assert ("ghost",) in [f.groups for f in named(tamper(plan), Rule.UNKNOWN_GROUP)]


@pytest.mark.parametrize("table", ["groups", "stages", "conflicts", "intergreens"])
def test_row_that_stands_twice_is_named(plan: ControllerPlan, table: str) -> None:
    rows = getattr(plan, table)
    assert named(changed(plan, **{table: (*rows, rows[0])}), Rule.DUPLICATE)


def test_offset_must_lie_within_the_cycle_and_refer_to_a_green(plan: ControllerPlan) -> None:
    assert named(changed(plan, offset=plan.offset.model_copy(update={"seconds": plan.cycle_s})), Rule.OFFSET)
    assert named(changed(plan, offset=plan.offset.model_copy(update={"epoch": "25:00"})), Rule.OFFSET)
    for zone in ("Mars/Olympus", "Asia", "localtime", ""):
        assert named(changed(plan, offset=plan.offset.model_copy(update={"zone": zone})), Rule.OFFSET)
    ghost = plan.offset.model_copy(update={"reference_group": "ghost"})
    assert named(changed(plan, offset=ghost), Rule.REFERENCE_GROUP)


def test_window_or_interstage_of_an_unknown_stage_is_named(plan: ControllerPlan) -> None:
    windows = (plan.windows[0].model_copy(update={"stage": "ghost"}), *plan.windows[1:])
    assert named(changed(plan, windows=windows), Rule.UNKNOWN_STAGE)


def test_plan_without_groups_or_of_another_schema_is_refused(plan: ControllerPlan) -> None:
    assert named(changed(plan, groups=()), Rule.NO_GROUPS)
    assert named(changed(plan, schema_version="9"), Rule.SCHEMA_VERSION)


def test_network_plan_with_a_junction_twice_or_of_another_network_is_refused(plan: ControllerPlan) -> None:
    good = NetworkPlan(network_hash=NETWORK_HASH, profile="rilsa", controllers=(plan,))
    assert check_network_plan(good) == ()
    twice = good.model_copy(update={"controllers": (plan, plan)})
    assert [f.rule for f in check_network_plan(twice)] == [Rule.DUPLICATE]
    newer = good.model_copy(update={"schema_version": "99"})
    assert [f.rule for f in check_network_plan(newer)] == [Rule.SCHEMA_VERSION]
    other = good.model_copy(update={"network_hash": "1" * 32})
    assert [f.rule for f in check_network_plan(other)] == [Rule.OTHER_NETWORK]


def test_findings_are_one_sentence_each_and_in_a_fixed_order(plan: ControllerPlan) -> None:
    broken = changed(plan, greens={}, conflicts=plan.conflicts[::-1])
    findings = check_plan(broken)
    assert findings == check_plan(changed(broken, groups=plan.groups))
    assert list(findings) == sorted(findings, key=lambda f: (f.junction, f.rule.value, f.groups))
    assert all(f.message.startswith(f"junction {plan.junction}: ") and "\n" not in f.message for f in findings)


def test_bus_priority_that_is_for_no_line_is_refused() -> None:
    plan = next(iter(JUNCTIONS.values()))().running
    for priority in (Priority(max_extension_s=8), Priority(max_early_green_s=5)):
        (finding,) = named(changed(plan, priority=priority), Rule.PRIORITY_WITHOUT_LINES)
        assert "names no line" in finding.message
    assert not named(changed(plan, priority=Priority(max_extension_s=8, lines=("10",))), Rule.PRIORITY_WITHOUT_LINES)
