"""Do the taps and the vehicles tell the same time? A zone mistaken shifts one of them by whole (half) hours."""

from __future__ import annotations

import polars as pl

from mobility.errors import WrongZoneError

SHIFTS_H = tuple(half / 2 for half in range(-28, 29))
LEAST_TAPS = 20
SAMPLE = 20_000


def assert_same_clock(taps: pl.DataFrame, visits: pl.DataFrame, zone: str) -> None:
    """Raise WrongZoneError where the taps fit the vehicles' stops far better when moved by some hours.

    `taps`: vehicle_id, at (UTC); `visits`: StopVisit rows. A tap fits where its vehicle stood at a stop within half a
    minute. Few taps, or taps that fit neither way, prove nothing."""
    told = taps.drop_nulls(["vehicle_id", "at"])
    sample = told.filter(pl.col("at") <= pl.col("at").bottom_k(SAMPLE).max()).sort("at", "vehicle_id").head(SAMPLE)
    seen = visits.filter(pl.col("method") == "gps").select("vehicle_id", "arrival", "departure")
    sample = sample.join(seen.select("vehicle_id").unique(), on="vehicle_id", how="semi")
    if sample.height < LEAST_TAPS:
        return
    shifts = pl.DataFrame({"shift_h": SHIFTS_H})
    moved = (
        sample.select("vehicle_id", "at")
        .join(shifts, how="cross")
        .with_columns(
            (pl.col("at") + pl.duration(minutes=(pl.col("shift_h") * 60).cast(pl.Int64), time_unit="ms")).alias(
                "moved_at"
            )
        )
        .sort("moved_at")
        .join_asof(
            seen.with_columns((pl.col("arrival") - pl.duration(seconds=30, time_unit="ms")).alias("from")).sort("from"),
            left_on="moved_at",
            right_on="from",
            by="vehicle_id",
            strategy="backward",
            check_sortedness=False,
        )
    )
    fits = (pl.col("moved_at") <= pl.col("departure") + pl.duration(seconds=30, time_unit="ms")).fill_null(False)
    shares = (
        moved.group_by("shift_h")
        .agg(fits.mean().alias("share"))
        .sort(["share", pl.col("shift_h").abs(), "shift_h"], descending=[True, False, False])
    )
    best_h, best = shares.row(0)
    here = shares.filter(pl.col("shift_h") == 0)["share"][0]
    if best_h != 0 and best > 0.5 and best > here + 0.3:
        raise WrongZoneError(
            f"fare_transactions.csv runs {abs(best_h):g} h {'behind' if best_h > 0 else 'ahead of'} "
            f"vehicle_locations.csv ({here:.0%} of taps fall on a stop of their vehicle, {best:.0%} when moved): "
            f"check the offset in event_timestamp and the zone '{zone}' in feeds.json"
        )
