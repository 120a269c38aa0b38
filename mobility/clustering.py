"""Rows in the order the lake keeps them, by vehicle and time, without a sort on text."""

from __future__ import annotations

import numpy as np
import polars as pl

from mobility.counting_sort import Rows, stable_order


def by_vehicle_and_time(vehicle_id: pl.Series, event_timestamp: pl.Series) -> Rows:
    """Order of rows by vehicle, then time; equal ones stay in order. Both columns without nulls, vehicles as text or
    categories.

    Rows that come in order of time, as feeds write them, are only dealt out to their vehicles."""
    names = vehicle_id.unique().cast(pl.String).sort()
    vehicle = vehicle_id.cast(pl.Enum(names)).to_physical().cast(pl.UInt32).to_numpy()
    at = event_timestamp.dt.epoch("ms").to_numpy()
    if not (at[1:] < at[:-1]).any():
        dealt: Rows = stable_order(vehicle, len(names))
        return dealt
    in_time = np.argsort(at, kind="stable").astype(np.uint32)
    order: Rows = in_time[stable_order(vehicle[in_time], len(names))]
    return order
