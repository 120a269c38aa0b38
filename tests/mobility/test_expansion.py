"""Scaling keeps what the seed says of proportions and gives the margins that were counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mobility.errors import FeedError, MobilityError
from mobility.expansion import control_totals, ipf, line_factors

Floats = npt.NDArray[np.float64]
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
SEEDS = SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(0.1, 100)))


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, factors=st.tuples(st.integers(0, 1000), st.floats(0.5, 20)))
def test_margins_are_reproduced_and_odds_kept(seed: Floats, factors: tuple[int, float]) -> None:
    rng = np.random.default_rng(factors[0])
    rows = rng.uniform(1, 50, seed.shape[0]) * factors[1]
    columns = rng.uniform(1, 50, seed.shape[1])
    columns *= rows.sum() / columns.sum()
    fit = ipf(seed, rows, columns)
    assert fit.matrix.sum(axis=1) == pytest.approx(rows, rel=1e-6)
    assert fit.matrix.sum(axis=0) == pytest.approx(columns, rel=1e-6)
    if min(seed.shape) >= 2:
        odds = seed[0, 0] * seed[1, 1] / (seed[0, 1] * seed[1, 0])
        fitted = fit.matrix[0, 0] * fit.matrix[1, 1] / (fit.matrix[0, 1] * fit.matrix[1, 0])
        assert fitted == pytest.approx(odds, rel=1e-6)


def test_a_matrix_that_fits_already_is_not_changed() -> None:
    seed = np.array([[1.0, 2.0], [3.0, 4.0]])
    fit = ipf(seed, seed.sum(axis=1), seed.sum(axis=0))
    assert fit.matrix == pytest.approx(seed)
    assert fit.change == pytest.approx(0.0)


def test_zero_cells_stay_zero_and_rows_without_a_total_are_left_free() -> None:
    fit = ipf(np.array([[0.0, 2.0], [3.0, 4.0]]), np.array([10.0, np.nan]))
    assert fit.matrix == pytest.approx(np.array([[0.0, 10.0], [3.0, 4.0]]))


@pytest.mark.parametrize(
    ("rows", "columns", "word"),
    [
        ([1.0, 2.0], [1.0, 5.0], "row totals sum to 3"),
        ([-1.0, 2.0], [0.5, 0.5], "0 or more"),
        ([1.0], [1.0, 1.0], "one total per row"),
    ],
)
def test_margins_that_cannot_be_met_are_refused(rows: list[float], columns: list[float], word: str) -> None:
    with pytest.raises(MobilityError, match=word):
        ipf(np.ones((2, 2)), np.array(rows), np.array(columns))


def test_each_line_is_scaled_to_its_own_total_and_the_odd_ones_are_named() -> None:
    tapped = pl.DataFrame({"line": ["a", "a", "b"], "hour": [7, 8, 8], "riders": [30, 10, 5]})
    totals = pl.DataFrame({"line": ["a", "c"], "boardings": [50.0, 9.0]})
    expansion = line_factors(tapped, totals, cash_share=0.2)
    assert dict(expansion.factors.iter_rows()) == pytest.approx({"a": 1.25, "b": 1.25})
    assert expansion.unscaled == ("c",)
    assert expansion.unknown == ("b",)


def test_without_totals_the_share_of_cash_scales_all_lines() -> None:
    tapped = pl.DataFrame({"line": ["a"], "hour": [7], "riders": [30]})
    assert line_factors(tapped, None, cash_share=0.25).factors["factor"].to_list() == pytest.approx([4 / 3])


def test_a_total_that_is_no_number_is_named_by_its_line() -> None:
    strings = pl.DataFrame({"route_id": ["a", "b"], "boardings": ["3", "-1"]})
    with pytest.raises(FeedError, match=r"totals.csv, line 3"):
        control_totals(strings, "totals.csv")
