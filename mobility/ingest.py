"""Raw rows to typed rows of the lake; what is refused is kept with its file, line and reason.

Rows read = rows accepted + rows quarantined, always. Rules about one row are applied before rules about several, so a
broken row never makes a good one a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import dataframely as dy
import numpy as np
import polars as pl

from mobility.clustering import clustered
from mobility.ledger import BROUGHT_BY_ANOTHER
from mobility.odd_taps import odd_cards, ridden
from mobility.privacy import monthly_pseudonyms
from mobility.quarantine import Repetition, Rule, quarantined, screen
from mobility.runs import runs_of
from mobility.schemas import FareTransaction, Quarantined, VehicleLocation
from mobility.service_days import LONGEST_SERVICE_DAY, Bounds, ServiceDay, ServiceDays, own_dates
from mobility.sources.mapped_csv import SetApart
from mobility.sources.tides import RawTable, clock_times, number, own_text, repeated_text, text, timestamps
from mobility.threads import both

Earlier = Callable[[list[date], list[str]], pl.DataFrame]
BOUNDS_MARGIN_DEG = 0.03
LARGEST_GROUP = 1000
FARE_ACTIONS = (
    *("Unknown action type", "Purchase", "Enter", "Enter vehicle", "Exit", "Transfer entrance", "Transfer exit", "Add"),
    *("New", "Capture", "Extend", "Combine", "Void", "Activate", "Adjust", "Other"),
)


TIME_RULES: Final = (
    Rule("event_timestamp is missing", pl.col("event_timestamp").is_null()),
    Rule("event_timestamp is no time of its zone: the clock was set forward over it", pl.col("skipped")),
    Rule("event_timestamp cannot be read as a time", pl.col("at").is_null()),
    Rule("service_date is no date", pl.col("no_date")),
    Rule("service_date is another than the feeds'", pl.col("other_date")),
    Rule("event_timestamp is outside the service day (wrong zone?)", pl.col("outside")),
)


@dataclass(frozen=True)
class Ingested:
    """Rows of one file: `accepted` under the lake's schema with names that repeat as categories, `quarantined` under
    Quarantined, `read` in all; and the cards it tells are no passenger's (OddCard), where it holds taps."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    read: int
    digest: str
    odd_cards: pl.DataFrame | None = None


def ingest_locations(table: RawTable, day: ServiceDay | ServiceDays, earlier: Earlier | None = None) -> Ingested:
    """Vehicle positions, sorted by vehicle and time. `earlier`: gives some columns of the rows of VehicleLocation that
    are in the lake already of some service dates, of which no second is taken."""
    named = ("vehicle_id", "trip_id_performed", "occupancy_status")
    dated, texts = both(
        lambda: _dated(table, day),
        lambda: [own_text(table, "location_ping_id"), *(repeated_text(table, column) for column in named)],
    )
    typed = dated.with_columns(
        *texts, *(number(table, column) for column in ("latitude", "longitude", "speed", "heading"))
    )
    rules = [
        Rule("location_ping_id is missing", pl.col("location_ping_id").is_null()),
        *TIME_RULES,
        Rule("vehicle_id is missing", pl.col("vehicle_id").is_null()),
        Rule(
            "latitude or longitude is missing or no number",
            ~(pl.col("latitude") + pl.col("longitude")).is_finite().fill_null(False),
        ),
        Rule(
            "latitude or longitude is no place on earth",
            ~(pl.col("latitude").is_between(-90, 90) & pl.col("longitude").is_between(-180, 180)),
        ),
        Rule(
            "latitude and longitude are 0: the receiver had no fix",
            (pl.col("latitude") == 0) & (pl.col("longitude") == 0),
        ),
        Rule("position is outside the city's bounds", _outside(day.bounds)),
    ]
    once: list[Rule | Repetition] = [
        Repetition("location_ping_id came before in this file", ("service_date", "location_ping_id")),
        Repetition("second position of the vehicle at the same time", ("vehicle_id", "at")),
        Rule(f"location_ping_id is in the lake already, {BROUGHT_BY_ANOTHER}", pl.col("known_id")),
        Rule(f"the lake has a position of the vehicle at this time, {BROUGHT_BY_ANOTHER}", pl.col("known_event")),
    ]
    typed = _known(typed, earlier, "location_ping_id", ["vehicle_id"])
    accepted, refused = screen(typed, rules, once)
    rows = _of_agency(clustered(_stamped(accepted, VehicleLocation)), day, VehicleLocation)
    return Ingested(rows, quarantined(refused, table, None), table.read, table.digest)


