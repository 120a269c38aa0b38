"""Taps to the vehicle's trip and the stop where the card was read.

The stop is that of the vehicle's last visit that had begun at the tap (one as-of join on vehicle and time): a tap on
the way to the next stop belongs to the stop behind, as riders pass the reader late in a full bus. A tap at the last
stop of a trip is for the vehicle's next trip, if one begins soon; else it stays there, and can be no ride we know of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.batches import frozen
from mobility.categories import category, enum_of
from mobility.line_stops import Ints
from mobility.tap_visits import VEHICLE_BITS, Limits, Visits, board

BOARDS = ("Enter", "Enter vehicle", "Transfer entrance", "Unknown action type")
EPOCH_2001_MS = 978_307_200_000
METHODS = ("gps", "gps_late", "gps_early", "timetable")


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

FROM_VISIT = {
    "vehicle_id": "vehicle_id",
    "trip_id_performed": "trip_id_performed",
    "line": "line",
    "direction_id": "direction_id",
    "pattern_id": "pattern_id",
    "trip_stop_sequence": "boarding_stop_sequence",
    "stop_id": "boarding_stop_id",
}
BOARDED = (
    "leg_id",
    *FROM_VISIT.values(),
    "boarded_at",
    "boarding_method",
    "boarding_confidence",
    "card_id",
    "riders",
    "visit",
)


def boardings(taps: pl.DataFrame, visits: pl.DataFrame, rules: BoardingRules = DEFAULT) -> pl.DataFrame:
    """Boarding stop of every tap that has one (columns of BOARDED), in order of vehicle and time.

    `taps`: rows of FareTransaction; `visits`: rows of StopVisit, those of a trip together; the column `visit` counts
    them. Taps of vehicles without a visit near in time are left out; the caller counts and keeps them."""
    vehicles = enum_of(visits["vehicle_id"])
    bus = taps["vehicle_id"].cast(vehicles, strict=False).to_physical()
    enters = taps.select("transaction_id", "event_timestamp", "card_id", "group_size")
    boards = taps["fare_action"].is_in(BOARDS) & bus.is_not_null()
    if not boards.all():
        enters, bus = enters.filter(boards), bus.filter(boards)
    at = _keys(bus, enters["event_timestamp"])
    # the lake keeps taps in the order of the walk
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        enters, at = enters[order], at[order]
    found = board(at, frozen(_numbered(visits, vehicles, rules)), Limits(rules.prompt_s, rules.lost_s, rules.waiting_s))
    if len(found.tap) < enters.height:
        enters = enters[found.tap]
    placed = enters.select(
        pl.col("transaction_id").alias("leg_id"),
        pl.col("event_timestamp").alias("boarded_at"),
        category("boarding_method", found.method, METHODS),
        pl.Series("boarding_confidence", found.confidence),
        "card_id",
        pl.col("group_size").alias("riders"),
        pl.Series("visit", found.visit),
    )
    stops = visits.select(list(FROM_VISIT)).rename(FROM_VISIT)[placed["visit"]]
    return pl.concat([placed, stops], how="horizontal").select(BOARDED)


def _keys(vehicle: pl.Series, time: pl.Series) -> Ints:
    """Int64 keys that order by vehicle, then time."""
    # milliseconds since 2001 fit 41 bits until 2070, which leaves room for 4 million vehicles
    bus: Ints = vehicle.cast(pl.Int64).to_numpy()
    since_ms: Ints = time.dt.epoch("ms").to_numpy() - EPOCH_2001_MS
    return bus * (1 << VEHICLE_BITS) + since_ms


def _numbered(visits: pl.DataFrame, vehicles: pl.Enum, rules: BoardingRules) -> Visits:
    """Taps begin to be of a stop early_s before the arrival, and the less that is known of the arrival the nearer to
    the middle between it and the stop ahead of it, as the bus may as well have been there sooner as later."""
    bus = visits["vehicle_id"].cast(vehicles).to_physical()
    arrival, departure = _keys(bus, visits["arrival"]), _keys(bus, visits["departure"])
    confidence = visits["confidence"].to_numpy()
    before = np.roll(departure, 1)
    same_trip = ((visits["trip_id_performed"] == visits["trip_id_performed"].shift(1)).fill_null(False)).to_numpy()
    unsure_ms = rules.unsure_s * 1000.0
    gap_ms = np.clip(np.where(same_trip, arrival - before, unsure_ms), 0.0, unsure_ms)
    sooner_ms = np.rint(rules.early_s * 1000.0 + (1.0 - confidence) * gap_ms / 2).astype(np.int64)
    began = arrival - sooner_ms
    starts = np.flatnonzero(visits["trip_stop_sequence"].to_numpy() == 1)
    return Visits(
        began,
        arrival,
        departure,
        confidence,
        visits["is_last_stop"].to_numpy(),
        (visits["method"] == "timetable").to_numpy(),
        np.argsort(began, kind="stable"),
        starts[np.argsort(began[starts], kind="stable")],
    )
