"""What each leg stands for: its own riders, scaled to the totals of its trip or line (expansion)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.categories import in_text
from mobility.expansion import line_factors, trip_factors

DIGITS = 6
ROUNDING = 1e-6
TRIP = ["line", "trip_id_performed"]


@dataclass(frozen=True)
class Weighed:
    """`legs`: with weight and pax. `change`: mean relative change to the seed, nothing without totals; `unscaled`:
    lines with a total but no tap; `unknown`: lines with taps but without a total of their own or of their trips;
    `below`: lines whose totals are below the riders who tapped."""

    legs: pl.DataFrame
    change: float | None
    unscaled: tuple[str, ...]
    unknown: tuple[str, ...]
    below: tuple[str, ...] = ()


def weighed(legs: pl.DataFrame, totals: pl.DataFrame | None, cash_share: float, midnight_s: float) -> Weighed:
    """A counted trip's factor goes before its line's, and that before 1 / (1 - cash_share).

    `legs`: line, trip_id_performed, boarded_at, riders; `totals`: control_totals()."""
    hour = ((pl.col("boarded_at").dt.epoch("ms") / 1000 - midnight_s) // 3600).cast(pl.Int64).alias("hour")
    tapped = in_text(legs.group_by("line", hour).agg(pl.col("riders").sum()).sort("line", "hour"))
    of_lines, of_trips = _of_lines_and_trips(totals)
    expansion = line_factors(tapped, of_lines, cash_share)
    factors, change = expansion.factors, None if expansion.fit is None else expansion.fit.change
    unknown = set(expansion.unknown)
    counted = pl.DataFrame(schema=dict.fromkeys(TRIP, pl.String) | {"factor": pl.Float64})
    if of_trips is not None:
        fitted = trip_factors(in_text(legs.group_by(TRIP).agg(pl.col("riders").sum())), of_trips)
        counted, change = fitted.factors, fitted.fit.change
        factors = pl.concat([factors.join(fitted.lines, on="line", how="anti"), fitted.lines])
        unknown -= set(fitted.lines["line"])
    below = factors.filter(pl.col("factor") < 1 - ROUNDING)["line"].sort().to_list()
    factors, counted = (_named_as(frame, legs) for frame in (factors, counted))
    # legs themselves are not joined: that would be a second copy of the day's taps
    weight = (
        legs.select(TRIP)
        .join(factors, on="line", how="left", maintain_order="left")
        .join(counted.rename({"factor": "trip_factor"}), on=TRIP, how="left", maintain_order="left")
        .select(pl.coalesce("trip_factor", "factor", pl.lit(expansion.default_factor)).alias("weight"))
    )
    scaled = legs.hstack(weight).with_columns((pl.col("weight") * pl.col("riders")).round(DIGITS).alias("pax"))
    return Weighed(scaled, change, expansion.unscaled, tuple(sorted(unknown)), tuple(below))


def _named_as(factors: pl.DataFrame, legs: pl.DataFrame) -> pl.DataFrame:
    """Factors with their names in the categories of the legs; of those that no leg has, null."""
    return factors.with_columns(
        pl.col(name).cast(legs.schema[name], strict=False) for name in TRIP if name in factors.columns
    )


def _of_lines_and_trips(totals: pl.DataFrame | None) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    if totals is None:
        return None, None
    of_trips = totals.drop_nulls("trip_id_performed")
    of_lines = totals.filter(pl.col("trip_id_performed").is_null())
    return None if of_lines.is_empty() and of_trips.height else of_lines, of_trips if of_trips.height else None
