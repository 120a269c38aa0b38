"""What a period loses by one timing: nothing where its intervals are alike, more the more they differ."""

from __future__ import annotations

import numpy as np
import pytest
from junctions import Draft, arterial, build, tee

from optimiser.demand import Demand, DemandProfile, TurningFlow
from optimiser.period_losses import period_costs
from optimiser.rules import Rules
from optimiser.signals import Network, Right, SignalGroup

TEE_VEH_H = (600.0, 50.0, 600.0, 100.0, 150.0, 80.0)


def day(network: Network, factors: list[float], westbound: list[float] | None = None) -> DemandProfile:
    """Quarter-hours at these factors on the tees' flows; `westbound` factors more on the west approach."""
    intervals = []
    for i, factor in enumerate(factors):
        more = westbound[i] if westbound else 1.0
        flows = tuple(
            TurningFlow(
                junction=j.id,
                movement=m.id,
                flow_veh_h=flow * factor * (more if m.approach == "west" else 1.0),
                served_veh_h=0.0,
            )
            for j in network.junctions
            for m, flow in zip(j.movements, TEE_VEH_H, strict=True)
        )
        intervals.append(Demand(begin_s=900.0 * i, end_s=900.0 * (i + 1), turning_flows=flows))
    return DemandProfile(day="monday", intervals=tuple(intervals))


def test_intervals_that_are_alike_lose_nothing_together() -> None:
    costs = period_costs(arterial(2), day(arterial(2), [0.6] * 4))
    periods = np.triu_indices(5, 1)
    assert costs.losses[periods] == pytest.approx(0.0, abs=1e-6)
    assert costs.own > 0


def test_the_further_intervals_differ_the_more_they_lose_together() -> None:
    lost = [period_costs(arterial(2), day(arterial(2), [0.3, peak])).losses[0, 2] for peak in (0.4, 0.9, 1.3)]
    assert 0 <= lost[0] < lost[1] < lost[2]


def test_a_tidal_day_loses_by_one_split_even_at_one_cycle() -> None:
    network = Network(network_hash="0" * 32, junctions=(tee(),), links=())
    even = day(network, [0.7] * 4)
    tidal = day(network, [0.7] * 4, [1.6, 1.6, 0.5, 0.5])
    rules = Rules(cycle_s=90.0)
    assert period_costs(network, even, rules).losses[0, 4] == pytest.approx(0.0, abs=1e-6)
    assert period_costs(network, tidal, rules).losses[0, 4] > period_costs(network, tidal, rules).losses[0, 2] + 1.0


def test_the_delay_of_an_interval_is_webster_s_and_akcelik_s_by_hand() -> None:
    groups = (SignalGroup(id="main"), SignalGroup(id="side"))
    stages = ({"main": Right.PROTECTED}, {"side": Right.PROTECTED})
    turns = (("ahead", "west", "east", "main"), ("across", "south", "north", "side"))
    junction = build(Draft("crossing", groups, stages, (25, 25), (("main", "side"),), turns=turns))
    network = Network(network_hash="0" * 32, junctions=(junction,), links=())
    flow, saturation = 600.0, junction.lanes[0].saturation_veh_h
    flows = tuple(
        TurningFlow(junction="crossing", movement=m.id, flow_veh_h=flow, served_veh_h=flow, occupancy_pax=1.0)
        for m in junction.movements
    )
    profile = DemandProfile(day="monday", intervals=(Demand(begin_s=0, end_s=900, turning_flows=flows),))
    costs = period_costs(network, profile, Rules(cycle_s=60.0))
    # Twice 5 s of interstage, 25 s of green each, 1 s of it lost.
    red_s, period_h = 60.0 - 24.0, 0.25
    uniform = flow * red_s**2 / (2 * 60.0 * (1 - flow / saturation))
    over = flow - saturation * 24.0 / 60.0
    overflow = 3600 * period_h / 4 * (over + (over**2 + 8 * 0.5 * flow / period_h) ** 0.5)
    assert costs.uniform[0, 1] == pytest.approx(2 * uniform)
    assert costs.own == pytest.approx(2 * (uniform + overflow) * period_h)


def test_coordinated_junctions_run_one_cycle_and_cannot_lose_less_than_apart() -> None:
    network = arterial(2)
    profile = day(network, [0.3, 1.2])
    together = period_costs(network, profile).own
    apart = period_costs(network, profile, Rules(coordinated=False)).own
    assert apart <= together + 1e-6
