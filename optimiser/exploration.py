"""Junctions one by one: which stage orders are worth offering, and what each cycle costs each junction.

No junction's answer hangs on another's, so a search may share them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optimiser.derived_sequences import derived_sequences
from optimiser.errors import InfeasibleError
from optimiser.formulation.limits import broken_by_structure
from optimiser.infeasibility import conflicts_of
from optimiser.network_model import build_network, read_choices
from optimiser.offered import offered_forms
from optimiser.search import Alone, Search
from optimiser.sequences import stage_orders
from optimiser.signals import Junction
from optimiser.stage_forms import SequenceForm, sequence_form


@dataclass(frozen=True)
class Unexplored:
    """A junction to solve at some cycles (s); `forms` are its orders on offer, None where they are to be found."""

    junction: str
    forms: tuple[SequenceForm, ...] | None
    cycles_s: tuple[float, ...]


@dataclass(frozen=True)
class Explored:
    """A junction's orders on offer, what it runs alone at each cycle (s), and whether HiGHS left one undecided."""

    junction: str
    forms: tuple[SequenceForm, ...]
    alone: Mapping[float, Alone]
    undecided: bool


def explore(search: Search, cycles_s: tuple[float, ...]) -> None:
    """Fills `forms` where a free junction has none yet: its listed sequences and the generated orders that look best at
    its running cycle, `settings.orders` in all; and `alone` at every cycle it allows, as far as HiGHS gets.

    Raises InfeasibleError for junctions that no cycle suits."""
    search.tried_cycles_s |= set(cycles_s)
    undecided: set[str] = set()
    parts = [Unexplored(j.id, search.forms.get(j.id), cycles_s) for j in search.free]
    for found in search.each(_explored, parts):
        search.forms[found.junction] = found.forms
        search.alone |= {(found.junction, cycle_s): alone for cycle_s, alone in found.alone.items()}
        if found.undecided:
            undecided.add(found.junction)
        search.step(f"{found.junction} alone")
    if search.stopped():
        return
    solved = {junction for junction, _ in search.alone}
    impossible = [j for j in search.free if j.id not in solved | undecided]
    if impossible:
        conflicts = tuple(c for j in impossible for c in conflicts_of(j, cycles_s))
        raise InfeasibleError("no plan keeps all limits: " + "; ".join(conflicts), conflicts)


def _explored(search: Search, part: Unexplored) -> Explored:
    junction = search.network.junction(part.junction)
    forms = _offered(search, junction) if part.forms is None else part.forms
    alone: dict[float, Alone] = {}
    undecided = False
    running_s = search.running_s
    for cycle_s in part.cycles_s if forms else ():
        if search.stopped():
            break
        if not junction.min_cycle_s <= cycle_s <= junction.max_cycle_s:
            continue
        built = build_network(search.network, search.demands, {junction.id: forms}, cycle_s, search.settings, running_s)
        solution = search.solve_alone(f"{junction.id} at {cycle_s:g} s", built)
        if solution.objective is not None:
            choice = replace(read_choices(built)[junction.id], offset_s=round(running_s[junction.id]) % cycle_s)
            alone[cycle_s] = Alone(choice, solution.objective, solution.bound, solution.ended)
        elif solution.ended != "infeasible":
            undecided = True
    return Explored(junction.id, forms, alone, undecided)


def _offered(search: Search, junction: Junction) -> tuple[SequenceForm, ...]:
    """The junction's listed sequences, and as many generated ones as there is room for."""
    listed = list(offered_forms(junction))
    rules = search.rules.junctions.get(junction.id)
    kept = rules.locked_stages if rules is not None else ()
    forbidden = search.rules.forbidden_sequences(junction.id)
    generated = stage_orders(junction, forbidden, kept, search.settings.most_generated)
    if search.rules.derived_stages:
        demand = search.demands[junction.id]
        generated += derived_sequences(demand, forbidden, kept, search.settings.most_generated)
    forms = [sequence_form(junction, sequence) for sequence in generated]
    feasible = [form for form in forms if not broken_by_structure(junction, form)]
    room = max(search.settings.orders - len(listed), 0 if listed else 1)
    if feasible and room and not search.stopped():
        listed += _best_orders(search, junction, feasible)[:room]
    return tuple(listed)


def _best_orders(search: Search, junction: Junction, forms: list[SequenceForm]) -> list[SequenceForm]:
    """Forms by what the junction alone costs with each; those that cannot fill the running cycle come last."""
    cycle_s = min(max(round(junction.running.cycle_s), junction.min_cycle_s), junction.max_cycle_s)
    ranked = []
    for number, form in enumerate(forms):
        built = build_network(
            search.network, search.demands, {junction.id: (form,)}, cycle_s, search.settings, search.running_s
        )
        solution = search.solve_alone(f"{junction.id}, order {form.id}", built)
        objective = float("inf") if solution.objective is None else solution.objective
        ranked.append((objective, number))
    return [forms[number] for _, number in sorted(ranked)]
