"""From riders who tapped to all who rode: scaling to control totals.

Iterative proportional fitting (Deming & Stephan 1940): a seed matrix is scaled row by row and column by column until
its margins are those counted elsewhere; the result has the seed's odds ratios and the given margins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.errors import FeedError, MobilityError
from mobility.sources.delimited import Records

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """`matrix`: the fitted matrix; `rows`, `columns`: the factors it was scaled by; `error`: largest relative error of
    a margin that could be met; `change`: mean absolute change of a seed cell, relative to the seed's total."""

    matrix: Floats
    rows: Floats
    columns: Floats
    iterations: int
    error: float
    change: float


@dataclass(frozen=True)
class TripExpansion:
    """`factors`: line, trip_id_performed, factor of the trips that were counted; `lines`: line, factor of the other
    trips of their lines, what the counted ones together had; `unscaled`: counted trips with riders but no tap."""

    factors: pl.DataFrame
    lines: pl.DataFrame
    unscaled: tuple[str, ...]
    fit: Fit


@dataclass(frozen=True)
class Expansion:
    """`factors`: line, factor (riders per tapped rider). `unscaled`: lines with a total but no tap to scale;
    `unknown`: lines with taps but no total, scaled by `default_factor`."""

    factors: pl.DataFrame
    default_factor: float
    unscaled: tuple[str, ...]
    unknown: tuple[str, ...]
    fit: Fit | None


