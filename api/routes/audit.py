"""The audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api import audit
from api.problems import problem_responses
from api.schemas import AuditOut
from api.service import Auditor, InService, Limit, Offset

router = APIRouter(prefix="/audit", tags=["audit"])

Subject = Annotated[
    str | None, Query(max_length=20, description="Kind of thing: plan, controller, job, api_key …", examples=["plan"])
]
SubjectId = Annotated[
    str | None,
    Query(max_length=2000, description="Id of the thing.", examples=["0123456789abcdef0123456789abcdef"]),
]


@router.get("", summary="Read the audit", responses=problem_responses(401, 403))
def read_audit(
    service: InService,
    actor: Auditor,
    subject: Subject = None,
    subject_id: SubjectId = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[AuditOut]:
    """Who did what to what, and when, in order. Rows are only ever added."""
    with service.store.read() as session:
        rows = audit.entries(session, subject=subject, subject_id=subject_id, limit=limit, offset=offset)
        return [AuditOut.model_validate(row) for row in rows]
