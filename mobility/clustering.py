"""Rows in the order the lake keeps them, by vehicle and time, without a sort on text."""

from __future__ import annotations

import numpy as np
import polars as pl

from mobility.categories import enum_of, recoded
from mobility.counting_sort import Rows, stable_order
from mobility.threads import of_each


def clustered(rows: pl.DataFrame, identity: str | None = None) -> pl.DataFrame:
    """Rows by vehicle_id, event_timestamp and, where these are the same, `identity` (text); all without nulls."""
    order = by_vehicle_and_time(rows["vehicle_id"], rows["event_timestamp"])
    if identity is not None and rows.height:
        order = _ties_broken(rows, order, identity)
    # column by column: all at once would be all rows twice
    blank = [column.name for column in rows.iter_columns() if column.null_count() == rows.height]
    places = pl.Series(order)
    told = pl.DataFrame(of_each(lambda column: column.gather(places), rows.drop(blank).iter_columns()))
    return told.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name) for name in blank).select(rows.columns)


def by_vehicle_and_time(vehicle_id: pl.Series, event_timestamp: pl.Series) -> Rows:
    """Order of rows by vehicle, then time; equal ones stay in order. Both columns without nulls, vehicles as text or
    categories.

    Rows that come in order of time, as feeds write them, are only dealt out to their vehicles."""
    names = enum_of(vehicle_id)
    vehicle = recoded(vehicle_id, names).to_physical().cast(pl.UInt32).to_numpy()
    at = event_timestamp.dt.epoch("ms").to_numpy()
    if not (at[1:] < at[:-1]).any():
        dealt: Rows = stable_order(vehicle, len(names.categories))
        return dealt
    in_time = np.argsort(at, kind="stable").astype(np.uint32)
    order: Rows = in_time[stable_order(vehicle[in_time], len(names.categories))]
    return order


def _ties_broken(rows: pl.DataFrame, order: Rows, identity: str) -> Rows:
    """The order, with rows of one vehicle and time by their `identity`."""
    ordered = rows.select("vehicle_id", "event_timestamp")[order]
    same = ordered.select(pl.all_horizontal(pl.all() == pl.all().shift(1)).fill_null(False)).to_series().to_numpy()
    tied = np.flatnonzero(same | np.r_[same[1:], False])
    if len(tied):
        number = (~same).cumsum()
        among = pl.DataFrame({"tie": number[tied], "name": rows[identity].gather(order[tied]), "row": order[tied]})
        order[tied] = among.sort("tie", "name", maintain_order=True)["row"].to_numpy()
    return order
