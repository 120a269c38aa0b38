"""Webster's closed form on the same junctions: the reference that the MILP must never lose to.

    C = (1.5 L + 5) / (1 - Y),   g_i = v_i / Y * (C - L)                            (s)
Y is the least sum of stage flow ratios v_i that gives every lane's flow ratio y its share of the cycle,
    Y = min sum_i v_i,   sum_(i green for c) v_i >= y_c,   v_i >= 0
which for stages without overlaps is Webster's sum of the critical ratios; L is the time lost in interstages and
start-ups of the stages with v_i > 0. Greens are then moved to the nearest whole seconds that keep all limits.
Source: Webster (1958), Traffic Signal Settings, Road Research Technical Paper 39; Allsop (1972) for overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from scipy.optimize import linprog

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.cycle import add_cycle
from optimiser.formulation.families import Rows
from optimiser.formulation.limits import add_limits
from optimiser.lane_flows import JunctionDemand
from optimiser.settings import ModelSettings
from optimiser.solve import SolveOptions, solve
from optimiser.stage_forms import SequenceForm

MOST_SATURATED = 0.95
"""Above this Y the formula runs off to endless cycles; the longest cycle allowed is taken."""


@dataclass(frozen=True)
class WebsterTiming:
    """Cycle and stage durations in s, and the junction's flow ratio Y and lost time L (s) behind them."""

    form: SequenceForm
    cycle_s: float
    durations_s: tuple[float, ...]
    flow_ratio: float
    lost_s: float


def webster(demand: JunctionDemand, form: SequenceForm, settings: ModelSettings) -> WebsterTiming | None:
    """Webster's timing of one stage sequence, or None where no whole seconds near it keep the limits."""
    ratios = stage_flow_ratios(demand, form)
    junction = demand.junction
    total, lost_s, wanted_s = webster_cycle(demand, form)
    free = junction.max_cycle_s if wanted_s is None else wanted_s
    first_s = round(min(max(free, junction.min_cycle_s), junction.max_cycle_s))
    longest_s = int(junction.max_cycle_s)
    for cycle_s in range(first_s, longest_s + 1, 5):
        wanted = _wanted_s(form, ratios, float(cycle_s))
        durations = _nearest(demand, form, float(cycle_s), wanted, settings)
        if durations is not None:
            return WebsterTiming(form, float(cycle_s), durations, total, lost_s)
    return None


def webster_cycle(demand: JunctionDemand, form: SequenceForm) -> tuple[float, float, float | None]:
    """Y, L (s) and C (s) of the head of this file; no C where Y is over MOST_SATURATED."""
    ratios = stage_flow_ratios(demand, form)
    total, lost_s = sum(ratios), _lost_s(demand, form, ratios)
    return total, lost_s, (1.5 * lost_s + 5) / (1 - total) if total < MOST_SATURATED else None


def stage_flow_ratios(demand: JunctionDemand, form: SequenceForm) -> tuple[float, ...]:
    """v_i of the head of this file, one for each stage of the sequence."""
    needs: dict[tuple[float, ...], float] = {}
    n = len(form.min_s)
    for load in demand.lanes:
        for group in sorted({c.group for c in load.classes}):
            flow = sum(c.nominal_veh_h for c in load.classes if c.group == group)
            worth = tuple(1.0 if _green_in(form, group, i) else 0.0 for i in range(n))
            needs[worth] = max(needs.get(worth, 0.0), flow / load.lane.saturation_veh_h)
    return least_ratios(needs, n)


def least_ratios(needs: Mapping[tuple[float, ...], float], stages: int) -> tuple[float, ...]:
    """v_i of the head of this file, given what a second of each stage is worth to each lane and the flow ratio it
    needs; lanes that no stage serves are passed over."""
    served = {worth: ratio for worth, ratio in needs.items() if any(worth)}
    if not served:
        return (0.0,) * stages
    rows = -np.array(list(served))
    found = linprog(np.ones(stages), A_ub=rows, b_ub=[-ratio for ratio in served.values()], method="highs")
    return tuple(float(v) for v in found.x)


def _green_in(form: SequenceForm, group: str, stage: int) -> bool:
    return any(s.length.weights[stage] and group in s.rights for s in form.segments)


def _lost_s(demand: JunctionDemand, form: SequenceForm, ratios: tuple[float, ...]) -> float:
    lanes = demand.junction.lanes
    start_up_s = sum(lane.start_up_loss_s - lane.end_gain_s for lane in lanes) / max(len(lanes), 1)
    return form.cycle.constant_s + start_up_s * sum(v > 1e-6 for v in ratios)


def _wanted_s(form: SequenceForm, ratios: tuple[float, ...], cycle_s: float) -> tuple[float, ...]:
    green_s = cycle_s - form.cycle.constant_s
    total = sum(ratios)
    if total <= 0:
        return (green_s / max(len(ratios), 1),) * len(ratios)
    return tuple(green_s * v / total for v in ratios)


def _nearest(
    demand: JunctionDemand, form: SequenceForm, cycle_s: float, wanted_s: tuple[float, ...], settings: ModelSettings
) -> tuple[float, ...] | None:
    """The whole-second durations that keep all limits and differ least in sum from those wanted."""
    case = JunctionCase(demand, (form,), cycle_s, settings)
    model = pyo.ConcreteModel()
    model.junction = pyo.Block()
    add_cycle(model.junction, case)
    add_limits(model.junction, case)
    stages = range(len(form.min_s))
    model.apart = pyo.Var(stages, domain=pyo.NonNegativeReals)
    model.distance = Rows()
    for i in stages:
        model.distance.add(model.apart[i] >= model.junction.duration[0, i] - wanted_s[i])
        model.distance.add(model.apart[i] >= wanted_s[i] - model.junction.duration[0, i])
    model.total = pyo.Objective(expr=pyo.quicksum(model.apart[i] for i in stages))
    solution = solve(model, SolveOptions(mip_gap=1e-4))
    if solution.objective is None:
        return None
    return tuple(float(model.junction.duration[0, i].value) for i in stages)
