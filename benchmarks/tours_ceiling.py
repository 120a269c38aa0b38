"""How often the best answer by stops alone is right on the tours of tours.py, which their own law leaves open.

A rider's goal lies some steps from the stop left, and the next ride starts at the stop of its pattern nearest to the
goal. Two stops near one goal cannot be told apart by any method. Here the answer is given by Bayes' rule to who knows
that law and how many riders truly made each ride, this one among them: what jasyl names is to be held against this, not
against 1. Times are not used, by which jasyl rules a few stops out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.tours import WALK_M
from mobility.score import SURE
from mobility.sources.gtfs import Timetable

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
POINTS = 6000
CHOICE = 3
Call = tuple[str, int]
"""A pattern and the place of a stop on it."""


@dataclass
class _Law:
    """Where stops of each pattern lie, how many boarded at each call, and points around calls as they are needed."""

    xy_m: dict[str, Floats]
    boarded: dict[str, Floats]
    spread_m: float
    random: np.random.Generator
    around: dict[Call, Floats] = field(default_factory=dict)
    nearest: dict[Call, dict[str, Ints]] = field(default_factory=dict)

    def points(self, call: Call) -> Floats:
        """Homes or goals of those who use a stop: those for whom no other stop of the pattern is nearer."""
        if call not in self.around:
            pattern, at = call
            some = self.xy_m[pattern][at] + self.random.normal(0, self.spread_m, (POINTS, 2))
            self.around[call] = some[_nearest(some, self.xy_m[pattern])[0] == at]
        return self.around[call]

    def chosen(self, call: Call) -> dict[str, Ints]:
        """For each pattern the stop that each point around a call would use, -1 where none is within a walk."""
        if call not in self.nearest:
            found = {pattern: _nearest(self.points(call), xy_m) for pattern, xy_m in self.xy_m.items()}
            self.nearest[call] = {pattern: np.where(far <= WALK_M, at, -1) for pattern, (at, far) in found.items()}
        return self.nearest[call]

    def goes_on(self, left: Call, boarded: Call) -> float:
        """How likely who left at one call boards next at the other, of all rides that start near the goal."""
        chosen = self.chosen(left)
        rides = np.sum([np.r_[self.boarded[pattern], 0.0][at] for pattern, at in chosen.items()], axis=0)
        taken = chosen[boarded[0]] == boarded[1]
        return float((taken / np.maximum(rides, 1.0)).mean()) if len(taken) else 0.0

    def goes_home(self, left: Call, from_home: Call) -> float:
        """How likely who boards at one call from home gets off at the other to go back there."""
        taken = self.chosen(from_home)[left[0]] == left[1]
        return float(taken.mean()) if len(taken) else 0.0


def ceiling(days: Sequence[pl.DataFrame], timetable: Timetable, spread_m: float, seed: int) -> dict[str, Any]:
    """Of the chained legs with three or more stops to choose from: how many, and the share for which the best answer is
    right. `days`: Judged.legs of each day."""
    stops = _stops(timetable)
    rides = Counter[tuple[str, str, str]]()
    for legs in days:
        rides.update(
            legs.drop_nulls("true_alighting").select("pattern_id", "boarding_stop_id", "true_alighting").rows()
        )
    law = _law(days, timetable, stops, spread_m, seed)
    right = [answer for legs in days for answer in _answers(legs, law, stops, rides)]
    return {"legs": len(right), "best_answer_right": round(float(np.mean(right)), 4)}


def _answers(
    legs: pl.DataFrame, law: _Law, stops: dict[str, list[str]], rides: Counter[tuple[str, str, str]]
) -> list[bool]:
    of_card = legs.sort("card_id", "boarded_at").with_columns(
        *(pl.col(name).shift(-1).over("card_id").alias(f"next_{name}") for name in ("pattern_id", "boarding_stop_id")),
        *(pl.col(name).first().over("card_id").alias(f"first_{name}") for name in ("pattern_id", "boarding_stop_id")),
    )
    asked = of_card.filter(
        pl.col("method").is_in(SURE) & pl.col("true_alighting").is_not_null() & (pl.col("stops_ahead") >= CHOICE)
    )
    found = []
    for leg in asked.iter_rows(named=True):
        pattern, last = leg["pattern_id"], leg["method"] == "chained_last"
        other = "first" if last else "next"
        at = leg[f"{other}_pattern_id"]
        if at is None:
            continue  # the next ride has no truth
        seen = at, stops[at].index(leg[f"{other}_boarding_stop_id"])
        reach = law.goes_home if last else law.goes_on
        ahead = range(stops[pattern].index(leg["boarding_stop_id"]) + 1, len(stops[pattern]))
        made = [rides[pattern, leg["boarding_stop_id"], stops[pattern][place]] for place in ahead]
        chances = [reach((pattern, place), seen) * (riders + 0.01) for place, riders in zip(ahead, made, strict=True)]
        found.append(stops[pattern][ahead[int(np.argmax(chances))]] == leg["true_alighting"])
    return found


def _stops(timetable: Timetable) -> dict[str, list[str]]:
    in_order = timetable.pattern_stops.sort("pattern_id", "trip_stop_sequence")
    return dict(in_order.group_by("pattern_id", maintain_order=True).agg("stop_id").iter_rows())


def _law(
    days: Sequence[pl.DataFrame], timetable: Timetable, stops: dict[str, list[str]], spread_m: float, seed: int
) -> _Law:
    place = {stop: (x, y) for stop, x, y in timetable.stops.select("stop_id", "x_m", "y_m").iter_rows()}
    calls = Counter[tuple[str, str]]()
    for legs in days:
        calls.update(legs.select("pattern_id", "boarding_stop_id").rows())
    return _Law(
        {pattern: np.array([place[stop] for stop in served]) for pattern, served in stops.items()},
        {
            pattern: np.array([calls[pattern, stop] for stop in served], dtype=float)
            for pattern, served in stops.items()
        },
        spread_m,
        np.random.default_rng(seed),
    )


def _nearest(points: Floats, xy_m: Floats) -> tuple[Ints, Floats]:
    """The nearest of `xy_m` to each point, and how far it is."""
    far_m = np.hypot(*(points[:, None] - xy_m[None]).transpose(2, 0, 1))
    return far_m.argmin(axis=1), far_m.min(axis=1)
