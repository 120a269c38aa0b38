"""Stop visits, numbered: when each trip was where, and how long after the bus before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.line_stops import Floats, Ints, LineStops, numbers

NEVER_MS = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class TripTimes:
    """`trip`, `call`: of each row of the visits. `line` of each trip. `slot`: add a call to its trip's slot to find the
    trip's `arrival_ms` (NEVER_MS where it made no visit) and `headway_s` (nan where no bus of the line came before)
    there."""

    trip: Ints
    call: Ints
    line: Ints
    slot: Ints
    arrival_ms: Ints
    headway_s: Floats

    @classmethod
    def of(cls, visits: pl.DataFrame, lines: LineStops) -> TripTimes:
        """`visits`: StopVisit rows, of patterns that `lines` knows."""
        pattern = numbers(visits["pattern_id"], lines.pattern_ids)
        call = lines.first[pattern] + visits["trip_stop_sequence"].to_numpy() - 1
        trip, first_row = _trips(visits)
        of_trip = pattern[first_row]
        calls = lines.first[of_trip + 1] - lines.first[of_trip]
        slot = np.cumsum(calls) - calls - lines.first[of_trip]
        arrival = visits["arrival"].dt.epoch("ms").to_numpy()
        way, line = _ways(visits, pattern, len(lines.pattern_ids))
        place = slot[trip] + call
        arrival_ms = np.full(int(calls.sum()), NEVER_MS)
        headway_s = np.full(int(calls.sum()), np.nan)
        arrival_ms[place] = arrival
        headway_s[place] = _headways(way[pattern] * len(lines.x_m) + lines.stop[call], arrival)
        return cls(trip, call, line[of_trip], slot, arrival_ms, headway_s)


def _trips(visits: pl.DataFrame) -> tuple[Ints, Ints]:
    """Number of the trip of each row, and a row of each trip."""
    named = visits.select("vehicle_id", "trip_id_performed")
    begins = named.select(pl.any_horizontal(pl.all().ne_missing(pl.all().shift(1)))).to_series().to_numpy().copy()
    begins[:1] = True
    starts = np.flatnonzero(begins)
    # a trip whose rows lie between those of others has several runs of them
    of_run = (
        named[starts]
        .with_row_index("run")
        .with_columns(pl.col("run").min().over("vehicle_id", "trip_id_performed").alias("of"))
    )
    first_run, trip = np.unique(of_run["of"].to_numpy(), return_inverse=True)
    return trip[np.cumsum(begins) - 1], starts[first_run]


def _ways(visits: pl.DataFrame, pattern: Ints, patterns: int) -> tuple[Ints, Ints]:
    """Number of line and direction, and of the line, of each pattern that was driven."""
    row = np.zeros(patterns, np.int64)
    row[pattern[::-1]] = np.arange(len(pattern))[::-1]
    driven = visits.select("line", "direction_id")[row] if visits.height else visits.select("line", "direction_id")
    way = driven.select(pl.struct("line", "direction_id").rank("dense")).to_series()
    return way.cast(pl.Int64).to_numpy(), driven["line"].rank("dense").cast(pl.Int64).to_numpy()


def _headways(place: Ints, arrival_ms: Ints) -> Floats:
    """Seconds since the bus before of the same line and direction at the same stop (one number: `place`)."""
    if not len(place):
        return np.zeros(0)
    since = arrival_ms - arrival_ms.min()
    order = np.argsort(place * (1 << int(since.max()).bit_length()) + since, kind="stable")
    gap_s = np.full(len(order), np.nan)
    gap_s[1:] = np.where(place[order][1:] == place[order][:-1], np.diff(since[order]) / 1000.0, np.nan)
    headway_s = np.empty(len(order))
    headway_s[order] = gap_s
    return headway_s
