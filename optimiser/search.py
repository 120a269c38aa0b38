"""What one optimisation works on and knows so far; every solve goes through it and is logged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from optimiser.lane_flows import JunctionDemand
from optimiser.network_model import Choice
from optimiser.result import SolveLog
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import Junction, Network, NetworkPlan
from optimiser.solve import Solution, SolveOptions, solve
from optimiser.stage_forms import SequenceForm
from optimiser.timeline import controller_plan, sequence_start_s

Progress = Callable[[int, int, str], None]
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Alone:
    """One junction solved by itself at one cycle."""

    choice: Choice
    objective: float
    bound: float
    ended: str


class Built(Protocol):
    """A model, and the seconds that it took to build."""

    @property
    def model(self) -> pyo.ConcreteModel:
        """The model."""

    @property
    def build_s(self) -> float:
        """Seconds."""


class Crew(Protocol):
    """Those who take on parts of a search."""

    def each(self, work: Callable[[Search, P], R], parts: Sequence[P]) -> Iterator[tuple[R, list[SolveLog]]]:
        """What `work` makes of each part, in their order, and the solves that it took."""


@dataclass
class Search:
    """What one optimisation works on, who helps with it, and what it knows so far.

    `alone` is by (junction, cycle in s)."""

    network: Network
    demands: Mapping[str, JunctionDemand]
    rules: Rules
    settings: ModelSettings
    progress: Progress | None
    cancelled: Callable[[], bool] | None
    crew: Crew | None = None
    forms: dict[str, tuple[SequenceForm, ...]] = field(default_factory=dict)
    alone: dict[tuple[str, float], Alone] = field(default_factory=dict)
    tried_cycles_s: set[float] = field(default_factory=set)
    log: list[SolveLog] = field(default_factory=list)
    done: int = 0
    steps: int = 1

    @property
    def free(self) -> tuple[Junction, ...]:
        """Junctions that may be retimed."""
        return tuple(j for j in self.network.junctions if not j.locked)

    @property
    def running_s(self) -> dict[str, float]:
        """Present offset of second 0 of each junction's sequence, s."""
        return {j.id: sequence_start_s(j.running) for j in self.network.junctions}

    def stopped(self) -> bool:
        """Whether the caller wants no more."""
        return self.cancelled is not None and self.cancelled()

    def each(self, work: Callable[[Search, P], R], parts: Sequence[P]) -> Iterator[R]:
        """What `work` makes of each part, in their order; by the crew where there is one, with the same answers. Work
        may read the network, demands, rules and settings of the search it is given, and solve; the rest it does not
        know."""
        found = (worked(self, work, part) for part in parts) if self.crew is None else self.crew.each(work, parts)
        for answer, log in found:
            self.log += log
            yield answer

    def network_forms(self, junction: str, cycle_s: float) -> tuple[SequenceForm, ...]:
        """The order that is best for the junction alone at this cycle, and the first that it lists."""
        best = self.alone[junction, cycle_s].choice.form
        first = self.forms[junction][0]
        return (best,) if first.id == best.id else (best, first)

    def common_cycles(self, cycles_s: tuple[float, ...]) -> list[float]:
        """Those cycles at which every junction is solved alone, the least sum of person delays first."""
        sums = {
            c: sum(self.alone[j.id, c].objective for j in self.free)
            for c in cycles_s
            if self.free and all((j.id, c) in self.alone for j in self.free)
        }
        return sorted(sums, key=lambda c: (sums[c], c))

    def plan(self, choices: Mapping[str, Choice], profile: str) -> NetworkPlan:
        """The choices as a plan; junctions without one keep their program."""
        controllers = []
        for junction in self.network.junctions:
            choice = choices.get(junction.id)
            if choice is not None and choice.form.sequence is not None:
                controllers.append(controller_plan(junction, choice.form.sequence, choice.durations_s, choice.offset_s))
        return NetworkPlan(network_hash=self.network.network_hash, profile=profile, controllers=tuple(controllers))

    def step(self, what: str) -> None:
        """Tells the caller what has come to its turn, one more piece of all work."""
        self.done += 1
        if self.progress is not None:
            self.progress(min(self.done, self.steps), self.steps, what)

    def options(self, gap: float, *, parts: int = 1, presolve: bool = True, sub_models: bool = True) -> SolveOptions:
        """How HiGHS solves a model to a gap; one of so many `parts` of a network gets its part of the nodes."""
        s = self.settings
        return SolveOptions(gap, max(1, s.node_limit // parts), s.time_limit_s, s.seed, presolve, sub_models)

    def solve(self, what: str, built: Built, options: SolveOptions, *, warm: bool = True) -> Solution:
        """Solves a model, from its present values where it is `warm`, and logs it."""
        solution = solve(built.model, options, warm=warm, cancelled=self.cancelled)
        self.log.append(
            SolveLog(
                what,
                solution.ended,
                solution.rows,
                solution.columns,
                solution.nodes,
                built.build_s + solution.build_s,
                solution.solve_s,
            )
        )
        return solution

    def solve_alone(self, what: str, built: Built) -> Solution:
        """Solves the model of one junction by itself, which is small and has no start."""
        options = self.options(self.settings.alone_gap, presolve=False, sub_models=False)
        return self.solve(what, built, options, warm=False)


def worked(search: Search, work: Callable[[Search, P], R], part: P) -> tuple[R, list[SolveLog]]:
    """What `work` makes of a part, and the solves that it took."""
    own = Search(search.network, search.demands, search.rules, search.settings, None, search.cancelled)
    # Models are garbage when the part is done: to look for it before only finds them alive, and keeps them longer.
    with PauseGC():
        return work(own, part), own.log
