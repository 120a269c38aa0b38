"""Queues that fill a link: vehicles beyond the room before a stop line stand in the junction behind and hold up others.

With N_l the mean overflow queue of lane l (see `queues`), which grows evenly over the period where the lane is
oversaturated, to 2 N_l, and S_l the room of the lane less what comes to it in a cycle, S = room - (1 - P) q C / 3600,
the mean number of vehicles beyond the room is
    E(N) = (2 N - S)^2 / (4 N)   where 2 N > S, else 0,
convex in N; with a = 1 - S / 2 N its tangents are E >= (2 a - a^2) N - a S for 0 < a <= 1. A vehicle beyond the room
costs `spillback_weight` times what one costs that waits within it. Lanes that vehicles come to from outside, with no
junction behind, have no bound: queues that must be are best kept there (gating).
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.convex_bounds import ConvexBound, bound_below
from optimiser.formulation.case import JunctionCase
from optimiser.lane_flows import LaneLoad

_SHARES = (0.15, 0.35, 0.55, 0.75, 0.9, 1.0)


def add_storage(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `spillback`, an expression (persons * s / h) over E of every lane with a junction behind it."""
    terms = []
    for load in case.demand.lanes if case.settings.spillback_weight > 0 else ():
        if load.room_veh is None:
            continue
        # among the variables of the queues: a component of its own would take longer to make than all of this
        beyond_veh = block.usage.add()
        tangents = storage_tangents(free_room_veh(case, load))
        bound_below(block, ConvexBound(beyond_veh, _queue(block, load), tangents))
        persons = sum(c.nominal_veh_h * c.persons_veh for c in load.classes) / max(load.nominal_veh_h, 1e-6)
        terms.append(3600 * case.settings.spillback_weight * persons * beyond_veh)
    block.spillback = pyo.quicksum(terms)


def storage_tangents(room_veh: float) -> tuple[tuple[float, float], ...]:
    """(slope, constant) of tangents to E(N) of the head of this file."""
    return tuple((2 * a - a * a, -a * room_veh) for a in _SHARES)


def beyond_room_veh(queue_veh: float, room_veh: float) -> float:
    """E(N) of the head of this file."""
    return (2 * queue_veh - room_veh) ** 2 / (4 * queue_veh) if 2 * queue_veh > room_veh else 0.0


def free_room_veh(case: JunctionCase, load: LaneLoad) -> float:
    """Room of a lane less the vehicles of a cycle that do not come as platoons, never under 0."""
    waiting = sum(c.nominal_veh_h * (1 - case.coordinated.get(c.group, 0.0)) for c in load.classes)
    return max(0.0, (load.room_veh or 0.0) - waiting * case.cycle_s / 3600)


def _queue(block: pyo.Block, load: LaneLoad) -> pyo.Var:
    if len(load.classes) == 1:
        return block.overflow[load.classes[0].id]
    queue = block.usage.add()
    block.capacity.add(queue == pyo.quicksum(block.overflow[c.id] for c in load.classes))
    return queue
