"""Whether the service is up, and the public keys: open to everybody."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Response
from sqlalchemy import text

from api.problems import problem_responses
from api.schemas import Health
from api.service import InService
from api.signing import Jwks

router = APIRouter()


@router.get("/health", tags=["service"], summary="Is the service up?", responses=problem_responses())
def health(service: InService) -> Health:
    """Answers once the database answers. Needs no key."""
    with service.store.read() as session:
        session.execute(text("SELECT 1"))
    return Health(status="ok", version=version("jasyl"))


@router.get("/keys", tags=["controllers"], summary="Public signing keys", responses=problem_responses())
def signing_keys(service: InService, response: Response) -> Jwks:
    """Ed25519 keys (JWKS, RFC 7517) that envelopes are verified with, the one in use first. Needs no key.

    Put them into a controller by hand when it is installed: a key fetched together with what it is to verify proves
    nothing."""
    response.headers["Cache-Control"] = "public, max-age=3600"
    return service.signer.jwks
