"""What a change of plan costs: nothing without one, more the longer the network is out of step."""

from __future__ import annotations

import pytest
from junctions import arterial

from optimiser.demand import Demand, TurningFlow
from optimiser.evaluation import demands_of
from optimiser.rules import Rules
from optimiser.signals import Network, NetworkPlan
from optimiser.timeline import controller_plan
from optimiser.transition_costs import NO_TRANSITION, NetworkTransition, expected_cycles, network_transition
from optimiser.transition_cycles import Method, TransitionLimits

TEE_VEH_H = (600.0, 50.0, 600.0, 100.0, 150.0, 80.0)


def plan(network: Network, offsets_s: tuple[float, ...]) -> NetworkPlan:
    """The running splits at these offsets."""
    controllers = []
    for junction, offset_s in zip(network.junctions, offsets_s, strict=True):
        durations_s = tuple(w.end_s - w.start_s for w in junction.running.windows)
        controllers.append(controller_plan(junction, junction.sequences[0], durations_s, offset_s))
    return NetworkPlan(network_hash=network.network_hash, profile="", controllers=tuple(controllers))


def change(before: tuple[float, ...], after: tuple[float, ...], gain: float = 3600.0) -> NetworkTransition:
    network = arterial(2)
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=flow, served_veh_h=flow)
        for j in network.junctions
        for m, flow in zip(j.movements, TEE_VEH_H, strict=True)
    )
    demands = demands_of(network, Demand(begin_s=0, end_s=3600, turning_flows=flows), Rules())
    return network_transition(network, plan(network, before), plan(network, after), 100.0, demands, gain)


def test_the_same_plan_needs_no_change() -> None:
    assert change((0.0, 20.0), (0.0, 20.0)) == NO_TRANSITION


def test_only_junctions_whose_signals_change_are_in_it() -> None:
    found = change((0.0, 20.0), (0.0, 30.0))
    assert [c.junction for c in found.changes] == ["tee2"]
    (only,) = found.changes
    assert found.seconds == only.seconds


def test_a_network_out_of_step_loses_what_its_offsets_save() -> None:
    idle, coordinated = change((0.0, 20.0), (5.0, 30.0), 0.0), change((0.0, 20.0), (5.0, 30.0), 3600.0)
    assert coordinated.person_s == pytest.approx(idle.person_s + coordinated.seconds)
    first, last = min(c.leaves_s for c in idle.changes), max(c.in_step_s for c in idle.changes)
    assert idle.seconds == last - first > 0


def test_longer_cycles_on_the_way_cost_more_than_the_plan_s_own() -> None:
    assert change((0.0, 20.0), (0.0, 30.0), 0.0).person_s > 0


@pytest.mark.parametrize(("method", "least", "most"), [("shortest_way", 1, 3), ("add_only", 2, 5), ("dwell", 1, 2)])
def test_the_expected_length_of_a_transition_lies_between_its_extremes(
    method: Method, least: float, most: float
) -> None:
    assert least < expected_cycles(method, TransitionLimits()) < most


def test_the_shortest_way_is_expected_to_be_shorter_than_adding_only() -> None:
    assert expected_cycles("shortest_way") < expected_cycles("add_only")
