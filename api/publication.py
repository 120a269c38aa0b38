"""Publication: a plan takes the street at all its junctions at once, and the former one leaves it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.actors import Actor, Role
from api.audit import record
from api.envelope import Approval, Envelope, Provenance, Validity
from api.errors import ConflictError, NotFoundError, NotVerifiedError, OtherNetworkError, UnprocessableError
from api.plans import PlanState, content_of, get_plan, move_plan, require_fit_for_street, require_legal_move
from api.signing import Signer
from api.store import ControllerPlanRow, PlanRow, Store


def default_validity(now: datetime, days: int, zone: str) -> Validity:
    """Every day and hour from `now` on for so many days."""
    return Validity(zone=zone, valid_from=now, until=now + timedelta(days=days))


def publish_plan(
    store: Store,
    plan_id: str,
    validity: Validity,
    *,
    signer: Signer,
    actor: Actor,
    now: datetime,
    new_network: bool = False,
) -> tuple[ControllerPlanRow, ...]:
    """Make an approved plan the active one of its junctions, in one transaction; returns what each controller gets.

    The former plan of these junctions is superseded once no junction runs it. Controllers that run a plan of another
    network get this one only where `new_network` says that it is theirs now. Raises ForbiddenError, NotFoundError,
    IllegalMoveError, UnsafePlanError, NotVerifiedError, AlteredPlanError, UnprocessableError (validity over already),
    OtherNetworkError, and ConflictError for a plan without controllers."""
    actor.require(Role.ENGINEER, Role.OPERATOR)
    if validity.until <= now:
        raise UnprocessableError(f"The validity would have ended at {validity.until.isoformat()} already.")
    with store.write() as session:
        plan = get_plan(session, plan_id)
        require_legal_move(plan, PlanState.ACTIVE)
        require_fit_for_street(session, plan)
        if plan.approved_verdict_id is None or plan.approved_at is None or plan.approved_by is None:
            raise NotVerifiedError(f"Plan {plan_id} does not say who approved it on which verdict.")
        content = content_of(plan)
        if not content.controllers:
            raise ConflictError(f"Plan {plan_id} holds no controller: every junction keeps the program it has.")
        if not new_network:
            _require_same_network(session, plan, {controller.junction for controller in content.controllers})
        move_plan(session, plan, PlanState.ACTIVE, actor, now, "publish_plan")
        published = []
        for controller in sorted(content.controllers, key=lambda one: one.junction):
            envelope = Envelope(
                controller=controller.junction,
                sequence=_next_sequence(session, controller.junction),
                plan_id=plan.id,
                controller_plan_id=controller.id,
                controller_plan=controller,
                validity=validity,
                job_id=plan.job_id,
                verdict_id=plan.approved_verdict_id,
                approved=Approval(by=plan.approved_by, at=plan.approved_at),
                published=Approval(by=actor.name, at=now),
                **dict(Provenance.model_validate_json(plan.provenance)),
            )
            published.append(_replace(session, envelope, signer, actor, now))
        session.flush()
        _supersede_unused(session, plan, actor, now)
        return tuple(published)


def current_of(session: Session, controller: str) -> ControllerPlanRow:
    """What `controller` is to run. Raises NotFoundError where nothing was published to it."""
    query = select(ControllerPlanRow).where(
        ControllerPlanRow.controller == controller, ControllerPlanRow.superseded_at.is_(None)
    )
    row = session.scalars(query).first()
    if row is None:
        raise NotFoundError(f"There is no plan published to controller {controller}.")
    return row


def list_current(session: Session, *, limit: int, offset: int) -> list[ControllerPlanRow]:
    """What each controller is to run, by controller."""
    query = select(ControllerPlanRow).where(ControllerPlanRow.superseded_at.is_(None))
    return list(session.scalars(query.order_by(ControllerPlanRow.controller).limit(limit).offset(offset)))


def history_of(session: Session, controller: str, *, limit: int, offset: int) -> list[ControllerPlanRow]:
    """All publications to one controller, the latest first. Raises NotFoundError where there was none."""
    query = select(ControllerPlanRow).where(ControllerPlanRow.controller == controller)
    rows = list(session.scalars(query.order_by(ControllerPlanRow.sequence.desc()).limit(limit).offset(offset)))
    if not rows and offset == 0:
        raise NotFoundError(f"There is no plan published to controller {controller}.")
    return rows


def _require_same_network(session: Session, plan: PlanRow, junctions: set[str]) -> None:
    """Raises OtherNetworkError where a controller of `junctions` runs a plan of another network than `plan` is for.

    Ids of junctions are unique within a network alone: two cities may both have a junction J1, and the one's plan
    would run the other's signals."""
    query = (
        select(ControllerPlanRow.controller, PlanRow.id, PlanRow.network_hash)
        .join(PlanRow, PlanRow.id == ControllerPlanRow.plan_id)
        .where(ControllerPlanRow.superseded_at.is_(None), PlanRow.network_hash != plan.network_hash)
        .order_by(ControllerPlanRow.controller)
    )
    for controller, running, network_hash in session.execute(query):
        if controller in junctions:
            raise OtherNetworkError(
                f"Controller {controller} runs plan {running} of network {network_hash}, plan {plan.id} is for network "
                f"{plan.network_hash}: where it is another junction of the same name, serve its city apart; where the "
                'network has been changed, publish with "new_network": true.'
            )


def _next_sequence(session: Session, controller: str) -> int:
    query = select(func.max(ControllerPlanRow.sequence)).where(ControllerPlanRow.controller == controller)
    return (session.scalar(query) or 0) + 1


def _replace(session: Session, envelope: Envelope, signer: Signer, actor: Actor, now: datetime) -> ControllerPlanRow:
    former = session.scalars(
        select(ControllerPlanRow).where(
            ControllerPlanRow.controller == envelope.controller, ControllerPlanRow.superseded_at.is_(None)
        )
    ).first()
    if former is not None:
        former.superseded_at = now
        session.flush()
    row = ControllerPlanRow(
        controller=envelope.controller,
        sequence=envelope.sequence,
        plan_id=envelope.plan_id,
        verdict_id=envelope.verdict_id,
        envelope=signer.sign(envelope.payload()),
        published_at=now,
        published_by=actor.name,
        superseded_at=None,
    )
    session.add(row)
    subject, former_id = ("controller", envelope.controller), former.plan_id if former else ""
    record(
        session, now, actor, "publish_to_controller", subject, (former_id, envelope.plan_id), f"#{envelope.sequence}"
    )
    return row


def _supersede_unused(session: Session, published: PlanRow, actor: Actor, now: datetime) -> None:
    """An active plan that no controller runs any more is superseded."""
    running = select(ControllerPlanRow.plan_id).where(ControllerPlanRow.superseded_at.is_(None))
    query = select(PlanRow).where(
        PlanRow.state == PlanState.ACTIVE.value, PlanRow.id != published.id, PlanRow.id.not_in(running)
    )
    for former in session.scalars(query.order_by(PlanRow.id)):
        move_plan(session, former, PlanState.SUPERSEDED, actor, now, "supersede_plan")
