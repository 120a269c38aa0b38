"""Calls of runs by one number: a city day has millions, and to join them by three columns takes many times as long."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from mobility.categories import categories_of, in_categories
from mobility.hash_table import rows_with

RUN: Final = ("vehicle_id", "trip_id_performed")
PLACE: Final = "trip_stop_sequence"


def join_calls(rows: pl.DataFrame, calls: pl.DataFrame, how: Literal["inner", "left"]) -> pl.DataFrame:
    """`rows` with the columns of `calls`, joined on RUN and PLACE, in the order of the rows. Names are text or
    categories; no two `calls` are the same."""
    names = _names(rows, calls)
    places = [frame[PLACE].max() for frame in (rows, calls)]
    most = 1 + max((place for place in places if isinstance(place, int)), default=0)
    vehicle, trip = (pl.col(name).to_physical().cast(pl.Int64) for name in RUN)
    call = (vehicle * (1 + len(names[RUN[1]].categories)) + trip) * most + pl.col(PLACE)

    def numbered(frame: pl.DataFrame) -> pl.Series:
        return in_categories(frame.select(*RUN, PLACE), names).select(call.alias("call")).to_series()

    found = pl.Series(rows_with(numbered(calls).to_numpy(), numbered(rows).to_numpy()))
    if how == "inner":
        rows, found = rows.filter(found >= 0), found.filter(found >= 0)
    elif (found < 0).any():
        found = found.set(found < 0, None)
    return rows.hstack([column.gather(found) for column in calls.drop(*RUN, PLACE).iter_columns()])


def _names(rows: pl.DataFrame, calls: pl.DataFrame) -> dict[str, pl.Enum]:
    """The categories of both: those they have already, where they are the same."""
    told = {name: dtype for name in RUN if isinstance(dtype := rows.schema[name], pl.Enum)}
    same = len(told) == len(RUN) and all(calls.schema[name] == dtype for name, dtype in told.items())
    return told if same else categories_of((rows, calls), RUN)
