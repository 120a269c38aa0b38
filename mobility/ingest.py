"""Raw rows to typed rows of the lake; what is refused is kept with its file, line and reason.

Rows read = rows accepted + rows quarantined, always. Rules about one row are applied before rules about several, so a
broken row never makes a good one a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from mobility.privacy import pseudonyms
from mobility.schemas import FareTransaction, Quarantined, VehicleLocation
from mobility.sources.tides import RawTable, timestamps

LONGEST_SERVICE_DAY = timedelta(hours=30)
BOUNDS_MARGIN_DEG = 0.03
FARE_ACTIONS = (
    *("Unknown action type", "Purchase", "Enter", "Enter vehicle", "Exit", "Transfer entrance", "Transfer exit", "Add"),
    *("New", "Capture", "Extend", "Combine", "Void", "Activate", "Adjust", "Other"),
)


@dataclass(frozen=True)
class ServiceDay:
    """What every row of a service day is held against. `midnight` is the start of its clock in UTC; `bounds` are
    min longitude, min latitude, max longitude, max latitude, or nothing where the city's extent is unknown."""

    agency_id: str
    service_date: date
    midnight: datetime
    bounds: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Rule:
    """A reason to refuse a row and the condition for it."""

    reason: str
    broken: pl.Expr


@dataclass(frozen=True)
class Ingested:
    """Rows of one file: `accepted` under the lake's schema, `quarantined` under Quarantined, `read` in all."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    read: int
    digest: str


def ingest_locations(table: RawTable, day: ServiceDay) -> Ingested:
    """Vehicle positions, sorted by vehicle and time."""
    typed = table.rows.with_columns(
        timestamps(table).alias("at"),
        _optional(table, "service_date", pl.String).str.to_date(strict=False).alias("own_date"),
        pl.col("latitude").str.strip_chars().cast(pl.Float64, strict=False),
        pl.col("longitude").str.strip_chars().cast(pl.Float64, strict=False),
        _optional(table, "speed", pl.Float64),
        _optional(table, "heading", pl.Float64),
        _optional(table, "occupancy_status", pl.String),
        _optional(table, "trip_id_performed", pl.String),
    )
    rules = [
        Rule("location_ping_id is missing", pl.col("location_ping_id").is_null()),
        *_time_rules(day),
        Rule("vehicle_id is missing", pl.col("vehicle_id").is_null()),
        Rule(
            "latitude or longitude is missing or no number",
            ~(pl.col("latitude") + pl.col("longitude")).is_finite().fill_null(False),
        ),
        Rule("position is outside the city's bounds", _outside(day)),
    ]
    once = [
        Rule("location_ping_id came before in this file", ~pl.col("location_ping_id").is_first_distinct()),
        Rule("second position of the vehicle at the same time", ~pl.struct("vehicle_id", "at").is_first_distinct()),
    ]
    accepted, refused = _screen(typed, rules, once)
    rows = accepted.select(
        "location_ping_id",
        pl.lit(day.agency_id).alias("agency_id"),
        pl.lit(day.service_date).cast(pl.Date).alias("service_date"),
        pl.col("at").alias("event_timestamp"),
        *VehicleLocation.column_names()[4:],
    ).sort("vehicle_id", "event_timestamp")
    return Ingested(rows, _quarantine(refused, table, b""), table.rows.height, table.digest)


def ingest_fares(table: RawTable, day: ServiceDay, vehicles: Sequence[str] | None, key: bytes) -> Ingested:
    """Taps, sorted by vehicle and time, card numbers replaced by pseudonyms under `key`.

    `vehicles` are those with positions or in the timetable (nothing: not checked); a tap in another is quarantined.
    """
    typed = table.rows.with_columns(
        timestamps(table).alias("at"),
        _optional(table, "service_date", pl.String).str.to_date(strict=False).alias("own_date"),
        _optional(table, "device_id", pl.String),
        _optional(table, "trip_id_performed", pl.String),
        _optional(table, "fare_action", pl.String).fill_null("Unknown action type"),
        _optional(table, "amount", pl.Float64),
        _optional(table, "group_size", pl.Float64).fill_null(1).cast(pl.Int64, strict=False),
        _optional(table, "fare_media_id", pl.String),
    )
    rules = [
        Rule("transaction_id is missing", pl.col("transaction_id").is_null()),
        *_time_rules(day),
        Rule("vehicle_id is missing", pl.col("vehicle_id").is_null()),
        Rule("fare_action is no word of TIDES", ~pl.col("fare_action").is_in(FARE_ACTIONS)),
        Rule("group_size is not a positive number", pl.col("group_size").is_null() | (pl.col("group_size") < 1)),
    ]
    if vehicles is not None:
        unknown = ~pl.col("vehicle_id").is_in(list(vehicles))
        rules.append(Rule("unknown vehicle: no positions of it and not in the timetable", unknown))
    tap = pl.struct("fare_media_id", "vehicle_id", "fare_action", "at")
    once = [
        Rule("transaction_id came before in this file", ~pl.col("transaction_id").is_first_distinct()),
        Rule(
            "duplicated tap: same card, vehicle and time as a row before",
            pl.col("fare_media_id").is_not_null() & ~tap.is_first_distinct(),
        ),
    ]
    accepted, refused = _screen(typed, rules, once)
    rows = accepted.select(
        "transaction_id",
        pl.lit(day.agency_id).alias("agency_id"),
        pl.lit(day.service_date).cast(pl.Date).alias("service_date"),
        pl.col("at").alias("event_timestamp"),
        "vehicle_id",
        "device_id",
        "trip_id_performed",
        "fare_action",
        pseudonyms(accepted["fare_media_id"], key).alias("card_id"),
        "amount",
        "group_size",
        pl.lit(table.precision_s).alias("event_precision_s"),
    ).sort("vehicle_id", "event_timestamp", "transaction_id")
    return Ingested(rows, _quarantine(refused, table, key), table.rows.height, table.digest)


def nothing_ingested(schema: type[FareTransaction] | type[VehicleLocation]) -> Ingested:
    """What a feed that is not there gives: no rows, typed."""
    return Ingested(schema.create_empty(), Quarantined.create_empty(), 0, "none")


def _optional(table: RawTable, column: str, dtype: type[pl.DataType]) -> pl.Expr:
    if not table.has(column):
        return pl.lit(None, dtype=dtype).alias(column)
    return pl.col(column).str.strip_chars().cast(dtype, strict=False).alias(column)


def _time_rules(day: ServiceDay) -> list[Rule]:
    inside = pl.col("at").is_between(day.midnight, day.midnight + LONGEST_SERVICE_DAY)
    return [
        Rule("event_timestamp is missing", pl.col("event_timestamp").is_null()),
        Rule("event_timestamp cannot be read as a time", pl.col("at").is_null()),
        Rule("service_date is another than the feeds'", pl.col("own_date") != pl.lit(day.service_date).cast(pl.Date)),
        Rule("event_timestamp is outside the service day (wrong zone?)", ~inside),
    ]


def _outside(day: ServiceDay) -> pl.Expr:
    if day.bounds is None:
        return pl.lit(False)
    west, south, east, north = day.bounds
    margin = BOUNDS_MARGIN_DEG
    inside = pl.col("longitude").is_between(west - margin, east + margin) & pl.col("latitude").is_between(
        south - margin, north + margin
    )
    return ~inside


def _screen(rows: pl.DataFrame, *stages: Sequence[Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that break no rule, and those that do with the first reason of the first stage they fail."""
    refused = []
    for rules in stages:
        reason = pl.coalesce(pl.when(rule.broken.fill_null(False)).then(pl.lit(rule.reason)) for rule in rules)
        judged = rows.with_columns(reason.alias("reason"))
        refused.append(judged.filter(pl.col("reason").is_not_null()))
        rows = judged.filter(pl.col("reason").is_null()).drop("reason")
    return rows, pl.concat(refused)


def _quarantine(refused: pl.DataFrame, table: RawTable, key: bytes) -> pl.DataFrame:
    raw = pl.col("raw")
    if table.card_column is not None and refused.height:
        card = refused["raw"].struct.field(table.card_column)
        raw = raw.struct.with_fields(pseudonyms(card, key).alias(table.card_column))
    return refused.sort("line").select(
        pl.lit(table.file).alias("file"), "line", "reason", raw.struct.json_encode().alias("row")
    )
