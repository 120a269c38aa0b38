"""What hashes tell of rows that repeat."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.repeats import may_repeat, numbered, repeating


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=8))
def test_rows_that_are_the_same_are_never_missed(rows: list[tuple[str, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"name": pl.String, "number": pl.Int64}, orient="row")
    assert may_repeat(frame) == (len(set(rows)) < len(rows))
    for times in (2, 3):
        assert repeating(frame.hash_rows(), times).to_list() == [rows.count(row) >= times for row in rows]


@given(st.lists(st.text(max_size=3), max_size=12))
def test_different_texts_have_different_numbers(texts: list[str]) -> None:
    distinct, number = numbered(pl.Series(texts, dtype=pl.String))
    assert sorted(distinct.to_list()) == sorted(set(texts))
    assert distinct.gather(number).to_list() == texts


def test_texts_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda texts: pl.Series([7] * len(texts), dtype=pl.UInt64))
    distinct, number = numbered(pl.Series(["b", "a", "b"]))
    assert distinct.gather(number).to_list() == ["b", "a", "b"]
