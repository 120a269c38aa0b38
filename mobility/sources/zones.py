"""Zones: IANA names, whose rules change over the years, and fixed offsets, which know nothing of that.

Kazakhstan had two zones until 29 February 2024 and has had UTC+5 alone since 1 March 2024 (IANA tz database, 2024a): a
fixed offset that was right for Almaty before is an hour off after it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

FIXED_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def offset_of(zone: str) -> timedelta | None:
    """The offset a zone written as +05:00 stands for; nothing for a name."""
    found = FIXED_OFFSET.fullmatch(zone)
    if found is None:
        return None
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return ahead if found[1] == "+" else -ahead


def is_iana_zone(zone: str) -> bool:
    """Whether this is the name of a zone such as Asia/Almaty."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def midnight(service_date: date, zone: str) -> datetime:
    """Start of a service date's clock in UTC: noon minus 12 h in local time, as in GTFS."""
    noon = datetime(service_date.year, service_date.month, service_date.day, 12)
    return noon.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(hours=12)


def midnights(service_date: pl.Expr, zone: str) -> pl.Expr:
    """`midnight` of a column of dates."""
    noon = service_date.cast(pl.Datetime("ms")) + timedelta(hours=12)
    local = noon.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC") - timedelta(hours=12)
