"""One service day of a lake as the feeds of that day: rows that were ingested before, with no door left to pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from mobility import lake as lakes
from mobility.clustering import clustered
from mobility.ingest import Ingested
from mobility.ledger import ODD_CARDS, TABLES
from mobility.odd_taps import of_passengers
from mobility.schemas import FareTransaction, OddCard, Quarantined
from mobility.sources.manifest import Manifest
from mobility.sources.tides import REPEATED, RawTable

# what the steps from here on read of a position; of a tap all, as it may come out again as unplaced
POSITION: Final = ("location_ping_id", "event_timestamp", "vehicle_id", "trip_id_performed", "latitude", "longitude")


def lake_table(lake: Path, name: str, manifest: Manifest) -> RawTable | None:
    """A table's rows of the service date, clustered by vehicle and time, with names that repeat as categories; nothing
    where the lake has none. Of positions the columns of POSITION."""
    schema = TABLES[name]
    asked = POSITION if name == "vehicle_locations" else schema.column_names()
    repeated = [column for column in REPEATED if column in asked]
    # names that repeat are categories before they stand in memory as text
    read = lakes.scan(lake, name, schema, manifest.service_date).select(asked)
    rows = read.with_columns(pl.col(repeated).cast(pl.Categorical)).collect(engine="streaming")
    if rows.is_empty():
        return None
    if len(lakes.parts(lake, name, manifest.service_date)) > 1:
        # each part is clustered, together they are not
        (identity,) = (key for key in schema.primary_key() if key != "service_date")
        rows = clustered(rows, identity)
    return RawTable(name, "lake", rows, manifest.zone, card_column=None)


def passengers_taps(table: RawTable, manifest: Manifest) -> Ingested:
    """The taps of a lake's service date without those of cards that some file, or all of them together, tell to be no
    passenger's. These stay in the lake, and are counted here with their reason."""
    assert manifest.lake is not None
    known = lakes.scan(manifest.lake, ODD_CARDS, OddCard, manifest.service_date).collect()
    rides, apart = of_passengers(table.rows, known)
    told = apart.select(
        pl.lit(table.file).alias("file"),
        (pl.int_range(pl.len()) + 2).alias("line"),
        "reason",
        pl.struct("transaction_id", "vehicle_id", "card_id").struct.json_encode().alias("row"),
    )
    return Ingested(rides, Quarantined.validate(told, cast=True), table.rows.height, table.digest)


def accepted_before(table: RawTable) -> Ingested:
    """The rows of a lake's table, which was screened when its files were taken in."""
    return Ingested(table.rows, Quarantined.create_empty(), table.rows.height, table.digest)


def without_ids(locations: Ingested) -> Ingested:
    """A lake's positions without their ids, which nobody asks for once those on no path are told apart."""
    return replace(locations, accepted=locations.accepted.drop("location_ping_id"))


def taps_of_the_day_before(manifest: Manifest) -> pl.DataFrame | None:
    """The taps a lake has of the day before; nothing where the feeds are no lake."""
    if manifest.lake is None:
        return None
    before = manifest.service_date - timedelta(days=1)
    return lakes.scan(manifest.lake, "fare_transactions", FareTransaction, before).collect()
