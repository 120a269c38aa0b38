"""Prices of limits: those that bind cost what giving way by a second saves, others nothing."""

from __future__ import annotations

import pytest
from junctions import arterial
from test_coordination import FEW_CYCLES, alone, even_demand
from test_storage import retimed, street, too_much
from test_webster import crossing, demand_of

from optimiser.coordination import optimise
from optimiser.errors import InfeasibleError
from optimiser.explain import explain
from optimiser.rule_tables import GroupRules, JunctionRules
from optimiser.rules import Rules
from optimiser.signals import GroupLimits, NetworkPlan
from optimiser.timeline import controller_plan


def test_a_minimum_green_that_binds_costs_what_a_second_less_would_save() -> None:
    junction = crossing()
    demand = demand_of(junction, [700.0, 60.0])
    network = alone(junction)
    side = junction.stages[1]
    group = next(iter(side.greens))
    rules = Rules(cycle_s=60, junctions={junction.id: JunctionRules(groups={group: GroupRules(min_green_s=20)})})
    result = optimise(network, demand, rules, settings=FEW_CYCLES)
    (told,) = explain(network, demand, result.plan, rules, FEW_CYCLES)
    dearest = told.binding[0]
    assert (dearest.family, dearest.names) == ("minimum green", (group,))
    assert dearest.slack_s == pytest.approx(0, abs=1e-3)
    looser = Rules(cycle_s=60, junctions={junction.id: JunctionRules(groups={group: GroupRules(min_green_s=19)})})
    saved = result.objective - optimise(network, demand, looser, settings=FEW_CYCLES).objective
    assert dearest.price == pytest.approx(saved, rel=0.15)
    assert all(price.price == 0 for price in told.limits if price.slack_s > 1.5)


def test_every_junction_of_a_road_is_explained_with_the_cycles_beside_its_own() -> None:
    network = arterial(2)
    demand = even_demand(network, 150.0)
    result = optimise(network, demand, Rules(cycle_s=60), settings=FEW_CYCLES)
    told = explain(network, demand, result.plan, Rules(cycle_s=60), FEW_CYCLES)
    assert [t.junction for t in told] == [p.junction for p in result.plan.controllers]
    for one in told:
        assert set(one.by_cycle) == {50.0, 60.0, 70.0}
        assert one.by_cycle[60.0] is not None and one.by_cycle[60.0] > 0
        assert 0 < one.flow_ratio < 1 and one.lost_s > 0
        assert one.webster_cycle_s == pytest.approx((1.5 * one.lost_s + 5) / (1 - one.flow_ratio))


def test_a_cycle_that_is_too_long_costs_more_than_the_one_before_it() -> None:
    junction = crossing()
    demand = demand_of(junction, [200.0, 100.0])
    plan = controller_plan(junction, junction.sequences[0], (60.0, 50.0), 0.0)
    network = alone(junction)
    held = NetworkPlan(network_hash=network.network_hash, profile="", controllers=(plan,))
    (told,) = explain(network, demand, held)
    costs = [cost for _, cost in sorted(told.by_cycle.items()) if cost is not None]
    assert len(costs) == 3
    assert costs == sorted(costs)


def test_a_lane_whose_queue_outgrows_its_room_is_named() -> None:
    network = street(room_veh=30.0)
    main = network.junctions[1].lanes[0].id
    told = {one.junction: one for one in explain(network, too_much(network), retimed(network, 0.0).plan)}
    (full,) = told["second"].full_lanes
    assert full.lane == main and full.queue_veh > full.room_veh == 30
    assert told["first"].full_lanes == ()
    seeing = explain(network, too_much(network), retimed(network, 10.0).plan)
    assert all(not one.full_lanes or one.full_lanes[0].queue_veh < full.queue_veh for one in seeing)


def test_a_limit_of_saturation_costs_what_the_seconds_of_green_that_it_asks_for_cost() -> None:
    junction = crossing()
    network, demand = alone(junction), demand_of(junction, [800.0, 300.0])
    side, lane = next(iter(junction.stages[1].greens)), junction.lanes[1]

    def limited(limits: GroupRules) -> Rules:
        return Rules(cycle_s=90, junctions={junction.id: JunctionRules(groups={side: limits})})

    saturated = limited(GroupRules(max_degree_of_saturation=0.5))
    plan = optimise(network, demand, saturated, settings=FEW_CYCLES).plan
    (told,) = explain(network, demand, plan, saturated, FEW_CYCLES)
    (price,) = told.saturations
    assert (price.group, price.lane, price.limit) == (side, lane.id, 0.5)
    assert price.degree == pytest.approx(0.5, abs=0.02)
    served_s = 300.0 * 90 / lane.saturation_veh_h / 0.5
    same_green = limited(GroupRules(min_green_s=served_s + lane.start_up_loss_s - lane.end_gain_s))
    (by_green,) = explain(network, demand, plan, same_green, FEW_CYCLES)
    dearest = by_green.binding[0]
    assert dearest.family == "minimum green"
    assert price.price == pytest.approx(dearest.price * served_s / 0.5 / 100, rel=0.02)
    (loose,) = explain(network, demand, plan, limited(GroupRules(max_degree_of_saturation=0.99)), FEW_CYCLES)
    assert loose.saturations[0].price == 0


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (JunctionRules(locked_stages=("stage1", "stage2")), "cycle of plan (91 s) cannot be kept"),
        (JunctionRules(max_degree_of_saturation=0.05), "degrees of saturation that it allows cannot be kept"),
    ],
)
def test_limits_that_the_plan_cannot_keep_are_named_with_their_junction(rules: JunctionRules, said: str) -> None:
    junction = crossing()
    network = alone(junction)
    plan = controller_plan(junction, junction.sequences[0], (40.0, 41.0), 0.0)
    held = NetworkPlan(network_hash=network.network_hash, profile="", controllers=(plan,))
    with pytest.raises(InfeasibleError) as caught:
        explain(network, demand_of(junction, [200.0, 100.0]), held, Rules(junctions={junction.id: rules}))
    assert f"junction {junction.id}: the" in str(caught.value) and said in str(caught.value)


def test_a_longest_red_that_the_plan_cannot_keep_is_named() -> None:
    junction = crossing()
    side = next(iter(junction.stages[1].greens))
    junction = junction.model_copy(update={"limits": {side: GroupLimits(max_red_s=1)}})
    network = alone(junction)
    plan = controller_plan(junction, junction.sequences[0], (40.0, 41.0), 0.0)
    held = NetworkPlan(network_hash=network.network_hash, profile="", controllers=(plan,))
    with pytest.raises(InfeasibleError, match=f"junction {junction.id}: the .*red of {side}"):
        explain(network, demand_of(junction, [200.0, 100.0]), held)
