"""Where riders leave: told by their next tap, or expected from what others do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rides_by_hand import STOPS, pattern_stops, stops, taps, trip

from mobility.alighting_shares import SharesRules, chance_told, learned_shares, prior_shares, untold_shares
from mobility.alightings import AlightingRules, Alightings, alightings
from mobility.boardings import boardings
from mobility.chaining import ChainingRules
from mobility.line_stops import LineStops
from mobility.ride_chain import Surroundings, WayRules

VISITS = pl.concat([trip("a", "east", 0), trip("b", "west", 60), trip("c", "east", 120), trip("d", "west", 180)])


def ended(*rows: tuple[str, str, str, float], rules: ChainingRules | None = None) -> Alightings:
    boarded = boardings(taps(*rows), VISITS)
    return alightings(boarded, VISITS, pattern_stops(), stops(), AlightingRules(chaining=rules or ChainingRules()))


def test_a_rider_leaves_across_the_street_from_the_next_boarding_and_comes_home() -> None:
    legs = ended(("t1", "card", "a", 2.1), ("t2", "card", "b", 62.1)).legs
    assert legs["boarding_stop_id"].to_list() == ["east2", "west2"]
    assert legs["alighting_stop_id"].to_list() == ["east5", "west5"]
    assert legs["method"].to_list() == ["chained", "chained_last"]
    assert legs["confidence"].min() > 0.8


def test_the_alighting_is_never_before_the_boarding() -> None:
    # the next boarding lies behind the first: no stop ahead is within the walk limit
    legs = ended(("t1", "card", "a", 8.1), ("t2", "card", "c", 120.1), rules=ChainingRules(walk_limit_m=500)).legs
    assert legs["method"].to_list()[0] == "probable"
    assert legs["alighting_stop_sequence"].to_list()[0] > 5


def test_a_bus_that_comes_too_late_for_the_next_tap_is_not_left_there() -> None:
    early = ended(("t1", "card", "a", 0.1), ("t2", "card", "e", 3.0))
    assert early.legs.height == 1
    visits = pl.concat([VISITS, trip("e", "west", 1)])
    boarded = boardings(taps(("t1", "card", "a", 0.1), ("t2", "card", "e", 1.1)), visits)
    legs = alightings(boarded, visits, pattern_stops(), stops()).legs
    # the bus reaches east6, across from west1, nine minutes after the next tap
    assert legs["method"].to_list()[0] == "probable"


def test_a_transfer_alone_does_not_lead_home() -> None:
    visits = pl.concat([trip("a", "east", 0), trip("x", "west", 7, line="2"), trip("y", "west", 4, line="2")])
    boarded = boardings(taps(("t1", "card", "a", 0.1), ("t2", "card", "x", 11.1)), visits)
    legs = alightings(boarded, visits, pattern_stops(), stops()).legs
    assert legs["alighting_stop_id"].to_list()[0] == "east4"
    assert legs["method"].to_list() == ["chained", "chained_last"] or legs["method"].to_list() == [
        "chained",
        "probable",
    ]


def moved(**x_m: float) -> pl.DataFrame:
    """stops() with some of them elsewhere along the street."""
    place = pl.col("stop_id").replace_strict(x_m, default=pl.col("x_m"), return_dtype=pl.Float64)
    return stops().with_columns(place.alias("x_m"))


def test_two_stops_equally_near_share_the_probability() -> None:
    between = moved(west2=1400.0, west3=1000.0, west4=600.0)
    boarded = boardings(taps(("t1", "card", "a", 0.1), ("t2", "card", "b", 64.1)), VISITS)
    options = alightings(boarded, VISITS, pattern_stops(), between).options.filter(pl.col("leg_id") == "t1")
    assert options["alighting_stop_id"].to_list() == ["east3", "east4"]
    assert options["probability"].to_list() == pytest.approx([0.5, 0.5], abs=0.1)
    assert options["probability"].sum() == pytest.approx(1.0)


def test_a_tap_without_card_is_not_chained_with_another() -> None:
    legs = ended(("t1", "", "a", 2.1), ("t2", "", "b", 62.1)).legs
    assert legs["method"].to_list() == ["probable", "probable"]


def test_single_taps_follow_the_chained_rides_of_their_stop() -> None:
    there = [(f"o{n}", f"c{n}", "a", 2.1) for n in range(60)]
    back = [(f"r{n}", f"c{n}", "b", 62.1) for n in range(60)]
    # everywhere can be boarded as well as across from east5, so who is not seen again is like who is
    elsewhere = [(f"w{stop}-{n}", "", "b", 60.1 + 2 * stop) for stop in (0, 2, 3, 4) for n in range(60)]
    result = ended(*there, *back, *elsewhere, ("single", "z", "a", 2.1))
    shares = result.shares.filter((pl.col("pattern_id") == "east") & (pl.col("boarding_stop_sequence") == 2))
    assert shares.sort("share")["stop_id"][-1] == "east5"
    assert result.legs.filter(pl.col("leg_id") == "single")["alighting_stop_id"].to_list() == ["east5"]


def test_boarding_at_the_last_stop_leads_nowhere() -> None:
    legs = ended(("t1", "card", "d", 190.1)).legs
    assert legs["method"].to_list() == ["none"]
    assert legs["alighting_stop_id"].to_list() == [None]


LINES = LineStops.of(pattern_stops(), stops())
PAIRS = STOPS * (STOPS - 1)
weights = st.lists(st.floats(0, 1000), min_size=PAIRS, max_size=PAIRS)
riders = st.lists(st.floats(0, 1000), min_size=2 * STOPS, max_size=2 * STOPS)


@settings(max_examples=25, deadline=None)
@given(
    boarded=riders,
    rides=weights,
    rules=st.builds(SharesRules, prior_rides=st.floats(0.1, 100), base=st.floats(0.01, 10)),
)
def test_shares_are_a_distribution_over_the_stops_ahead(
    boarded: list[float], rides: list[float], rules: SharesRules
) -> None:
    prior = prior_shares(np.array(boarded), LINES, rules)
    told, boards_near = np.array(rides), np.linspace(0.0, 1.0, len(LINES.x_m))
    seen = chance_told(told, told.sum() + 10.0, boards_near, LINES)
    learned = learned_shares(told, seen, prior, LINES, rules)
    for shares in (prior, learned, untold_shares(learned, seen, LINES)):
        sums = np.bincount(LINES.pair_calls[0], weights=shares)
        assert sums[sums > 0] == pytest.approx(np.ones(2 * (STOPS - 1)))
        assert shares.min() > 0


def test_who_leaves_at_a_stop_goes_one_way_or_elsewhere() -> None:
    # one stop of each of two lines, and nobody walks between others: 30 board the one, 10 the other, a third as many
    # as all of these go elsewhere
    patterns = pl.DataFrame(
        [("red", 1, "here", 0.0), ("red", 2, "far", 9000.0), ("blue", 1, "near", 0.0), ("blue", 2, "far", 9000.0)],
        schema=["pattern_id", "trip_stop_sequence", "stop_id", "path_m"],
        orient="row",
    )
    places = pl.DataFrame(
        [("far", "", 9000.0, 0.0), ("here", "", 0.0, 0.0), ("near", "", 0.0, 0.0)],
        schema=["stop_id", "stop_name", "x_m", "y_m"],
        orient="row",
    )
    lines = LineStops.of(patterns, places)
    boards = np.where(lines.stop == 1, 30.0, np.where(lines.stop == 2, 10.0, 0.0))
    around = Surroundings.of(lines, 750.0)
    ways = around.ways(lines, boards, WayRules(elsewhere=1 / 3), 20.0)
    assert ways.boards_near == pytest.approx([0.0, 0.75, 0.75])
    at_here = around.key // len(lines.stop) == 1
    assert ways.share[at_here] == pytest.approx([1 / (40 * 4 / 3)] * 2)


def test_where_many_board_other_lines_fewer_board_this_one() -> None:
    # east3 and east4 lie equally far from west3; from east4 and east5 another line runs, which many board
    north = pattern_stops()[3:5].with_columns(pl.lit("north").alias("pattern_id"), pl.Series([1, 2]).alias("at"))
    patterns = pl.concat([pattern_stops(), north.drop("at").with_columns(trip_stop_sequence=north["at"])])
    lines = LineStops.of(patterns, moved(west2=1400.0, west3=1000.0, west4=600.0))
    boards = np.ones(len(lines.stop))
    boards[lines.pattern == lines.pattern_ids.to_list().index("north")] = 40.0
    around = Surroundings.of(lines, 750.0)
    ways = around.ways(lines, boards, WayRules(), 20.0)
    name = lines.stop_ids.to_list().index
    toward_west3 = np.flatnonzero(lines.stop[around.call] == name("west3"))
    share = {int(around.key[at] // len(lines.stop)): ways.share[at] for at in toward_west3}
    assert share[name("east3")] > 2 * share[name("east4")]


def test_who_is_not_seen_again_rather_left_where_nothing_can_be_boarded() -> None:
    rules, prior = SharesRules(), prior_shares(np.ones(2 * STOPS), LINES, SharesRules())
    boarding, alighting = LINES.pair_calls
    told = np.where(boarding == 0, 100.0, 0.0)
    boards_near = np.where(np.arange(len(LINES.x_m)) == LINES.stop[2], 0.1, 0.8)
    bare, first = (boarding == 0) & (alighting == 2), boarding == 0
    seen = chance_told(told, 1000.0, boards_near, LINES)
    assert (told / seen).sum() == pytest.approx(1000.0)
    shares = learned_shares(told, seen, prior, LINES, rules)
    untold = untold_shares(shares, seen, LINES)
    # as many are told of each stop; behind those of the bare one stand up to eight times as many
    assert 3 < shares[bare][0] / shares[first & ~bare].max() < 8
    assert untold[bare][0] > shares[bare][0] > 0.4


def test_where_all_stops_are_alike_the_untold_ride_like_the_told() -> None:
    rules, prior = SharesRules(), prior_shares(np.ones(2 * STOPS), LINES, SharesRules())
    told = np.arange(float(PAIRS))
    seen = chance_told(told, 3 * told.sum(), np.full(len(LINES.x_m), 0.5), LINES)
    assert seen == pytest.approx(1 / 3)
    shares = learned_shares(told, seen, prior, LINES, rules)
    assert shares == pytest.approx(learned_shares(told, np.ones(PAIRS), prior, LINES, rules))
    assert untold_shares(shares, seen, LINES) == pytest.approx(shares)


def test_riders_go_to_the_nearest_stop_of_the_line_they_take() -> None:
    # west3 lies as far from east3 as from east4, but who leaves at east4 has west2 at hand
    uneven = moved(west2=1240.0, west3=1000.0, west4=300.0)
    boarded = boardings(taps(("t1", "card", "a", 0.1), ("t2", "card", "b", 64.1)), VISITS)
    legs = alightings(boarded, VISITS, pattern_stops(), uneven).legs
    assert legs["alighting_stop_id"].to_list()[0] == "east3"


def habit(alighting: str, rides: float) -> pl.DataFrame:
    row = {"card_id": "z", "boarding_stop_id": "east2", "alighting_stop_id": alighting, "rides": rides}
    return pl.DataFrame([row])


def test_a_card_seen_once_today_follows_its_other_days() -> None:
    boarded = boardings(taps(("t1", "z", "a", 2.1)), VISITS)
    for known, method in ((habit("east4", 8.0), "habit"), (habit("east1", 8.0), "probable")):
        result = alightings(boarded, VISITS, pattern_stops(), stops(), known=known)
        assert result.legs["method"].to_list() == [method]
    legs = alightings(boarded, VISITS, pattern_stops(), stops(), known=habit("east4", 8.0))
    assert legs.legs["alighting_stop_id"].to_list() == ["east4"]
    assert 0.8 < legs.legs["confidence"][0] < 1.0
    assert legs.options["probability"].sum() == pytest.approx(1.0)


def test_habits_do_not_outweigh_what_the_next_tap_tells() -> None:
    boarded = boardings(taps(("t1", "z", "a", 2.1), ("t2", "z", "b", 62.1)), VISITS)
    legs = alightings(boarded, VISITS, pattern_stops(), stops(), known=habit("east3", 20.0)).legs
    assert legs["alighting_stop_id"].to_list()[0] == "east5"


def test_companions_leave_with_the_card_they_paid_with() -> None:
    legs = ended(("t1", "card", "a", 2.1), ("t2", "card", "a", 2.15), ("t3", "card", "b", 62.1)).legs
    assert legs["alighting_stop_id"].to_list()[:2] == ["east5", "east5"]
    assert legs["method"].to_list()[:2] == ["chained", "chained"]
