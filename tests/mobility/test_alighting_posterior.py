"""Alightings of taps with positions and hours only: what the card's other taps tell, and what it must never say."""

from __future__ import annotations

import math
from datetime import datetime
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_ons_by_hand import BUS_AT, NO_SHAPES, STATIONS, answers, commuters, frame, tap

from mobility.alighting_posterior import PosteriorRules, probable_alightings
from mobility.schemas import ProbableAlighting

QUICK = PosteriorRules(rounds=3)
METRES = 111_195.0


def away_m(here: tuple[float, float], there: tuple[float, float]) -> float:
    east = (here[1] - there[1]) * math.cos(math.radians(here[0]))
    return math.hypot(here[0] - there[0], east) * METRES


def legs_of(rows: list[dict[str, object]], shapes: pl.DataFrame = NO_SHAPES) -> dict[str, tuple[float, float, float]]:
    return answers(probable_alightings(frame(rows), shapes, QUICK))


def test_a_ride_ends_where_the_card_changes_to_a_bus() -> None:
    rows = [*commuters(), tap(900, "x", 7, "R", "A"), tap(901, "x", 8, "bus E", "E", 1)]
    latitude, longitude, confidence = legs_of(rows)["900"]
    assert (latitude, longitude) == STATIONS["E"]
    assert confidence > 0.9


def test_the_last_ride_of_the_day_leads_back_to_where_the_day_began() -> None:
    rows = [*commuters(), tap(900, "x", 7, "R", "B"), tap(901, "x", 19, "R", "F")]
    assert legs_of(rows)["901"][:2] == STATIONS["B"]


def test_of_taps_in_one_hour_the_order_of_the_counter_is_found() -> None:
    feeder = [tap(900 + card, f"feeder {card}", 6, "bus A", "ACDEF"[card % 5]) for card in range(10)]
    rows = [*commuters(), *feeder, tap(990, "x", 7, "R", "A", 1), tap(991, "x", 7, "bus A", "C", 0)]
    assert away_m(legs_of(rows)["991"][:2], STATIONS["A"]) < 400 + away_m(STATIONS["A"], BUS_AT["A"])


def test_of_taps_in_one_hour_the_order_that_rides_make_sense_in_is_found_without_a_counter() -> None:
    rows = [{**row, "transfer_number": None} for row in commuters()]
    rows += [tap(990, "x", 7, "bus D", "D", None), tap(991, "x", 7, "R", "B", None), tap(992, "x", 18, "R", "D", None)]
    assert legs_of(rows)["991"][:2] == STATIONS["D"]


def test_a_card_tapped_once_is_sent_where_others_ride_and_is_unsure() -> None:
    _, _, sure = legs_of(commuters())["1"]
    latitude, longitude, unsure = legs_of([*commuters(), tap(900, "x", 7, "R", "A")])["900"]
    assert (latitude, longitude) in STATIONS.values()
    assert unsure < sure


def test_a_boarding_without_a_position_gets_the_busiest_place_of_its_line() -> None:
    lost = {**tap(900, "x", 7, "R", "A"), "latitude": None, "longitude": None}
    latitude, longitude, confidence = legs_of([*commuters(), lost])["900"]
    assert (latitude, longitude) in STATIONS.values()
    assert confidence < 0.5


def test_companions_who_tap_one_card_together_get_off_together() -> None:
    rows = [*commuters(), tap(900, "x", 7, "R", "A"), tap(901, "x", 7, "R", "A"), tap(902, "x", 8, "bus E", "E", 1)]
    found = legs_of(rows)
    assert found["900"] == found["901"]
    assert found["900"][:2] == STATIONS["E"]


def test_a_path_offers_places_nobody_boarded_at() -> None:
    path = pl.DataFrame(
        {"line": ["bus Z"] * 26, "longitude": [-58.40] * 26, "latitude": [-34.60 - 0.004 * step for step in range(26)]}
    )
    rows = [*commuters(), tap(900, "x", 7, "bus Z", "A"), tap(901, "x", 8, "R", "D", 1)]
    assert away_m(legs_of(rows, path)["900"][:2], STATIONS["D"]) < 600


def test_a_network_of_one_place_leaves_the_answer_blank() -> None:
    legs = probable_alightings(frame([tap(1, "x", 7, "R", "A")]), NO_SHAPES, QUICK)
    assert legs.rows() == [("1", None, None, 0.0)]


def test_a_card_with_very_many_taps_in_one_hour_is_answered() -> None:
    rows = [*commuters(), *(tap(900 + number, "x", 7, f"bus {number}", "ABCDEF"[number % 6]) for number in range(14))]
    assert len(legs_of(rows)) == len(rows)


def test_the_share_done_is_told() -> None:
    told: list[float] = []
    probable_alightings(frame(commuters()), NO_SHAPES, QUICK, told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(0.9, abs=0.11)


taps = st.lists(
    st.tuples(
        st.integers(0, 4), st.integers(5, 9), st.sampled_from(["R", "bus A", "bus B"]), st.sampled_from("ABCDEF")
    ),
    min_size=1,
    max_size=14,
)


def drawn(made: list[tuple[int, int, str, str]]) -> list[dict[str, object]]:
    return [
        tap(number, f"card {card}" if card else None, hour, line, stop, [None, 0, 1][number % 3])
        for number, (card, hour, line, stop) in enumerate(made)
    ]


@settings(max_examples=25, deadline=None)
@given(taps)
def test_every_boarding_gets_one_answer_with_a_probability_and_not_where_it_began(
    made: list[tuple[int, int, str, str]],
) -> None:
    rows = drawn(made)
    legs = ProbableAlighting.validate(probable_alightings(frame(rows), NO_SHAPES, QUICK))
    assert legs["transaction_id"].to_list() == [row["transaction_id"] for row in rows]
    stops = {(row["latitude"], row["longitude"]) for row in rows}
    for row, (_, latitude, longitude, confidence) in zip(rows, legs.rows(), strict=True):
        here = (row["latitude"], row["longitude"])
        if latitude is None:
            assert confidence == 0.0
            assert all(away_m(here, stop) <= 401 for stop in stops)
        else:
            assert away_m(here, (latitude, longitude)) > 399


@settings(max_examples=15, deadline=None)
@given(taps, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_the_names_of_cards_change_anything(
    made: list[tuple[int, int, str, str]], chance: Random
) -> None:
    rows = drawn(made)
    names = [f"card {number}" for number in range(5)]
    chance.shuffle(names)
    other = [{**row, "card_id": row["card_id"] and names[int(str(row["card_id"])[-1])]} for row in rows]
    chance.shuffle(other)
    assert legs_of(other) == legs_of(rows)


def test_taps_of_two_days_are_two_days() -> None:
    rows = [*commuters(), tap(900, "x", 7, "R", "A"), tap(901, "x", 8, "bus E", "E", 1)]
    later = [
        {**row, "transaction_id": f"{row['transaction_id']}b", "event_timestamp": datetime(2024, 5, 7, hour)}
        for row, hour in zip(rows[-2:], (7, 8), strict=True)
    ]
    found = legs_of([*rows, *later])
    assert found["900"] == found["900b"]