def ingest_fares(
    table: RawTable,
    day: ServiceDay | ServiceDays,
    vehicles: Sequence[str] | None,
    key: bytes,
    *,
    set_apart: Sequence[SetApart] = (),
    earlier: Earlier | None = None,
) -> Ingested:
    """Taps, sorted by vehicle and time, card numbers replaced by pseudonyms under the month's key, made of `key`.

    `vehicles` are those with positions or in the timetable (nothing: not checked); a tap in another is quarantined.
    `set_apart` are the mapping's rows to keep apart. `earlier`: gives some columns of the rows of
    FareTransaction that are in the lake already of some service dates, of which no second is taken."""
    typed = _typed_taps(table, day, key)
    typed = _known(typed, earlier, "transaction_id", ["vehicle_id", "card_id", "fare_action"])
    has_card = pl.col("card_id").is_not_null()
    once: list[Rule | Repetition] = [
        Repetition("transaction_id came before in this file", ("service_date", "transaction_id")),
        Repetition(
            "duplicated tap: same card, vehicle and time as a row before",
            ("card_id", "vehicle_id", "fare_action", "at"),
            has_card,
        ),
        Rule(f"transaction_id is in the lake already, {BROUGHT_BY_ANOTHER}", pl.col("known_id")),
        Rule(f"duplicated tap: the lake has it already, {BROUGHT_BY_ANOTHER}", has_card & pl.col("known_event")),
    ]
    accepted, refused = screen(typed, _tap_rules(vehicles), once)
    rides, odd = ridden(accepted, set_apart, table.precision_s)
    rides = rides.with_columns(
        pl.col("group_size").cast(pl.Int64), pl.lit(table.precision_s).alias("event_precision_s")
    )
    rows = _of_agency(clustered(_stamped(rides, FareTransaction), "transaction_id"), day, FareTransaction)
    kept = quarantined(pl.concat([refused, odd]), table, key)
    return Ingested(rows, kept, table.read, table.digest, odd_cards(odd, set_apart))


def _typed_taps(table: RawTable, day: ServiceDay | ServiceDays, key: bytes) -> pl.DataFrame:
    """The rows with their columns in the types of the lake's table, as far as they can be read, and `card_id`."""
    typed = _dated(table, day).with_columns(
        own_text(table, "transaction_id"),
        text(table, "fare_media_id"),
        *(repeated_text(table, column) for column in ("vehicle_id", "device_id", "trip_id_performed")),
        repeated_text(table, "fare_action").fill_null("Unknown action type"),
        number(table, "amount"),
        pl.when(text(table, "group_size").is_null())
        .then(1.0)
        .otherwise(number(table, "group_size"))
        .alias("group_size"),
    )
    cards = monthly_pseudonyms(typed["fare_media_id"], typed["service_date"], key)
    return typed.with_columns(cards.alias("card_id"))


def _tap_rules(vehicles: Sequence[str] | None) -> list[Rule]:
    rules = [
        Rule("transaction_id is missing", pl.col("transaction_id").is_null()),
        *TIME_RULES,
        Rule("vehicle_id is missing", pl.col("vehicle_id").is_null()),
        Rule("fare_action is no word of TIDES", ~pl.col("fare_action").is_in(FARE_ACTIONS)),
        Rule("group_size is not a positive number", pl.col("group_size").is_null() | (pl.col("group_size") < 1)),
        Rule(
            f"group_size is no whole number up to {LARGEST_GROUP}",
            (pl.col("group_size") != pl.col("group_size").round()) | (pl.col("group_size") > LARGEST_GROUP),
        ),
    ]
    if vehicles is not None:
        unknown = ~pl.col("vehicle_id").is_in(list(vehicles))
        rules.append(Rule("unknown vehicle: no positions of it and not in the timetable", unknown))
    return rules


