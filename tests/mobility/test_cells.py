"""Cells: what compiled steps tell of each is what polars tells of groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mobility.categories import distinct, recoded
from mobility.cells import Cells, sorted_by

BEGIN = datetime(2025, 3, 3, tzinfo=UTC)
KEY = ["line", "direction", "at"]
row = st.tuples(
    st.sampled_from(["b", "a", "", "ä"]),
    st.sampled_from([None, 0, 1]),
    st.integers(0, 3),
    st.integers(-5000, 5000).map(lambda number: number / 1000),
    st.none() | st.floats(0, 9),
)
rows = st.lists(row, max_size=30)


def frame_of(rows: list[tuple[str, int | None, int, float, float | None]]) -> pl.DataFrame:
    schema = {"line": pl.String, "direction": pl.Int64, "hour": pl.Int64, "value": pl.Float64, "gap": pl.Float64}
    hour = pl.lit(BEGIN, dtype=pl.Datetime("ms", "UTC")) + pl.duration(hours="hour", time_unit="ms")
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(hour.alias("at"))


@settings(deadline=None)
@given(rows)
def test_cells_tell_what_groups_do(rows: list[tuple[str, int | None, int, float, float | None]]) -> None:
    frame = frame_of(rows)
    cells, value = Cells.of(frame.select(KEY)), frame["value"]
    median, high = cells.quantiles(value, 0.5, 0.85)
    told = cells.firsts(frame.select(KEY)).with_columns(
        cells.counts().alias("count"),
        cells.sums(value).alias("sum"),
        cells.means(value).alias("mean"),
        cells.means(frame["gap"]).alias("gap"),
        cells.deviations(value).alias("deviation"),
        median.alias("median"),
        high.alias("high"),
        cells.least(frame["direction"]).alias("least"),
        cells.most(frame["hour"]).alias("most"),
        cells.least(value).alias("low"),
        cells.different(value.hash()).alias("different"),
        cells.lasts(frame.select("value")).to_series().alias("last"),
    )
    expected = (
        frame.group_by(KEY)
        .agg(
            pl.len().cast(pl.Int64).alias("count"),
            pl.col("value").sum().alias("sum"),
            pl.col("value").mean().alias("mean"),
            pl.col("gap").mean(),
            pl.col("value").std().alias("deviation"),
            pl.col("value").median().alias("median"),
            pl.col("value").quantile(0.85, "linear").alias("high"),
            pl.col("direction").min().alias("least"),
            pl.col("hour").max().alias("most"),
            pl.col("value").min().alias("low"),
            pl.col("value").n_unique().cast(pl.Int64).alias("different"),
            pl.col("value").last().alias("last"),
        )
        .sort(KEY)
    )
    assert_frame_equal(told, expected, abs_tol=1e-9)


@pytest.mark.parametrize("dtype", [pl.UInt8, pl.Int32, pl.Int64, pl.Date, pl.Datetime("ms")])
def test_a_cell_without_values_has_no_least_and_no_most(dtype: pl.DataType) -> None:
    cells = Cells.of(pl.DataFrame({"stop": ["a", "a", "b", "b"]}))
    values = pl.Series([3, None, None, None]).cast(dtype)
    known = pl.Series([3, None]).cast(dtype)
    for found in (cells.least(values), cells.most(values)):
        assert found.dtype == dtype and found.to_list() == known.to_list()


@settings(deadline=None)
@given(rows)
def test_rows_are_sorted_as_polars_sorts_them(rows: list[tuple[str, int | None, int, float, float | None]]) -> None:
    frame = frame_of(rows).with_row_index()
    for columns in (KEY, ["value", "line"], ["gap"]):
        assert sorted_by(frame, columns).equals(frame.sort(columns, maintain_order=True))


def test_times_of_a_day_are_sorted_to_the_millisecond() -> None:
    at = pl.Series("at", [BEGIN + timedelta(milliseconds=n * 7919 % 86_400_000) for n in range(2000)])
    frame = at.cast(pl.Datetime("ms", "UTC")).to_frame()
    assert sorted_by(frame, ["at"]).equals(frame.sort("at"))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["b", "a", "", "ä"]) | st.none(), max_size=9))
def test_categories_are_the_texts_they_stand_for(texts: list[str | None]) -> None:
    column, names = pl.Series("name", texts, dtype=pl.String), pl.Enum(["", "a", "b", "x", "ä"])
    for dtype in (pl.String, pl.Categorical, pl.Enum(["ä", "b", "a", ""])):
        told = column.cast(dtype)
        assert sorted(distinct(told).to_list()) == sorted({text for text in texts if text is not None})
        assert recoded(told, names).cast(pl.String).to_list() == texts
