"""Passenger flows: boardings, OD and loads as they may be published, and single legs for their own agency."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api import flows
from api.flows import Filters, FlowsTable
from api.flows_examples import LEG_EXAMPLE
from api.problems import problem_responses
from api.routes.paths import FlowsId
from api.routes.tables import (
    AskedPage,
    Hour,
    Line,
    Stop,
    chosen_format,
    page_response,
    table_answer,
    table_responses,
)
from api.schemas import FlowsOut
from api.service import InService, Limit, Offset, Operator, Staff

router = APIRouter(prefix="/flows", tags=["flows"])


@router.get("", summary="List flows", responses=problem_responses(401, 403))
def list_flows(service: InService, actor: Staff, limit: Limit = 100, offset: Offset = 0) -> list[FlowsOut]:
    """Flows of jobs and imports, the newest first."""
    with service.store.read() as session:
        return [FlowsOut.model_validate(row) for row in flows.list_flows(session, limit=limit, offset=offset)]


@router.get(
    "/{flows_id}/boardings",
    summary="Boardings by stop, line and quarter-hour",
    response_class=Response,
    responses=table_responses(FlowsTable.BOARDINGS),
)
def boardings(
    service: InService, actor: Staff, flows_id: FlowsId, asked: AskedPage, line: Line = None, stop: Stop = None
) -> Response:
    """Passengers who board, scaled for those who pay cash. Cells with too few cards behind them are left out."""
    return table_answer(service, flows_id, FlowsTable.BOARDINGS, asked, line=line, stop=stop)


@router.get(
    "/{flows_id}/od",
    summary="Passengers between stops by hour",
    response_class=Response,
    responses=table_responses(FlowsTable.OD),
)
def od_flows(
    service: InService, actor: Staff, flows_id: FlowsId, asked: AskedPage, hour: Hour = None, stop: Stop = None
) -> Response:
    """Origin-destination matrix of journeys. Cells with too few cards behind them are left out, and one more where a
    total would give them away."""
    return table_answer(service, flows_id, FlowsTable.OD, asked, hour=hour, stop=stop)


@router.get(
    "/{flows_id}/loads",
    summary="Loads by line and segment",
    response_class=Response,
    responses=table_responses(FlowsTable.LOADS),
)
def loads(
    service: InService,
    actor: Staff,
    flows_id: FlowsId,
    asked: AskedPage,
    hour: Hour = None,
    line: Line = None,
    stop: Stop = None,
) -> Response:
    """Mean passengers aboard the buses of a line between two stops, by hour. Segments with too few cards are left out;
    the passengers of an hour are rounded to a multiple of that number."""
    return table_answer(service, flows_id, FlowsTable.LOADS, asked, hour=hour, line=line, stop=stop)


@router.get(
    "/{flows_id}/legs",
    summary="Single legs, for the agency they are of",
    response_class=Response,
    responses=table_responses(LEG_EXAMPLE),
)
def legs(
    service: InService, actor: Operator, flows_id: FlowsId, asked: AskedPage, line: Line = None, stop: Stop = None
) -> Response:
    """Rides of single cards under their pseudonyms: only to an operator whose key names an agency, only of that agency,
    and every reading goes into the audit."""
    form = chosen_format(asked)
    with service.store.write() as session:
        page = flows.legs_page(
            session,
            flows.get_flows(session, flows_id),
            Filters(asked.service_date, None, line, stop),
            actor=actor,
            now=service.now(),
            limit=asked.limit,
            offset=asked.offset,
        )
    answer = page_response(page, form)
    answer.headers["Cache-Control"] = "no-store"
    return answer
