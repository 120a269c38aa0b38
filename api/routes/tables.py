"""What all tables of flows have in common over HTTP: filters, pages, formats, and how they are described."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response

from api import flows
from api.errors import NotAcceptableError
from api.flows import MEDIA_TYPES, Filters, FlowsTable, Format, Page
from api.flows_examples import FLOWS_EXAMPLES, Row
from api.problems import problem_responses
from api.routes.accept import chosen_type
from api.service import Limit, Offset, Service

FormatChoice = Annotated[
    Format | None, Query(alias="format", description="Format; goes before Accept.", examples=["csv"])
]
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


@dataclass(frozen=True)
class Asked:
    """Which page is wanted, and how."""

    form: FormatChoice = None
    service_date: ServiceDate = None
    limit: Limit = 1000
    offset: Offset = 0
    accept: Accept = None


AskedPage = Annotated[Asked, Depends(Asked)]


def table_responses(example: FlowsTable | Row) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that gives out a table."""
    row = FLOWS_EXAMPLES[example] if isinstance(example, FlowsTable) else example
    text = ",".join(row) + "\n" + ",".join("" if value is None else str(value) for value in row.values()) + "\n"
    return {
        200: {
            "description": "The rows of this page.",
            "content": {
                MEDIA_TYPES[Format.JSON]: {
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "example": [row],
                },
                MEDIA_TYPES[Format.CSV]: {"schema": {"type": "string"}, "example": text},
                MEDIA_TYPES[Format.PARQUET]: {"schema": {"type": "string", "format": "binary"}, "example": "PAR1…"},
            },
            "headers": {"X-Total-Count": {"description": "Rows in all.", "schema": {"type": "integer"}}},
        },
        **problem_responses(401, 403, 404, 406, 409),
    }


def table_answer(
    service: Service,
    flows_id: str,
    table: FlowsTable,
    asked: Asked,
    *,
    hour: int | None = None,
    line: str | None = None,
    stop: str | None = None,
) -> Response:
    """One page of a published table. Raises NotAcceptableError, NotFoundError, ConflictError."""
    form = chosen_format(asked)
    with service.store.read() as session:
        folder = Path(flows.get_flows(session, flows_id).folder)
    page = flows.page(
        folder,
        table,
        Filters(asked.service_date, hour, line, stop),
        min_cards=service.settings.min_cards,
        limit=asked.limit,
        offset=asked.offset,
    )
    return page_response(page, form)


def chosen_format(asked: Asked) -> Format:
    """The format that was asked for. Raises NotAcceptableError where none that is served was."""
    if asked.form is not None:
        return asked.form
    wanted = chosen_type(asked.accept, tuple(MEDIA_TYPES.values()))
    form = next((known for known, media_type in MEDIA_TYPES.items() if media_type == wanted), None)
    if form is None:
        raise NotAcceptableError(f"Flows are served as {', '.join(MEDIA_TYPES.values())}.")
    return form


def page_response(page: Page, form: Format) -> Response:
    """The rows of a page in a format, and how many there are in all."""
    headers = {"X-Total-Count": str(page.total), "Vary": "Accept, Authorization"}
    return Response(flows.encoded(page.rows, form), headers=headers, media_type=MEDIA_TYPES[form])
