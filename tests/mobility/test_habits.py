"""What other days' flows folders tell of a card."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from rides_by_hand import DAY, START, pattern_stops, stops, taps, trip

from mobility import lake
from mobility.alightings import alightings
from mobility.boardings import boardings
from mobility.habits import HABIT, habits, habits_of_flows
from mobility.leg_weights import weighed
from mobility.schemas import JourneyLeg

VISITS = pl.concat([trip("a", "east", 0), trip("b", "west", 60)])


def flows_folder(folder: Path, *rows: tuple[str, str, str, float]) -> Path:
    boarded = boardings(taps(*rows), VISITS)
    legs = weighed(alightings(boarded, VISITS, pattern_stops(), stops()).legs, None, 0.0, START.timestamp()).legs
    dated = legs.with_columns(pl.lit("agency").alias("agency_id"), pl.lit(DAY).alias("service_date"))
    lake.write(folder, "journey_legs", JourneyLeg, dated.select(JourneyLeg.column_names()), DAY)
    return folder


def test_rides_told_by_the_cards_own_taps_add_up_over_days(tmp_path: Path) -> None:
    there_and_back = (("t1", "card", "a", 2.1), ("t2", "card", "b", 62.1))
    one = flows_folder(tmp_path / "one", *there_and_back, ("t3", "single", "a", 2.1))
    two = flows_folder(tmp_path / "two", *there_and_back)
    known = habits_of_flows([one, two])
    assert set(known["card_id"]) == {"card"}
    ways = {(origin, end): rides for _, origin, end, rides in known.iter_rows()}
    assert set(ways) == {("east2", "east5"), ("west2", "west5")}
    assert all(1.0 < rides <= 2.0 for rides in ways.values())
    assert known.equals(habits_of_flows([two, one]))


def test_without_other_days_nothing_is_known() -> None:
    assert habits([]).is_empty()
    assert dict(habits([]).schema) == HABIT


def test_a_single_tap_is_told_by_the_day_before(tmp_path: Path) -> None:
    before = flows_folder(tmp_path / "before", ("t1", "card", "a", 2.1), ("t2", "card", "b", 62.1))
    boarded = boardings(taps(("t9", "card", "a", 2.1)), VISITS)
    legs = alightings(boarded, VISITS, pattern_stops(), stops(), known=habits_of_flows([before])).legs
    assert legs["method"].to_list() == ["habit"]
    assert legs["alighting_stop_id"].to_list() == ["east5"]
    assert legs["confidence"][0] == pytest.approx(0.58, abs=0.1)
