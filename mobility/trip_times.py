"""Stop visits, numbered: when each trip was where, and how long after the bus before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.key_sort import sorted_keys
from mobility.line_stops import Floats, Ints, LineStops, numbers
from mobility.runs import runs_of

TRIP = ("vehicle_id", "trip_id_performed")
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
        begins, rows = runs_of(visits, TRIP)
        run_pattern = numbers(visits["pattern_id"].gather(begins), lines.pattern_ids)
        run_trip, first_run = _trips(visits, begins)
        pattern = run_pattern[first_run]
        calls = lines.first[pattern + 1] - lines.first[pattern]
        slot = np.cumsum(calls) - calls - lines.first[pattern]
        call = np.repeat(lines.first[run_pattern] - 1, rows) + visits["trip_stop_sequence"].to_numpy()
        place = np.repeat(slot[run_trip], rows) + call
        arrival = visits["arrival"].dt.cast_time_unit("ms").to_physical().to_numpy()
        way, line = _ways(visits, begins, run_pattern, len(lines.pattern_ids))
        arrival_ms = np.full(int(calls.sum()), NEVER_MS)
        headway_s = np.full(int(calls.sum()), np.nan)
        arrival_ms[place] = arrival
        of_way = np.repeat(way[run_pattern] * len(lines.x_m), rows)
        headway_s[place] = _headways(of_way + lines.stop[call], arrival)
        return cls(np.repeat(run_trip, rows), call, line[pattern], slot, arrival_ms, headway_s)


def _trips(visits: pl.DataFrame, begins: Ints) -> tuple[Ints, Ints]:
    """Number of the trip of each run of rows, and a run of each trip."""
    # a trip whose rows lie between those of others has several runs of them
    of_run = visits.select(TRIP)[begins].with_row_index("run").with_columns(pl.col("run").min().over(TRIP).alias("of"))
    first_run, trip = np.unique(of_run["of"].to_numpy(), return_inverse=True)
    return trip, first_run.astype(np.int64)


def _ways(visits: pl.DataFrame, begins: Ints, run_pattern: Ints, patterns: int) -> tuple[Ints, Ints]:
    """Number of line and direction, and of the line, of each pattern that was driven."""
    run = np.zeros(patterns, np.int64)
    run[run_pattern[::-1]] = np.arange(len(run_pattern))[::-1]
    driven = visits.select("line", "direction_id")[begins[run] if len(begins) else begins]
    way = driven.select(pl.struct("line", "direction_id").rank("dense")).to_series()
    return way.cast(pl.Int64).to_numpy(), driven["line"].rank("dense").cast(pl.Int64).to_numpy()


def _headways(place: Ints, arrival_ms: Ints) -> Floats:
    """Seconds since the bus before of the same line and direction at the same stop (one number: `place`)."""
    if not len(place):
        return np.zeros(0)
    since = arrival_ms - arrival_ms.min()
    bits = int(since.max()).bit_length()
    key, order = sorted_keys((place << bits) + since)
    gap_s = np.full(len(order), np.nan)
    gap_s[1:] = np.where(key[1:] >> bits == key[:-1] >> bits, np.diff(key) / 1000.0, np.nan)
    headway_s = np.empty(len(order))
    headway_s[order] = gap_s
    return headway_s
