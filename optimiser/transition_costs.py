"""What it costs the people on the road that a network changes from one plan to another (person * s).

Of each junction, with R_gk the effective reds of group g in the cycle k of its transition and T how long it lasts,

    max(0, sum_k sum_g B_g R_gk^2 - T / C sum_g B_g R_g^2) / 3600,     B_g = sum of persons_h / (2 (1 - y))

is what cycles of another length add to Webster's uniform delay. Besides, from the first junction that leaves its plan
to the last that is in step the network counts as not coordinated: T / 3600 times what the new plan's coordination saves
in an hour. What shorter cycles take from capacity is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.objective import lost_s, uniform_weights
from optimiser.lane_flows import JunctionDemand
from optimiser.settings import ModelSettings
from optimiser.signals import ControllerPlan, Junction, Network, NetworkPlan
from optimiser.stage_forms import SequenceForm, sequence_form
from optimiser.transition_cycles import Durations, Method, TransitionLimits, timed_stages
from optimiser.transitions import Transition, transition

_SHIFTS = 100


@dataclass(frozen=True)
class NetworkTransition:
    """The change of a whole network: that of each junction which changes, how long it lasts from the first that leaves
    to the last that is in step (s), and what it costs (person * s)."""

    changes: tuple[Transition, ...]
    seconds: float
    person_s: float


NO_TRANSITION = NetworkTransition((), 0.0, 0.0)


def network_transition(
    network: Network,
    before: NetworkPlan,
    after: NetworkPlan,
    at_s: float,
    demands: Mapping[str, JunctionDemand],
    coordination_gain: float,
    method: Method | None = None,
    limits: TransitionLimits | None = None,
    settings: ModelSettings | None = None,
) -> NetworkTransition:
    """The change from `before` to `after` at `at_s` seconds of the service day, under the demand of the new period.

    `coordination_gain` is what the offsets of `after` save, person * s an hour. Raises TransitionError where a junction
    has no safe way."""
    if before.id == after.id:
        return NO_TRANSITION
    old, new = plans_of(network, before), plans_of(network, after)
    changes, stretched = [], 0.0
    for junction in network.junctions:
        found = transition(junction, old[junction.id], new[junction.id], at_s, method, limits)
        if found is not None:
            changes.append(found)
            stretched += stretch_cost(
                junction, demands[junction.id], new[junction.id], found, settings or ModelSettings()
            )
    if not changes:
        return NO_TRANSITION
    lasts_s = max(c.in_step_s for c in changes) - min(c.leaves_s for c in changes)
    return NetworkTransition(tuple(changes), lasts_s, stretched + coordination_gain * lasts_s / 3600)


def plans_of(network: Network, plan: NetworkPlan) -> dict[str, ControllerPlan]:
    """The controller plan of every junction; the running one where `plan` has none."""
    planned = {controller.junction: controller for controller in plan.controllers}
    return {junction.id: planned.get(junction.id, junction.running) for junction in network.junctions}


def stretch_cost(
    junction: Junction, demand: JunctionDemand, after: ControllerPlan, change: Transition, settings: ModelSettings
) -> float:
    """The first term at the head of this file, person * s; never below 0."""
    form = sequence_form(junction, change.sequence)
    first = next(i for i, window in enumerate(after.windows) if window.stage == change.sequence.stages[0])
    planned = timed_stages(after, first, 0.0)
    steady = _cycle_delay(demand, form, planned.durations_s, settings) * change.seconds / planned.cycle_s
    return max(0.0, sum(_cycle_delay(demand, form, d, settings) for d in change.cycles_s) - steady)


def expected_cycles(method: Method, limits: TransitionLimits | None = None) -> float:
    """How many cycles a transition lasts where nothing is known of the offsets and only the shares bound it: the mean
    over all shifts."""
    limits = limits or TransitionLimits()

    def lasts(shift: float) -> float:
        longer = math.ceil(shift / limits.longer_share - 1e-9) + shift
        if method == "dwell":
            return 1 + shift
        shorter = math.ceil((1 - shift) / limits.shorter_share - 1e-9) - (1 - shift)
        return min(longer, shorter) if method == "shortest_way" else longer

    return sum(lasts(i / _SHIFTS) for i in range(1, _SHIFTS)) / _SHIFTS


def _cycle_delay(demand: JunctionDemand, form: SequenceForm, durations_s: Durations, settings: ModelSettings) -> float:
    """Uniform delay of those who arrive in one cycle of these durations, person * s."""
    case = JunctionCase(demand, (form,), 1.0, settings)
    total = 0.0
    for group, weight in uniform_weights(case).items():
        loss_s = lost_s(case, group)
        total += weight * sum((red.at(durations_s) + loss_s) ** 2 for red in form.reds(group))
    return total / 3600