def ipf(
    seed: Floats,
    row_totals: Floats,
    column_totals: Floats | None = None,
    *,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> Fit:
    """Scale a non-negative matrix (rows x columns) to row totals and, where given, column totals; NaN: no total there.

    A row or column of zeros keeps its zeros. Raises MobilityError on negative numbers, on shapes that do not fit, or on
    complete margins whose sums differ."""
    _check_margins(seed, row_totals, column_totals)
    free = np.full(seed.shape[1], np.nan)
    targets_r, targets_c = row_totals, free if column_totals is None else column_totals
    rows, columns = np.ones(seed.shape[0]), np.ones(seed.shape[1])
    error, iteration = np.inf, 0
    while iteration < max_iterations and error > tolerance:
        iteration += 1
        rows = _factors(seed @ columns, targets_r)
        columns = _factors(seed.T @ rows, targets_c)
        error = _error(rows * (seed @ columns), targets_r, seed.sum(axis=1))
    matrix = rows[:, None] * seed * columns[None, :]
    total = float(seed.sum())
    change = float(np.abs(matrix - seed).sum() / total) if total > 0 else 0.0
    return Fit(matrix, rows, columns, iteration, float(error), change)


def line_factors(tapped: pl.DataFrame, totals: pl.DataFrame | None, cash_share: float) -> Expansion:
    """What one tapped rider of a line stands for.

    `tapped`: line, hour, riders (tapped, by hour of the service date); `totals`: line, boardings (cash and tapped,
    whole period) or nothing. A line without a total is scaled by 1 / (1 - cash_share)."""
    default = 1.0 / (1.0 - cash_share)
    lines = tapped["line"].unique().sort().to_list()
    if totals is None or not lines:
        unscaled = [] if totals is None else totals.filter(pl.col("boardings") > 0)["line"].sort().to_list()
        factors = pl.DataFrame({"line": lines, "factor": [default] * len(lines)}, schema=_FACTORS)
        return Expansion(factors, default, tuple(unscaled), tuple(lines) if totals is None else (), None)
    wide = tapped.pivot(on="hour", index="line", values="riders", aggregate_function="sum").sort("line")
    seed = wide.drop("line").fill_null(0).to_numpy().astype(np.float64)
    joined = wide.select("line").join(totals, on="line", how="left", maintain_order="left")
    target = joined["boardings"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    fit = ipf(seed, target)
    known = ~np.isnan(target)
    factor = np.where(known, fit.rows, default)
    unscaled = totals.filter((pl.col("boardings") > 0) & ~pl.col("line").is_in(lines))["line"].sort().to_list()
    unknown = joined.filter(pl.col("boardings").is_null())["line"].to_list()
    factors = pl.DataFrame({"line": wide["line"], "factor": factor}, schema=_FACTORS)
    return Expansion(factors, default, tuple(unscaled), tuple(unknown), fit)


def trip_factors(tapped: pl.DataFrame, totals: pl.DataFrame) -> TripExpansion:
    """What one tapped rider of a counted trip stands for (turnstiles, automatic passenger counters).

    `tapped`: line, trip_id_performed, riders; `totals`: line, trip_id_performed, boardings."""
    trip = ["line", "trip_id_performed"]
    counted = totals.join(tapped, on=trip, how="left").sort(trip).with_columns(pl.col("riders").fill_null(0))
    seed = counted["riders"].cast(pl.Float64).to_numpy()[:, None]
    fit = ipf(seed, counted["boardings"].to_numpy())
    seen = counted.with_columns(pl.Series("factor", fit.rows)).filter(pl.col("riders") > 0)
    lines = seen.group_by("line").agg((pl.col("boardings").sum() / pl.col("riders").sum()).alias("factor")).sort("line")
    unscaled = counted.filter((pl.col("riders") == 0) & (pl.col("boardings") > 0))["trip_id_performed"].to_list()
    return TripExpansion(seen.select(*trip, "factor"), lines, tuple(unscaled), fit)


def control_totals(records: Records, file: str) -> pl.DataFrame:
    """Totals from `control_totals.csv` (route_id, boardings and, where single trips were counted, trip_id_performed):
    line, trip_id_performed (null: all trips of the line), boardings. Raises FeedError naming the column or line that is
    wrong."""
    strings = records.rows
    for column in ("route_id", "boardings"):
        if column not in strings.columns:
            raise FeedError(f"{file} lacks the column '{column}'")
    trip = pl.col("trip_id_performed") if "trip_id_performed" in strings.columns else pl.lit(None, dtype=pl.String)
    typed = strings.select(
        pl.col("route_id").alias("line"),
        trip.replace("", None).alias("trip_id_performed"),
        pl.col("boardings").str.strip_chars().cast(pl.Float64, strict=False),
    )
    counted = pl.col("boardings").is_finite() & (pl.col("boardings") >= 0)
    wrong = records.lines.filter(typed.select(~counted.fill_null(False) | pl.col("line").is_null()).to_series())
    if not wrong.is_empty():
        raise FeedError(f"{file}, line {wrong[0]}: needs a route_id and boardings of 0 or more")
    return typed.group_by("line", "trip_id_performed").agg(pl.col("boardings").sum()).sort("line", "trip_id_performed")


_FACTORS = {"line": pl.String, "factor": pl.Float64}


def _factors(margin: Floats, target: Floats) -> Floats:
    usable = (margin > 0) & ~np.isnan(target)
    return np.where(usable, target / np.where(usable, margin, 1.0), 1.0)


def _error(margin: Floats, target: Floats, seed_margin: Floats) -> float:
    usable = (seed_margin > 0) & (target > 0)
    return float(np.max(np.abs(margin[usable] / target[usable] - 1.0), initial=0.0))


def _check_margins(seed: Floats, rows: Floats, columns: Floats | None) -> None:
    if seed.ndim != 2 or rows.shape != (seed.shape[0],) or (columns is not None and columns.shape != (seed.shape[1],)):
        raise MobilityError("IPF needs a matrix and one total per row and per column")
    if (seed < 0).any() or (rows < 0).any() or (columns is not None and (columns < 0).any()):
        raise MobilityError("IPF needs a seed and totals of 0 or more")
    complete = columns is not None and not np.isnan(rows).any() and not np.isnan(columns).any()
    if columns is not None and complete and not np.isclose(rows.sum(), columns.sum(), rtol=1e-6):
        raise MobilityError(f"IPF: row totals sum to {rows.sum():g}, column totals to {columns.sum():g}")
