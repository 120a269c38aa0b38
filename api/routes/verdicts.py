"""Verdicts: what the simulator said of plans. They come from jobs and imports, never over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api import verdicts
from api.problems import problem_responses
from api.routes.paths import VerdictId
from api.schemas import VerdictOut, VerdictSummary
from api.service import InService, Limit, Offset, Staff

router = APIRouter(prefix="/verdicts", tags=["verdicts"])

OfPlan = Annotated[
    str | None,
    Query(max_length=64, description="Only those on this plan.", examples=["0123456789abcdef0123456789abcdef"]),
]


@router.get("", summary="List verdicts", responses=problem_responses(401, 403))
def list_verdicts(
    service: InService, actor: Staff, plan_id: OfPlan = None, limit: Limit = 100, offset: Offset = 0
) -> list[VerdictSummary]:
    """Verdicts without their figures, the latest first. Of a plan the latest one counts."""
    with service.store.read() as session:
        rows = verdicts.list_verdicts(session, plan_id=plan_id, limit=limit, offset=offset)
        return [VerdictSummary.model_validate(row) for row in rows]


@router.get("/{verdict_id}", summary="Get a verdict", responses=problem_responses(401, 403, 404))
def get_verdict(service: InService, actor: Staff, verdict_id: VerdictId) -> VerdictOut:
    """One verdict with all its figures, as the run wrote it."""
    with service.store.read() as session:
        row = verdicts.get_verdict(session, verdict_id)
        document = verdicts.VerdictDocument.model_validate_json(row.content)
        return VerdictOut(**VerdictSummary.model_validate(row).model_dump(), verdict=document)
