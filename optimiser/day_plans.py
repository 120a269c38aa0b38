"""Day plans of a week: types of day, their periods, a plan for each, and only those changes that pay.

1. Days of the week that look alike share a day plan (`day_types`).
2. Each type of day falls into the periods that lose least by the closed forms, changes at their expected cost
   (`period_losses`, `periods`).
3. The network model makes a plan for the mean demand of each period (`coordination`), and judges every plan in every
   period (`evaluation`).
4. The fewest-loss plans are kept, and the day goes through them where changes cost what they really would at that
   second of the day (`plan_sequences`, `transition_costs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optimiser.coordination import optimise
from optimiser.day_types import DayType, day_types
from optimiser.demand import Demand, DemandProfile, mean_demand
from optimiser.evaluation import demands_of, evaluate
from optimiser.period_losses import PeriodCosts, period_costs
from optimiser.periods import PeriodLimits, best_partition
from optimiser.plan_sequences import best_sequence, kept_plans
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import DayPlan, Network, NetworkPlan, WeekTable
from optimiser.transition_costs import NO_TRANSITION, NetworkTransition, expected_cycles, network_transition
from optimiser.transition_cycles import Method, TransitionLimits
from optimiser.transitions import TransitionError

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]
"""Told the step under way and the share of it that is done."""


@dataclass(frozen=True)
class DaySettings:
    """What an engineer may choose of day plans.

    `most_plans` is of the whole week, `most_periods` of a day; two days are alike whose demand differs by no more than
    `most_difference` of itself. A change of plan, and a plan, must save at least the share `least_saving` of the day's
    person delay beyond what the change costs. `coordination_share` is the part of the uniform delay that a network out
    of step loses, for the periods alone: once there are plans, the model says what their offsets save."""

    least_period_s: float = 3600.0
    most_periods: int = 8
    most_plans: int = 6
    most_difference: float = 0.1
    least_saving: float = 0.002
    method: Method = "shortest_way"
    limits: TransitionLimits = field(default_factory=TransitionLimits)
    coordination_share: float = 0.3


@dataclass(frozen=True)
class Period:
    """One period of a type of day: its mean demand, the plan it runs, what it costs (person * s) and how it begins."""

    begin_s: float
    end_s: float
    demand: Demand
    plan: str
    person_s: float
    begins_with: NetworkTransition


@dataclass(frozen=True)
class TypedDay:
    """One type of day. `found` are the starts of the periods the profile falls into, of which `periods` are those that
    pay their changes. Costs of a day in person * s: changes included, under the best single plan, and as it runs."""

    type: DayType
    found_s: tuple[float, ...]
    periods: tuple[Period, ...]
    person_s: float
    one_plan_person_s: float
    running_person_s: float


@dataclass(frozen=True)
class WeekPlans:
    """The week table, the plans it names (those that run alone), and how they came about."""

    table: WeekTable
    plans: tuple[NetworkPlan, ...]
    days: tuple[TypedDay, ...]


@dataclass(frozen=True)
class _Draft:
    """A period that the profile falls into, before it has a plan."""

    begin_s: float
    end_s: float
    demand: Demand

    @property
    def hours(self) -> float:
        return (self.end_s - self.begin_s) / 3600


@dataclass
class _Week:
    """What the steps work on."""

    network: Network
    rules: Rules
    settings: ModelSettings
    options: DaySettings
    tell: Progress
    plans: list[NetworkPlan] = field(default_factory=list)


def day_plans(
    network: Network,
    profiles: Mapping[str, DemandProfile],
    rules: Rules | None = None,
    *,
    settings: ModelSettings | None = None,
    options: DaySettings | None = None,
    profile: str = "",
    progress: Progress | None = None,
) -> WeekPlans:
    """Day plans for the demand of the days of the week in `profiles` (monday, …), within the engineer's `rules`.

    Raises RulesError, PeriodsError, InfeasibleError as the steps do."""
    rules, options = rules or Rules(), options or DaySettings()
    demands = [demand for day in profiles.values() for demand in day.intervals]
    rules.check_lines(flow.line for demand in demands for flow in demand.bus_flows)
    week = _Week(rules.apply(network), rules, settings or ModelSettings(), options, progress or _tell_nobody)
    types = day_types(profiles, options.most_difference)
    drafts = [_drafts(week, day, number / len(types), 1 / len(types)) for number, day in enumerate(types)]
    _make_plans(week, network, [draft for day in drafts for draft in day], profile)
    weighed = []
    for number, found in enumerate(drafts):
        weighed.append([_weigh(week, draft) for draft in found])
        week.tell("plans judged", (number + 1) / len(drafts))
    everything = np.array(
        [cost.by_plan * len(day.days) for day, costs in zip(types, weighed, strict=True) for cost in costs]
    )
    least = float(everything.min(axis=1).sum())
    kept = kept_plans(everything, options.most_plans, options.least_saving * least)
    days = []
    for number, (day, periods, costs) in enumerate(zip(types, drafts, weighed, strict=True)):
        days.append(_typed_day(week, day, periods, costs, kept))
        week.tell("changes", (number + 1) / len(types))
    return _week_plans(week, tuple(days))


@dataclass(frozen=True)
class _Weighed:
    """A period under each plan and as it runs, person * s."""

    by_plan: Array
    running: float


def _tell_nobody(_: str, __: float) -> None:
    return None


def _drafts(week: _Week, day: DayType, done: float, share: float) -> list[_Draft]:
    """The periods that a type of day falls into by the closed forms."""
    intervals = day.profile.intervals
    costs = period_costs(
        week.network, day.profile, week.rules, week.settings, lambda part: week.tell("periods", done + share * part)
    )
    bounds_s = np.array([intervals[0].begin_s, *(d.end_s for d in intervals)])
    too_short = bounds_s[None, :] - bounds_s[:, None] < week.options.least_period_s - 1e-6
    losses = np.where(too_short, np.inf, costs.losses)
    coordinated = week.rules.coordinated and sum(not junction.locked for junction in week.network.junctions) > 1
    limits = PeriodLimits(1, week.options.most_periods)
    found = best_partition(losses, lambda i: _expected_changes(week.options, costs, i, coordinated), limits)
    return [_Draft(intervals[i].begin_s, intervals[j - 1].end_s, mean_demand(intervals[i:j])) for i, j in found.periods]


def _expected_changes(options: DaySettings, costs: PeriodCosts, i: int, coordinated: bool) -> Array:
    """Cost of a change at bound i to each period [i, j): expected time out of step times the delay that this adds."""
    seconds = expected_cycles(options.method, options.limits) * costs.cycles_s[i]
    share = options.coordination_share if coordinated else 0.0
    changed = seconds / 3600 * share * costs.uniform[i] + options.least_saving * costs.own
    return np.tile(changed, (i, 1))


def _make_plans(week: _Week, network: Network, drafts: list[_Draft], profile: str) -> None:
    """Fills `plans`: one for each period, equal ones once."""
    known = set()
    for number, draft in enumerate(drafts):
        result = optimise(
            network,
            draft.demand,
            week.rules,
            settings=week.settings,
            profile=profile,
            progress=_part(week, number, len(drafts)),
        )
        plan = _with_method(result.plan, week.options.method)
        if plan.id not in known:
            known.add(plan.id)
            week.plans.append(plan)
    week.tell("plans", 1.0)


def _part(week: _Week, number: int, of: int) -> Callable[[int, int, str], None]:
    """Progress of one of many plans."""
    return lambda done, steps, _: week.tell("plans", (number + done / max(1, steps)) / of)


def _with_method(plan: NetworkPlan, method: Method) -> NetworkPlan:
    controllers = tuple(c.model_copy(update={"transition": method}) for c in plan.controllers)
    return plan.model_copy(update={"controllers": controllers})


def _weigh(week: _Week, draft: _Draft) -> _Weighed:
    """The model's word on every plan in one period."""
    kept = NetworkPlan(network_hash=week.network.network_hash, profile="", controllers=())
    by_plan = [_delay_h(week, draft, plan, week.rules) * draft.hours for plan in week.plans]
    return _Weighed(np.array(by_plan), _delay_h(week, draft, kept, week.rules) * draft.hours)


