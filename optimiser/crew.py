"""Other processes that take on parts of a search which do not hang on each other."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_byte
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, SIGTERM, signal
from threading import Thread
from typing import TypeVar

from optimiser.errors import OptimiserError
from optimiser.lane_flows import JunctionDemand
from optimiser.result import SolveLog
from optimiser.rules import Rules
from optimiser.search import Search, worked
from optimiser.settings import ModelSettings
from optimiser.signals import Network

_LOOK_S = 0.2
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Processes:
    """So many processes that know what a search works on. Setting `stop` ends what they are at."""

    pool: ProcessPoolExecutor
    number: int
    stop: c_byte
    stopped: Callable[[], bool]

    def each(self, work: Callable[[Search, P], R], parts: Sequence[P]) -> Iterator[tuple[R, list[SolveLog]]]:
        """What `work` makes of each part, in their order, and the solves that it took. Raises OptimiserError where a
        process is lost."""
        waiting: deque[Future[tuple[R, list[SolveLog]]]] = deque()
        try:
            for part in parts:
                waiting.append(self.pool.submit(_worked_there, work, part))
                # few at a time: whoever wants to end need not wait for more
                if len(waiting) > 2 * self.number:
                    yield self._awaited(waiting.popleft())
            while waiting:
                yield self._awaited(waiting.popleft())
        except BrokenProcessPool as error:
            raise OptimiserError(
                "a process of the optimiser ended before its answer: take fewer workers where memory is short, "
                'and call it in a script under `if __name__ == "__main__":` only'
            ) from error

    def _awaited(self, future: Future[tuple[R, list[SolveLog]]]) -> tuple[R, list[SolveLog]]:
        while True:
            if self.stopped():
                self.stop.value = 1
            try:
                return future.result(_LOOK_S)
            except TimeoutError:
                continue


@contextmanager
def crew(search: Search, processes: int) -> Iterator[None]:
    """Lets `search` share out its parts over so many processes."""
    context = get_context("spawn")
    # without a lock: a process that is killed must not take it with it
    stop = context.RawValue(c_byte, 0)
    given = (search.network, search.demands, search.rules, search.settings, stop)
    with ProcessPoolExecutor(processes, context, _begin, given) as pool:
        search.crew = Processes(pool, processes, stop, search.stopped)
        try:
            yield
        finally:
            search.crew = None
            stop.value = 1
            pool.shutdown(cancel_futures=True)


_there: Search | None = None
"""What this process works on, where it is one of a crew."""


def _begin(
    network: Network, demands: Mapping[str, JunctionDemand], rules: Rules, settings: ModelSettings, stop: c_byte
) -> None:
    global _there
    # a signal to the whole group is for the one who gave the work
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _there = Search(network, demands, rules, settings, None, lambda: bool(stop.value))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _worked_there(work: Callable[[Search, P], R], part: P) -> tuple[R, list[SolveLog]]:
    assert _there is not None
    return worked(_there, work, part)
