"""`jasyl mobility export`: published tables of a flows folder in the formats that models, maps and riders read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.errors import UnprocessableError
from api.formats import Format, encoded
from api.terminal import say
from mobility import privacy
from mobility.geo import drawn
from mobility.occupancy import Capacity, loads_around, occupancy_feed
from mobility.publication import PUBLISHABLE, published


class ExportFormat(StrEnum):
    """What a file of published flows is written as."""

    OMX = "omx"
    GEOPARQUET = "geoparquet"
    GEOJSON = "geojson"
    GTFS_RT = "gtfs-rt"
    CSV = "csv"
    PARQUET = "parquet"


# rows drawn on the map become GeoParquet
WRITTEN = {
    ExportFormat.OMX: Format.OMX,
    ExportFormat.GEOPARQUET: Format.PARQUET,
    ExportFormat.GEOJSON: Format.GEOJSON,
    ExportFormat.CSV: Format.CSV,
    ExportFormat.PARQUET: Format.PARQUET,
}


def export(
    flows: Annotated[Path, typer.Argument(help="Flows folder, as `jasyl flows` writes it.", show_default=False)],
    form: Annotated[ExportFormat, typer.Option("--format", help="Format of the file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File to write.", show_default=False)],
    table: Annotated[
        str | None,
        typer.Option(help=f"Table: {', '.join(PUBLISHABLE)}.", show_default="od_flows; on the map line_loads"),
    ] = None,
    service_date: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Only this service date.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            help="gtfs-rt: the moment, with its offset.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Cards that a cell needs to be published.")] = privacy.DEFAULT_K,
    seats: Annotated[int, typer.Option(help="gtfs-rt: seats of a bus.")] = Capacity.seats,
    places: Annotated[int, typer.Option(help="gtfs-rt: seats and standing places of a bus.")] = Capacity.places,
) -> None:
    """OD as OMX, loads and speeds for the map, occupancy as GTFS-Realtime, any published table as CSV or Parquet."""
    if not any((flows / known).is_dir() for known in PUBLISHABLE):
        raise UnprocessableError(f"{flows} is no flows folder: it has no table; make one with `jasyl flows`.")
    day = service_date.date() if service_date is not None else None
    if form is ExportFormat.GTFS_RT:
        _occupancy(flows, out, at, k, Capacity(seats, places))
        return
    on_the_map = form in (ExportFormat.GEOPARQUET, ExportFormat.GEOJSON)
    name = table or ("line_loads" if on_the_map else "od_flows")
    rows = published(flows, name, k=k, service_date=day)
    if form is ExportFormat.OMX and name != "od_flows":
        raise UnprocessableError(f"OMX holds matrices, and table {name} is none; leave out --table or give od_flows.")
    out.write_bytes(encoded(drawn(flows, name, rows, day) if on_the_map else rows, WRITTEN[form]))
    said = "" if PUBLISHABLE[name].margins is None else f", each on at least {k} cards"
    say(f"{rows.height} rows of {name} in {out}{said}")


def _occupancy(flows: Path, out: Path, at: datetime | None, k: int, capacity: Capacity) -> None:
    if at is None:
        raise UnprocessableError("GTFS-Realtime is of one moment: give --at, as 2025-03-03T08:00:00+0500.")
    out.write_bytes(occupancy_feed(loads_around(flows, at), at, k=k, capacity=capacity))
    say(f"occupancy of the buses under way at {at.isoformat()} in {out}")
