"""Paired intervals and Holm's procedure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumo_networks.statistics import interval, surely_above

samples = st.lists(st.floats(-1000, 1000), min_size=2, max_size=8)


def test_the_interval_is_student_s() -> None:
    # t(0.975, 2) = 4.3027; the standard error of 1, 2, 3 is 1 / sqrt(3).
    found = interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
    assert found.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert (interval([3.0]).low, interval([3.0]).high) == (None, None)
    with pytest.raises(ValueError, match="no differences"):
        interval([])


@given(samples)
def test_the_mean_lies_within_its_interval(values: list[float]) -> None:
    found = interval(values)
    assert found.low is not None and found.high is not None
    assert found.low <= found.mean <= found.high


def test_a_single_place_is_sure_where_its_one_sided_bound_exceeds_the_limit() -> None:
    # t(0.95, 2) = 2.9200, so the lower bound of 9, 10, 11 is 10 - 2.92 / sqrt(3) = 8.314.
    values = {("j",): [9.0, 10.0, 11.0]}
    assert surely_above(values, {("j",): 8.3})[("j",)].exceeded
    assert not surely_above(values, {("j",): 8.4})[("j",)].exceeded
    assert surely_above(values, {("j",): 8.4})[("j",)].lower == pytest.approx(8.314, abs=1e-3)


def test_more_places_need_more_evidence() -> None:
    worse = [9.0, 10.0, 11.0]
    alone = surely_above({("a",): worse}, {("a",): 8.0})
    crowd = {("a",): worse} | {(f"quiet {index}",): [-1.0, 0.0, 1.0] for index in range(20)}
    together = surely_above(crowd, dict.fromkeys(crowd, 8.0))
    assert alone[("a",)].exceeded
    assert not together[("a",)].exceeded


def test_places_without_spread_are_sure_and_lone_values_never() -> None:
    found = surely_above({("a",): [6.0, 6.0], ("b",): [900.0]}, {("a",): 5.0, ("b",): 5.0})
    assert found[("a",)].exceeded
    assert not found[("b",)].exceeded
    assert found[("b",)].lower is None


@given(st.dictionaries(st.tuples(st.text(max_size=2)), samples, min_size=1, max_size=6), st.floats(-10, 10))
def test_only_places_with_a_mean_over_the_limit_are_sure(
    places: dict[tuple[str, ...], list[float]], limit: float
) -> None:
    for place, bound in surely_above(places, dict.fromkeys(places, limit)).items():
        if bound.exceeded:
            assert bound.lower is not None and bound.lower > limit
            assert sum(places[place]) / len(places[place]) > limit
