"""Offsets: when the sequence of each junction starts, and how long platoons wait for it.

For a platoon a from a green of junction u to one of junction v, both at the common cycle C:
    e_a = (o_u + S_u) + lag_a - (o_v + S_v) + C n_a,    -R_v <= e_a <= G_v,   n_a whole
    w_a >= b_a R_v - e_a,   w_a >= kappa_a (e_a - G_v + W_a),   w_a >= 0               (s)
o offset of second 0 of the sequence (whole s); S start, G length of the green within it, R the red before it; e_a how
long after the start of green the platoon's head arrives. Early heads wait for the green and for the queue before them;
of late ones the tail that is cut waits for the next green, kappa = C-less-green over width of the running plan. n_a
counts cycles, so closed loops add up (Serafini & Ukovich 1989, PESP; Gartner, Little & Gabbay 1975, MITROP). The cost
persons_h * w_a is convex in (o, S, G, R) for each n_a. Offsets count beyond the cycle, so n_a = 0 may be set on a
spanning tree of the platoons (the one with most people), and only the arcs that close loops keep a free n_a (Liebchen
2006, cycle bases in periodic timetabling).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase, time_in_forms
from optimiser.formulation.families import Rows
from optimiser.formulation.platoons import Platoon
from optimiser.stage_forms import Green, SequenceForm

SHORT_BREAKS_S = 6.0
"""A change of stages that a green is broken by, as between a permissive turn and its arrow, or two of them."""


@dataclass(frozen=True)
class TreeArc:
    """A platoon on the spanning tree; `child` is the junction that the arc joins to those before it."""

    platoon: int
    child: str


def add_offsets(
    model: pyo.ConcreteModel,
    cases: Mapping[str, JunctionCase],
    found: tuple[Platoon, ...],
    cycle_s: float,
    running_s: Mapping[str, float],
    *,
    fixed: bool = False,
) -> tuple[TreeArc, ...]:
    """Adds `offset` (junction, s), where there are platoons `early` (e_a), `turns` (n_a) and `platoon_wait` (w_a), and
    the expression `platoon_delay` (persons * s / h); gives back the spanning tree from its roots on.

    In each part of the network that platoons connect one offset stays as it runs; with `fixed`, all do."""
    names = sorted(cases)
    tree = () if fixed else spanning_tree(names, found)
    children = {arc.child for arc in tree}
    reach_s = cycle_s * 4 * (len(names) + 1)
    model.offset = pyo.Var(names, domain=pyo.Integers, bounds=(-reach_s, reach_s))
    for junction in names:
        if fixed or junction not in children:
            model.offset[junction].setub(reach_s)
            model.offset[junction].fix(running_s.get(junction, 0.0) % cycle_s)
    if not found:
        model.platoon_delay = 0.0
        return tree
    index = range(len(found))
    model.early = pyo.Var(index, bounds=(-cycle_s, cycle_s))
    model.turns = pyo.Var(index, domain=pyo.Integers)
    model.platoon_wait = pyo.Var(index, domain=pyo.NonNegativeReals)
    model.arrival = Rows()
    for a, platoon in enumerate(found):
        _add_platoon(model, cases, platoon, a, cycle_s)
    for arc in tree:
        model.turns[arc.platoon].fix(0)
    model.platoon_delay = pyo.quicksum(platoon.persons_h * model.platoon_wait[a] for a, platoon in enumerate(found))
    return tree


def spanning_tree(names: list[str], found: tuple[Platoon, ...]) -> tuple[TreeArc, ...]:
    """Platoons that connect the junctions without a loop, those with most people first; ordered from the first
    junction (by name) of each part on, so that every arc joins one new junction."""
    parts = {name: {name} for name in names}
    kept: list[int] = []
    for a in sorted(range(len(found)), key=lambda a: (-found[a].persons_h, a)):
        one, other = parts[found[a].from_junction], parts[found[a].to_junction]
        if one is not other:
            kept.append(a)
            one |= other
            parts |= dict.fromkeys(sorted(one), one)
    reached = {min(part) for part in parts.values()}
    ordered: list[TreeArc] = []
    while len(ordered) < len(kept):
        for a in kept:
            ends = {found[a].from_junction, found[a].to_junction}
            new = ends - reached
            if len(new) == 1:
                ordered.append(TreeArc(a, min(new)))
                reached |= ends
    return tuple(ordered)


def main_green(form: SequenceForm, group: str) -> Green:
    """The longest green of a group, all stages alike and the least lengths deciding ties."""
    greens = form.greens(group)
    return max(greens, key=lambda g: (g.length.at(_even(form)), -g.first))


def coordinable(case: JunctionCase, group: str) -> bool:
    """Whether a group has one green under every sequence on offer, breaks of SHORT_BREAKS_S in all apart: who is green
    twice a cycle sends two platoons and may pass in either green, which one wait by offset does not tell."""
    for form in case.forms:
        reds_s = sorted(red.at(_even(form)) for red in form.reds(group))
        if not reds_s or sum(reds_s[:-1]) > SHORT_BREAKS_S:
            return False
    return True


def _even(form: SequenceForm) -> tuple[float, ...]:
    """All stages alike."""
    return (10.0,) * len(form.min_s)


def _add_platoon(
    model: pyo.ConcreteModel, cases: Mapping[str, JunctionCase], platoon: Platoon, a: int, cycle_s: float
) -> None:
    source, target = cases[platoon.from_junction], cases[platoon.to_junction]
    leaves, _ = _green(model, source, platoon.from_group)
    starts, length = _green(model, target, platoon.to_group)
    red = cycle_s - length
    early, wait, turns = model.early[a], model.platoon_wait[a], model.turns[a]
    most = 4 * (len(cases) + 1)
    turns.setlb(-most - int(platoon.lag_s // cycle_s))
    turns.setub(most)
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


def platoon_wait_s(platoon: Platoon, early_s: float, red_s: float, green_s: float, kappa: float) -> float:
    """w_a for given times, s."""
    late_s = kappa * (early_s - green_s + platoon.width_s)
    return max(0.0, platoon.queue_s_per_red * red_s - early_s, late_s)


def tail_slope(target: JunctionCase, platoon: Platoon, cycle_s: float) -> float:
    """Mean wait of a platoon (s) per second that its tail is late, with the red of the running plan."""
    running = target.junction.running
    green_s = max((i.end_s - i.start_s) % running.cycle_s for i in running.greens[platoon.to_group])
    red_s = cycle_s * (1 - green_s / running.cycle_s)
    return min(3.0, max(0.2, red_s / max(platoon.width_s, 3.0)))


def _green(
    model: pyo.ConcreteModel, case: JunctionCase, group: str
) -> tuple[pyo.Expression | float, pyo.Expression | float]:
    """Start and length of the green that platoons leave in or are meant for, s."""
    if case.settled:
        green = main_green(case.forms[0], group)
        return green.start.constant_s, green.length.constant_s
    block = model.junction[case.junction.id]
    greens = [main_green(form, group) for form in case.forms]
    return (
        time_in_forms(block, [(k, green.start) for k, green in enumerate(greens)]),
        time_in_forms(block, [(k, green.length) for k, green in enumerate(greens)]),
    )
