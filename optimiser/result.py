"""What an optimisation gives back: the plan, what the model thinks of it, and how surely it is the best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optimiser.signals import NetworkPlan

DESCENDED = "descents"
"""How a plan ended that descents found and nothing proves."""


@dataclass(frozen=True)
class MovementFigures:
    """The model's word on one movement: flow and capacity in veh/h, delay in s a vehicle."""

    junction: str
    movement: str
    group: str
    flow_veh_h: float
    capacity_veh_h: float
    degree_of_saturation: float
    green_s: float
    uniform_delay_s: float
    overflow_delay_s: float

    @property
    def delay_s(self) -> float:
        """Mean delay of a vehicle, s."""
        return self.uniform_delay_s + self.overflow_delay_s


@dataclass(frozen=True)
class Evaluation:
    """The model's objective for one plan (person * s / h), its delay per person (s), and figures per movement."""

    objective: float
    person_delay_s: float
    movements: tuple[MovementFigures, ...]


@dataclass(frozen=True)
class Candidate:
    """The best plan found in one way: `name` is its common cycle, or how cycles were chosen (`cycle_s` is then 0).

    Where nothing was proved (`ended` is DESCENDED, or the plan is Webster's) `bound` is the objective."""

    name: str
    cycle_s: float
    plan: NetworkPlan
    objective: float
    bound: float
    nodes: int
    ended: str

    @property
    def gap(self) -> float:
        """Relative gap."""
        return max(0.0, (self.objective - self.bound) / max(abs(self.objective), 1e-9))


@dataclass(frozen=True)
class SolveLog:
    """Times and sizes of one solve, for the log alone: they differ from run to run."""

    what: str
    ended: str
    rows: int
    columns: int
    nodes: int
    build_s: float
    solve_s: float


@dataclass(frozen=True)
class OptimisationResult:
    """The plan and all that is known of it.

    `status`: optimal (within the gap asked for), node_limit, time_limit (HiGHS's clock was the last resort: another run
    may give another plan), cancelled, or fallback (no plan found; `plan` is the best known one and `notes` say why).
    `candidates` are the best plans of each way tried (common cycles, own cycles, Webster), best by the model first.
    `running` is the model's word on the running programs, `webster` its objective for Webster's plan (None where that
    keeps not all limits). `bound` is over the cycles and stage orders solved. Objectives are persons * s / h."""

    plan: NetworkPlan
    cycles_s: dict[str, float]
    objective: float
    bound: float
    gap: float
    nodes: int
    status: str
    formulation: str
    evaluation: Evaluation
    running: Evaluation
    webster: float | None
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    log: tuple[SolveLog, ...]
    build_s: float
    solve_s: float

    @property
    def alternatives(self) -> tuple[Candidate, ...]:
        """Candidates other than the plan itself, best by the model first."""
        return tuple(c for c in self.candidates if c.plan != self.plan)


def worst_status(statuses: Iterable[str]) -> str:
    """The least certain of several ways to end."""
    found = set(statuses)
    for status in ("cancelled", "time_limit", "node_limit", DESCENDED):
        if status in found:
            return status
    return "optimal"
