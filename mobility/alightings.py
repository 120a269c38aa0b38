"""Where a rider who only taps on gets off: chaining a card's taps, and for what is left the shares of the line.

Chaining (Barry et al. 2002; Munizaga & Palma 2012, section 3.2): a rider leaves the bus at the stop of the trip ridden,
after the boarding stop and reached in time, from which the next boarding of the same card takes the least generalised
time: ride plus weighted walk. The day's last ride ends near its first boarding, if the rider was somewhere in between:
a ride that only continues a transfer does not lead back to where the journey began.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.alighting_shares import SharesRules, alighting_shares
from mobility.journeys import transfers
from mobility.walking import walk_s

WALK_WEIGHT = 2.0


@dataclass(frozen=True)
class ChainingRules:
    """`walk_limit_m`: straight line from the stop left to the next boarding; `slack_s`: so much later the bus may reach
    the stop than the walk leaves time for, as clocks differ. `next_trust`, `last_trust`: confidence of an alighting
    right at the next boarding, or at the day's first one, which falls by half towards the walk limit."""

    walk_limit_m: float = 750.0
    slack_s: float = 60.0
    next_trust: float = 0.95
    last_trust: float = 0.85


DEFAULT = ChainingRules()


@dataclass(frozen=True)
class Alightings:
    """`legs`: boardings with the alighting columns of JourneyLeg. `shares`: see alighting_shares."""

    legs: pl.DataFrame
    shares: pl.DataFrame


def alightings(
    boarded: pl.DataFrame,
    visits: pl.DataFrame,
    pattern_stops: pl.DataFrame,
    stops: pl.DataFrame,
    chaining: ChainingRules = DEFAULT,
    sharing: SharesRules | None = None,
) -> Alightings:
    """Alighting of every boarding. `boarded`: boardings(); `visits`: StopVisit; `pattern_stops`, `stops`: Timetable."""
    chained = chained_alightings(boarded, visits, stops, chaining)
    arrived = chained.join(_changing(boarded, chained, visits, stops), on="leg_id", how="anti")
    shares = alighting_shares(boarded, arrived, pattern_stops, stops, sharing or SharesRules())
    likeliest = (
        shares.sort(
            ["pattern_id", "boarding_stop_sequence", "share", "alighting_stop_sequence"],
            descending=[False, False, True, False],
        )
        .unique(["pattern_id", "boarding_stop_sequence"], keep="first", maintain_order=True)
        .rename({"alighting_stop_sequence": "likely_sequence", "stop_id": "likely_stop", "share": "likely_share"})
    )
    arrivals = visits.select(
        "vehicle_id",
        "trip_id_performed",
        pl.col("trip_stop_sequence").alias("alighting_stop_sequence"),
        pl.col("arrival").alias("alighted_at"),
    )
    legs = (
        boarded.join(chained, on="leg_id", how="left")
        .join(likeliest, on=["pattern_id", "boarding_stop_sequence"], how="left")
        .with_columns(
            pl.coalesce("alighting_stop_sequence", "likely_sequence").alias("alighting_stop_sequence"),
            pl.coalesce("alighting_stop_id", "likely_stop").alias("alighting_stop_id"),
            pl.coalesce("confidence", "likely_share", pl.lit(0.0)).alias("confidence"),
            pl.coalesce(
                "method", pl.when(pl.col("likely_stop").is_not_null()).then(pl.lit("probable")), pl.lit("none")
            ).alias("method"),
        )
        .drop("likely_sequence", "likely_stop", "likely_share")
        .join(arrivals, on=["vehicle_id", "trip_id_performed", "alighting_stop_sequence"], how="left")
        .sort("card_id", "boarded_at", "leg_id", nulls_last=True)
    )
    return Alightings(legs, shares)


