"""The OD matrix: passengers between the origin and the destination of their journeys, by local hour.

A journey whose last leg is chained ends at the stop named; where only habits or shares tell, its passengers are spread
over the stops ahead as these say. A cell with few sure riders stays small however many probable ones are spread over
it: `cards` counts the sure ones where there are any. `cards_once` counts each of these in one cell of its hour, so
it never adds up to more than the different cards in the cells added.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from mobility.alightings import CHAINED_LAST, HABIT, PROBABLE, Alightings, Inferred
from mobility.batches import frozen, in_batches
from mobility.counting_sort import stable_order
from mobility.line_stops import Ints
from mobility.od_cells import BY_HABIT, BY_SHARES, NOWHERE, SURE, Cells, Journeys, Ways, fill_cells, once_an_hour
from mobility.schemas import OdFlow

DIGITS = 6
BATCH_JOURNEYS = 100_000
METHODS = pl.Enum(["none", "chained", "probable", "mixed"])


def od_flows(ended: Alightings, legs: pl.DataFrame, midnight: datetime) -> pl.DataFrame:
    """Passengers between two stops by the hour they set out in (columns of OdFlow), sorted.

    `legs`: those of `ended`, in their order, with pax and service_date; `midnight`: of the service date."""
    if legs.is_empty():
        return OdFlow.create_empty()
    found, stops = ended.inferred, len(ended.inferred.lines.stop_ids)
    hour = (legs["boarded_at"].dt.epoch("ms").to_numpy() - round(midnight.timestamp() * 1000)) // 3_600_000
    least = int(hour.min())
    made = _journeys(found, legs, hour - least, stops)
    # all journeys from one origin in one hour are of one batch
    from_origin = np.r_[0, np.bincount(made.cell).cumsum()]
    ways = Ways(
        found.lines.stop,
        found.lines.last,
        found.lines.first_pair,
        found.shares,
        found.lines.stop[found.habit_call],
        found.habit_chance,
        stops,
    )
    names = _Names(pl.Enum(found.lines.stop_ids.cast(pl.String)), stops, least, legs["service_date"][0])
    cells = pl.concat(
        in_batches(_of_origins, from_origin, BATCH_JOURNEYS, from_origin, frozen(made), frozen(ways), names)
    )
    # in one piece column by column: who writes it would copy all of it at once
    return pl.DataFrame([cells.drop_in_place(name).rechunk() for name in cells.columns])


@dataclass(frozen=True)
class _Names:
    """What the numbers of cells stand for: hours from the first on, times `count`, plus the stop."""

    stops: pl.Enum
    count: int
    first_hour: int
    service_date: object


def _of_origins(begin: int, end: int, from_origin: Ints, made: Journeys, ways: Ways, names: _Names) -> pl.DataFrame:
    """Rows of OdFlow of the journeys from some origins. Columns that repeat few texts are categories, for a city has
    millions of cells."""
    cells: Cells = fill_cells(from_origin[begin], from_origin[end], made, ways)
    hour, origin = np.divmod(cells.cell, np.uint32(names.count))
    told = pl.DataFrame(cells._asdict() | {"hour": hour, "origin": origin})
    sure, probable = pl.col("sure_cards") > 0, pl.col("probable_cards") > 0
    return told.select(
        pl.lit(names.service_date).alias("service_date"),
        pl.col("hour").cast(pl.Int64) + names.first_hour,
        pl.col("origin").cat.to(names.stops).alias("origin_stop_id"),
        pl.col("stop").cat.to(names.stops).alias("destination_stop_id"),
        pl.col("pax").round(DIGITS),
        pl.when(sure).then("sure_cards").otherwise("probable_cards").alias("cards"),
        "cards_once",
        (sure + 2 * probable.cast(pl.UInt32)).cat.to(METHODS).alias("method"),
        (pl.col("trust") / pl.col("pax")).fill_nan(0.0).clip(0.0, 1.0).round(DIGITS).alias("confidence"),
    ).select(OdFlow.column_names())


def _journeys(found: Inferred, legs: pl.DataFrame, hour: Ints, stops: int) -> Journeys:
    """Journeys in the order of their first legs; the trust in each is that in its weakest leg."""
    count = len(found.number)
    first = np.flatnonzero(found.number == 1)
    last = np.zeros(count, np.int64)
    last[found.journey] = np.arange(count)
    last = last[first]
    trust = np.ones(count)
    np.minimum.at(trust, found.journey, (legs["confidence"] * legs["boarding_confidence"]).to_numpy())
    pax = np.bincount(found.journey, weights=legs["pax"].to_numpy(), minlength=count)
    legs_of = np.bincount(found.journey, minlength=count)
    cell = hour[first] * stops + found.lines.stop[found.boarding[first]]
    known = _KNOWN[found.method[last]]
    target = np.where(known == SURE, found.lines.stop[found.end[last]], found.boarding[last])
    until = np.zeros(len(last), np.int64)
    if len(found.habit_ride):
        habitual = known == BY_HABIT
        target[habitual] = np.searchsorted(found.habit_ride, last[habitual])
        until[habitual] = np.searchsorted(found.habit_ride, last[habitual], side="right")
    person = np.where(found.card >= 0, found.card, count + np.arange(count))[first]
    return Journeys(
        stable_order(cell, int(cell.max()) + 1),
        cell,
        known,
        target,
        until,
        person,
        once_an_hour(hour[first], person, known, int(person.max()) + 1),
        pax[first] / legs_of[first],
        trust[first],
    )


_KNOWN = np.full(PROBABLE + 2, NOWHERE, np.int8)
_KNOWN[: CHAINED_LAST + 1], _KNOWN[HABIT], _KNOWN[PROBABLE] = SURE, BY_HABIT, BY_SHARES
