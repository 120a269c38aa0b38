"""The engineer's weights of persons in the search by simulation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimiser.rule_tables import LineRules, Weights
from optimiser.rules import Rules
from sumo_networks.measure import Measures, PersonSeconds, RunMeasures
from sumo_networks.person_weights import PersonWeights
from sumo_networks.race import delay_ratio

SHIPPED = RunMeasures(
    1000,
    Measures(20.0, 20.0, 40.0, None, None, None, 100, 0, 0, None, None),
    {},
    {},
    {},
    (),
    lost=PersonSeconds(cars=1800.0, lines={"7": 100.0, "9": 100.0}),
)


def run_of(cars_s: float, line_7_s: float, line_9_s: float) -> RunMeasures:
    """A run with other losses; its figures follow, vehicles being mostly cars."""
    persons_s = cars_s + line_7_s + line_9_s
    figures = replace(
        SHIPPED.measures,
        person_delay_s=persons_s / 100,
        vehicle_delay_s=20.0 * cars_s / 1800.0,
        bus_delay_s=40.0 * (line_7_s + line_9_s) / 200.0,
    )
    return replace(SHIPPED, measures=figures, lost=PersonSeconds(cars_s, {"7": line_7_s, "9": line_9_s}))


def test_everybody_alike_is_the_plain_person_delay() -> None:
    assert PersonWeights.of(Rules()).all_alike
    assert delay_ratio(SHIPPED, run_of(1800.0, 100.0, 100.0), PersonWeights()) == pytest.approx(1.0)
    assert delay_ratio(SHIPPED, run_of(900.0, 50.0, 50.0), PersonWeights()) == pytest.approx(0.5)


def test_a_plan_for_buses_is_the_better_one_where_buses_weigh_more() -> None:
    for_cars, for_buses = run_of(1700.0, 100.0, 100.0), run_of(1790.0, 50.0, 50.0)
    alike, buses_first = PersonWeights(), PersonWeights.of(Rules(weights=Weights(bus=10.0)))
    assert delay_ratio(SHIPPED, for_cars, alike) < delay_ratio(SHIPPED, for_buses, alike)
    assert delay_ratio(SHIPPED, for_buses, buses_first) < delay_ratio(SHIPPED, for_cars, buses_first)


def test_a_line_may_come_first() -> None:
    weights = PersonWeights.of(Rules(lines={"9": LineRules(weight=5.0), "7": LineRules()}))
    assert weights.lines == {"9": 5.0}
    line_7, line_9 = run_of(1800.0, 60.0, 100.0), run_of(1800.0, 100.0, 60.0)
    assert delay_ratio(SHIPPED, line_9, weights) < delay_ratio(SHIPPED, line_7, weights)


def test_who_weighs_less_makes_up_for_less() -> None:
    weights = PersonWeights.of(Rules(weights=Weights(vehicle=0.1)))
    # 200 s won by people in cars, 50 s lost by those in buses
    found = run_of(1600.0, 125.0, 125.0)
    assert delay_ratio(SHIPPED, found, PersonWeights()) < 1.0 < delay_ratio(SHIPPED, found, weights)
