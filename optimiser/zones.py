"""Names of time zones that every computer reads the same way."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


def is_time_zone(name: str) -> bool:
    """Whether `name` is a zone of the IANA database, such as Asia/Almaty."""
    return name in _known()


@cache
def _known() -> frozenset[str]:
    # Files beside the zones: what one computer is set to, and a zone of no place.
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})
