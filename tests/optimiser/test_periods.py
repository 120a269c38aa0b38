"""Periods of the day: the partition found is the best there is, and keeps the engineer's limits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimiser.periods import PeriodLimits, PeriodsError, best_partition

Matrix = NDArray[np.float64]


def partitions(n: int, limits: PeriodLimits) -> Iterator[tuple[int, ...]]:
    """Every partition that keeps the limits, by trying all."""
    for count in range(1, limits.most_periods + 1):
        for inner in combinations(range(1, n), count - 1):
            bounds = (0, *inner, n)
            if all(b - a >= limits.least_intervals for a, b in pairwise(bounds)):
                yield bounds


def cost_of(bounds: tuple[int, ...], losses: Matrix, changes: Matrix) -> float:
    """Losses of the periods and `changes[h, i, j]` of each change."""
    lost = sum(losses[a, b] for a, b in pairwise(bounds))
    changed = sum(changes[h, i, j] for h, i, j in zip(bounds, bounds[1:], bounds[2:], strict=False))
    return float(lost + changed)


@st.composite
def days(draw: st.DrawFn) -> tuple[Matrix, Matrix, PeriodLimits]:
    n = draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    limits = PeriodLimits(draw(st.integers(1, min(3, n))), draw(st.integers(1, 5)))
    return random.uniform(0, 10, (n + 1, n + 1)), random.uniform(0, 6, (n + 1,) * 3), limits


@given(days())
def test_no_partition_costs_less_than_the_one_found(day: tuple[Matrix, Matrix, PeriodLimits]) -> None:
    losses, changes, limits = day
    n = losses.shape[0] - 1
    found = best_partition(losses, lambda i: changes[:i, i, :], limits)
    least = min(cost_of(bounds, losses, changes) for bounds in partitions(n, limits))
    assert found.cost == pytest.approx(least)
    assert cost_of(found.bounds, losses, changes) == pytest.approx(found.cost)
    assert found.bounds in set(partitions(n, limits))


def blocks(levels: list[float]) -> Matrix:
    """Losses of a period as the sum of squared differences from its mean: Fisher's."""
    n = len(levels)
    losses = np.zeros((n + 1, n + 1))
    for i in range(n):
        for j in range(i + 1, n + 1):
            losses[i, j] = float(np.var(levels[i:j]) * (j - i))
    return losses


def test_a_day_of_three_levels_falls_into_three_periods_at_its_steps() -> None:
    levels = [1.0] * 5 + [9.0] * 7 + [4.0] * 6
    found = best_partition(blocks(levels), lambda i: np.full((i, len(levels) + 1), 0.5), PeriodLimits(2, 8))
    assert found.bounds == (0, 5, 12, 18)
    assert found.cost == pytest.approx(1.0)


def test_a_change_that_costs_more_than_it_saves_is_not_made() -> None:
    levels = [1.0] * 6 + [2.0] * 6
    dear = best_partition(blocks(levels), lambda i: np.full((i, 13), 4.0), PeriodLimits(2, 8))
    cheap = best_partition(blocks(levels), lambda i: np.full((i, 13), 2.0), PeriodLimits(2, 8))
    assert dear.bounds == (0, 12)
    assert cheap.bounds == (0, 6, 12)


def test_a_short_peak_gets_the_least_period_around_it() -> None:
    levels = [1.0] * 6 + [30.0] + [1.0] * 6
    found = best_partition(blocks(levels), lambda i: np.zeros((i, 14)), PeriodLimits(3, 8))
    assert all(b - a >= 3 for a, b in found.periods)
    assert any(a <= 6 < b and b - a == 3 for a, b in found.periods)


def test_a_profile_shorter_than_the_least_period_is_refused() -> None:
    with pytest.raises(PeriodsError, match="2 intervals"):
        best_partition(np.zeros((3, 3)), lambda i: np.zeros((i, 3)), PeriodLimits(4, 8))


def test_periods_that_must_not_be_are_not_and_a_day_without_any_is_refused() -> None:
    losses = blocks([1.0, 9.0, 9.0, 1.0])
    losses[1, 3] = np.inf
    found = best_partition(losses, lambda i: np.zeros((i, 5)), PeriodLimits(1, 8))
    assert (1, 3) not in found.periods
    with pytest.raises(PeriodsError, match="shorter periods"):
        best_partition(np.full((5, 5), np.inf), lambda i: np.zeros((i, 5)), PeriodLimits(1, 8))
