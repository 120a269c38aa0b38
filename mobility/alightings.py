"""Where a rider who only taps on gets off: chaining a card's taps, and for what is left the shares of the line.

Chaining (Barry et al. 2002; Munizaga & Palma 2012, section 3.2): a rider leaves the bus at the stop of the trip ridden,
after the boarding stop and reached in time, from which the next boarding of the same card is least far in generalised
time. Where two stops are much the same, both stay possible: a logit over their times (Ben-Akiva & Lerman 1985, chapter
5) gives each its probability, the likeliest is named and its probability is part of its confidence.
The day's last ride ends near its first boarding, if the rider was somewhere in between: a ride that only continues a
transfer does not lead back to where the journey began.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.alighting_shares import SharesRules, alighting_shares
from mobility.journeys import transfers
from mobility.walking import walk_s

# Riders get off where they want to be: time aboard only decides between stops equally far, or one passed twice.
RIDE_WEIGHT = 0.02


@dataclass(frozen=True)
class ChainingRules:
    """`walk_limit_m`: straight line from the stop left to the next boarding; `slack_s`: so much later the bus may reach
    the stop than the walk leaves time for, as clocks differ. `next_trust`, `last_trust`: confidence of an alighting
    right at the next boarding, or at the day's first one, which falls by three tenths towards the walk limit.
    `logit_s`: of two stops one of which is so much further, riders choose the nearer e times as often; options under
    `least_share` are dropped."""

    walk_limit_m: float = 750.0
    slack_s: float = 60.0
    next_trust: float = 0.95
    last_trust: float = 0.9
    logit_s: float = 20.0
    least_share: float = 0.02


DEFAULT = ChainingRules()


@dataclass(frozen=True)
class Alightings:
    """`legs`: boardings with the alighting columns of JourneyLeg. `options`: leg_id, alighting_stop_sequence,
    alighting_stop_id, probability: where chained legs may end, summing to 1 for each leg. `shares`: where the others
    may, see alighting_shares."""

    legs: pl.DataFrame
    options: pl.DataFrame
    shares: pl.DataFrame


@dataclass(frozen=True)
class Chained:
    """`legs`: leg_id, alighting_stop_sequence, alighting_stop_id, method, confidence of the legs that other taps tell
    of. `options`: see Alightings."""

    legs: pl.DataFrame
    options: pl.DataFrame


def alightings(
    boarded: pl.DataFrame,
    visits: pl.DataFrame,
    pattern_stops: pl.DataFrame,
    stops: pl.DataFrame,
    chaining: ChainingRules = DEFAULT,
    sharing: SharesRules | None = None,
) -> Alightings:
    """Alighting of every boarding. `boarded`: boardings(); `visits`: StopVisit; `pattern_stops`, `stops`: Timetable."""
    chain = chained_alightings(boarded, visits, stops, chaining)
    chained = chain.legs
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
    return Alightings(legs, chain.options, shares)


def chained_alightings(
    boarded: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: ChainingRules = DEFAULT
) -> Chained:
    """Alightings the card's other taps tell. `boarded`: boardings(); `visits`: StopVisit; `stops`: Timetable."""
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
    next_options = _options(
        chain.filter(pl.col("next_stop").is_not_null()).with_columns(pl.col("next_stop").alias("toward")),
        visits,
        stops,
        rules,
    )
    following = _likeliest(next_options, "chained", rules.next_trust)
    known = chain.join(
        following.select("leg_id", "alighting_stop_id", "alighted_at", "method"), on="leg_id", how="left"
    )
    stayed = (
        chain.filter(pl.col("next_stop").is_not_null())
        .join(transfers(known, visits, stops), on="leg_id", how="anti")
        .select("card_id")
        .unique()
    )
    home_options = _options(
        chain.filter(pl.col("next_stop").is_null())
        .join(stayed, on="card_id", how="semi")
        .with_columns(pl.col("first_stop").alias("toward")),
        visits,
        stops,
        rules,
    )
    legs = pl.concat([following, _likeliest(home_options, "chained_last", rules.last_trust)])
    options = pl.concat([next_options, home_options])
    return Chained(
        legs.select("leg_id", "alighting_stop_sequence", "alighting_stop_id", "method", "confidence"),
        options.select("leg_id", "alighting_stop_sequence", "alighting_stop_id", "probability"),
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


def _options(chain: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: ChainingRules) -> pl.DataFrame:
    """Stops ahead of each leg near `toward` and reached in time, with their probabilities, likeliest first in each leg.

    Returns leg_id, boarding_confidence, alighting_stop_sequence, alighting_stop_id, alighted_at, probability, nearness
    (1 at the stop `toward`, 0.7 at the walk limit)."""
    trip = ["vehicle_id", "trip_id_performed"]
    place = stops.select("stop_id", "x_m", "y_m")
    trips = visits.select(trip).unique().sort(trip).with_row_index("trip")
    ahead = (
        visits.join(trips, on=trip)
        .join(place, on="stop_id")
        .select("trip", "trip_stop_sequence", "stop_id", "arrival", "x_m", "y_m")
    )
    numbered = chain.with_row_index("leg")
    asked = (
        numbered.join(place.rename({"stop_id": "toward", "x_m": "toward_x", "y_m": "toward_y"}), on="toward")
        .join(trips, on=trip)
        .select("leg", "trip", "boarding_stop_sequence", "boarded_at", "next_at", "toward_x", "toward_y")
    )
    distance_m = ((pl.col("x_m") - pl.col("toward_x")) ** 2 + (pl.col("y_m") - pl.col("toward_y")) ** 2).sqrt()
    left_s = (pl.col("next_at") - pl.col("arrival")).dt.total_milliseconds() / 1000
    ride_s = (pl.col("arrival") - pl.col("boarded_at")).dt.total_milliseconds() / 1000
    in_time = (pl.col("walk_s") - rules.slack_s <= left_s).fill_null(True)
    excess_s = pl.col("generalised_s") - pl.col("generalised_s").min().over("leg")
    near = (
        asked.lazy()
        .join(ahead.lazy(), on="trip")
        .filter(pl.col("trip_stop_sequence") > pl.col("boarding_stop_sequence"))
        .with_columns(distance_m.alias("distance_m"))
        .filter(pl.col("distance_m") <= rules.walk_limit_m)
        .with_columns(walk_s(pl.col("distance_m")).alias("walk_s"))
        .filter(in_time)
        .with_columns((RIDE_WEIGHT * ride_s + pl.col("walk_s")).alias("generalised_s"))
        .with_columns((-excess_s / rules.logit_s).exp().alias("odds"))
        .filter(pl.col("odds") >= rules.least_share * pl.col("odds").sum().over("leg"))
        .collect()
    )
    return (
        near.join(numbered.select("leg", "leg_id", "boarding_confidence"), on="leg")
        .sort("leg_id", "generalised_s", "trip_stop_sequence")
        .select(
            "leg_id",
            "boarding_confidence",
            pl.col("trip_stop_sequence").alias("alighting_stop_sequence"),
            pl.col("stop_id").alias("alighting_stop_id"),
            pl.col("arrival").alias("alighted_at"),
            (pl.col("odds") / pl.col("odds").sum().over("leg")).alias("probability"),
            (1.0 - 0.3 * pl.col("distance_m") / rules.walk_limit_m).alias("nearness"),
        )
    )


def _likeliest(options: pl.DataFrame, method: str, trust: float) -> pl.DataFrame:
    """The first option of each leg, with the method and the confidence it gives."""
    sure = pl.col("probability") * pl.col("nearness") * pl.col("boarding_confidence") * trust
    return options.unique("leg_id", keep="first", maintain_order=True).with_columns(
        pl.lit(method).alias("method"), sure.alias("confidence")
    )
