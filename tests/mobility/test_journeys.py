"""Whether the next boarding is a transfer is told by the headway that was run."""

from __future__ import annotations

import polars as pl
import pytest
from rides_by_hand import pattern_stops, stops, taps, trip

from mobility.alightings import alightings
from mobility.boardings import boardings
from mobility.journeys import headways_run, journeys, journeys_of_legs


def journey_legs(visits: pl.DataFrame, *rows: tuple[str, str, str, float]) -> pl.DataFrame:
    boarded = boardings(taps(*rows), visits)
    ended = alightings(boarded, visits, pattern_stops(), stops()).legs.with_columns(
        pl.lit(1.0).alias("pax"), pl.lit(None, dtype=pl.Date).alias("service_date")
    )
    return journeys_of_legs(ended, visits, stops())


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
    run = headways_run(OFTEN).filter(pl.col("next_stop") == "west3")["headway_s"]
    assert run.drop_nulls().to_list() == pytest.approx([300.0] * 6)
