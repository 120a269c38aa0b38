"""Flows of many service days of a lake. The day is the unit of work: it writes its own partitions alone, and reads
those of the lake and what the lake tells of the days of its month before it. So days can be spread over processes, or
over the workers of a queue, in any order and with the same result.

What a day tells of its cards (table card_rides) is inferred from that day alone, whatever came before it: else each day
would have to wait for the one before. It is kept under a digest of all it was made from, and made again where that has
changed. It reaches no further than the month, as the cards have other pseudonyms in the next.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import polars as pl

from mobility import lake as lakes
from mobility.errors import LakeError
from mobility.habits import HABIT, habits
from mobility.intake import read_description
from mobility.ledger import ODD_CARDS, TABLES
from mobility.pipeline import build_flows, card_rides
from mobility.schemas import CardRide
from mobility.summary import SUMMARY, FlowsSummary

T = TypeVar("T")
SUMMARIES: Final = "summaries"
CARD_RIDES: Final = "card_rides"
WORKING: Final = ".days"
LONGEST_DAY_S: Final = 30 * 3600.0
NO_KEY: Final = b""  # the lake has pseudonyms already: no card number is left to hide


@dataclass(frozen=True)
class DayOrder:
    """All that the flows of one service day depend on: paths and numbers, so that any worker can be given it.

    `control_totals` and `vehicles` as in a feeds folder; seconds count from the service date's midnight. With `habits`
    the days of its month before it tell what its cards usually do."""

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


def flows_of_day(order: DayOrder) -> FlowsSummary:
    """Flows of one service date, into its partitions of `order.out` and `summaries/<date>.json`.

    The same lake, timetable and order give the same bytes; a crash leaves the partitions as they were, or whole."""
    working = order.out / WORKING / order.service_date.isoformat()
    shutil.rmtree(working, ignore_errors=True)
    feeds, built = working / "feeds", working / "flows"
    _describe(order, feeds)
    told = [pl.read_parquet(rides_of_day(earlier), columns=list(HABIT)) for earlier in days_before(order)]
    summary = build_flows(feeds, built, key=NO_KEY, known=habits(told))
    for table in sorted(path for path in built.iterdir() if path.is_dir()):
        lakes.replace_entries(table, order.out / table.name)
    (order.out / SUMMARIES).mkdir(exist_ok=True)
    (built / SUMMARY).replace(order.out / SUMMARIES / f"{order.service_date.isoformat()}.json")
    shutil.rmtree(working)
    return summary


def days_before(order: DayOrder) -> list[DayOrder]:
    """The days whose card_rides a day uses: those of its month before it that the lake has, in order."""
    if not order.habits:
        return []
    first = order.service_date.replace(day=1)
    return [replace(order, service_date=day) for day in _dates(order.lake) if first <= day < order.service_date]


def rides_of_day(order: DayOrder) -> Path:
    """The Parquet file with what one day tells of its cards (rows of CardRide); made where it is not there yet, or was
    made from other files."""
    part = _digest(order)
    folder = lakes.partition(order.out, CARD_RIDES, order.service_date)
    file = folder / f"{part}.parquet"
    if file.exists():
        return file
    (order.out / WORKING).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=order.out / WORKING) as working:
        feeds = Path(working) / "feeds"
        _describe(order, feeds)
        rides = card_rides(feeds, key=NO_KEY).with_columns(pl.lit(order.service_date).alias("service_date"))
    lakes.write(order.out, CARD_RIDES, CardRide, rides, order.service_date, part=part)
    for older in folder.glob("*.parquet"):
        if older != file:
            older.unlink(missing_ok=True)
    return file


def flows_of_days(
    orders: Sequence[DayOrder], processes: int = 1, progress: Callable[[float], None] | None = None
) -> list[FlowsSummary]:
    """Flows of many service dates, a process a day, `processes` at a time; the summaries in the order of `orders`."""
    tell = progress or (lambda share: None)
    told = {(before.out, before.service_date): before for order in orders for before in days_before(order)}
    steps = len(told) + len(orders)
    done: dict[date, FlowsSummary] = {}
    with _workers(processes) as workers:
        for number, _ in enumerate(_carried_out(rides_of_day, list(told.values()), workers), start=1):
            tell(number / steps)
        for order, summary in _carried_out(flows_of_day, orders, workers):
            done[order.service_date] = summary
            tell((len(told) + len(done)) / steps)
    for folder in {order.out / WORKING for order in orders}:
        shutil.rmtree(folder, ignore_errors=True)
    return [done[order.service_date] for order in orders]


def _workers(processes: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    """Processes to share the days among; none where one is enough."""
    # a forked process would inherit the locks of polars' threads without the threads
    return nullcontext() if processes == 1 else ProcessPoolExecutor(processes, mp_context=get_context("spawn"))


def _carried_out(
    step: Callable[[DayOrder], T], orders: Sequence[DayOrder], workers: ProcessPoolExecutor | None
) -> Iterator[tuple[DayOrder, T]]:
    if workers is None:
        yield from ((order, step(order)) for order in orders)
        return
    running = {workers.submit(step, order): order for order in orders}
    try:
        yield from ((running[future], future.result()) for future in as_completed(running))
    finally:
        for future in running:
            future.cancel()


def _dates(lake: Path) -> list[date]:
    return sorted({day for name in TABLES for day in lakes.service_dates(lake, name)})


def _digest(order: DayOrder) -> str:
    """Of all that a day's card_rides are made from: the parts the lake has of it, the timetable, the hours."""
    made_from: list[Any] = [asdict(read_description(order.lake)), order.begin_s, order.end_s]
    for name in (*sorted(TABLES), ODD_CARDS):
        made_from += [[path.name, path.stat().st_size] for path in lakes.parts(order.lake, name, order.service_date)]
    digest = hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16)
    for path in [order.timetable] if order.timetable.is_file() else sorted(order.timetable.glob("*.txt")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


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
