"""The search for a plan: the MILP over the network, then SUMO around its plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from api.city import PROFILE
from api.feeds import FEEDS_SEED
from api.proof import freedom_of, refuse_unsafe, regression_limits
from api.run_options import RunOptions
from api.step_clock import StepClock
from optimiser.coordination import optimise
from optimiser.demand import Demand
from optimiser.heavy_buses import plan_with_heavy_buses
from optimiser.result import OptimisationResult
from optimiser.signals import Network, NetworkPlan
from optimiser.turners import with_time_to_leave
from sumo_networks.bindings import CityModel
from sumo_networks.journal import Journal
from sumo_networks.person_weights import PersonWeights
from sumo_networks.polish import Budget, Polished, polish
from sumo_networks.programs import read_plan
from sumo_networks.scenario import Scenario

EARLIER: Final = "earlier plan"
HEAVY_BUSES: Final = "milp with heavy buses"
OPTIMISE: Final = "optimise"
POLISH: Final = "polish in SUMO"
WITH_TIME_TO_LEAVE: Final = ", with time for turners to leave"
WHY_AGAIN: Final = (
    "traffic locked up under the plans of a first search; in these, stages wait until turners have left who stand "
    "within the junction"
)


class PlanFound(NamedTuple):
    """What the MILP said, and how the search in SUMO around its plans went, on the `model` that both had; `first`: what
    the MILP said before a second search."""

    model: CityModel
    first: OptimisationResult
    result: OptimisationResult
    polished: Polished


def find_plan(
    scenario: Scenario,
    model: CityModel,
    demand: Demand,
    options: RunOptions,
    work: Path,
    clock: StepClock,
    journal: Journal,
) -> PlanFound:
    """The best plan that was proved. Where traffic locks up under all that was better than the shipped programs, a
    second search has changes of stages that wait for turners within the junction: green that only such traffic is
    worth (docs/decisions/0009).

    Raises the errors of the rooms."""
    found = _search(scenario, model, demand, options, work / "polish", clock, journal, "")
    patient = model.network.model_copy(
        update={"junctions": tuple(with_time_to_leave(junction) for junction in model.network.junctions)}
    )
    if found.polished.gained or not found.polished.fallen or patient == model.network:
        return found
    again = replace(model, network=patient)
    second = _search(scenario, again, demand, options, work / "polish again", clock, journal, WITH_TIME_TO_LEAVE)
    runs = found.polished.runs + second.polished.runs
    fallen = (*found.polished.fallen, *second.polished.fallen)
    if not second.polished.gained:
        return found._replace(polished=replace(found.polished, runs=runs, fallen=fallen))
    result = replace(second.result, notes=(*second.result.notes, WHY_AGAIN))
    return PlanFound(again, found.result, result, replace(second.polished, runs=runs, fallen=fallen))


def _search(
    scenario: Scenario,
    model: CityModel,
    demand: Demand,
    options: RunOptions,
    folder: Path,
    clock: StepClock,
    journal: Journal,
    how: str,
) -> PlanFound:
    result = optimise_step(model.network, demand, options, clock, OPTIMISE + how)
    tell = clock.step(POLISH + how)
    return PlanFound(model, result, result, _polished(scenario, model, demand, result, options, folder, tell, journal))


def optimise_step(
    network: Network, demand: Demand, options: RunOptions, clock: StepClock, step: str = OPTIMISE
) -> OptimisationResult:
    """The MILP over the whole network."""
    tell = clock.step(step)
    result = optimise(
        network,
        demand,
        options.rules,
        settings=options.settings,
        profile=options.rules.profile or PROFILE,
        progress=lambda done, total, _: tell(done / max(1, total)),
        workers=options.workers,
    )
    tell(1.0)
    return result


def _polished(
    scenario: Scenario,
    model: CityModel,
    demand: Demand,
    result: OptimisationResult,
    options: RunOptions,
    folder: Path,
    tell: Callable[[float], None],
    journal: Journal,
) -> Polished:
    """Simulated candidates around the plans of the MILP, and around an earlier plan where one is given."""
    starts = {} if options.start is None else {EARLIER: earlier_plan(options.start, model)}
    starts |= {f"milp {number}": candidate.plan for number, candidate in enumerate(result.candidates)}
    if demand.bus_flows:
        profile = options.rules.profile or PROFILE
        starts[HEAVY_BUSES] = plan_with_heavy_buses(
            model.network, demand, options.rules, options.settings, profile, options.workers
        )
    budget = Budget(runs=options.rules.polish.runs, seeds=options.rules.polish.seeds)
    return polish(
        scenario,
        model,
        starts,
        freedom_of(model.network, options.rules, demand, options.settings),
        budget,
        np.random.default_rng(FEEDS_SEED),
        folder,
        workers=options.workers,
        progress=lambda done, total: tell(done / max(1, total)),
        journal=journal,
        weights=PersonWeights.of(options.rules),
        limits=regression_limits(options.rules),
    )


def earlier_plan(path: Path, model: CityModel) -> NetworkPlan:
    """A plan to start from. Raises PlanMismatchError where it is for another network, UnsafePlanError where it breaks a
    safety rule that the running plan keeps."""
    plan = read_plan(path, model)
    refuse_unsafe(plan, model.network, path)
    return plan
