"""What hashes tell of rows that repeat."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.hash_table import any_twice, first_rows, rows_with
from mobility.repeats import may_repeat, numbered, read_once, repeating


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=8))
def test_rows_that_are_the_same_are_never_missed(rows: list[tuple[str, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"name": pl.String, "number": pl.Int64}, orient="row")
    assert may_repeat(frame) == (len(set(rows)) < len(rows))
    for times in (2, 3):
        assert repeating(frame.hash_rows(), times).to_list() == [rows.count(row) >= times for row in rows]


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), max_size=12))
def test_different_texts_have_different_numbers(texts: list[str]) -> None:
    distinct, number = numbered(pl.Series(texts, dtype=pl.String))
    assert sorted(distinct.to_list()) == sorted(set(texts))
    assert distinct.gather(number).to_list() == texts


def test_texts_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda texts: pl.Series([7] * len(texts), dtype=pl.UInt64))
    distinct, number = numbered(pl.Series(["b", "a", "b"]))
    assert distinct.gather(number).to_list() == ["b", "a", "b"]


def test_each_text_is_read_once_and_nulls_stay() -> None:
    asked = []

    def read(texts: pl.Series) -> pl.Series:
        asked.extend(texts.to_list())
        return texts.str.len_bytes()

    assert read_once(pl.Series(["aa", None, "b", "aa"]), read).to_list() == [2, None, 1, 2]
    assert sorted(asked) == ["aa", "b"]


@pytest.mark.parametrize("count", [0, 1, 1_000, 200_000])
def test_one_pair_among_many_hashes_is_found(count: int) -> None:
    hashes = np.random.default_rng(1).integers(1, 2**64 - 1, count, dtype=np.uint64)
    assert not any_twice(hashes)
    for again in (0, 1, 2**64 - 1, *hashes[-1:].tolist()):
        assert any_twice(np.append(hashes, np.array([again, again], np.uint64)))
    assert not any_twice(np.append(hashes, np.uint64(0)))
    assert any_twice(np.array([8, 0, 8], np.uint64))
    assert (first_rows(hashes) == np.arange(count)).all()


def test_rows_are_found_by_their_number() -> None:
    keys = np.array([7, -3, 1 << 50, 0])
    assert rows_with(keys, np.array([0, 5, 1 << 50, 7, -3])).tolist() == [3, -1, 2, 0, 1]
    assert rows_with(keys[:0], keys).tolist() == [-1] * 4
