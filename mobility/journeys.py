"""Legs to journeys: is the next boarding of a card a transfer, or was the rider where they wanted to be?

A transfer takes the first bus that comes or the one after: the rider boards within the headway that was really run at
that stop (Gordon et al. 2013, section 3.3, who hold the wait against the buses that passed), plus `patience_s`. Going
back on the same line, or to where the leg began, is no transfer; going on with the same pattern is one. Where the next
ride's end is known from taps too, both rides together may not be much longer than the way they bring the rider.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.batches import in_batches
from mobility.categories import recoded
from mobility.cells import Cells
from mobility.line_stops import Bools, Floats, Ints, LineStops
from mobility.repeats import numbered
from mobility.ride_chain import Rides
from mobility.schemas import Journey
from mobility.trip_times import TripTimes
from mobility.walking import walk_s

BATCH_RIDES = 250_000
WEAKEST_FIRST = ("none", "probable", "habit", "chained_last", "chained")


@dataclass(frozen=True)
class TransferRules:
    """`patience_s` on top of the headway; `unknown_headway_s` where a line passed a stop once; `longest_wait_s`
    whatever the headway; a boarding within `back_m` of the stop the leg began at goes back; rides that are `detour`
    times as long (straight lines) as the way from the first stop to the last lead nowhere."""

    patience_s: float = 180.0
    unknown_headway_s: float = 900.0
    longest_wait_s: float = 3600.0
    back_m: float = 300.0
    detour: float = 3.0


def transfers(rides: Rides, call: Ints, lines: LineStops, times: TripTimes, rules: TransferRules) -> Bools:
    """Of each ride whether it ends in a transfer. `call`: where rides that have a next one ended, -1 where unknown."""
    changes = np.zeros(len(call), dtype=np.bool_)
    in_batches(_mark_transfers, np.arange(len(call) + 1), BATCH_RIDES, rides, call, lines, times, rules, changes)
    return changes


def _mark_transfers(
    begin: int,
    end: int,
    rides: Rides,
    call: Ints,
    lines: LineStops,
    times: TripTimes,
    rules: TransferRules,
    changes: Bools,
) -> None:
    """Mark in `changes` those of the rides from `begin` to before `end` that end in a transfer."""
    which = begin + np.flatnonzero((rides.following[begin:end] >= 0) & (call[begin:end] >= 0))
    following = rides.following[which]
    other_line = times.line[rides.trip[which]] != times.line[rides.trip[following]]
    onward = other_line | (lines.pattern[rides.call[which]] == lines.pattern[rides.call[following]])
    which, following = which[onward], following[onward]
    left, boarded = lines.stop[call[which]], lines.stop[rides.call[following]]
    arrived_ms = times.arrival_ms[times.slot[rides.trip[which]] + call[which]]
    waited_s = (rides.at_ms[following] - arrived_ms) / 1000.0 - walk_s(lines.distance_m(left, boarded))
    headway_s = times.headway_s[times.slot[rides.trip[following]] + rides.call[following]]
    patient_s = np.where(np.isnan(headway_s), rules.unknown_headway_s, headway_s) + rules.patience_s
    soon = waited_s <= np.minimum(patient_s, rules.longest_wait_s)
    which, following, left, boarded = which[soon], following[soon], left[soon], boarded[soon]
    begun = lines.stop[rides.call[which]]
    goes_on = lines.distance_m(begun, boarded) > rules.back_m
    changes[which] = goes_on & ~_leads_nowhere(lines, begun, left, boarded, call[following], rules)


def _leads_nowhere(
    lines: LineStops, begun: Ints, left: Ints, boarded: Ints, next_call: Ints, rules: TransferRules
) -> Bools:
    end = lines.stop[np.maximum(next_call, 0)]
    ridden_m: Floats = lines.distance_m(begun, left) + lines.distance_m(boarded, end)
    return (next_call >= 0) & (ridden_m > rules.detour * lines.distance_m(begun, end))


def journeys(legs: pl.DataFrame) -> pl.DataFrame:
    """One row a journey (columns of Journey) from legs with journey_id, in the order of their first legs."""
    # companions on one card have journeys of their own, and their legs lie between each other
    cells = Cells.of(numbered(legs["journey_id"])[1].to_frame())
    first = cells.firsts(legs.select("journey_id", "service_date", "card_id", "boarding_stop_id", "boarded_at"))
    last = cells.lasts(legs.select("alighting_stop_id", "alighted_at"))
    method = recoded(legs["method"], pl.Enum(WEAKEST_FIRST))
    return (
        first.rename({"boarding_stop_id": "origin_stop_id", "boarded_at": "started_at"})
        .hstack(last.rename({"alighting_stop_id": "destination_stop_id", "alighted_at": "ended_at"}))
        .with_columns(
            cells.counts().alias("legs"),
            cells.means(legs["pax"]).round(6).alias("pax"),
            cells.least(method.to_physical()).cast(pl.UInt32).cat.to(method.dtype).alias("method"),
            cells.least(legs["confidence"] * legs["boarding_confidence"]).alias("confidence"),
        )
        .select(Journey.column_names())
    )
