"""Sets of flows, and single legs for their own agency."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api import flows
from api.flows import Filters
from api.flows_examples import LEG_EXAMPLE
from api.problems import problem_responses
from api.routes.paths import FlowsId
from api.routes.tables import AskedPage, by_line_stop, chosen_format, page_response, table_responses
from api.schemas import FlowsOut
from api.service import InService, Limit, Offset, Operator, Staff

router = APIRouter(prefix="/flows", tags=["flows"])


@router.get("", summary="List flows", responses=problem_responses(401, 403))
def list_flows(service: InService, actor: Staff, limit: Limit = 100, offset: Offset = 0) -> list[FlowsOut]:
    """Flows of jobs and imports, the newest first."""
    with service.store.read() as session:
        return [FlowsOut.model_validate(row) for row in flows.list_flows(session, limit=limit, offset=offset)]


@router.get(
    "/{flows_id}/legs",
    summary="Single legs, for the agency they are of",
    response_class=Response,
    responses=table_responses(LEG_EXAMPLE),
)
def legs(
    service: InService,
    actor: Operator,
    flows_id: FlowsId,
    asked: AskedPage,
    filters: Annotated[Filters, Depends(by_line_stop)],
) -> Response:
    """Rides of single cards under their pseudonyms: only to an operator whose key names an agency, only of that agency,
    and every reading goes into the audit."""
    form, media_type = chosen_format(asked)
    with service.store.write() as session:
        page = flows.legs_page(
            session,
            flows.get_flows(session, flows_id),
            filters.on(asked.service_date),
            actor=actor,
            now=service.now(),
            limit=asked.limit,
            offset=asked.offset,
        )
    answer = page_response(page, form, media_type)
    answer.headers["Cache-Control"] = "no-store"
    return answer
