"""The model's word on any plan: the same formulation with nothing left to choose but lanes."""

from __future__ import annotations

from collections.abc import Mapping

import pyomo.environ as pyo

from optimiser.demand import Demand
from optimiser.formulation.case import JunctionCase
from optimiser.formulation.objective import MOST_FLOW_RATIO, lost_s
from optimiser.lane_flows import JunctionDemand, junction_demand, rooms_veh
from optimiser.network_model import NetworkModel, build_network, chosen_form
from optimiser.result import Evaluation, MovementFigures
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import ControllerPlan, Network, NetworkPlan
from optimiser.solve import SolveOptions, solve
from optimiser.stage_forms import SequenceForm, plan_form
from optimiser.timeline import sequence_start_s


def evaluate(
    network: Network,
    demand: Demand,
    plan: NetworkPlan,
    rules: Rules | None = None,
    settings: ModelSettings | None = None,
) -> Evaluation:
    """Objective and movement figures of `plan`; junctions it does not hold run the program they have.

    Junctions of the same cycle count as coordinated with each other, others as fed by even arrivals."""
    rules, settings = rules or Rules(), settings or ModelSettings()
    planned = {p.junction: p for p in plan.controllers}
    plans = {j.id: planned.get(j.id, j.running) for j in network.junctions}
    demands = demands_of(network, demand, rules)
    objective, persons_h, delay = 0.0, 0.0, 0.0
    figures: list[MovementFigures] = []
    for cycle_s in sorted({p.cycle_s for p in plans.values()}):
        together = {j: p for j, p in plans.items() if p.cycle_s == cycle_s}
        built = fixed_network(network, demands, together, settings, coordinate=rules.coordinated)
        solution = solve(built.model, SolveOptions(mip_gap=1e-6, node_limit=100_000))
        objective += solution.objective or 0.0
        for case in built.cases.values():
            figures += movement_figures(built, case)
    for figure in figures:
        weight = next(f.persons_h for f in demands[figure.junction].movements if f.movement.id == figure.movement)
        persons_h += weight
        delay += weight * figure.delay_s
    return Evaluation(objective, delay / persons_h if persons_h else 0.0, tuple(figures))


def demands_of(network: Network, demand: Demand, rules: Rules) -> dict[str, JunctionDemand]:
    """Demand per junction, with the weights of the rules."""
    rooms = rooms_veh(network)
    return {j.id: junction_demand(j, demand, rules, rooms.get(j.id)) for j in network.junctions}


def fixed_network(
    network: Network,
    demands: Mapping[str, JunctionDemand],
    plans: Mapping[str, ControllerPlan],
    settings: ModelSettings,
    *,
    coordinate: bool = True,
) -> NetworkModel:
    """The model of plans of one common cycle, with nothing to choose."""
    forms = {j: (plan_form(p),) for j, p in plans.items()}
    offsets = {j: sequence_start_s(p) for j, p in plans.items()}
    cycle_s = next(iter(plans.values())).cycle_s
    return build_network(network, demands, forms, cycle_s, settings, offsets, fixed=True, coordinate=coordinate)


def movement_figures(built: NetworkModel, case: JunctionCase) -> list[MovementFigures]:
    """Figures of every movement of one junction from a solved model.

    Uniform delay is Webster's, or of its platoons where offsets decide; overflow delay comes from the queue left."""
    block = built.model.junction[case.junction.id]
    waits = _group_waits(built, case, block)
    greens = _greens(case, block)
    found = []
    for flow in case.demand.movements:
        classes = [c for load in case.demand.lanes for c in load.classes if flow.movement.id in c.movements]
        overflow, capacity, used = 0.0, 0.0, 0.0
        for c in classes:
            share_veh_h = pyo.value(block.lane_flow[c.lane, flow.movement.id])
            class_veh_h = max(pyo.value(block.class_flow[c.id]), 1e-6)
            overflow += 3600 * (block.overflow[c.id].value or 0.0) * share_veh_h / class_veh_h
            class_capacity = max(class_veh_h - (block.shortfall[c.id].value or 0.0), 0.1)
            capacity += class_capacity * share_veh_h / class_veh_h
            used = max(used, class_veh_h / class_capacity if share_veh_h > 0.5 else 0.0)
        y = min(case.demand.flow_ratio(flow.movement), MOST_FLOW_RATIO)
        uniform_s = waits.get(flow.movement.group, 0.0) / (1 - y)
        found.append(
            MovementFigures(
                case.junction.id,
                flow.movement.id,
                flow.movement.group,
                round(flow.flow_veh_h, 3),
                round(capacity, 3),
                round(used, 4),
                round(greens.get(flow.movement.group, 0.0), 3),
                round(uniform_s, 3),
                round(overflow / flow.flow_veh_h, 3),
            )
        )
    return found


def _group_waits(built: NetworkModel, case: JunctionCase, block: pyo.Block) -> dict[str, float]:
    """Mean wait of even arrivals, before the factor 1 / (1 - y), lowered by what platoons save, s."""
    form, durations = _chosen(case, block)
    waits: dict[str, float] = {}
    for group in sorted({f.movement.group for f in case.demand.movements}):
        reds = [red.at(durations) + lost_s(case, group) for red in form.reds(group)]
        even_s = sum(r * r for r in reds) * form.repeats / (2 * case.cycle_s)
        persons = sum(f.persons_h for f in case.demand.movements if f.movement.group == group)
        platoon = [
            (p.persons_h, built.model.platoon_wait[a].value or 0.0)
            for a, p in enumerate(built.platoons)
            if (p.to_junction, p.to_group) == (case.junction.id, group)
        ]
        share = case.coordinated.get(group, 0.0)
        waits[group] = even_s * (1 - share) + sum(w * s for w, s in platoon) / max(persons, 1e-6)
    return waits


def _greens(case: JunctionCase, block: pyo.Block) -> dict[str, float]:
    form, durations = _chosen(case, block)
    groups = {f.movement.group for f in case.demand.movements}
    return {g: sum(green.length.at(durations) for green in form.greens(g)) * form.repeats for g in sorted(groups)}


def _chosen(case: JunctionCase, block: pyo.Block) -> tuple[SequenceForm, tuple[float, ...]]:
    k = chosen_form(block, case)
    form = case.forms[k]
    return form, tuple(float(round(block.duration[k, i].value or 0.0)) for i in range(len(form.min_s)))
