"""Plans: in as drafts, approved by an engineer, published to the controllers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from pydantic import ValidationError

from api import plans, publication, scenarios
from api.envelope import Day, Provenance, Validity
from api.errors import UnprocessableError
from api.plans import Origin, PlanState
from api.problems import problem_responses
from api.requests import PlanIn, PublishIn, RejectIn
from api.routes.paths import PlanId
from api.schemas import PlanOut, PlanSummary, PublicationOut
from api.service import Engineer, InService, Limit, Offset, Service, Staff
from api.store import PlanRow

router = APIRouter(prefix="/plans", tags=["plans"])

State = Annotated[PlanState | None, Query(description="Only plans in this state.", examples=["verified"])]


@router.get("", summary="List plans", responses=problem_responses(401, 403))
def list_plans(
    service: InService, actor: Staff, state: State = None, limit: Limit = 100, offset: Offset = 0
) -> list[PlanSummary]:
    """Plans without their content, the newest first."""
    with service.store.read() as session:
        rows = plans.list_plans(session, state=state, limit=limit, offset=offset)
        return [PlanSummary.model_validate(row) for row in rows]


@router.post(
    "",
    summary="Offer a plan",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": PlanSummary, "description": "The plan is here already."},
        **problem_responses(401, 403, 404, 409),
    },
)
def offer_plan(service: InService, actor: Staff, offered: PlanIn, response: Response) -> PlanSummary:
    """Takes a plan in as a draft. It is held against the network of the scenario: a plan for another network is refused
    with 409, one with safety findings with 422 and the findings, and kept with them."""
    row, new = plans.register_plan(
        service.store,
        offered.plan,
        scenario_id=offered.scenario_id,
        origin=Origin.UPLOAD,
        actor=actor,
        now=service.now(),
    )
    if not new:
        response.status_code = status.HTTP_200_OK
    return PlanSummary.model_validate(row)


@router.get("/{plan_id}", summary="Get a plan", responses=problem_responses(401, 403, 404, 409))
def get_plan(service: InService, actor: Staff, plan_id: PlanId) -> PlanOut:
    """One plan with its content and what it was made from."""
    with service.store.read() as session:
        row = plans.get_plan(session, plan_id)
        return PlanOut(
            **PlanSummary.model_validate(row).model_dump(),
            provenance=Provenance.model_validate_json(row.provenance),
            plan=plans.content_of(row),
        )


@router.post("/{plan_id}/approve", summary="Approve a plan", responses=problem_responses(401, 403, 404, 409))
def approve_plan(service: InService, actor: Engineer, plan_id: PlanId) -> PlanSummary:
    """An engineer lets a verified plan, or a superseded one, go to the street. Refused where the safety checker has
    findings (422) or the latest verdict on exactly this plan does not accept it (409)."""
    return PlanSummary.model_validate(plans.approve_plan(service.store, plan_id, actor=actor, now=service.now()))


@router.post("/{plan_id}/reject", summary="Reject a plan", responses=problem_responses(401, 403, 404, 409))
def reject_plan(service: InService, actor: Engineer, plan_id: PlanId, refusal: RejectIn) -> PlanSummary:
    """An engineer refuses a plan that is not on the street; it is kept with the reason and never comes back."""
    row = plans.reject_plan(service.store, plan_id, refusal.reason, actor=actor, now=service.now())
    return PlanSummary.model_validate(row)


@router.post("/{plan_id}/publish", summary="Publish a plan", responses=problem_responses(401, 403, 404, 409))
def publish_plan(service: InService, actor: Staff, plan_id: PlanId, wanted: PublishIn) -> list[PublicationOut]:
    """Makes an approved plan the active one of its junctions, all at once, and supersedes the former one. Each
    controller gets its part in a signed envelope with the next sequence number. Refused with 409 where a controller
    runs a plan of another network, unless `new_network` says that the network has been changed."""
    with service.store.read() as session:
        validity = _validity(service, plans.get_plan(session, plan_id), wanted)
    rows = publication.publish_plan(
        service.store,
        plan_id,
        validity,
        signer=service.signer,
        actor=actor,
        now=service.now(),
        new_network=wanted.new_network,
    )
    return [PublicationOut.model_validate(row) for row in rows]


def _validity(service: Service, row: PlanRow, wanted: PublishIn) -> Validity:
    zone = wanted.zone
    if zone is None and row.scenario_id is not None:
        with service.store.read() as session:
            zone = scenarios.get_scenario(session, row.scenario_id).zone
    begin = wanted.valid_from or service.now()
    try:
        return Validity(
            days=wanted.days or tuple(Day),
            times=wanted.times,
            zone="UTC" if zone is None else zone,
            valid_from=begin,
            until=wanted.until or begin + timedelta(days=service.settings.validity_days),
        )
    except (ValidationError, OverflowError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UnprocessableError(f"The validity makes no sense: {said}.") from error
