"""Whether a plan keeps the engineer's limits of saturation, by the lanes and the capacity that the model gives them."""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.cycle import add_cycle
from optimiser.formulation.queues import add_lane_flows, add_queues
from optimiser.lane_flows import JunctionDemand
from optimiser.settings import ModelSettings
from optimiser.signals import ControllerPlan, Junction
from optimiser.solve import SolveOptions, solve
from optimiser.stage_forms import plan_form


def limits_saturation(junction: Junction) -> bool:
    """Whether any group of the junction has such a limit."""
    return any(limits.max_degree_of_saturation is not None for limits in junction.limits.values())


def keeps_saturation(demand: JunctionDemand, plan: ControllerPlan, settings: ModelSettings) -> bool:
    """Whether the flows of a junction can be shared out over its lanes such that under `plan` no group is over its
    limit: the rows of `formulation.queues`, with the times of the plan."""
    case = JunctionCase(demand, (plan_form(plan),), plan.cycle_s, settings)
    model = pyo.ConcreteModel()
    model.junction = pyo.Block()
    add_cycle(model.junction, case)
    add_lane_flows(model.junction, case)
    add_queues(model.junction, case)
    model.queues = pyo.Objective(expr=pyo.quicksum(model.junction.overflow.values()))
    return solve(model, SolveOptions(mip_gap=1.0, presolve=False, sub_models=False)).objective is not None
