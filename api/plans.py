"""Life of a plan: draft → verified → approved → active → superseded, or rejected; who moved it and when.

No plan becomes active unless the safety checker passes it, the latest verdict on exactly this plan accepts it, and an
engineer approved it on that verdict. Every door asks again: what was true at approval may not be at publication.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.actors import Actor, Role
from api.audit import record
from api.envelope import Provenance
from api.errors import (
    AlteredPlanError,
    ApiError,
    ConflictError,
    IllegalMoveError,
    NotFoundError,
    NotVerifiedError,
    OtherNetworkError,
    UnsafePlanError,
)
from api.scenarios import get_scenario, network_of
from api.store import PlanRow, ScenarioRow, Store, VerdictRow
from api.verdicts import VerdictDocument, add_verdict, latest_verdict
from optimiser.active_priority import active
from optimiser.safety import Finding, check_network_against, check_network_plan
from optimiser.signals import NetworkPlan, canonical_json


class PlanState(StrEnum):
    """Where a plan is in its life."""

    DRAFT = "draft"
    VERIFIED = "verified"
    APPROVED = "approved"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class Origin(StrEnum):
    """By which door a plan came."""

    UPLOAD = "upload"
    JOB = "job"
    IMPORT = "import"


LEGAL_MOVES: dict[PlanState, frozenset[PlanState]] = {
    PlanState.DRAFT: frozenset({PlanState.VERIFIED, PlanState.REJECTED}),
    PlanState.VERIFIED: frozenset({PlanState.APPROVED, PlanState.REJECTED, PlanState.DRAFT}),
    PlanState.APPROVED: frozenset({PlanState.ACTIVE, PlanState.REJECTED, PlanState.DRAFT}),
    PlanState.ACTIVE: frozenset({PlanState.SUPERSEDED}),
    PlanState.SUPERSEDED: frozenset({PlanState.APPROVED}),
    PlanState.REJECTED: frozenset(),
}
"""A later verdict that refuses takes a plan back to draft; a former plan comes back by being approved anew."""


def register_plan(
    store: Store,
    plan: NetworkPlan,
    *,
    scenario_id: str,
    origin: Origin,
    actor: Actor,
    now: datetime,
    job_id: str | None = None,
    provenance: Provenance | None = None,
) -> tuple[PlanRow, bool]:
    """Take a plan in as a draft; returns its row and whether it is new.

    A plan that the safety checker has findings on is kept as rejected, with them as the reason, and refused.
    Raises NotFoundError (no such scenario), OtherNetworkError (made for another network), UnsafePlanError, and
    ConflictError where this very plan was rejected before."""
    with store.read() as session:
        scenario = get_scenario(session, scenario_id)
    own = check_network_plan(plan)
    findings = own or _against(plan, scenario)
    refused: ApiError | None = None
    with store.write() as session:
        known = session.get(PlanRow, plan.id)
        if plan.network_hash != scenario.network_hash:
            refused = OtherNetworkError(
                f"The plan is for network {plan.network_hash}, scenario {scenario.name} has network "
                f"{scenario.network_hash}; make the plan again from this scenario."
            )
        elif findings:
            refused = _unsafe(plan.id, findings)
        elif known is not None and known.state == PlanState.REJECTED:
            refused = ConflictError(f"Plan {plan.id} was rejected before: {known.reason}")
        if refused is None and known is not None:
            return known, False
        row = known or _new_row(plan, scenario, origin, actor, now, job_id, provenance or Provenance())
        if refused is None or (own and known is None):
            session.add(row)
            session.flush()
            record(session, now, actor, "register_plan", ("plan", plan.id), ("", PlanState.DRAFT), f"by {origin}")
        if refused is not None:
            if own and known is None:
                _move(session, row, PlanState.REJECTED, actor, now, "reject_plan", str(refused))
            else:
                record(session, now, actor, "refuse_plan", ("plan", plan.id), detail=str(refused))
    if refused is not None:
        raise refused
    return row, True


def record_verdict(store: Store, document: VerdictDocument, *, actor: Actor, now: datetime) -> VerdictRow:
    """Keep a verdict on a plan and move the plan by it: accepted makes a draft verified, refused takes a plan that is
    not on the street back to draft.

    Raises NotFoundError for a plan that is not here, and as `add_verdict`."""
    with store.write() as session:
        plan = get_plan(session, document.plan_id)
        verdict = add_verdict(session, document, plan, actor, now)
        counts = latest_verdict(session, plan.id)
        if counts is not None and counts.id == verdict.id:
            _follow_verdict(session, plan, verdict, actor, now)
        return verdict


def approve_plan(store: Store, plan_id: str, *, actor: Actor, now: datetime) -> PlanRow:
    """An engineer lets a verified plan go to the street; also brings a superseded one back.

    Raises ForbiddenError, NotFoundError, IllegalMoveError, UnsafePlanError, NotVerifiedError, AlteredPlanError."""
    actor.require(Role.ENGINEER)
    with store.write() as session:
        row = get_plan(session, plan_id)
        require_legal_move(row, PlanState.APPROVED)
        verdict = require_fit_for_street(session, row)
        row.approved_at, row.approved_by, row.approved_verdict_id = now, actor.name, verdict.id
        _move(session, row, PlanState.APPROVED, actor, now, "approve_plan", f"on verdict {verdict.id}")
        return row


def reject_plan(store: Store, plan_id: str, reason: str, *, actor: Actor, now: datetime) -> PlanRow:
    """An engineer refuses a plan that is not on the street; it is kept with the reason.

    Raises ForbiddenError, NotFoundError, IllegalMoveError."""
    actor.require(Role.ENGINEER)
    with store.write() as session:
        row = get_plan(session, plan_id)
        _move(session, row, PlanState.REJECTED, actor, now, "reject_plan", reason)
        return row


def get_plan(session: Session, plan_id: str) -> PlanRow:
    """One plan. Raises NotFoundError."""
    row = session.get(PlanRow, plan_id)
    if row is None:
        raise NotFoundError(f"There is no plan {plan_id}.")
    return row


def list_plans(session: Session, *, state: PlanState | None, limit: int, offset: int) -> list[PlanRow]:
    """Plans, the newest first."""
    query = select(PlanRow).order_by(PlanRow.created_at.desc(), PlanRow.id).limit(limit).offset(offset)
    if state is not None:
        query = query.where(PlanRow.state == state.value)
    return list(session.scalars(query))


def content_of(row: PlanRow) -> NetworkPlan:
    """The plan itself. Raises AlteredPlanError where the stored text is not what the id says."""
    if hashlib.sha256(row.content.encode()).hexdigest()[:32] != row.id:
        raise AlteredPlanError(f"The stored content of plan {row.id} is not what its id says; restore a backup.")
    try:
        return NetworkPlan.model_validate_json(row.content)
    except ValidationError as error:
        raise AlteredPlanError(f"The stored content of plan {row.id} cannot be read by this version.") from error


def require_fit_for_street(session: Session, row: PlanRow) -> VerdictRow:
    """The verdict that lets `row` go to the street: on exactly this plan, with its bus priority running.

    Raises UnsafePlanError where the checker has findings, NotVerifiedError where the latest verdict on exactly this
    plan does not accept it, AlteredPlanError where the content is not what it was."""
    plan = content_of(row)
    findings = check_network_plan(plan)
    if row.scenario_id is not None and not findings:
        findings = _against(plan, get_scenario(session, row.scenario_id))
    if findings:
        raise _unsafe(row.id, findings)
    verdict = latest_verdict(session, row.id)
    if verdict is None:
        raise NotVerifiedError(f"Plan {row.id} has no verdict; run a verification job on it first.")
    document = VerdictDocument.model_validate_json(verdict.content)
    if not (verdict.accepted and document.accepted and document.plan_id == row.id):
        reasons = "; ".join(document.reasons) or "no reason given"
        raise NotVerifiedError(f"The latest verdict on plan {row.id} ({verdict.id}) does not accept it: {reasons}")
    prioritised = {controller.junction for controller in plan.controllers if active(controller.priority)}
    unproved = sorted(prioritised - set(document.priority_junctions))
    if unproved:
        raise NotVerifiedError(
            f"The verdict on plan {row.id} ({verdict.id}) was reached without the bus priority of junction "
            f"{unproved[0]} running; run a verification job on the plan."
        )
    return verdict


def move_plan(session: Session, row: PlanRow, to: PlanState, actor: Actor, now: datetime, action: str) -> None:
    """Move a plan within the caller's transaction, with its audit. Raises IllegalMoveError."""
    _move(session, row, to, actor, now, action, "")


