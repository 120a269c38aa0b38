"""Periods of the day: the exact least-cost partition of a profile's intervals into contiguous periods.

A period [i, j) loses `losses[i, j]` by one plan where each interval might have had its own, and every change from
period [h, i) to [i, j) costs `change(h, i, j)`. With V(i, j, k) the least cost of the intervals before j in k periods
of which the last is [i, j),

    V(i, j, k) = losses[i, j] + min over h of V(h, i, k - 1) + change(h, i, j),      V(0, j, 1) = losses[0, j]

and the least V(i, n, k) over i and k <= most_periods is the best partition there is (Bellman 1961, On the approximation
of curves by line segments using dynamic programming, Communications of the ACM 4(6); Fisher 1958, On grouping for
maximum homogeneity, Journal of the American Statistical Association 53). The pair (h, i) of the last two bounds is the
state, so a change may cost what its two periods make it cost. O(n^3 k) sums, vectorised over j and h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optimiser.errors import OptimiserError

Matrix = NDArray[np.float64]
ChangeCosts = Callable[[int], Matrix]
"""Of bound i: an array (h, j) with the cost of a change from [h, i) to [i, j), of shape (i, n + 1)."""
_TIE = 1e-9


class PeriodsError(OptimiserError):
    """A profile cannot be parted into periods as asked."""


@dataclass(frozen=True)
class PeriodLimits:
    """Least number of intervals in a period, and the most periods a day may have."""

    least_intervals: int = 4
    most_periods: int = 8


@dataclass(frozen=True)
class Partition:
    """Bounds of the periods as interval numbers, from 0 to the number of intervals, and what the partition costs in the
    unit of the losses, changes included."""

    bounds: tuple[int, ...]
    cost: float

    @property
    def periods(self) -> tuple[tuple[int, int], ...]:
        """Each period as [first interval, interval after its last)."""
        return tuple(pairwise(self.bounds))


def best_partition(losses: Matrix, change: ChangeCosts, limits: PeriodLimits | None = None) -> Partition:
    """The partition of least cost; of equal ones that with fewest periods.

    `losses` has shape (n + 1, n + 1), with `losses[i, j]` that of the period [i, j), i < j; infinite where it must not
    be. Raises PeriodsError where no partition keeps the limits."""
    limits = limits or PeriodLimits()
    n, least = losses.shape[0] - 1, max(1, limits.least_intervals)
    if n < least:
        raise PeriodsError(
            f"the profile has {n} intervals and a period at least {least}; give a longer profile or shorter periods"
        )
    allowed = np.full((n + 1, n + 1), np.inf)
    for i in range(n - least + 1):
        allowed[i, i + least :] = losses[i, i + least :]
    costs = [np.full((n + 1, n + 1), np.inf)]
    costs[0][0] = allowed[0]
    before: list[NDArray[np.int64]] = []
    changes = {i: change(i) for i in range(least, n - least + 1)} if limits.most_periods > 1 else {}
    for _ in range(1, min(limits.most_periods, n // least)):
        costs.append(np.full((n + 1, n + 1), np.inf))
        before.append(np.zeros((n + 1, n + 1), dtype=np.int64))
        for i, changed in changes.items():
            reached = costs[-2][:i, i][:, None] + changed
            before[-1][i] = reached.argmin(axis=0)
            costs[-1][i] = allowed[i] + reached.min(axis=0)
    return _read_back(costs, before, n)


def _read_back(costs: list[Matrix], before: list[NDArray[np.int64]], n: int) -> Partition:
    ends = [float(cost[:, n].min()) for cost in costs]
    least = min(ends)
    if not np.isfinite(least):
        raise PeriodsError(
            f"no periods of the profile's {n} intervals keep their limits; give a longer profile or shorter periods"
        )
    count = next(k for k, end in enumerate(ends) if end <= least + _TIE * max(1.0, abs(least)))
    i, j = int(costs[count][:, n].argmin()), n
    bounds = [n]
    for k in range(count, 0, -1):
        bounds.append(i)
        i, j = int(before[k - 1][i, j]), i
    return Partition((0, *reversed(bounds)) if bounds[-1] != 0 else tuple(reversed(bounds)), ends[count])
