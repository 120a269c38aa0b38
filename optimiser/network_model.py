"""The Pyomo model of a network at one common cycle: built, started from a known plan, solved, and read back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.junction import add_junction
from optimiser.formulation.offsets import TreeArc, add_offsets, coordinable, main_green
from optimiser.formulation.platoons import Platoon, coordinated_shares, platoons
from optimiser.lane_flows import JunctionDemand
from optimiser.settings import ModelSettings
from optimiser.signals import Network
from optimiser.solve import Solution, SolveOptions, solve
from optimiser.stage_forms import SequenceForm


@dataclass(frozen=True)
class Choice:
    """What a solution decides at one junction: the form, its stage durations, and when its second 0 falls (s)."""

    form: SequenceForm
    durations_s: tuple[float, ...]
    offset_s: float


@dataclass(frozen=True)
class NetworkModel:
    """A built model with the cases it is made of."""

    model: pyo.ConcreteModel
    cases: Mapping[str, JunctionCase]
    platoons: tuple[Platoon, ...]
    tree: tuple[TreeArc, ...]
    cycle_s: float
    build_s: float


def build_network(
    network: Network,
    demands: Mapping[str, JunctionDemand],
    forms: Mapping[str, tuple[SequenceForm, ...]],
    cycle_s: float,
    settings: ModelSettings,
    running_s: Mapping[str, float],
    *,
    fixed: bool = False,
    coordinate: bool = True,
) -> NetworkModel:
    """Model of the junctions in `forms` at a common cycle; `running_s` are their present offsets. With `fixed` the
    forms are plans to evaluate, and offsets stay at `running_s`."""
    started = perf_counter()
    inside = {j: demands[j] for j in sorted(forms)}
    bare = {j: JunctionCase(d, forms[j], cycle_s, settings, fixed=fixed) for j, d in inside.items()}
    found: tuple[Platoon, ...] = ()
    if coordinate and len(inside) > 1:
        found = tuple(
            p
            for p in platoons(network, inside, cycle_s, settings.dispersion)
            if coordinable(bare[p.from_junction], p.from_group) and coordinable(bare[p.to_junction], p.to_group)
        )
    shares = coordinated_shares(found, inside)
    cases = {
        j: JunctionCase(d, forms[j], cycle_s, settings, coordinated=shares[j], fixed=fixed) for j, d in inside.items()
    }
    model = pyo.ConcreteModel()
    model.junction = pyo.Block(sorted(cases))
    for j, case in cases.items():
        add_junction(model.junction[j], case)
    tree = add_offsets(model, cases, found, cycle_s, running_s, fixed=fixed)
    total = pyo.quicksum(model.junction[j].person_delay for j in cases) + model.platoon_delay
    model.person_delay = pyo.Objective(expr=total)
    return NetworkModel(model, cases, found, tree, cycle_s, perf_counter() - started)


def start_from(built: NetworkModel, choices: Mapping[str, Choice]) -> None:
    """Sets the model's integers to a known plan, from which HiGHS completes a first incumbent."""
    model = built.model
    for j, case in built.cases.items():
        choice, block = choices[j], model.junction[j]
        for k, form in enumerate(case.forms):
            chosen = form.id == choice.form.id
            block.chosen[k].set_value(int(chosen), skip_validation=True)
            for i in range(len(form.min_s)):
                duration_s = round(choice.durations_s[i]) if chosen else 0
                block.duration[k, i].set_value(duration_s, skip_validation=True)
        if not model.offset[j].fixed:
            model.offset[j].set_value(round(choice.offset_s) % built.cycle_s, skip_validation=True)
    for arc in built.tree:
        turns = _turns(built, choices, arc.platoon)
        outward = built.platoons[arc.platoon].to_junction == arc.child
        moved_s = built.cycle_s * (-turns if outward else turns)
        model.offset[arc.child].set_value(model.offset[arc.child].value + moved_s, skip_validation=True)
    for a in range(len(built.platoons)):
        if not model.turns[a].fixed:
            model.turns[a].set_value(_turns(built, choices, a), skip_validation=True)


def _turns(built: NetworkModel, choices: Mapping[str, Choice], a: int) -> int:
    """n_a that puts the head of platoon a between the red before and the end of the green it is meant for."""
    platoon = built.platoons[a]
    source, target = choices[platoon.from_junction], choices[platoon.to_junction]
    green = main_green(target.form, platoon.to_group)
    leaves_s = main_green(source.form, platoon.from_group).start.at(source.durations_s)
    starts_s, length_s = green.start.at(target.durations_s), green.length.at(target.durations_s)
    offset = built.model.offset
    apart_s = offset[platoon.from_junction].value - offset[platoon.to_junction].value
    early_s = apart_s + leaves_s + platoon.lag_s - starts_s
    turns: int = -math.ceil((early_s - length_s) / built.cycle_s - 1e-9)
    return turns


def solve_network(
    built: NetworkModel, options: SolveOptions, *, warm: bool, cancelled: Callable[[], bool] | None
) -> Solution:
    """Solves a built model and leaves the best solution in it."""
    return solve(built.model, options, warm=warm, cancelled=cancelled)


def read_choices(built: NetworkModel) -> dict[str, Choice]:
    """What the solved model decided at each junction."""
    found = {}
    for j, case in built.cases.items():
        block = built.model.junction[j]
        k = chosen_form(block, case)
        form = case.forms[k]
        durations = tuple(float(round(block.duration[k, i].value or 0.0)) for i in range(len(form.min_s)))
        found[j] = Choice(form, durations, float(built.model.offset[j].value or 0.0) % built.cycle_s)
    return found


def chosen_form(block: pyo.Block, case: JunctionCase) -> int:
    """Number of the form that a solved junction runs."""
    shown = [float(block.chosen[k].value or 0.0) for k in range(len(case.forms))]
    return shown.index(max(shown))
