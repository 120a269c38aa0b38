"""The network MILP: cycles, splits, stage orders and offsets of all junctions for the least person delay.

Each junction alone is solved at every candidate cycle first; that gives each its own best cycle and ranks the common
ones. The network is then solved at the most promising common cycles, from those solutions as a start. The plan is the
best of all, and never worse by the model than the running program or Webster's plan where these keep the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter

from optimiser.demand import Demand
from optimiser.errors import InfeasibleError
from optimiser.evaluation import demands_of, evaluate
from optimiser.formulation.junction import NAME
from optimiser.infeasibility import conflicts_of
from optimiser.lane_flows import JunctionDemand
from optimiser.network_model import Choice, build_network, read_choices, solve_network, start_from
from optimiser.offered import candidate_cycles_s, offered_forms
from optimiser.result import Candidate, OptimisationResult, SolveLog
from optimiser.settings import ModelSettings
from optimiser.signals import Network, NetworkPlan
from optimiser.solve import SolveOptions
from optimiser.stage_forms import SequenceForm
from optimiser.timeline import controller_plan, sequence_start_s

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Alone:
    """One junction solved by itself at one cycle."""

    choice: Choice
    objective: float
    bound: float
    ended: str


@dataclass
class _Search:
    """What one optimisation knows so far."""

    network: Network
    demand: Demand
    settings: ModelSettings
    profile: str
    demands: Mapping[str, JunctionDemand]
    forms: Mapping[str, tuple[SequenceForm, ...]]
    progress: Progress | None
    cancelled: Callable[[], bool] | None
    alone: dict[tuple[str, float], _Alone] = field(default_factory=dict)
    log: list[SolveLog] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: int = 0
    steps: int = 1

    def stopped(self) -> bool:
        """Whether the caller wants no more."""
        return self.cancelled is not None and self.cancelled()

    def step(self, what: str) -> None:
        """Tells the caller that one more solve is done."""
        self.done += 1
        if self.progress is not None:
            self.progress(min(self.done, self.steps), self.steps, what)

    def options(self) -> SolveOptions:
        """Limits of one solve."""
        s = self.settings
        return SolveOptions(s.mip_gap, s.node_limit, s.time_limit_s, s.seed)


def optimise(
    network: Network,
    demand: Demand,
    settings: ModelSettings | None = None,
    *,
    profile: str = "",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> OptimisationResult:
    """The plan of least person delay for `network` under `demand`.

    Raises InfeasibleError, which names junctions and limits, where no plan keeps all limits at any candidate cycle."""
    settings = settings or ModelSettings()
    free = {j.id: offered_forms(j) for j in network.junctions if not j.locked}
    search = _Search(
        network, demand, settings, profile, demands_of(network, demand, settings), free, progress, cancelled
    )
    started = perf_counter()
    cycles = candidate_cycles_s(network, free, settings)
    search.steps = len(cycles) * len(free) + settings.common_cycles + 1
    _solve_alone(search, cycles)
    candidates = _own_cycles(search) + _common_cycles(search, cycles)
    return _result(search, candidates, perf_counter() - started)


def _solve_alone(search: _Search, cycles: tuple[float, ...]) -> None:
    """Every free junction at every cycle it allows. Raises InfeasibleError for those that no cycle suits."""
    running = {j.id: sequence_start_s(j.running) for j in search.network.junctions}
    for junction in search.network.junctions:
        if junction.id not in search.forms:
            continue
        for cycle_s in cycles:
            if search.stopped():
                break
            search.step(f"{junction.id}: {cycle_s:g} s")
            if not junction.min_cycle_s <= cycle_s <= junction.max_cycle_s or not search.forms[junction.id]:
                continue
            forms = {junction.id: search.forms[junction.id]}
            built = build_network(search.network, search.demands, forms, cycle_s, search.settings, running)
            solution = solve_network(built, search.options(), warm=False, cancelled=search.cancelled)
            search.log.append(
                SolveLog(
                    f"{junction.id} at {cycle_s:g} s",
                    solution.ended,
                    solution.rows,
                    solution.columns,
                    solution.nodes,
                    built.build_s + solution.build_s,
                    solution.solve_s,
                )
            )
            if solution.objective is not None:
                choice = replace(read_choices(built)[junction.id], offset_s=running[junction.id] % cycle_s)
                search.alone[junction.id, cycle_s] = _Alone(choice, solution.objective, solution.bound, solution.ended)
    impossible = [j for j in sorted(search.forms) if not any(key[0] == j for key in search.alone)]
    if impossible and not search.stopped():
        conflicts = tuple(c for j in impossible for c in conflicts_of(search.network.junction(j), cycles))
        raise InfeasibleError("no plan keeps all limits: " + "; ".join(conflicts), conflicts)


def _own_cycles(search: _Search) -> list[Candidate]:
    """Every junction at the cycle that suits it alone, fed by even arrivals."""
    best: dict[str, _Alone] = {}
    for (junction, _), alone in sorted(search.alone.items()):
        if junction not in best or alone.objective < best[junction].objective:
            best[junction] = alone
    if len(best) < len(search.forms) or not best:
        return []
    plan = _plan(search, {j: alone.choice for j, alone in best.items()})
    objective = sum(alone.objective for alone in best.values())
    bound = sum(min(a.bound for (j, _), a in search.alone.items() if j == name) for name in best)
    ended = _worst(alone.ended for alone in best.values())
    return [Candidate(0.0, plan, objective, bound, 0, ended)]


def _common_cycles(search: _Search, cycles: tuple[float, ...]) -> list[Candidate]:
    """The network at the common cycles that look best from the junctions alone."""
    if not search.settings.coordinate or len(search.forms) < 2:
        return []
    sums = {
        c: sum(search.alone[j, c].objective for j in search.forms)
        for c in cycles
        if all((j, c) in search.alone for j in search.forms)
    }
    ranked = sorted(sums, key=lambda c: (sums[c], c))[: search.settings.common_cycles]
    found: list[Candidate] = []
    for cycle_s in ranked:
        if search.stopped():
            break
        search.step(f"network at {cycle_s:g} s")
        candidate = _at_common_cycle(search, cycle_s)
        if candidate is not None:
            found.append(candidate)
    return found


def _at_common_cycle(search: _Search, cycle_s: float) -> Candidate | None:
    running = {j.id: sequence_start_s(j.running) for j in search.network.junctions}
    built = build_network(search.network, search.demands, search.forms, cycle_s, search.settings, running)
    start_from(built, {j: search.alone[j, cycle_s].choice for j in search.forms})
    solution = solve_network(built, search.options(), warm=True, cancelled=search.cancelled)
    search.log.append(
        SolveLog(
            f"network at {cycle_s:g} s",
            solution.ended,
            solution.rows,
            solution.columns,
            solution.nodes,
            built.build_s + solution.build_s,
            solution.solve_s,
        )
    )
    if solution.objective is None:
        return None
    plan = _plan(search, read_choices(built))
    return Candidate(cycle_s, plan, solution.objective, solution.bound, solution.nodes, solution.ended)


def _plan(search: _Search, choices: Mapping[str, Choice]) -> NetworkPlan:
    controllers = []
    for junction in search.network.junctions:
        choice = choices.get(junction.id)
        if choice is not None and choice.form.sequence is not None:
            controllers.append(controller_plan(junction, choice.form.sequence, choice.durations_s, choice.offset_s))
    return NetworkPlan(network_hash=search.network.network_hash, profile=search.profile, controllers=tuple(controllers))


def _worst(ended: object) -> str:
    found = set(ended)  # type: ignore[call-overload]
    for status in ("cancelled", "time_limit", "node_limit"):
        if status in found:
            return status
    return "optimal"


def _result(search: _Search, candidates: list[Candidate], seconds: float) -> OptimisationResult:
    settings = search.settings
    running_plan = NetworkPlan(network_hash=search.network.network_hash, profile=search.profile, controllers=())
    running = evaluate(search.network, search.demand, running_plan, settings)
    ranked = sorted(candidates, key=lambda c: (c.objective, c.cycle_s))
    notes = list(search.notes)
    if ranked:
        best = ranked[0]
        plan, objective, status = best.plan, best.objective, best.ended
        bound = min(c.bound for c in ranked)
    else:
        plan, objective, bound, status = running_plan, running.objective, 0.0, "fallback"
        notes.append("no plan was found within the limits of the solver: the running programs stay")
    evaluation = evaluate(search.network, search.demand, plan, settings)
    return OptimisationResult(
        plan=plan,
        cycles_s={p.junction: p.cycle_s for p in plan.controllers},
        objective=objective,
        bound=bound,
        gap=max(0.0, (objective - bound) / max(abs(objective), 1e-9)),
        nodes=sum(entry.nodes for entry in search.log),
        status=status,
        formulation=NAME,
        evaluation=evaluation,
        running=running,
        alternatives=tuple(ranked[1:]),
        candidates=tuple(ranked),
        notes=tuple(notes),
        log=tuple(search.log),
        build_s=sum(entry.build_s for entry in search.log),
        solve_s=sum(entry.solve_s for entry in search.log),
    )
