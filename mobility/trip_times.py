"""Stop visits, numbered: when each trip was where, and how long after the bus before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.line_stops import Floats, Ints, LineStops, numbers

NEVER_MS = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class TripTimes:
    """`trip`, `call`: of each row of the visits. `line` of each trip. `slot`: add a call to its trip's slot to find the trip's `arrival_ms`
    (NEVER_MS where it made no visit) and `headway_s` (nan where no bus of the line came before) there."""

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
        names = (visits[name].rank("dense").cast(pl.Int64).to_numpy() for name in ("vehicle_id", "trip_id_performed"))
        vehicle, named = names
        _, first_row, trip = np.unique(vehicle * (1 << 31) + named, return_index=True, return_inverse=True)
        of_trip = pattern[first_row]
        calls = lines.first[of_trip + 1] - lines.first[of_trip]
        slot = np.cumsum(calls) - calls - lines.first[of_trip]
        arrival = visits["arrival"].dt.epoch("ms").to_numpy()
        arrival_ms = np.full(int(calls.sum()), NEVER_MS)
        headway_s = np.full(int(calls.sum()), np.nan)
        arrival_ms[slot[trip] + call] = arrival
        headway_s[slot[trip] + call] = _headways(visits, pattern, lines.stop[call], arrival)
        line = visits["line"].rank("dense").cast(pl.Int64).to_numpy()[first_row]
        return cls(trip, call, line, slot, arrival_ms, headway_s)


def _headways(visits: pl.DataFrame, pattern: Ints, stop: Ints, arrival_ms: Ints) -> Floats:
    """Seconds since the bus before of the same line and direction at the same stop."""
    way = visits.select(pl.struct("line", "direction_id").rank("dense"))["line"].cast(pl.Int64).to_numpy()
    place = way * (1 << 24) + stop
    order = np.lexsort((arrival_ms, place))
    before = np.concatenate([[False], place[order][1:] == place[order][:-1]])
    gap_s = np.concatenate([[np.nan], np.diff(arrival_ms[order]) / 1000.0])
    headway_s = np.empty(len(order))
    headway_s[order] = np.where(before, gap_s, np.nan)
    return headway_s
