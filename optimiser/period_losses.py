"""What the intervals of a day lose by running one timing for a whole period, by the closed forms of one junction.

A timing of a period is a cycle C and, at every junction, Webster's splits of its first stage sequence for the period's
mean demand: with v_i the stage flow ratios,

    d_i = m_i + (C - c - sum m) (w_i - m_i)+ / sum (w - m)+,      w_i = (C - c) v_i / sum v

where c are the interstages and m_i least durations that keep the limits. The delay of an interval under a timing is the
model's own: uniform delay A_g sum R^2 and overflow 3600 pi N of every group (see `formulation.objective`, `queues`),
with the group's fullest lane for its flow ratio and T the interval. Of the candidate cycles that one counts at which
the period's intervals together have the least delay: one cycle of all junctions where they are coordinated, within what
each allows, else one of each. A period loses that delay less what its intervals have as periods of their own
(person * s). v of a period is the mean of its intervals' v: these serve the mean demand, though seldom with the least
sum. Sources: Webster (1958); Akçelik (1980); HCM 2010, chapter 18.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimiser.demand import DemandProfile
from optimiser.formulation.case import JunctionCase
from optimiser.formulation.objective import MOST_FLOW_RATIO, lost_s
from optimiser.lane_flows import JunctionDemand, junction_demand
from optimiser.offered import candidate_cycles_s, offered_forms
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import GroupKind, Junction, Network
from optimiser.stage_forms import SequenceForm
from optimiser.transition_cycles import least_durations
from optimiser.webster import stage_flow_ratios

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PeriodCosts:
    """By period [i, j), in arrays of shape (n + 1, n + 1) of which j > i counts: `losses` in person * s, `cycles_s` the
    longest cycle of a junction, and `uniform` the uniform delay in the first interval under the period's timing,
    person * s / h. `own` is the delay of all intervals, each under its own timing, person * s."""

    losses: Array
    cycles_s: Array
    uniform: Array
    own: float


@dataclass(frozen=True)
class _GroupSeries:
    """One group over the intervals: persons and vehicles an hour, flow ratio of its fullest lane; its reds as
    constant + weights * durations."""

    persons_h: Array
    flow_veh_h: Array
    ratio: Array
    reds: tuple[tuple[float, Array], ...]
    walks: bool


@dataclass(frozen=True)
class _JunctionSeries:
    """One junction over the intervals."""

    junction: Junction
    form: SequenceForm
    ratios: Array
    least_s: Array
    groups: tuple[_GroupSeries, ...]


def period_costs(
    network: Network,
    profile: DemandProfile,
    rules: Rules | None = None,
    settings: ModelSettings | None = None,
    progress: Callable[[float], None] | None = None,
) -> PeriodCosts:
    """Costs of every period of the profile, summed over the junctions that may be retimed."""
    rules, settings = rules or Rules(), settings or ModelSettings()
    n = len(profile.intervals)
    hours = np.array([(d.end_s - d.begin_s) / 3600 for d in profile.intervals])
    free = [junction for junction in network.junctions if not junction.locked and offered_forms(junction)]
    grid_s = np.array(candidate_cycles_s(network, [junction.id for junction in free], rules, settings) or (60.0,))
    parts: list[tuple[Array, Array, Array]] = []
    for number, junction in enumerate(free):
        series = _series(junction, offered_forms(junction)[0], profile, rules, settings)
        cycles_s = _allowed(series, grid_s)
        parts.append((cycles_s, *_delays(series, hours, cycles_s, settings)))
        if progress is not None:
            progress((number + 1) / len(free))
    if rules.coordinated and parts:
        common = tuple(np.array([part[k] for part in parts]) for k in range(3))
        parts = [(common[0].max(axis=0), common[1].sum(axis=0), common[2].sum(axis=0))]
    total, longest_s, uniform = (np.zeros((n + 1, n + 1)) for _ in range(3))
    for cycles_s, delays, even in parts:
        best = delays.argmin(axis=0)[None]
        total += np.take_along_axis(delays, best, axis=0)[0]
        longest_s = np.maximum(longest_s, cycles_s[best[0]])
        uniform += np.take_along_axis(even, best, axis=0)[0]
    own = np.concatenate([[0.0], np.cumsum(np.diagonal(total, 1))])
    return PeriodCosts(total - np.triu(own[None, :] - own[:, None]), longest_s, uniform, float(own[-1]))


def _series(
    junction: Junction, form: SequenceForm, profile: DemandProfile, rules: Rules, settings: ModelSettings
) -> _JunctionSeries:
    demands = [junction_demand(junction, demand, rules) for demand in profile.intervals]
    ratios = np.array([stage_flow_ratios(demand, form) for demand in demands])
    groups = []
    for group in junction.groups:
        reds = tuple((red.constant_s, np.array(red.weights)) for red in form.reds(group.id))
        if reds:
            groups.append(_group_series(group.id, demands, reds, form, settings, group.kind))
    return _JunctionSeries(junction, form, ratios, np.array(least_durations(junction, form)), tuple(groups))


def _group_series(
    group: str,
    demands: Sequence[JunctionDemand],
    reds: tuple[tuple[float, Array], ...],
    form: SequenceForm,
    settings: ModelSettings,
    kind: GroupKind,
) -> _GroupSeries:
    persons, flows, ratios = [], [], []
    for demand in demands:
        own = [f for f in demand.movements if f.movement.group == group]
        persons.append(sum(f.persons_h for f in own) + demand.pedestrians_h.get(group, 0.0))
        flows.append(sum(f.flow_veh_h for f in own))
        lanes = (
            sum(c.nominal_veh_h for c in load.classes if c.group == group) / load.lane.saturation_veh_h
            for load in demand.lanes
        )
        ratios.append(max(lanes, default=0.0))
    loss_s = lost_s(JunctionCase(demands[0], (form,), 1.0, settings), group)
    return _GroupSeries(
        np.array(persons),
        np.array(flows),
        np.array(ratios),
        tuple((constant_s + loss_s, weights) for constant_s, weights in reds),
        kind is GroupKind.PEDESTRIAN,
    )


def _allowed(series: _JunctionSeries, grid_s: Array) -> Array:
    """The candidate cycles, each moved to the nearest that the junction allows."""
    shortest_s = max(series.junction.min_cycle_s, series.form.cycle.constant_s + float(series.least_s.sum()))
    return np.clip(grid_s, shortest_s, max(series.junction.max_cycle_s, shortest_s))


def _delays(series: _JunctionSeries, hours: Array, cycles_s: Array, settings: ModelSettings) -> tuple[Array, Array]:
    """By cycle and period [i, j): the delay of all its intervals, person * s, and the uniform delay of its first
    interval, person * s / h."""
    n, count = len(hours), len(cycles_s)
    durations_s = _durations(series, hours, cycles_s)
    delays, first = np.zeros((count, n + 1, n + 1)), np.zeros((count, n + 1, n + 1))
    for t in range(n):
        # Every period [i, j) that holds interval t.
        held = (slice(None), slice(0, t + 1), slice(t + 1, n + 1))
        even, over = _delay(series, t, cycles_s[:, None, None], durations_s[held], float(hours[t]), settings)
        delays[held] += hours[t] * (even + over)
        first[:, t, t + 1 :] = even[:, t]
    return delays, first


def _durations(series: _JunctionSeries, hours: Array, cycles_s: Array) -> Array:
    """Stage durations of every period at every cycle, shape (cycles, n + 1, n + 1, stages), s."""
    stages = series.ratios.shape[1]
    sums = np.vstack([np.zeros(stages), np.cumsum(series.ratios * hours[:, None], axis=0)])
    # The mean over a period is a share of its sum; only shares count.
    ratios = np.maximum(sums[None, :, :] - sums[:, None, :], 0.0)
    total = ratios.sum(axis=2, keepdims=True)
    share = np.where(total > 1e-12, ratios / np.maximum(total, 1e-12), 1 / stages)
    green_s = (cycles_s - series.form.cycle.constant_s)[:, None, None, None]
    excess_s = np.maximum(green_s * share - series.least_s, 0.0)
    of_all = excess_s.sum(axis=3, keepdims=True)
    spare_s = green_s - series.least_s.sum()
    of_spare = np.where(of_all > 0, excess_s / np.where(of_all > 0, of_all, 1.0), 1 / stages)
    return np.asarray(series.least_s + spare_s * of_spare, dtype=np.float64)


def _delay(
    series: _JunctionSeries, t: int, cycles_s: Array, durations_s: Array, period_h: float, settings: ModelSettings
) -> tuple[Array, Array]:
    """Uniform and overflow delay of interval t under each timing, person * s / h."""
    even, over = np.zeros(durations_s.shape[:-1]), np.zeros(durations_s.shape[:-1])
    for group in series.groups:
        persons_h, flow_veh_h, ratio = group.persons_h[t], group.flow_veh_h[t], group.ratio[t]
        if persons_h <= 0:
            continue
        reds_s = [np.clip(constant_s + durations_s @ weights, 0.0, cycles_s) for constant_s, weights in group.reds]
        y = 0.0 if group.walks else min(ratio, MOST_FLOW_RATIO)
        even += persons_h / (2 * cycles_s * (1 - y)) * sum(red_s * red_s for red_s in reds_s)
        if flow_veh_h > 0 and ratio > 0:
            green = np.maximum(1 - sum(reds_s) / cycles_s, 0.0)
            over_veh_h = flow_veh_h - flow_veh_h / ratio * green
            spread = 8 * settings.delay_parameter_k * flow_veh_h / period_h
            queue_veh = period_h / 4 * (over_veh_h + np.sqrt(over_veh_h**2 + spread))
            over += 3600 * persons_h / flow_veh_h * queue_veh
    return even, over
