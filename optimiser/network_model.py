"""The Pyomo model of a network at one common cycle: built, started from a known plan, solved, and read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import thread_time

import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.junction import add_junction
from optimiser.formulation.offsets import (
    TreeArc,
    add_offsets,
    coordinable,
    main_green,
    platoon_wait_s,
    tail_slope,
)
from optimiser.formulation.platoons import Platoon, coordinated_shares, platoons
from optimiser.lane_flows import JunctionDemand
from optimiser.settings import ModelSettings
from optimiser.signals import Network
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
    started = thread_time()
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
    # a model is hundreds of thousands of objects that all stay: looking for garbage among them takes long
    with PauseGC():
        model.junction = pyo.Block(sorted(cases))
        for j, case in cases.items():
            add_junction(model.junction[j], case)
        tree = add_offsets(model, cases, found, cycle_s, running_s, fixed=fixed)
        total = pyo.quicksum(model.junction[j].person_delay for j in cases) + model.platoon_delay
        model.person_delay = pyo.Objective(expr=total)
    return NetworkModel(model, cases, found, tree, cycle_s, thread_time() - started)


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
        for opening in block.openings:
            runs = case.forms[opening.k].id == choice.form.id
            opens = runs and all(room.at(choice.durations_s) >= 0 for room in opening.rooms)
            opening.opened.set_value(int(opens), skip_validation=True)
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


def with_good_offsets(built: NetworkModel, choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """The same splits with offsets from descent: one junction after the other takes the whole second that costs its
    platoons least, until nothing changes. A start for HiGHS, no more."""
    found = dict(choices)
    movable = sorted({arc.child for arc in built.tree})
    for _ in range(20):
        changed = False
        for j in movable:
            near = [p for p in built.platoons if j in (p.from_junction, p.to_junction)]
            costs = [
                sum(_platoon_cost(built, found | {j: replace(found[j], offset_s=float(o))}, p) for p in near)
                for o in range(int(built.cycle_s))
            ]
            best = costs.index(min(costs))
            if costs[best] < costs[round(found[j].offset_s) % len(costs)] - 1e-6:
                found[j] = replace(found[j], offset_s=float(best))
                changed = True
        if not changed:
            break
    return found


def _platoon_cost(built: NetworkModel, choices: Mapping[str, Choice], platoon: Platoon) -> float:
    """persons_h * w_a of `formulation.offsets`."""
    source, target = choices[platoon.from_junction], choices[platoon.to_junction]
    early_s, length_s = _early_s(built, source, target, platoon)
    early_s -= built.cycle_s * math.ceil((early_s - length_s) / built.cycle_s - 1e-9)
    kappa = tail_slope(built.cases[platoon.to_junction], platoon, built.cycle_s)
    red_s = built.cycle_s - length_s
    return platoon.persons_h * platoon_wait_s(platoon, early_s, red_s, length_s, kappa)


def _early_s(built: NetworkModel, source: Choice, target: Choice, platoon: Platoon) -> tuple[float, float]:
    """e_a without turns, and the length of the green it is meant for, s."""
    green = main_green(target.form, platoon.to_group)
    leaves_s = main_green(source.form, platoon.from_group).start.at(source.durations_s)
    starts_s, length_s = green.start.at(target.durations_s), green.length.at(target.durations_s)
    return source.offset_s + leaves_s + platoon.lag_s - target.offset_s - starts_s, length_s


def _turns(built: NetworkModel, choices: Mapping[str, Choice], a: int) -> int:
    """n_a that puts the head of platoon a between the red before and the end of the green it is meant for."""
    platoon = built.platoons[a]
    source, target = choices[platoon.from_junction], choices[platoon.to_junction]
    offset = built.model.offset
    source = replace(source, offset_s=offset[platoon.from_junction].value)
    target = replace(target, offset_s=offset[platoon.to_junction].value)
    early_s, length_s = _early_s(built, source, target, platoon)
    turns: int = -math.ceil((early_s - length_s) / built.cycle_s - 1e-9)
    return turns


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
