"""The engineer's limits of saturation, asked of any plan."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from junctions import NETWORK_HASH, tee
from test_webster import QUICK, crossing, demand_of

from optimiser.coordination import optimise
from optimiser.errors import InfeasibleError
from optimiser.lane_flows import JunctionDemand, junction_demand
from optimiser.rule_tables import JunctionRules
from optimiser.rules import Rules
from optimiser.saturation import keeps_saturation, limits_saturation
from optimiser.signals import ControllerPlan, Junction, Network
from optimiser.timeline import controller_plan


def ruled(junction: Junction, most: float | None) -> Junction:
    rules = Rules(junctions={junction.id: JunctionRules(max_degree_of_saturation=most)})
    return rules.apply(Network(network_hash=NETWORK_HASH, junctions=(junction,), links=())).junctions[0]


def demand_at(junction: Junction, flows_veh_h: list[float]) -> JunctionDemand:
    return junction_demand(junction, demand_of(junction, flows_veh_h), Rules())


def timed(junction: Junction, main_s: float, side_s: float) -> ControllerPlan:
    return controller_plan(junction, junction.sequences[0], (main_s, side_s), 0.0)


def test_a_split_that_starves_a_street_does_not_keep_the_limit() -> None:
    junction = ruled(crossing(), 0.9)
    demand = demand_at(junction, [700.0, 500.0])
    even, starved = timed(junction, 30.0, 25.0), timed(junction, 45.0, 10.0)
    assert limits_saturation(junction)
    assert keeps_saturation(demand, even, QUICK)
    assert not keeps_saturation(demand, starved, QUICK)


def test_the_limit_is_kept_up_to_itself() -> None:
    junction = crossing()
    plan = timed(junction, 30.0, 25.0)
    lane = junction.lanes[0]
    capacity_veh_h = lane.saturation_veh_h * (30.0 + lane.end_gain_s - lane.start_up_loss_s) / plan.cycle_s
    degree = 500.0 / capacity_veh_h
    demand = [500.0, 10.0]
    assert keeps_saturation(demand_at(ruled(junction, degree + 0.001), demand), plan, QUICK)
    assert not keeps_saturation(demand_at(ruled(junction, degree - 0.001), demand), plan, QUICK)


def test_without_a_limit_there_is_nothing_to_keep() -> None:
    assert not limits_saturation(ruled(crossing(), None))


@settings(max_examples=15)
@given(st.lists(st.floats(20, 500), min_size=6, max_size=6), st.sampled_from([0.8, 0.9, 0.95]))
def test_every_plan_on_offer_keeps_the_limits_it_was_given(flows_veh_h: list[float], most: float) -> None:
    junction = tee()
    network = Network(network_hash=NETWORK_HASH, junctions=(junction,), links=())
    rules = Rules(junctions={junction.id: JunctionRules(max_degree_of_saturation=most)})
    try:
        result = optimise(network, demand_of(junction, flows_veh_h), rules, settings=QUICK)
    except InfeasibleError:
        assume(False)
        raise
    demand = demand_at(ruled(junction, most), flows_veh_h)
    assert all(keeps_saturation(demand, c.plan.controllers[0], QUICK) for c in result.candidates)


@pytest.mark.parametrize("main_s", [10.0, 20.0, 30.0, 40.0])
def test_more_green_never_breaks_a_limit_that_less_kept(main_s: float) -> None:
    junction = ruled(crossing(), 0.9)
    demand = demand_at(junction, [400.0, 20.0])
    kept = [keeps_saturation(demand, timed(junction, main_s + more, 60.0 - main_s - more), QUICK) for more in (0, 5)]
    assert kept == sorted(kept)
