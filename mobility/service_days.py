"""Which service date a row belongs to: the one it says, the one the file is of, or that of the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from mobility.errors import FeedError
from mobility.sources.tides import RawTable, text
from mobility.sources.zones import dates_in_reach, midnights

LONGEST_SERVICE_DAY: Final = timedelta(hours=30)
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class ServiceDay:
    """One service day that every row is of. `midnight` is the start of its clock in UTC; `bounds` are min longitude,
    min latitude, max longitude, max latitude, or nothing where the city's extent is unknown."""

    agency_id: str
    service_date: date
    midnight: datetime
    bounds: Bounds | None

    def dates(self) -> pl.Expr:
        """Service date of a row with `own_date` and `at` (UTC)."""
        return pl.lit(self.service_date).cast(pl.Date)

    def midnights(self) -> pl.Expr:
        """Start of the clock of a row's `service_date`, in UTC."""
        return pl.lit(self.midnight).cast(pl.Datetime("ms", "UTC"))


@dataclass(frozen=True)
class ServiceDays:
    """Any number of service days. A row without a date of its own is of the local date; before `day_start`, where the
    agency's day ends after midnight, of the date before. `bounds` as in ServiceDay.

    Raises FeedError where `day_start` is no whole minute."""

    agency_id: str
    zone: str
    day_start: time = time(0)
    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        if self.day_start.second or self.day_start.microsecond:
            raise FeedError(f"service_day_start {self.day_start} is no whole minute; write {self.day_start:%H:%M}")

    def dates(self) -> pl.Expr:
        """Service date of a row with `own_date` and `at` (UTC)."""
        local = pl.col("at").dt.convert_time_zone(self.zone).dt.replace_time_zone(None)
        start = timedelta(hours=self.day_start.hour, minutes=self.day_start.minute)
        return pl.coalesce("own_date", (local - start).dt.date())

    def midnights(self) -> pl.Expr:
        """Start of the clock of a row's `service_date`, in UTC."""
        return midnights(pl.col("service_date"), self.zone)


def own_dates(table: RawTable) -> pl.Expr:
    """The `service_date` a row gives, 2025-03-03 or as in GTFS 20250303; null where there is none to be read."""
    given = text(table, "service_date")
    read = pl.coalesce(given.str.to_date("%Y-%m-%d", strict=False), given.str.to_date("%Y%m%d", strict=False))
    return dates_in_reach(read)
