"""What a card's other days tell: where its rider left who boarded at this stop before.

A rider's ride follows the shares of everybody, as if `strangers` rides had been made by them, and the rider's own
earlier rides from the same stop (Dirichlet, as in alighting_shares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from mobility import lake
from mobility.line_stops import Floats, Ints, LineStops
from mobility.schemas import JourneyLeg
from mobility.tally import tally

HABIT = {
    "card_id": pl.String,
    "boarding_stop_id": pl.String,
    "alighting_stop_id": pl.String,
    "rides": pl.Float64,
}
WAY = ["card_id", "boarding_stop_id", "alighting_stop_id"]


@dataclass(frozen=True)
class HabitRules:
    """`strangers`: how many of a rider's own rides the shares of everybody count for."""

    strangers: float = 1.0


def no_habits() -> pl.DataFrame:
    """Nothing known of other days (columns of HABIT)."""
    return pl.DataFrame(schema=HABIT)


def rides_told(legs: pl.DataFrame) -> pl.DataFrame:
    """Rides of each card of a day by boarding and alighting stop (columns of HABIT), as far as the card's own taps tell
    the alighting; each counts by its confidence. `legs`: JourneyLeg, or those of alightings()."""
    ridden = legs.filter(pl.col("method").is_in(["chained", "chained_last"]) & pl.col("card_id").is_not_null())
    return habits([ridden.select(pl.col(WAY).cast(pl.String), pl.col("confidence").alias("rides"))])


def habits(days: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rides of each card over several days, sorted (columns of HABIT, as those of `days`)."""
    together = pl.concat([no_habits(), *days])
    return together.group_by(WAY).agg(pl.col("rides").sum().round(6)).sort(WAY)


def habits_of_flows(history: Sequence[Path]) -> pl.DataFrame:
    """habits() from the journey legs of flows folders of other days, made with the same key."""
    return habits([rides_told(lake.read(folder, "journey_legs", JourneyLeg)) for folder in history])


@dataclass(frozen=True)
class OwnRides:
    """A day's rides beside their cards' habits: `key` = ride x stops + stop left, sorted, with the `rides` once made
    so; `total`: of each ride, all its card's rides from there to stops ahead."""

    key: Ints
    rides: Floats
    total: Floats

    @classmethod
    def of(cls, boarded: pl.DataFrame, calls: Ints, lines: LineStops, known: pl.DataFrame) -> OwnRides:
        """`boarded`: boardings(), `calls`: where each of its rows boarded; `known`: habits()."""
        if known.is_empty():
            return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(boarded.height))
        found = (
            boarded.select("card_id", pl.col("boarding_stop_id").cast(pl.String))
            .with_row_index("ride")
            .join(known, on=["card_id", "boarding_stop_id"])
            .join(
                pl.DataFrame({"alighting_stop_id": lines.stop_ids.cast(pl.String)}).with_row_index("stop"),
                on="alighting_stop_id",
            )
            .sort("ride", "stop")
        )
        ride, stop = (found[name].cast(pl.Int64).to_numpy() for name in ("ride", "stop"))
        boarding, alighting = lines.pair_calls
        ahead = np.isin(calls[ride] * len(lines.x_m) + stop, boarding * len(lines.x_m) + lines.stop[alighting])
        ride, stop, rides = ride[ahead], stop[ahead], found["rides"].to_numpy()[ahead]
        return cls(ride * len(lines.x_m) + stop, rides, tally(ride, rides, boarded.height))

    def rides_to(self, ride: Ints, stop: Ints, stops: int) -> Floats:
        """How often the card of `ride` rode from there to `stop`; there are `stops` in all."""
        if len(self.key) == 0:
            return np.zeros(len(ride))
        wanted = ride * stops + stop
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        return np.where(self.key[place] == wanted, self.rides[place], 0.0)