def _delay_h(week: _Week, draft: _Draft, plan: NetworkPlan, rules: Rules) -> float:
    """The model's objective, person * s an hour."""
    return evaluate(week.network, draft.demand, plan, rules, week.settings).objective


def _typed_day(
    week: _Week, day: DayType, drafts: list[_Draft], weighed: list[_Weighed], kept: tuple[int, ...]
) -> TypedDay:
    costs = np.array([cost.by_plan for cost in weighed])
    known: dict[tuple[int, int, int], NetworkTransition | None] = {}

    def change(p: int, q: int, r: int) -> NetworkTransition | None:
        if (p, q, r) not in known:
            known[p, q, r] = _change(week, drafts[p], week.plans[q], week.plans[r], costs[p, r])
        return known[p, q, r]

    must_save = week.options.least_saving * float(costs[:, kept].min(axis=1).sum())

    def cost_of(p: int, q: int, r: int) -> float:
        found = change(p, q, r)
        return float("inf") if found is None else found.person_s + must_save

    sequence, _ = best_sequence(costs, kept, cost_of)
    starts = [p for p in range(len(drafts)) if p == 0 or sequence[p] != sequence[p - 1]]
    periods = []
    for first, after in pairwise([*starts, len(drafts)]):
        q, r = sequence[first - 1], sequence[first]
        begins = NO_TRANSITION if q == r else change(first, q, r) or NO_TRANSITION
        periods.append(
            Period(
                drafts[first].begin_s,
                drafts[after - 1].end_s,
                mean_demand([draft.demand for draft in drafts[first:after]]),
                week.plans[r].id,
                float(costs[first:after, r].sum()),
                begins,
            )
        )
    return TypedDay(
        day,
        tuple(draft.begin_s for draft in drafts),
        tuple(periods),
        sum(period.person_s + period.begins_with.person_s for period in periods),
        float(costs[:, kept].sum(axis=0).min()),
        sum(cost.running for cost in weighed),
    )


