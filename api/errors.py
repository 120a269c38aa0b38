"""What the service refuses, as one small tree: each class is one kind of problem with its HTTP status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optimiser.safety import Finding


class ApiError(Exception):
    """Base of all errors of this package; its text is one sentence for a person."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "The service failed"


class UnauthenticatedError(ApiError):
    """No key, or one that is not known, revoked or run out."""

    status = 401
    kind = "unauthenticated"
    title = "No valid API key"


class ForbiddenError(ApiError):
    """The key is good, but not for this."""

    status = 403
    kind = "forbidden"
    title = "Not allowed for this key"


class NotFoundError(ApiError):
    """There is nothing of that name."""

    status = 404
    kind = "not-found"
    title = "Not found"


class ConflictError(ApiError):
    """The request is good, but not in the present state of things."""

    status = 409
    kind = "conflict"
    title = "Conflicts with the present state"


class ConcurrentChangeError(ConflictError):
    """Another writer changed the same in the same moment; the same request again may well succeed."""


class IllegalMoveError(ConflictError):
    """A plan cannot go from the state it is in to the one asked for."""

    kind = "illegal-move"
    title = "The plan is not in a state for this"


class NotVerifiedError(ConflictError):
    """No verdict, or none that accepts exactly this plan."""

    kind = "not-verified"
    title = "No verdict accepts this plan"


class OtherNetworkError(ConflictError):
    """A plan or verdict was made for another network than the one it is offered for."""

    kind = "other-network"
    title = "Made for another network"


class UnprocessableError(ApiError):
    """The request can be read, and what it says cannot be done."""

    status = 422
    kind = "unprocessable"
    title = "The request cannot be carried out"


class UnsafePlanError(UnprocessableError):
    """The safety checker has findings on the plan; `findings` are they."""

    kind = "unsafe-plan"
    title = "The plan is unsafe"

    def __init__(self, message: str, findings: Sequence[Finding]) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class AlteredPlanError(ConflictError):
    """What is stored is not what its id or signature says: somebody changed the database by hand."""

    kind = "altered-content"
    title = "The stored content was altered"


class NotAcceptableError(ApiError):
    """None of the formats the client takes is served here."""

    status = 406
    kind = "not-acceptable"
    title = "No such format"


class SettingsError(ApiError):
    """The service cannot start as it is set up."""

    kind = "settings"
    title = "Wrong settings"
