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

from mobility.line_stops import Bools, Floats, Ints, LineStops
from mobility.ride_chain import Rides
from mobility.schemas import Journey
from mobility.trip_times import TripTimes
from mobility.walking import walk_s

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
    which = np.flatnonzero((rides.following >= 0) & (call >= 0))
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
    return changes


def _leads_nowhere(
    lines: LineStops, begun: Ints, left: Ints, boarded: Ints, next_call: Ints, rules: TransferRules
) -> Bools:
    end = lines.stop[np.maximum(next_call, 0)]
    ridden_m: Floats = lines.distance_m(begun, left) + lines.distance_m(boarded, end)
    return (next_call >= 0) & (ridden_m > rules.detour * lines.distance_m(begun, end))


def journeys(legs: pl.DataFrame) -> pl.DataFrame:
    """One row a journey (columns of Journey) from legs with journey_id, in the order of their first legs."""
    methods = pl.Enum(WEAKEST_FIRST)
    return (
        legs.group_by("journey_id", maintain_order=True)
        .agg(
            pl.col("service_date").first(),
            pl.col("card_id").first(),
            pl.col("boarding_stop_id").first().alias("origin_stop_id"),
            pl.col("alighting_stop_id").last().alias("destination_stop_id"),
            pl.col("boarded_at").first().alias("started_at"),
            pl.col("alighted_at").last().alias("ended_at"),
            pl.len().cast(pl.Int64).alias("legs"),
            pl.col("pax").mean().round(6),
            pl.col("method").cast(methods).min(),
            (pl.col("confidence") * pl.col("boarding_confidence")).min(),
        )
        .with_columns(pl.col("method").cast(pl.String))
        .select(Journey.column_names())
    )
