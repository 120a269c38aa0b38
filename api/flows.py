"""Passenger flows as the service gives them out: boardings, OD and loads from a flows folder, small counts left out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import dataframely as dy
import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.errors import ConflictError, NotFoundError
from api.store import FlowsRow
from mobility import lake, privacy, schemas


class FlowsTable(StrEnum):
    """What can be asked of flows."""

    BOARDINGS = "boardings"
    OD = "od"
    LOADS = "loads"


class Format(StrEnum):
    """In what it is given out."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
}


@dataclass(frozen=True)
class _Source:
    """Where a table lies in a flows folder, and in which order its rows are given out."""

    name: str
    schema: type[dy.Schema]
    order: tuple[str, ...]
    counts_cards: bool


_SOURCES = {
    FlowsTable.BOARDINGS: _Source(
        "boardings", schemas.Boarding, ("service_date", "quarter_start", "stop_id", "line"), True
    ),
    FlowsTable.OD: _Source(
        "od_flows", schemas.OdFlow, ("service_date", "hour", "origin_stop_id", "destination_stop_id"), True
    ),
    FlowsTable.LOADS: _Source(
        "line_loads", schemas.LineLoad, ("service_date", "line", "hour", "from_stop", "to_stop"), False
    ),
}


@dataclass(frozen=True)
class Page:
    """Some rows of a table, and how many there are in all."""

    rows: pl.DataFrame
    total: int


def add_flows(
    session: Session, folder: Path, *, scenario_id: str | None, job_id: str | None, now: datetime
) -> FlowsRow | None:
    """Make a flows folder known, within the caller's transaction; None where it is known already."""
    place = str(folder.resolve())
    if session.scalars(select(FlowsRow).where(FlowsRow.folder == place)).first() is not None:
        return None
    flows_id = hashlib.sha256(f"flows {place}".encode()).hexdigest()[:32]
    row = FlowsRow(id=flows_id, scenario_id=scenario_id, job_id=job_id, folder=place, created_at=now)
    session.add(row)
    session.flush()
    return row


def get_flows(session: Session, flows_id: str) -> FlowsRow:
    """One set of flows. Raises NotFoundError."""
    row = session.get(FlowsRow, flows_id)
    if row is None:
        raise NotFoundError(f"There are no flows {flows_id}.")
    return row


def list_flows(session: Session, *, limit: int, offset: int) -> list[FlowsRow]:
    """Flows, the newest first."""
    query = select(FlowsRow).order_by(FlowsRow.created_at.desc(), FlowsRow.id)
    return list(session.scalars(query.limit(limit).offset(offset)))


def page(
    folder: Path,
    table: FlowsTable,
    *,
    min_cards: int,
    limit: int,
    offset: int,
    service_date: date | None = None,
    line: str | None = None,
    stop: str | None = None,
) -> Page:
    """Rows of one table in a fixed order; cells that rest on fewer than `min_cards` cards are left out.

    `stop` matches any stop column. Raises ConflictError where the files are gone or are not what they should be."""
    source = _SOURCES[table]
    if not folder.is_dir():
        raise ConflictError(f"The files of these flows are no longer there ({folder.name}); run the job again.")
    try:
        rows = lake.scan(folder, source.name, source.schema, service_date).collect()
        if source.counts_cards:
            rows = privacy.publish(rows, k=min_cards)
        if line is not None and "line" in rows.columns:
            rows = rows.filter(pl.col("line") == line)
        stops = [name for name in rows.columns if name.endswith("stop_id") or name in ("from_stop", "to_stop")]
        if stop is not None and stops:
            rows = rows.filter(pl.any_horizontal(pl.col(name) == stop for name in stops))
        rows = rows.sort(source.order)
    except pl.exceptions.PolarsError as error:
        raise ConflictError(f"Table {source.name} of these flows cannot be read: {error}") from error
    return Page(rows.slice(offset, limit), rows.height)


def encoded(rows: pl.DataFrame, form: Format) -> bytes:
    """The rows as a file of that format; times as ISO 8601 with their zone in JSON and CSV."""
    writers: dict[Format, Callable[[pl.DataFrame, io.BytesIO], None]] = {
        Format.JSON: lambda frame, out: frame.write_json(out),
        Format.CSV: lambda frame, out: frame.write_csv(out, datetime_format="%Y-%m-%dT%H:%M:%S%.3f%:z"),
        Format.PARQUET: lambda frame, out: frame.write_parquet(out),
    }
    out = io.BytesIO()
    writers[form](rows, out)
    return out.getvalue()
