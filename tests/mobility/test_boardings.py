"""A tap belongs to the stop the bus stood at, or last stood at."""

from __future__ import annotations

import polars as pl
from rides_by_hand import taps, trip

from mobility.boardings import boardings

THERE_AND_BACK = pl.concat([trip("bus", "east", 0), trip("bus", "west", 15)])


def stop_of(minute: float, visits: pl.DataFrame = THERE_AND_BACK) -> tuple[str, str]:
    placed = boardings(taps(("t", "c", "bus", minute)), visits)
    return placed["boarding_stop_id"][0], placed["boarding_method"][0]


def test_a_tap_while_the_bus_stands_is_of_that_stop() -> None:
    assert stop_of(4.1) == ("east3", "gps")


def test_a_tap_between_stops_is_of_the_stop_behind() -> None:
    assert stop_of(5.5) == ("east3", "gps_late")


def test_a_tap_a_moment_before_the_bus_arrives_is_of_the_stop_ahead() -> None:
    assert stop_of(5.98) == ("east4", "gps")


def test_a_tap_at_the_end_of_a_trip_is_for_the_next_one() -> None:
    assert stop_of(11.0) == ("west1", "gps_early")


def test_a_tap_long_before_the_first_trip_has_no_stop() -> None:
    assert boardings(taps(("t", "c", "bus", -60)), THERE_AND_BACK).is_empty()
    assert boardings(taps(("t", "c", "bus", 100)), THERE_AND_BACK).is_empty()


def test_a_tap_in_a_bus_that_was_not_seen_has_no_stop() -> None:
    assert boardings(taps(("t", "c", "other", 4.1)), THERE_AND_BACK).is_empty()


def test_the_later_a_tap_the_less_it_is_trusted() -> None:
    prompt, late = (
        boardings(taps(("t", "c", "bus", minute)), THERE_AND_BACK)["boarding_confidence"][0] for minute in (4.1, 5.9)
    )
    assert late < prompt


def test_refunds_and_top_ups_are_no_boardings() -> None:
    voided = taps(("t", "c", "bus", 4.1)).with_columns(pl.lit("Void").alias("fare_action"))
    assert boardings(voided, THERE_AND_BACK).is_empty()


def test_vehicles_are_not_mixed_up() -> None:
    fleet = pl.concat([trip(f"bus{n}", "east", 2 * n) for n in range(5)])
    rows = [(f"t{n}", f"c{n}", f"bus{n}", 8.1) for n in range(5)]
    placed = boardings(taps(*rows), fleet).sort("vehicle_id")
    assert placed["boarding_stop_id"].to_list() == ["east5", "east4", "east3", "east2", "east1"]
