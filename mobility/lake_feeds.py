"""One service day of a lake as the feeds of that day: rows that were ingested before, with no door left to pass."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from mobility import lake as lakes
from mobility.ingest import Ingested
from mobility.ledger import TABLES
from mobility.schemas import FareTransaction, Quarantined
from mobility.sources.manifest import Manifest
from mobility.sources.tides import RawTable


def lake_table(lake: Path, name: str, manifest: Manifest) -> RawTable | None:
    """A table's rows of the service date, clustered by vehicle and time; nothing where the lake has none."""
    schema = TABLES[name]
    rows = lakes.scan(lake, name, schema, manifest.service_date).collect()
    if rows.is_empty():
        return None
    order = ["vehicle_id", "event_timestamp", *(name for name in schema.primary_key() if name != "service_date")]
    return RawTable(name, "lake", rows.sort(order), manifest.zone, card_column=None)


def accepted_before(table: RawTable) -> Ingested:
    """The rows of a lake's table, which was screened when its files were taken in."""
    return Ingested(table.rows, Quarantined.create_empty(), table.rows.height, table.digest)


def taps_of_the_day_before(manifest: Manifest) -> pl.DataFrame | None:
    """The taps a lake has of the day before; nothing where the feeds are no lake."""
    if manifest.lake is None:
        return None
    before = manifest.service_date - timedelta(days=1)
    return lakes.scan(manifest.lake, "fare_transactions", FareTransaction, before).collect()
