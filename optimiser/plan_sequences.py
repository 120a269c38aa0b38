"""Which plan runs in which period: few plans for many periods, and no change that does not pay.

From `costs[p, q]`, what period p costs under plan q, those plans are kept by which the periods lose least, each plan
beside the first at a price. Through them the day goes by the least sum of period costs and changes, the change from the
last period to the first of the next day included:

    W(p, r) = costs[p, r] + min over q of W(p - 1, q) + change(p, q, r)

once for each plan that the day may begin with (Viterbi 1967 on a circle). A change between equal plans is none, so a
period that does not pay its changes takes the plan of a neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

Array = NDArray[np.float64]
Change = Callable[[int, int, int], float]
"""Cost of a change at the begin of period p from plan q to plan r; infinite where there is no safe way."""


def kept_plans(costs: Array, most_plans: int, plan_cost: float = 0.0) -> tuple[int, ...]:
    """Numbers of at most so many plans (columns), ascending, for which the least costs of all periods (rows) and
    `plan_cost` for each plan kept sum to least: facility location as a MILP, to optimality."""
    periods, plans = costs.shape
    scale = max(float(costs.max()), plan_cost, 1e-9)
    objective = np.concatenate([np.full(plans, plan_cost), costs.ravel()]) / scale
    each = np.hstack([np.zeros((periods, plans)), np.kron(np.eye(periods), np.ones(plans))])
    opened = np.hstack([-np.tile(np.eye(plans), (periods, 1)), np.eye(periods * plans)])
    count = np.concatenate([np.ones(plans), np.zeros(periods * plans)])
    found = milp(
        objective,
        integrality=np.concatenate([np.ones(plans), np.zeros(periods * plans)]),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(each, 1, 1),
            LinearConstraint(opened, -np.inf, 0),
            LinearConstraint(count, 1, max(1, most_plans)),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return tuple(int(q) for q in np.flatnonzero(np.round(found.x[:plans])))


def best_sequence(costs: Array, plans: Sequence[int], change: Change) -> tuple[tuple[int, ...], float]:
    """The plan of each period, and what the day costs with its changes, which must not cost less than nothing.

    A change is asked for only once the best sequence makes it: until then it counts as free, which no sequence that is
    left out can be better than."""
    known: dict[tuple[int, int, int], float] = {}

    def bound(p: int, q: int, r: int) -> float:
        return known.get((p, q, r), 0.0)

    while True:
        sequence, cost = _best(costs, plans, bound)
        made = [(p, sequence[p - 1], r) for p, r in enumerate(sequence) if sequence[p - 1] != r]
        unknown = [key for key in made if key not in known]
        if not unknown:
            return sequence, cost
        known.update({key: change(*key) for key in unknown})


def _best(costs: Array, plans: Sequence[int], change: Change) -> tuple[tuple[int, ...], float]:
    best: tuple[tuple[int, ...], float] = ((), float("inf"))
    for first in plans:
        reached: dict[int, tuple[float, tuple[int, ...]]] = {first: (float(costs[0, first]), (first,))}
        for p in range(1, costs.shape[0]):
            reached = {r: _step(costs, reached, change, p, r) for r in plans}
        for last, (cost, sequence) in reached.items():
            total = cost + (change(0, last, first) if last != first else 0.0)
            if total < best[1] - 1e-9 or not best[0]:
                best = (sequence, total)
    return best


def _step(
    costs: Array, reached: dict[int, tuple[float, tuple[int, ...]]], change: Change, p: int, r: int
) -> tuple[float, tuple[int, ...]]:
    ways = ((cost + (change(p, q, r) if q != r else 0.0), q != r, q) for q, (cost, _) in reached.items())
    cost, _, q = min(ways)
    return cost + float(costs[p, r]), (*reached[q][1], r)
