"""One junction retimed while its neighbours stay: the whole formulation of the junction, its platoons to and from them.

Each such step can only lower the person delay of the network; and what the junction would run then is one more
alternative for the choice over the whole network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import thread_time

import pyomo.environ as pyo

from optimiser.formulation.junction import add_junction
from optimiser.formulation.offsets import add_offsets
from optimiser.network_model import Choice, NetworkModel, read_choices, start_from
from optimiser.offset_descent import Timing
from optimiser.search import Search
from optimiser.streets import Alternative, Streets, frozen_form


def build_star(streets: Streets, junction: str, timings: Mapping[str, Timing]) -> NetworkModel:
    """Model of `junction` with all its forms, its offset and its platoons; its neighbours run `timings`."""
    started = thread_time()
    cycle_s = float(streets.cycle_s)
    found = tuple(p for ends, members in streets.between.items() if junction in ends for p in members)
    others = {p.from_junction for p in found} | {p.to_junction for p in found} - {junction}
    cases = {junction: streets.cases[junction]}
    for other in sorted(others - {junction}):
        held = streets.alternatives[other][timings[other][0]].frozen
        cases[other] = replace(streets.cases[other], forms=(held,), fixed=True)
    offsets = {j: float(timings[j][1]) for j in cases}
    model = pyo.ConcreteModel()
    model.junction = pyo.Block([junction])
    add_junction(model.junction[junction], cases[junction])
    tree = add_offsets(model, cases, found, cycle_s, offsets, fixed=True)
    model.offset[junction].unfix()
    model.offset[junction].setlb(0)
    model.offset[junction].setub(cycle_s - 1)
    model.person_delay = pyo.Objective(expr=model.junction[junction].person_delay + model.platoon_delay)
    return NetworkModel(model, {junction: cases[junction]}, found, tree, cycle_s, thread_time() - started)


@dataclass(frozen=True)
class Star:
    """A junction to retime among `streets`, while the others run `timings`."""

    streets: Streets
    junction: str
    timings: Mapping[str, Timing]


def star_of(streets: Streets, junction: str, timings: Mapping[str, Timing]) -> Star:
    """The star of a junction of a network that runs `timings`."""
    around = streets.around(junction)
    return Star(around, junction, {j: timings[j] for j in around.cases})


def retimed(search: Search, star: Star) -> Alternative | None:
    """What the junction of a star runs best; None where HiGHS finds nothing."""
    if search.stopped():
        return None
    streets, junction = star.streets, star.junction
    built = build_star(streets, junction, star.timings)
    start_from(built, _as_timed(streets, built, junction, star.timings))
    options = search.options(search.settings.offset_gap, sub_models=False)
    solution = search.solve(f"{junction} among its neighbours at {streets.cycle_s} s", built, options)
    if solution.objective is None:
        return None
    choice = read_choices(built)[junction]
    cost = float(pyo.value(built.model.junction[junction].person_delay))
    return Alternative(choice, frozen_form(choice.form, choice.durations_s), cost)


def _as_timed(streets: Streets, built: NetworkModel, junction: str, timings: Mapping[str, Timing]) -> dict[str, Choice]:
    """What the junction and its neighbours run by `timings`."""
    found = {}
    for j in {junction, *(j for p in built.platoons for j in (p.from_junction, p.to_junction))}:
        number, offset_s = timings[j]
        alternative = streets.alternatives[j][number]
        held = Choice(alternative.frozen, (), float(offset_s))
        found[j] = held if j != junction else replace(alternative.choice, offset_s=float(offset_s))
    return found
