"""Steps that need not wait for each other, on threads: polars, numpy and compiled steps let go of the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import polars as pl

One = TypeVar("One")
Other = TypeVar("Other")


def both(one: Callable[[], One], other: Callable[[], Other]) -> tuple[One, Other]:
    """What both give, run at the same time; raises what one of them raises, when neither runs any more."""
    with ThreadPoolExecutor(1) as thread:
        beside = thread.submit(other)
        return one(), beside.result()


def of_each(step: Callable[[One], Other], items: Iterable[One]) -> list[Other]:
    """What `step` gives for each item, in their order, on as many threads as polars has."""
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        return list(threads.map(step, items))
