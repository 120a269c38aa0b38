"""A plan from outside is refused where it carries weaker rules than the junction it is for."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from junctions import JUNCTIONS, NETWORK_HASH, arterial, valid_plans

from optimiser.safety import Rule, check_against, check_network_against, check_plan
from optimiser.signals import ControllerPlan, GroupLimits, Junction, NetworkPlan, SignalGroup


def rules_broken(plan: ControllerPlan, reference: Junction | ControllerPlan) -> list[tuple[Rule, tuple[str, ...]]]:
    return [(finding.rule, finding.groups) for finding in check_against(plan, reference)]


@pytest.fixture(params=sorted(JUNCTIONS))
def junction(request: pytest.FixtureRequest) -> Junction:
    return JUNCTIONS[request.param]()


def test_running_plan_is_not_weaker_than_its_junction(junction: Junction) -> None:
    assert check_against(junction.running, junction) == ()
    assert check_against(junction.running, junction.running) == ()


@given(valid_plans(), st.data())
def test_lower_minimum_green_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    group = data.draw(st.sampled_from(plan.groups))
    lower_s = data.draw(st.one_of(st.floats(0, group.min_green_s - 0.01), st.just(math.nan)))
    groups = tuple(g.model_copy(update={"min_green_s": lower_s}) if g is group else g for g in plan.groups)
    assert rules_broken(plan.model_copy(update={"groups": groups}), plan) == [(Rule.WEAKER_MIN_GREEN, (group.id,))]


@given(valid_plans(), st.data())
def test_intergreen_lowered_or_left_out_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    listed = [i for i in plan.intergreens if i.seconds > 0]
    assume(listed)
    gone = data.draw(st.sampled_from(listed))
    lower = gone.model_copy(update={"seconds": gone.seconds - 0.5})
    for kept in ((), (lower,)):
        tampered = plan.model_copy(update={"intergreens": (*(i for i in plan.intergreens if i != gone), *kept)})
        assert rules_broken(tampered, plan) == [(Rule.WEAKER_INTERGREEN, (gone.clearing, gone.entering))]


@given(valid_plans(), st.data())
def test_conflict_left_out_or_turned_into_giving_way_is_refused(plan: ControllerPlan, data: st.DataObject) -> None:
    assume(plan.conflicts)
    gone = data.draw(st.sampled_from(plan.conflicts))
    others = tuple(c for c in plan.conflicts if c != gone)
    weaker = [others]
    turned = gone.first if gone.yields != gone.first else gone.second
    weaker.append((*others, gone.model_copy(update={"yields": turned})))
    for conflicts in weaker:
        tampered = plan.model_copy(update={"conflicts": conflicts})
        assert rules_broken(tampered, plan) == [(Rule.WEAKER_CONFLICT, (gone.first, gone.second))]


def test_shorter_amber_and_red_amber_are_refused_wherever_they_stand() -> None:
    junction = JUNCTIONS["rilsa"]()
    plan = junction.running
    for updates in ({"amber_s": 3.0}, {"red_amber_s": 0.0}):
        groups = tuple(g.model_copy(update=updates) if g.id == "K3" else g for g in plan.groups)
        assert rules_broken(plan.model_copy(update={"groups": groups}), junction) == [(Rule.WEAKER_AMBER, ("K3",))]
    short = tuple(i.model_copy(update={"amber_s": 3.0}) for i in plan.greens["K3"])
    tampered = plan.model_copy(update={"greens": {**plan.greens, "K3": short}})
    assert rules_broken(tampered, junction) == [(Rule.WEAKER_AMBER, ("K3",))]
    assert check_plan(tampered) == ()


def test_weaker_pedestrian_times_are_refused() -> None:
    junction = JUNCTIONS["four_arm"]()
    plan = junction.running
    first, *rest = plan.pedestrians
    for updates in ({"walk_s": 4.0}, {"clearance_s": 1.0}, {"max_wait_s": 200.0}, {"on_demand": True}):
        tampered = plan.model_copy(update={"pedestrians": (first.model_copy(update=updates), *rest)})
        assert rules_broken(tampered, junction) == [(Rule.WEAKER_PEDESTRIANS, (first.group,))]
    assert rules_broken(plan.model_copy(update={"pedestrians": tuple(rest)}), junction) == [
        (Rule.WEAKER_PEDESTRIANS, (first.group,))
    ]


def test_groups_left_out_added_made_another_kind_or_called_unused_are_refused(junction: Junction) -> None:
    plan = junction.running
    first, *rest = plan.groups
    other = "tram" if first.kind != "tram" else "bus"
    changes = (
        (*rest,),
        (first.model_copy(update={"kind": other}), *rest),
        (first.model_copy(update={"unused": True}), *rest),
    )
    for groups in changes:
        assert rules_broken(plan.model_copy(update={"groups": groups}), junction) == [(Rule.OTHER_GROUPS, (first.id,))]
    more = plan.model_copy(update={"groups": (*plan.groups, SignalGroup(id="more"))})
    assert rules_broken(more, junction) == [(Rule.OTHER_GROUPS, ("more",))]


def test_longer_reds_and_cycles_than_the_junction_allows_are_refused(junction: Junction) -> None:
    name = junction.groups[0].id
    strict = junction.model_copy(update={"limits": {name: GroupLimits(max_red_s=90)}})
    assert rules_broken(junction.running, strict) == [(Rule.WEAKER_LIMITS, (name,))]
    long = junction.running.model_copy(update={"cycle_s": 200.0, "max_cycle_s": 300.0})
    assert (Rule.MAX_CYCLE, ()) in rules_broken(long, junction)


def test_stricter_rules_are_welcome(junction: Junction) -> None:
    plan = junction.running
    stricter = plan.model_copy(
        update={
            "groups": tuple(g.model_copy(update={"min_green_s": g.min_green_s + 1}) for g in plan.groups),
            "intergreens": tuple(i.model_copy(update={"seconds": i.seconds + 1}) for i in plan.intergreens),
            "conflicts": tuple(c.model_copy(update={"yields": ""}) for c in plan.conflicts),
            "limits": {plan.groups[0].id: GroupLimits(max_red_s=60)},
        }
    )
    assert check_against(stricter, junction) == ()


def test_plan_for_another_junction_or_network_is_refused(junction: Junction) -> None:
    elsewhere = junction.running.model_copy(update={"junction": "elsewhere"})
    assert rules_broken(elsewhere, junction) == [(Rule.OTHER_JUNCTION, ())]
    older = junction.running.model_copy(update={"network_hash": "1" * 32})
    assert rules_broken(older, junction) == [(Rule.OTHER_NETWORK, ())]


def test_network_plan_is_held_against_every_junction() -> None:
    network = arterial(2)
    plans = tuple(junction.running for junction in network.junctions)
    good = NetworkPlan(network_hash=NETWORK_HASH, profile="rilsa", controllers=plans)
    assert check_network_against(good, network) == ()
    ghost = good.model_copy(update={"controllers": (plans[0].model_copy(update={"junction": "ghost"}), plans[1])})
    assert [(f.junction, f.rule) for f in check_network_against(ghost, network)] == [("ghost", Rule.OTHER_JUNCTION)]
