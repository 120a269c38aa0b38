"""Whether the next boarding is a transfer is told by the headway that was run."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from rides_by_hand import pattern_stops, stops, taps, trip

from mobility.alightings import alightings
from mobility.boardings import boardings
from mobility.journeys import journeys
from mobility.line_stops import LineStops
from mobility.trip_times import TripTimes


def journey_legs(visits: pl.DataFrame, *rows: tuple[str, str, str, float]) -> pl.DataFrame:
    boarded = boardings(taps(*rows), visits)
    return alightings(boarded, visits, pattern_stops(), stops()).legs.with_columns(
        pl.lit(1.0).alias("pax"), pl.lit(None, dtype=pl.Date).alias("service_date")
    )


def onward(line: str, starts_min: list[float]) -> pl.DataFrame:
    return pl.concat([trip(f"{line}@{start:g}", "west", start, line=line) for start in starts_min])


RARE = pl.concat([trip("a", "east", 0), onward("2", [0, 30, 60])])
OFTEN = pl.concat([trip("a", "east", 0), onward("2", [0, 5, 10, 15, 20, 25, 30])])
# boards at east1, leaves at east4 after six minutes, boards line 2 at west3 when its bus of minute 30 comes there
RIDE = (("t1", "card", "a", 0.1), ("t2", "card", "2@30", 34.1))


def test_who_takes_the_first_bus_of_a_rare_line_transfers() -> None:
    legs = journey_legs(RARE, *RIDE)
    assert legs["ends_in"].to_list()[0] == "transfer"
    assert legs["journey_id"].to_list() == ["t1", "t1"]
    assert legs["leg_number"].to_list() == [1, 2]


def test_who_lets_many_buses_pass_was_somewhere() -> None:
    legs = journey_legs(OFTEN, *RIDE)
    assert legs["ends_in"].to_list()[0] == "destination"
    assert legs["journey_id"].to_list() == ["t1", "t2"]


def test_going_back_on_the_same_line_is_no_transfer() -> None:
    visits = pl.concat([trip("a", "east", 0), trip("b", "west", 5)])
    legs = journey_legs(visits, ("t1", "card", "a", 0.1), ("t2", "card", "b", 9.1))
    assert legs["ends_in"].to_list()[0] == "destination"


def test_taps_without_card_are_journeys_of_their_own() -> None:
    legs = journey_legs(RARE, ("t1", "", "a", 0.1), ("t2", "", "2@30", 34.1))
    assert legs["journey_id"].to_list() == ["t1", "t2"]
    assert legs["ends_in"].to_list() == ["unknown", "unknown"]


def test_a_journey_runs_from_its_first_boarding_to_its_last_alighting() -> None:
    legs = journey_legs(RARE, *RIDE)
    journey = journeys(legs)
    assert journey.height == 1
    assert journey["origin_stop_id"][0] == "east1"
    assert journey["destination_stop_id"][0] == legs["alighting_stop_id"][1]
    assert journey["legs"][0] == 2
    assert journey["method"][0] == legs["method"][1]
    assert journey["confidence"][0] <= legs["confidence"].min()


def test_headways_are_those_between_buses_of_a_line_at_a_stop() -> None:
    lines = LineStops.of(pattern_stops(), stops())
    times = TripTimes.of(OFTEN, lines)
    row = OFTEN.with_row_index("row").filter((pl.col("stop_id") == "west3") & (pl.col("line") == "2"))["row"].to_numpy()
    run = times.headway_s[times.slot[times.trip[row]] + times.call[row]]
    assert np.isnan(run).sum() == 1
    assert run[~np.isnan(run)] == pytest.approx([300.0] * 6)


def test_companions_change_side_by_side() -> None:
    ride = [(f"{who}{n}", "card", bus, minute) for who in "xy" for n, bus, minute in ((1, "a", 0.1), (2, "2@30", 34.1))]
    legs = journey_legs(RARE, *ride)
    assert legs["ends_in"].to_list()[:2] == ["transfer", "transfer"]
    assert legs.sort("leg_id")["journey_id"].to_list() == ["x1", "x1", "y1", "y1"]
    assert legs.sort("leg_id")["leg_number"].to_list() == [1, 2, 1, 2]


def test_a_way_back_on_another_line_is_no_transfer() -> None:
    # boards line 3 near where line 1 was left, and is next seen near where line 1 was boarded
    visits = pl.concat([trip("a", "east", 0), onward("3", [8.0]), onward("4", [40.0])])
    taken = (("t1", "card", "a", 0.1), ("t2", "card", "3@8", 12.1), ("t3", "card", "a2", 60.1))
    visits = pl.concat([visits, trip("a2", "east", 60)])
    legs = journey_legs(visits, *taken)
    assert legs["alighting_stop_id"].to_list()[:2] == ["east4", "west6"]
    assert legs["ends_in"].to_list()[0] == "destination"
