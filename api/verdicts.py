"""Verdicts as the service keeps them: each belongs to exactly one plan, and the latest one counts."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.actors import Actor
from api.audit import record
from api.errors import NotFoundError, OtherNetworkError, UnprocessableError
from api.store import PlanRow, VerdictRow
from optimiser.signals import canonical_json, content_hash
from sumo_networks.verdict import SEEDS_BELOW


class VerdictDocument(BaseModel):
    """A verdict.json. What the life cycle of a plan needs stands here; all further keys are kept as they are."""

    model_config = ConfigDict(extra="allow", frozen=True)

    accepted: bool = Field(strict=True)
    reasons: tuple[str, ...]
    seeds: tuple[int, ...] = Field(min_length=1)
    plan_id: str
    network_hash: str
    priority_junctions: tuple[str, ...] = ()


def add_verdict(session: Session, document: VerdictDocument, plan: PlanRow, actor: Actor, now: datetime) -> VerdictRow:
    """Keep a verdict on `plan`; the same content twice is one verdict. The plan's state is the caller's.

    One that refuses and comes again, after another was learnt of, is the latest again: the plan was simulated once more
    and refused. One that accepts is not, or a refusal could be outlived by looking away.

    Raises OtherNetworkError where the verdict is about another plan or network, UnprocessableError where it accepts the
    plan on seeds of the search (what it refuses there is refused all the same)."""
    if document.plan_id != plan.id:
        raise OtherNetworkError(f"The verdict is about plan {document.plan_id}, not about plan {plan.id}.")
    if document.network_hash != plan.network_hash:
        raise OtherNetworkError(
            f"The verdict is about network {document.network_hash}, the plan is for network {plan.network_hash}."
        )
    if document.accepted and max(document.seeds) >= SEEDS_BELOW:
        raise UnprocessableError(
            f"The verdict accepts plan {plan.id} on seed {max(document.seeds)}; those from {SEEDS_BELOW} up belong to "
            "the search for the plan, so verify it on others."
        )
    verdict_id = content_hash(document)
    known = session.get(VerdictRow, verdict_id)
    if known is not None:
        latest = latest_verdict(session, plan.id)
        if not known.accepted and latest is not None and latest.id != known.id:
            known.number = _next_number(session)
            session.flush()
            detail = f"refuses plan {plan.id} again"
            record(session, now, actor, "record_verdict", ("verdict", verdict_id), ("refuses", "refuses"), detail)
        return known
    row = VerdictRow(
        id=verdict_id,
        number=_next_number(session),
        plan_id=plan.id,
        network_hash=document.network_hash,
        accepted=document.accepted,
        content=canonical_json(document),
        created_at=now,
        created_by=actor.name,
    )
    session.add(row)
    session.flush()
    said = "accepts" if document.accepted else "refuses"
    detail = f"{said} plan {plan.id}: {'; '.join(document.reasons)}"
    record(session, now, actor, "record_verdict", ("verdict", verdict_id), ("", said), detail)
    return row


def _next_number(session: Session) -> int:
    return (session.scalar(select(func.max(VerdictRow.number))) or 0) + 1


def latest_verdict(session: Session, plan_id: str) -> VerdictRow | None:
    """The verdict on a plan that the service learnt of last."""
    query = select(VerdictRow).where(VerdictRow.plan_id == plan_id).order_by(VerdictRow.number.desc()).limit(1)
    return session.scalars(query).first()


def get_verdict(session: Session, verdict_id: str) -> VerdictRow:
    """One verdict. Raises NotFoundError."""
    row = session.get(VerdictRow, verdict_id)
    if row is None:
        raise NotFoundError(f"There is no verdict {verdict_id}.")
    return row


def list_verdicts(session: Session, *, plan_id: str | None, limit: int, offset: int) -> list[VerdictRow]:
    """Verdicts, the latest first."""
    query = select(VerdictRow).order_by(VerdictRow.number.desc()).limit(limit).offset(offset)
    if plan_id is not None:
        query = query.where(VerdictRow.plan_id == plan_id)
    return list(session.scalars(query))
