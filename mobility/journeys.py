"""Legs to journeys: is the next boarding of a card a transfer, or was the rider where they wanted to be?

A transfer takes the first bus that comes or the one after: the rider boards within the headway that was really run at
that stop (Gordon et al. 2013, section 3.3, who hold the wait against the buses that passed), plus `patience_s`. Going
back on the same line, or to where the leg began, is no transfer; going on with the same pattern is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.schemas import Journey
from mobility.walking import walk_s

WEAKEST_FIRST = ("none", "probable", "chained_last", "chained")


@dataclass(frozen=True)
class TransferRules:
    """`patience_s` on top of the headway; `unknown_headway_s` where a line passed a stop once; `longest_wait_s`
    whatever the headway; a boarding within `back_m` of the stop the leg began at goes back."""

    patience_s: float = 180.0
    unknown_headway_s: float = 900.0
    longest_wait_s: float = 3600.0
    back_m: float = 300.0


DEFAULT = TransferRules()


def transfers(
    legs: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: TransferRules = DEFAULT
) -> pl.DataFrame:
    """The legs that end in a transfer (column leg_id).

    `legs`: leg_id, card_id, vehicle_id, trip_id_performed, line, pattern_id, boarding_stop_id, boarded_at,
    alighting_stop_id, alighted_at, method; only those with method chained, whose next boarding tells where they
    ended, can."""
    place = stops.select("stop_id", "x_m", "y_m")
    trip = pl.concat_str("vehicle_id", "trip_id_performed", separator="\x1f")
    following = {
        "boarding_stop_id": "next_stop",
        "boarded_at": "next_at",
        "line": "next_line",
        "pattern_id": "next_pattern",
        "trip": "next_trip",
    }
    onward = (pl.col("next_line") != pl.col("line")) | (pl.col("next_pattern") == pl.col("pattern_id"))
    pairs = (
        legs.drop_nulls("card_id")
        .with_columns(trip.alias("trip"))
        .sort("card_id", "boarded_at", "leg_id")
        .with_columns(pl.col(name).shift(-1).over("card_id").alias(new) for name, new in following.items())
        .filter((pl.col("method") == "chained") & onward)
        .join(_named(place, "alighting_stop_id", "out"), on="alighting_stop_id")
        .join(_named(place, "next_stop", "in"), on="next_stop")
        .join(_named(place, "boarding_stop_id", "from"), on="boarding_stop_id")
        .join(headways_run(visits), on=["next_trip", "next_stop"], how="left")
    )
    since_s = (pl.col("next_at") - pl.col("alighted_at")).dt.total_milliseconds() / 1000
    patient_s = pl.col("headway_s").fill_null(rules.unknown_headway_s) + rules.patience_s
    return (
        pairs.filter(
            (since_s - walk_s(_distance("out", "in")) <= patient_s.clip(upper_bound=rules.longest_wait_s))
            & (_distance("from", "in") > rules.back_m)
        )
        .select("leg_id")
        .sort("leg_id")
    )


def journeys_of_legs(
    legs: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: TransferRules = DEFAULT
) -> pl.DataFrame:
    """`legs` with journey_id (leg id of the first leg), leg_number and ends_in; sorted by card, time, leg."""
    changing = transfers(legs, visits, stops, rules).with_columns(pl.lit("transfer").alias("ends_in"))
    arrived = pl.when(pl.col("method").is_in(["chained", "chained_last"])).then(pl.lit("destination"))
    ended = (
        legs.join(changing, on="leg_id", how="left")
        .with_columns(pl.coalesce("ends_in", arrived, pl.lit("unknown")))
        .sort("card_id", "boarded_at", "leg_id", nulls_last=True)
    )
    goes_on = (pl.col("ends_in") == "transfer").shift(1, fill_value=False)
    return (
        ended.with_columns((~goes_on).cum_sum().alias("journey"))
        .with_columns(
            pl.col("leg_id").first().over("journey").alias("journey_id"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("journey").alias("leg_number"),
        )
        .select(*legs.columns, "journey_id", "leg_number", "ends_in")
    )


def journeys(legs: pl.DataFrame) -> pl.DataFrame:
    """One row a journey (columns of Journey) from legs with journey_id; sorted by journey_id."""
    methods = pl.Enum(WEAKEST_FIRST)
    return (
        legs.sort("journey_id", "leg_number")
        .group_by("journey_id", maintain_order=True)
        .agg(
            pl.col("service_date").first(),
            pl.col("card_id").first(),
            pl.col("boarding_stop_id").first().alias("origin_stop_id"),
            pl.col("alighting_stop_id").last().alias("destination_stop_id"),
            pl.col("boarded_at").first().alias("started_at"),
            pl.col("alighted_at").last().alias("ended_at"),
            pl.len().cast(pl.Int64).alias("legs"),
            pl.col("pax").mean().round(6),
            pl.col("method").cast(methods).min(),
            (pl.col("confidence") * pl.col("boarding_confidence")).min(),
        )
        .with_columns(pl.col("method").cast(pl.String))
        .select(Journey.column_names())
    )


def headways_run(visits: pl.DataFrame) -> pl.DataFrame:
    """Headway each bus had at each stop behind the one before it of its line: next_trip, next_stop, headway_s."""
    before = pl.col("arrival").shift(1).over("line", "direction_id", "stop_id")
    return (
        visits.sort("line", "direction_id", "stop_id", "arrival", "vehicle_id", "trip_id_performed")
        .with_columns(((pl.col("arrival") - before).dt.total_milliseconds() / 1000).alias("headway_s"))
        .select(
            pl.concat_str("vehicle_id", "trip_id_performed", separator="\x1f").alias("next_trip"),
            pl.col("stop_id").alias("next_stop"),
            "headway_s",
        )
        .unique(["next_trip", "next_stop"], keep="first", maintain_order=True)
    )


def _named(place: pl.DataFrame, stop: str, end: str) -> pl.DataFrame:
    return place.rename({"stop_id": stop, "x_m": f"{end}_x", "y_m": f"{end}_y"})


def _distance(one: str, other: str) -> pl.Expr:
    return ((pl.col(f"{one}_x") - pl.col(f"{other}_x")) ** 2 + (pl.col(f"{one}_y") - pl.col(f"{other}_y")) ** 2).sqrt()
