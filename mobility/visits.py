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

from mobility.batches import frozen
from mobility.map_matching import over_tracks
from mobility.performed import PERFORMED
from mobility.positions import PlacedPositions
from mobility.schemas import StopVisit
from mobility.sources.gtfs import Timetable
from mobility.stop_crossings import Crossings, StopLines, cross_stops


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
    performed = placed.performed.trips
    silent = scheduled_only.select(list(PERFORMED)).join(performed, on=["vehicle_id", "trip_id_performed"], how="anti")
    silent = silent.unique(["vehicle_id", "trip_id_performed"], keep="first", maintain_order=True)
    calls = _calls(pl.concat([performed, silent]), timetable, midnight_s)
    passed = _crossings(placed, timetable.pattern_stops, calls.height, rules)
    return _finished(_by_timetable(calls.with_columns(passed), rules), end_s)


def _calls(trips: pl.DataFrame, timetable: Timetable, midnight_s: float) -> pl.DataFrame:
    """Every stop of every trip, trip by trip: columns of PERFORMED, `trip` (row of `trips`), trip_stop_sequence,
    stop_id, is_last_stop, planned_arrival and planned_departure (epoch seconds, null where the timetable has none)."""
    stops, planned = timetable.pattern_stops, timetable.calls
    known = trips.join(_extents(stops, "pattern_id"), on="pattern_id", how="left", maintain_order="left")
    timed = _extents(planned, "trip_id").rename({"first": "first_call", "count": "calls"})
    known = known.join(timed, on="trip_id", how="left", maintain_order="left")
    count = known["count"].fill_null(0).to_numpy()
    trip = np.repeat(np.arange(trips.height), count)
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    stop = stops.select(pl.col("trip_stop_sequence", "stop_id").gather(known["first"].gather(trip) + pl.Series(within)))
    # gathering a null row gives a null: the trip is not in the timetable, or not with these stops
    call = known.select(pl.when(pl.col("calls") == pl.col("count")).then("first_call")).to_series().gather(trip)
    times = planned.select(pl.col("arrival_s", "departure_s").gather(call + pl.Series(within)) + midnight_s)
    return pl.concat([trips[pl.Series(trip)], stop], how="horizontal").with_columns(
        pl.Series("trip", trip),
        pl.Series("is_last_stop", within == count[trip] - 1),
        times["arrival_s"].alias("planned_arrival"),
        times["departure_s"].alias("planned_departure"),
    )


def _extents(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Where the rows of each value of a sorted column begin, and how many they are: key, first, count."""
    runs = (
        frame[key].rle().struct.unnest().select(pl.col("value").alias(key), pl.col("len").cast(pl.Int64).alias("count"))
    )
    return runs.with_columns((pl.col("count").cum_sum() - pl.col("count")).alias("first"))


def _crossings(placed: PlacedPositions, pattern_stops: pl.DataFrame, calls: int, rules: VisitRules) -> list[pl.Series]:
    """arrival, departure, gap_s (seconds, epoch) of `calls` calls; null where GPS did not see the stop."""
    nothing = np.full(calls, np.nan)
    crossings = Crossings(nothing, nothing.copy(), nothing.copy())
    lines = _stop_lines(placed, pattern_stops, rules)
    count = np.diff(lines.first_stop)[placed.tracks.pattern]
    first_call = np.r_[0, count.cumsum()]
    over_tracks(cross_stops, placed.tracks, frozen(placed.points), placed.places, frozen(lines), first_call, crossings)
    columns = zip(("arrival", "departure", "gap_s"), crossings, strict=True)
    return [pl.Series(name, values, nan_to_null=True) for name, values in columns]


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


def _by_timetable(calls: pl.DataFrame, rules: VisitRules) -> pl.DataFrame:
    """Fill what GPS did not see with the timetable, shifted by the delay the vehicle last had (0 where never seen)."""
    delay = pl.col("arrival") - pl.col("planned_arrival")
    carried = pl.coalesce(delay.forward_fill().over("trip"), delay.backward_fill().over("trip"), pl.lit(0.0))
    fade = ((pl.col("gap_s") - rules.seen_gap_s) / (rules.longest_gap_s - rules.seen_gap_s)).clip(0.0, 1.0)
    filled = calls.with_columns(
        pl.when(pl.col("arrival").is_null())
        .then(pl.lit("timetable"))
        .when(pl.col("gap_s") > rules.seen_gap_s)
        .then(pl.lit("gps_interpolated"))
        .otherwise(pl.lit("gps"))
        .alias("method"),
        pl.when(pl.col("arrival").is_null())
        .then(rules.timetable_confidence)
        .otherwise(1.0 - fade * (1.0 - rules.floor))
        .alias("confidence"),
        delay.alias("delay_s"),
        pl.coalesce("arrival", pl.col("planned_arrival") + carried).alias("arrival"),
        pl.coalesce("departure", pl.col("planned_departure") + carried).alias("departure"),
    ).drop_nulls(["arrival", "departure"])
    # a vehicle cannot reach a stop before it has left the one ahead, whatever the sources say
    return filled.with_columns(pl.col("arrival").cum_max().over("trip")).with_columns(
        pl.max_horizontal("arrival", "departure").alias("departure")
    )


def _finished(calls: pl.DataFrame, end_s: float) -> pl.DataFrame:
    happened = calls.filter(pl.col("arrival") <= end_s).with_columns(
        (pl.col("departure") - pl.col("arrival")).alias("dwell_s"),
        *(
            pl.from_epoch((pl.col(name) * 1000).round().cast(pl.Int64), time_unit="ms").dt.replace_time_zone("UTC")
            for name in ("arrival", "departure")
        ),
    )
    return happened.sort("vehicle_id", "arrival", "trip_id_performed", "trip_stop_sequence").select(
        name for name in StopVisit.column_names() if name != "service_date"
    )
