"""The tables of flows that may be published: one operation each, all of one shape, and the occupancy of buses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from api import flows
from api.flows import FORMATS, Filters, FlowsTable
from api.flows_examples import FLOWS_EXAMPLES
from api.formats import PROTOBUF
from api.routes.paths import FlowsId
from api.routes.tables import (
    Accept,
    Asked,
    Line,
    acceptable,
    asked_in,
    by_hour_line,
    by_hour_line_stop,
    by_hour_stop,
    by_line,
    by_line_stop,
    chosen_format,
    page_response,
    protobuf_responses,
    table_responses,
)
from api.service import InService, Service, Staff
from api.texts import Moment
from mobility.occupancy import Capacity

router = APIRouter(prefix="/flows")


@dataclass(frozen=True)
class Operation:
    """How the operation on one table is described, and by what its rows are chosen."""

    tag: str
    chosen: Callable[..., Filters]
    summary: str
    description: str


OPERATIONS: Final[dict[FlowsTable, Operation]] = {
    FlowsTable.BOARDINGS: Operation(
        "flows",
        by_line_stop,
        "Boardings by stop, line and quarter-hour",
        "Passengers who board, scaled for those who pay cash. Cells with too few cards behind them are left out.",
    ),
    FlowsTable.OD: Operation(
        "flows",
        by_hour_stop,
        "Passengers between stops by hour",
        "Origin-destination matrix of journeys. Cells with too few cards behind them are left out, and one more where "
        "a total would give them away. As OMX it is a matrix an hour of one service date.",
    ),
    FlowsTable.LOADS: Operation(
        "flows",
        by_hour_line_stop,
        "Loads by line and segment",
        "Mean passengers aboard the buses of a line between two stops, by hour. Segments with too few cards are left "
        "out; the passengers of an hour are rounded to a multiple of that number. GeoJSON and Parquet (GeoParquet) "
        "hold the way of the bus.",
    ),
    FlowsTable.TRIPS: Operation(
        "service",
        by_line,
        "Trips driven beside trips planned",
        "Each trip that was driven, with the planned trip it was, and each planned trip that nobody was seen to drive.",
    ),
    FlowsTable.HEADWAYS: Operation(
        "service",
        by_line_stop,
        "Headways at stops",
        "Time since the bus of the line before at each departure, beside the planned one.",
    ),
    FlowsTable.WAITS: Operation(
        "service",
        by_hour_line_stop,
        "Wait and excess wait by stop and hour",
        "Mean wait of riders who come at random, as run and as planned, and how often buses bunched.",
    ),
    FlowsTable.PUNCTUALITY: Operation(
        "service",
        by_hour_line_stop,
        "Punctuality at timepoints",
        "Departures that were early, on time and late by line, stop and hour.",
    ),
    FlowsTable.RUN_TIMES: Operation(
        "service",
        by_hour_line_stop,
        "Run and dwell times from stop to stop",
        "Medians and 85th percentiles by line and hour, beside the planned run.",
    ),
    FlowsTable.SPEEDS: Operation(
        "service",
        by_hour_line,
        "Bus speeds on road segments",
        "Speeds on the pieces of road that lines share, dwell at stops left out. GeoJSON and Parquet (GeoParquet) hold "
        "the piece of road.",
    ),
    FlowsTable.SIGNAL_DELAYS: Operation(
        "service",
        by_hour_line,
        "Delay of buses at signals",
        "Delay over free flow at each signalised approach by hour.",
    ),
}


def _add(table: FlowsTable, operation: Operation) -> None:
    forms = FORMATS[table]

    def answer(
        service: InService,
        actor: Staff,
        flows_id: FlowsId,
        asked: Asked = Depends(asked_in(forms)),
        filters: Filters = Depends(operation.chosen),
    ) -> Response:
        form, media_type = chosen_format(asked, forms)
        page = flows.page(
            _folder(service, flows_id),
            table,
            form,
            filters.on(asked.service_date),
            min_cards=service.settings.min_cards,
            limit=asked.limit,
            offset=asked.offset,
        )
        return page_response(page, form, media_type)

    router.add_api_route(
        f"/{{flows_id}}/{table}",
        answer,
        name=table.name.lower(),
        tags=[operation.tag],
        summary=operation.summary,
        description=operation.description,
        response_class=Response,
        responses=table_responses(FLOWS_EXAMPLES[table], forms),
    )


for known, described in OPERATIONS.items():
    _add(known, described)


@router.get(
    "/{flows_id}/occupancy",
    tags=["flows"],
    summary="How full each bus was at one moment",
    response_class=Response,
    responses=protobuf_responses(),
)
def occupancy(
    service: InService,
    actor: Staff,
    flows_id: FlowsId,
    at: Annotated[
        Moment,
        Query(description="The moment, with its offset (write %2B for +).", examples=["2025-03-03T08:00:00+05:00"]),
    ],
    line: Line = None,
    seats: Annotated[int, Query(ge=1, le=1000, description="Seats of a bus.", examples=[30])] = Capacity.seats,
    places: Annotated[
        int, Query(ge=1, le=1000, description="Seats and standing places of a bus.", examples=[85])
    ] = Capacity.places,
    accept: Accept = None,
) -> Response:
    """GTFS-Realtime VehiclePositions of the buses under way. One with too few cards aboard looks empty."""
    media_type = acceptable(accept, PROTOBUF)
    content = flows.occupancy(
        _folder(service, flows_id), at, line, Capacity(seats, places), min_cards=service.settings.min_cards
    )
    return Response(content, headers={"Vary": "Accept, Authorization"}, media_type=media_type)


def _folder(service: Service, flows_id: str) -> Path:
    with service.store.read() as session:
        return Path(flows.get_flows(session, flows_id).folder)
