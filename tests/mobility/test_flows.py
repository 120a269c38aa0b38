"""What goes on must come off or still be aboard: flows add up, whatever the taps."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rides_by_hand import DAY, START, pattern_stops, stops, taps, trip

from mobility import flows
from mobility.alightings import Alightings, alightings
from mobility.boardings import boardings
from mobility.journeys import journeys
from mobility.link_loads import link_loads
from mobility.od_matrix import od_flows
from mobility.schemas import Boarding, LineLoad, LinkLoad, OdFlow

VISITS = pl.concat([trip("a", "east", 0), trip("b", "west", 60), trip("c", "east", 15), trip("d", "west", 75)])
MIDNIGHT = START - timedelta(hours=8)


def legs_of(rows: list[tuple[str, str, str, float]], weight: float = 1.0) -> tuple[pl.DataFrame, Alightings]:
    boarded = boardings(taps(*rows), VISITS)
    ended = alightings(boarded, VISITS, pattern_stops(), stops())
    legs = ended.legs.with_columns(pl.lit(DAY).alias("service_date"), (pl.col("riders") * weight).alias("pax"))
    return legs, ended


riders = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "c", "d"]), st.floats(0, 12)), max_size=40)
STARTS = {"a": 0, "b": 60, "c": 15, "d": 75}


@settings(max_examples=25, deadline=None)
@given(riders=riders, weight=st.floats(1, 3))
def test_loads_add_up(riders: list[tuple[int, str, float]], weight: float) -> None:
    rows = [(f"t{n}", f"c{card}", bus, STARTS[bus] + minute) for n, (card, bus, minute) in enumerate(riders)]
    legs, ended = legs_of(rows, weight)
    loads = LinkLoad.validate(link_loads(legs, VISITS, ended.options, ended.shares), cast=True)
    assert loads.height == VISITS.height
    assert loads["boardings_pax"].sum() == pytest.approx(legs["pax"].sum(), abs=1e-4)
    trips = loads.sort("trip_id", "stop_sequence").group_by("trip_id", maintain_order=True)
    kept = trips.agg(
        (pl.col("boardings_pax") - pl.col("alightings_pax")).sum().alias("rest"), pl.col("load_pax").last()
    )
    assert kept["load_pax"].to_list() == pytest.approx(kept["rest"].to_list(), abs=1e-4)
    aboard_after_last = legs.filter(pl.col("method") == "none")["pax"].sum()
    assert kept["load_pax"].sum() == pytest.approx(aboard_after_last, abs=1e-4)
    assert (loads["load_pax"] >= 0).all()


@settings(max_examples=25, deadline=None)
@given(riders=riders)
def test_every_journey_that_ends_somewhere_is_in_the_matrix(riders: list[tuple[int, str, float]]) -> None:
    rows = [(f"t{n}", f"c{card}", bus, STARTS[bus] + minute) for n, (card, bus, minute) in enumerate(riders)]
    legs, ended = legs_of(rows)
    whole = journeys(legs)
    matrix = OdFlow.validate(od_flows(ended, legs, MIDNIGHT), cast=True)
    known = whole.filter(pl.col("destination_stop_id").is_not_null())
    assert matrix["pax"].sum() == pytest.approx(known["pax"].sum(), abs=1e-4)
    assert Boarding.validate(flows.boardings_by_stop(legs))["taps"].sum() == legs.height


@settings(max_examples=25, deadline=None)
@given(riders=riders)
def test_cards_counted_once_never_add_up_to_more_than_there_are(riders: list[tuple[int, str, float]]) -> None:
    """Whatever cells are added: a card counts in one boarding cell of the day, and in one OD cell of an hour."""
    rows = [(f"t{n}", f"c{card}", bus, STARTS[bus] + minute) for n, (card, bus, minute) in enumerate(riders)]
    legs, ended = legs_of(rows)
    boarded = flows.boardings_by_stop(legs)
    assert boarded["cards_once"].sum() == legs["card_id"].n_unique()
    assert (boarded["cards_once"] <= boarded["cards"]).all()
    matrix = od_flows(ended, legs, MIDNIGHT)
    whole = journeys(legs).with_columns(((pl.col("started_at") - MIDNIGHT).dt.total_seconds() // 3600).alias("hour"))
    people = whole.drop_nulls("destination_stop_id").group_by("hour").agg(pl.col("card_id").n_unique())
    once = matrix.group_by("hour").agg(pl.col("cards_once").sum())
    together = once.join(people, on="hour", how="full")
    assert (together["cards_once"] <= together["card_id"]).all()


def test_a_cell_counts_the_cards_it_rests_on_not_its_taps() -> None:
    legs, _ = legs_of([(f"t{n}", "one card", "a", 2.0 + n / 100) for n in range(5)])
    assert flows.boardings_by_stop(legs)["cards"].to_list() == [1]
    cardless, _ = legs_of([(f"t{n}", "", "a", 2.0 + n / 100) for n in range(5)])
    assert flows.boardings_by_stop(cardless)["cards"].to_list() == [5]


def test_loads_do_not_hang_on_how_many_legs_and_visits_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taps_of_day = [(f"t{n}", f"card{n // 2}" if n % 3 else "", "abcd"[n % 4], 0.1 + n / 10) for n in range(24)]
    legs, ended = legs_of(taps_of_day)
    whole = link_loads(legs, VISITS, ended.options, ended.shares)
    assert {"probable", "chained"} & set(legs["method"]) and whole["alightings_pax"].sum() > 0
    monkeypatch.setattr("mobility.link_loads.BATCH_OPTIONS", 2)
    monkeypatch.setattr("mobility.link_loads.BATCH_VISITS", 2)
    assert link_loads(legs, VISITS, ended.options, ended.shares).equals(whole)


def test_a_line_has_the_headway_and_the_mean_load_of_its_buses() -> None:
    legs, ended = legs_of([(f"t{n}", "", "a", 0.1) for n in range(10)])
    loads = link_loads(legs, VISITS, ended.options, ended.shares)
    lines = LineLoad.validate(flows.line_loads(loads, MIDNIGHT, 8 * 3600.0, 8.5 * 3600.0), cast=True)
    first = lines.filter(pl.col("from_stop") == "east1")
    assert first["hour"].to_list() == [8]
    assert first["buses"].to_list() == [2]
    assert first["buses_h"].to_list() == pytest.approx([4.0])
    assert first["headway_s"].to_list() == pytest.approx([900.0])
    assert first["load_pax"].to_list() == pytest.approx([5.0])


def test_who_leaves_where_the_vehicle_was_not_seen_is_off_by_the_next_stop() -> None:
    rides = [("a", 0.1), ("b", 4.1)]
    legs, ended = legs_of([(f"{bus}{n}", f"c{n}", bus, STARTS[bus] + at) for n in range(6) for bus, at in rides])
    (place,) = legs.filter(pl.col("vehicle_id") == "a")["alighting_stop_sequence"].unique()
    unseen = (pl.col("vehicle_id") == "a") & (pl.col("trip_stop_sequence") == place)
    whole, partly = (
        link_loads(legs, visits, ended.options, ended.shares).filter(pl.col("vehicle_id") == "a")
        for visits in (VISITS, VISITS.filter(~unseen))
    )
    assert partly["alightings_pax"].sum() == pytest.approx(whole["alightings_pax"].sum())
    after = pl.col("stop_sequence") > place
    assert partly.filter(after)["load_pax"].to_list() == pytest.approx(whole.filter(after)["load_pax"].to_list())


@pytest.mark.parametrize("vehicle", ["a", "d"])
def test_who_stays_aboard_beyond_the_last_stop_seen_is_not_off_whichever_trip_it_is(vehicle: str) -> None:
    """`a` is the first trip in order, `d` the last of all."""
    legs, ended = legs_of([(f"{bus}{n}", f"c{bus}{n}", bus, STARTS[bus] + 0.1) for n in range(6) for bus in "ad"])
    seen = VISITS.filter(pl.col("trip_stop_sequence") <= 3)
    loads, whole = (
        link_loads(legs, visits, ended.options, ended.shares).filter(pl.col("vehicle_id") == vehicle)
        for visits in (seen, VISITS)
    )
    early = whole.filter(pl.col("stop_sequence") <= 3)
    assert loads["alightings_pax"].to_list() == pytest.approx(early["alightings_pax"].to_list())
    assert loads["load_pax"][-1] == pytest.approx(early["load_pax"][-1]) and loads["load_pax"][-1] > 0


def test_hours_of_a_service_day_run_past_midnight() -> None:
    legs, ended = legs_of([("t", "", "a", 0.1)])
    loads = link_loads(legs, VISITS, ended.options, ended.shares)
    late = flows.line_loads(loads, START - timedelta(hours=25), 24 * 3600.0, 30 * 3600.0)
    assert late["hour"].min() == 25
