"""Why a plan is as it is: what its limits and other cycles would cost, in person-seconds.

With stage orders, whole cycles and gap binaries fixed as the plan has them, the model is a linear program around the
plan, whose duals are prices: what the network would save in an hour if a limit were a second looser (Dantzig 1963,
shadow prices). Prices hold near the plan only, and durations there are not whole seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pyomo.environ as pyo

from optimiser.demand import Demand
from optimiser.errors import InfeasibleError, PlanMisfitError
from optimiser.evaluation import demands_of, fixed_network
from optimiser.formulation.case import JunctionCase, Requirement
from optimiser.formulation.limits import requirements
from optimiser.formulation.storage import free_room_veh
from optimiser.infeasibility import conflicts_at
from optimiser.lane_flows import JunctionDemand
from optimiser.network_model import Choice, NetworkModel, build_network, start_from
from optimiser.rules import Rules
from optimiser.saturation import limits_saturation
from optimiser.settings import ModelSettings
from optimiser.signals import ControllerPlan, Junction, Network, NetworkPlan, StageSequence
from optimiser.solve import SolveOptions, row_duals, solve
from optimiser.stage_forms import Affine, SequenceForm, plan_form, sequence_form
from optimiser.timeline import sequence_start_s
from optimiser.webster import webster_cycle

NEAR_S = 10.0
"""How far from the plan's cycle the cycles lie that it is compared with, s."""
_BINDS_S = 0.5
_GROWN_VEH = 2.0
"""A queue that grows by less over the period is chance."""


@dataclass(frozen=True)
class LimitPrice:
    """One limit: what it bounds, how far the plan is from it (s), and what it costs: persons * s an hour for each
    second that it is kept from giving way."""

    family: str
    names: tuple[str, ...]
    least_s: float | None
    most_s: float | None
    slack_s: float
    price: float

    @property
    def binds(self) -> bool:
        """Whether the plan stands at the limit, or the limit costs something."""
        return self.slack_s < _BINDS_S or self.price > 0.5


@dataclass(frozen=True)
class SaturationPrice:
    """The limit of a group's degree of saturation in one lane, how saturated the lane is under the plan, and what the
    limit costs: persons * s an hour for each hundredth that it is kept from giving way."""

    group: str
    lane: str
    limit: float
    degree: float
    price: float


@dataclass(frozen=True)
class FullLane:
    """A lane whose queue outgrows its room by the end of the period and then stands in the junction behind, veh."""

    lane: str
    queue_veh: float
    room_veh: float


@dataclass(frozen=True)
class JunctionExplanation:
    """One junction. `flow_ratio` Y and `lost_s` L give Webster's cycle (1.5 L + 5) / (1 - Y), None where Y is too
    near 1; `by_cycle` is the junction's own person delay at cycles around the plan's, its stages in this order, None
    where it has no timing there."""

    junction: str
    cycle_s: float
    flow_ratio: float
    lost_s: float
    webster_cycle_s: float | None
    by_cycle: dict[float, float | None]
    limits: tuple[LimitPrice, ...]
    full_lanes: tuple[FullLane, ...] = ()
    saturations: tuple[SaturationPrice, ...] = ()

    @property
    def binding(self) -> tuple[LimitPrice, ...]:
        """Limits that bind, the dearest first."""
        return tuple(sorted((p for p in self.limits if p.binds), key=lambda p: (-p.price, p.family, p.names)))


def explain(
    network: Network,
    demand: Demand,
    plan: NetworkPlan,
    rules: Rules | None = None,
    settings: ModelSettings | None = None,
) -> tuple[JunctionExplanation, ...]:
    """One explanation for each controller of `plan` that has stages, in its order.

    Raises RulesError, PlanMisfitError where the plan was made for other groups or stages than `network` has, and
    InfeasibleError, naming junctions and limits, where no timing in its stages keeps the limits."""
    _refuse_misfit(network, plan)
    rules, settings = rules or Rules(), settings or ModelSettings()
    ruled = rules.apply(network)
    rules.check_lines(flow.line for flow in demand.bus_flows)
    demands = demands_of(ruled, demand, rules)
    planned = {p.junction: p for p in plan.controllers}
    plans = {j.id: planned.get(j.id, j.running) for j in ruled.junctions}
    found: dict[str, JunctionExplanation] = {}
    for cycle_s in sorted({p.cycle_s for p in planned.values() if p.windows}):
        together = {j: p for j, p in plans.items() if p.cycle_s == cycle_s}
        choices = {j: _choice(ruled.junction(j), p, j in planned) for j, p in together.items()}
        built, duals = _priced(ruled, demands, choices, cycle_s, settings, coordinate=rules.coordinated)
        as_planned = fixed_network(ruled, demands, together, settings, coordinate=rules.coordinated)
        solve(
            as_planned.model, SolveOptions(settings.mip_gap, settings.node_limit, settings.time_limit_s, settings.seed)
        )
        for j, choice in choices.items():
            if choice.durations_s:
                around = _by_cycle(ruled, demands, choice, cycle_s, settings)
                told = _explained(built, duals, choice, demands[j], around)
                block, held = built.model.junction[j], as_planned.model.junction[j]
                found[j] = replace(
                    told,
                    full_lanes=tuple(_full_lanes(held, as_planned.cases[j])),
                    saturations=tuple(_saturations(block, held, duals)),
                )
    return tuple(found[p.junction] for p in plan.controllers if p.junction in found)


