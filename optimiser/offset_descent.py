"""Good offsets fast: descent over whole seconds and alternatives, one junction at a time, from many starts.

Each junction in turn takes the alternative and the second that cost it and its streets least while all others stay; a
start for HiGHS, which alone knows how far from the best it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from optimiser.formulation.street_costs import Costs
from optimiser.streets import Near, Streets

Timing = tuple[int, int]
"""An alternative by number, and an offset in whole s."""


def total_cost(streets: Streets, timings: Mapping[str, Timing]) -> float:
    """Person delay of all junctions and streets, persons * s / h."""
    fixed = sum(streets.alternatives[j][timings[j][0]].cost for j in streets.cases)
    return fixed + sum(street_cost(streets, ends, timings) for ends in streets.between)


def street_cost(streets: Streets, ends: tuple[str, str], timings: Mapping[str, Timing]) -> float:
    """What one street costs, persons * s / h."""
    (p, x), (q, y) = timings[ends[0]], timings[ends[1]]
    return float(streets.table(*ends, p, q)[(x - y) % streets.cycle_s])


def descend(streets: Streets, start: Mapping[str, Timing], thrown: Collection[str] | None = None) -> dict[str, Timing]:
    """The timings that no junction alone would change, reached from `start`, of which only the junctions `thrown` are
    not yet so."""
    timings = dict(start)
    waiting = list(streets.cases if thrown is None else sorted(thrown))
    queued = set(waiting)
    while waiting:
        junction = waiting.pop(0)
        queued.discard(junction)
        best, cost, known = _best(streets, junction, timings)
        if cost < known - 1e-6 * (1 + abs(known)):
            timings[junction] = best
            for street in streets.near[junction]:
                if street.other not in queued:
                    waiting.append(street.other)
                    queued.add(street.other)
    return timings


def good_timings(streets: Streets, start: Mapping[str, Timing], starts: int, seed: int) -> dict[str, Timing]:
    """The best of descents from `start`, from random timings, and from the best so far with a part of it drawn anew."""
    rng = np.random.default_rng(seed)
    names = list(streets.cases)
    best = descend(streets, start)
    least = total_cost(streets, best)
    for number in range(starts):
        trial = dict(start if number % 4 == 0 else best)
        thrown = names if number % 4 == 0 else _patch(streets, names, rng)
        for junction in thrown:
            p = int(rng.integers(len(streets.alternatives[junction])))
            trial[junction] = (p, int(rng.integers(streets.cycle_s)))
        around = {street.other for junction in thrown for street in streets.near[junction]}
        found = descend(streets, trial, {*thrown, *around})
        cost = total_cost(streets, found)
        if cost < least - 1e-6 * (1 + abs(least)):
            best, least = found, cost
    return best


def _patch(streets: Streets, names: list[str], rng: np.random.Generator) -> list[str]:
    """A junction with those around it, a tenth of the network or so."""
    found = [names[int(rng.integers(len(names)))]]
    wanted = max(2, min(len(names), int(rng.integers(2, 3 + len(names) // 8))))
    for junction in found:
        for street in streets.near[junction]:
            if street.other not in found and len(found) < wanted:
                found.append(street.other)
    return found


def _best(streets: Streets, junction: str, timings: Mapping[str, Timing]) -> tuple[Timing, float, float]:
    """The best timing of a junction with its cost, and the cost of the one it has."""
    found: tuple[Timing, float] = (timings[junction], float("inf"))
    known = float("inf")
    for p, alternative in enumerate(streets.alternatives[junction]):
        costs = cost_by_offset(streets, junction, p, timings, streets.near[junction]) + alternative.cost
        offset_s = int(np.argmin(costs))
        if p == timings[junction][0]:
            known = float(costs[timings[junction][1]])
        if costs[offset_s] < found[1]:
            found = ((p, offset_s), float(costs[offset_s]))
    return found[0], found[1], known


def cost_by_offset(
    streets: Streets, junction: str, p: int, timings: Mapping[str, Timing], near: Iterable[Near]
) -> Costs:
    """Cost of the streets `near` a junction for every offset it may take under alternative p, all else as timed."""
    total: Costs = np.zeros(streets.cycle_s)
    for street in near:
        q, y = timings[street.other]
        # by the second at which the other junction's is 0: forwards where this one is upstream, else backwards
        if street.first:
            turned, at = streets.table(junction, street.other, p, q), len(total) - y
        else:
            turned, at = streets.table(street.other, junction, q, p)[::-1], len(total) - 1 - y
        total[: len(total) - at] += turned[at:]
        total[len(total) - at :] += turned[:at]
    return total