def nothing_ingested(schema: type[FareTransaction] | type[VehicleLocation]) -> Ingested:
    """What a feed that is not there gives: no rows, typed."""
    return Ingested(schema.create_empty(), Quarantined.create_empty(), 0, "none")


def _dated(table: RawTable, day: ServiceDay | ServiceDays) -> pl.DataFrame:
    """The rows with `at` (UTC), `service_date`, and what speaks against these (columns of TIME_RULES)."""
    at, own_date = timestamps(table), own_dates(table)
    given = table.rows.select(
        at.alias("at"),
        own_date.alias("own_date"),
        (at.is_null() & clock_times(table).is_not_null()).alias("skipped"),
        (text(table, "service_date").is_not_null() & own_date.is_null()).alias("no_date"),
    )
    # within a minute of the clock nothing changes, and rows of one minute mostly stand together
    minute = given.select("own_date", pl.col("at").dt.epoch("ms") // 60_000)
    first, rows = runs_of(minute, minute.columns if table.has("service_date") else ["at"])
    days = given[first].select("own_date", "at", day.dates().alias("service_date"))
    days = days.select("service_date", day.midnights().alias("start"))
    days = days[np.repeat(np.arange(len(first), dtype=np.uint32), rows)]
    start = days["start"]
    judged = given.with_columns(
        days["service_date"],
        (pl.col("own_date") != days["service_date"]).alias("other_date"),
        (~pl.col("at").is_between(start, start + LONGEST_SERVICE_DAY)).alias("outside"),
    )
    judged = judged.drop("own_date")
    # a file may have a column of any name
    return table.rows.drop(judged.columns, strict=False).hstack(judged)


def _dates(rows: pl.DataFrame) -> list[date]:
    """The service dates of the rows whose time can be read or that give one."""
    return rows["service_date"].unique().drop_nulls().sort().to_list()


def _outside(bounds: Bounds | None) -> pl.Expr:
    if bounds is None:
        return pl.lit(False)
    west, south, east, north = bounds
    margin = BOUNDS_MARGIN_DEG
    inside = pl.col("longitude").is_between(west - margin, east + margin) & pl.col("latitude").is_between(
        south - margin, north + margin
    )
    return ~inside


def _known(rows: pl.DataFrame, earlier: Earlier | None, identity: str, event: list[str]) -> pl.DataFrame:
    """The rows with `known_id`, `known_event`: whether `earlier` has the id on that date, or the event at that time."""
    rows = rows.drop("known_id", "known_event", strict=False)
    columns = ["service_date", identity, *event, "event_timestamp"]
    seen = pl.DataFrame() if earlier is None else earlier(_dates(rows), columns)
    if seen.is_empty():
        return rows.with_columns(pl.lit(False).alias("known_id"), pl.lit(False).alias("known_event"))
    seen = seen.with_columns(pl.col(name).cast(rows.schema[name]) for name in event)
    ids = seen.select("service_date", identity).unique().with_columns(pl.lit(True).alias("known_id"))
    events = seen.select(*event, pl.col("event_timestamp").alias("at")).unique()
    events = events.with_columns(pl.lit(True).alias("known_event"))
    return (
        rows.join(ids, on=["service_date", identity], how="left", maintain_order="left")
        .join(events, on=[*event, "at"], how="left", maintain_order="left")
        .with_columns(pl.col("known_id", "known_event").fill_null(False))
    )


def _stamped(rows: pl.DataFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    """The columns of the lake's table, the agency apart."""
    return rows.with_columns(pl.col("at").alias("event_timestamp")).select(
        name for name in schema.column_names() if name != "agency_id"
    )


def _of_agency(rows: pl.DataFrame, day: ServiceDay | ServiceDays, schema: type[dy.Schema]) -> pl.DataFrame:
    agency = pl.lit(day.agency_id, dtype=pl.Enum([day.agency_id]))
    return rows.with_columns(agency.alias("agency_id")).select(schema.column_names())
