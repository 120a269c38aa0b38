"""Queues and the room they have: where they must stand, they stand where nobody is behind them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junctions import NETWORK_HASH, arterial
from test_webster import crossing

from optimiser.coordination import optimise
from optimiser.demand import Demand, TurningFlow
from optimiser.evaluation import evaluate
from optimiser.formulation.storage import beyond_room_veh, storage_tangents
from optimiser.lane_flows import LEAST_ROOM_VEH, rooms_veh
from optimiser.result import OptimisationResult
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import Link, Network, NetworkPlan

QUICK = ModelSettings(cycle_step_s=20.0, common_cycles=1, orders=1, mip_gap=1e-4, reserve_weight=0.0)
TOO_MUCH_VEH_H = 1000.0


@given(st.floats(0.01, 400), st.floats(0, 200))
def test_tangents_never_exceed_what_stands_beyond_the_room_and_come_near(queue_veh: float, room_veh: float) -> None:
    true = beyond_room_veh(queue_veh, room_veh)
    best = max(0.0, *(slope * queue_veh + constant for slope, constant in storage_tangents(room_veh)))
    assert best <= true + 1e-6
    assert true - best <= 0.02 * queue_veh


def test_nothing_stands_beyond_a_room_that_the_last_queue_of_the_period_fits_in() -> None:
    assert beyond_room_veh(10.0, 20.0) == 0
    assert beyond_room_veh(10.0, 0.0) == pytest.approx(10.0)


def street(room_veh: float) -> Network:
    """Two crossings in a row: what leaves the first by its main street comes to the second, with so much room."""
    model = crossing()
    junctions = tuple(
        model.model_copy(update={"id": name, "running": model.running.model_copy(update={"junction": name})})
        for name in ("first", "second")
    )
    link = Link(
        from_junction="first",
        from_movement=model.movements[0].id,
        to_junction="second",
        to_approach=model.movements[0].approach,
        length_m=7.5 * room_veh,
        travel_time_s=20.0,
        storage_veh=room_veh,
    )
    return Network(network_hash=NETWORK_HASH, junctions=junctions, links=(link,))


def too_much(network: Network) -> Demand:
    """More than the second crossing can serve, from either side."""
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=q, served_veh_h=q)
        for j, demands in zip(network.junctions, ((TOO_MUCH_VEH_H, 200.0), (TOO_MUCH_VEH_H,) * 2), strict=True)
        for m, q in zip(j.movements, demands, strict=True)
    )
    return Demand(begin_s=0, end_s=3600, turning_flows=flows)


def retimed(network: Network, spillback_weight: float) -> OptimisationResult:
    return optimise(network, too_much(network), Rules(), settings=replace(QUICK, spillback_weight=spillback_weight))


def shortfall_veh_h(result: OptimisationResult, movement: str) -> float:
    return next(
        f.flow_veh_h - f.capacity_veh_h
        for f in result.evaluation.movements
        if f.junction == "second" and f.movement == movement
    )


def test_a_queue_that_must_be_stands_outside_and_not_in_the_junction_behind() -> None:
    network = street(room_veh=30.0)
    main, side = (m.id for m in network.junctions[1].movements)
    blind, seeing = retimed(network, 0.0), retimed(network, 10.0)
    assert shortfall_veh_h(blind, main) > 30
    assert shortfall_veh_h(seeing, main) <= 30
    assert shortfall_veh_h(seeing, side) > shortfall_veh_h(blind, side)


def test_a_plan_costs_as_much_more_as_vehicles_stand_beyond_the_room() -> None:
    network = street(room_veh=30.0)
    demand, uncoordinated = too_much(network), Rules(coordinated=False)
    running = NetworkPlan(network_hash=NETWORK_HASH, profile="", controllers=())
    blind, seeing = (
        evaluate(network, demand, running, uncoordinated, replace(QUICK, spillback_weight=weight)) for weight in (0, 10)
    )
    second = network.junctions[1]
    (main,) = (f for f in blind.movements if (f.junction, f.movement) == ("second", second.movements[0].id))
    queue_veh = main.overflow_delay_s * main.flow_veh_h / 3600
    beyond_veh = beyond_room_veh(queue_veh, 30.0 - main.flow_veh_h * second.running.cycle_s / 3600)
    occupancy_pax = demand.turning_flows[0].occupancy_pax
    assert beyond_veh > 10
    assert seeing.objective - blind.objective == pytest.approx(10 * 3600 * occupancy_pax * beyond_veh, rel=0.02)


def test_room_enough_leaves_the_plan_as_it_is() -> None:
    network = street(room_veh=5000.0)
    assert retimed(network, 0.0).plan == retimed(network, 10.0).plan


def test_the_room_of_a_lane_is_its_part_of_the_shortest_way_from_a_junction_behind() -> None:
    network = arterial(2, spacing_m=150.0)
    lanes = {(j.id, a.id): len(a.lanes) for j in network.junctions for a in j.approaches}
    rooms = rooms_veh(network)
    assert rooms == {
        link.to_junction: {link.to_approach: pytest.approx(20.0 / lanes[link.to_junction, link.to_approach])}
        for link in network.links
    }


def test_a_way_within_a_junction_that_holds_hardly_a_car_has_no_queue_of_its_own() -> None:
    assert rooms_veh(street(room_veh=LEAST_ROOM_VEH - 1)) == {}
