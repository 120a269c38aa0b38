"""What controllers are to run: each fetches its own plan in a signed envelope."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response, status

from api import publication
from api.envelope import PAYLOAD_TYPE
from api.errors import ForbiddenError, NotAcceptableError
from api.problems import problem_responses
from api.routes.accept import chosen_type
from api.routes.paths import ControllerId
from api.schemas import PublicationOut
from api.service import Controller, InService, Limit, Offset, Staff
from api.signing import flattened

router = APIRouter(prefix="/controllers", tags=["controllers"])

COMPACT = "application/jose"
FLATTENED = "application/jose+json"
_TOKEN = "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoi4oCmIn0.eyJjb250cm9sbGVyIjoi4oCmIn0.c2lnbmF0dXJl"

_ENVELOPE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": f"The envelope, a JWS whose payload is {PAYLOAD_TYPE}.",
        "content": {
            COMPACT: {"schema": {"type": "string"}, "example": _TOKEN},
            FLATTENED: {
                "schema": {
                    "type": "object",
                    "required": ["payload", "protected", "signature"],
                    "properties": {name: {"type": "string"} for name in ("payload", "protected", "signature")},
                },
                "example": flattened(_TOKEN),
            },
        },
        "headers": {
            "ETag": {"description": "Strong tag of the envelope.", "schema": {"type": "string"}},
            "Cache-Control": {"description": "How long it may be kept unasked.", "schema": {"type": "string"}},
        },
    },
    304: {"description": "The controller has this envelope already."},
}

IfNoneMatch = Annotated[
    str | None, Header(max_length=2000, description="ETag of the envelope at hand.", examples=['"3b1f8c"'])
]
Accept = Annotated[
    str | None, Header(max_length=2000, description=f"{COMPACT} (default) or {FLATTENED}.", examples=[COMPACT])
]


@router.get("", summary="List what controllers run", responses=problem_responses(401, 403))
def list_controllers(service: InService, actor: Staff, limit: Limit = 100, offset: Offset = 0) -> list[PublicationOut]:
    """The current publication of each controller, by controller."""
    with service.store.read() as session:
        rows = publication.list_current(session, limit=limit, offset=offset)
        return [PublicationOut.model_validate(row) for row in rows]


@router.get(
    "/{controller_id:path}/history", summary="Publications to a controller", responses=problem_responses(401, 403, 404)
)
def controller_history(
    service: InService, actor: Staff, controller_id: ControllerId, limit: Limit = 100, offset: Offset = 0
) -> list[PublicationOut]:
    """All publications to one controller, the latest first."""
    with service.store.read() as session:
        rows = publication.history_of(session, controller_id, limit=limit, offset=offset)
        return [PublicationOut.model_validate(row) for row in rows]


@router.get(
    "/{controller_id:path}/plan",
    summary="Fetch the plan of a controller",
    response_class=Response,
    responses={**_ENVELOPE, **problem_responses(401, 403, 404, 406, 409)},
)
def controller_plan(
    service: InService,
    actor: Controller,
    controller_id: ControllerId,
    if_none_match: IfNoneMatch = None,
    accept: Accept = None,
) -> Response:
    """The plan that this controller is to run, in an envelope signed with Ed25519 (JWS). The key must be bound to this
    controller. With the ETag of the envelope at hand in `If-None-Match` the answer is 304 until something else is
    published. A controller refuses an envelope whose signature fails, whose sequence is below the last it took, or
    that names another controller."""
    if actor.controller != controller_id:
        raise ForbiddenError(f"This key is bound to controller {actor.controller}, not to {controller_id}.")
    media_type = chosen_type(accept, (COMPACT, FLATTENED))
    if media_type is None:
        raise NotAcceptableError(f"An envelope is served as {COMPACT} or {FLATTENED}.")
    with service.store.read() as session:
        token = publication.current_of(session, controller_id).envelope
    service.signer.verify(token)
    content = token if media_type == COMPACT else json.dumps(flattened(token), separators=(",", ":"))
    etag = f'"{hashlib.sha256(content.encode()).hexdigest()}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"private, max-age={service.settings.controller_max_age_s}, must-revalidate",
        "Vary": "Accept, Authorization",
    }
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def _matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison, as RFC 9110 section 13.1.2 asks for."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