def _refuse_misfit(network: Network, plan: NetworkPlan) -> None:
    junctions = {junction.id: junction for junction in network.junctions}
    for controller in plan.controllers:
        known = junctions.get(controller.junction)
        if known is None:
            raise PlanMisfitError(f"junction {controller.junction}: the network has none; give the network of the plan")
        groups = {group.id for group in controller.groups} ^ {group.id for group in known.groups}
        greens = {stage.id: stage.greens for stage in known.stages}
        stages = {stage.id for stage in controller.stages if stage.greens != greens.get(stage.id, stage.greens)}
        if groups or stages:
            kind, names = ("signal groups", groups) if groups else ("stages", stages)
            raise PlanMisfitError(
                f"junction {known.id}: the plan was made for other {kind} ({', '.join(sorted(names)[:3])}) than the "
                "net's programs have; give those that were in use with --programs, or the .sumocfg in place of the net"
            )


def _choice(junction: Junction, plan: ControllerPlan, open_: bool) -> Choice:
    """The plan as a choice; one that is not to be explained, or has no stages, keeps nothing open."""
    if not open_ or not plan.windows:
        return Choice(plan_form(plan), (), sequence_start_s(plan))
    windows = sorted(plan.windows, key=lambda w: w.start_s)
    sequence = StageSequence(id="plan", stages=tuple(w.stage for w in windows), interstages=plan.interstages)
    durations_s = tuple((w.end_s - w.start_s) % plan.cycle_s for w in windows)
    known = {stage.id for stage in junction.stages}
    derived = tuple(stage for stage in plan.stages if stage.id not in known)
    junction = junction.model_copy(update={"stages": (*junction.stages, *derived)})
    return Choice(sequence_form(junction, sequence), durations_s, sequence_start_s(plan))


def _priced(
    network: Network,
    demands: Mapping[str, JunctionDemand],
    choices: Mapping[str, Choice],
    cycle_s: float,
    settings: ModelSettings,
    *,
    coordinate: bool,
) -> tuple[NetworkModel, Mapping[pyo.Constraint, float]]:
    """The linear program around the plan, and the dual of each of its rows."""
    forms = {j: (choice.form,) for j, choice in choices.items()}
    offsets_s = {j: choice.offset_s for j, choice in choices.items()}
    built = build_network(network, demands, forms, cycle_s, settings, offsets_s, coordinate=coordinate)
    start_from(built, choices)
    for variable in built.model.component_data_objects(pyo.Var):
        if variable.is_integer() or variable.is_binary():
            variable.domain = pyo.Reals
            if not _is_time(variable):
                variable.fix()
    for j, choice in choices.items():
        if not choice.durations_s:
            built.model.offset[j].fix()
    try:
        return built, row_duals(built.model)
    except InfeasibleError as error:
        conflicts = _conflicts(network, choices, cycle_s)
        if not conflicts:
            raise
        raise InfeasibleError(
            "no timing in the plan's stages and cycle keeps all limits: " + "; ".join(conflicts), conflicts
        ) from error


def _conflicts(network: Network, choices: Mapping[str, Choice], cycle_s: float) -> tuple[str, ...]:
    """Limits of time that cannot hold together at a junction of the plan; where they all can, those of saturation."""
    timed = {j: choice.form for j, choice in choices.items() if choice.durations_s}
    found = tuple(text for j, form in timed.items() for text in conflicts_at(network.junction(j), form, cycle_s))
    limited = [j for j in timed if limits_saturation(network.junction(j))]
    return found or tuple(
        f"junction {j}: the degrees of saturation that it allows cannot be kept at this demand; raise them"
        for j in limited
    )