def chained_alightings(
    boarded: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: ChainingRules = DEFAULT
) -> pl.DataFrame:
    """Alightings the card's other taps tell: leg_id, alighting_stop_sequence, alighting_stop_id, method, confidence."""
    stop, time = pl.col("boarding_stop_id"), pl.col("boarded_at")
    chain = (
        boarded.filter(pl.col("card_id").is_not_null())
        .sort("card_id", "boarded_at", "leg_id")
        .with_columns(
            stop.shift(-1).over("card_id").alias("next_stop"),
            time.shift(-1).over("card_id").alias("next_at"),
            stop.first().over("card_id").alias("first_stop"),
        )
    )
    following = _best_stop(
        chain.filter(pl.col("next_stop").is_not_null()).with_columns(pl.col("next_stop").alias("toward")),
        visits,
        stops,
        rules,
    ).with_columns(pl.lit("chained").alias("method"), (pl.col("nearness") * rules.next_trust).alias("confidence"))
    known = chain.join(
        following.select("leg_id", "alighting_stop_id", "alighted_at", "method"), on="leg_id", how="left"
    )
    stayed = (
        chain.filter(pl.col("next_stop").is_not_null())
        .join(transfers(known, visits, stops), on="leg_id", how="anti")
        .select("card_id")
        .unique()
    )
    home = _best_stop(
        chain.filter(pl.col("next_stop").is_null())
        .join(stayed, on="card_id", how="semi")
        .with_columns(pl.col("first_stop").alias("toward")),
        visits,
        stops,
        rules,
    ).with_columns(pl.lit("chained_last").alias("method"), (pl.col("nearness") * rules.last_trust).alias("confidence"))
    return pl.concat([following, home]).select(
        "leg_id",
        "alighting_stop_sequence",
        "alighting_stop_id",
        "method",
        (pl.col("confidence") * pl.col("boarding_confidence")).alias("confidence"),
    )


def _changing(boarded: pl.DataFrame, chained: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame) -> pl.DataFrame:
    """Chained legs that end in a transfer (leg_id): a rider who taps once ends no leg at a transfer stop, so these tell
    nothing of where such riders leave."""
    arrivals = visits.select(
        "vehicle_id",
        "trip_id_performed",
        pl.col("trip_stop_sequence").alias("alighting_stop_sequence"),
        pl.col("arrival").alias("alighted_at"),
    )
    known = boarded.join(
        chained.select("leg_id", "alighting_stop_sequence", "alighting_stop_id", "method"), on="leg_id", how="left"
    ).join(arrivals, on=["vehicle_id", "trip_id_performed", "alighting_stop_sequence"], how="left")
    return transfers(known, visits, stops)


def _best_stop(chain: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: ChainingRules) -> pl.DataFrame:
    """Stop ahead of each leg from which `toward` takes the least generalised time, among those near and in time.

    Returns leg_id, boarding_confidence, alighting_stop_sequence, alighting_stop_id, alighted_at, nearness (1 at the
    stop `toward`, 0.5 at the walk limit)."""
    place = stops.select("stop_id", "x_m", "y_m")
    ahead = visits.select("vehicle_id", "trip_id_performed", "trip_stop_sequence", "stop_id", "arrival")
    distance_m = ((pl.col("x_m") - pl.col("x_m_toward")) ** 2 + (pl.col("y_m") - pl.col("y_m_toward")) ** 2).sqrt()
    options = (
        chain.join(place.rename({"stop_id": "toward"}), on="toward")
        .rename({"x_m": "x_m_toward", "y_m": "y_m_toward"})
        .join(ahead.join(place, on="stop_id"), on=["vehicle_id", "trip_id_performed"])
        .filter(pl.col("trip_stop_sequence") > pl.col("boarding_stop_sequence"))
        .with_columns(distance_m.alias("distance_m"))
        .filter(pl.col("distance_m") <= rules.walk_limit_m)
        .with_columns(walk_s(pl.col("distance_m")).alias("walk_s"))
    )
    left_s = (pl.col("next_at") - pl.col("arrival")).dt.total_milliseconds() / 1000
    ride_s = (pl.col("arrival") - pl.col("boarded_at")).dt.total_milliseconds() / 1000
    in_time = (pl.col("walk_s") - rules.slack_s <= left_s).fill_null(True)
    return (
        options.filter(in_time)
        .with_columns((ride_s + WALK_WEIGHT * pl.col("walk_s")).alias("generalised_s"))
        .sort("leg_id", "generalised_s", "trip_stop_sequence")
        .unique("leg_id", keep="first", maintain_order=True)
        .select(
            "leg_id",
            "boarding_confidence",
            pl.col("trip_stop_sequence").alias("alighting_stop_sequence"),
            pl.col("stop_id").alias("alighting_stop_id"),
            pl.col("arrival").alias("alighted_at"),
            (1.0 - 0.5 * pl.col("distance_m") / rules.walk_limit_m).alias("nearness"),
        )
    )
