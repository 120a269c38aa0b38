"""Flows of many service days of a lake. The day is the unit of work: it writes its own partitions alone, and reads
those of the lake and what the lake tells of the days of its month before it (mobility.card_rides). So days can be
spread over processes, or over the workers of a queue, in any order and with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from mobility import lake as lakes
from mobility.card_rides import NO_KEY, WORKING, habits_before, rides_of_day
from mobility.day_order import DayOrder, days_before, describe
from mobility.errors import MobilityError
from mobility.pipeline import build_flows
from mobility.summary import SUMMARY, FlowsSummary, write_summary

T = TypeVar("T")
SUMMARIES: Final = "summaries"


def flows_of_day(order: DayOrder) -> FlowsSummary:
    """Flows of one service date, into its partitions of `order.out` and `summaries/<date>.json`.

    The same lake, timetable and order give the same bytes; a crash leaves the partitions as they were, or whole.
    Raises MobilityError where the day's feeds cannot be brought together; where another day's cannot, it warns."""
    known, silent = habits_before(order)
    (order.out / WORKING).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=order.out / WORKING) as working:
        feeds, built = Path(working) / "feeds", Path(working) / "flows"
        describe(order, feeds)
        summary = build_flows(feeds, built, key=NO_KEY, known=known)
        summary = replace(summary, warnings=(*summary.warnings, *silent))
        write_summary(built, summary)
        for table in sorted(path for path in built.iterdir() if path.is_dir()):
            lakes.replace_entries(table, order.out / table.name)
        (order.out / SUMMARIES).mkdir(exist_ok=True)
        (built / SUMMARY).replace(order.out / SUMMARIES / f"{order.service_date.isoformat()}.json")
    return summary


def flows_of_days(
    orders: Sequence[DayOrder], processes: int = 1, progress: Callable[[float], None] | None = None
) -> list[FlowsSummary]:
    """Flows of many service dates, a process a day, `processes` at a time; the summaries in the order of `orders`.

    A day that cannot be made keeps no other from being made. Raises MobilityError at the end that names such days."""
    tell = progress or (lambda share: None)
    told = {(before.out, before.service_date): before for order in orders for before in days_before(order)}
    steps = len(told) + len(orders)
    done: dict[date, FlowsSummary] = {}
    failed: dict[date, MobilityError] = {}
    with _workers(processes) as workers:
        for number, (_, future) in enumerate(_carried_out(rides_of_day, list(told.values()), workers), start=1):
            future.result()
            tell(number / steps)
        for number, (order, made) in enumerate(_carried_out(flows_of_day, orders, workers), start=len(told) + 1):
            try:
                done[order.service_date] = made.result()
            except MobilityError as error:
                failed[order.service_date] = error
            tell(number / steps)
    for folder in {order.out / WORKING for order in orders}:
        # other workers may be at work in it
        with suppress(OSError):
            folder.rmdir()
    if failed:
        said = "; ".join(f"{day}: {error}" for day, error in sorted(failed.items()))
        raise MobilityError(f"{len(failed)} of {len(orders)} service dates have no flows, the others have: {said}")
    return [done[order.service_date] for order in orders]


def _workers(processes: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    """Processes to share the days among; none where one is enough."""
    # a forked process would inherit the locks of polars' threads without the threads
    return nullcontext() if processes == 1 else ProcessPoolExecutor(processes, mp_context=get_context("spawn"))


def _carried_out(
    step: Callable[[DayOrder], T], orders: Sequence[DayOrder], workers: ProcessPoolExecutor | None
) -> Iterator[tuple[DayOrder, Future[T]]]:
    """Each order with its step ended, well or not, as they end."""
    if workers is None:
        for order in orders:
            future: Future[T] = Future()
            try:
                future.set_result(step(order))
            except MobilityError as error:
                future.set_exception(error)
            yield order, future
        return
    running = {workers.submit(step, order): order for order in orders}
    try:
        yield from ((running[future], future) for future in as_completed(running))
    finally:
        for future in running:
            future.cancel()
