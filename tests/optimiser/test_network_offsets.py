"""Offsets on a cycle basis: loops that close, tables that hold every second, and choices that match brute force."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junctions import arterial

from optimiser.coordination import optimise
from optimiser.demand import Demand, TurningFlow
from optimiser.errors import RulesError
from optimiser.evaluation import evaluate
from optimiser.formulation.cycle_basis import cycle_basis, potentials
from optimiser.formulation.cyclic_offsets import StreetCells, add_cyclic_offsets
from optimiser.formulation.names import CYCLIC_OFFSETS, FORMULATIONS, LANE_FLOW_PERSON_DELAY
from optimiser.formulation.street_costs import Arrival, cells, street_costs
from optimiser.result import DESCENDED
from optimiser.rules import Rules, load_rules
from optimiser.safety import check_network_plan
from optimiser.settings import ModelSettings
from optimiser.signals import Network
from optimiser.solve import SolveOptions, solve
from optimiser.subareas import subareas

CYCLE_S = 10
FEW = ModelSettings(cycle_step_s=30.0, common_cycles=2, orders=2, most_generated=4, starts=8)


@st.composite
def connected_streets(draw: st.DrawFn) -> list[tuple[str, str]]:
    count = draw(st.integers(2, 7))
    names = [f"j{i}" for i in range(count)]
    streets = [(names[draw(st.integers(0, i - 1))], names[i]) for i in range(1, count)]
    for _ in range(draw(st.integers(0, 6))):
        one, other = draw(st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True))
        streets.append((one, other))
    return streets


@given(connected_streets(), st.data())
def test_the_basis_spans_every_loop_in_whole_numbers(streets: list[tuple[str, str]], data: st.DataObject) -> None:
    widths = [float(data.draw(st.integers(1, 9))) for _ in streets]
    loops = cycle_basis(streets, widths)
    names = {name for street in streets for name in street}
    assert len(loops) == len(streets) - len(names) + 1
    rows = np.zeros((len(loops), len(streets)))
    for n, loop in enumerate(loops):
        for s, sign in loop.streets:
            rows[n, s] = sign
        assert len({s for s, _ in loop.streets}) == len(loop.streets)
    incidence = np.zeros((len(names), len(streets)))
    for s, (one, other) in enumerate(streets):
        incidence[sorted(names).index(one), s], incidence[sorted(names).index(other), s] = 1, -1
    assert not (incidence @ rows.T).any()
    beyond_tree = rows[:, len(names) - 1 :]
    assert abs(round(float(np.linalg.det(beyond_tree)))) == 1 if len(loops) else True


@given(connected_streets(), st.data())
def test_potentials_give_back_the_offsets_behind_the_tensions(
    streets: list[tuple[str, str]], data: st.DataObject
) -> None:
    names = sorted({name for street in streets for name in street})
    offsets = {name: float(data.draw(st.integers(-50, 50))) for name in names}
    tensions = [offsets[one] - offsets[other] for one, other in streets]
    assert potentials(streets, tensions, {**dict.fromkeys(names, 0.0), names[0]: offsets[names[0]]}) == offsets


@given(st.lists(st.floats(0, 100), min_size=4, max_size=30), st.floats(0, 120))
def test_cells_hold_the_cost_of_every_second_that_is_not_too_dear(values: list[float], dearest: float) -> None:
    costs = np.array(values)
    seen: dict[int, float] = {}
    for cell in cells(costs, dearest):
        for second in range(cell.from_s, cell.to_s + 1):
            assert second % len(costs) not in seen
            seen[second % len(costs)] = max(slope * second + constant for slope, constant in cell.lines)
    assert set(seen) == {x for x, cost in enumerate(values) if cost <= dearest}
    for second, cost in seen.items():
        assert cost == pytest.approx(values[second], abs=1e-3)


def test_a_platoon_is_free_where_it_meets_the_green_and_waits_the_red_out_elsewhere() -> None:
    arrival = Arrival(True, 2.0, 0.0, 4.0, 6.0, 0.0, 1.0, 1.0)
    costs = street_costs([arrival], CYCLE_S)
    assert costs[0] == costs[3] == 0
    assert costs[9] == 2.0 * 1 and costs[6] == 2.0 * 4
    back = street_costs([Arrival(False, 2.0, 0.0, 4.0, 6.0, 0.0, 1.0, 1.0)], CYCLE_S)
    assert [back[-x % CYCLE_S] for x in range(CYCLE_S)] == list(costs)


@settings(max_examples=12)
@given(st.data())
def test_cyclic_offsets_are_the_best_of_all_timings(data: st.DataObject) -> None:
    """Three junctions in a ring with a second street on one side, two alternatives at the first of them."""
    ring = [("a", "b"), ("b", "c"), ("a", "c"), ("a", "b")]
    base = {"a": [data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))], "b": [3], "c": [1]}
    tables = {}
    for s, (one, other) in enumerate(ring):
        for p, q in product(range(len(base[one])), range(len(base[other]))):
            tables[s, p, q] = np.array([float(data.draw(st.integers(0, 30))) for _ in range(CYCLE_S)])
    streets = [
        StreetCells(one, other, {(p, q): cells(t) for (n, p, q), t in tables.items() if n == s})
        for s, (one, other) in enumerate(ring)
    ]
    model = pyo.ConcreteModel()
    add_cyclic_offsets(model, base, streets, CYCLE_S)
    solution = solve(model, SolveOptions(mip_gap=1e-6))
    best = min(
        sum(base[j][p] for j, p in (("a", p), ("b", 0), ("c", 0)))
        + sum(
            tables[s, p if one == "a" else 0, 0][({"a": 0, "b": x, "c": y}[one] - {"b": x, "c": y}[other]) % CYCLE_S]
            for s, (one, other) in enumerate(ring)
        )
        for p, x, y in product(range(2), range(CYCLE_S), range(CYCLE_S))
    )
    assert solution.objective is not None
    assert solution.objective <= best + 1e-5
    assert solution.bound <= best + 1e-5
    tension = [model.tension[s].value for s in range(len(ring))]
    if all(abs(t - round(t)) < 1e-6 for t in tension):
        assert solution.objective == pytest.approx(best, abs=1e-4)


def square() -> tuple[Network, Demand]:
    """The tees of a road with a way back from the last to the first: one closed loop."""
    network = arterial(4)
    link = network.links[0]
    closing = link.model_copy(update={"from_junction": "tee4", "to_junction": "tee1"})
    network = network.model_copy(update={"links": (*network.links, closing)})
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=q, served_veh_h=q)
        for j in network.junctions
        for m, q in zip(j.movements, (400.0, 40.0, 350.0, 60.0, 150.0, 60.0), strict=True)
    )
    return network, Demand(begin_s=0, end_s=3600, turning_flows=flows)


@pytest.mark.parametrize("largest_area", [80, 2])
def test_cyclic_offsets_say_what_the_model_says_of_the_plan_and_bound_it(largest_area: int) -> None:
    network, demand = square()
    few = ModelSettings(**{**vars(FEW), "largest_area": largest_area})
    rules = Rules(cycle_s=60, formulation=CYCLIC_OFFSETS)
    result = optimise(network, demand, rules, settings=few)
    (candidate,) = [c for c in result.candidates if c.name == "60 s"]
    weighed = evaluate(network, demand, candidate.plan, rules, few).objective
    assert candidate.objective == pytest.approx(weighed, rel=1e-3)
    assert 0 < candidate.bound <= candidate.objective
    assert check_network_plan(candidate.plan) == ()
    if largest_area == 80:
        assert candidate.gap <= few.offset_gap + 1e-9
        plain = optimise(network, demand, Rules(cycle_s=60, formulation=LANE_FLOW_PERSON_DELAY), settings=FEW)
        assert candidate.objective <= plain.objective * 1.02


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_every_formulation_gives_safe_plans_the_same_twice_and_its_name(formulation: str) -> None:
    network, demand = square()
    rules = Rules(cycle_s=60, formulation=formulation)
    results = [optimise(network, demand, rules, settings=FEW) for _ in range(2)]
    assert results[0].plan.id == results[1].plan.id
    assert results[0].formulation == formulation
    assert results[0].bound <= results[0].objective
    for candidate in results[0].candidates:
        assert len(candidate.plan.controllers) == 4
        assert check_network_plan(candidate.plan) == ()


def test_other_common_cycles_come_back_as_descents_leave_them_weighed_by_the_same_model() -> None:
    network, demand = square()
    rules = Rules(candidate_cycles_s=(45, 60, 75))
    result = optimise(network, demand, rules, settings=FEW)
    others = [c for c in result.candidates if c.ended == DESCENDED]
    assert others and len(others) < FEW.common_cycles
    for candidate in others:
        assert candidate.cycle_s not in result.cycles_s.values()
        assert {p.cycle_s for p in candidate.plan.controllers} == {candidate.cycle_s}
        weighed = evaluate(network, demand, candidate.plan, rules, FEW).objective
        assert weighed == pytest.approx(candidate.objective, rel=1e-3)
        assert check_network_plan(candidate.plan) == ()


def test_an_unknown_formulation_is_refused_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('formulation = "widest"\n', encoding="utf-8")
    with pytest.raises(RulesError, match=r"rules\.toml.*formulation.*'widest'.*MAXBAND"):
        load_rules(file)


def test_subareas_join_what_is_bound_most_within_their_size() -> None:
    bonds = {("a", "b"): 9.0, ("b", "c"): 1.0, ("c", "d"): 8.0, ("d", "e"): 0.0}
    assert subareas(list("abcde"), bonds, 2) == (("a", "b"), ("c", "d"), ("e",))
    assert subareas(list("abcde"), bonds, 9) == (("a", "b", "c", "d"), ("e",))
