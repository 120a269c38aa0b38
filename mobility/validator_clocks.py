"""Validators whose clock is off: how far, told by when their bus stood at stops.

Riders tap while the bus stands or just after. So of all offsets the one is right under which most taps of a validator
fall on a stop of its vehicle; stops follow each other too unevenly for another to do as well. Where none stands out, or
the clock shown does nearly as well, nothing is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.batches import frozen
from mobility.categories import distinct, enum_of, recoded
from mobility.clock_fits import Stays, taps_that_fit
from mobility.clustering import by_vehicle_and_time
from mobility.line_stops import Ints

VEHICLE_BITS = 41
OFFSET = {"device_id": pl.String, "offset_s": pl.Float64, "taps": pl.Int64, "fit_shown": pl.Float64, "fit": pl.Float64}


@dataclass(frozen=True)
class ClockRules:
    """`furthest_s`: offsets looked for; under `least_s` an offset is no more than riders tapping early or late;
    `late_s`: riders tap up to so long after the departure; `least_taps`, `least_fit`: a validator is judged by so many
    taps, and an offset taken under which that share of them fits, if that is `least_gain` more than the clock shown and
    no offset over `apart_s` from it fits `rival` times as many; `sample`: taps looked at."""

    furthest_s: int = 900
    late_s: int = 15
    least_s: int = 20
    least_taps: int = 20
    least_fit: float = 0.6
    least_gain: float = 0.2
    apart_s: int = 30
    rival: float = 0.8
    sample: int = 200


DEFAULT = ClockRules()


def clock_offsets(taps: pl.DataFrame, visits: pl.DataFrame, rules: ClockRules = DEFAULT) -> pl.DataFrame:
    """Validators whose clock is off (columns of OFFSET): by how much it is ahead, from how many taps, and the shares of
    these that fall on a stop by the clock shown and by the right one. Sorted by device_id.

    `taps`: rows of FareTransaction; a tap without device_id is its vehicle's. `visits`: rows of StopVisit."""
    seen = visits.filter(pl.col("method") == "gps")
    known, followed = (
        taps.select(_device(taps), "vehicle_id", "event_timestamp"),
        distinct(seen["vehicle_id"]).implode(),
    )
    # nearly always all vehicles with taps are followed by GPS
    if not distinct(known["vehicle_id"]).is_in(followed).all():
        known = known.filter(pl.col("vehicle_id").cast(pl.String).is_in(followed))
    some = _some(known, rules)
    if some.is_empty() or seen.is_empty():
        return pl.DataFrame(schema=OFFSET)
    devices = distinct(some["device_id"]).sort()
    device = recoded(some["device_id"], pl.Enum(devices)).to_physical().cast(pl.Int64).to_numpy()
    fits = _fits(some, seen, device, len(devices), rules)
    made = np.bincount(device, minlength=len(devices))
    share = fits / made[:, None]
    best = share.max(axis=1)
    offset = np.array([np.median(np.flatnonzero(row == top)) for row, top in zip(share, best, strict=True)])
    far = np.abs(np.arange(share.shape[1]) - offset[:, None]) > rules.apart_s
    shown = share[:, rules.furthest_s]
    off = (
        (np.abs(offset - rules.furthest_s) >= rules.least_s)
        & (best >= rules.least_fit)
        & (best >= shown + rules.least_gain)
        & (np.where(far, share, 0.0).max(axis=1) <= rules.rival * best)
    )
    found = {"device_id": devices, "offset_s": offset - rules.furthest_s, "taps": made, "fit_shown": shown, "fit": best}
    return pl.DataFrame(found, schema=OFFSET).filter(pl.Series(off))


def set_right(taps: pl.DataFrame, offsets: pl.DataFrame) -> pl.DataFrame:
    """`taps` with event_timestamp as it would be had these validators' clocks (clock_offsets) been right."""
    if offsets.is_empty():
        return taps
    known = offsets.select(pl.col("device_id").alias("device"), "offset_s")
    ahead = pl.duration(milliseconds=(pl.col("offset_s").fill_null(0.0) * 1000).cast(pl.Int64), time_unit="ms")
    return (
        taps.with_columns(_device(taps).cast(pl.String).alias("device"))
        .join(known, on="device", how="left", maintain_order="left")
        .with_columns(pl.col("event_timestamp") - ahead)
        .select(taps.columns)
    )


def _device(taps: pl.DataFrame) -> pl.Expr:
    """The validator of a tap, or its vehicle."""
    unknown = taps["device_id"].null_count()
    if unknown in (0, taps.height):
        return pl.col("vehicle_id" if unknown else "device_id").alias("device_id")
    return pl.coalesce(pl.col("device_id", "vehicle_id").cast(pl.String)).alias("device_id")


def _some(known: pl.DataFrame, rules: ClockRules) -> pl.DataFrame:
    """Of every validator with enough taps some, spread over its day."""
    # by their validator; those of one time stay as the lake keeps them
    order = by_vehicle_and_time(known["device_id"], known["event_timestamp"])
    device = recoded(known["device_id"], enum_of(known["device_id"])).to_physical().to_numpy()[order]
    first = np.flatnonzero(np.r_[True, device[1:] != device[:-1]][: len(device)])
    taps = np.diff(np.r_[first, len(device)])
    place = np.arange(len(device)) - np.repeat(first, taps)
    kept = (place % np.repeat(taps // rules.sample + 1, taps) == 0) & np.repeat(taps >= rules.least_taps, taps)
    return known[pl.Series(order[kept])]


def _fits(some: pl.DataFrame, seen: pl.DataFrame, device: Ints, devices: int, rules: ClockRules) -> Ints:
    """Of each device and each offset, in seconds from -furthest_s to furthest_s, the taps that fall on a stop."""
    names = enum_of(seen["vehicle_id"])
    begin_ms = int(seen["arrival"].dt.epoch("ms").to_numpy().min()) - 10 * rules.furthest_s * 1000

    def key(frame: pl.DataFrame, time: str) -> Ints:
        bus = recoded(frame["vehicle_id"], names).to_physical().cast(pl.Int64).to_numpy()
        since: Ints = frame[time].dt.epoch("ms").to_numpy() - begin_ms
        return bus * (1 << VEHICLE_BITS) + since

    arrival, departure, at = key(seen, "arrival"), key(seen, "departure"), key(some, "event_timestamp")
    if (arrival[1:] < arrival[:-1]).any():
        order = np.argsort(arrival, kind="stable")
        arrival, departure = arrival[order], departure[order]
    stays = frozen(Stays(arrival, departure))
    fits: Ints = taps_that_fit(device, at, stays, devices, rules.furthest_s, rules.late_s)
    return fits
