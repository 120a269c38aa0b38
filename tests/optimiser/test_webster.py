"""Webster's closed form, and the MILP beside it on the same model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junctions import NETWORK_HASH, Draft, build, tee

from optimiser.coordination import optimise
from optimiser.demand import Demand, TurningFlow
from optimiser.lane_flows import junction_demand
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import Junction, Network, Right, SignalGroup
from optimiser.stage_forms import sequence_form
from optimiser.webster import stage_flow_ratios, webster

QUICK = ModelSettings(cycle_step_s=20.0, common_cycles=2, orders=1, mip_gap=1e-4)


def crossing() -> Junction:
    """Two one-way streets of one lane each, with 5 s from either green to the other."""
    groups = (SignalGroup(id="main"), SignalGroup(id="side"))
    stages = ({"main": Right.PROTECTED}, {"side": Right.PROTECTED})
    turns = (("ahead", "west", "east", "main"), ("across", "south", "north", "side"))
    return build(Draft("crossing", groups, stages, (25, 25), (("main", "side"),), turns=turns))


def demand_of(junction: Junction, flows_veh_h: list[float]) -> Demand:
    flows = tuple(
        TurningFlow(junction=junction.id, movement=m.id, flow_veh_h=q, served_veh_h=q)
        for m, q in zip(junction.movements, flows_veh_h, strict=True)
    )
    return Demand(begin_s=0, end_s=3600, turning_flows=flows)


def test_cycle_and_splits_are_those_of_the_formula() -> None:
    junction = crossing()
    saturation = {lane.id: lane.saturation_veh_h for lane in junction.lanes}
    ratios = [0.4, 0.2]
    flows = [r * saturation[m.lanes[0]] for r, m in zip(ratios, junction.movements, strict=True)]
    demand = junction_demand(junction, demand_of(junction, flows), Rules())
    timing = webster(demand, sequence_form(junction, junction.sequences[0]), QUICK)
    assert timing is not None
    interstages_s = sum(change.duration_s for change in junction.sequences[0].interstages)
    assert timing.flow_ratio == pytest.approx(0.6)
    assert timing.lost_s == pytest.approx(interstages_s + 2 * 1.0)
    assert timing.cycle_s == round((1.5 * timing.lost_s + 5) / 0.4)
    first_s, second_s = timing.durations_s
    assert first_s + second_s + interstages_s == timing.cycle_s
    assert first_s / second_s == pytest.approx(2.0, abs=0.15)


def test_overlapping_stages_share_a_group_s_flow_ratio() -> None:
    junction = tee()
    flows = [600.0, 50.0, 900.0, 100.0, 150.0, 80.0]
    demand = junction_demand(junction, demand_of(junction, flows), Rules())
    form = sequence_form(junction, junction.sequences[0])
    ratios = stage_flow_ratios(demand, form)
    east = 900.0 / next(lane.saturation_veh_h for lane in junction.lanes if "east_through" in lane.movements)
    assert sum(ratios[:3]) >= east - 1e-9
    assert sum(ratios) < 1


def test_an_oversaturated_junction_gets_the_longest_cycle() -> None:
    junction = crossing()
    demand = junction_demand(junction, demand_of(junction, [1500.0, 1500.0]), Rules())
    timing = webster(demand, sequence_form(junction, junction.sequences[0]), QUICK)
    assert timing is not None
    assert timing.cycle_s == junction.max_cycle_s


@settings(max_examples=10)
@given(st.lists(st.floats(20, 700), min_size=6, max_size=6))
def test_the_milp_never_loses_to_webster_by_its_own_model(flows_veh_h: list[float]) -> None:
    junction = tee()
    network = Network(network_hash=NETWORK_HASH, junctions=(junction,), links=())
    result = optimise(network, demand_of(junction, flows_veh_h), settings=QUICK)
    assert result.webster is not None
    best = min(c.objective for c in result.candidates if c.name != "webster")
    assert result.objective <= result.webster
    assert best <= result.webster * 1.05
