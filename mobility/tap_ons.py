"""Boardings out of a mapped export whose taps have a line and a position of their own (TapOn)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dataframely as dy
import polars as pl

from mobility.errors import FeedError, MappingError
from mobility.quarantine import Repetition, Rule, quarantined, screen
from mobility.schemas import TapOn
from mobility.sources.line_files import line_name
from mobility.sources.mapped_csv import Mapping, read_mapped
from mobility.sources.tides import RawTable, number, text, timestamps

NEEDED: Final = ("route_id", "latitude", "longitude")
EXIT: Final = "Exit"
UNKNOWN_MODE: Final = "unknown"
NO_FIX: Final = ((pl.col("latitude") == 0) & (pl.col("longitude") == 0)).fill_null(False)
"""What a validator writes that does not know where it is: such a tap has no position, not one off Africa."""


@dataclass(frozen=True)
class TapOns:
    """`boardings` of a file (TapOn), how many rows are `exits`, and rows that are refused (Quarantined).

    Of `read` rows each is one of the three."""

    boardings: dy.DataFrame[TapOn]
    exits: int
    quarantined: pl.DataFrame
    read: int


def read_tap_ons(path: Path, mapping: Mapping, modes: pl.DataFrame, zone: str = "UTC") -> TapOns:
    """Boardings of a CSV by its mapping, in local time, with the card numbers of the file.

    `modes`: line, mode, for taps that do not say. Card numbers are left out of the quarantine.
    Raises MappingError where the mapping gives no line or position, FeedError where no boarding has a position."""
    if mapping.table != "fare_transactions":
        raise MappingError(f"the mapping for {path} is of {mapping.table}, and boardings are fare_transactions")
    for name in NEEDED:
        if name not in mapping.columns:
            raise MappingError(f"the mapping for {path} maps nothing to '{name}': boardings need a line and a position")
    raw = read_mapped(path, mapping, zone)
    rows = _typed(raw)
    exits = rows.filter((pl.col("fare_action") == EXIT).fill_null(False))
    good, refused = screen(rows.join(exits, on="line", how="anti", maintain_order="left"), *_rules())
    boardings = (
        good.with_columns(line_name(pl.col("route_id")).alias("route"))
        .join(modes.rename({"mode": "line_mode", "line": "route"}), on="route", how="left", maintain_order="left")
        .select(
            "transaction_id",
            pl.col("fare_media_id").alias("card_id"),
            pl.col("local_time").alias("event_timestamp"),
            pl.col("route").alias("line"),
            pl.coalesce("mode", "line_mode", pl.lit(UNKNOWN_MODE)).alias("mode"),
            "vehicle_id",
            pl.col("transfer_number").cast(pl.Int64),
            *(pl.when(~NO_FIX).then(pl.col(name)).alias(name) for name in ("latitude", "longitude")),
        )
    )
    kept = quarantined(refused, raw, None)
    if boardings["latitude"].is_null().all():
        first = "" if kept.is_empty() else f", the first in line {kept['line'][0]}: {kept['reason'][0]}"
        raise FeedError(
            f"{path} has no boarding with a position: alightings can only be told where taps have one "
            f"({kept.height} of {raw.read} rows are refused{first})"
        )
    return TapOns(TapOn.validate(boardings), exits.height, kept, raw.read)


def _typed(raw: RawTable) -> pl.DataFrame:
    """Rows with what was `given` for a number beside the number, and the local time."""
    numbers = ("latitude", "longitude", "transfer_number")
    words = ("transaction_id", "fare_media_id", "route_id", "mode", "vehicle_id", "fare_action")
    return raw.rows.with_columns(
        *(text(raw, name).alias(f"given_{name}") for name in numbers),
        *(number(raw, name) for name in numbers),
        *(text(raw, name) for name in words),
        timestamps(raw).dt.convert_time_zone(raw.zone).dt.replace_time_zone(None).alias("local_time"),
    )


def _rules() -> tuple[list[Rule], list[Repetition]]:
    transfers = pl.col("transfer_number")
    each = [
        Rule("transaction_id is missing", pl.col("transaction_id").is_null()),
        Rule("event_timestamp is missing", pl.col("event_timestamp").is_null()),
        Rule("event_timestamp cannot be read as a time", pl.col("local_time").is_null()),
        Rule("route_id is missing", pl.col("route_id").is_null()),
        Rule("latitude is no latitude in degrees", _no_degrees("latitude", 90.0)),
        Rule("longitude is no longitude in degrees", _no_degrees("longitude", 180.0)),
        Rule(
            "latitude without longitude, or longitude without latitude",
            pl.col("latitude").is_null() != pl.col("longitude").is_null(),
        ),
        Rule(
            "transfer_number is no whole number from 0",
            pl.col("given_transfer_number").is_not_null()
            & ~((transfers >= 0) & (transfers == transfers.floor())).fill_null(False),
        ),
    ]
    return each, [Repetition("transaction_id came before in this file", ("transaction_id",))]


def _no_degrees(name: str, most: float) -> pl.Expr:
    return pl.col(f"given_{name}").is_not_null() & ~pl.col(name).is_between(-most, most).fill_null(False)
