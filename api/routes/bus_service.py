"""The service that was run: trips, headways, waits, punctuality, run times, speeds, delay at signals."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.flows import FlowsTable
from api.routes.paths import FlowsId
from api.routes.tables import AskedPage, Hour, Line, Stop, table_answer, table_responses
from api.service import InService, Staff

router = APIRouter(prefix="/flows", tags=["service"])


@router.get(
    "/{flows_id}/trips",
    summary="Trips driven beside trips planned",
    response_class=Response,
    responses=table_responses(FlowsTable.TRIPS),
)
def trips(service: InService, actor: Staff, flows_id: FlowsId, asked: AskedPage, line: Line = None) -> Response:
    """Each trip that was driven, with the planned trip it was, and each planned trip that nobody was seen to drive."""
    return table_answer(service, flows_id, FlowsTable.TRIPS, asked, line=line)


@router.get(
    "/{flows_id}/headways",
    summary="Headways at stops",
    response_class=Response,
    responses=table_responses(FlowsTable.HEADWAYS),
)
def headways(
    service: InService, actor: Staff, flows_id: FlowsId, asked: AskedPage, line: Line = None, stop: Stop = None
) -> Response:
    """Time since the bus of the line before at each departure, beside the planned one."""
    return table_answer(service, flows_id, FlowsTable.HEADWAYS, asked, line=line, stop=stop)


@router.get(
    "/{flows_id}/waits",
    summary="Wait and excess wait by stop and hour",
    response_class=Response,
    responses=table_responses(FlowsTable.WAITS),
)
def waits(
    service: InService,
    actor: Staff,
    flows_id: FlowsId,
    asked: AskedPage,
    hour: Hour = None,
    line: Line = None,
    stop: Stop = None,
) -> Response:
    """Mean wait of riders who come at random, as run and as planned, and how often buses bunched."""
    return table_answer(service, flows_id, FlowsTable.WAITS, asked, hour=hour, line=line, stop=stop)


@router.get(
    "/{flows_id}/punctuality",
    summary="Punctuality at timepoints",
    response_class=Response,
    responses=table_responses(FlowsTable.PUNCTUALITY),
)
def punctuality(
    service: InService,
    actor: Staff,
    flows_id: FlowsId,
    asked: AskedPage,
    hour: Hour = None,
    line: Line = None,
    stop: Stop = None,
) -> Response:
    """Departures that were early, on time and late by line, stop and hour."""
    return table_answer(service, flows_id, FlowsTable.PUNCTUALITY, asked, hour=hour, line=line, stop=stop)


@router.get(
    "/{flows_id}/run-times",
    summary="Run and dwell times from stop to stop",
    response_class=Response,
    responses=table_responses(FlowsTable.RUN_TIMES),
)
def run_times(
    service: InService,
    actor: Staff,
    flows_id: FlowsId,
    asked: AskedPage,
    hour: Hour = None,
    line: Line = None,
    stop: Stop = None,
) -> Response:
    """Medians and 85th percentiles by line and hour, beside the planned run."""
    return table_answer(service, flows_id, FlowsTable.RUN_TIMES, asked, hour=hour, line=line, stop=stop)


@router.get(
    "/{flows_id}/speeds",
    summary="Bus speeds on road segments",
    response_class=Response,
    responses=table_responses(FlowsTable.SPEEDS),
)
def speeds(
    service: InService, actor: Staff, flows_id: FlowsId, asked: AskedPage, hour: Hour = None, line: Line = None
) -> Response:
    """Speeds on the pieces of road that lines share, dwell at stops left out."""
    return table_answer(service, flows_id, FlowsTable.SPEEDS, asked, hour=hour, line=line)


@router.get(
    "/{flows_id}/signal-delays",
    summary="Delay of buses at signals",
    response_class=Response,
    responses=table_responses(FlowsTable.SIGNAL_DELAYS),
)
def signal_delays(
    service: InService, actor: Staff, flows_id: FlowsId, asked: AskedPage, hour: Hour = None, line: Line = None
) -> Response:
    """Delay over free flow at each signalised approach by hour."""
    return table_answer(service, flows_id, FlowsTable.SIGNAL_DELAYS, asked, hour=hour, line=line)
