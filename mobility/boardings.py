"""Taps to the vehicle's trip and the stop where the card was read.

The stop is that of the vehicle's last visit that had begun at the tap (one as-of join on vehicle and time): a tap on
the way to the next stop belongs to the stop behind, as riders pass the reader late in a full bus. A tap at the last
stop of a trip is for the vehicle's next trip, if one begins soon; else it stays there, and can be no ride we know of.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

BOARDS = ("Enter", "Enter vehicle", "Transfer entrance", "Unknown action type")
KEY_SHIFT = 1 << 41
EPOCH_2001_MS = 978_307_200_000


@dataclass(frozen=True)
class BoardingRules:
    """Taps up to `early_s` before an arrival are of that stop (clock error), where little is known of it up to half of
    `unsure_s`; `prompt_s` after a departure they are
    certain; a stop more than `lost_s` behind or, at the start of a trip, `waiting_s` ahead is not taken."""

    early_s: float = 3.0
    unsure_s: float = 120.0
    prompt_s: float = 30.0
    lost_s: float = 1800.0
    waiting_s: float = 900.0


DEFAULT = BoardingRules()

BOARDED = (
    "leg_id",
    "vehicle_id",
    "trip_id_performed",
    "line",
    "direction_id",
    "pattern_id",
    "boarding_stop_sequence",
    "boarding_stop_id",
    "boarded_at",
    "boarding_method",
    "boarding_confidence",
    "card_id",
    "riders",
    "visit",
)


def boardings(taps: pl.DataFrame, visits: pl.DataFrame, rules: BoardingRules = DEFAULT) -> pl.DataFrame:
    """Boarding stop of every tap that has one (columns of BOARDED), sorted by card, time and transaction.

    `taps`: rows of FareTransaction; `visits`: rows of StopVisit. Taps of vehicles without a visit near in time are left
    out; the caller counts and keeps them."""
    vehicles = (
        pl.concat([taps["vehicle_id"], visits["vehicle_id"]])
        .unique()
        .sort()
        .to_frame()
        .with_row_index("vehicle_number")
    )
    visits = visits.with_row_index("visit")
    enters = taps.filter(pl.col("fare_action").is_in(BOARDS))
    keyed = _with_key(enters, vehicles, "event_timestamp").sort("key", "transaction_id")
    stops = visits.select(
        "visit",
        "is_last_stop",
        pl.col("trip_id_performed").alias("trip"),
        "vehicle_id",
        "line",
        "direction_id",
        "pattern_id",
        "trip_stop_sequence",
        "stop_id",
        "arrival",
        "departure",
        pl.col("method").alias("visit_method"),
        pl.col("confidence").alias("visit_confidence"),
    )
    behind = _with_key(stops.with_columns(_began(rules)), vehicles, "began").sort("key", "trip", "trip_stop_sequence")
    behind = behind.drop("vehicle_id")
    ahead = behind.filter(pl.col("trip_stop_sequence") == 1)
    last = keyed.join_asof(behind, on="key", strategy="backward")
    last = last.filter(pl.col("vehicle_number") == pl.col("vehicle_number_right"))
    late_s = ((pl.col("event_timestamp") - pl.col("departure")).dt.total_milliseconds() / 1000).clip(0.0)
    last = last.with_columns(late_s.alias("off_s")).filter(pl.col("off_s") <= rules.lost_s)
    coming = keyed.join_asof(ahead, on="key", strategy="forward")
    coming = coming.filter(pl.col("vehicle_number") == pl.col("vehicle_number_right")).with_columns(
        ((pl.col("arrival") - pl.col("event_timestamp")).dt.total_milliseconds() / 1000).alias("off_s")
    )
    coming = coming.filter(pl.col("off_s") <= rules.waiting_s)
    return _nearer(last, coming, rules)


def _began(rules: BoardingRules) -> pl.Expr:
    """When taps begin to be of a stop: early_s before the arrival, and the less that is known of the arrival the nearer
    to the middle between it and the stop ahead of it, as the bus may as well have been there sooner as later."""
    trip = ["vehicle_id", "trip"]
    driven_ms = (pl.col("arrival") - pl.col("departure").shift(1).over(trip, order_by="trip_stop_sequence")).dt
    gap_ms = driven_ms.total_milliseconds().fill_null(round(rules.unsure_s * 1000)).clip(0, rules.unsure_s * 1000)
    sooner_ms = (rules.early_s * 1000 + (1.0 - pl.col("visit_confidence")) * gap_ms / 2).round().cast(pl.Int64)
    return (pl.col("arrival") - pl.duration(milliseconds=sooner_ms, time_unit="ms")).alias("began")


def _with_key(frame: pl.DataFrame, vehicles: pl.DataFrame, time: str) -> pl.DataFrame:
    """`frame` with one Int64 key that orders by vehicle, then time: an as-of join then needs no groups."""
    # milliseconds since 2001 fit 41 bits until 2070, which leaves room for 4 million vehicles
    since = pl.col(time).dt.epoch("ms") - EPOCH_2001_MS
    return frame.join(vehicles, on="vehicle_id").with_columns(
        (pl.col("vehicle_number").cast(pl.Int64) * KEY_SHIFT + since).alias("key")
    )


def _nearer(last: pl.DataFrame, coming: pl.DataFrame, rules: BoardingRules) -> pl.DataFrame:
    fade = ((pl.col("off_s") - rules.prompt_s) / (rules.lost_s - rules.prompt_s)).clip(0.0, 1.0)
    by_timetable = pl.col("visit_method") == "timetable"
    behind = last.with_columns(
        pl.col("is_last_stop").alias("ends_here"),
        pl.when(by_timetable)
        .then(pl.lit("timetable"))
        .when(pl.col("off_s") > rules.prompt_s)
        .then(pl.lit("gps_late"))
        .otherwise(pl.lit("gps"))
        .alias("boarding_method"),
        (pl.col("visit_confidence") * pl.when("is_last_stop").then(0.5).otherwise(0.99 - 0.4 * fade)).alias(
            "boarding_confidence"
        ),
    )
    ahead = coming.with_columns(
        pl.lit(False).alias("ends_here"),
        pl.when(by_timetable).then(pl.lit("timetable")).otherwise(pl.lit("gps_early")).alias("boarding_method"),
        (pl.col("visit_confidence") * 0.9).alias("boarding_confidence"),
    )
    return (
        pl.concat([behind, ahead], how="vertical")
        .sort("transaction_id", "ends_here", "off_s", "boarding_method")
        .unique("transaction_id", keep="first", maintain_order=True)
        .select(
            pl.col("transaction_id").alias("leg_id"),
            "vehicle_id",
            pl.col("trip").alias("trip_id_performed"),
            "line",
            "direction_id",
            "pattern_id",
            pl.col("trip_stop_sequence").alias("boarding_stop_sequence"),
            pl.col("stop_id").alias("boarding_stop_id"),
            pl.col("event_timestamp").alias("boarded_at"),
            "boarding_method",
            "boarding_confidence",
            "card_id",
            pl.col("group_size").alias("riders"),
            "visit",
        )
        .sort("card_id", "boarded_at", "leg_id", nulls_last=True)
    )
