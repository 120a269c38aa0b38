"""Person delay (persons * s / h) within one junction, and its sum over the network.

Uniform delay of group g, with A_g = sum over its movements of persons_h / (2 C (1 - y)):
    A_g * sum_j red_gj^2,   red_gj = red + start-up loss - end gain        (Webster 1958; HCM 2010 eq. 18-20)
which for one green a cycle is Webster's first term; several greens a cycle each add their red. The square is bounded
from below by tangents, 2 t red - t^2. Overflow: persons per vehicle * 3600 * N (see `queues`). Reserve: flow above
`reserve_saturation` of capacity costs `reserve_weight` seconds for each person and percent, a mild pull away from
plans that live on their last second.
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.convex_bounds import ConvexBound, bound_below
from optimiser.formulation.case import JunctionCase, time_in_forms
from optimiser.formulation.families import Columns, Rows
from optimiser.stage_forms import Affine, SequenceForm

MOST_FLOW_RATIO = 0.6
"""Above this share of its lane a movement is oversaturated in any sane plan, and the formula leaves its range."""
_TANGENT_STEPS = 12


def add_person_delay(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `uniform_delay` per group and the expression `person_delay` (persons * s / h)."""
    weights = uniform_weights(case)
    block.red, block.red_square = Columns(pyo.Reals), Columns(pyo.NonNegativeReals)
    block.red_length = Rows()
    block.uniform_delay = {g: pyo.quicksum(_squares(block, case, g)) * weight for g, weight in weights.items()}
    terms = [delay * (1.0 - case.coordinated.get(group, 0.0)) for group, delay in block.uniform_delay.items()]
    for load in case.demand.lanes:
        for c in load.classes:
            terms.append(3600 * c.persons_veh * block.overflow[c.id])
    if case.settings.reserve_weight > 0:
        terms += _reserve_terms(block, case)
    terms.append(block.spillback)
    block.person_delay = pyo.quicksum(terms)


def uniform_weights(case: JunctionCase) -> dict[str, float]:
    """A_g per group: persons * s / h for each s^2 of red."""
    found: dict[str, float] = {}
    for flow in case.demand.movements:
        y = min(case.demand.flow_ratio(flow.movement), MOST_FLOW_RATIO)
        weight = flow.persons_h / (2 * case.cycle_s * (1 - y))
        found[flow.movement.group] = found.get(flow.movement.group, 0.0) + weight
    for group, persons_h in case.demand.pedestrians_h.items():
        found[group] = found.get(group, 0.0) + persons_h / (2 * case.cycle_s)
    return dict(sorted(found.items()))


def lost_s(case: JunctionCase, group: str) -> float:
    """Start-up loss less end gain of a group's lanes, s."""
    return case.demand.lost_s.get(group, 0.0)


def uniform_delay(case: JunctionCase, form: SequenceForm, group: str) -> float:
    """Uniform delay of a group under a form with nothing left open, as the tangents have it (persons * s / h)."""
    loss_s = lost_s(case, group)
    tangents = _square_tangents(case.cycle_s)
    squares = sum(
        max(slope * (red.constant_s + loss_s) + constant for slope, constant in tangents)
        for red in form.reds(group) * form.repeats
    )
    return uniform_weights(case).get(group, 0.0) * squares


def _square_tangents(cycle_s: float) -> tuple[tuple[float, float], ...]:
    """(slope, constant) of tangents to the square of a red of up to a cycle, s."""
    touches_s = (cycle_s * step / _TANGENT_STEPS for step in range(_TANGENT_STEPS + 1))
    return tuple((2 * t, -t * t) for t in touches_s)


def _squares(block: pyo.Block, case: JunctionCase, group: str) -> list[pyo.Var]:
    tangents = _square_tangents(case.cycle_s)
    squares = []
    for length in _reds(block, case, group):
        red, square = block.red.add(), block.red_square.add()
        block.red_length.add(red == length)
        bound_below(block, ConvexBound(square, red, tangents))
        squares.append(square)
    return squares


def _reds(block: pyo.Block, case: JunctionCase, group: str) -> list[pyo.Expression]:
    """Length of the group's reds, each with the time lost after it, s."""
    loss_s = lost_s(case, group)
    reds: list[list[tuple[int, Affine]]] = []
    for k, form in enumerate(case.forms):
        for place, red in enumerate(form.reds(group) * form.repeats):
            if place == len(reds):
                reds.append([])
            reds[place].append((k, Affine(red.constant_s + loss_s, red.weights)))
    return [time_in_forms(block, parts) for parts in reds]


def _reserve_terms(block: pyo.Block, case: JunctionCase) -> list[pyo.Expression]:
    """Adds `reserve` (class; veh/h of flow above `reserve_saturation` of capacity) and gives back what it costs."""
    settings = case.settings
    block.reserve = pyo.Var(block.shortfall.index_set(), domain=pyo.NonNegativeReals)
    block.reserve_kept = Rows()
    terms = []
    for load in case.demand.lanes:
        for c in load.classes:
            short = block.reserve[c.id]
            needed = (1 / settings.reserve_saturation - 1) * block.class_flow[c.id]
            block.reserve_kept.add(short >= block.shortfall[c.id] + needed)
            terms.append(100 * settings.reserve_weight * c.persons_veh * short)
    return terms
