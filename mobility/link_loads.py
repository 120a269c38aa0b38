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

from mobility.batches import frozen, in_batches
from mobility.categories import categories_of, category, enum_of, in_categories, recoded
from mobility.counting_sort import Rows, stable_order
from mobility.hash_table import rows_with
from mobility.key_sort import sorted_keys
from mobility.repeats import first_distinct, persons
from mobility.schemas import LinkLoad
from mobility.tally import tally
from mobility.threads import of_each
from mobility.visit_riders import (
    SEQUENCE_BITS,
    Places,
    Spread,
    added_up,
    left_by_options,
    left_by_shares,
    visits_at,
    visits_left,
)

TRIP = ["vehicle_id", "trip_id_performed"]
SURE = ("chained", "chained_last")
METHODS = ("empty", "probable", "mixed", "chained")
DIGITS = 6
BATCH_OPTIONS, BATCH_VISITS = 500_000, 100_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


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
    """`rows` of StopVisit by vehicle, trip and stop, and their `places`; `pairs`: of each trip vehicle and trip as one
    number, `vehicles`, `trips` their names in order."""

    rows: pl.DataFrame
    places: Places
    pairs: Ints
    vehicles: pl.Enum
    trips: pl.Enum

    @classmethod
    def of(cls, visits: pl.DataFrame) -> _Visits:
        vehicles, trips = (enum_of(visits[name]) for name in TRIP)
        pair = _pairs(visits, vehicles, trips)
        # rows of a trip mostly stand together
        begins = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
        pairs, of_run = np.unique(pair[begins], return_inverse=True)
        trip = np.repeat(of_run.astype(np.int64), np.diff(begins, append=len(pair)))
        key, order = sorted_keys((trip << SEQUENCE_BITS) + visits["trip_stop_sequence"].to_numpy())
        return cls(visits[order], frozen(Places.of(key)), pairs, vehicles, trips)

    def boarded(self, legs: pl.DataFrame) -> Ints:
        """Number of the visit at which each leg boarded."""
        pairs, names = _pairs(legs, self.vehicles, self.trips), len(self.trips.categories)
        # nearly every trip is driven by one vehicle
        driven = np.zeros(names, np.int64)
        driven[self.pairs % names] = np.arange(len(self.pairs))
        trip = driven[pairs % names]
        other = np.flatnonzero(self.pairs[trip] != pairs)
        trip[other] = np.searchsorted(self.pairs, pairs[other])
        found: Ints = visits_at(trip, _read_only(legs["boarding_stop_sequence"]), self.places)
        return found

    def summed(self, number: Ints, values: npt.NDArray[Any]) -> Floats:
        return tally(number, values, len(self.places.key)).round(DIGITS)

    def running(self, *values: Floats) -> list[Floats]:
        """Each of the sums by visit, added up along its trip."""
        return [added_up(column, self.places.trip) for column in values]


def expected_alightings(
    found: _Visits, legs: pl.DataFrame, on: Ints, options: pl.DataFrame, shares: pl.DataFrame
) -> Floats:
    """Passengers who leave at each visit. `on`: the visit each leg boarded at."""
    pax = _read_only(legs["pax"])

    def of_options(some: pl.DataFrame) -> Floats:
        columns = ("leg", "alighting_stop_sequence", "probability")
        left: Floats = left_by_options(*(_read_only(some[name]) for name in columns), on, pax, found.places)
        return left

    told = np.zeros(len(found.places.key))
    for left in of_each(of_options, options.iter_slices(BATCH_OPTIONS)):
        told += left
    untold = tally(on, pax * (legs["method"] == "probable").to_numpy(), len(told))
    way, spread = _ways(found.rows, shares)
    each = np.arange(len(told) + 1)
    for left in in_batches(left_by_shares, each, BATCH_VISITS, untold, way, spread, found.places):
        told += left
    return told.round(DIGITS)


def _ways(rows: pl.DataFrame, shares: pl.DataFrame) -> tuple[Ints, Spread]:
    """The shares by pattern and boarding stop, and of each visit in `rows` which of these are its own (-1: none)."""
    names = categories_of((rows, shares), ["pattern_id"])
    pattern = pl.col("pattern_id").to_physical().cast(pl.Int64) * (1 << SEQUENCE_BITS)

    def numbered(frame: pl.DataFrame, sequence: str) -> Ints:
        key: Ints = (
            in_categories(frame.select("pattern_id", sequence), names)
            .select(pattern + pl.col(sequence))["pattern_id"]
            .to_numpy()
        )
        return key

    key, order = sorted_keys(numbered(shares, "boarding_stop_sequence"))
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]][: len(key)])
    told = shares.select("alighting_stop_sequence", "share")[order]
    spread = frozen(Spread(begins, np.diff(begins, append=len(key)), *(column.to_numpy() for column in told)))
    return rows_with(key[begins], numbered(rows, "trip_stop_sequence")), spread


def _cards_boarding(found: _Visits, legs: pl.DataFrame, on: Ints) -> Floats:
    """Different cards that come aboard less those that leave, at every visit. A card counts with the first ride of the
    day on a line and direction, so sums over the trips of a line count nobody twice. Riders leave where they most
    probably did."""
    ends = legs["alighting_stop_sequence"].is_not_null()
    # the legs of a card come in order of time
    way = legs.select(persons(legs), pl.col("line").to_physical(), "direction_id").filter(ends).hash_rows()
    row = np.flatnonzero(ends.to_numpy())[first_distinct(way).to_numpy()]
    off = visits_left(on[row], _read_only(legs["alighting_stop_sequence"][row]), found.places)
    visits = len(found.places.key)
    return tally(on[row], np.ones(len(row)), visits) - np.bincount(off[off >= 0], minlength=visits)


def _described(
    found: _Visits, boardings: Floats, alightings: Floats, running: list[Floats], cards: Floats
) -> pl.DataFrame:
    boarded, balance, trusted, chained = running
    share = np.divide(trusted, boarded, out=np.ones_like(boarded), where=boarded > 0)
    place = np.where(boarded <= 0, 0, np.where(chained <= 0, 1, np.where(chained >= boarded - 1e-3, 3, 2)))
    rows = found.rows
    on_trip = found.places.trip
    same_trip = np.r_[on_trip[1:] == on_trip[:-1], False]
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
    # the rows come by vehicle, trip and stop
    trip = (found.pairs % len(found.trips.categories))[on_trip]
    order = stable_order(trip, len(found.trips.categories))
    lines = enum_of(rows["line"])
    line = recoded(rows["line"], lines).to_physical().to_numpy()[order]
    by_line: Rows = stable_order(line, len(lines.categories))
    ordered: pl.DataFrame = loads[order[by_line]]
    return ordered


def _pairs(rows: pl.DataFrame, vehicles: pl.Enum, trips: pl.Enum) -> Ints:
    vehicle, trip = (
        recoded(rows[name], names).to_physical().cast(pl.Int64).to_numpy()
        for name, names in zip(TRIP, (vehicles, trips), strict=True)
    )
    pairs: Ints = vehicle * len(trips.categories) + trip
    return pairs


def _read_only(column: pl.Series) -> npt.NDArray[Any]:
    """A column without nulls for a compiled step, as one version of it serves all."""
    values = np.ascontiguousarray(column.to_numpy()).view()
    values.flags.writeable = False
    return values
