"""How the feeds write times and tables: ISO 8601 with the agency's offset, CSV with a header line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sumo_networks.scenario import Scenario


@dataclass(frozen=True)
class FeedClock:
    """Turns SUMO seconds, counted from local midnight of the service date, into clock times."""

    service_date: date
    zone: ZoneInfo

    @classmethod
    def of(cls, scenario: Scenario) -> FeedClock:
        """Clock of a scenario."""
        return cls(date.fromisoformat(scenario.service_date), ZoneInfo(scenario.zone))

    def timestamp(self, seconds: float) -> str:
        """ISO 8601 in whole seconds with the zone's offset, e.g. 2025-03-03T07:30:10+05:00."""
        midnight = datetime.combine(self.service_date, time(), self.zone)
        # Elapsed seconds are added in UTC: on a day the clocks change, local arithmetic would be an hour off.
        moment = midnight.astimezone(ZoneInfo("UTC")) + timedelta(seconds=round(seconds))
        return moment.astimezone(self.zone).isoformat()


def gtfs_time(seconds: float) -> str:
    """hh:mm:ss since midnight of the service date; runs past 24:00:00 as GTFS does."""
    whole = max(0, round(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def seconds_text(seconds: float) -> str:
    """Seconds to the hundredth, without zeros at the end."""
    return f"{seconds:.2f}".rstrip("0").rstrip(".")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> int:
    """Write a CSV file (UTF-8, LF) with a header line; returns the number of rows under it."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
