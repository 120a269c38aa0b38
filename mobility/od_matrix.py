"""The OD matrix: passengers between the origin and the destination of their journeys, by local hour.

A journey whose last leg is chained ends at the stop named; where only habits or shares tell, its passengers are spread
over the stops ahead as these say. A cell with few sure riders stays small however many probable ones are spread over
it: `cards` counts the sure ones where there are any.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from mobility.alightings import CHAINED_LAST, HABIT, PROBABLE, Alightings, Inferred
from mobility.line_stops import Floats, Ints, spread
from mobility.schemas import OdFlow

DIGITS = 6


@dataclass(frozen=True)
class _Journeys:
    """Journeys as numbers. `last`: row of the last leg; `from_cell`: hour and origin, to which a destination stop is
    added; `person`: rows of one card share it; `trust`: confidence of the weakest leg."""

    last: Ints
    from_cell: Ints
    person: Ints
    pax: Floats
    trust: Floats

    def only(self, rows: Ints) -> _Journeys:
        return _Journeys(self.last[rows], self.from_cell[rows], self.person[rows], self.pax[rows], self.trust[rows])


def od_flows(ended: Alightings, legs: pl.DataFrame, midnight: datetime) -> pl.DataFrame:
    """Passengers between two stops by the hour they set out in (columns of OdFlow), sorted.

    `legs`: those of `ended`, in their order, with pax and service_date; `midnight`: of the service date."""
    if legs.is_empty():
        return OdFlow.create_empty()
    found, stops = ended.inferred, len(ended.inferred.lines.stop_ids)
    hour = (legs["boarded_at"].dt.epoch("ms").to_numpy() - round(midnight.timestamp() * 1000)) // 3_600_000
    least = int(hour.min())
    made = _journeys(found, legs, (hour - least) * stops)
    method = found.method[made.last]
    sure = made.only(np.flatnonzero(method <= CHAINED_LAST))
    told = _cells(
        sure.from_cell + found.lines.stop[found.end[sure.last]],
        sure.pax,
        sure.pax * sure.trust,
        sure.person,
        "sure_cards",
    )
    spreads = pl.concat(
        [
            _by_habits(found, made.only(np.flatnonzero(method == HABIT))),
            _by_shares(found, made.only(np.flatnonzero(method == PROBABLE))),
        ]
    )
    whole = (
        pl.concat([told, spreads])
        .group_by("cell")
        .agg(pl.col("pax", "trust", "sure_cards").sum(), pl.col("probable_cards").max())
        .sort("cell")
    )
    return _named(whole, found, least, legs["service_date"][0])


def _journeys(found: Inferred, legs: pl.DataFrame, hour_cell: Ints) -> _Journeys:
    count = len(found.number)
    first = np.flatnonzero(found.number == 1)
    last = np.zeros(count, np.int64)
    last[found.journey] = np.arange(count)
    trust = np.ones(count)
    np.minimum.at(trust, found.journey, (legs["confidence"] * legs["boarding_confidence"]).to_numpy())
    pax = np.bincount(found.journey, weights=legs["pax"].to_numpy(), minlength=count)
    legs_of = np.bincount(found.journey, minlength=count)
    stop = found.lines.stop[found.boarding[first]]
    person = np.where(found.card >= 0, found.card, count + np.arange(count))
    return _Journeys(
        last[first],
        (hour_cell[first] + stop) * len(found.lines.stop_ids),
        person[first],
        pax[first] / legs_of[first],
        trust[first],
    )


def _cells(cell: Ints, pax: Floats, trust: Floats, person: Ints, counted: str) -> pl.DataFrame:
    """One row a cell: its passengers, their trust, and how many different people (column `counted`, 0 in the other).
    Rows of one person follow each other."""
    order = np.argsort(cell, kind="stable")
    cell, person = cell[order], person[order]
    if not len(cell):
        return pl.DataFrame(schema=_CELL)
    begins = np.concatenate([[True], cell[1:] != cell[:-1]])
    other = begins | np.concatenate([[True], person[1:] != person[:-1]])
    starts = np.flatnonzero(begins)
    return pl.DataFrame(
        {
            "cell": cell[starts],
            "pax": np.add.reduceat(pax[order], starts),
            "trust": np.add.reduceat(trust[order], starts),
            **_cards(np.add.reduceat(other.astype(np.int64), starts), counted),
        }
    )


_CELL = {"cell": pl.Int64, "pax": pl.Float64, "trust": pl.Float64, "sure_cards": pl.Int64, "probable_cards": pl.Int64}


def _cards(count: Ints, counted: str) -> dict[str, Ints]:
    return {name: count if name == counted else np.zeros_like(count) for name in ("sure_cards", "probable_cards")}


def _by_shares(found: Inferred, made: _Journeys) -> pl.DataFrame:
    """Journeys from the same cell with the same last boarding are spread together."""
    lines = found.lines
    calls = len(lines.stop)
    cell = made.from_cell // len(lines.stop_ids) * calls + found.boarding[made.last]
    grouped = _cells(cell, made.pax, made.pax, made.person, "probable_cards")
    boarded = grouped["cell"].to_numpy() % calls
    from_cell = grouped["cell"].to_numpy() // calls * len(lines.stop_ids)
    owner, call = spread(boarded + 1, lines.last[boarded] - boarded)
    share = found.shares[lines.pair(boarded[owner], call)]
    pax = grouped["pax"].to_numpy()[owner] * share
    return pl.DataFrame(
        {
            "cell": from_cell[owner] + lines.stop[call],
            "pax": pax,
            "trust": pax * share,
            **_cards(grouped["probable_cards"].to_numpy()[owner], "probable_cards"),
        }
    )


def _by_habits(found: Inferred, made: _Journeys) -> pl.DataFrame:
    starts = np.searchsorted(found.habit_ride, made.last)
    owner, row = spread(starts, np.searchsorted(found.habit_ride, made.last, side="right") - starts)
    chance = found.habit_chance[row]
    cell = made.from_cell[owner] + found.lines.stop[found.habit_call[row]]
    pax = made.pax[owner] * chance
    return _cells(cell, pax, pax * chance, made.person[owner], "probable_cards")


def _named(whole: pl.DataFrame, found: Inferred, least_hour: int, service_date: object) -> pl.DataFrame:
    cell, stop_ids = whole["cell"].to_numpy(), found.lines.stop_ids
    stops = len(stop_ids)
    return whole.select(
        pl.lit(service_date).alias("service_date"),
        pl.Series("hour", cell // stops // stops + least_hour),
        stop_ids.gather(cell // stops % stops).alias("origin_stop_id"),
        stop_ids.gather(cell % stops).alias("destination_stop_id"),
        pl.col("pax").round(DIGITS),
        pl.when(pl.col("sure_cards") > 0).then("sure_cards").otherwise("probable_cards").alias("cards"),
        pl.Series(["", "chained", "probable", "mixed"])
        .gather(
            whole.select((pl.col("sure_cards") > 0) + 2 * (pl.col("probable_cards") > 0).cast(pl.UInt32)).to_series()
        )
        .alias("method"),
        (pl.col("trust") / pl.col("pax")).fill_nan(0.0).clip(0.0, 1.0).round(DIGITS).alias("confidence"),
    ).select(OdFlow.column_names())
