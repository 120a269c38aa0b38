"""Scaling keeps what the seed says of proportions and gives the margins that were counted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mobility.errors import FeedError, MobilityError
from mobility.expansion import control_totals, ipf, line_factors, trip_factors
from mobility.leg_weights import TRIP, weighed
from mobility.sources.delimited import BROKEN, Records

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


def records(strings: pl.DataFrame) -> Records:
    """The rows as they would stand in a file with an empty line after the header."""
    lines = pl.int_range(3, strings.height + 3, dtype=pl.Int64, eager=True)
    return Records(strings, lines, pl.DataFrame(schema=BROKEN))


@pytest.mark.parametrize("boardings", ["-1", "many", "nan", "inf"])
def test_a_total_that_is_no_number_is_named_by_its_line(boardings: str) -> None:
    strings = pl.DataFrame({"route_id": ["a", "b"], "boardings": ["3", boardings]})
    with pytest.raises(FeedError, match=r"totals.csv, line 4"):
        control_totals(records(strings), "totals.csv")


def test_counted_trips_get_their_own_totals_and_the_others_their_lines() -> None:
    tapped = pl.DataFrame({"line": ["a", "a", "a"], "trip_id_performed": ["1", "2", "3"], "riders": [10, 30, 5]})
    strings = pl.DataFrame(
        {"route_id": ["a", "a", "a"], "trip_id_performed": ["1", "2", "9"], "boardings": ["20", "30", "4"]}
    )
    fitted = trip_factors(tapped, control_totals(records(strings), "totals.csv"))
    assert dict(fitted.factors.select("trip_id_performed", "factor").iter_rows()) == {"1": 2.0, "2": 1.0}
    assert fitted.lines["factor"].to_list() == pytest.approx([50 / 40])
    assert fitted.unscaled == ("9",)
    assert fitted.fit.change == pytest.approx(10 / 40)


def test_real_turnstile_totals_are_reproduced(real_data: Path) -> None:
    """Belo Horizonte counts each trip at the turnstile; of its riders some tap."""
    path = real_data / "mobility" / "bhtrans" / "mco_trips_pax.parquet"
    counted = pl.read_parquet(path).select(
        pl.col("Código Externo Linha").alias("line"),
        pl.col("Viagem_21").alias("trip_id_performed"),
        pl.col("Passageiros").cast(pl.Float64).alias("boardings"),
    )
    totals = (
        counted.group_by("line", "trip_id_performed").agg(pl.col("boardings").sum()).sort("line", "trip_id_performed")
    )
    rng = np.random.default_rng(1)
    riders = rng.binomial(totals["boardings"].cast(pl.Int64).to_numpy(), 0.8)
    tapped = totals.select("line", "trip_id_performed").with_columns(pl.Series("riders", riders))
    fitted = trip_factors(tapped, totals)
    scaled = fitted.factors.join(tapped, on=["line", "trip_id_performed"]).join(
        totals, on=["line", "trip_id_performed"]
    )
    assert (scaled["factor"] * scaled["riders"]).to_numpy() == pytest.approx(scaled["boardings"].to_numpy())
    missed = totals.filter(pl.col("trip_id_performed").is_in(list(fitted.unscaled)))["boardings"].sum()
    assert scaled["boardings"].sum() + missed == pytest.approx(totals["boardings"].sum())
    assert fitted.fit.change == pytest.approx(0.25, abs=0.01)


def test_a_leg_weighs_what_its_trip_its_line_or_the_share_of_cash_says() -> None:
    at = datetime(2025, 3, 3, 3, tzinfo=UTC)
    rows = [("a", "1"), ("a", "1"), ("a", "2"), ("b", "3"), ("c", "4")]
    legs = pl.DataFrame(rows, schema=TRIP, orient="row").with_columns(
        pl.lit(at).dt.cast_time_unit("ms").alias("boarded_at"), pl.lit(1, pl.Int64).alias("riders")
    )
    totals = pl.DataFrame(
        {"line": ["a", "b"], "trip_id_performed": ["1", None], "boardings": [5.0, 3.0]},
        schema_overrides={"trip_id_performed": pl.String},
    )
    scaled = weighed(legs, totals, 0.2, at.timestamp())
    assert scaled.legs["pax"].to_list() == pytest.approx([2.5, 2.5, 2.5, 3.0, 1.25])
    assert scaled.unknown == ("c",)
    assert weighed(legs, None, 0.2, at.timestamp()).legs["pax"].to_list() == pytest.approx([1.25] * 5)
