"""Who sits at this computer."""

from __future__ import annotations

import getpass

from api.errors import UnprocessableError


def person_at_console() -> str:
    """The name the computer knows its user by. Raises UnprocessableError where it knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UnprocessableError(
            "This computer does not know who you are; set LOGNAME (or --by, where the command has it) to your name."
        ) from None
