"""Which plan runs in which period: the best there is, against all that there are."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.plan_sequences import best_sequence, kept_plans


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10_000))
def test_no_sequence_of_plans_costs_less_than_the_one_found(periods: int, plans: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    costs = random.uniform(0, 10, (periods, plans))
    changes = random.uniform(0, 5, (periods, plans, plans))
    for q in range(plans):
        changes[:, q, q] = 0.0

    def cost_of(sequence: tuple[int, ...]) -> float:
        lost = sum(costs[p, r] for p, r in enumerate(sequence))
        return float(lost + sum(changes[p, sequence[p - 1], sequence[p]] for p in range(periods)))

    found, cost = best_sequence(costs, range(plans), lambda p, q, r: float(changes[p, q, r]))
    assert cost == pytest.approx(cost_of(found))
    assert cost == pytest.approx(min(cost_of(s) for s in product(range(plans), repeat=periods)))


def test_a_period_whose_gain_does_not_pay_its_changes_runs_its_neighbours_plan() -> None:
    costs = np.array([[10.0, 20.0], [13.0, 10.0], [10.0, 20.0]])
    dear, _ = best_sequence(costs, (0, 1), lambda p, q, r: 2.0)
    cheap, _ = best_sequence(costs, (0, 1), lambda p, q, r: 1.0)
    assert dear == (0, 0, 0)
    assert cheap == (0, 1, 0)


def test_a_change_without_a_safe_way_is_never_made() -> None:
    costs = np.array([[0.0, 50.0], [50.0, 0.0]])
    found, _ = best_sequence(costs, (0, 1), lambda p, q, r: float("inf"))
    assert found in ((0, 0), (1, 1))


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.floats(0, 5), st.integers(0, 10_000))
def test_no_set_of_plans_serves_the_periods_better_than_the_one_kept(
    periods: int, plans: int, most: int, plan_cost: float, seed: int
) -> None:
    costs = np.random.default_rng(seed).uniform(0, 10, (periods, plans))

    def cost_of(kept: tuple[int, ...]) -> float:
        return float(costs[:, kept].min(axis=1).sum()) + plan_cost * len(kept)

    found = kept_plans(costs, most, plan_cost)
    assert 1 <= len(found) <= most
    sets = (kept for size in range(1, min(most, plans) + 1) for kept in combinations(range(plans), size))
    assert cost_of(found) == pytest.approx(min(map(cost_of, sets)), abs=1e-6)


def test_a_plan_that_saves_less_than_its_price_is_not_kept() -> None:
    costs = np.array([[1.0, 5.0, 3.0], [5.0, 1.0, 3.0], [9.0, 9.0, 3.0]])
    assert kept_plans(costs, 1) == (2,)
    assert kept_plans(costs, 3, 1.9) == (0, 1, 2)
    assert kept_plans(costs, 3, 2.1) == (2,)