def _is_time(variable: pyo.Var) -> bool:
    return variable.parent_component().local_name in ("duration", "offset")


def _explained(
    built: NetworkModel,
    duals: Mapping[pyo.Constraint, float],
    choice: Choice,
    demand: JunctionDemand,
    around: dict[float, float | None],
) -> JunctionExplanation:
    block, case = built.model.junction[choice.form.junction], built.cases[choice.form.junction]
    prices = []
    for row, requirement in _rows(block, case):
        time_s = requirement.expression.at(choice.durations_s)
        least_s, most_s = requirement.least_s, requirement.most_s
        slack_s = time_s - least_s if least_s is not None else (most_s or 0.0) - time_s
        price = round(abs(duals.get(row, 0.0)), 3)
        prices.append(LimitPrice(requirement.family, requirement.names, least_s, most_s, round(slack_s, 3), price))
    ratio, lost_s, webster_s = webster_cycle(demand, choice.form)
    return JunctionExplanation(choice.form.junction, built.cycle_s, ratio, lost_s, webster_s, around, tuple(prices))


def _saturations(
    block: pyo.Block, as_planned: pyo.Block, duals: Mapping[pyo.Constraint, float]
) -> Iterator[SaturationPrice]:
    for row in block.saturation_rows:
        lane_class = row.lane_class
        flow_veh_h = pyo.value(as_planned.class_flow[lane_class.id])
        capacity_veh_h = flow_veh_h - as_planned.shortfall[lane_class.id].value
        degree = flow_veh_h / capacity_veh_h if capacity_veh_h > 0 else math.inf
        price = abs(duals.get(row.row, 0.0)) * flow_veh_h * row.relief / 100
        yield SaturationPrice(lane_class.group, lane_class.lane, row.limit, round(degree, 4), round(price, 3))


def _full_lanes(block: pyo.Block, case: JunctionCase) -> Iterator[FullLane]:
    """Lanes with a junction behind them whose queue at the end, twice its mean, and the vehicles of a cycle find no
    room."""
    for load in case.demand.lanes:
        grown_veh = 2 * sum(block.overflow[c.id].value or 0.0 for c in load.classes)
        if load.room_veh is not None and grown_veh > max(_GROWN_VEH, free_room_veh(case, load)):
            queue_veh = grown_veh + load.room_veh - free_room_veh(case, load)
            yield FullLane(load.lane.id, round(queue_veh, 1), round(load.room_veh, 1))


def _rows(block: pyo.Block, case: JunctionCase) -> Iterator[tuple[pyo.Constraint, Requirement]]:
    """Rows of `formulation.limits` and `formulation.cycle` with what they are for, in the order they were added."""
    (form,) = case.forms
    rows = (block.limits[i] for i in block.limits)
    for requirement in requirements(case.junction, form):
        if requirement.expression.fixed:
            continue
        if requirement.least_s is not None:
            yield (
                next(rows),
                Requirement(requirement.family, requirement.names, requirement.expression, requirement.least_s),
            )
        if requirement.most_s is not None:
            most_s = requirement.most_s
            yield next(rows), Requirement(requirement.family, requirement.names, requirement.expression, None, most_s)
    stages = form.sequence.stages if form.sequence is not None else ()
    lengths = (block.stage_length[i] for i in block.stage_length)
    for i, stage in enumerate(stages):
        length = Affine(0.0, tuple(float(n == i) for n in range(len(stages))))
        yield next(lengths), Requirement("stage length", (stage,), length, least_s=form.min_s[i])
        row, longest_s = next(lengths), form.max_s[i]
        if longest_s is not None:
            yield row, Requirement("stage length", (stage,), length, most_s=max(longest_s, form.min_s[i]))


def _by_cycle(
    network: Network, demands: Mapping[str, JunctionDemand], choice: Choice, cycle_s: float, settings: ModelSettings
) -> dict[float, float | None]:
    found: dict[float, float | None] = {}
    forms: dict[str, tuple[SequenceForm, ...]] = {choice.form.junction: (choice.form,)}
    for near_s in (cycle_s - NEAR_S, cycle_s, cycle_s + NEAR_S):
        if near_s > 0:
            built = build_network(network, demands, forms, near_s, settings, {})
            options = SolveOptions(settings.mip_gap, settings.node_limit, settings.time_limit_s, settings.seed)
            found[near_s] = solve(built.model, options).objective
    return found
