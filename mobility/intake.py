"""Files into the lake: each once, whole or not at all, and what became of every row written down beside it.

A file is known by the digest of its content. Its parts are written beside the lake, moved to their places, and count
once the ledger names them. What a crash left half done is invisible, and the next intake removes it (mobility.ledger).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, time
from functools import partial
from pathlib import Path

import polars as pl

from mobility import lake as lakes
from mobility.errors import FeedError, LakeError
from mobility.ingest import Ingested, ingest_fares, ingest_locations
from mobility.ledger import ODD_CARDS, TABLES, FileReport, arriving, locked, remove_leftovers, report_in, write_json
from mobility.quarantine import reasons
from mobility.schemas import OddCard, Quarantined
from mobility.service_days import ServiceDay, ServiceDays
from mobility.sources.mapped_csv import SetApart
from mobility.sources.tides import RawTable, clock_times, timestamps
from mobility.sources.zones import is_iana_zone, midnight, offset_of


@dataclass(frozen=True)
class LakeDescription:
    """What all rows of a lake share (`lake.json`): the agency, its zone, and when its service day begins where rows
    have no date of their own (HH:MM of local time)."""

    agency_id: str
    zone: str
    service_day_start: str = "00:00"

    def days(self) -> ServiceDays:
        """The service days of rows by their own date or the clock."""
        return ServiceDays(self.agency_id, self.zone, time.fromisoformat(self.service_day_start))

    def day(self, service_date: date) -> ServiceDay:
        """The one service day of files whose rows are all of it."""
        return ServiceDay(self.agency_id, service_date, midnight(service_date, self.zone), None)


def read_description(lake: Path) -> LakeDescription:
    """What is written of a lake. Raises LakeError where there is none, or it is not to be read."""
    path = lake / lakes.DESCRIPTION
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return LakeDescription(**content)
    except FileNotFoundError:
        raise LakeError(
            f"{lake} is no lake: it has no {lakes.DESCRIPTION}; make one by jasyl mobility ingest"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise LakeError(f"{path} is no description of a lake: {error}") from error


def open_lake(lake: Path, description: LakeDescription) -> None:
    """Make the lake where there is none yet. Raises LakeError where it is there and of another agency or zone, and
    FeedError where the zone is none or the day begins at no whole minute."""
    if not is_iana_zone(description.zone):
        raise FeedError(f"zone '{description.zone}' is no IANA time zone such as Asia/Almaty")
    description.days()
    if not (lake / lakes.DESCRIPTION).exists():
        lake.mkdir(parents=True, exist_ok=True)
        write_json(lake / lakes.DESCRIPTION, asdict(description))
    there = read_description(lake)
    if there != description:
        raise LakeError(f"{lake} is a lake of {_said(there)}, and these files are of {_said(description)}")


def take_in(
    lake: Path,
    name: str,
    table: RawTable,
    *,
    key: bytes,
    service_date: date | None = None,
    set_apart: Sequence[SetApart] = (),
) -> FileReport:
    """Take one file into table `name` (fare_transactions or vehicle_locations) of a lake that `open_lake` has made.

    With `service_date` all rows are of that day; else each is of its own. `key` makes the pseudonyms of cards; it is
    written nowhere. The same content again changes nothing. Raises LakeError where another intake is at work, FeedError
    where the file's fixed offset is not that of the zone."""
    description = read_description(lake)
    days = description.days() if service_date is None else description.day(service_date)
    _assert_offset(table, description.zone)
    with locked(lake):
        remove_leftovers(lake)
        entry = lakes.ledger(lake, name) / f"{table.digest}.json"
        if entry.exists():
            return replace(report_in(entry), file=table.file, already=True)
        earlier = partial(_rows_of, lake, name)
        if name == "fare_transactions":
            ingested = ingest_fares(table, days, None, key, set_apart=set_apart, earlier=earlier)
        else:
            ingested = ingest_locations(table, days, earlier)
        report = FileReport(
            table.file,
            name,
            table.digest,
            ingested.read,
            ingested.accepted.height,
            ingested.quarantined.height,
            reasons(ingested.quarantined),
            tuple(day.isoformat() for day in _dates(ingested)),
        )
        _commit(lake, name, ingested, report, entry)
    return report


def _rows_of(lake: Path, name: str, dates: list[date], columns: list[str]) -> pl.DataFrame:
    """What the lake has of these service dates."""
    schema = TABLES[name]
    rows = [schema.create_empty().lazy(), *(lakes.scan(lake, name, schema, day) for day in dates)]
    return pl.concat(rows).select(columns).collect()


def _dates(ingested: Ingested) -> list[date]:
    """The service dates whose flows a file has a say in: those of its rows, and of cards it tells to be odd."""
    told = [] if ingested.odd_cards is None else [ingested.odd_cards["service_date"]]
    return pl.concat([ingested.accepted["service_date"], *told]).unique().sort().to_list()


def _commit(lake: Path, name: str, ingested: Ingested, report: FileReport, entry: Path) -> None:
    building = arriving(lake)
    accepted = ingested.accepted
    for day in accepted["service_date"].unique().sort():
        of_day = accepted["service_date"] == day
        # most files are of one day, and one is too large to stand in memory twice
        rows = accepted if of_day.all() else accepted.filter(of_day)
        lakes.write(building, name, TABLES[name], rows, day, part=report.digest)
    odd = ingested.odd_cards if ingested.odd_cards is not None else OddCard.create_empty()
    for day, cards in sorted(odd.partition_by("service_date", as_dict=True).items()):
        lakes.write(building, ODD_CARDS, OddCard, cards, day[0], part=report.digest)
    if report.quarantined:
        path = building / "quarantine" / name / f"{report.digest}.parquet"
        lakes.write_parquet(Quarantined.validate(ingested.quarantined, cast=True), path)
    for part in sorted(building.rglob("*.parquet")):
        place = lake / part.relative_to(building)
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
    write_json(entry, asdict(report))
    shutil.rmtree(building, ignore_errors=True)


def _assert_offset(table: RawTable, zone: str) -> None:
    """A fixed offset in a mapping is right only for as long as the zone's rules do not change."""
    if offset_of(table.zone) is None:
        return
    at = timestamps(table)
    times = table.rows.select("line", at.alias("at"), clock_times(table).alias("clock"))
    local = pl.col("at").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    wrong = times.filter(pl.col("clock").is_not_null() & (local != pl.col("clock")))
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise FeedError(
            f"{table.file}, line {row['line']}: the mapping says {table.zone}, and on {row['clock']:%Y-%m-%d} "
            f'the clock of {zone} was another; write zone = "{zone}" in the mapping'
        )


def _said(description: LakeDescription) -> str:
    return f"agency {description.agency_id} in {description.zone} whose day begins at {description.service_day_start}"
