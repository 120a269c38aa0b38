"""What one running service holds together, and how a request gets at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.actors import Actor, Role
from api.errors import UnauthenticatedError
from api.jobs import Clock, JobWorker
from api.scenarios import ScenarioReader
from api.security import authenticate
from api.settings import Settings
from api.signing import Signer
from api.store import Store

_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="An API key: `jasyl_ID_SECRET`.")


@dataclass(frozen=True)
class Service:
    """Everything the endpoints need; made once by `create_app`."""

    settings: Settings
    store: Store
    signer: Signer
    worker: JobWorker
    read_scenario: ScenarioReader
    now: Clock


def service_of(request: Request) -> Service:
    """The service that this request came to."""
    service: Service = request.app.state.service
    return service


InService = Annotated[Service, Depends(service_of)]


def _actor(service: InService, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Actor:
    if credentials is None:
        raise UnauthenticatedError("Give an API key in the header 'Authorization: Bearer KEY'.")
    with service.store.read() as session:
        return authenticate(session, credentials.credentials, service.now())


def _with_role(*roles: Role) -> Callable[[Actor], Actor]:
    def allowed(actor: Annotated[Actor, Depends(_actor)]) -> Actor:
        actor.require(*roles)
        return actor

    return allowed


Staff = Annotated[Actor, Depends(_with_role(Role.OPERATOR, Role.ENGINEER))]
Operator = Annotated[Actor, Depends(_with_role(Role.OPERATOR))]
Engineer = Annotated[Actor, Depends(_with_role(Role.ENGINEER))]
Controller = Annotated[Actor, Depends(_with_role(Role.CONTROLLER))]
Admin = Annotated[Actor, Depends(_with_role(Role.ADMIN))]
Auditor = Annotated[Actor, Depends(_with_role(Role.ENGINEER, Role.ADMIN))]

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.", examples=[100])]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="Leave out so many at the start.", examples=[0])]
