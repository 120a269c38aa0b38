"""The order for the flows of one service day of a lake: all they depend on, so that any worker can be given it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from mobility import lake as lakes
from mobility.errors import FeedError, LakeError
from mobility.intake import read_description
from mobility.ledger import TABLES

LONGEST_DAY_S: Final = 30 * 3600.0


@dataclass(frozen=True)
class DayOrder:
    """Paths and numbers. `control_totals` and `vehicles` as in a feeds folder; seconds count from the service date's
    midnight. With `habits` the days of its month before it tell what its cards usually do."""

    lake: Path
    timetable: Path
    out: Path
    service_date: date
    begin_s: float = 0.0
    end_s: float = LONGEST_DAY_S
    cash_share: float = 0.0
    control_totals: Path | None = None
    vehicles: Path | None = None
    habits: bool = True


def lake_dates(lake: Path, first: date | None = None, last: date | None = None) -> list[date]:
    """The service dates a lake has taps or positions of, from `first` to `last`. Raises LakeError if it has none."""
    read_description(lake)
    days = [day for day in _dates(lake) if (first is None or day >= first) and (last is None or day <= last)]
    if not days:
        raise LakeError(f"{lake} has no service date from {first or 'its first'} to {last or 'its last'}")
    return days


def days_before(order: DayOrder) -> list[DayOrder]:
    """The days whose cards' rides a day uses: those of its month before it that the lake has, in order."""
    if not order.habits:
        return []
    first = order.service_date.replace(day=1)
    return [replace(order, service_date=day) for day in _dates(order.lake) if first <= day < order.service_date]


def dates_that_use(lake: Path, changed: Iterable[date]) -> list[date]:
    """The service dates of a lake whose flows rest on rows of the dates `changed`: these dates, the days after them
    (validators that moved overnight), and the later ones of their months (habits)."""
    known = set(_dates(lake))
    found = set()
    for day in changed:
        later = {other for other in known if other > day and (other.year, other.month) == (day.year, day.month)}
        found |= {day, day + timedelta(days=1), *later}
    return sorted(found & known)


def describe(order: DayOrder, feeds: Path) -> None:
    """Write a feeds folder that names the lake in place of files with taps and positions. Raises FeedError where a file
    of the order is not there."""
    description = read_description(order.lake)
    feeds.mkdir(parents=True)
    manifest = {
        "agency_id": description.agency_id,
        "zone": description.zone,
        "service_date": order.service_date.isoformat(),
        "begin_s": order.begin_s,
        "end_s": order.end_s,
        "cash_share": order.cash_share,
        "lake": str(order.lake.resolve()),
    }
    (feeds / "feeds.json").write_text(json.dumps(manifest), encoding="utf-8")
    beside = {"gtfs.zip": order.timetable, "control_totals.csv": order.control_totals, "vehicles.csv": order.vehicles}
    for name, path in beside.items():
        if path is None:
            continue
        if not path.exists():
            # a feeds folder may lack a file, an order that names it may not
            raise FeedError(f"{path} is missing: the order for the flows names it")
        (feeds / name).symlink_to(path.resolve())


def _dates(lake: Path) -> list[date]:
    return sorted({day for name in TABLES for day in lakes.service_dates(lake, name)})
