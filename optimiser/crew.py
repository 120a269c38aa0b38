"""Other processes that take on parts of a search which do not hang on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event
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
    """Processes that know what a search works on. `stop` ends what they are at."""

    pool: ProcessPoolExecutor
    stop: Event
    stopped: Callable[[], bool]

    def each(self, work: Callable[[Search, P], R], parts: Sequence[P]) -> Iterator[tuple[R, list[SolveLog]]]:
        """What `work` makes of each part, in their order, and the solves that it took. Raises OptimiserError where a
        process is lost."""
        try:
            for future in [self.pool.submit(_worked_there, work, part) for part in parts]:
                yield self._awaited(future)
        except BrokenProcessPool as error:
            raise OptimiserError(
                "a process of the optimiser ended before its answer; take fewer workers where memory is short"
            ) from error

    def _awaited(self, future: Future[tuple[R, list[SolveLog]]]) -> tuple[R, list[SolveLog]]:
        while True:
            try:
                return future.result(_LOOK_S)
            except TimeoutError:
                if self.stopped():
                    self.stop.set()


@contextmanager
def crew(search: Search, processes: int) -> Iterator[None]:
    """Lets `search` share out its parts over so many processes."""
    context = get_context("spawn")
    stop = context.Event()
    given = (search.network, search.demands, search.rules, search.settings, stop)
    with ProcessPoolExecutor(processes, context, _begin, given) as pool:
        search.crew = Processes(pool, stop, search.stopped)
        try:
            yield
        finally:
            search.crew = None
            stop.set()


_there: Search | None = None
"""What this process works on, where it is one of a crew."""


def _begin(
    network: Network, demands: Mapping[str, JunctionDemand], rules: Rules, settings: ModelSettings, stop: Event
) -> None:
    global _there
    _there = Search(network, demands, rules, settings, None, stop.is_set)


def _worked_there(work: Callable[[Search, P], R], part: P) -> tuple[R, list[SolveLog]]:
    assert _there is not None
    return worked(_there, work, part)
