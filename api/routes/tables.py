"""What all tables of flows have in common over HTTP: filters, pages, formats, and how they are described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Query, Response

from api.errors import NotAcceptableError
from api.flows import Filters, Page
from api.flows_examples import Row
from api.formats import MEDIA_TYPES, PROTOBUF, ROWS, Format, encoded
from api.problems import problem_responses
from api.routes.accept import chosen_type
from api.service import Limit, Offset

ServiceDate = Annotated[date | None, Query(description="Only this service date.", examples=["2025-03-03"])]
Hour = Annotated[
    int | None,
    Query(ge=0, le=47, description="Only this local hour of the service date; 24 is past midnight.", examples=[7]),
]
Line = Annotated[str | None, Query(max_length=200, description="Only this line.", examples=["10"])]
Stop = Annotated[str | None, Query(max_length=200, description="Only rows with this stop.", examples=["stop_12"])]
Accept = Annotated[
    str | None, Header(max_length=2000, description="Format where the query names none.", examples=["text/csv"])
]
RowsFormat = Literal[Format.JSON, Format.CSV, Format.PARQUET]


@dataclass(frozen=True)
class Asked:
    """Which page is wanted, and how. The formats of `form` are those of the kind of table, below."""

    form: Format | None = None
    service_date: ServiceDate = None
    limit: Limit = 1000
    offset: Offset = 0
    accept: Accept = None


@dataclass(frozen=True)
class AskedRows(Asked):
    """A page of rows that are nothing but rows."""

    form: Annotated[
        RowsFormat | None, Query(alias="format", description="Format; goes before Accept.", examples=["csv"])
    ] = None


@dataclass(frozen=True)
class AskedMap(Asked):
    """A page of rows that have a place on the map."""

    form: Annotated[
        Literal[RowsFormat, Format.GEOJSON] | None,
        Query(alias="format", description="Format; goes before Accept.", examples=["geojson"]),
    ] = None


@dataclass(frozen=True)
class AskedMatrix(Asked):
    """A page of rows that make up a matrix, or the matrix."""

    form: Annotated[
        Literal[RowsFormat, Format.OMX] | None,
        Query(
            alias="format",
            description="Format; goes before Accept. omx is the whole, and has no pages.",
            examples=["omx"],
        ),
    ] = None


def asked_in(forms: Sequence[Format]) -> type[Asked]:
    """How a table is asked for that is given out in these formats."""
    return AskedMatrix if Format.OMX in forms else AskedMap if Format.GEOJSON in forms else AskedRows


AskedPage = Annotated[Asked, Depends(AskedRows)]


def by_line(line: Line = None) -> Filters:
    """Tables without hours and stops."""
    return Filters(line=line)


def by_line_stop(line: Line = None, stop: Stop = None) -> Filters:
    """Tables without hours."""
    return Filters(line=line, stop=stop)


def by_hour_line(hour: Hour = None, line: Line = None) -> Filters:
    """Tables of roads."""
    return Filters(hour=hour, line=line)


def by_hour_stop(hour: Hour = None, stop: Stop = None) -> Filters:
    """Tables that join lines."""
    return Filters(hour=hour, stop=stop)


def by_hour_line_stop(hour: Hour = None, line: Line = None, stop: Stop = None) -> Filters:
    """Tables of lines at stops."""
    return Filters(hour=hour, line=line, stop=stop)


def table_responses(row: Row, forms: Sequence[Format] = ROWS) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that gives out a table with such rows."""
    return {
        200: {
            "description": "The rows of this page.",
            "content": {
                media_type: described for form in forms for media_type, described in _described(form, row).items()
            },
            "headers": {"X-Total-Count": {"description": "Rows in all.", "schema": {"type": "integer"}}},
        },
        **problem_responses(401, 403, 404, 406, 409),
    }


def _described(form: Format, row: Row) -> dict[str, dict[str, Any]]:
    text = ",".join(row) + "\n" + ",".join("" if value is None else str(value) for value in row.values()) + "\n"
    line = {"type": "LineString", "coordinates": [[71.4301, 51.1288], [71.4315, 51.1288]]}
    feature = {"type": "Feature", "geometry": line, "properties": row}
    shown: dict[Format, tuple[dict[str, Any], Any]] = {
        Format.JSON: ({"type": "array", "items": {"type": "object"}}, [row]),
        Format.CSV: ({"type": "string"}, text),
        Format.PARQUET: ({"type": "string", "format": "binary"}, "PAR1…"),
        Format.GEOJSON: ({"type": "object"}, {"type": "FeatureCollection", "features": [feature]}),
        Format.OMX: ({"type": "string", "format": "binary"}, "\N{REPLACEMENT CHARACTER}HDF…"),
    }
    schema, example = shown[form]
    return {media_type: {"schema": schema, "example": example} for media_type in MEDIA_TYPES[form]}


def protobuf_responses() -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that gives out a GTFS-Realtime message."""
    described = {"schema": {"type": "string", "format": "binary"}, "example": "a FeedMessage"}
    return {
        200: {"description": "A FeedMessage.", "content": dict.fromkeys(PROTOBUF, described)},
        **problem_responses(401, 403, 404, 406, 409),
    }


def chosen_format(asked: Asked, forms: Sequence[Format] = ROWS) -> tuple[Format, str]:
    """The format that was asked for, of `forms`, and the media type that names it to who asked.

    Raises NotAcceptableError where it is none of these."""
    if asked.form is not None:
        return asked.form, MEDIA_TYPES[asked.form][0]
    offered = {media_type: form for form in forms for media_type in MEDIA_TYPES[form]}
    wanted = acceptable(asked.accept, tuple(offered))
    return offered[wanted], wanted


def acceptable(accept: str | None, offered: Sequence[str]) -> str:
    """The media type to answer in. Raises NotAcceptableError."""
    wanted = chosen_type(accept, offered)
    if wanted is None:
        raise NotAcceptableError(f"This is served as {', '.join(offered)}.")
    return wanted


def page_response(page: Page, form: Format, media_type: str) -> Response:
    """The rows of a page in a format, and how many there are in all."""
    headers = {"X-Total-Count": str(page.total), "Vary": "Accept, Authorization"}
    return Response(encoded(page.rows, form), headers=headers, media_type=media_type)
