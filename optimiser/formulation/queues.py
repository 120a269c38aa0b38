"""Lanes: sharing flows out, capacity of shared and permissive lanes, and queues that are left over.

Flows (veh/h), with x_lm the flow of movement m in lane l:
    sum_l x_lm = q_m,   q_c = sum_(m in c) x_lm                     for each class c of a lane
A lane with one unopposed class:
    cap = s / C * rho * sum_runs (green + e - l),    z_c = q_c - cap
Any other lane, by segments i of the cycle with the seconds u_ci used by class c and v_ci left to it:
    q_c - o_c = rho / C * sum_i r_c u_ci + n_c
    sum_c u_ci + v_c'i <= length_i,   sum over a run <= its length + e - l
    z_c = o_c - rho / C * sum_i r_c v_ci - (N_c - n_c)
    opposed: u_ci + v_ci <= open_i <= length_i + lead_i - clear_i (0 where the opposing queue does not clear)
    behind a class that stands: others use at most (1 - p) / p vehicles, p = its share of the lane's flow
s saturation flow (veh/h), l start-up loss, e end gain (s), r_c = s or, opposed, the gap capacity
    s_p = v exp(-v t_c) / (1 - exp(-v t_f))           (HCM 2010, eq. 18-51; v opposing flow in veh/s)
clear_i = y r / (1 - y) + l, the time the opposing queue of flow ratio y takes after its red r; n_c <= N_c sneakers.

Mean overflow queue over the period T (veh; Akcelik 1980, HCM 2010 eq. 18-45), q0 nominal flow, k = 0.5:
    N(z) = T / 4 * (z + sqrt(z^2 + 8 k q0 / T))
convex in z = flow - capacity, so tangents bound it from below and the model's bound stays a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyomo.environ as pyo

from optimiser.convex_bounds import ConvexBound, bound_below
from optimiser.formulation.case import JunctionCase, time_in_form
from optimiser.formulation.families import Columns, Rows
from optimiser.lane_flows import JunctionDemand, LaneClass, LaneLoad
from optimiser.signals import Right
from optimiser.stage_forms import Affine, Green, SequenceForm

TANGENTS = (-12.0, -6.0, -3.5, -2.2, -1.4, -0.9, -0.5, -0.2, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0)
_OPEN, _OPPOSED, _RED = 2, 1, 0


@dataclass(frozen=True)
class Opening:
    """A binary that says whether an opposed class finds gaps at all under form k, and the times that must then not be
    negative."""

    opened: pyo.Var
    k: int
    rooms: tuple[Affine, ...]


@dataclass(frozen=True)
class SaturationRow:
    """A row that keeps a class of a lane under its limit. By `relief` of the flow its right side rises for each degree
    of saturation (1 = 100 %) that the limit gives way."""

    lane_class: LaneClass
    limit: float
    row: pyo.Constraint
    relief: float


@dataclass(frozen=True)
class _Span:
    """Neighbouring segments of a form in which every class of a lane stands the same: 2 free, 1 opposed, 0 red."""

    first: int
    count: int
    states: tuple[int, ...]
    length: Affine


def add_lane_flows(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `lane_flow` by (lane, movement) in veh/h: a number, or one of the variables `shared_flow` where a movement
    has several lanes; and `class_flow`, the sum of a class."""
    demand = case.demand
    known = {load.lane.id for load in demand.lanes}
    block.shared_flow = Columns(pyo.NonNegativeReals)
    block.flow_shared_out = Rows()
    block.lane_flow = {}
    for flow in demand.movements:
        lanes = [lane for lane in flow.movement.lanes if lane in known]
        flows = [flow.flow_veh_h] if len(lanes) == 1 else [block.shared_flow.add() for _ in lanes]
        if len(lanes) > 1:
            block.flow_shared_out.add(pyo.quicksum(flows) == flow.flow_veh_h)
        block.lane_flow |= {(lane, flow.movement.id): x for lane, x in zip(lanes, flows, strict=True)}
    block.class_flow = {
        c.id: pyo.quicksum(block.lane_flow[c.lane, m] for m in c.movements)
        for load in demand.lanes
        for c in load.classes
    }


