"""Calls of runs by one number: a city day has millions, and to join them by three columns takes twice as long."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from mobility.categories import categories_of, in_categories

RUN: Final = ("vehicle_id", "trip_id_performed")
PLACE: Final = "trip_stop_sequence"


def join_calls(rows: pl.DataFrame, calls: pl.DataFrame, how: Literal["inner", "left"]) -> pl.DataFrame:
    """`rows` with the columns of `calls`, joined on RUN and PLACE, in the order of the rows. Names are text or
    categories."""
    names = categories_of((rows, calls), RUN)
    places = [frame[PLACE].max() for frame in (rows, calls)]
    most = 1 + max((place for place in places if isinstance(place, int)), default=0)
    vehicle, trip = (pl.col(name).to_physical().cast(pl.Int64) for name in RUN)
    call = ((vehicle * (1 + len(names[RUN[1]].categories)) + trip) * most + pl.col(PLACE)).alias("call")

    def numbered(frame: pl.DataFrame) -> pl.Series:
        return in_categories(frame.select(*RUN, PLACE), names).select(call).to_series()

    told = calls.drop(*RUN, PLACE).with_columns(numbered(calls))
    return rows.with_columns(numbered(rows)).join(told, on="call", how=how, maintain_order="left").drop("call")
