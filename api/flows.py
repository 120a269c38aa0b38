"""Flows as the service gives them out: published tables of a flows folder, and single legs to their own agency."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.actors import Actor, Role
from api.audit import record
from api.errors import ConflictError, ForbiddenError, NotFoundError
from api.formats import ROWS, Format
from api.store import FlowsRow
from mobility import lake
from mobility.errors import LakeError
from mobility.geo import ON_THE_MAP, drawn
from mobility.occupancy import Capacity, loads_around, occupancy_feed
from mobility.publication import published
from mobility.schemas import JourneyLeg


class FlowsTable(StrEnum):
    """What can be asked of flows: the last part of the path."""

    BOARDINGS = "boardings"
    OD = "od"
    LOADS = "loads"
    TRIPS = "trips"
    HEADWAYS = "headways"
    WAITS = "waits"
    PUNCTUALITY = "punctuality"
    RUN_TIMES = "run-times"
    SPEEDS = "speeds"
    SIGNAL_DELAYS = "signal-delays"


TABLES = {
    FlowsTable.BOARDINGS: "boardings",
    FlowsTable.OD: "od_flows",
    FlowsTable.LOADS: "line_loads",
    FlowsTable.TRIPS: "trips_performed",
    FlowsTable.HEADWAYS: "headways",
    FlowsTable.WAITS: "wait_times",
    FlowsTable.PUNCTUALITY: "punctuality",
    FlowsTable.RUN_TIMES: "run_times",
    FlowsTable.SPEEDS: "segment_speeds",
    FlowsTable.SIGNAL_DELAYS: "signal_delays",
}
"""Where each lies in a flows folder."""

FORMATS: dict[FlowsTable, tuple[Format, ...]] = {
    table: ROWS + ((Format.GEOJSON,) if name in ON_THE_MAP else ()) + ((Format.OMX,) if table is FlowsTable.OD else ())
    for table, name in TABLES.items()
}
"""In what each is given out."""


@dataclass(frozen=True)
class Filters:
    """Which rows are wanted; a filter whose column a table lacks takes all of it. `stop` matches any stop column, and
    `line` one of several where a row has several."""

    service_date: date | None = None
    hour: int | None = None
    line: str | None = None
    stop: str | None = None

    def on(self, service_date: date | None) -> Filters:
        """The same, of one service date."""
        return replace(self, service_date=service_date)


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
    folder: Path, table: FlowsTable, form: Format, filters: Filters, *, min_cards: int, limit: int, offset: int
) -> Page:
    """Rows of one table in a fixed order, as they may be published (mobility.publication; `min_cards` is its k), with
    their place on the map where `form` shows it. A matrix is one whole and has no pages.

    Raises ConflictError where the files are gone or are not what they should be."""
    _require_folder(folder)
    name = TABLES[table]
    try:
        chosen = _chosen(published(folder, name, k=min_cards, service_date=filters.service_date), filters)
        rows = chosen if form is Format.OMX else chosen.slice(offset, limit)
        if name in ON_THE_MAP and form in (Format.PARQUET, Format.GEOJSON):
            rows = drawn(folder, name, rows, filters.service_date)
    except LakeError as error:
        raise ConflictError(f"Table {name} of these flows cannot be read: {error}") from error
    return Page(rows, chosen.height)


def occupancy(folder: Path, at: datetime, line: str | None, capacity: Capacity, *, min_cards: int) -> bytes:
    """GTFS-Realtime of the buses under way at a moment, of one line or of all. Raises ConflictError as `page`, and
    MobilityError for a moment that GTFS-Realtime cannot say."""
    _require_folder(folder)
    try:
        loads = _chosen(loads_around(folder, at), Filters(line=line))
    except LakeError as error:
        raise ConflictError(f"Table link_loads of these flows cannot be read: {error}") from error
    return occupancy_feed(loads, at, k=min_cards, capacity=capacity)


def legs_page(
    session: Session, flows: FlowsRow, filters: Filters, *, actor: Actor, now: datetime, limit: int, offset: int
) -> Page:
    """Single legs of the agency that the actor's key names, within the caller's transaction, which records the reading.

    Raises ForbiddenError for a key that names none, and ConflictError as `page`."""
    if actor.role is not Role.OPERATOR or actor.agency is None:
        raise ForbiddenError(
            "Single legs go to an operator whose key names the agency they are of, and to nobody else."
        )
    folder = Path(flows.folder)
    _require_folder(folder)
    try:
        rows = lake.read(folder, "journey_legs", JourneyLeg, filters.service_date)
    except LakeError as error:
        raise ConflictError(f"Table journey_legs of these flows cannot be read: {error}") from error
    own = rows.filter(pl.col("agency_id") == actor.agency).sort("boarded_at", "leg_id")
    chosen = _chosen(own, filters)
    given = chosen.slice(offset, limit)
    asked = ", ".join(f"{name}={value}" for name, value in asdict(filters).items() if value is not None)
    detail = f"{given.height} legs of {actor.agency} from {offset}" + (f" ({asked})" if asked else "")
    record(session, now, actor, "read_legs", ("flows", flows.id), detail=detail)
    return Page(given, chosen.height)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ConflictError(f"The files of these flows are no longer there ({folder.name}); run the job again.")


def _chosen(rows: pl.DataFrame, filters: Filters) -> pl.DataFrame:
    if filters.hour is not None and "hour" in rows.columns:
        rows = rows.filter(pl.col("hour") == filters.hour)
    if filters.line is not None and "line" in rows.columns:
        rows = rows.filter(pl.col("line") == filters.line)
    if filters.line is not None and "lines" in rows.columns:
        rows = rows.filter(pl.col("lines").str.split(",").list.contains(filters.line))
    stops = [name for name in rows.columns if name.endswith("stop_id") or name in ("from_stop", "to_stop")]
    if filters.stop is not None and stops:
        rows = rows.filter(pl.any_horizontal(pl.col(name) == filters.stop for name in stops))
    return rows
