"""Vehicle positions to stop visits: when each vehicle came to each stop of its trip, and left it.

Positions lie on the trip's path (positions), made monotone, and the times at which the vehicle crossed a line `zone_m`
before and after the stop are read between the two positions around it (stop_crossings). What GPS did not see (a gap
longer than `seen_gap_s`, a trip without positions) is interpolated or taken from the timetable, and its confidence says
so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.batches import frozen, in_batches
from mobility.categories import category
from mobility.line_stops import Ints
from mobility.map_matching import over_tracks
from mobility.performed import PERFORMED
from mobility.positions import PlacedPositions
from mobility.schemas import StopVisit
from mobility.sources.gtfs import Timetable
from mobility.stop_crossings import Crossings, StopLines, cross_stops
from mobility.visit_times import NOT, Planned, Trust, Visited, in_order, nothing_visited, time_visits

METHODS = ("gps", "gps_interpolated", "timetable")
BATCH_CALLS = 200_000


@dataclass(frozen=True)
class VisitRules:
    """`zone_m` on each side of a stop counts as at the stop; a gap between positions over `seen_gap_s` makes a time
    interpolated; beyond `longest_gap_s` confidence has fallen to its floor."""

    zone_m: float = 20.0
    seen_gap_s: float = 45.0
    longest_gap_s: float = 600.0
    floor: float = 0.4
    timetable_confidence: float = 0.3


DEFAULT = VisitRules()


def stop_visits(
    placed: PlacedPositions,
    timetable: Timetable,
    scheduled_only: pl.DataFrame,
    midnight_s: float,
    end_s: float,
    rules: VisitRules = DEFAULT,
) -> pl.DataFrame:
    """Stop visits of all vehicles (columns of StopVisit, service_date apart), sorted by vehicle and arrival.

    `scheduled_only`: PERFORMED rows of vehicles without positions; they visit their stops by the timetable.
    `midnight_s` is the epoch second of the service date's midnight; visits after the epoch second `end_s` have not
    happened."""
    trips = _trips(placed.performed.trips, scheduled_only)
    calls = _calls(trips, timetable)
    count = int(calls.first_call[-1])
    first_call = calls.first_call[:-1][trips["seen"].to_numpy()]
    crossings = _crossings(placed, timetable.pattern_stops, first_call, count, rules)
    arrival_s, departure_s = (timetable.calls[name].to_numpy() for name in ("arrival_s", "departure_s"))
    planned = frozen(Planned(calls.first_planned, arrival_s, departure_s, midnight_s))
    visited = nothing_visited(count)
    trust = Trust(rules.seen_gap_s, rules.longest_gap_s, rules.floor, rules.timetable_confidence)
    arguments = calls.first_call, crossings, planned, trust, end_s, visited
    in_batches(time_visits, calls.first_call, BATCH_CALLS, *arguments)
    return _frame(trips, timetable.pattern_stops, calls, visited, _in_order(trips["vehicle_id"], visited))


@dataclass(frozen=True)
class _Calls:
    """Every stop of every trip, trip by trip. `first_call` of each trip, and one more; the row of each trip's first
    stop in the pattern stops, and of its first call in the timetable (-1 where nothing was planned)."""

    first_call: Ints
    first_stop: Ints
    first_planned: Ints


def _trips(performed: pl.DataFrame, scheduled_only: pl.DataFrame) -> pl.DataFrame:
    """Columns of PERFORMED and `seen` (has positions), sorted by vehicle and trip; those seen as they came."""
    silent = scheduled_only.select(list(PERFORMED)).join(performed, on=["vehicle_id", "trip_id_performed"], how="anti")
    silent = silent.unique(["vehicle_id", "trip_id_performed"], keep="first", maintain_order=True)
    both = [frame.with_columns(pl.lit(value).alias("seen")) for frame, value in ((performed, True), (silent, False))]
    return pl.concat(both).sort("vehicle_id", "trip_id_performed", maintain_order=True)


def _calls(trips: pl.DataFrame, timetable: Timetable) -> _Calls:
    stops = _extents(timetable.pattern_stops, "pattern_id")
    planned = _extents(timetable.calls, "trip_id").rename({"first": "first_planned", "count": "calls"})
    known = trips.join(stops, on="pattern_id", how="left", maintain_order="left").join(
        planned, on="trip_id", how="left", maintain_order="left"
    )
    # where the trip is not in the timetable, or not with these stops, nothing was planned
    as_planned = pl.when(pl.col("calls") == pl.col("count")).then("first_planned").otherwise(-1)
    numbers = known.select(pl.col("count", "first").fill_null(0), as_planned.alias("first_planned"))
    count, first_stop, first_planned = (column.to_numpy() for column in numbers)
    return _Calls(np.r_[0, count.cumsum()], first_stop, first_planned)


def _extents(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Where the rows of each value of a sorted column begin, and how many they are: key, first, count."""
    runs = (
        frame[key].rle().struct.unnest().select(pl.col("value").alias(key), pl.col("len").cast(pl.Int64).alias("count"))
    )
    return runs.with_columns((pl.col("count").cum_sum() - pl.col("count")).alias("first"))


