"""Where a rider who only taps on gets off: trip chaining, and for what is left a probability over the stops ahead.

Chaining (Barry et al. 2002; Munizaga & Palma 2012, section 3.2): a rider leaves the bus at the stop of the trip ridden,
after the boarding stop and reached in time, from which the next boarding of the same card takes the least generalised
time: ride plus weighted walk. The day's last ride ends near its first boarding. Single taps: shares learned from the
chained rides of the same pattern and boarding stop, smoothed by a prior in which a stop draws in proportion to the
boardings around it (who comes, goes: Hora et al. 2017 use the same symmetry) damped by how far people ride.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

WALK_SPEED_M_S = 1.2
DETOUR = 1.3
WALK_WEIGHT = 2.0


@dataclass(frozen=True)
class ChainingRules:
    """`walk_limit_m` from the stop left to the next boarding (straight line x DETOUR is walked); a bus may be up to
    `slack_s` later at the stop than the walk leaves time for, as clocks differ."""

    walk_limit_m: float = 750.0
    slack_s: float = 60.0


@dataclass(frozen=True)
class SharesRules:
    """`prior_rides`: how many chained rides the prior weighs; `near_m`: boardings this near a stop draw riders to it;
    `base_attraction`: what a stop draws where nobody boards, as a share of the mean."""

    prior_rides: float = 8.0
    near_m: float = 400.0
    base_attraction: float = 0.25


@dataclass(frozen=True)
class Alightings:
    """`legs`: boardings with the alighting columns of JourneyLeg. `shares`: pattern_id, boarding_stop_sequence,
    alighting_stop_sequence, stop_id, share: where single taps leave, summing to 1 for each boarding stop."""

    legs: pl.DataFrame
    shares: pl.DataFrame


def alightings(
    boarded: pl.DataFrame,
    visits: pl.DataFrame,
    pattern_stops: pl.DataFrame,
    stops: pl.DataFrame,
    chaining: ChainingRules | None = None,
    sharing: SharesRules | None = None,
) -> Alightings:
    """Alighting of every boarding. `boarded`: boardings(); `visits`: StopVisit; `pattern_stops`, `stops`: Timetable."""
    chained = chained_alightings(boarded, visits, stops, chaining or ChainingRules())
    shares = alighting_shares(boarded, chained, pattern_stops, stops, sharing or SharesRules())
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
        boarded.join(chained, on="transaction_id", how="left")
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
        .sort("card_id", "boarded_at", "transaction_id", nulls_last=True)
    )
    return Alightings(legs, shares)


def chained_alightings(
    boarded: pl.DataFrame, visits: pl.DataFrame, stops: pl.DataFrame, rules: ChainingRules
) -> pl.DataFrame:
    """Alightings the card's other taps tell: transaction_id, alighting_stop_sequence, alighting_stop_id, method,
    confidence."""
    by_card = pl.col("boarding_stop_id"), pl.col("boarded_at")
    chain = (
        boarded.filter(pl.col("card_id").is_not_null() & (pl.len().over("card_id") >= 2))
        .sort("card_id", "boarded_at", "transaction_id")
        .with_columns(
            by_card[0].shift(-1).over("card_id").alias("next_stop"),
            by_card[1].shift(-1).over("card_id").alias("next_at"),
            by_card[0].first().over("card_id").alias("first_stop"),
        )
        .with_columns(
            pl.coalesce("next_stop", "first_stop").alias("toward"),
            pl.when(pl.col("next_stop").is_null())
            .then(pl.lit("chained_last"))
            .otherwise(pl.lit("chained"))
            .alias("method"),
        )
    )
    place = stops.select("stop_id", "x_m", "y_m")
    options = (
        chain.join(place.rename({"stop_id": "toward", "x_m": "toward_x", "y_m": "toward_y"}), on="toward")
        .join(
            visits.select("vehicle_id", "trip_id_performed", "trip_stop_sequence", "stop_id", "arrival").join(
                place, on="stop_id"
            ),
            on=["vehicle_id", "trip_id_performed"],
        )
        .filter(pl.col("trip_stop_sequence") > pl.col("boarding_stop_sequence"))
        .with_columns(
            ((pl.col("x_m") - pl.col("toward_x")) ** 2 + (pl.col("y_m") - pl.col("toward_y")) ** 2)
            .sqrt()
            .alias("distance_m")
        )
        .with_columns((pl.col("distance_m") * DETOUR / WALK_SPEED_M_S).alias("walk_s"))
        .with_columns(
            (
                pl.col("arrival")
                + pl.duration(milliseconds=((pl.col("walk_s") - rules.slack_s) * 1000).round(), time_unit="ms")
            ).alias("there_at")
        )
        .filter(
            (pl.col("distance_m") <= rules.walk_limit_m) & (pl.col("there_at") <= pl.col("next_at")).fill_null(True)
        )
    )
    ride_s = (pl.col("arrival") - pl.col("boarded_at")).dt.total_milliseconds() / 1000
    nearness = 1.0 - 0.5 * pl.col("distance_m") / rules.walk_limit_m
    ceiling = pl.when(pl.col("method") == "chained").then(0.95).otherwise(0.85)
    return (
        options.with_columns(
            (ride_s + WALK_WEIGHT * pl.col("walk_s")).alias("generalised_s"), (nearness * ceiling).alias("confidence")
        )
        .sort("transaction_id", "generalised_s", "trip_stop_sequence")
        .unique("transaction_id", keep="first", maintain_order=True)
        .select(
            "transaction_id",
            pl.col("trip_stop_sequence").alias("alighting_stop_sequence"),
            pl.col("stop_id").alias("alighting_stop_id"),
            "method",
            (pl.col("confidence") * pl.col("boarding_confidence")).alias("confidence"),
        )
    )


def alighting_shares(
    boarded: pl.DataFrame,
    chained: pl.DataFrame,
    pattern_stops: pl.DataFrame,
    stops: pl.DataFrame,
    rules: SharesRules,
) -> pl.DataFrame:
    """Share of those boarding at one stop of a pattern who leave at each stop ahead (columns of Alightings.shares).

    share ~ chained rides + prior_rides x prior, summed to 1 over the stops ahead."""
    pairs = pattern_stops.join(
        pattern_stops.select(
            "pattern_id",
            pl.col("trip_stop_sequence").alias("alighting_stop_sequence"),
            pl.col("stop_id").alias("alighting_stop_id"),
            pl.col("path_m").alias("alighting_m"),
        ),
        on="pattern_id",
    ).filter(pl.col("alighting_stop_sequence") > pl.col("trip_stop_sequence"))
    ends = boarded.select("transaction_id", "pattern_id", "boarding_stop_sequence", "riders").join(
        chained.select("transaction_id", "alighting_stop_sequence"), on="transaction_id"
    )
    rides = ends.group_by("pattern_id", "boarding_stop_sequence", "alighting_stop_sequence").agg(
        pl.col("riders").sum().cast(pl.Float64).alias("rides")
    )
    attraction = _attraction(boarded, stops, rules)
    boarding = ["pattern_id", "boarding_stop_sequence"]
    prior = pl.col("attraction") * _willing(pl.col("alighting_m") - pl.col("path_m"))
    weighed = (
        pairs.rename({"trip_stop_sequence": "boarding_stop_sequence"})
        .join(rides, on=[*boarding, "alighting_stop_sequence"], how="left")
        .join(attraction.rename({"stop_id": "alighting_stop_id"}), on="alighting_stop_id", how="left")
        .sort(*boarding, "alighting_stop_sequence")
        .with_columns(prior.alias("prior"))
        .with_columns(
            (
                pl.col("rides").fill_null(0.0)
                + rules.prior_rides * pl.col("prior") / pl.col("prior").sum().over(boarding)
            ).alias("weight")
        )
    )
    return weighed.select(
        *boarding,
        "alighting_stop_sequence",
        pl.col("alighting_stop_id").alias("stop_id"),
        (pl.col("weight") / pl.col("weight").sum().over(boarding)).alias("share"),
    )


def _willing(ride_m: pl.Expr) -> pl.Expr:
    """How likely a ride of this length is against others: few take a bus for a few hundred metres (gamma, shape 2)."""
    scale_m = 1500.0
    return (ride_m.clip(100.0) / scale_m) * (-ride_m / scale_m).exp() + 0.05


def _attraction(boarded: pl.DataFrame, stops: pl.DataFrame, rules: SharesRules) -> pl.DataFrame:
    """What each stop draws: riders who board within `near_m` of it, with a floor (stop_id, attraction)."""
    taps = boarded.group_by("boarding_stop_id").agg(pl.col("riders").sum().cast(pl.Float64).alias("taps"))
    known = stops.select("stop_id", "x_m", "y_m").join(
        taps.rename({"boarding_stop_id": "stop_id"}), on="stop_id", how="left"
    )
    cell = rules.near_m
    cells = known.with_columns(
        (pl.col("x_m") / cell).floor().cast(pl.Int64).alias("cx"),
        (pl.col("y_m") / cell).floor().cast(pl.Int64).alias("cy"),
    )
    around = pl.DataFrame({"i": [-1, 0, 1]}).join(pl.DataFrame({"j": [-1, 0, 1]}), how="cross")
    neighbours = cells.join(around, how="cross").with_columns(pl.col("cx") + pl.col("i"), pl.col("cy") + pl.col("j"))
    distance_m = ((pl.col("x_m") - pl.col("x_m_right")) ** 2 + (pl.col("y_m") - pl.col("y_m_right")) ** 2).sqrt()
    near = (
        neighbours.join(cells, on=["cx", "cy"])
        .filter(distance_m <= rules.near_m)
        .group_by("stop_id")
        .agg(pl.col("taps_right").sum().alias("near_taps"))
    )
    mean = pl.max_horizontal(pl.col("near_taps").mean(), pl.lit(1.0))
    return near.select("stop_id", (pl.col("near_taps") / mean + rules.base_attraction).alias("attraction")).sort(
        "stop_id"
    )
