"""Flows of many service days of a lake. The day is the unit of work: it reads and writes its own partitions alone, so
days can be spread over processes, or over the workers of a queue, in any order and with the same result.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from mobility import lake as lakes
from mobility.errors import LakeError
from mobility.intake import read_description
from mobility.pipeline import build_flows
from mobility.summary import SUMMARY, FlowsSummary

SUMMARIES: Final = "summaries"
WORKING: Final = ".days"
LONGEST_DAY_S: Final = 30 * 3600.0


@dataclass(frozen=True)
class DayOrder:
    """All that the flows of one service day depend on: paths and numbers, so that any worker can be given it.

    `control_totals` and `vehicles` as in a feeds folder; seconds count from the service date's midnight."""

    lake: Path
    timetable: Path
    out: Path
    service_date: date
    begin_s: float = 0.0
    end_s: float = LONGEST_DAY_S
    cash_share: float = 0.0
    control_totals: Path | None = None
    vehicles: Path | None = None


def lake_dates(lake: Path, first: date | None = None, last: date | None = None) -> list[date]:
    """The service dates a lake has taps or positions of, from `first` to `last`. Raises LakeError if it has none."""
    read_description(lake)
    known = {day for name in ("fare_transactions", "vehicle_locations") for day in lakes.service_dates(lake, name)}
    days = [day for day in sorted(known) if (first is None or day >= first) and (last is None or day <= last)]
    if not days:
        raise LakeError(f"{lake} has no service date from {first or 'its first'} to {last or 'its last'}")
    return days


def flows_of_day(order: DayOrder) -> FlowsSummary:
    """Flows of one service date, into its partitions of `order.out` and `summaries/<date>.json`.

    The same lake, timetable and order give the same bytes; a crash leaves the partitions as they were, or whole."""
    working = order.out / WORKING / order.service_date.isoformat()
    shutil.rmtree(working, ignore_errors=True)
    feeds, built = working / "feeds", working / "flows"
    _describe(order, feeds)
    # the lake has pseudonyms already: no card number is left to hide
    summary = build_flows(feeds, built, key=b"")
    for table in sorted(path for path in built.iterdir() if path.is_dir()):
        lakes.replace_entries(table, order.out / table.name)
    (order.out / SUMMARIES).mkdir(exist_ok=True)
    (built / SUMMARY).replace(order.out / SUMMARIES / f"{order.service_date.isoformat()}.json")
    shutil.rmtree(working)
    return summary


def flows_of_days(
    orders: Sequence[DayOrder], processes: int = 1, progress: Callable[[float], None] | None = None
) -> list[FlowsSummary]:
    """Flows of many service dates, a process a day, `processes` at a time; the summaries in the order of `orders`."""
    tell = progress or (lambda share: None)
    done: dict[date, FlowsSummary] = {}
    for order, summary in _carried_out(orders, processes):
        done[order.service_date] = summary
        tell(len(done) / len(orders))
    for folder in {order.out / WORKING for order in orders}:
        shutil.rmtree(folder, ignore_errors=True)
    return [done[order.service_date] for order in orders]


def _carried_out(orders: Sequence[DayOrder], processes: int) -> Iterator[tuple[DayOrder, FlowsSummary]]:
    if processes == 1:
        yield from ((order, flows_of_day(order)) for order in orders)
        return
    # a forked process would inherit the locks of polars' threads without the threads
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        running = {workers.submit(flows_of_day, order): order for order in orders}
        try:
            yield from ((running[future], future.result()) for future in as_completed(running))
        finally:
            for future in running:
                future.cancel()


def _describe(order: DayOrder, feeds: Path) -> None:
    """A feeds folder that names the lake in place of files with taps and positions."""
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
        if path is not None:
            (feeds / name).symlink_to(path.resolve())
