"""The lake's order is that of vehicle and time, however the rows came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.clustering import by_vehicle_and_time, clustered

BEGIN = datetime(2025, 3, 3, tzinfo=UTC)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["7", "70", "8", "a"]), st.integers(0, 20)), max_size=40))
def test_rows_come_as_a_sort_on_both_columns_brings_them(
    rows: list[tuple[str, int]],
) -> None:
    given_rows = [(vehicle, BEGIN + timedelta(seconds=at), number) for number, (vehicle, at) in enumerate(rows)]
    schema = {"vehicle_id": pl.String, "event_timestamp": pl.Datetime("ms", "UTC"), "number": pl.Int64}
    frame = pl.DataFrame(given_rows, schema=schema, orient="row")
    expected = frame.sort("vehicle_id", "event_timestamp", maintain_order=True)
    for vehicle_id in (frame["vehicle_id"], frame["vehicle_id"].cast(pl.Categorical)):
        assert frame[by_vehicle_and_time(vehicle_id, frame["event_timestamp"])].equals(expected)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["7", "70", "8"]), st.integers(0, 4), st.sampled_from("abcde")), max_size=40))
def test_rows_of_one_vehicle_and_time_are_told_apart_by_their_name(rows: list[tuple[str, int, str]]) -> None:
    given_rows = [(vehicle, BEGIN + timedelta(seconds=at), name) for vehicle, at, name in rows]
    schema = {"vehicle_id": pl.String, "event_timestamp": pl.Datetime("ms", "UTC"), "name": pl.String}
    frame = pl.DataFrame(given_rows, schema=schema, orient="row")
    assert clustered(frame, "name").equals(frame.sort("vehicle_id", "event_timestamp", "name"))