def _change(
    week: _Week, draft: _Draft, before: NetworkPlan, after: NetworkPlan, person_s: float
) -> NetworkTransition | None:
    """The change at the begin of a period that costs `person_s` under the new plan; None where some junction has no
    safe way, or is not in step a cycle before the period ends. What the offsets save is the difference to the same plan
    without coordination."""
    options = week.options
    apart = week.rules.model_copy(update={"coordinated": False})
    try:
        found = network_transition(
            week.network,
            before,
            after,
            draft.begin_s,
            demands_of(week.network, draft.demand, week.rules),
            max(0.0, _delay_h(week, draft, after, apart) - person_s / draft.hours),
            options.method,
            options.limits,
            week.settings,
        )
    except TransitionError:
        return None
    longest_s = max((plan.cycle_s for plan in (*before.controllers, *after.controllers)), default=0.0)
    return found if all(c.in_step_s + longest_s <= draft.end_s for c in found.changes) else None


def _week_plans(week: _Week, days: tuple[TypedDay, ...]) -> WeekPlans:
    used = list(dict.fromkeys(period.plan for day in days for period in day.periods))
    by_id = {plan.id: plan for plan in week.plans}
    table = WeekTable(
        network_hash=week.network.network_hash,
        zone=next((j.running.offset.zone for j in week.network.junctions), "UTC"),
        day_plans={
            day.type.name: DayPlan(periods=tuple((period.begin_s, period.plan) for period in day.periods))
            for day in days
        },
        days={name: day.type.name for day in days for name in day.type.days},
        names={plan: f"plan {number + 1}" for number, plan in enumerate(used)},
    )
    return WeekPlans(table, tuple(by_id[plan] for plan in used), days)
