"""Zones: IANA names, whose rules change over the years, and fixed offsets, which know nothing of that.

Kazakhstan had two zones until 29 February 2024 and has had UTC+5 alone since 1 March 2024 (IANA tz database, 2024a): a
fixed offset that was right for Almaty before is an hour off after it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import polars as pl

FIXED_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
FIRST_DATE: Final = date(1990, 1, 1)
"""No tap and no position is of a date before this or after LAST_DATE; what says so is misread, as milliseconds are that
are taken for seconds, or comes from a clock that was never set: these begin in 1970, those of GPS in 1980."""
LAST_DATE: Final = date(2100, 12, 31)
EPOCH: Final = date(1970, 1, 1)
ONE_DAY: Final = timedelta(days=1)
NO_ZONES_OF_A_PLACE: Final = {"localtime", "posixrules", "Factory"}
"""Files of the tz database beside the zones, which mean something else on each machine or nothing at all."""


def offset_of(zone: str) -> timedelta | None:
    """The offset a zone written as +05:00 stands for; nothing for a name."""
    found = FIXED_OFFSET.fullmatch(zone)
    if found is None:
        return None
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return ahead if found[1] == "+" else -ahead


def is_iana_zone(zone: str) -> bool:
    """Whether this is the name of a zone such as Asia/Almaty."""
    return zone in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES_OF_A_PLACE)


def read_date(text: str) -> date:
    """A service date written as 2025-03-03. Raises ValueError where it is none, or before FIRST_DATE or after
    LAST_DATE."""
    read = date.fromisoformat(text)
    if not FIRST_DATE <= read <= LAST_DATE:
        raise ValueError(f"{text} is not of the years {FIRST_DATE.year} to {LAST_DATE.year}")
    return read


def dates_in_reach(dates: pl.Expr) -> pl.Expr:
    """The dates from FIRST_DATE to LAST_DATE; null in place of others."""
    return pl.when(dates.is_between(FIRST_DATE, LAST_DATE)).then(dates)


def times_in_reach(times: pl.Expr) -> pl.Expr:
    """The times from FIRST_DATE to LAST_DATE; null in place of others."""
    first_ms, after_ms = ((one - EPOCH) // timedelta(milliseconds=1) for one in (FIRST_DATE, LAST_DATE + ONE_DAY))
    return pl.when(times.dt.epoch("ms").is_between(first_ms, after_ms, closed="left")).then(times)


def midnight(service_date: date, zone: str) -> datetime:
    """Start of a service date's clock in UTC: noon minus 12 h in local time, as in GTFS."""
    noon = datetime(service_date.year, service_date.month, service_date.day, 12)
    return noon.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(hours=12)


def midnights(service_date: pl.Expr, zone: str) -> pl.Expr:
    """`midnight` of a column of dates."""
    noon = service_date.cast(pl.Datetime("ms")) + timedelta(hours=12)
    local = noon.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC") - timedelta(hours=12)
