"""The lake's order is that of vehicle and time, however the rows came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mobility.clustering import by_vehicle_and_time

BEGIN = datetime(2025, 3, 3, tzinfo=UTC)


@given(st.lists(st.tuples(st.sampled_from(["7", "70", "8", "a"]), st.integers(0, 20)), max_size=40))
def test_the_key_sorts_as_the_columns_do_and_keeps_equal_rows_in_order(rows: list[tuple[str, int]]) -> None:
    given_rows = [(vehicle, BEGIN + timedelta(seconds=at), number) for number, (vehicle, at) in enumerate(rows)]
    schema = {"vehicle_id": pl.String, "event_timestamp": pl.Datetime("ms", "UTC"), "number": pl.Int64}
    frame = pl.DataFrame(given_rows, schema=schema, orient="row")
    expected = frame.sort("vehicle_id", "event_timestamp", maintain_order=True)
    assert by_vehicle_and_time(frame).equals(expected)