def _crossings(
    placed: PlacedPositions, pattern_stops: pl.DataFrame, first_call: Ints, calls: int, rules: VisitRules
) -> Crossings:
    """When GPS saw the calls of each track, from `first_call` on; NaN where it did not."""
    crossings = Crossings(np.full(calls, np.nan), np.full(calls, np.nan), np.full(calls, np.nan))
    lines = frozen(_stop_lines(placed, pattern_stops, rules))
    over_tracks(cross_stops, placed.tracks, placed.at_s, placed.places, lines, first_call, crossings)
    return crossings


def _stop_lines(placed: PlacedPositions, pattern_stops: pl.DataFrame, rules: VisitRules) -> StopLines:
    """Lines `zone_m` before and after each stop, but no further than half the way to the next one."""
    stops = placed.patterns.join(pattern_stops, on="pattern_id").sort("pattern_number", "trip_stop_sequence")
    half_gap = (pl.col("path_m").diff().over("pattern_number") / 2).fill_null(rules.zone_m)
    next_half = ((pl.col("path_m").shift(-1) - pl.col("path_m")).over("pattern_number") / 2).fill_null(rules.zone_m)
    lines = stops.select(
        (pl.col("path_m") - pl.min_horizontal(half_gap, rules.zone_m)).alias("enter_m"),
        (pl.col("path_m") + pl.min_horizontal(next_half, rules.zone_m)).alias("leave_m"),
    )
    first_stop = np.searchsorted(stops["pattern_number"].to_numpy(), np.arange(placed.patterns.height + 1))
    return StopLines(first_stop, lines["enter_m"].to_numpy(), lines["leave_m"].to_numpy())


def _in_order(vehicle_id: pl.Series, visited: Visited) -> Ints:
    """The calls that happened, by vehicle and arrival; `vehicle_id` of each trip, sorted."""
    happened = np.flatnonzero(visited.method != NOT)
    vehicle = vehicle_id.rle_id().cast(pl.Int64).to_numpy()
    if in_order(happened, vehicle, visited):
        return happened
    since_ms = visited.arrival_ms[happened]
    since_ms -= since_ms.min()
    key = vehicle[visited.trip[happened]] * (1 << int(since_ms.max()).bit_length()) + since_ms
    return happened[np.argsort(key, kind="stable")]


def _frame(
    trips: pl.DataFrame, pattern_stops: pl.DataFrame, calls: _Calls, visited: Visited, rows: Ints
) -> pl.DataFrame:
    trip = visited.trip[rows]
    stop = calls.first_stop[trip] + rows - calls.first_call[trip]
    is_last = rows == calls.first_call[trip + 1] - 1
    time = pl.Datetime("ms", "UTC")
    columns = [
        *trips.select("vehicle_id", "trip_id_performed", "line", "direction_id", "pattern_id")[pl.Series(trip)],
        *pattern_stops.select("trip_stop_sequence", "stop_id")[pl.Series(stop)],
        pl.Series("is_last_stop", is_last),
        pl.Series("arrival", visited.arrival_ms[rows]).cast(time),
        pl.Series("departure", visited.departure_ms[rows]).cast(time),
        pl.Series("dwell_s", visited.dwell_s[rows]),
        pl.Series("delay_s", visited.delay_s[rows], nan_to_null=True),
        category("method", visited.method[rows], METHODS),
        pl.Series("confidence", visited.confidence[rows]),
    ]
    return pl.DataFrame(columns).select(name for name in StopVisit.column_names() if name != "service_date")
