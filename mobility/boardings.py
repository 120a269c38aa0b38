"""Taps to the vehicle's trip and the stop where the card was read.

The stop is that of the vehicle's last visit that had begun at the tap (one as-of join on vehicle and time): a tap on
the way to the next stop belongs to the stop behind, as riders pass the reader late in a full bus. A tap at the last
stop of a trip is for the vehicle's next trip, if one begins soon; else it stays there, and can be no ride we know of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.line_stops import Bools, Floats, Ints

BOARDS = ("Enter", "Enter vehicle", "Transfer entrance", "Unknown action type")
VEHICLE_BITS = 41
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
    "trip_id_performed": "trip_id_performed",
    "line": "line",
    "direction_id": "direction_id",
    "pattern_id": "pattern_id",
    "trip_stop_sequence": "boarding_stop_sequence",
    "stop_id": "boarding_stop_id",
}
BOARDED = (
    "leg_id",
    "vehicle_id",
    *FROM_VISIT.values(),
    "boarded_at",
    "boarding_method",
    "boarding_confidence",
    "card_id",
    "riders",
    "visit",
)


@dataclass(frozen=True)
class _Near:
    """Of each tap a visit, and how far off it is: `off_s` after its departure or before its arrival."""

    visit: Ints
    off_s: Floats
    there: Bools


@dataclass(frozen=True)
class _Visits:
    """Rows of StopVisit as arrays, in the order given."""

    began: Ints
    arrival: Ints
    departure: Ints
    confidence: Floats
    is_first: Bools
    is_last: Bools
    by_timetable: Bools


def boardings(taps: pl.DataFrame, visits: pl.DataFrame, rules: BoardingRules = DEFAULT) -> pl.DataFrame:
    """Boarding stop of every tap that has one (columns of BOARDED), in order of vehicle and time.

    `taps`: rows of FareTransaction; `visits`: rows of StopVisit, those of a trip together; the column `visit` counts
    them. Taps of vehicles without a visit near in time are left out; the caller counts and keeps them."""
    vehicles = visits["vehicle_id"].unique().sort()
    enters = taps.filter(pl.col("fare_action").is_in(BOARDS))
    enters = enters.with_columns(pl.col("vehicle_id").cast(pl.Enum(vehicles), strict=False).to_physical().alias("bus"))
    enters = enters.filter(pl.col("bus").is_not_null())
    at = _keys(enters["bus"], enters["event_timestamp"])
    # in order of vehicle and time both sides of the search are read once, front to back; the lake keeps taps so
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        enters, at = enters[order], at[order]
    seen = _arrays(visits, vehicles, rules)
    behind, ahead = _behind(at, seen, rules), _ahead(at, seen, rules)
    early = ahead.there & (~behind.there | seen.is_last[behind.visit] | (ahead.off_s < behind.off_s))
    found = early | behind.there
    visit = np.where(early, ahead.visit, behind.visit)
    method, confidence = _certainty(seen, visit, behind.off_s, early, rules)
    placed = enters.select(
        pl.col("transaction_id").alias("leg_id"),
        "vehicle_id",
        pl.col("event_timestamp").alias("boarded_at"),
        pl.Series("boarding_method", METHODS).gather(method),
        pl.Series("boarding_confidence", confidence),
        "card_id",
        pl.col("group_size").alias("riders"),
        pl.Series("visit", visit),
    )
    if not found.all():
        placed = placed.filter(pl.Series(found))
    stops = visits.select(list(FROM_VISIT)).rename(FROM_VISIT)[placed["visit"]]
    return pl.concat([placed, stops], how="horizontal").select(BOARDED)


def _keys(vehicle: pl.Series, time: pl.Series) -> Ints:
    """Int64 keys that order by vehicle, then time: an as-of join then needs no groups."""
    # milliseconds since 2001 fit 41 bits until 2070, which leaves room for 4 million vehicles
    bus: Ints = vehicle.cast(pl.Int64).to_numpy()
    since_ms: Ints = time.dt.epoch("ms").to_numpy() - EPOCH_2001_MS
    return bus * (1 << VEHICLE_BITS) + since_ms


def _arrays(visits: pl.DataFrame, vehicles: pl.Series, rules: BoardingRules) -> _Visits:
    """Taps begin to be of a stop early_s before the arrival, and the less that is known of the arrival the nearer to
    the middle between it and the stop ahead of it, as the bus may as well have been there sooner as later."""
    bus = visits["vehicle_id"].cast(pl.Enum(vehicles)).to_physical()
    arrival, departure = _keys(bus, visits["arrival"]), _keys(bus, visits["departure"])
    confidence = visits["confidence"].to_numpy()
    first = visits["trip_stop_sequence"].to_numpy() == 1
    before = np.roll(departure, 1)
    same_trip = ((visits["trip_id_performed"] == visits["trip_id_performed"].shift(1)).fill_null(False)).to_numpy()
    unsure_ms = rules.unsure_s * 1000.0
    gap_ms = np.clip(np.where(same_trip, arrival - before, unsure_ms), 0.0, unsure_ms)
    sooner_ms = np.rint(rules.early_s * 1000.0 + (1.0 - confidence) * gap_ms / 2).astype(np.int64)
    by_timetable = (visits["method"] == "timetable").to_numpy()
    last = visits["is_last_stop"].to_numpy()
    return _Visits(arrival - sooner_ms, arrival, departure, confidence, first, last, by_timetable)


def _behind(at: Ints, seen: _Visits, rules: BoardingRules) -> _Near:
    """The last visit that had begun."""
    order = np.argsort(seen.began, kind="stable")
    if not len(order):
        return _nothing(len(at))
    place = np.searchsorted(seen.began[order], at, side="right") - 1
    visit = order[np.maximum(place, 0)]
    off_s = np.maximum(at - seen.departure[visit], 0) / 1000.0
    return _Near(visit, off_s, (place >= 0) & (off_s <= rules.lost_s) & _same_bus(at, seen.arrival[visit]))


def _ahead(at: Ints, seen: _Visits, rules: BoardingRules) -> _Near:
    """The next beginning of a trip."""
    starts = np.flatnonzero(seen.is_first)
    if not len(starts):
        return _nothing(len(at))
    starts = starts[np.argsort(seen.began[starts], kind="stable")]
    place = np.searchsorted(seen.began[starts], at, side="left")
    visit = starts[np.minimum(place, len(starts) - 1)]
    off_s = (seen.arrival[visit] - at) / 1000.0
    return _Near(visit, off_s, (place < len(starts)) & (off_s <= rules.waiting_s) & _same_bus(at, seen.arrival[visit]))


def _nothing(taps: int) -> _Near:
    return _Near(np.zeros(taps, np.int64), np.zeros(taps), np.zeros(taps, np.bool_))


def _same_bus(one: Ints, other: Ints) -> Bools:
    same: Bools = (one >> VEHICLE_BITS) == (other >> VEHICLE_BITS)
    return same


def _certainty(seen: _Visits, visit: Ints, late_s: Floats, early: Bools, rules: BoardingRules) -> tuple[Ints, Floats]:
    """Places in METHODS and confidences."""
    if not len(seen.began):
        return np.zeros(len(visit), np.int64), np.zeros(len(visit))
    fade = np.clip((late_s - rules.prompt_s) / (rules.lost_s - rules.prompt_s), 0.0, 1.0)
    near = np.where(early, 0.9, np.where(seen.is_last[visit], 0.5, 0.99 - 0.4 * fade))
    method = np.where(
        seen.by_timetable[visit], 3, np.where(early, 2, np.where(late_s > rules.prompt_s, 1, 0)).astype(np.int64)
    )
    return method, near * seen.confidence[visit]
