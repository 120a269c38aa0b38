"""Compiled steps give what the plain way of saying them gives."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.batches import in_batches
from mobility.counting_sort import stable_order
from mobility.ride_options import distinct
from mobility.ride_order import followed, journeys_of
from mobility.runs import runs_of, spans
from mobility.visit_times import in_order, nothing_visited

small = st.lists(st.integers(0, 6), max_size=40)


@settings(deadline=None)
@given(small)
def test_a_counting_sort_is_a_stable_sort(values: list[int]) -> None:
    numbers = np.array(values, dtype=np.int64)
    assert stable_order(numbers, 7).tolist() == np.argsort(numbers, kind="stable").tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 62), max_size=40), small)
def test_different_keys_are_numbered_as_they_first_come(keys: list[int], again: list[int]) -> None:
    rows = np.array([*keys, *(keys[n % len(keys)] for n in again if keys)], dtype=np.int64)
    different, number = distinct(rows)
    assert different.tolist() == list(dict.fromkeys(rows.tolist()))
    assert different[number].tolist() == rows.tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 20))
def test_every_item_is_in_one_batch(rows: list[int], size: int) -> None:
    first = np.r_[0, np.cumsum(rows)]
    batches = in_batches(lambda begin, end: (begin, end), first, size)
    covered = [item for begin, end in batches for item in range(begin, end)]
    assert covered == (list(range(len(rows))) if sum(rows) else [])


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.booleans()), max_size=30))
def test_runs_are_rows_that_say_the_same(rows: list[tuple[str | None, bool]]) -> None:
    frame = pl.DataFrame(rows, schema={"one": pl.String, "other": pl.Boolean}, orient="row")
    first, count = runs_of(frame, ("one", "other"))
    begins = [n for n, row in enumerate(rows) if n == 0 or row != rows[n - 1]]
    assert first.tolist() == begins
    assert count.tolist() == np.diff([*begins, len(rows)]).tolist() if rows else len(count) == 0


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=5), max_size=6))
def test_spans_reach_from_the_least_of_a_run_to_its_most(runs: list[list[float]]) -> None:
    rows = np.array([len(run) for run in runs], dtype=np.int64)
    values = np.array([value for run in runs for value in run])
    found = spans(rows.cumsum() - rows, rows, values)
    assert found.tolist() == [max(run) - min(run) for run in runs]


rides = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2), st.booleans()), max_size=30)


@settings(deadline=None)
@given(rides)
def test_journeys_hand_on_their_first_ride(rows: list[tuple[int, int, bool]]) -> None:
    """Cards together, those without one last; as many of a group go on as board the next bus together."""
    rows = sorted(rows, key=lambda row: row[0] if row[0] >= 0 else 9)
    card, trip = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 1))
    following, first_of_day = followed(card, trip)
    changes = np.array([row[2] for row in rows], dtype=np.bool_) & (following >= 0)
    first, number = journeys_of(card, trip, following, changes)
    for ride in range(len(rows)):
        later = [n for n in range(ride + 1, len(rows)) if card[n] == card[ride] >= 0]
        other = next((n for n in later if any(trip[k] != trip[ride] for k in range(ride, n + 1))), -1)
        assert following[ride] == other
        assert first_of_day[ride] == (card.tolist().index(card[ride]) if card[ride] >= 0 else ride)
    expected = hand_on(card.tolist(), trip.tolist(), changes.tolist())
    assert list(zip(first.tolist(), number.tolist(), strict=True)) == expected


def hand_on(card: list[int], trip: list[int], changes: list[bool]) -> list[tuple[int, int]]:
    """First ride of its journey and place in it, of each ride. Companions are rides of a card that follow each other in
    one trip, and the second of them goes on with the second of those in the card's next trip, if there is one."""
    told = [(ride, 1) for ride in range(len(card))]
    for name in sorted(set(card) - {-1}):
        own = [ride for ride in range(len(card)) if card[ride] == name]
        parties = [list(rides) for _, rides in groupby(own, key=lambda ride: trip[ride])]
        for party, onward in pairwise(parties):
            for ride, later in zip(party, onward, strict=False):
                if changes[ride]:
                    first, number = told[ride]
                    told[later] = (first, number + 1)
    return told


def test_calls_are_in_order_by_vehicle_then_arrival() -> None:
    visited = nothing_visited(4)
    visited.trip[:] = [0, 0, 1, 2]
    visited.arrival_ms[:] = [5, 7, 6, 1]
    rows = np.arange(4)
    assert in_order(rows, np.array([0, 1, 2]), visited)
    assert not in_order(rows, np.array([0, 0, 1]), visited)
    assert not in_order(rows[::-1].copy(), np.array([0, 1, 2]), visited)
