"""Boardings by stop and quarter-hour, loads of every line, and the reading of a flows folder's tables."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dataframely as dy
import polars as pl

from mobility import lake
from mobility.categories import categories_of
from mobility.schemas import Boarding, Journey, JourneyLeg, LineLoad, LinkLoad, OdFlow, StopVisit

DIGITS = 6
QUARTER_MS = 900_000


def boardings_by_stop(legs: pl.DataFrame) -> pl.DataFrame:
    """Boardings of one service date by stop, line and quarter-hour (columns of Boarding)."""
    names = categories_of((legs,), ("boarding_stop_id", "line"))
    stop, line = (pl.col(name).cast(of).to_physical().cast(pl.Int64) for name, of in names.items())
    stops, lines = (max(1, len(of.categories)) for of in names.values())
    quarter = pl.col("quarter_start").dt.epoch("ms") // QUARTER_MS
    return (
        legs.with_columns(pl.col("boarded_at").dt.truncate("15m").alias("quarter_start"), _person().alias("person"))
        .with_columns(
            pl.col("person").is_first_distinct().alias("once"),
            # one number in the order of quarter-hour, stop and line: millions of legs are grouped by it twice as fast
            ((quarter * stops + stop) * lines + line).alias("cell"),
        )
        .group_by("cell")
        .agg(
            pl.col("service_date", "quarter_start", "line").first(),
            pl.col("boarding_stop_id").first().alias("stop_id"),
            pl.len().cast(pl.Int64).alias("taps"),
            pl.col("pax").sum().round(DIGITS).alias("boardings_pax"),
            pl.col("person").n_unique().cast(pl.Int64).alias("cards"),
            pl.col("once").sum().cast(pl.Int64).alias("cards_once"),
            pl.col("boarding_confidence").mean().round(DIGITS).alias("confidence"),
        )
        .sort("cell")
        .select(Boarding.column_names())
    )


def line_loads(loads: pl.DataFrame, midnight: datetime, begin_s: float, end_s: float) -> pl.DataFrame:
    """Mean load, buses an hour and headway of each line between two stops by local hour (columns of LineLoad).

    `begin_s`, `end_s`: the recorded period in seconds from midnight; an hour recorded in part counts by that part."""
    segment = ["service_date", "line", "from_stop", "to_stop", "hour"]
    start_s = pl.max_horizontal(pl.col("hour") * 3600.0, pl.lit(begin_s))
    stop_s = pl.min_horizontal((pl.col("hour") + 1) * 3600.0, pl.lit(end_s))
    covered_h = ((stop_s - start_s) / 3600.0).clip(lower_bound=1 / 60)
    span_s = (pl.col("departed_at").max() - pl.col("departed_at").min()).dt.total_milliseconds() / 1000
    # sorted is a copy, and a day of loads in all its columns is large
    needed = [*segment[:-1], "departed_at", "trip_id", "load_pax", "cards", "confidence"]
    return (
        loads.filter(pl.col("to_stop").is_not_null())
        .select(*needed, _hour("departed_at", midnight))
        .sort(*segment, "departed_at", "trip_id")
        .group_by(segment, maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("buses"),
            pl.col("load_pax").mean().round(DIGITS),
            pl.col("cards").sum(),
            pl.col("confidence").mean().round(DIGITS),
            (span_s / (pl.len() - 1)).alias("mean_gap_s"),
        )
        .with_columns((pl.col("buses") / covered_h).round(DIGITS).alias("buses_h"))
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


def _person() -> pl.Expr:
    """The card, or the tap where there is none, as a number: compared much faster than the pseudonym."""
    return pl.coalesce("card_id", pl.concat_str(pl.lit("tap:"), "leg_id")).hash().alias("person")
