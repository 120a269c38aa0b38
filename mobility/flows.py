"""Passenger flows from legs: OD, boardings by stop and quarter-hour, loads of every bus and of every line.

In loads a leg counts as what is expected: its passengers leave at each stop it may have ended at, by the probabilities
of `Alightings.options` where the card's taps tell of it, by `Alightings.shares` where nothing does. Sums are rounded to
1e-6 passengers, so their order never shows.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dataframely as dy
import polars as pl

from mobility import lake
from mobility.schemas import Boarding, Journey, JourneyLeg, LineLoad, LinkLoad, OdFlow, StopVisit

TRIP = ["vehicle_id", "trip_id_performed"]
SURE = ("chained", "chained_last")
DIGITS = 6


def boardings_by_stop(legs: pl.DataFrame) -> pl.DataFrame:
    """Boardings of one service date by stop, line and quarter-hour (columns of Boarding)."""
    return (
        legs.with_columns(pl.col("boarded_at").dt.truncate("15m").alias("quarter_start"), _person().alias("person"))
        .with_columns(pl.col("person").is_first_distinct().alias("once"))
        .group_by("service_date", "quarter_start", pl.col("boarding_stop_id").alias("stop_id"), "line")
        .agg(
            pl.len().cast(pl.Int64).alias("taps"),
            pl.col("pax").sum().round(DIGITS).alias("boardings_pax"),
            pl.col("person").n_unique().cast(pl.Int64).alias("cards"),
            pl.col("once").sum().cast(pl.Int64).alias("cards_once"),
            pl.col("boarding_confidence").mean().round(DIGITS).alias("confidence"),
        )
        .select(Boarding.column_names())
        .sort("quarter_start", "stop_id", "line")
    )


def link_loads(legs: pl.DataFrame, visits: pl.DataFrame, options: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """Load of every bus after every stop it visited (columns of LinkLoad), sorted by line, trip, stop.

    `legs`: JourneyLeg; `visits`: StopVisit; `options`, `shares`: Alightings."""
    stop = [*TRIP, "trip_stop_sequence"]
    on = (
        legs.rename({"boarding_stop_sequence": "trip_stop_sequence"})
        .group_by(stop)
        .agg(
            pl.col("pax").sum().alias("boardings_pax"),
            (pl.col("pax") * pl.col("confidence")).sum().alias("trusted_pax"),
            pl.col("pax").filter(pl.col("method").is_in(SURE)).sum().alias("chained_pax"),
        )
    )
    off = (
        expected_alightings(legs, options, shares)
        .rename({"alighting_stop_sequence": "trip_stop_sequence"})
        .group_by(stop)
        .agg(pl.col("alightings_pax").sum())
    )
    running = (
        visits.join(on, on=stop, how="left")
        .join(off, on=stop, how="left")
        .join(cards_boarding(legs), on=stop, how="left")
        .sort(stop)
        .with_columns(
            pl.col("boardings_pax", "trusted_pax", "chained_pax", "alightings_pax").fill_null(0.0).round(DIGITS)
        )
        .with_columns(
            (pl.col("boardings_pax") - pl.col("alightings_pax")).cum_sum().over(TRIP).alias("balance"),
            pl.col("boardings_pax").cum_sum().over(TRIP).alias("boarded"),
            pl.col("trusted_pax").cum_sum().over(TRIP).alias("trusted"),
            pl.col("chained_pax").cum_sum().over(TRIP).alias("chained"),
            pl.col("cards").fill_null(0).cum_sum().over(TRIP).clip(lower_bound=0),
        )
    )
    trust = pl.when(pl.col("boarded") > 0).then(pl.col("trusted") / pl.col("boarded")).otherwise(1.0)
    method = (
        pl.when(pl.col("boarded") <= 0)
        .then(pl.lit("empty"))
        .when(pl.col("chained") <= 0)
        .then(pl.lit("probable"))
        .when(pl.col("chained") >= pl.col("boarded") - 1e-3)
        .then(pl.lit("chained"))
        .otherwise(pl.lit("mixed"))
    )
    return running.select(
        "service_date",
        "line",
        "vehicle_id",
        pl.col("trip_id_performed").alias("trip_id"),
        "direction_id",
        "pattern_id",
        pl.col("trip_stop_sequence").alias("stop_sequence"),
        pl.col("stop_id").alias("from_stop"),
        pl.col("stop_id").shift(-1).over(TRIP).alias("to_stop"),
        pl.col("arrival").alias("arrived_at"),
        pl.col("departure").alias("departed_at"),
        "boardings_pax",
        "alightings_pax",
        pl.col("balance").clip(0.0).round(DIGITS).alias("load_pax"),
        "cards",
        method.alias("method"),
        (pl.col("confidence") * trust).clip(0.0, 1.0).round(DIGITS).alias("confidence"),
    ).sort("line", "trip_id", "vehicle_id", "stop_sequence")


def cards_boarding(legs: pl.DataFrame) -> pl.DataFrame:
    """Different cards that come aboard less those that leave, at every stop of a trip where any do: TRIP,
    trip_stop_sequence, cards. A card counts with the first ride of the day on a line and direction, so sums over the
    trips of a line count nobody twice. Riders leave where they most probably did."""
    counted = (
        legs.drop_nulls("alighting_stop_sequence")
        .with_columns(_person().alias("person"))
        .sort("boarded_at", "leg_id")
        .unique(["person", "line", "direction_id"], keep="first", maintain_order=True)
    )
    on = counted.group_by(*TRIP, pl.col("boarding_stop_sequence").alias("trip_stop_sequence")).agg(
        pl.len().cast(pl.Int64).alias("cards")
    )
    off = counted.group_by(*TRIP, pl.col("alighting_stop_sequence").alias("trip_stop_sequence")).agg(
        (-pl.len().cast(pl.Int64)).alias("cards")
    )
    return pl.concat([on, off]).group_by(*TRIP, "trip_stop_sequence").agg(pl.col("cards").sum())


def expected_alightings(legs: pl.DataFrame, options: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """Passengers leaving, one row a source: vehicle_id, trip_id_performed, alighting_stop_sequence, alightings_pax."""
    columns = [*TRIP, "alighting_stop_sequence", "alightings_pax"]
    sure = legs.select("leg_id", *TRIP, "pax").join(options, on="leg_id")
    sure = sure.with_columns((pl.col("pax") * pl.col("probability")).alias("alightings_pax"))
    spread = (
        legs.filter(pl.col("method") == "probable")
        .group_by(*TRIP, "pattern_id", "boarding_stop_sequence")
        .agg(pl.col("pax").sum())
        .join(shares, on=["pattern_id", "boarding_stop_sequence"])
        .with_columns((pl.col("pax") * pl.col("share")).alias("alightings_pax"))
    )
    return pl.concat([sure.select(columns), spread.select(columns)]).sort(columns)


def line_loads(loads: pl.DataFrame, midnight: datetime, begin_s: float, end_s: float) -> pl.DataFrame:
    """Mean load, buses an hour and headway of each line between two stops by local hour (columns of LineLoad).

    `begin_s`, `end_s`: the recorded period in seconds from midnight; an hour recorded in part counts by that part."""
    segment = ["service_date", "line", "from_stop", "to_stop", "hour"]
    start_s = pl.max_horizontal(pl.col("hour") * 3600.0, pl.lit(begin_s))
    stop_s = pl.min_horizontal((pl.col("hour") + 1) * 3600.0, pl.lit(end_s))
    covered_h = ((stop_s - start_s) / 3600.0).clip(lower_bound=1 / 60)
    span_s = (pl.col("departed_at").max() - pl.col("departed_at").min()).dt.total_milliseconds() / 1000
    return (
        loads.filter(pl.col("to_stop").is_not_null())
        .with_columns(_hour("departed_at", midnight))
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
    return pl.coalesce("card_id", pl.concat_str(pl.lit("tap:"), "leg_id")).alias("person")
