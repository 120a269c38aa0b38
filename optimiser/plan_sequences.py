"""Which plan runs in which period: few plans for many periods, and no change that does not pay.

From `costs[p, q]`, what period p costs under plan q, the plans kept are those by which the periods lose least (all
sets of the size allowed are tried). Through them the day goes by the least sum of period costs and changes, the change
from the last period to the first of the next day included:

    W(p, r) = costs[p, r] + min over q of W(p - 1, q) + change(p, q, r)

once for each plan that the day may begin with (Viterbi 1967 on a circle). A change between equal plans is none, so a
period that does not pay its changes takes the plan of a neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Change = Callable[[int, int, int], float]
"""Cost of a change at the begin of period p from plan q to plan r; infinite where there is no safe way."""


def kept_plans(costs: Array, most_plans: int) -> tuple[int, ...]:
    """Numbers of at most so many plans (columns) under which the periods (rows) cost least in all, ascending."""
    count = costs.shape[1]
    size = min(max(1, most_plans), count)
    sets: list[tuple[int, ...]] = list(combinations(range(count), size))
    totals = [float(costs[:, kept].min(axis=1).sum()) for kept in sets]
    return sets[int(np.argmin(totals))]


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
