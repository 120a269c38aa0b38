"""Boardings by stop and quarter-hour, loads of every line, and the reading of a flows folder's tables."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dataframely as dy
import polars as pl

from mobility import lake
from mobility.cells import Cells, sorted_by
from mobility.repeats import first_distinct, persons
from mobility.schemas import Boarding, Journey, JourneyLeg, LineLoad, LinkLoad, OdFlow, StopVisit

DIGITS = 6


def boardings_by_stop(legs: pl.DataFrame) -> pl.DataFrame:
    """Boardings of one service date by stop, line and quarter-hour (columns of Boarding)."""
    key = legs.select(
        "service_date",
        pl.col("boarded_at").dt.truncate("15m").alias("quarter_start"),
        pl.col("boarding_stop_id").alias("stop_id"),
        "line",
    )
    cells, person = Cells.of(key.drop("service_date")), persons(legs)
    return (
        cells.firsts(key)
        .with_columns(
            cells.counts().alias("taps"),
            cells.sums(legs["pax"]).round(DIGITS).alias("boardings_pax"),
            cells.different(person).alias("cards"),
            cells.sums(first_distinct(person)).cast(pl.Int64).alias("cards_once"),
            cells.means(legs["boarding_confidence"]).round(DIGITS).alias("confidence"),
        )
        .select(Boarding.column_names())
    )


def line_loads(loads: pl.DataFrame, midnight: datetime, begin_s: float, end_s: float) -> pl.DataFrame:
    """Mean load, buses an hour and headway of each line between two stops by local hour (columns of LineLoad).

    `begin_s`, `end_s`: the recorded period in seconds from midnight; an hour recorded in part counts by that part."""
    segment = ["service_date", "line", "from_stop", "to_stop", "hour"]
    start_s = pl.max_horizontal(pl.col("hour") * 3600.0, pl.lit(begin_s))
    stop_s = pl.min_horizontal((pl.col("hour") + 1) * 3600.0, pl.lit(end_s))
    covered_h = ((stop_s - start_s) / 3600.0).clip(lower_bound=1 / 60)
    # a day of loads in all its columns is large
    needed = [*segment[:-1], "departed_at", "trip_id", "load_pax", "cards", "confidence"]
    onward = loads.filter(pl.col("to_stop").is_not_null()).select(*needed, _hour("departed_at", midnight))
    onward = sorted_by(onward, ["departed_at", "trip_id"])
    cells = Cells.of(onward.select(segment))
    first, last = cells.least(onward["departed_at"]), cells.most(onward["departed_at"])
    return (
        cells.firsts(onward.select(segment))
        .with_columns(
            cells.counts().alias("buses"),
            cells.means(onward["load_pax"]).round(DIGITS).alias("load_pax"),
            cells.sums(onward["cards"]).cast(pl.Int64).alias("cards"),
            cells.means(onward["confidence"]).round(DIGITS).alias("confidence"),
            (last - first).dt.total_milliseconds().alias("span_ms"),
        )
        .with_columns(
            (pl.col("span_ms") / 1000 / (pl.col("buses") - 1)).alias("mean_gap_s"),
            (pl.col("buses") / covered_h).round(DIGITS).alias("buses_h"),
        )
        .with_columns(
            pl.when(pl.col("buses") > 1)
            .then("mean_gap_s")
            .otherwise(3600.0 / pl.col("buses_h"))
            .round(3)
            .alias("headway_s")
        )
        .select(LineLoad.column_names())
    )


def read_journey_legs(flows: Path) -> dy.DataFrame[JourneyLeg]:
    """The legs in a flows folder."""
    return lake.read(flows, "journey_legs", JourneyLeg)


def read_journeys(flows: Path) -> dy.DataFrame[Journey]:
    """The journeys in a flows folder."""
    return lake.read(flows, "journeys", Journey)


def read_od_flows(flows: Path) -> dy.DataFrame[OdFlow]:
    """The OD matrix in a flows folder; `publication.published` is what may leave the operator."""
    return lake.read(flows, "od_flows", OdFlow)


def read_boardings(flows: Path) -> dy.DataFrame[Boarding]:
    """The boardings in a flows folder; `publication.published` are what may leave the operator."""
    return lake.read(flows, "boardings", Boarding)


def read_link_loads(flows: Path) -> dy.DataFrame[LinkLoad]:
    """The load of every bus in a flows folder."""
    return lake.read(flows, "link_loads", LinkLoad)


def read_line_loads(flows: Path) -> dy.DataFrame[LineLoad]:
    """Loads, buses an hour and headways by line in a flows folder."""
    return lake.read(flows, "line_loads", LineLoad)


def read_stop_visits(flows: Path) -> dy.DataFrame[StopVisit]:
    """The stop visits in a flows folder."""
    return lake.read(flows, "stop_visits", StopVisit)


def _hour(time: str, midnight: datetime) -> pl.Expr:
    return ((pl.col(time) - midnight).dt.total_seconds() // 3600).alias("hour")
