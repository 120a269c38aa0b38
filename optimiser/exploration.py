"""Junctions one by one: which stage orders are worth offering, and what each cycle costs each junction.

No junction's answer hangs on another's. Where there is enough to do they are shared out over processes, and the answers
are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Event

from optimiser.derived_sequences import derived_sequences
from optimiser.errors import InfeasibleError, OptimiserError
from optimiser.formulation.limits import broken_by_structure
from optimiser.infeasibility import conflicts_of
from optimiser.lane_flows import JunctionDemand
from optimiser.network_model import build_network, read_choices
from optimiser.offered import offered_forms
from optimiser.result import SolveLog
from optimiser.rules import Rules
from optimiser.search import Alone, Search
from optimiser.sequences import stage_orders
from optimiser.settings import ModelSettings
from optimiser.signals import Junction, Network
from optimiser.stage_forms import SequenceForm, sequence_form

WORTH_SHARING = 200
"""Solves of single junctions; fewer are done by the time that another process has begun."""
_LOOK_S = 0.2


@dataclass(frozen=True)
class Explored:
    """A junction's orders on offer, what it runs alone at each cycle (s), and whether HiGHS left one undecided."""

    junction: str
    forms: tuple[SequenceForm, ...]
    alone: Mapping[float, Alone]
    undecided: bool
    log: tuple[SolveLog, ...]


def explore(search: Search, cycles_s: tuple[float, ...]) -> None:
    """Fills `forms` where a free junction has none yet: its listed sequences and the generated orders that look best at
    its running cycle, `settings.orders` in all; and `alone` at every cycle it allows, as far as HiGHS gets.

    Raises InfeasibleError for junctions that no cycle suits, OptimiserError where a process is lost."""
    search.tried_cycles_s |= set(cycles_s)
    shared = search.workers > 1 and len(search.free) * len(cycles_s) >= WORTH_SHARING
    undecided: set[str] = set()
    for found in _shared_out(search, cycles_s) if shared else _one_by_one(search, cycles_s):
        search.forms[found.junction] = found.forms
        search.alone |= {(found.junction, cycle_s): alone for cycle_s, alone in found.alone.items()}
        search.log += found.log
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


def _one_by_one(search: Search, cycles_s: tuple[float, ...]) -> Iterator[Explored]:
    for junction in search.free:
        # what is solved here goes to the search's log with the answer, as it does from other processes
        own = replace(search, log=[])
        yield _explored(own, junction, cycles_s)


def _shared_out(search: Search, cycles_s: tuple[float, ...]) -> Iterator[Explored]:
    """The same from other processes, in the same order."""
    context = get_context("spawn")
    stop = context.Event()
    given = (search.network, search.demands, search.rules, search.settings, search.forms, stop)
    with ProcessPoolExecutor(search.workers, context, _begin, given) as pool:
        try:
            for future in [pool.submit(_explored_there, j.id, cycles_s) for j in search.free]:
                yield _awaited(search, future, stop)
        except BrokenProcessPool as error:
            raise OptimiserError(
                "a process of the optimiser ended before its answer; take fewer workers where memory is short"
            ) from error
        finally:
            stop.set()


def _awaited(search: Search, future: Future[Explored], stop: Event) -> Explored:
    while True:
        try:
            return future.result(_LOOK_S)
        except TimeoutError:
            if search.stopped():
                stop.set()


_there: Search | None = None
"""What another process works on."""


def _begin(
    network: Network,
    demands: Mapping[str, JunctionDemand],
    rules: Rules,
    settings: ModelSettings,
    forms: dict[str, tuple[SequenceForm, ...]],
    stop: Event,
) -> None:
    global _there
    _there = Search(network, demands, rules, settings, None, stop.is_set, forms=forms)


def _explored_there(junction: str, cycles_s: tuple[float, ...]) -> Explored:
    assert _there is not None
    return _explored(replace(_there, log=[]), _there.network.junction(junction), cycles_s)


def _explored(search: Search, junction: Junction, cycles_s: tuple[float, ...]) -> Explored:
    known = search.forms.get(junction.id)
    forms = _offered(search, junction) if known is None else known
    alone: dict[float, Alone] = {}
    undecided = False
    running_s = search.running_s
    for cycle_s in cycles_s if forms else ():
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
    return Explored(junction.id, forms, alone, undecided, tuple(search.log))


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
