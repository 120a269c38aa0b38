"""Jobs: the main line, run in the background."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, status

from api import jobs
from api.jobs import JobOrder, JobState
from api.problems import problem_responses
from api.requests import JobIn
from api.routes.paths import JobId
from api.schemas import JobOut
from api.service import InService, Limit, Offset, Staff

router = APIRouter(prefix="/jobs", tags=["jobs"])

State = Annotated[JobState | None, Query(description="Only jobs in this state.", examples=["running"])]


@router.get("", summary="List jobs", responses=problem_responses(401, 403))
def list_jobs(
    service: InService, actor: Staff, state: State = None, limit: Limit = 100, offset: Offset = 0
) -> list[JobOut]:
    """Jobs, the newest first."""
    with service.store.read() as session:
        rows = jobs.list_jobs(session, state=state, limit=limit, offset=offset)
        return [JobOut.model_validate(row) for row in rows]


@router.post(
    "", summary="Order a job", status_code=status.HTTP_202_ACCEPTED, responses=problem_responses(401, 403, 404, 409)
)
def order_job(service: InService, actor: Staff, wanted: JobIn) -> JobOut:
    """Queues the main line on a scenario (`run`: flows, plan, verdict), or the proof of a plan that is here already
    (`verify`). A job that the end of the service cuts off is taken up again at its next start."""
    order = JobOrder(
        kind=wanted.kind, seeds=wanted.seeds, begin_s=wanted.begin_s, end_s=wanted.end_s, plan_id=wanted.plan_id
    )
    row = jobs.order_job(
        service.store,
        wanted.scenario_id,
        order,
        jobs_folder=service.settings.jobs_folder,
        actor=actor,
        now=service.now(),
    )
    service.worker.wake()
    return JobOut.model_validate(row)


@router.get("/{job_id}", summary="Get a job", responses=problem_responses(401, 403, 404))
def get_job(service: InService, actor: Staff, job_id: JobId) -> JobOut:
    """One job: how far it is, and the plan and verdict it ended with."""
    with service.store.read() as session:
        return JobOut.model_validate(jobs.get_job(session, job_id))


@router.post("/{job_id}/cancel", summary="Cancel a queued job", responses=problem_responses(401, 403, 404, 409))
def cancel_job(service: InService, actor: Staff, job_id: JobId) -> JobOut:
    """Takes a job out of the queue; one that runs is not stopped."""
    return JobOut.model_validate(jobs.cancel_job(service.store, job_id, actor=actor, now=service.now()))
