"""Which bus priority each controller of a plan gets: the choice of `formulation.priority`, junction by junction."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from optimiser.demand import Demand
from optimiser.detour_candidates import detour_candidates
from optimiser.detour_ways import ways
from optimiser.errors import PriorityError
from optimiser.evaluation import evaluate
from optimiser.formulation.objective import MOST_FLOW_RATIO
from optimiser.formulation.priority import NONE, Choice, choose
from optimiser.formulation.priority_events import BusLine, MovementLoad, PriorityCase
from optimiser.lane_flows import JunctionDemand, junction_demand
from optimiser.result import MovementFigures
from optimiser.rule_tables import PriorityRules
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import ControllerPlan, Detour, Junction, Network, NetworkPlan, Priority


@dataclass(frozen=True)
class JunctionPriority:
    """What was chosen for a junction, with the detours among it; `note` says why it got none where its plan cannot run
    it."""

    junction: str
    choice: Choice
    detours: tuple[Detour, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class PrioritisedPlan:
    """A plan with the priority of its controllers, and how it was chosen; junctions without buses are not listed."""

    plan: NetworkPlan
    junctions: tuple[JunctionPriority, ...]


def with_priority(
    network: Network, demand: Demand, plan: NetworkPlan, rules: Rules, settings: ModelSettings | None = None
) -> PrioritisedPlan:
    """The plan with active bus priority where that saves bus passengers more than it costs others; the plan as it is
    where the rules ask for none. Controllers of locked junctions are left alone.

    Raises RulesError where the rules want priority for a line that crosses no junction."""
    settings = settings or ModelSettings()
    if rules.priority is None:
        return PrioritisedPlan(plan, ())
    rules.check_lines(flow.line for flow in demand.bus_flows)
    figures: dict[str, list[MovementFigures]] = defaultdict(list)
    for figure in evaluate(network, demand, plan, rules, settings).movements:
        figures[figure.junction].append(figure)
    controllers: list[ControllerPlan] = []
    chosen: list[JunctionPriority] = []
    for controller in plan.controllers:
        junction = network.junction(controller.junction)
        limits = rules.priority_at(junction.id)
        found = None
        if limits is not None and not junction.locked:
            seen = junction_demand(junction, demand, rules)
            found = _chosen(controller, seen, demand, figures[junction.id], rules, limits, settings)
        if found is None or limits is None:
            controllers.append(controller)
            continue
        chosen.append(found)
        controllers.append(controller.model_copy(update={"priority": _priority(found, limits)}))
    return PrioritisedPlan(plan.model_copy(update={"controllers": tuple(controllers)}), tuple(chosen))


def _chosen(
    plan: ControllerPlan,
    seen: JunctionDemand,
    demand: Demand,
    figures: list[MovementFigures],
    rules: Rules,
    limits: PriorityRules,
    settings: ModelSettings,
) -> JunctionPriority | None:
    """The choice for one junction; None where no bus crosses it."""
    lines = _lines(seen, demand, rules, limits)
    if not lines:
        return None
    try:
        offered = _offered(plan, seen.junction, lines, rules, limits)
        cycles = ways(offered)
    except PriorityError as error:
        return JunctionPriority(plan.junction, NONE, note=str(error))
    case = PriorityCase(
        cycle=cycles.planned,
        persons_h=_persons_h(seen, lines),
        movements=tuple(_load(figure, seen, plan.cycle_s, settings) for figure in figures),
        lines=lines,
        recovery_cycles=limits.recovery_cycles,
        most_saturated=limits.max_degree_of_saturation,
        ways=cycles.detours,
    )
    choice = choose(case, limits.max_extension_s, limits.max_early_green_s)
    return JunctionPriority(plan.junction, choice, tuple(offered.priority.detours[n] for n in choice.detours))


def _offered(
    plan: ControllerPlan, junction: Junction, lines: tuple[BusLine, ...], rules: Rules, limits: PriorityRules
) -> ControllerPlan:
    """The plan with all that the rules allow."""
    priority = _allowed(limits, {line.line for line in lines})
    groups = frozenset(line.group for line in lines)
    forbidden = rules.forbidden_sequences(junction.id)
    detours = detour_candidates(junction, plan, groups, priority, limits.max_insertion_s, forbidden)
    return plan.model_copy(update={"priority": priority.model_copy(update={"detours": detours})})


def _priority(found: JunctionPriority, limits: PriorityRules) -> Priority:
    """What was chosen, as a plan tells it."""
    choice = found.choice
    if not choice.lines:
        return Priority()
    seconds = {"max_extension_s": choice.max_extension_s, "max_early_green_s": choice.max_early_green_s}
    return _allowed(limits, choice.lines).model_copy(update={**seconds, "detours": found.detours})


def _allowed(limits: PriorityRules, lines: Iterable[str]) -> Priority:
    """All that the rules allow these lines, but for detours."""
    return Priority(
        max_extension_s=limits.max_extension_s,
        max_early_green_s=limits.max_early_green_s,
        recovery_cycles=limits.recovery_cycles,
        min_lateness_s=limits.min_lateness_s,
        min_load_pax=limits.min_load_pax,
        lines=tuple(sorted(lines)),
    )


def _lines(seen: JunctionDemand, demand: Demand, rules: Rules, limits: PriorityRules) -> tuple[BusLine, ...]:
    """Buses that cross the junction, of lines that may have priority, weighed as the rules weigh their passengers."""
    groups = {movement.id: movement.group for movement in seen.junction.movements}
    return tuple(
        BusLine(
            flow.line,
            groups[flow.movement],
            flow.buses_h,
            flow.load_pax * rules.weights.bus * rules.line_weight(flow.line),
        )
        for flow in demand.bus_flows
        if flow.junction == seen.junction.id
        and flow.movement in groups
        and flow.buses_h > 0
        and (not limits.lines or flow.line in limits.lines)
    )


def _persons_h(seen: JunctionDemand, lines: tuple[BusLine, ...]) -> dict[str, float]:
    """By group the sum of h / (1 - y) over its movements, without the buses that priority is for; people on foot
    too."""
    found: dict[str, float] = defaultdict(float)
    aboard: dict[str, float] = defaultdict(float)
    for line in lines:
        aboard[line.group] += line.buses_h * line.persons
    of_group: dict[str, float] = defaultdict(float)
    for flow in seen.movements:
        of_group[flow.movement.group] += flow.persons_h
    for flow in seen.movements:
        group = flow.movement.group
        others = max(0.0, 1.0 - aboard[group] / of_group[group])
        y = min(seen.flow_ratio(flow.movement), MOST_FLOW_RATIO)
        found[group] += others * flow.persons_h / (1.0 - y)
    for group, walkers_h in seen.pedestrians_h.items():
        found[group] += walkers_h
    return dict(sorted(found.items()))


def _load(figure: MovementFigures, seen: JunctionDemand, cycle_s: float, settings: ModelSettings) -> MovementLoad:
    """A movement's degree of saturation, and the price of a second of its green by the slope of its overflow."""
    persons_h = next(f.persons_h for f in seen.movements if f.movement.id == figure.movement)
    over = figure.flow_veh_h - figure.capacity_veh_h
    root = math.sqrt(over**2 + 8 * settings.delay_parameter_k * figure.flow_veh_h / seen.period_h)
    slope_h = seen.period_h / 4 * (1 + over / root) if root > 0 else 0.0
    saturation_veh_h = figure.capacity_veh_h * cycle_s / figure.green_s if figure.green_s > 0 else 0.0
    price_s = persons_h / figure.flow_veh_h * slope_h * saturation_veh_h
    return MovementLoad(figure.group, figure.degree_of_saturation, figure.green_s, price_s)
