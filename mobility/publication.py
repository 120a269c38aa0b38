"""What of a flows folder may leave the operator, and in what form: k-anonymity on every table that holds passengers.

- boardings, od_flows: cells under k cards are left out, and more cells where totals known from elsewhere would give
  those away (mobility.suppression): boardings of a line and of a stop on a day; riders who set out from a stop, and
  who come to one, in an hour.
- line_loads: cells under k cards are left out; passengers of an hour are rounded to multiples of k, because the load
  after a stop less the load before it would otherwise tell a boarding cell that was left out.
- tables of the service hold buses alone and are published as they are.
Rows of single riders, of single buses' loads and of positions are the operator's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dataframely as dy
import polars as pl

from mobility import lake, schemas
from mobility.errors import MobilityError
from mobility.privacy import DEFAULT_K
from mobility.service import TABLES as SERVICE_TABLES
from mobility.suppression import publish


@dataclass(frozen=True)
class Publishable:
    """A table that may be published: its schema, the order of its rows, and (where it holds passengers) the totals
    that may be known (`margins` of mobility.suppression)."""

    schema: type[dy.Schema]
    order: tuple[str, ...]
    margins: tuple[tuple[str, ...], ...] | None = None


PUBLISHABLE: dict[str, Publishable] = {
    "boardings": Publishable(
        schemas.Boarding,
        ("service_date", "quarter_start", "stop_id", "line"),
        (("service_date", "line"), ("service_date", "stop_id")),
    ),
    "od_flows": Publishable(
        schemas.OdFlow,
        ("service_date", "hour", "origin_stop_id", "destination_stop_id"),
        (("service_date", "hour", "origin_stop_id"), ("service_date", "hour", "destination_stop_id")),
    ),
    "line_loads": Publishable(schemas.LineLoad, ("service_date", "line", "hour", "from_stop", "to_stop"), ()),
    "trips_performed": Publishable(
        SERVICE_TABLES["trips_performed"],
        ("service_date", "line", "schedule_trip_start", "trip_id_performed", "vehicle_id"),
    ),
    "headways": Publishable(
        SERVICE_TABLES["headways"], ("service_date", "line", "direction_id", "stop_id", "departure", "vehicle_id")
    ),
    "wait_times": Publishable(
        SERVICE_TABLES["wait_times"], ("service_date", "line", "direction_id", "stop_id", "hour")
    ),
    "punctuality": Publishable(
        SERVICE_TABLES["punctuality"], ("service_date", "line", "direction_id", "stop_id", "hour")
    ),
    "run_times": Publishable(SERVICE_TABLES["run_times"], ("service_date", "line", "from_stop", "to_stop", "hour")),
    "segment_speeds": Publishable(SERVICE_TABLES["segment_speeds"], ("service_date", "segment_id", "hour")),
    "signal_delays": Publishable(SERVICE_TABLES["signal_delays"], ("service_date", "approach_id", "hour")),
}


def published(flows: Path, table: str, *, k: int = DEFAULT_K, service_date: date | None = None) -> pl.DataFrame:
    """The rows of one table of a flows folder that may be published, in the order of PUBLISHABLE.

    Raises MobilityError for a table that may not, LakeError for one that cannot be read."""
    known = PUBLISHABLE.get(table)
    if known is None:
        raise MobilityError(f"table {table} is the operator's own; published are {', '.join(PUBLISHABLE)}")
    rows = lake.read(flows, table, known.schema, service_date).sort(known.order)
    if known.margins is None:
        return rows
    shown = publish(rows, k=k, margins=known.margins)
    return _rounded_loads(shown, k) if known.schema is schemas.LineLoad else shown


def _rounded_loads(loads: pl.DataFrame, k: int) -> pl.DataFrame:
    hourly = pl.col("load_pax") * pl.col("buses")
    return loads.with_columns(((hourly / k).round() * k / pl.col("buses")).round(3).alias("load_pax"))
