"""A validator's clock is set right where its taps fall beside the stops of its bus, and only there."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import polars as pl
import pytest
from rides_by_hand import DAY, TIME, at, taps

from mobility.boardings import boardings
from mobility.validator_clocks import clock_offsets, set_right


def uneven_trip(vehicle: str, seed: int, calls: int = 60) -> pl.DataFrame:
    """A long trip with uneven times between stops and at them."""
    random = Random(seed)
    minute, rows = 0.0, []
    for n in range(calls):
        arrival = at(minute)
        stood_s = 8 + 25 * random.random()
        rows.append((vehicle, n + 1, f"s{n}", n == calls - 1, arrival, arrival + timedelta(seconds=stood_s)))
        minute += (stood_s + 40 + 120 * random.random()) / 60
    columns = ["vehicle_id", "trip_stop_sequence", "stop_id", "is_last_stop", "arrival", "departure"]
    frame = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"arrival": TIME, "departure": TIME})
    return frame.with_columns(
        pl.lit(DAY).alias("service_date"),
        pl.lit(f"{vehicle}-trip").alias("trip_id_performed"),
        pl.lit("1").alias("line"),
        pl.lit(0, dtype=pl.Int64).alias("direction_id"),
        pl.lit("p").alias("pattern_id"),
        pl.lit("gps").alias("method"),
        pl.lit(1.0).alias("confidence"),
    )


def tapped(visits: pl.DataFrame, ahead_s: float) -> pl.DataFrame:
    rows = [
        (f"{row['vehicle_id']}{row['trip_stop_sequence']}", "c", row["vehicle_id"], 0.0)
        for row in visits.iter_rows(named=True)
    ]
    times = visits["arrival"] + timedelta(seconds=4 + ahead_s)
    return taps(*rows).with_columns(times.alias("event_timestamp"), pl.lit(None, pl.String).alias("device_id"))


@pytest.mark.parametrize("ahead_s", [-240.0, 95.0, 600.0])
def test_a_clock_that_is_off_is_found_and_set_right(ahead_s: float) -> None:
    wrong, right = uneven_trip("wrong", 1), uneven_trip("right", 2)
    visits = pl.concat([wrong, right])
    shown = pl.concat([tapped(wrong, ahead_s), tapped(right, 0.0)])
    offsets = clock_offsets(shown, visits)
    assert offsets["device_id"].to_list() == ["wrong"]
    assert offsets["offset_s"][0] == pytest.approx(ahead_s, abs=15)
    assert offsets["fit"][0] > 0.9
    placed = boardings(set_right(shown, offsets), visits)
    stop_of = dict(placed.select("leg_id", "boarding_stop_sequence").iter_rows())
    assert sum(stop_of[f"wrong{n}"] == n for n in range(1, 60)) >= 58


def test_right_clocks_and_few_taps_are_left_alone() -> None:
    visits = uneven_trip("bus", 3)
    assert clock_offsets(tapped(visits, 2.0), visits).is_empty()
    assert clock_offsets(tapped(visits, 95.0).head(10), visits).is_empty()
    assert clock_offsets(tapped(visits, 0.0).clear(), visits).is_empty()


def test_taps_at_any_time_tell_no_offset() -> None:
    visits = uneven_trip("bus", 4)
    random = Random(5)
    anywhere = [at(random.random() * 90) for _ in range(60)]
    shown = tapped(visits, 0.0).with_columns(pl.Series("event_timestamp", anywhere, dtype=TIME))
    assert clock_offsets(shown, visits).is_empty()
