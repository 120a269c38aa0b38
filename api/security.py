"""API keys and what their roles may do.

A key is `jasyl_ID_SECRET`: ID (64 random bits) finds the row, SECRET (256 random bits) proves it. Only the SHA-256 of
the secret is stored; a slow password hash would add nothing, since the secret is random and as long as the hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.actors import Actor, Role
from api.audit import record
from api.errors import ConflictError, NotFoundError, UnauthenticatedError, UnprocessableError
from api.store import ApiKeyRow, Store
from api.texts import check_name

PREFIX = "jasyl"
_ID_BYTES = 8
_SECRET_BYTES = 32


@dataclass(frozen=True)
class NewKey:
    """A key just made; `key` is shown once and never again."""

    id: str
    key: str


def create_api_key(
    store: Store,
    *,
    name: str,
    role: Role,
    now: datetime,
    by: Actor,
    controller: str | None = None,
    agency: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make and store a key; returns the only copy of its secret.

    Raises UnprocessableError for a blank or overlong name, a controller's key that names no controller, another key
    that does, a key that names an agency and is no operator's, or an end that is past."""
    name = name.strip()
    check_name("The name of the key", name)
    if (role is Role.CONTROLLER) != bool(controller):
        raise UnprocessableError("A key with the role controller names its controller, and no other key names one.")
    if agency is not None and role is not Role.OPERATOR:
        raise UnprocessableError("Only a key with the role operator names an agency.")
    if agency is not None:
        check_name("The agency of the key", agency)
    if expires_at is not None and expires_at <= now:
        raise UnprocessableError(f"The key would have run out at {expires_at.isoformat()} already.")
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    with store.write() as session:
        session.add(
            ApiKeyRow(
                id=key_id,
                secret_sha256=_digest(secret),
                name=name,
                role=role.value,
                controller=controller,
                agency=agency,
                created_at=now,
                created_by=by.name,
                expires_at=expires_at,
                revoked_at=None,
            )
        )
        detail = f"{role} {name}" + (f" for {controller or agency}" if controller or agency else "")
        record(session, now, by, "create_key", ("api_key", key_id), ("", "valid"), detail)
    return NewKey(key_id, f"{PREFIX}_{key_id}_{secret}")


def revoke_api_key(store: Store, key_id: str, *, now: datetime, by: Actor) -> ApiKeyRow:
    """End a key at once. Raises NotFoundError, and ConflictError where it is revoked already."""
    with store.write() as session:
        row = session.get(ApiKeyRow, key_id)
        if row is None:
            raise NotFoundError(f"There is no API key {key_id}.")
        if row.revoked_at is not None:
            raise ConflictError(f"API key {key_id} is revoked since {row.revoked_at.isoformat()}.")
        row.revoked_at = now
        record(session, now, by, "revoke_key", ("api_key", key_id), ("valid", "revoked"), row.name)
        return row


def list_api_keys(session: Session) -> list[ApiKeyRow]:
    """All keys, the oldest first."""
    return list(session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)))


def authenticate(session: Session, key: str, now: datetime) -> Actor:
    """Whose key it is. Raises UnauthenticatedError for one that is malformed, unknown, revoked or run out."""
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    row = session.get(ApiKeyRow, key_id) if prefix == PREFIX else None
    # The comparison is made for an unknown key too, so that its time does not tell whether the id exists.
    expected = row.secret_sha256 if row else _digest("")
    proven = hmac.compare_digest(_digest(secret), expected)
    if row is None or not proven or not secret:
        raise UnauthenticatedError("The API key is not known.")
    if row.revoked_at is not None:
        raise UnauthenticatedError(f"The API key was revoked at {row.revoked_at.isoformat()}.")
    if row.expires_at is not None and row.expires_at <= now:
        raise UnauthenticatedError(f"The API key ran out at {row.expires_at.isoformat()}.")
    return Actor(row.name, Role(row.role), row.controller, row.id, row.agency)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
