"""The compiled OD matrix says what journeys added up one by one, in plain dictionaries, say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rides_by_hand import DAY, START, pattern_stops, stops, taps, trip

from mobility.alightings import Alightings, alightings
from mobility.boardings import boardings
from mobility.habits import HABIT, habits
from mobility.od_matrix import od_flows

MIDNIGHT = START - timedelta(hours=8)
WAYS = {"a": ("east", 0), "b": ("west", 50), "c": ("east", 65), "d": ("west", 115)}
VISITS = pl.concat([trip(bus, way, start) for bus, (way, start) in WAYS.items()])
Cell = tuple[int, str, str]


def ended_of(riders: list[tuple[int, str, float]], earlier: list[tuple[int, str, int, int]]) -> Alightings:
    """Rides of cards (0: none) in buses, minutes after these set out; and the cards' rides on an earlier day."""
    rows = [(f"t{n}", f"c{card}" * (card > 0), bus, WAYS[bus][1] + at) for n, (card, bus, at) in enumerate(riders)]
    before = [(f"c{card}", f"{way}{start}", f"{way}{start + on}", 2.0) for card, way, start, on in earlier]
    known = habits([pl.DataFrame(before, schema=HABIT, orient="row")])
    return alightings(boardings(taps(*rows), VISITS), VISITS, pattern_stops(), stops(), known=known)


@dataclass
class Told:
    """What the oracle knows of a cell."""

    pax: float = 0.0
    trusted: float = 0.0
    sure: set[str] = field(default_factory=set)
    by_habit: set[str] = field(default_factory=set)
    by_shares: defaultdict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, pax: float, trust: float) -> None:
        self.pax += pax
        self.trusted += pax * trust

    @property
    def people(self) -> set[str]:
        return self.sure or self.by_habit.union(*self.by_shares.values())

    @property
    def row(self) -> tuple[float, float, int, str]:
        perhaps = max([len(self.by_habit), *(len(people) for people in self.by_shares.values())])
        method = "mixed" if self.sure and perhaps else "chained" if self.sure else "probable"
        return self.pax, self.trusted / self.pax, len(self.sure) or perhaps, method


def journeys_of(legs: pl.DataFrame) -> Iterator[list[dict[str, object]]]:
    rows = legs.with_row_index("row").sort("row")
    for _, part in rows.group_by("journey_id", maintain_order=True):
        yield part.sort("leg_number").to_dicts()


def cells_of(ended: Alightings, legs: pl.DataFrame) -> dict[Cell, Told]:
    cells: defaultdict[Cell, Told] = defaultdict(Told)
    names = ended.inferred.lines.stop_ids
    for journey in journeys_of(legs):
        first, last = journey[0], journey[-1]
        start = (int((first["boarded_at"] - MIDNIGHT).total_seconds() // 3600), first["boarding_stop_id"])
        who = first["card_id"] or first["leg_id"]
        pax = sum(leg["pax"] for leg in journey) / len(journey)
        if last["method"] in ("chained", "chained_last"):
            trust = min(leg["confidence"] * leg["boarding_confidence"] for leg in journey)
            cell = cells[*start, last["alighting_stop_id"]]
            cell.add(pax, trust)
            cell.sure.add(who)
        elif last["method"] == "habit":
            found = ended.inferred
            for row in (n for n, ride in enumerate(found.habit_ride) if ride == last["row"]):
                cell = cells[*start, names[int(found.lines.stop[found.habit_call[row]])]]
                cell.add(pax * found.habit_chance[row], found.habit_chance[row])
                cell.by_habit.add(who)
        elif last["method"] == "probable":
            call = (last["pattern_id"], last["boarding_stop_sequence"])
            for *way, stop, share in ended.shares.select(
                "pattern_id", "boarding_stop_sequence", "stop_id", "share"
            ).rows():
                if tuple(way) == call:
                    cells[*start, stop].add(pax * share, share)
                    cells[*start, stop].by_shares[call].add(who)
    return cells


RIDERS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(sorted(WAYS)), st.floats(0, 12)), max_size=30)
EARLIER = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["east", "west"]), st.integers(1, 3), st.integers(1, 3)), max_size=8
)


@settings(max_examples=40, deadline=None)
@given(riders=RIDERS, earlier=EARLIER, weight=st.floats(1, 3))
def test_cells_are_the_journeys_added_up(
    riders: list[tuple[int, str, float]], earlier: list[tuple[int, str, int, int]], weight: float
) -> None:
    ended = ended_of(riders, earlier)
    legs = ended.legs.with_columns(pl.lit(DAY).alias("service_date"), (pl.col("riders") * weight).alias("pax"))
    found = od_flows(ended, legs, MIDNIGHT)
    expected = cells_of(ended, legs)
    told = {row[:3]: row[3:] for row in found.select(*CELL, "pax", "confidence", "cards", "method").rows()}
    assert set(told) == set(expected)
    for cell, (pax, confidence, cards, method) in told.items():
        right = expected[cell].row
        assert (cards, method) == right[2:]
        assert (pax, confidence) == pytest.approx(right[:2], abs=2e-6)
    once = dict(zip(told, found["cards_once"], strict=True))
    for some in (
        *combinations(told, 1),
        *combinations(told, 2),
        *([cell for cell in told if cell[0] == h] for h in HOURS),
    ):
        if len({cell[0] for cell in some}) == 1:
            assert sum(once[cell] for cell in some) <= len(set().union(*(expected[cell].people for cell in some)))


HOURS = range(8, 12)
CELL = ("hour", "origin_stop_id", "destination_stop_id")


def test_the_riders_above_are_told_of_in_every_way() -> None:
    """Else the property above would not look at all of the code."""
    riders = [(1, "a", 0.1), (1, "b", 0.1), (2, "a", 0.1), (0, "a", 2.1), (3, "c", 0.1), (3, "d", 2.1), (4, "a", 4.1)]
    ended = ended_of(riders, [(2, "east", 1, 3)])
    assert set(ended.legs["method"].cast(pl.String)) >= {"chained", "chained_last", "habit", "probable"}


def test_everybody_is_counted_once_where_nobody_is_sure_beside_them() -> None:
    """Card 1 goes there and back in one hour and counts once; of three without a card each counts at one stop ahead."""
    ended = ended_of([(1, "a", 0.1), (1, "b", 0.1), (0, "a", 4.1), (0, "a", 4.1), (0, "a", 4.1)], [])
    legs = ended.legs.with_columns(pl.lit(DAY).alias("service_date"), pl.lit(1.0).alias("pax"))
    matrix = od_flows(ended, legs, MIDNIGHT)
    people = dict(matrix.group_by("method").agg(pl.col("cards_once").sum()).rows())
    assert people == {"chained": 1, "probable": 3}
    assert matrix.filter(pl.col("method") == "probable")["cards"].to_list() == [3] * 3
