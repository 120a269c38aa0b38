"""Plans at common cycles by the formulations that choose offsets with stages given: cyclic offsets and green bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

import pyomo.environ as pyo

from optimiser.arterials import arterials_of
from optimiser.demand import Demand
from optimiser.formulation.bandwidth import BANDS, streets_of_ways
from optimiser.formulation.cycle_basis import potentials
from optimiser.half_cycles import halves_of
from optimiser.network_offsets import coordinate, prepare
from optimiser.offset_descent import total_cost
from optimiser.result import Candidate, worst_status
from optimiser.search import Search
from optimiser.streets import frozen_form


@dataclass(frozen=True)
class BandModel:
    """A model of green bands, and the seconds that it took to build."""

    model: pyo.ConcreteModel
    build_s: float


def cyclic_candidates(search: Search, demand: Demand, cycles_s: tuple[float, ...], profile: str) -> list[Candidate]:
    """The network at the common cycle whose descents end lowest, and with half cycles where that promises more; of the
    other cycles nothing is proved."""
    ready = {}
    for cycle_s in search.common_cycles(cycles_s):
        if cycle_s.is_integer() and not search.stopped():
            search.step(f"offsets at {cycle_s:g} s")
            ready[cycle_s] = prepare(search, int(cycle_s), [j.id for j in search.free])
    if not ready:
        return []
    cycle_s = min(ready, key=lambda c: (total_cost(*ready[c]), c))
    search.step(f"network at {cycle_s:g} s")
    found = coordinate(search, *ready[cycle_s])
    plan = search.plan(found.choices, profile)
    ended = worst_status(found.ended)
    common = Candidate(f"{cycle_s:g} s", cycle_s, plan, found.objective, found.bound, found.nodes, ended)
    mixed = _with_half_cycles(search, demand, cycle_s, total_cost(*ready[cycle_s]), profile)
    return [common] if mixed is None else [common, mixed]


def _with_half_cycles(
    search: Search, demand: Demand, cycle_s: float, descended: float, profile: str
) -> Candidate | None:
    """The network with half cycles, where descents with them end lower than the `descended` person delay without."""
    halves = halves_of(search, cycle_s)
    if halves is None or search.stopped():
        return None
    search.step(f"network at {halves.name}")
    ready = prepare(search, int(cycle_s), halves.whole)
    if total_cost(*ready) + sum(alone.objective for alone in halves.at_half.values()) >= descended:
        return None
    found = coordinate(search, *ready)
    ended = worst_status(found.ended)
    return halves.candidate(search, demand, found.choices, found.bound, found.nodes, ended, profile)


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
    started = perf_counter()
    choices = {j.id: search.alone[j.id, cycle_s].choice for j in search.free}
    frozen = {j: frozen_form(choice.form, choice.durations_s) for j, choice in choices.items()}
    arterials = arterials_of(search.network, search.demands, frozen, cycle_s)
    name = f"{cycle_s:g} s"
    if not arterials:
        return Candidate(name, cycle_s, search.plan(choices, profile), 0.0, 0.0, 0, "optimal")
    model = pyo.ConcreteModel()
    BANDS[search.rules.formulation](model, arterials, (cycle_s, cycle_s))
    options = search.options(search.settings.offset_gap)
    solution = search.solve(f"bands at {name}", BandModel(model, perf_counter() - started), options, warm=False)
    if solution.objective is None:
        return None
    ends = streets_of_ways(arterials)
    tensions_s = [cycle_s * float(model.tension[s].value or 0.0) for s in range(len(ends))]
    offsets_s = potentials(ends, tensions_s, {j: choice.offset_s for j, choice in choices.items()})
    timed = {j: replace(choice, offset_s=round(offsets_s[j]) % cycle_s) for j, choice in choices.items()}
    plan = search.plan(timed, profile)
    return Candidate(name, cycle_s, plan, solution.objective, solution.bound, solution.nodes, solution.ended)
