"""The network MILP: cycles, splits, stage orders and offsets of all junctions for the least person delay.

Each junction alone is solved at every candidate cycle first; that gives each its own best cycle and ranks the common
ones. The network is then coordinated at the most promising common cycles, from those solutions as a start: solved at
each, or with cyclic offsets at the best, with descents at the others. The plan is the best of all, and by the model
never worse than Webster's plan.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from optimiser.crew import crew
from optimiser.demand import Demand
from optimiser.evaluation import demands_of, evaluate
from optimiser.exploration import explore
from optimiser.formulation.bandwidth import BANDS
from optimiser.formulation.names import CYCLIC_OFFSETS
from optimiser.half_cycles import halves_of
from optimiser.network_candidates import band_candidates, cyclic_candidates
from optimiser.network_model import (
    Choice,
    NetworkModel,
    build_network,
    read_choices,
    start_from,
    with_good_offsets,
)
from optimiser.offered import candidate_cycles_s
from optimiser.result import Candidate, OptimisationResult, worst_status
from optimiser.rules import Rules
from optimiser.saturation import keeps_saturation, limits_saturation
from optimiser.search import Progress, Search
from optimiser.settings import ModelSettings
from optimiser.signals import Network, NetworkPlan
from optimiser.solve import Solution
from optimiser.webster import webster

WORTH_A_CREW = 200
"""Junctions times cycles; fewer solves are done by the time that other processes have begun."""
OWN_CYCLES, WEBSTER = "own cycles", "webster"


def optimise(
    network: Network,
    demand: Demand,
    rules: Rules | None = None,
    *,
    settings: ModelSettings | None = None,
    profile: str = "",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    workers: int = 1,
) -> OptimisationResult:
    """The plan of least person delay for `network` under `demand` within the engineer's `rules`.

    `progress` gets (step, steps, what is done); `cancelled` is asked between and within solves, and ends the search
    with the best plan so far. Work on single junctions is shared out over `workers` processes where there is much; the
    plan does not depend on it. Raises RulesError where the rules do not fit the network or the bus lines, and
    InfeasibleError, naming junctions and limits, where no plan keeps all limits at any candidate cycle."""
    rules, settings = rules or Rules(), settings or ModelSettings()
    ruled = rules.apply(network)
    rules.check_lines(flow.line for flow in demand.bus_flows)
    search = Search(ruled, demands_of(ruled, demand, rules), rules, settings, progress, cancelled)
    cycles = candidate_cycles_s(ruled, [j.id for j in search.free], rules, settings)
    cyclic = rules.formulation == CYCLIC_OFFSETS and rules.coordinated and len(search.free) > 1
    rounds, networks = (1 + settings.rounds, len(cycles)) if cyclic else (1, settings.common_cycles)
    search.steps = rounds * len(search.free) + networks + 2
    many = len(search.free) * len(cycles) >= WORTH_A_CREW
    with crew(search, workers) if workers > 1 and many else nullcontext():
        explore(search, cycles)
        found = _coordinated(search, demand, cycles, profile)
    beside = () if rules.formulation in BANDS else (_own_cycles(search, profile), _webster(search, profile))
    for candidate in beside:
        if candidate is not None:
            weighed = evaluate(ruled, demand, candidate.plan, rules, settings).objective
            found.append(replace(candidate, objective=weighed, bound=min(candidate.bound, weighed)))
    return _result(search, demand, found, profile)


def _coordinated(search: Search, demand: Demand, cycles: tuple[float, ...], profile: str) -> list[Candidate]:
    """The network at common cycles by the formulation that the rules name, best first where it says so."""
    formulation = search.rules.formulation
    if formulation == CYCLIC_OFFSETS and len(search.free) > 1 and search.rules.coordinated:
        return cyclic_candidates(search, demand, cycles, profile)
    if formulation in BANDS:
        return band_candidates(search, cycles, profile)
    return _common_cycles(search, demand, cycles, profile)


def _own_cycles(search: Search, profile: str) -> Candidate | None:
    """Every junction at the cycle that suits it alone."""
    best = {
        j.id: min((c for c in search.alone if c[0] == j.id), key=lambda c: (search.alone[c].objective, c[1]))
        for j in search.free
        if any(c[0] == j.id for c in search.alone)
    }
    if not best or len(best) < len(search.free):
        return None
    chosen = {j: search.alone[key] for j, key in best.items()}
    plan = search.plan({j: alone.choice for j, alone in chosen.items()}, profile)
    bound = sum(min(a.bound for key, a in search.alone.items() if key[0] == j) for j in best)
    ended = worst_status(alone.ended for alone in chosen.values())
    return Candidate(OWN_CYCLES, 0.0, plan, 0.0, bound, 0, ended)


def _webster(search: Search, profile: str) -> Candidate | None:
    """Webster's plan of the first sequence that each junction offers, offsets as they run; None where it breaks a
    limit at some junction, or the rules name the cycles."""
    search.step("Webster's plan")
    if search.rules.cycles_s or search.stopped():
        return None
    choices: dict[str, Choice] = {}
    for junction in search.free:
        forms = search.forms.get(junction.id, ())
        timing = webster(search.demands[junction.id], forms[0], search.settings) if forms else None
        if timing is None:
            return None
        offset_s = round(search.running_s[junction.id]) % timing.cycle_s
        choices[junction.id] = Choice(timing.form, timing.durations_s, offset_s)
    plan = search.plan(choices, profile)
    limited = [p for p in plan.controllers if limits_saturation(search.network.junction(p.junction))]
    if not all(keeps_saturation(search.demands[p.junction], p, search.settings) for p in limited):
        return None
    return Candidate(WEBSTER, 0.0, plan, 0.0, float("inf"), 0, "optimal")


def _common_cycles(search: Search, demand: Demand, cycles: tuple[float, ...], profile: str) -> list[Candidate]:
    """The network at the common cycles that look best from the junctions alone, best first; with half cycles too."""
    ranked = search.common_cycles(cycles)[: search.settings.common_cycles]
    found: list[Candidate] = []
    for cycle_s in ranked:
        search.step(f"network at {cycle_s:g} s")
        if search.stopped():
            break
        for candidate in (
            _at_common_cycle(search, cycle_s, profile),
            _with_half_cycles(search, demand, cycle_s, profile),
        ):
            if candidate is not None:
                found.append(candidate)
    return found


def _at_common_cycle(search: Search, cycle_s: float, profile: str) -> Candidate | None:
    name = f"{cycle_s:g} s"
    if len(search.free) == 1 or not search.rules.coordinated:
        alone = {j.id: search.alone[j.id, cycle_s] for j in search.free}
        plan = search.plan({j: a.choice for j, a in alone.items()}, profile)
        objective, bound = sum(a.objective for a in alone.values()), sum(a.bound for a in alone.values())
        return Candidate(name, cycle_s, plan, objective, bound, 0, worst_status(a.ended for a in alone.values()))
    solved = _solve_network(search, name, cycle_s, [j.id for j in search.free])
    if solved is None:
        return None
    built, solution, objective = solved
    plan = search.plan(read_choices(built), profile)
    return Candidate(name, cycle_s, plan, objective, solution.bound, solution.nodes, solution.ended)


def _with_half_cycles(search: Search, demand: Demand, cycle_s: float, profile: str) -> Candidate | None:
    """The network at a common cycle with those junctions at half of it that are better so alone; None where none is."""
    halves = halves_of(search, cycle_s)
    if halves is None or search.stopped():
        return None
    search.step(f"network at {halves.name}")
    solved = _solve_network(search, halves.name, cycle_s, list(halves.whole))
    if solved is None:
        return None
    built, solution, _ = solved
    whole = read_choices(built)
    return halves.candidate(search, demand, whole, solution.bound, solution.nodes, solution.ended, profile)


def _solve_network(
    search: Search, name: str, cycle_s: float, junctions: list[str]
) -> tuple[NetworkModel, Solution, float] | None:
    """The network model of some junctions at a common cycle, its solution and objective; None without an incumbent."""
    forms = {j: search.network_forms(j, cycle_s) for j in junctions}
    built = build_network(search.network, search.demands, forms, cycle_s, search.settings, search.running_s)
    start_from(built, with_good_offsets(built, {j: search.alone[j, cycle_s].choice for j in junctions}))
    solution = search.solve(f"network at {name}", built, search.options(search.settings.mip_gap))
    return None if solution.objective is None else (built, solution, solution.objective)


def _result(search: Search, demand: Demand, candidates: list[Candidate], profile: str) -> OptimisationResult:
    network, rules, settings = search.network, search.rules, search.settings
    kept = NetworkPlan(network_hash=network.network_hash, profile=profile, controllers=())
    running = evaluate(network, demand, kept, rules, settings)
    ranked = sorted(candidates, key=lambda c: (c.objective, c.cycle_s, c.name))
    notes = [f"junction {j.id} keeps its program: {j.locked_reason}" for j in network.junctions if j.locked]
    if any(candidate.name != WEBSTER for candidate in ranked):
        plan, objective, status = ranked[0].plan, ranked[0].objective, worst_status([ranked[0].ended])
        bound = min(min(c.bound for c in ranked), objective)
    else:
        better = ranked and ranked[0].objective < running.objective
        plan, objective = (ranked[0].plan, ranked[0].objective) if better else (kept, running.objective)
        bound, status = 0.0, "fallback"
        if search.free:
            stays = "Webster's plan stands in" if better else "the running programs stay"
            notes.append(f"HiGHS found no plan within its limits: {stays}")
    if search.stopped():
        status = "cancelled"
    if any(entry.ended == "time_limit" for entry in search.log):
        notes.append("HiGHS was stopped by its clock in at least one solve: another run may give another plan")
    return OptimisationResult(
        plan=plan,
        cycles_s={p.junction: p.cycle_s for p in plan.controllers},
        objective=objective,
        bound=bound,
        gap=max(0.0, (objective - bound) / max(abs(objective), 1e-9)),
        nodes=sum(entry.nodes for entry in search.log),
        status=status,
        formulation=rules.formulation,
        evaluation=evaluate(network, demand, plan, rules, settings),
        running=running,
        webster=next((c.objective for c in ranked if c.name == WEBSTER), None),
        candidates=tuple(ranked),
        notes=tuple(notes),
        log=tuple(search.log),
        build_s=sum(entry.build_s for entry in search.log),
        solve_s=sum(entry.solve_s for entry in search.log),
    )
