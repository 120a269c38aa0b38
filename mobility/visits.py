"""Vehicle positions to stop visits: when each vehicle came to each stop of its trip, and left it.

Positions are matched to the trip's path (map_matching), made monotone, and the times at which the vehicle crossed a
line `zone_m` before and after the stop are read between the two positions around it. What GPS did not see (a gap longer
than `seen_gap_s`, a trip without positions) is interpolated or taken from the timetable, and its confidence says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.map_matching import match_to_paths
from mobility.performed import PERFORMED, Performed
from mobility.schemas import StopVisit
from mobility.sources.gtfs import Timetable

KEY_SHIFT = 1 << 40
CM = 100.0


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
    performed: Performed,
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
    passed = _passed_stops(performed, timetable, rules)
    planned = timetable.calls.select(
        "trip_id",
        "trip_stop_sequence",
        (pl.col("arrival_s") + midnight_s).alias("planned_arrival"),
        (pl.col("departure_s") + midnight_s).alias("planned_departure"),
    )
    trips = pl.concat([performed.trips, scheduled_only.select(list(PERFORMED))]).unique(
        ["vehicle_id", "trip_id_performed"], keep="first", maintain_order=True
    )
    calls = (
        trips.join(timetable.pattern_stops, on="pattern_id")
        .join(planned, on=["trip_id", "trip_stop_sequence"], how="left")
        .join(passed, on=["vehicle_id", "trip_id_performed", "trip_stop_sequence"], how="left")
        .sort("vehicle_id", "trip_id_performed", "trip_stop_sequence")
    )
    return _finished(_by_timetable(calls, rules), end_s)


def _passed_stops(performed: Performed, timetable: Timetable, rules: VisitRules) -> pl.DataFrame:
    """Crossing times of the stops GPS saw: the trip, trip_stop_sequence, arrival, departure, gap_s (epoch seconds)."""
    trip = ["vehicle_id", "trip_id_performed"]
    tracks = performed.trips.select(*trip, "pattern_id").with_row_index("track")
    points = (
        performed.pings.with_columns((pl.col("event_timestamp").dt.epoch("ms") / 1000).alias("at_s"))
        .join(tracks.select("track", *trip), on=trip)
        .sort("track", "at_s", "location_ping_id")
        .with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("track").alias("order"))
    )
    places = (
        match_to_paths(points, timetable.paths)
        .join(points.select("track", "order", "at_s"), on=["track", "order"])
        .sort("track", "order")
        .with_columns(pl.col("path_m").cum_max().over("track"))
        .with_columns(_key(pl.col("path_m")))
    )
    stops = tracks.join(timetable.pattern_stops, on="pattern_id").sort("track", "trip_stop_sequence")
    half_gap = (pl.col("path_m") - pl.col("path_m").shift(1)).over("track") / 2
    next_half = (pl.col("path_m").shift(-1) - pl.col("path_m")).over("track") / 2
    stops = stops.with_columns(
        (pl.col("path_m") - pl.min_horizontal(half_gap.fill_null(rules.zone_m), rules.zone_m)).alias("enter_m"),
        (pl.col("path_m") + pl.min_horizontal(next_half.fill_null(rules.zone_m), rules.zone_m)).alias("leave_m"),
    )
    ends = places.group_by("track").agg(
        pl.col("path_m").first().alias("first_m"),
        pl.col("at_s").first().alias("first_s"),
        pl.col("path_m").last().alias("last_m"),
        pl.col("at_s").last().alias("last_s"),
    )
    entered = _crossings(stops, places, "enter_m", last_before=True, name="arrival")
    left = _crossings(stops, places, "leave_m", last_before=False, name="departure")
    keys = ["track", "trip_stop_sequence"]
    return (
        stops.join(ends, on="track")
        .join(entered, on=keys, how="left")
        .join(left, on=keys, how="left")
        .with_columns(
            # tracking began while the vehicle stood at the stop, or ended while it did
            pl.when(pl.col("arrival").is_null() & (pl.col("first_m") <= pl.col("leave_m")))
            .then(pl.min_horizontal("first_s", "departure"))
            .otherwise("arrival")
            .alias("arrival"),
            pl.when(pl.col("departure").is_null() & (pl.col("last_m") >= pl.col("enter_m")))
            .then("last_s")
            .otherwise("departure")
            .alias("departure"),
            pl.max_horizontal(pl.col("arrival_gap").fill_null(0.0), pl.col("departure_gap").fill_null(0.0)).alias(
                "gap_s"
            ),
        )
        .drop_nulls(["arrival", "departure"])
        .select(*trip, "trip_stop_sequence", "arrival", "departure", "gap_s")
    )


def _key(place_m: pl.Expr) -> pl.Expr:
    return (pl.col("track").cast(pl.Int64) * KEY_SHIFT + (place_m * CM).round().cast(pl.Int64)).alias("key")


def _crossings(stops: pl.DataFrame, places: pl.DataFrame, line: str, *, last_before: bool, name: str) -> pl.DataFrame:
    """Time at which each track crossed `line` (a column of stops, metres along the path), and the gap it fell in.

    Between the last position before the line and the first after it. `last_before`: a position on the line counts as
    after it (arriving), else as before it (leaving)."""
    lines = stops.select("track", "trip_stop_sequence", pl.col(line).alias("line_m")).with_columns(
        _key(pl.col("line_m"))
    )
    lines = lines.with_columns(
        (pl.col("key") - 1 if last_before else pl.col("key")).alias("key_before"),
        (pl.col("key") if last_before else pl.col("key") + 1).alias("key_after"),
    ).drop("key")
    right = places.select("key", pl.col("track").alias("at_track"), pl.col("path_m").alias("m"), "at_s").sort(
        "key", "at_s"
    )
    joined = lines.sort("key_before").join_asof(right, left_on="key_before", right_on="key", strategy="backward")
    joined = joined.rename({"at_track": "track_before", "m": "m_before", "at_s": "s_before"}).drop("key", strict=False)
    joined = joined.sort("key_after").join_asof(right, left_on="key_after", right_on="key", strategy="forward")
    span = pl.col("m") - pl.col("m_before")
    share = pl.when(span > 0).then((pl.col("line_m") - pl.col("m_before")) / span).otherwise(0.0).clip(0.0, 1.0)
    return joined.filter((pl.col("track_before") == pl.col("track")) & (pl.col("at_track") == pl.col("track"))).select(
        "track",
        "trip_stop_sequence",
        (pl.col("s_before") + share * (pl.col("at_s") - pl.col("s_before"))).alias(name),
        (pl.col("at_s") - pl.col("s_before")).alias(f"{name}_gap"),
    )


def _by_timetable(calls: pl.DataFrame, rules: VisitRules) -> pl.DataFrame:
    """Fill what GPS did not see with the timetable, shifted by the delay the vehicle last had (0 where never seen)."""
    trip = ["vehicle_id", "trip_id_performed"]
    delay = pl.col("arrival") - pl.col("planned_arrival")
    carried = pl.coalesce(delay.forward_fill().over(trip), delay.backward_fill().over(trip), pl.lit(0.0))
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
    return filled.with_columns(pl.col("arrival").cum_max().over(trip)).with_columns(
        pl.max_horizontal("arrival", "departure").alias("departure")
    )


def _finished(calls: pl.DataFrame, end_s: float) -> pl.DataFrame:
    last = pl.col("trip_stop_sequence") == pl.col("pattern_stops")
    length = calls.group_by("pattern_id").agg(pl.col("trip_stop_sequence").max().alias("pattern_stops"))
    return (
        calls.join(length, on="pattern_id")
        .filter(pl.col("arrival") <= end_s)
        .with_columns(
            last.alias("is_last_stop"),
            (pl.col("departure") - pl.col("arrival")).alias("dwell_s"),
            *(
                pl.from_epoch((pl.col(name) * 1000).round().cast(pl.Int64), time_unit="ms").dt.replace_time_zone("UTC")
                for name in ("arrival", "departure")
            ),
        )
        .sort("vehicle_id", "arrival", "trip_id_performed", "trip_stop_sequence")
        .select(name for name in StopVisit.column_names() if name != "service_date")
    )
