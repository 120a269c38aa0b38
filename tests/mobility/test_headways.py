"""Headways, waits, bunching and punctuality on days whose numbers can be counted by hand."""

from __future__ import annotations

import polars as pl
import pytest
from rides_by_hand import START, trip

from mobility.headways import headways, planned_headways, wait_times
from mobility.punctuality import punctuality
from mobility.service_schemas import Headway, Punctuality, WaitTime

MIDNIGHT_S = START.timestamp() - 8 * 3600
BEGIN_S, END_S = MIDNIGHT_S, MIDNIGHT_S + 30 * 3600
STARTS_MIN = (0.0, 10.0, 20.0, 30.0)


def visits(*starts_min: float) -> pl.DataFrame:
    """Buses a, b, c … of one line, eastwards, leaving at these minutes."""
    return pl.concat([trip(f"{'abcdef'[n]}", "east", start, name=f"t{n}") for n, start in enumerate(starts_min)])


def calls() -> pl.DataFrame:
    """The timetable: a trip every ten minutes, two minutes from stop to stop."""
    rows = [
        (f"t{n}", stop + 1, "1", 0, f"east{stop + 1}", stop == 5, 8 * 3600 + start * 60 + stop * 120.0 + 20, True)
        for n, start in enumerate(STARTS_MIN)
        for stop in range(6)
    ]
    names = ["trip_id", "trip_stop_sequence", "line", "direction_id", "stop_id", "is_last_stop", "departure_s"]
    frame = pl.DataFrame(rows, schema=[*names, "is_timepoint"], orient="row")
    return frame.with_columns((pl.col("departure_s") - 20).alias("arrival_s"))


def runs() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "vehicle_id": list("abcd"),
            "trip_id_performed": [f"t{n}" for n in range(4)],
            "trip_id": ["t0", "t1", "t2", "t3"],
        }
    )


def planned_of_runs() -> pl.DataFrame:
    planned = planned_headways(calls()).select("trip_id", "trip_stop_sequence", "scheduled_headway_s")
    return runs().join(planned, on="trip_id").drop("trip_id")


def run_headways(*starts_min: float) -> pl.DataFrame:
    return Headway.validate(headways(visits(*starts_min), planned_of_runs()), cast=True)


def test_a_service_on_time_has_the_planned_headways_and_no_excess_wait() -> None:
    found = run_headways(*STARTS_MIN)
    assert found.height == 3 * 5
    assert found["headway_s"].to_list() == pytest.approx([600.0] * 15)
    assert not found["is_bunched"].any()
    waits = WaitTime.validate(wait_times(found, planned_headways(calls()), MIDNIGHT_S, BEGIN_S, END_S), cast=True)
    assert waits["actual_wait_s"].to_list() == pytest.approx([300.0] * waits.height)
    assert waits["excess_wait_s"].to_list() == pytest.approx([0.0] * waits.height)


def test_a_late_bus_bunches_with_the_next_and_riders_wait_longer() -> None:
    found = run_headways(0, 18, 20, 30).filter(pl.col("stop_id") == "east1")
    assert found["headway_s"].to_list() == pytest.approx([1080.0, 120.0, 600.0])
    assert found["is_bunched"].to_list() == [False, True, False]
    waits = wait_times(found, planned_headways(calls()), MIDNIGHT_S, BEGIN_S, END_S)
    expected = (1080**2 + 120**2 + 600**2) / (2 * 1800)
    assert waits["actual_wait_s"].item() == pytest.approx(expected)
    assert waits["excess_wait_s"].item() == pytest.approx(expected - 300)
    assert waits["bunched_share"].item() == pytest.approx(1 / 3, abs=1e-6)


def test_what_was_planned_outside_the_record_is_not_held_against_it() -> None:
    found = run_headways(0, 10)
    waits = wait_times(found, planned_headways(calls()), MIDNIGHT_S, BEGIN_S, MIDNIGHT_S + 8 * 3600 - 1)
    assert waits["scheduled_wait_s"].null_count() == waits.height > 0


def test_punctuality_counts_early_on_time_and_late_departures_and_the_arrival_at_the_end() -> None:
    run_calls = runs().join(calls(), on="trip_id")
    found = Punctuality.validate(punctuality(visits(-2, 10, 24, 36), run_calls, MIDNIGHT_S), cast=True)
    first = found.filter(pl.col("stop_id") == "east1").row(0, named=True)
    assert (first["early"], first["on_time"], first["late"], first["visits"]) == (1, 2, 1, 4)
    assert first["on_time_share"] == pytest.approx(0.5)
    assert first["median_delay_s"] == pytest.approx(120.0)
    arrivals = visits(-2, 10, 24, 36).with_columns(pl.col("departure") + pl.duration(minutes=9))
    last = punctuality(arrivals, run_calls, MIDNIGHT_S).filter(pl.col("stop_id") == "east6")
    assert last["median_delay_s"].item() == pytest.approx(120.0)


def test_stops_that_are_no_timepoints_and_guessed_visits_do_not_count() -> None:
    elsewhere = runs().join(calls().with_columns(pl.col("stop_id").eq("east3").alias("is_timepoint")), on="trip_id")
    found = punctuality(visits(*STARTS_MIN), elsewhere, MIDNIGHT_S)
    assert found["stop_id"].unique().to_list() == ["east3"]
    guessed = visits(*STARTS_MIN).with_columns(pl.lit("timetable").alias("method"))
    assert punctuality(guessed, elsewhere, MIDNIGHT_S).is_empty()


def test_a_stop_of_both_directions_has_a_row_for_each() -> None:
    there, back = visits(*STARTS_MIN), visits(5, 15).with_columns(pl.lit(1).cast(pl.Int64).alias("direction_id"))
    renamed = back.with_columns(("back-" + pl.col("vehicle_id")).alias("vehicle_id"))
    both = headways(pl.concat([there, renamed]), planned_of_runs())
    waits = WaitTime.validate(wait_times(both, planned_headways(calls()), MIDNIGHT_S, BEGIN_S, END_S), cast=True)
    first = waits.filter(pl.col("stop_id") == "east1")
    assert first["direction_id"].to_list() == [0, 1]
    assert first["headways"].to_list() == [3, 1]