def require_legal_move(row: PlanRow, to: PlanState) -> None:
    """Raises IllegalMoveError where `row` cannot go to `to` from the state it is in."""
    allowed = LEGAL_MOVES[PlanState(row.state)]
    if to not in allowed:
        ways = ", ".join(sorted(allowed)) or "no other state"
        raise IllegalMoveError(f"Plan {row.id} is {row.state}; from there it goes to {ways}, not to {to}.")


def _move(session: Session, row: PlanRow, to: PlanState, actor: Actor, now: datetime, action: str, reason: str) -> None:
    require_legal_move(row, to)
    before = row.state
    row.state, row.reason = to.value, reason
    session.flush()
    record(session, now, actor, action, ("plan", row.id), (before, to), reason)


def _follow_verdict(session: Session, plan: PlanRow, verdict: VerdictRow, actor: Actor, now: datetime) -> None:
    reason = f"verdict {verdict.id}"
    if verdict.accepted and plan.state == PlanState.DRAFT:
        _move(session, plan, PlanState.VERIFIED, actor, now, "verify_plan", reason)
    elif not verdict.accepted and plan.state in (PlanState.VERIFIED, PlanState.APPROVED):
        plan.approved_at = plan.approved_by = plan.approved_verdict_id = None
        _move(session, plan, PlanState.DRAFT, actor, now, "withdraw_plan", f"{reason} refuses it")


def _against(plan: NetworkPlan, scenario: ScenarioRow) -> tuple[Finding, ...]:
    return check_network_against(plan, network_of(scenario))


def _unsafe(plan_id: str, findings: tuple[Finding, ...]) -> UnsafePlanError:
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return UnsafePlanError(f"Plan {plan_id} is unsafe: {findings[0].message}{more}.", findings)


def _new_row(
    plan: NetworkPlan,
    scenario: ScenarioRow,
    origin: Origin,
    actor: Actor,
    now: datetime,
    job_id: str | None,
    provenance: Provenance,
) -> PlanRow:
    return PlanRow(
        id=plan.id,
        content=canonical_json(plan),
        network_hash=plan.network_hash,
        scenario_id=scenario.id,
        job_id=job_id,
        origin=origin.value,
        provenance=provenance.model_dump_json(),
        state=PlanState.DRAFT.value,
        created_at=now,
        created_by=actor.name,
    )
