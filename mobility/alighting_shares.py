"""Where riders of whom nothing more is known get off: a share for every stop ahead.

Learned from the chained rides of the same pattern and boarding stop, smoothed by a prior (Dirichlet, so the posterior
mean is a weighted mean of both). The prior holds that flows are much the same there and back (Hora et al. 2017): a
stop draws riders in proportion to those who board around it towards where these came from, on top of a base all stops
have, damped for rides so short that people walk them.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

BOARDING = ["pattern_id", "boarding_stop_sequence"]


@dataclass(frozen=True)
class SharesRules:
    """`prior_rides`: how many chained rides the prior weighs; `base`: what a stop draws where nobody rides the other
    way, in units of the mean return flow; `zone_m`: stops this near are one place; `short_ride_m`: half of those who
    could ride this far walk instead."""

    prior_rides: float = 30.0
    base: float = 4.0
    zone_m: float = 300.0
    short_ride_m: float = 400.0


def alighting_shares(
    boarded: pl.DataFrame,
    chained: pl.DataFrame,
    pattern_stops: pl.DataFrame,
    stops: pl.DataFrame,
    rules: SharesRules,
) -> pl.DataFrame:
    """Share of those boarding at one stop of a pattern who leave at each stop ahead, summing to 1.

    `boarded`: boardings(); `chained`: chained_alightings() of the legs to learn from; `pattern_stops`, `stops`:
    Timetable. Returns pattern_id, boarding_stop_sequence, alighting_stop_sequence, stop_id, share: sorted."""
    pairs = _pairs(pattern_stops, stops, rules)
    rides = (
        boarded.select("leg_id", *BOARDING, "riders")
        .join(chained.select("leg_id", "alighting_stop_sequence"), on="leg_id")
        .group_by(*BOARDING, "alighting_stop_sequence")
        .agg(pl.col("riders").sum().cast(pl.Float64).alias("rides"))
    )
    ridden_m = pl.col("alighting_m") - pl.col("boarding_m")
    willing = 1.0 - (-(ridden_m.clip(1.0) / rules.short_ride_m) * 0.6931).exp()
    returning = pl.col("returning").fill_null(0.0)
    weighed = (
        pairs.join(rides, on=[*BOARDING, "alighting_stop_sequence"], how="left")
        .join(
            _return_flows(boarded, pairs),
            left_on=["alighting_zone", "boarding_zone"],
            right_on=["from_zone", "to_zone"],
            how="left",
        )
        .sort(*BOARDING, "alighting_stop_sequence")
        .with_columns(
            (
                (returning / pl.max_horizontal(returning.mean().over(BOARDING), pl.lit(1.0)) + rules.base) * willing
            ).alias("prior")
        )
    )
    smoothed = pl.col("rides").fill_null(0.0) + rules.prior_rides * pl.col("prior") / pl.col("prior").sum().over(
        BOARDING
    )
    return weighed.with_columns(smoothed.alias("weight")).select(
        *BOARDING,
        "alighting_stop_sequence",
        pl.col("alighting_stop_id").alias("stop_id"),
        (pl.col("weight") / pl.col("weight").sum().over(BOARDING)).alias("share"),
    )


def _pairs(pattern_stops: pl.DataFrame, stops: pl.DataFrame, rules: SharesRules) -> pl.DataFrame:
    """Every stop of a pattern with every stop ahead of it, and the zones both lie in."""
    zone = pl.struct(
        (pl.col("x_m") / rules.zone_m).floor().cast(pl.Int32), (pl.col("y_m") / rules.zone_m).floor().cast(pl.Int32)
    )
    placed = pattern_stops.join(stops.select("stop_id", zone.alias("zone")), on="stop_id")

    def end(name: str) -> pl.DataFrame:
        return placed.select(
            "pattern_id",
            pl.col("trip_stop_sequence").alias(f"{name}_stop_sequence"),
            pl.col("stop_id").alias(f"{name}_stop_id"),
            pl.col("path_m").alias(f"{name}_m"),
            pl.col("zone").alias(f"{name}_zone"),
        )

    return (
        end("boarding")
        .join(end("alighting"), on="pattern_id")
        .filter(pl.col("alighting_stop_sequence") > pl.col("boarding_stop_sequence"))
    )


def _return_flows(boarded: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Riders who boarded in one zone a bus that goes on to another: from_zone, to_zone, returning."""
    taps = boarded.group_by(BOARDING).agg(pl.col("riders").sum().cast(pl.Float64).alias("taps"))
    return (
        pairs.select(*BOARDING, "boarding_zone", "alighting_zone")
        .unique()
        .join(taps, on=BOARDING)
        .group_by(pl.col("boarding_zone").alias("from_zone"), pl.col("alighting_zone").alias("to_zone"))
        .agg(pl.col("taps").sum().alias("returning"))
    )
