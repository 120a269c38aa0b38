"""Errors as `application/problem+json` (RFC 9457): one shape for every refusal, documented on every operation."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.errors import ApiError, UnauthenticatedError, UnsafePlanError
from mobility.errors import MobilityError
from optimiser.errors import OptimiserError
from optimiser.safety import Finding
from sumo_networks.errors import NetworkError

MEDIA_TYPE = "application/problem+json"
_KIND = "urn:jasyl:problem:"
_log = logging.getLogger("jasyl.api")


class FindingOut(BaseModel):
    """One safety rule that a plan breaks."""

    junction: str
    rule: str
    groups: tuple[str, ...]
    at_s: float | None = Field(description="Second of the cycle at which it is worst.")
    measured: float | None
    required: float | None
    message: str

    @classmethod
    def of(cls, finding: Finding) -> FindingOut:
        """A finding as JSON can carry it: what is not a finite number becomes null."""
        return cls(
            junction=finding.junction,
            rule=finding.rule.value,
            groups=finding.groups,
            at_s=_finite(finding.at_s),
            measured=_finite(finding.measured),
            required=_finite(finding.required),
            message=finding.message,
        )


class FieldError(BaseModel):
    """One part of a request that is wrong."""

    where: str = Field(description="Path to the value, such as body.controllers.0.cycle_s.")
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details. `findings` stands with an unsafe plan, `errors` with a request that cannot be read."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:jasyl:problem:not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no plan 00000000000000000000000000000000.",
                    "instance": "/v1/plans/00000000000000000000000000000000",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    findings: tuple[FindingOut, ...] | None = None
    errors: tuple[FieldError, ...] | None = None


_EXPLAINED = {
    400: ("malformed", "Malformed request", "The request cannot be read."),
    401: ("unauthenticated", "No valid API key", "Give an API key as 'Authorization: Bearer KEY'."),
    403: ("forbidden", "Not allowed for this key", "A key with the role operator cannot do this; it takes engineer."),
    404: ("not-found", "Not found", "There is nothing of that name."),
    406: ("not-acceptable", "No such format", "Served are application/json, text/csv and Parquet."),
    409: (
        "illegal-move",
        "The plan is not in a state for this",
        "Plan a1b2 is draft; it goes to rejected, verified.",
    ),
    413: ("too-large", "The request is too large", "The body is over 16777216 bytes."),
    422: ("invalid-request", "The request is not what the schema says", "body.name: Field required"),
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may answer with these problems; 413 and 422 are always among them."""
    return {status: _documented(status) for status in sorted({*statuses, 413, 422})}


def _documented(status: int) -> dict[str, Any]:
    kind, title, detail = _EXPLAINED[status]
    example = {"type": _KIND + kind, "title": title, "status": status, "detail": detail, "instance": "/v1/…"}
    return {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


def problem_response(
    request: Request,
    status: int,
    kind: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    findings: tuple[FindingOut, ...] | None = None,
    errors: tuple[FieldError, ...] | None = None,
) -> JSONResponse:
    """One problem as a response."""
    problem = Problem(
        type=_KIND + kind,
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
        findings=findings,
        errors=errors,
    )
    return JSONResponse(problem.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem: ours, the three packages', FastAPI's, and whatever else."""
    app.add_exception_handler(ApiError, _of_api)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_http)
    for family in (MobilityError, OptimiserError, NetworkError):
        app.add_exception_handler(family, _of_domain)
    app.add_exception_handler(Exception, _of_anything)


def _of_api(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        return _of_anything(request, error)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else None
    findings = tuple(FindingOut.of(f) for f in error.findings) if isinstance(error, UnsafePlanError) else None
    return problem_response(
        request, error.status, error.kind, error.title, str(error), headers=headers, findings=findings
    )


def _of_request(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    errors = tuple(FieldError(where=".".join(str(part) for part in e["loc"]), message=str(e["msg"])) for e in found)
    detail = "; ".join(f"{e.where}: {e.message}" for e in errors[:3])
    return problem_response(
        request, 422, "invalid-request", "The request is not what the schema says", detail, errors=errors
    )


def _of_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    title = HTTPStatus(status).phrase
    kind, title, _ = _EXPLAINED.get(status, (title.lower().replace(" ", "-"), title, ""))
    detail = str(error.detail) if isinstance(error, HTTPException) else str(error)
    return problem_response(request, status, kind, title, detail, headers=headers)


def _of_domain(request: Request, error: Exception) -> Response:
    return problem_response(request, 422, "unprocessable", "The request cannot be carried out", str(error))


def _of_anything(request: Request, error: Exception) -> Response:
    _log.error("unexpected error at %s", request.url.path, exc_info=error)
    detail = "The service met an error it does not know; its log has the details."
    return problem_response(request, 500, ApiError.kind, ApiError.title, detail)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
