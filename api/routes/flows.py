"""Passenger flows: boardings, OD and loads, as JSON, CSV or Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response

from api import flows
from api.errors import NotAcceptableError
from api.flows import MEDIA_TYPES, FlowsTable, Format
from api.problems import problem_responses
from api.routes.accept import chosen_type
from api.routes.paths import FlowsId
from api.schemas import FLOWS_EXAMPLES, FlowsOut
from api.service import InService, Limit, Offset, Service, Staff

router = APIRouter(prefix="/flows", tags=["flows"])

FormatChoice = Annotated[
    Format | None, Query(alias="format", description="Format; goes before Accept.", examples=["csv"])
]
ServiceDate = Annotated[date | None, Query(description="Only this service date.", examples=["2025-03-03"])]
Line = Annotated[str | None, Query(max_length=200, description="Only this line.", examples=["10"])]
Stop = Annotated[str | None, Query(max_length=200, description="Only rows with this stop.", examples=["stop_12"])]
Accept = Annotated[
    str | None, Header(max_length=2000, description="Format where the query names none.", examples=["text/csv"])
]


@dataclass(frozen=True)
class _Asked:
    """Which rows are wanted, and how."""

    form: FormatChoice = None
    service_date: ServiceDate = None
    stop: Stop = None
    limit: Limit = 1000
    offset: Offset = 0
    accept: Accept = None


@dataclass(frozen=True)
class _AskedOfLine(_Asked):
    """Rows of a table that has lines."""

    line: Line = None


Asked = Annotated[_Asked, Depends(_Asked)]
AskedOfLine = Annotated[_AskedOfLine, Depends(_AskedOfLine)]


def _table_responses(table: FlowsTable) -> dict[int | str, dict[str, Any]]:
    rows = FLOWS_EXAMPLES[table]
    text = ",".join(rows[0]) + "\n" + "\n".join(",".join(str(v) for v in row.values()) for row in rows) + "\n"
    return {
        200: {
            "description": "The rows of this page.",
            "content": {
                MEDIA_TYPES[Format.JSON]: {
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "example": rows,
                },
                MEDIA_TYPES[Format.CSV]: {"schema": {"type": "string"}, "example": text},
                MEDIA_TYPES[Format.PARQUET]: {"schema": {"type": "string", "format": "binary"}, "example": "PAR1…"},
            },
            "headers": {"X-Total-Count": {"description": "Rows in all.", "schema": {"type": "integer"}}},
        },
        **problem_responses(401, 403, 404, 406, 409),
    }


@router.get("", summary="List flows", responses=problem_responses(401, 403))
def list_flows(service: InService, actor: Staff, limit: Limit = 100, offset: Offset = 0) -> list[FlowsOut]:
    """Flows of jobs and imports, the newest first."""
    with service.store.read() as session:
        return [FlowsOut.model_validate(row) for row in flows.list_flows(session, limit=limit, offset=offset)]


@router.get(
    "/{flows_id}/boardings",
    summary="Boardings by stop, line and quarter-hour",
    response_class=Response,
    responses=_table_responses(FlowsTable.BOARDINGS),
)
def boardings(service: InService, actor: Staff, flows_id: FlowsId, asked: AskedOfLine) -> Response:
    """Passengers who board, scaled for those who pay cash. Cells with too few cards behind them are left out."""
    return _answer(service, flows_id, FlowsTable.BOARDINGS, asked, asked.line)


@router.get(
    "/{flows_id}/od",
    summary="Passengers between stops by hour",
    response_class=Response,
    responses=_table_responses(FlowsTable.OD),
)
def od_flows(service: InService, actor: Staff, flows_id: FlowsId, asked: Asked) -> Response:
    """Origin-destination matrix of journeys. Cells with too few cards behind them are left out."""
    return _answer(service, flows_id, FlowsTable.OD, asked)


@router.get(
    "/{flows_id}/loads",
    summary="Loads by line and segment",
    response_class=Response,
    responses=_table_responses(FlowsTable.LOADS),
)
def loads(service: InService, actor: Staff, flows_id: FlowsId, asked: AskedOfLine) -> Response:
    """Mean passengers aboard the buses of a line between two stops, by hour."""
    return _answer(service, flows_id, FlowsTable.LOADS, asked, asked.line)


def _answer(service: Service, flows_id: str, table: FlowsTable, asked: _Asked, line: str | None = None) -> Response:
    form = asked.form
    if form is None:
        wanted = chosen_type(asked.accept, tuple(MEDIA_TYPES.values()))
        form = next((known for known, media_type in MEDIA_TYPES.items() if media_type == wanted), None)
        if form is None:
            raise NotAcceptableError(f"Flows are served as {', '.join(MEDIA_TYPES.values())}.")
    with service.store.read() as session:
        folder = Path(flows.get_flows(session, flows_id).folder)
    page = flows.page(
        folder,
        table,
        min_cards=service.settings.min_cards,
        limit=asked.limit,
        offset=asked.offset,
        service_date=asked.service_date,
        line=line,
        stop=asked.stop,
    )
    headers = {"X-Total-Count": str(page.total), "Vary": "Accept, Authorization"}
    return Response(flows.encoded(page.rows, form), headers=headers, media_type=MEDIA_TYPES[form])
