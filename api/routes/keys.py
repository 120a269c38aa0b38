"""API keys, administered with an admin key. Admin keys themselves are made on the command line."""

from __future__ import annotations

from fastapi import APIRouter, Response, status

from api import security
from api.actors import Role
from api.errors import ForbiddenError
from api.problems import problem_responses
from api.requests import KeyIn
from api.routes.paths import KeyId
from api.schemas import KeyOut, NewKeyOut
from api.service import Admin, InService

router = APIRouter(prefix="/api-keys", tags=["api keys"])


@router.get("", summary="List API keys", responses=problem_responses(401, 403))
def list_keys(service: InService, actor: Admin) -> list[KeyOut]:
    """All keys, the oldest first, without their secrets."""
    with service.store.read() as session:
        return [KeyOut.model_validate(row) for row in security.list_api_keys(session)]


@router.post("", summary="Make an API key", status_code=status.HTTP_201_CREATED, responses=problem_responses(401, 403))
def create_key(service: InService, actor: Admin, wanted: KeyIn, response: Response) -> NewKeyOut:
    """Returns the only copy of the key: the service keeps a hash of it. A controller's key is bound to it."""
    if wanted.role is Role.ADMIN:
        raise ForbiddenError("Keys with the role admin are made on the command line of the service.")
    made = security.create_api_key(
        service.store,
        name=wanted.name,
        role=wanted.role,
        controller=wanted.controller,
        agency=wanted.agency,
        expires_at=wanted.expires_at,
        now=service.now(),
        by=actor,
    )
    response.headers["Cache-Control"] = "no-store"
    return NewKeyOut(id=made.id, key=made.key)


@router.post("/{key_id}/revoke", summary="Revoke an API key", responses=problem_responses(401, 403, 404, 409))
def revoke_key(service: InService, actor: Admin, key_id: KeyId) -> KeyOut:
    """Ends a key at once; it stays listed."""
    return KeyOut.model_validate(security.revoke_api_key(service.store, key_id, now=service.now(), by=actor))
