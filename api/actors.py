"""Who acts: a role and a name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from api.errors import ForbiddenError


class Role(StrEnum):
    """What a key is for. `admin` administers keys and nothing else."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    CONTROLLER = "controller"
    ADMIN = "admin"


@dataclass(frozen=True)
class Actor:
    """Who does something: the name and role of a key, its controller, and its agency."""

    name: str
    role: Role
    controller: str | None = None
    key_id: str = ""
    agency: str | None = None

    def require(self, *roles: Role) -> None:
        """Raises ForbiddenError where the actor has none of `roles`."""
        if self.role not in roles:
            raise ForbiddenError(f"A key with the role {self.role} cannot do this; it takes {' or '.join(roles)}.")
