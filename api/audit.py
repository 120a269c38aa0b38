"""The audit: who did what to what, and when. Written in the same transaction as the act itself."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.actors import Actor
from api.store import AuditRow

_log = logging.getLogger("jasyl.audit")


def record(
    session: Session,
    at: datetime,
    actor: Actor,
    action: str,
    subject: tuple[str, str],
    move: tuple[str, str] = ("", ""),
    detail: str = "",
) -> None:
    """Add one row to the audit, as part of the caller's transaction.

    `subject` is a kind of thing and its id, `move` the state before and after where the act changes one."""
    session.add(
        AuditRow(
            at=at,
            actor=actor.name,
            role=actor.role.value,
            action=action,
            subject=subject[0],
            subject_id=subject[1],
            from_state=str(move[0]),
            to_state=str(move[1]),
            detail=detail,
        )
    )
    _log.info("%s %s by %s (%s): %s -> %s %s", action, subject, actor.name, actor.role, move[0], move[1], detail)


def entries(
    session: Session, *, subject: str | None = None, subject_id: str | None = None, limit: int, offset: int
) -> list[AuditRow]:
    """Rows of the audit in the order they were written."""
    query = select(AuditRow).order_by(AuditRow.id).limit(limit).offset(offset)
    if subject is not None:
        query = query.where(AuditRow.subject == subject)
    if subject_id is not None:
        query = query.where(AuditRow.subject_id == subject_id)
    return list(session.scalars(query))
