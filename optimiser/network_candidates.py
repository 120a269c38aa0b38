"""Plans at common cycles by the formulations that choose offsets with stages given: cyclic offsets and green bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import thread_time

import pyomo.environ as pyo

from optimiser.arterials import arterials_of
from optimiser.demand import Demand
from optimiser.formulation.bandwidth import BANDS, streets_of_ways
from optimiser.formulation.cycle_basis import potentials
from optimiser.half_cycles import Halves, halves_of
from optimiser.network_offsets import Descended, choices_of, coordinate, prepare
from optimiser.offset_descent import total_cost
from optimiser.result import DESCENDED, Candidate, worst_status
from optimiser.search import Search
from optimiser.streets import frozen_form


@dataclass(frozen=True)
class BandModel:
    """A model of green bands, and the seconds that it took to build."""

    model: pyo.ConcreteModel
    build_s: float


def cyclic_candidates(search: Search, demand: Demand, cycles_s: tuple[float, ...], profile: str) -> list[Candidate]:
    """The network at the common cycle whose descents end lowest; with half cycles, at the cycle where these promise
    most; and the plans in which descents at the next best cycles end, of which nothing is proved."""
    ready: dict[float, Descended] = {}
    for cycle_s in search.common_cycles(cycles_s):
        if cycle_s.is_integer() and not search.stopped():
            search.step(f"offsets at {cycle_s:g} s")
            ready[cycle_s] = prepare(search, int(cycle_s), [j.id for j in search.free])
    ranked = sorted(ready, key=lambda c: (total_cost(*ready[c]), c))[: search.settings.common_cycles]
    if not ranked:
        return []
    search.step(f"network at {ranked[0]:g} s")
    found = coordinate(search, *ready[ranked[0]])
    plan = search.plan(found.choices, profile)
    ended = worst_status(found.ended)
    common = Candidate(f"{ranked[0]:g} s", ranked[0], plan, found.objective, found.bound, found.nodes, ended)
    others = [_descended(search, c, ready[c], profile) for c in ranked[1:]]
    return [common, *_with_half_cycles(search, demand, {c: ready[c] for c in ranked}, profile), *others]


def _descended(search: Search, cycle_s: float, ready: Descended, profile: str) -> Candidate:
    """The plan at a cycle in which descents ended."""
    plan, objective = search.plan(choices_of(*ready), profile), total_cost(*ready)
    return Candidate(f"{cycle_s:g} s, descents", cycle_s, plan, objective, objective, 0, DESCENDED)


def _with_half_cycles(
    search: Search, demand: Demand, ready: Mapping[float, Descended], profile: str
) -> list[Candidate]:
    """The network with half cycles at that of the cycles at which descents with them end lowest; none where they end no
    lower than without."""
    mixed: dict[float, tuple[float, Halves, Descended]] = {}
    for cycle_s, without in ready.items():
        halves = None if search.stopped() else halves_of(search, cycle_s)
        if halves is not None:
            descended = prepare(search, int(cycle_s), halves.whole)
            cost = total_cost(*descended) + sum(alone.objective for alone in halves.at_half.values())
            if cost < total_cost(*without):
                mixed[cycle_s] = cost, halves, descended
    if not mixed or search.stopped():
        return []
    _, halves, descended = mixed[min(mixed, key=lambda c: (mixed[c][0], c))]
    search.step(f"network at {halves.name}")
    found = coordinate(search, *descended)
    ended = worst_status(found.ended)
    return [halves.candidate(search, demand, found.choices, found.bound, found.nodes, ended, profile)]


def band_candidates(search: Search, cycles_s: tuple[float, ...], profile: str) -> list[Candidate]:
    """The widest bands at each of the most promising common cycles, splits as each junction runs best alone. Objectives
    and bounds are bandwidths (veh/h times fractions of the cycle), negative since less is better elsewhere."""
    found = []
    for cycle_s in search.common_cycles(cycles_s)[: search.settings.common_cycles]:
        search.step(f"bands at {cycle_s:g} s")
        if search.stopped():
            break
        candidate = _banded(search, cycle_s, profile)
        if candidate is not None:
            found.append(candidate)
    return found


def _banded(search: Search, cycle_s: float, profile: str) -> Candidate | None:
    started = thread_time()
    choices = {j.id: search.alone[j.id, cycle_s].choice for j in search.free}
    frozen = {j: frozen_form(choice.form, choice.durations_s) for j, choice in choices.items()}
    arterials = arterials_of(search.network, search.demands, frozen, cycle_s)
    name = f"{cycle_s:g} s"
    if not arterials:
        return Candidate(name, cycle_s, search.plan(choices, profile), 0.0, 0.0, 0, "optimal")
    model = pyo.ConcreteModel()
    BANDS[search.rules.formulation](model, arterials, (cycle_s, cycle_s))
    options = search.options(search.settings.offset_gap)
    solution = search.solve(f"bands at {name}", BandModel(model, thread_time() - started), options, warm=False)
    if solution.objective is None:
        return None
    ends = streets_of_ways(arterials)
    tensions_s = [cycle_s * float(model.tension[s].value or 0.0) for s in range(len(ends))]
    offsets_s = potentials(ends, tensions_s, {j: choice.offset_s for j, choice in choices.items()})
    timed = {j: replace(choice, offset_s=round(offsets_s[j]) % cycle_s) for j, choice in choices.items()}
    plan = search.plan(timed, profile)
    return Candidate(name, cycle_s, plan, solution.objective, solution.bound, solution.nodes, solution.ended)
