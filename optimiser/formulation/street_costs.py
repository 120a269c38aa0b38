"""What a street costs for every whole-second offset difference: platoons of both directions in one periodic function.

    F_pq(x) = sum_a persons_a * w_a(x),   x = o_one - o_other (whole s, mod C)
w_a the wait of platoon a (see `offsets`) when the junctions run alternatives p and q. With stages given, offsets are
all that is left to choose, so a table over one cycle holds the street exactly: the cyclically time-expanded view of
Koehler & Strehler. The cycle is cut where F is largest and split into cells on which F is convex; each cell is the
upper envelope of a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
_FLAT = 1e-7


@dataclass(frozen=True)
class Cell:
    """Tensions [from_s, to_s] on which the cost is convex: the largest of `lines` (slope, constant)."""

    from_s: int
    to_s: int
    lines: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Arrival:
    """One platoon under given stages: head at x + `early_s` after the start of its green where it leaves from the
    street's first end (`outward`), at `early_s` - x else."""

    outward: bool
    persons_h: float
    early_s: float
    green_s: float
    red_s: float
    queue_s: float
    width_s: float
    tail_slope: float


def street_costs(arrivals: Sequence[Arrival], cycle_s: int) -> Costs:
    """F(0), F(1), ..., F(cycle_s - 1) in persons * s / h."""
    x = np.arange(cycle_s, dtype=float)
    total = np.zeros(cycle_s)
    for a in arrivals:
        early = a.early_s + (x if a.outward else -x)
        early -= cycle_s * np.ceil((early - a.green_s) / cycle_s - 1e-9)
        late = a.tail_slope * (early - a.green_s + a.width_s)
        total += a.persons_h * np.maximum(0.0, np.maximum(a.queue_s - early, late))
    return total


def cells(costs: Costs, dearest: float = float("inf")) -> tuple[Cell, ...]:
    """Convex cells of one cycle of tensions from the dearest second on; seconds dearer than `dearest` are left out."""
    cycle_s, start_s = len(costs), int(np.argmax(costs))
    values = np.roll(costs, -start_s)
    allowed = values <= dearest
    found, first = [], 0
    while first < cycle_s:
        if not allowed[first]:
            first += 1
            continue
        last = first
        while last + 1 < cycle_s and allowed[last + 1] and _convex(values, first, last):
            last += 1
        found.append(Cell(start_s + first, start_s + last, _lines(values[first : last + 1], start_s + first)))
        first = last + 1
    return tuple(found)


def _convex(values: Costs, first: int, last: int) -> bool:
    """Whether the next second goes on as steeply as the last one at least."""
    if last == first:
        return True
    scale = _FLAT * (1.0 + abs(float(values[last])))
    return bool(values[last + 1] - values[last] >= values[last] - values[last - 1] - scale)


def _lines(values: Costs, from_s: int) -> tuple[tuple[float, float], ...]:
    if len(values) == 1:
        return ((0.0, float(values[0])),)
    found: list[tuple[float, float]] = []
    for i, slope in enumerate(np.diff(values).tolist()):
        if not found or slope > found[-1][0] + _FLAT * (1.0 + abs(slope)):
            found.append((slope, float(values[i]) - slope * (from_s + i)))
    return tuple(found)
