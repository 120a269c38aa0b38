"""The load of every bus after every stop it visited, from the legs of its riders.

A leg counts as what is expected: its passengers leave at each stop it may have ended at, by the probabilities of
`Alightings.options` where the card's taps tell of it, by `Alightings.shares` where nothing does. Sums are rounded to
1e-6 passengers, so their order never shows.

A city has millions of legs, so visits are numbered once, by vehicle, trip and stop, and all sums are taken by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from mobility.categories import category, enum_of
from mobility.repeats import first_distinct, persons
from mobility.schemas import LinkLoad
from mobility.tally import tally

TRIP = ["vehicle_id", "trip_id_performed"]
SURE = ("chained", "chained_last")
METHODS = ("empty", "probable", "mixed", "chained")
DIGITS = 6
SEQUENCE_BITS = 20
BATCH_OPTIONS, BATCH_VISITS = 500_000, 100_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def link_loads(legs: pl.DataFrame, visits: pl.DataFrame, options: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """Columns of LinkLoad, sorted by line, trip, vehicle and stop.

    `legs`: JourneyLeg, in the order of alightings(); `visits`: StopVisit; `options`, `shares`: Alightings."""
    if visits.is_empty():
        return LinkLoad.create_empty()
    found = _Visits.of(visits)
    on = found.boarded(legs)
    pax, confidence = legs["pax"].to_numpy(), legs["confidence"].to_numpy()
    chained = legs["method"].is_in(SURE).to_numpy()
    boardings = found.summed(on, pax)
    alightings = expected_alightings(found, legs, on, options, shares)
    running = found.running(
        boardings, boardings - alightings, found.summed(on, pax * confidence), found.summed(on, pax * chained)
    )
    return _described(found, boardings, alightings, running, found.running(_cards_boarding(found, legs, on))[0])


@dataclass(frozen=True)
class _Visits:
    """`rows` of StopVisit by vehicle, trip and stop, and of each the number of its `trip` and the `key` made of that
    and the stop; `first`: of each trip the number of its first visit; `pairs`: of each trip vehicle and trip as one
    number, `vehicles`, `trips` their names in order."""

    rows: pl.DataFrame
    trip: Ints
    key: Ints
    first: Ints
    pairs: Ints
    vehicles: pl.Enum
    trips: pl.Enum

    @classmethod
    def of(cls, visits: pl.DataFrame) -> _Visits:
        vehicles, trips = (enum_of(visits[name]) for name in TRIP)
        pairs, trip = np.unique(_pairs(visits, vehicles, trips), return_inverse=True)
        key = _key(trip.astype(np.int64), visits["trip_stop_sequence"])
        order = np.argsort(key, kind="stable")
        trip = trip[order].astype(np.int64)
        first = np.searchsorted(trip, np.arange(len(pairs)))
        return cls(visits[order], trip, key[order], first, pairs, vehicles, trips)

    def boarded(self, legs: pl.DataFrame) -> Ints:
        """Number of the visit at which each leg boarded."""
        pairs, names = _pairs(legs, self.vehicles, self.trips), len(self.trips.categories)
        # nearly every trip is driven by one vehicle
        driven = np.zeros(names, np.int64)
        driven[self.pairs % names] = np.arange(len(self.pairs))
        trip = _searched(self.pairs, pairs, driven[pairs % names])
        return self._at(trip, legs["boarding_stop_sequence"])

    def _at(self, trip: Ints, sequence: pl.Series) -> Ints:
        """Number of the visit of each trip at the stop `sequence`, or of the one that would follow it."""
        wanted, first = _key(trip, sequence), self.first[trip]
        return _searched(self.key, wanted, first + wanted - self.key[first])

    def left(self, boarded: Ints, sequence: pl.Series) -> tuple[Ints, Bools]:
        """Number of the visit at which riders who `boarded` at another are off: that of the stop `sequence` of its trip
        or, where the vehicle was not at that stop, the next one; and whether there is one."""
        trip = self.trip[boarded]
        found = self._at(trip, sequence)
        number = np.minimum(found, len(self.key) - 1)
        return number, (found < len(self.key)) & (self.trip[number] == trip) & (number > boarded)

    def summed(self, number: Ints, values: npt.NDArray[Any]) -> Floats:
        return tally(number, values, len(self.key)).round(DIGITS)

    def running(self, *values: Floats) -> list[Floats]:
        """Each of the sums by visit, added up along its trip."""
        return [_added_up(column, self.trip) for column in values]


def expected_alightings(
    found: _Visits, legs: pl.DataFrame, on: Ints, options: pl.DataFrame, shares: pl.DataFrame
) -> Floats:
    """Passengers who leave at each visit. `on`: the visit each leg boarded at."""
    pax, told = legs["pax"].to_numpy(), np.zeros(len(found.key))
    for some in options.iter_slices(BATCH_OPTIONS):
        leg = some["leg"].to_numpy()
        off, is_off = found.left(on[leg], some["alighting_stop_sequence"])
        told += tally(off, pax[leg] * some["probability"].to_numpy() * is_off, len(found.key))
    untold = tally(on, pax * (legs["method"] == "probable").to_numpy(), len(found.key))
    at_stop = found.rows.select("pattern_id", pl.col("trip_stop_sequence").alias("boarding_stop_sequence"))
    for some in at_stop.with_columns(pl.Series("pax", untold)).with_row_index("number").iter_slices(BATCH_VISITS):
        spread = some.filter(pl.col("pax") > 0).join(
            shares, on=["pattern_id", "boarding_stop_sequence"], maintain_order="left"
        )
        off, is_off = found.left(spread["number"].to_numpy(), spread["alighting_stop_sequence"])
        told += tally(off, (spread["pax"] * spread["share"]).to_numpy() * is_off, len(found.key))
    return told.round(DIGITS)


def _cards_boarding(found: _Visits, legs: pl.DataFrame, on: Ints) -> Floats:
    """Different cards that come aboard less those that leave, at every visit. A card counts with the first ride of the
    day on a line and direction, so sums over the trips of a line count nobody twice. Riders leave where they most
    probably did."""
    ends = legs["alighting_stop_sequence"].is_not_null()
    # the legs of a card come in order of time
    way = legs.select(persons(legs), pl.col("line").to_physical(), "direction_id").filter(ends).hash_rows()
    row = np.flatnonzero(ends.to_numpy())[first_distinct(way).to_numpy()]
    off, is_off = found.left(on[row], legs["alighting_stop_sequence"][row])
    return tally(on[row], np.ones(len(row)), len(found.key)) - tally(off, is_off, len(found.key))


def _described(
    found: _Visits, boardings: Floats, alightings: Floats, running: list[Floats], cards: Floats
) -> pl.DataFrame:
    boarded, balance, trusted, chained = running
    share = np.divide(trusted, boarded, out=np.ones_like(boarded), where=boarded > 0)
    place = np.where(boarded <= 0, 0, np.where(chained <= 0, 1, np.where(chained >= boarded - 1e-3, 3, 2)))
    rows = found.rows
    same_trip = np.r_[found.trip[1:] == found.trip[:-1], False]
    loads = rows.select(
        "service_date",
        "line",
        "vehicle_id",
        pl.col("trip_id_performed").alias("trip_id"),
        "direction_id",
        "pattern_id",
        pl.col("trip_stop_sequence").alias("stop_sequence"),
        pl.col("stop_id").alias("from_stop"),
        pl.when(pl.Series(same_trip)).then(pl.col("stop_id").shift(-1)).alias("to_stop"),
        pl.col("arrival").alias("arrived_at"),
        pl.col("departure").alias("departed_at"),
        pl.Series("boardings_pax", boardings),
        pl.Series("alightings_pax", alightings),
        pl.Series("load_pax", balance.clip(0.0).round(DIGITS)),
        pl.Series("cards", cards.clip(0).astype(np.int64)),
        category("method", place, METHODS),
        (pl.col("confidence") * pl.Series(share)).clip(0.0, 1.0).round(DIGITS).alias("confidence"),
    )
    line = rows["line"].cast(enum_of(rows["line"])).to_physical().to_numpy()
    vehicle, trip = np.divmod(found.pairs[found.trip], len(found.trips.categories))
    return loads[np.lexsort((rows["trip_stop_sequence"].to_numpy(), vehicle, trip, line))]


def _pairs(rows: pl.DataFrame, vehicles: pl.Enum, trips: pl.Enum) -> Ints:
    vehicle, trip = (
        rows[name].cast(names).to_physical().cast(pl.Int64).to_numpy()
        for name, names in zip(TRIP, (vehicles, trips), strict=True)
    )
    pairs: Ints = vehicle * len(trips.categories) + trip
    return pairs


def _searched(ordered: Ints, wanted: Ints, likely: Ints) -> Ints:
    """np.searchsorted of numbers that mostly stand where they are `likely` to."""
    found = np.clip(likely, 0, len(ordered) - 1)
    missed = np.flatnonzero(ordered[found] != wanted)
    found[missed] = np.searchsorted(ordered, wanted[missed])
    return found


def _key(trip: Ints, sequence: pl.Series) -> Ints:
    key: Ints = (trip << SEQUENCE_BITS) + sequence.to_numpy()
    return key


@njit(cache=True, nogil=True)
def _added_up(values: Floats, trip: Ints) -> Floats:
    added = np.empty(len(values))
    for row in range(len(values)):
        added[row] = values[row]
        if row and trip[row] == trip[row - 1]:
            added[row] += added[row - 1]
    return added
