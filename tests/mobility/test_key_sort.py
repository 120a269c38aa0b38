"""Rows come in order of their keys as a stable sort brings them, however the keys lie in their range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.key_sort import FEW_ROWS, sorted_keys

keys = st.one_of(
    st.lists(st.integers(0, 3), max_size=200),
    st.lists(st.integers(0, 1 << 62), max_size=200),
    # a few far off: all others are of one part
    st.lists(st.sampled_from([5, 6, 7, 1 << 61]), max_size=200),
)


@settings(deadline=None)
@given(keys)
def test_rows_come_as_a_stable_sort_brings_them(values: list[int]) -> None:
    assert_sorted(np.array(values, dtype=np.int64))


@pytest.mark.parametrize("size", [1, FEW_ROWS, FEW_ROWS + 1, 100_000])
def test_parts_of_any_size(size: int) -> None:
    rng = np.random.default_rng(1)
    assert_sorted(np.full(size, 7))
    assert_sorted(rng.integers(0, 1 << 62, size))
    # half of the rows have one key, as taps without a card have
    assert_sorted(np.where(rng.random(size) < 0.5, 1 << 61, rng.integers(0, 1 << 60, size)))


def assert_sorted(key: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    ordered, row = sorted_keys(key)
    assert row.tolist() == np.argsort(key, kind="stable").tolist()
    assert ordered.tolist() == np.sort(key).tolist()
