"""How right the flows are, where the truth is known: simulated riders and buses. Pure: frames in, figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mobility.errors import FeedError
from mobility.privacy import month_key, pseudonyms
from mobility.sources.manifest import read_manifest

RIDES = ("fare_media_id", "vehicle_id", "trip_id", "boarding_stop_id", "boarded_at_s", "alighting_stop_id")
BUS_LOADS = ("vehicle_id", "trip_id", "stop_sequence", "stop_id", "departed_at_s", "load_pax")
SURE = ("chained", "chained_last")
LATEST_TAP_S = 300.0


@dataclass(frozen=True)
class Truth:
    """What really happened. `rides`: card_id (null: cash), vehicle_id, trip_id, boarding_stop_id, boarded_at_s,
    alighting_stop_id (null: still aboard); `loads`: vehicle_id, trip_id, stop_sequence, true_load_pax."""

    rides: pl.DataFrame
    loads: pl.DataFrame


@dataclass(frozen=True)
class Reliability:
    """Legs of one class of confidence: how many, what they claim, what is true."""

    legs: int
    confidence: float
    right: float


@dataclass(frozen=True)
class FlowScore:
    """Shares are of the legs compared. `chained_choice`: chained legs with three or more stops to choose from.
    `reliability`: ten classes of confidence, each with its legs, its mean confidence and the share of them that is
    right; `calibration_error`: mean difference of the two over all legs that have an alighting.
    `load_mae_pax`: mean absolute error of a bus's load after a stop; `oracle_mae_pax`: of loads that know every tapped
    rider's alighting and scale for cash by the line's total; `mean_load_pax`: what the error is to be held against."""

    legs: int
    boarding_exact: float
    chained: int
    chained_exact: float
    chained_choice: int
    chained_choice_exact: float
    probable: int
    probable_exact: float
    reliability: tuple[Reliability, ...]
    calibration_error: float
    loads: int
    load_mae_pax: float
    oracle_mae_pax: float
    mean_load_pax: float
    missing_loads: int


def read_truth(folder: Path, key: bytes) -> Truth:
    """rides.csv and bus_loads.csv of the `truth` folder of feeds, cards as in their flows.

    Raises FeedError on a missing column."""
    key = month_key(key, read_manifest(folder.parent).service_date)
    rides = _strings(folder / "rides.csv", RIDES)
    loads = _strings(folder / "bus_loads.csv", BUS_LOADS)
    return Truth(
        rides.with_columns(
            pseudonyms(rides["fare_media_id"], key).alias("card_id"), pl.col("boarded_at_s").cast(pl.Float64)
        ).drop("fare_media_id"),
        loads.select(
            "vehicle_id",
            "trip_id",
            pl.col("stop_sequence").cast(pl.Int64),
            pl.col("load_pax").cast(pl.Float64).alias("true_load_pax"),
        ),
    )


@dataclass(frozen=True)
class Judged:
    """One day beside its truth. `legs`: match_legs and `stops_ahead`; `loads`: load_pax, oracle_pax, true_load_pax of
    every bus after a stop; `missing_loads`: loads that are true but were not told."""

    legs: pl.DataFrame
    loads: pl.DataFrame
    missing_loads: int


def judge(
    legs: pl.DataFrame, link_loads: pl.DataFrame, visits: pl.DataFrame, truth: Truth, midnight_s: float
) -> Judged:
    """Legs (JourneyLeg) and loads (LinkLoad) of one day beside the truth; `midnight_s` is the epoch of its second 0."""
    last = visits.group_by("vehicle_id", "trip_id_performed").agg(pl.col("trip_stop_sequence").max().alias("last_stop"))
    matched = match_legs(legs, truth, midnight_s).join(last, on=["vehicle_id", "trip_id_performed"])
    trip = ["vehicle_id", "trip_id", "stop_sequence"]
    compared = truth.loads.join(link_loads.select(*trip, "load_pax"), on=trip).join(
        oracle_loads(legs, truth, visits, midnight_s), on=trip, how="left"
    )
    return Judged(
        matched.with_columns((pl.col("last_stop") - pl.col("boarding_stop_sequence")).alias("stops_ahead")),
        compared.with_columns(pl.col("oracle_pax").fill_null(0.0)),
        truth.loads.height - compared.height,
    )


def score_flows(days: Sequence[Judged]) -> FlowScore:
    """How right one or several days are, all their legs and loads taken together."""
    legs = pl.concat([day.legs for day in days])
    loads = pl.concat([day.loads for day in days])
    ended = legs.filter(pl.col("true_alighting").is_not_null())
    sure = ended.filter(pl.col("method").is_in(SURE))
    choice = sure.filter(pl.col("stops_ahead") >= 3)
    probable = ended.filter(pl.col("method") == "probable")
    curve = reliability(ended)
    return FlowScore(
        legs.height,
        _share(legs, pl.col("boarding_stop_id") == pl.col("true_boarding")),
        sure.height,
        _share(sure, _right()),
        choice.height,
        _share(choice, _right()),
        probable.height,
        _share(probable, _right()),
        curve,
        sum(each.legs * abs(each.confidence - each.right) for each in curve) / max(1, ended.height),
        loads.height,
        _mean(loads, (pl.col("load_pax") - pl.col("true_load_pax")).abs()),
        _mean(loads, (pl.col("oracle_pax") - pl.col("true_load_pax")).abs()),
        _mean(loads, pl.col("true_load_pax")),
        sum(day.missing_loads for day in days),
    )


def reliability(ended: pl.DataFrame) -> tuple[Reliability, ...]:
    """Classes of a tenth of confidence, the least first; those without a leg are left out."""
    curve = (
        ended.group_by((pl.col("confidence") * 10).floor().clip(0, 9).alias("tenth"))
        .agg(pl.len(), pl.col("confidence").mean(), _right().fill_null(False).mean().alias("right"))
        .sort("tenth")
    )
    return tuple(Reliability(*row) for row in curve.select("len", "confidence", "right").iter_rows())


def match_legs(legs: pl.DataFrame, truth: Truth, midnight_s: float) -> pl.DataFrame:
    """Legs with the ride of the same card in the same vehicle nearest before the tap: true_boarding, true_alighting."""
    rides = truth.rides.filter(pl.col("card_id").is_not_null()).select(
        "card_id",
        "vehicle_id",
        pl.col("trip_id").alias("true_trip"),
        pl.col("boarding_stop_id").alias("true_boarding"),
        pl.col("alighting_stop_id").alias("true_alighting"),
        pl.col("boarded_at_s"),
    )
    off_s = pl.col("boarded_at").dt.epoch("ms") / 1000 - midnight_s - pl.col("boarded_at_s")
    return (
        legs.join(rides, on=["card_id", "vehicle_id"])
        .with_columns(off_s.abs().alias("off_s"))
        .filter(pl.col("off_s") <= LATEST_TAP_S)
        .sort("leg_id", "off_s", "true_trip")
        .unique("leg_id", keep="first", maintain_order=True)
    )


def oracle_loads(legs: pl.DataFrame, truth: Truth, visits: pl.DataFrame, midnight_s: float) -> pl.DataFrame:
    """Loads an oracle would give who knows where every tapped rider got off but not who paid cash: vehicle_id, trip_id,
    stop_sequence, oracle_pax."""
    known = match_legs(legs, truth, midnight_s)
    stops = visits.select(
        "vehicle_id", "trip_id_performed", "trip_stop_sequence", pl.col("stop_id").alias("true_alighting")
    )
    trip = ["vehicle_id", "trip_id_performed"]
    off = (
        known.join(stops, on=[*trip, "true_alighting"])
        .filter(pl.col("trip_stop_sequence") > pl.col("boarding_stop_sequence"))
        .sort("leg_id", "trip_stop_sequence")
        .unique("leg_id", keep="first", maintain_order=True)
        .select(*trip, "trip_stop_sequence", (-pl.col("pax")).alias("change"))
    )
    on = known.select(
        *trip, pl.col("boarding_stop_sequence").alias("trip_stop_sequence"), pl.col("pax").alias("change")
    )
    stop = [*trip, "trip_stop_sequence"]
    return (
        visits.select(stop)
        .join(pl.concat([on, off]).group_by(stop).agg(pl.col("change").sum()), on=stop, how="left")
        .sort(stop)
        .select(
            "vehicle_id",
            pl.col("trip_id_performed").alias("trip_id"),
            pl.col("trip_stop_sequence").alias("stop_sequence"),
            pl.col("change").fill_null(0.0).cum_sum().over(trip).alias("oracle_pax"),
        )
    )


def _right() -> pl.Expr:
    return pl.col("alighting_stop_id") == pl.col("true_alighting")


def _share(frame: pl.DataFrame, condition: pl.Expr) -> float:
    return _mean(frame, condition.fill_null(False).cast(pl.Float64))


def _mean(frame: pl.DataFrame, value: pl.Expr) -> float:
    mean = frame.select(value.mean().alias("mean"))["mean"][0]
    return float("nan") if mean is None else float(mean)


def _strings(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FeedError(f"{path} cannot be read: {error}") from error
    for column in columns:
        if column not in table.columns:
            raise FeedError(f"{path} lacks the column '{column}'")
    return table.select(columns)
