"""Offsets: when the sequence of each junction starts, and how long platoons wait for it.

For a platoon a from a green of junction u to one of junction v, both at the common cycle C:
    e_a = (o_u + S_u) + lag_a - (o_v + S_v) + C n_a,    -R_v <= e_a <= G_v,   n_a whole
    w_a >= b_a R_v - e_a,   w_a >= kappa_a (e_a - G_v + W_a),   w_a >= 0               (s)
o offset of second 0 of the sequence (whole s); S start, G length of the green within it, R the red before it; e_a how
long after the start of green the platoon's head arrives. Early heads wait for the green and for the queue before them;
of late ones the tail that is cut waits for the next green, kappa = C-less-green over width of the running plan. n_a
counts cycles, so closed loops add up (Serafini & Ukovich 1989, PESP; Gartner, Little & Gabbay 1975, MITROP). The cost
persons_h * w_a is convex in (o, S, G, R) for each n_a.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase, time_in_form
from optimiser.formulation.platoons import Platoon
from optimiser.stage_forms import Green, SequenceForm


def add_offsets(
    model: pyo.ConcreteModel,
    cases: Mapping[str, JunctionCase],
    found: tuple[Platoon, ...],
    cycle_s: float,
    running_s: Mapping[str, float],
) -> None:
    """Adds `offset` (junction, s), `early` (e_a), `turns` (n_a), `platoon_wait` (w_a) and the expression
    `platoon_delay` (persons * s / h). In each part of the network that platoons connect one offset stays as it runs."""
    names = sorted(cases)
    model.offset = pyo.Var(names, domain=pyo.NonNegativeIntegers, bounds=(0, cycle_s - 1))
    for junction in _anchors(names, found):
        model.offset[junction].fix(running_s.get(junction, 0.0) % cycle_s)
    index = range(len(found))
    model.early = pyo.Var(index, bounds=(-cycle_s, cycle_s))
    model.turns = pyo.Var(index, domain=pyo.Integers)
    model.platoon_wait = pyo.Var(index, domain=pyo.NonNegativeReals)
    model.arrival = pyo.ConstraintList()
    for a, platoon in enumerate(found):
        _add_platoon(model, cases, platoon, a, cycle_s)
    model.platoon_delay = pyo.Expression(
        expr=pyo.quicksum(platoon.persons_h * model.platoon_wait[a] for a, platoon in enumerate(found))
    )


def main_green(form: SequenceForm, group: str) -> Green:
    """The longest green of a group, all stages alike and the least lengths deciding ties."""
    greens = form.greens(group)
    even = (10.0,) * len(form.min_s)
    return max(greens, key=lambda g: (g.length.at(even), -g.first))


def coordinable(case: JunctionCase, group: str) -> bool:
    """Whether a group has a green that starts and ends under every sequence on offer."""
    return all(form.reds(group) for form in case.forms)


def _add_platoon(
    model: pyo.ConcreteModel, cases: Mapping[str, JunctionCase], platoon: Platoon, a: int, cycle_s: float
) -> None:
    source, target = cases[platoon.from_junction], cases[platoon.to_junction]
    leaves, _ = _green(model, source, platoon.from_group)
    starts, length = _green(model, target, platoon.to_group)
    red = cycle_s - length
    early, wait, turns = model.early[a], model.platoon_wait[a], model.turns[a]
    turns.setlb(-3 - int(platoon.lag_s // cycle_s))
    turns.setub(3)
    model.arrival.add(
        early
        == model.offset[platoon.from_junction]
        + leaves
        + platoon.lag_s
        - model.offset[platoon.to_junction]
        - starts
        + cycle_s * turns
    )
    model.arrival.add(early >= -red)
    model.arrival.add(early <= length)
    model.arrival.add(wait >= platoon.queue_s_per_red * red - early)
    kappa = tail_slope(target, platoon, cycle_s)
    model.arrival.add(wait >= kappa * (early - length + platoon.width_s))


def tail_slope(target: JunctionCase, platoon: Platoon, cycle_s: float) -> float:
    """Mean wait of a platoon (s) per second that its tail is late, with the red of the running plan."""
    running = target.junction.running
    green_s = max((i.end_s - i.start_s) % running.cycle_s for i in running.greens[platoon.to_group])
    red_s = cycle_s * (1 - green_s / running.cycle_s)
    return min(3.0, max(0.2, red_s / max(platoon.width_s, 3.0)))


def _green(model: pyo.ConcreteModel, case: JunctionCase, group: str) -> tuple[pyo.Expression, pyo.Expression]:
    block = model.junction[case.junction.id]
    starts, lengths = [], []
    for k, form in enumerate(case.forms):
        green = main_green(form, group)
        starts.append(time_in_form(block, k, green.start))
        lengths.append(time_in_form(block, k, green.length))
    return pyo.quicksum(starts), pyo.quicksum(lengths)


def _anchors(names: list[str], found: tuple[Platoon, ...]) -> list[str]:
    """One junction (the first by name) of each part of the network that platoons connect."""
    root = {name: name for name in names}

    def top(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for platoon in found:
        one, other = sorted((top(platoon.from_junction), top(platoon.to_junction)))
        root[other] = one
    return sorted({top(name) for name in names})