def add_queues(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `shortfall` (class; flow - capacity, veh/h), `overflow` (class; mean queue left, veh), `openings` and
    `saturation_rows`."""
    classes = [c for load in case.demand.lanes for c in load.classes]
    names = [c.id for c in classes]
    block.shortfall = pyo.Var(names)
    block.overflow = pyo.Var(block.shortfall.index_set(), domain=pyo.NonNegativeReals)
    block.capacity = Rows()
    block.usage = Columns(pyo.NonNegativeReals)
    block.opened = Columns(pyo.Binary)
    block.openings = []
    block.saturation_rows = []
    found = [form.remembered(case.demand, _spans) for form in case.forms]
    for load in case.demand.lanes:
        spans = [by_lane[load.lane.id] for by_lane in found]
        if len(load.classes) == 1 and all(_OPPOSED not in s.states for form in spans for s in form):
            _simple_lane(block, case, load)
        else:
            _shared_lane(block, case, load, spans)
    for lane_class in classes:
        tangents = tuple(overflow_tangents(lane_class.nominal_veh_h, case))
        bound_below(block, ConvexBound(block.overflow[lane_class.id], block.shortfall[lane_class.id], tangents))


def overflow_queue_veh(z_veh_h: float, nominal_veh_h: float, period_h: float, k: float) -> float:
    """N(z) of the head of this file."""
    return period_h / 4 * (z_veh_h + math.sqrt(z_veh_h**2 + 8 * k * max(nominal_veh_h, 1.0) / period_h))


def overflow_tangents(nominal_veh_h: float, case: JunctionCase) -> list[tuple[float, float]]:
    """(slope, constant) of tangents to N(z), its asymptote T / 2 * z among them."""
    period_h, k = case.demand.period_h, case.settings.delay_parameter_k
    scale = math.sqrt(8 * k * max(nominal_veh_h, 1.0) / period_h)
    found = [(period_h / 2, 0.0)]
    for point in TANGENTS:
        z = point * scale
        slope = period_h / 4 * (1 + z / math.sqrt(z**2 + scale**2))
        found.append((slope, overflow_queue_veh(z, nominal_veh_h, period_h, k) - slope * z))
    return found


def gap_capacity_veh_h(opposing_veh_h: float, critical_gap_s: float, follow_up_s: float) -> float:
    """Vehicles an hour that find a gap in an opposing flow (HCM 2010, eq. 18-51)."""
    v = max(opposing_veh_h, 1.0) / 3600
    return 3600 * v * math.exp(-v * critical_gap_s) / (1 - math.exp(-v * follow_up_s))


def _spans(demand: JunctionDemand, form: SequenceForm) -> dict[str, list[_Span]]:
    """Spans of each lane, by its id."""
    return {load.lane.id: _lane_spans(demand, load, form) for load in demand.lanes}


def _lane_spans(demand: JunctionDemand, load: LaneLoad, form: SequenceForm) -> list[_Span]:
    states = [tuple(_standing(demand, c, form, i) for c in load.classes) for i in range(len(form.segments))]
    n = len(states)
    cuts = [i for i in range(n) if states[i] != states[i - 1]] or [0]
    found = []
    for place, start in enumerate(cuts):
        count = (cuts[(place + 1) % len(cuts)] - start) % n or n
        if any(states[start]):
            found.append(_Span(start, count, states[start], form.span(start, count)))
    return found


def _standing(demand: JunctionDemand, lane_class: LaneClass, form: SequenceForm, segment: int) -> int:
    rights = form.segments[segment].rights
    right = rights.get(lane_class.group)
    if right is None:
        return _RED
    if right is Right.PROTECTED or not _opposing_groups(demand, lane_class) & rights.keys():
        return _OPEN
    return _OPPOSED


def _opposing_groups(demand: JunctionDemand, lane_class: LaneClass) -> set[str]:
    return {f.movement.group for f in demand.movements if f.movement.id in lane_class.opposing}


def _simple_lane(block: pyo.Block, case: JunctionCase, load: LaneLoad) -> None:
    lane_class = load.classes[0]
    lane = load.lane
    seconds = []
    for k, form in enumerate(case.forms):
        for green in form.greens(lane_class.group):
            seconds.append(form.repeats * time_in_form(block, k, green.length))
            seconds.append(form.repeats * _gain_s(form, green, load) * block.chosen[k])
    capacity = pyo.quicksum(seconds) * (lane.saturation_veh_h / case.cycle_s)
    flow = block.class_flow[lane_class.id]
    block.capacity.add(block.shortfall[lane_class.id] == flow - capacity)
    limit = _saturation_limit(case, lane_class)
    if limit is not None:
        # flow <= limit * capacity, by the row above
        row = block.capacity.add(limit * block.shortfall[lane_class.id] <= (limit - 1) * flow)
        block.saturation_rows.append(SaturationRow(lane_class, limit, row, 1 / limit))


def _gain_s(form: SequenceForm, run: Green, load: LaneLoad) -> float:
    """End gain less start-up loss of one run of green; none where it never ends."""
    if run.count == len(form.segments):
        return 0.0
    return load.lane.end_gain_s - load.lane.start_up_loss_s


def _saturation_limit(case: JunctionCase, lane_class: LaneClass) -> float | None:
    limits = case.junction.limits.get(lane_class.group)
    return None if limits is None or case.fixed else limits.max_degree_of_saturation


def _shared_lane(block: pyo.Block, case: JunctionCase, load: LaneLoad, spans: list[list[_Span]]) -> None:
    parts = [_LaneInForm(block, case, load, k, found) for k, found in enumerate(spans)]
    for number, lane_class in enumerate(load.classes):
        unserved = block.usage.add()
        served = pyo.quicksum(part.served_veh_h(number) for part in parts)
        spare = pyo.quicksum(part.spare_veh_h(number) for part in parts)
        flow = block.class_flow[lane_class.id]
        block.capacity.add(flow - unserved == served)
        block.capacity.add(block.shortfall[lane_class.id] == unserved - spare)
        limit = _saturation_limit(case, lane_class)
        if limit is not None:
            block.capacity.add(unserved == 0)
            # spare >= (1 / limit - 1) * flow, by the rows above
            row = block.capacity.add(block.shortfall[lane_class.id] <= (1 - 1 / limit) * flow)
            block.saturation_rows.append(SaturationRow(lane_class, limit, row, 1 / limit**2))


class _LaneInForm:
    """Use of one lane's time under one stage sequence; adds its variables and constraints when made."""

    def __init__(self, block: pyo.Block, case: JunctionCase, load: LaneLoad, k: int, spans: list[_Span]) -> None:
        self.block, self.case, self.load, self.k, self.spans = block, case, load, k, spans
        self.form = case.forms[k]
        self.per_hour = self.form.repeats / case.cycle_s
        places = [(c, i) for i, span in enumerate(spans) for c, state in enumerate(span.states) if state]
        self.used = {place: block.usage.add() for place in places}
        self.left = {place: block.usage.add() for place in places}
        self.rate = {place: self._rate_veh_h(*place) for place in places}
        self.sneaked, self.sneaked_left = self._sneakers()
        for i in range(len(spans)):
            self._span_time(i)
        self._run_time()
        self._behind_standing()

    def served_veh_h(self, c: int) -> pyo.Expression:
        """Flow of class c served under this sequence."""
        used = pyo.quicksum(self.rate[p] * self.per_hour * self.used[p] for p in self.used if p[0] == c)
        return used + self.sneaked.get(c, 0.0)

    def spare_veh_h(self, c: int) -> pyo.Expression:
        """Capacity left to class c."""
        left = pyo.quicksum(self.rate[p] * self.per_hour * self.left[p] for p in self.left if p[0] == c)
        return left + self.sneaked_left.get(c, 0.0)

    def _opposing_veh_h(self, c: int) -> float:
        opposing = self.load.classes[c].opposing
        return sum(f.flow_veh_h for f in self.case.demand.movements if f.movement.id in opposing)

    def _rate_veh_h(self, c: int, i: int) -> float:
        if self.spans[i].states[c] == _OPEN:
            return self.load.lane.saturation_veh_h
        settings = self.case.settings
        gaps = gap_capacity_veh_h(self._opposing_veh_h(c), settings.critical_gap_s, settings.follow_up_s)
        return min(gaps, self.load.lane.saturation_veh_h)

    def _sneakers(self) -> tuple[dict[int, pyo.Var], dict[int, pyo.Var]]:
        used, left = {}, {}
        shared = len(self.load.classes) > 1
        for c in range(len(self.load.classes)):
            ends = sum(span.states[c] == _OPPOSED for span in self.spans)
            if ends:
                most = min(1.0, self.case.settings.sneakers_veh) if shared else self.case.settings.sneakers_veh
                used[c], left[c] = self.block.usage.add(), self.block.usage.add()
                most_veh_h = most * 3600 * self.per_hour * self.block.chosen[self.k]
                self.block.capacity.add(used[c] + left[c] <= most_veh_h)
        return used, left

    def _span_time(self, i: int) -> None:
        span = self.spans[i]
        length = time_in_form(self.block, self.k, span.length)
        served = [c for c, state in enumerate(span.states) if state]
        total = pyo.quicksum(self.used[c, i] for c in served)
        for c in served:
            self.block.capacity.add(total + self.left[c, i] <= length)
            if span.states[c] == _OPPOSED:
                self._opposed_time(c, i, total)

    def _opposed_time(self, c: int, i: int, total: pyo.Expression) -> None:
        """Gaps come only once the opposing queue has gone; until then a class that shares the lane holds it up."""
        block, span = self.block, self.spans[i]
        most_s = self.case.cycle_s / self.form.repeats
        opened = block.opened.add()
        open_s = block.usage.add()
        block.capacity.add(open_s <= time_in_form(block, self.k, span.length))
        block.capacity.add(open_s <= most_s * opened)
        rooms = self._room_after_queue(c, span)
        block.openings.append(Opening(opened, self.k, tuple(rooms)))
        for room in rooms:
            block.capacity.add(open_s <= time_in_form(block, self.k, room) + 2 * most_s * (1 - opened))
        block.capacity.add(self.used[c, i] + self.left[c, i] <= open_s)
        if len(self.load.classes) > 1:
            ahead_s = self._vehicles_ahead((c,)) * 3600 / self.load.lane.saturation_veh_h
            block.capacity.add(total <= open_s + ahead_s * block.chosen[self.k])
            for other in range(len(self.load.classes)):
                if (other, i) in self.left and other != c:
                    block.capacity.add(total + self.left[other, i] <= open_s + ahead_s * block.chosen[self.k])

    def _room_after_queue(self, c: int, span: _Span) -> list[Affine]:
        """Length of the span less what of it the queue of each opposing group still takes."""
        found = []
        for group in sorted(_opposing_groups(self.case.demand, self.load.classes[c])):
            flows = [f for f in self.case.demand.movements if f.movement.id in self.load.classes[c].opposing]
            y = min(0.9, max(self.case.demand.flow_ratio(f.movement) for f in flows if f.movement.group == group))
            for green, red in zip(self.form.greens(group), self.form.reds(group), strict=False):
                lead = (span.first - green.first) % len(self.form.segments)
                if lead < green.count:
                    clear = red.scaled(y / (1 - y))
                    found.append(span.length + self.form.span(green.first, lead) - clear)
        return found

    def _vehicles_ahead(self, standing: tuple[int, ...]) -> float:
        """Mean number of vehicles before the first of the `standing` classes in the lane's queue."""
        flow = self.load.nominal_veh_h
        share = sum(self.load.classes[c].nominal_veh_h for c in standing) / max(flow, 1e-6)
        return (1 - share) / max(share, 0.01)

    def _runs(self) -> list[list[int]]:
        """Spans that follow each other without a break, as lists of their numbers."""
        n, spans = len(self.form.segments), self.spans
        touches = [
            (spans[i - 1].first + spans[i - 1].count) % n == spans[i].first % n and len(spans) > 1
            for i in range(len(spans))
        ]
        if not spans or all(touches):
            return [list(range(len(spans)))] if spans else []
        start = touches.index(False)
        runs: list[list[int]] = []
        for step in range(len(spans)):
            i = (start + step) % len(spans)
            if touches[i] and runs:
                runs[-1].append(i)
            else:
                runs.append([i])
        return runs

    def _run_time(self) -> None:
        """Start-up loss and end gain of the lane count once for each run of green, whatever classes it serves."""
        block = self.block
        for run in self._runs():
            length = self.form.zero
            for i in run:
                length = length + self.spans[i].length
            count = sum(self.spans[i].count for i in run)
            gain_s = min(0.0, _gain_s(self.form, Green(0, count, self.form.zero, length), self.load))
            room = time_in_form(block, self.k, length) + gain_s * block.chosen[self.k]
            total = pyo.quicksum(self.used[p] for p in self.used if p[1] in run)
            for c in range(len(self.load.classes)):
                left = [self.left[p] for p in self.left if p[1] in run and p[0] == c]
                if left:
                    block.capacity.add(total + pyo.quicksum(left) <= room)

    def _behind_standing(self) -> None:
        """While one class has red, the lane serves the others only until a vehicle of it comes to the front."""
        for i, span in enumerate(self.spans):
            standing = tuple(c for c, state in enumerate(span.states) if state == _RED)
            if not standing:
                continue
            ahead_s = self._vehicles_ahead(standing) * 3600 / self.load.lane.saturation_veh_h
            served = [c for c, state in enumerate(span.states) if state]
            total = pyo.quicksum(self.used[c, i] for c in served)
            for c in served:
                self.block.capacity.add(total + self.left[c, i] <= ahead_s * self.block.chosen[self.k])
