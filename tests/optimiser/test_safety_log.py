"""The checker reads a record of what was shown and names what it breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from junctions import JUNCTIONS, valid_plans
from signal_logs import log_of

from optimiser.safety import Aspect, AspectChange, Finding, Rule, SignalLog, check_log, check_plan
from optimiser.signals import ControllerPlan, GreenInterval, GroupKind, GroupLimits, Offset, Right, SignalGroup

OF_GREENS = {
    Rule.MIN_GREEN,
    Rule.MAX_GREEN,
    Rule.MAX_RED,
    Rule.CONFLICTING_GREENS,
    Rule.INTERGREEN,
    Rule.PEDESTRIAN_WALK,
    Rule.PEDESTRIAN_CLEARANCE,
    Rule.PEDESTRIAN_WAIT,
}
"""Rules that plan and log share."""

CANNOT_BE_SHOWN = {Rule.OVERLAPPING_INTERVALS, Rule.AMBER_DOES_NOT_FIT, Rule.RED_AMBER_DOES_NOT_FIT}

GREEN = (Aspect.PROTECTED, Aspect.PERMISSIVE)


def named(log: SignalLog, plan: ControllerPlan, rule: Rule) -> list[Finding]:
    return [finding for finding in check_log(log, plan) if finding.rule is rule]


def moved(log: SignalLog, entry: AspectChange, to_s: float) -> SignalLog:
    entries = (replace(e, time_s=to_s) if e is entry else e for e in log.entries)
    return replace(log, entries=tuple(sorted(entries, key=lambda e: (e.time_s, e.group))))


def of_group(log: SignalLog, name: str) -> list[AspectChange]:
    return [entry for entry in log.entries if entry.group == name]


def without(log: SignalLog, *gone: AspectChange) -> SignalLog:
    return replace(log, entries=tuple(entry for entry in log.entries if entry not in gone))


def follows(log: SignalLog, name: str, before: tuple[Aspect, ...], after: tuple[Aspect, ...]) -> list[AspectChange]:
    """Changes of a group from one of `before` to one of `after`, but for the first two, which the log may cut off."""
    shown = of_group(log, name)
    return [shown[i] for i in range(2, len(shown) - 1) if shown[i - 1].aspect in before and shown[i].aspect in after]


def drivers(plan: ControllerPlan) -> list[SignalGroup]:
    return [group for group in plan.groups if group.kind is not GroupKind.PEDESTRIAN]


@pytest.fixture(params=sorted(JUNCTIONS))
def plan(request: pytest.FixtureRequest) -> ControllerPlan:
    return JUNCTIONS[request.param]().running


@given(valid_plans(), st.integers(2, 4), st.sampled_from([0.0, 25_200.0]))
def test_log_of_a_valid_plan_has_no_finding(plan: ControllerPlan, cycles: int, begin_s: float) -> None:
    assert check_log(log_of(plan, cycles, begin_s), plan) == ()


@given(valid_plans(), st.data())
def test_log_cut_anywhere_has_no_finding(plan: ControllerPlan, data: st.DataObject) -> None:
    whole = log_of(plan)
    begin_s = float(data.draw(st.integers(0, int(plan.cycle_s))))
    end_s = begin_s + float(data.draw(st.integers(1, int(plan.cycle_s))))
    entries = [entry for entry in whole.entries if begin_s < entry.time_s <= end_s]
    for group in plan.groups:
        opening = [entry.aspect for entry in of_group(whole, group.id) if entry.time_s <= begin_s][-1]
        entries.append(AspectChange(begin_s, group.id, opening))
    assert check_log(SignalLog(plan.junction, begin_s, end_s, tuple(entries)), plan) == ()


@given(valid_plans(), st.data())
def test_amber_cut_short_is_named(plan: ControllerPlan, data: st.DataObject) -> None:
    log = log_of(plan)
    ends = [e for g in drivers(plan) for e in follows(log, g.id, (Aspect.AMBER,), (Aspect.RED, Aspect.RED_AMBER))]
    assume(ends)
    end = data.draw(st.sampled_from(ends))
    found = named(moved(log, end, end.time_s - 1.0), plan, Rule.AMBER_TOO_SHORT)
    assert [(f.groups, f.required - f.measured) for f in found] == [((end.group,), 1.0)]


@given(valid_plans(), st.data())
def test_amber_left_out_is_named(plan: ControllerPlan, data: st.DataObject) -> None:
    log = log_of(plan)
    ambers = [e for g in drivers(plan) for e in follows(log, g.id, GREEN, (Aspect.AMBER,))]
    assume(ambers)
    gone = data.draw(st.sampled_from(ambers))
    jump = next(e for e in of_group(log, gone.group) if e.time_s > gone.time_s)
    tampered = moved(without(log, gone), jump, gone.time_s)
    assert [(f.groups, f.at_s) for f in named(tampered, plan, Rule.AMBER_MISSING)] == [((gone.group,), gone.time_s)]


@given(valid_plans(), st.data())
def test_green_cut_short_is_named(plan: ControllerPlan, data: st.DataObject) -> None:
    log = log_of(plan)
    ends = [e for g in plan.groups for e in follows(log, g.id, GREEN, (Aspect.AMBER, Aspect.RED))]
    assume(ends)
    end = data.draw(st.sampled_from(ends))
    start = [e for e in of_group(log, end.group) if e.time_s < end.time_s][-1]
    assume(len(plan.greens[end.group]) == 1)
    found = named(moved(log, end, start.time_s + 3.0), plan, Rule.MIN_GREEN)
    assert [(f.groups, f.measured) for f in found] == [((end.group,), 3.0)]


@given(valid_plans(), st.data())
def test_intergreen_cut_short_is_named(plan: ControllerPlan, data: st.DataObject) -> None:
    log = log_of(plan)
    together = {frozenset((c.first, c.second)) for c in plan.conflicts if c.yields}
    pairs = [i for i in plan.intergreens if i.seconds > 1 and frozenset((i.clearing, i.entering)) not in together]
    assume(pairs)
    pair = data.draw(st.sampled_from(pairs))
    starts = follows(log, pair.entering, (Aspect.RED, Aspect.RED_AMBER), GREEN)
    assume(starts)
    start = data.draw(st.sampled_from(starts))
    ends = [
        entry.time_s
        for before, entry in zip(of_group(log, pair.clearing), of_group(log, pair.clearing)[1:], strict=False)
        if before.aspect in GREEN and entry.aspect not in GREEN and entry.time_s <= start.time_s
    ]
    assume(ends)
    kept_s = pair.seconds - 1.0
    found = named(moved(log, start, ends[-1] + kept_s), plan, Rule.INTERGREEN)
    assert ((pair.clearing, pair.entering), kept_s) in [(f.groups, f.measured) for f in found]


@given(valid_plans(), st.data())
def test_conflicting_greens_are_named_with_their_length(plan: ControllerPlan, data: st.DataObject) -> None:
    log = log_of(plan)
    pairs = [c for c in plan.conflicts if not c.yields]
    assume(pairs)
    pair = data.draw(st.sampled_from(pairs))
    starts = follows(log, pair.first, (Aspect.RED, Aspect.RED_AMBER), GREEN)
    assume(starts)
    at_s = starts[0].time_s
    hold = (AspectChange(at_s + 1, pair.second, Aspect.PROTECTED), AspectChange(at_s + 3, pair.second, Aspect.RED))
    kept = tuple(e for e in log.entries if not (e.group == pair.second and at_s < e.time_s <= at_s + 3))
    found = named(replace(log, entries=(*kept, *hold)), plan, Rule.CONFLICTING_GREENS)
    assert ((pair.first, pair.second), 2.0) in [(f.groups, f.measured) for f in found]


@given(valid_plans(), st.data())
def test_log_of_any_plan_breaks_what_the_plan_breaks(plan: ControllerPlan, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(plan.greens)))
    start_s, end_s = (float(data.draw(st.integers(0, int(plan.cycle_s) - 1))) for _ in range(2))
    assume(start_s != end_s)
    other = GreenInterval(start_s=start_s, end_s=end_s, right=data.draw(st.sampled_from(Right)))
    greens = {**plan.greens, name: (*plan.greens[name], other) if data.draw(st.booleans()) else (other,)}
    changed = plan.model_copy(update={"greens": greens, "limits": {name: GroupLimits(max_green_s=30, max_red_s=40)}})
    planned = check_plan(changed)
    assume(not CANNOT_BE_SHOWN & {finding.rule for finding in planned})
    recorded = check_log(log_of(changed, cycles=4), changed)
    assert of_greens(recorded) == of_greens(planned)


def of_greens(found: tuple[Finding, ...]) -> set[tuple[Rule, tuple[str, ...]]]:
    return {(finding.rule, finding.groups) for finding in found if finding.rule in OF_GREENS}


def test_walk_that_is_cut_short_and_crossed_too_soon_is_named() -> None:
    plan = JUNCTIONS["four_arm"]().running
    log = log_of(plan)
    end = follows(log, "east_walk", GREEN, (Aspect.RED,))[0]
    start = [e for e in of_group(log, "east_walk") if e.time_s < end.time_s][-1]
    assert named(moved(log, end, start.time_s + 5), plan, Rule.PEDESTRIAN_WALK)[0].measured == 5
    crossing = next(e for e in of_group(log, "north_left") if e.time_s > end.time_s)
    found = named(moved(log, end, crossing.time_s - 4), plan, Rule.PEDESTRIAN_CLEARANCE)
    assert ("east_walk", "north_left") in [f.groups for f in found]


def test_red_amber_left_out_or_cut_short_is_named() -> None:
    plan = JUNCTIONS["rilsa"]().running
    log = log_of(plan)
    early = follows(log, "K1", (Aspect.RED,), (Aspect.RED_AMBER,))[0]
    assert named(without(log, early), plan, Rule.RED_AMBER_TOO_SHORT)[0].measured == 0
    assert named(moved(log, early, early.time_s + 0.5), plan, Rule.RED_AMBER_TOO_SHORT)[0].measured == 0.5


@pytest.mark.parametrize("red_amber_s", [0.0, 1.0])
def test_green_right_after_amber_is_named_where_red_amber_belongs_between(red_amber_s: float) -> None:
    plan = ControllerPlan(
        junction="J",
        network_hash="",
        cycle_s=60,
        offset=Offset(),
        groups=(SignalGroup(id="a", red_amber_s=red_amber_s),),
        greens={"a": (GreenInterval(start_s=0, end_s=20), GreenInterval(start_s=23, end_s=57))},
    )
    shown = ((0, Aspect.PROTECTED), (20, Aspect.AMBER), (23, Aspect.PROTECTED), (57, Aspect.AMBER))
    entries = tuple(AspectChange(cycle + time_s, "a", aspect) for cycle in (0, 60, 120) for time_s, aspect in shown)
    found = check_log(SignalLog("J", 0, 180, entries), plan)
    planned = check_plan(plan)
    if red_amber_s:
        assert [(f.rule, f.groups, f.measured) for f in found] == [(Rule.RED_AMBER_TOO_SHORT, ("a",), 0.0)]
        assert [(f.rule, f.groups) for f in planned] == [(Rule.RED_AMBER_DOES_NOT_FIT, ("a",))]
    else:
        assert found == planned == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Aspect.RED, Aspect.AMBER),
        (Aspect.RED_AMBER, Aspect.RED),
        (Aspect.RED_AMBER, Aspect.AMBER),
        (Aspect.PROTECTED, Aspect.DARK),
    ],
)
def test_aspect_that_may_not_follow_is_named(plan: ControllerPlan, before: Aspect, after: Aspect) -> None:
    name = drivers(plan)[0].id
    entries = tuple(AspectChange(0.0, group.id, Aspect.RED) for group in plan.groups if group.id != name)
    shown = (AspectChange(0.0, name, before), AspectChange(30.0, name, after))
    found = check_log(SignalLog(plan.junction, 0.0, 60.0, entries + shown), plan)
    wanted = Rule.DARK if after is Aspect.DARK else Rule.ILLEGAL_TRANSITION
    assert [(f.rule, f.groups, f.at_s) for f in found] == [(wanted, (name,), 30.0)]


def test_group_that_stays_red_for_two_cycles_never_gets_green(plan: ControllerPlan) -> None:
    name = plan.groups[0].id
    log = log_of(plan)
    red = replace(
        log, entries=(*(e for e in log.entries if e.group != name), AspectChange(log.begin_s, name, Aspect.RED))
    )
    assert [f.groups for f in named(red, plan, Rule.NEVER_GREEN)] == [(name,)]
    silent = replace(log, entries=tuple(e for e in log.entries if e.group != name))
    assert [f.groups for f in named(silent, plan, Rule.NOT_RECORDED)] == [(name,)]


def test_red_over_the_limit_is_named_even_where_the_log_cuts_it_off(plan: ControllerPlan) -> None:
    name = drivers(plan)[0].id
    limited = plan.model_copy(update={"limits": {name: GroupLimits(max_red_s=plan.cycle_s)}})
    log = log_of(plan, cycles=6)
    stays_red = tuple(e for e in log.entries if e.group != name or e.time_s < 2 * plan.cycle_s)
    assert named(log, limited, Rule.MAX_RED) == []
    starved = (*stays_red, AspectChange(2 * plan.cycle_s + 10, name, Aspect.RED))
    assert named(replace(log, entries=starved), limited, Rule.MAX_RED)


def test_each_rule_and_group_is_found_once_at_its_worst(plan: ControllerPlan) -> None:
    name = drivers(plan)[0].id
    log = log_of(plan, cycles=6)
    ends = follows(log, name, (Aspect.AMBER,), (Aspect.RED, Aspect.RED_AMBER))
    first, second = ends[0], ends[1]
    twice = moved(moved(log, first, first.time_s - 1), second, second.time_s - 2)
    found = named(twice, plan, Rule.AMBER_TOO_SHORT)
    assert [f.required - f.measured for f in found] == [2.0]


def test_log_of_another_junction_or_with_an_unknown_group_is_named(plan: ControllerPlan) -> None:
    log = log_of(plan)
    assert named(replace(log, junction="elsewhere"), plan, Rule.OTHER_JUNCTION)
    ghost = replace(log, entries=(*log.entries, AspectChange(log.begin_s, "ghost", Aspect.RED)))
    assert [f.groups for f in named(ghost, plan, Rule.UNKNOWN_GROUP)] == [("ghost",)]


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -5.0, 1e9])
def test_log_whose_times_cannot_be_is_refused(plan: ControllerPlan, time_s: float) -> None:
    log = log_of(plan)
    odd = replace(log, entries=(*log.entries, AspectChange(time_s, plan.groups[0].id, Aspect.RED)))
    assert [f.rule for f in check_log(odd, plan)] == [Rule.LOG_TIMES]
    assert [f.rule for f in check_log(replace(log, end_s=log.begin_s), plan)] == [Rule.LOG_TIMES]


CHANGES = st.builds(
    AspectChange,
    st.integers(0, 300).map(float),
    st.sampled_from(["west", "east", "east_left", "south", "east_walk", "south_walk", "ghost"]),
    st.sampled_from(Aspect),
)


@given(st.lists(CHANGES, max_size=60))
def test_checker_answers_on_any_log(entries: list[AspectChange]) -> None:
    log = SignalLog("tee", 0.0, 300.0, tuple(entries))
    found = check_log(log, JUNCTIONS["tee"]().running)
    assert all(finding.message.startswith("junction tee: ") for finding in found)
