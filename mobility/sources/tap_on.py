"""Boardings out of a mapped export whose taps have a line and a position of their own (TapOn)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dataframely as dy
import polars as pl

from mobility.errors import FeedError, MappingError
from mobility.schemas import TapOn
from mobility.sources.line_files import line_name
from mobility.sources.mapped_csv import Mapping, read_mapped
from mobility.sources.tides import RawTable, timestamps

NEEDED: Final = ("route_id", "latitude", "longitude")
EXIT: Final = "Exit"
UNKNOWN_MODE: Final = "unknown"


def read_tap_ons(path: Path, mapping: Mapping, modes: pl.DataFrame, zone: str = "UTC") -> dy.DataFrame[TapOn]:
    """Boardings of a CSV by its mapping, in local time; rows that are exits are left out.

    `modes`: line, mode, for taps that do not say. Raises MappingError where the mapping gives no line or position,
    FeedError naming file, line and column where a row cannot be read."""
    if mapping.table != "fare_transactions":
        raise MappingError(f"the mapping for {path} is of {mapping.table}, and boardings are fare_transactions")
    for name in NEEDED:
        if name not in mapping.columns:
            raise MappingError(f"the mapping for {path} maps nothing to '{name}': boardings need a line and a position")
    raw = read_mapped(path, mapping, zone)
    rows = raw.rows
    if raw.has("fare_action"):
        rows = rows.filter((pl.col("fare_action") != EXIT).fill_null(True))
    _refuse(path, mapping, raw, rows)
    typed = (
        rows.select(
            "transaction_id",
            pl.col("fare_media_id").alias("card_id"),
            timestamps(raw).dt.convert_time_zone(raw.zone).dt.replace_time_zone(None).alias("event_timestamp"),
            line_name(pl.col("route_id")).alias("line"),
            _column(raw, "mode"),
            _column(raw, "vehicle_id"),
            _column(raw, "transfer_number").cast(pl.Float64).cast(pl.Int64),
            pl.col("latitude").cast(pl.Float64),
            pl.col("longitude").cast(pl.Float64),
        )
        .join(modes.rename({"mode": "line_mode"}), on="line", how="left", maintain_order="left")
        .with_columns(pl.coalesce("mode", "line_mode", pl.lit(UNKNOWN_MODE)).alias("mode"))
        .drop("line_mode")
    )
    if typed["latitude"].is_null().all():
        raise FeedError(f"{path} has no boarding with a position: alightings can only be told where taps have one")
    return TapOn.validate(typed)


def _column(raw: RawTable, name: str) -> pl.Expr:
    return (pl.col(name) if raw.has(name) else pl.lit(None, dtype=pl.String)).alias(name)


def _refuse(path: Path, mapping: Mapping, raw: RawTable, rows: pl.DataFrame) -> None:
    """Raise FeedError for the first row of which something cannot be read."""
    half = pl.col("latitude").is_null() != pl.col("longitude").is_null()
    broken = [
        ("transaction_id", pl.col("transaction_id").is_null(), "is missing"),
        ("transaction_id", ~pl.col("transaction_id").is_first_distinct(), "was there before; every tap needs its own"),
        ("event_timestamp", timestamps(raw).is_null(), f"is no time as {mapping.timestamp_format or 'ISO 8601'}"),
        ("route_id", pl.col("route_id").is_null(), "is missing"),
        ("latitude", _no_degrees("latitude", 90.0), "is no latitude in degrees"),
        ("longitude", _no_degrees("longitude", 180.0), "is no longitude in degrees"),
        ("latitude", half, "and the longitude must both be there, or both be blank"),
    ]
    if raw.has("transfer_number"):
        number = pl.col("transfer_number").cast(pl.Float64, strict=False)
        bad = pl.col("transfer_number").is_not_null() & ~((number >= 0) & (number == number.floor())).fill_null(False)
        broken.append(("transfer_number", bad, "is no whole number from 0"))
    for name, condition, what in broken:
        found = rows.filter(condition)
        if not found.is_empty():
            source = mapping.columns.get(name, name)
            column = source if isinstance(source, str) else " ".join(source)
            value = found[name][0]
            said = "" if value is None else f" '{value}'"
            raise FeedError(f"{path}, line {found['line'][0]}: {column}{said} {what}; mend or remove the row")


def _no_degrees(name: str, most: float) -> pl.Expr:
    degrees = pl.col(name).cast(pl.Float64, strict=False)
    return pl.col(name).is_not_null() & ~degrees.is_between(-most, most).fill_null(False)
