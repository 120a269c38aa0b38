"""The choice over a whole network at one cycle: alternatives and offsets, from warm starts to a proven bound.

Junctions begin with what they run best alone. Descents find offsets; each junction is then retimed while its neighbours
stay (`star`), which adds alternatives; and HiGHS chooses among all alternatives and offsets. Networks over
`settings.largest_area` are taken apart into subareas: each is solved with what lies around it held, and once more
without, which together with the least cost of every street between subareas bounds the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from optimiser.network_model import Choice
from optimiser.offset_descent import Timing, descend, good_timings, total_cost
from optimiser.offset_model import build_area, read_timings
from optimiser.search import Search
from optimiser.solve import Solution
from optimiser.star import retimed, star_of
from optimiser.streets import Streets, alternative_alone, streets_of
from optimiser.subareas import subareas


@dataclass(frozen=True)
class Coordinated:
    """What a network runs at a common cycle, its person delay and the bound (persons * s / h), and the subareas."""

    choices: dict[str, Choice]
    objective: float
    bound: float
    nodes: int
    ended: tuple[str, ...]
    areas: tuple[tuple[str, ...], ...]


Descended = tuple[Streets, dict[str, Timing]]
"""The streets of a network at one cycle, and the timings in which descents ended."""


def prepare(search: Search, cycle_s: int, junctions: Sequence[str]) -> Descended:
    """The streets between `junctions` at a cycle at which each of them is solved alone, and good offsets for what each
    runs best alone."""
    settings = search.settings
    forms = {j: search.network_forms(j, float(cycle_s)) for j in junctions}
    streets = streets_of(search.network, search.demands, forms, cycle_s, settings)
    timings: dict[str, Timing] = {}
    for j, case in streets.cases.items():
        alone = search.alone[j, float(cycle_s)]
        number = streets.add(j, alternative_alone(case, alone.choice, alone.objective))
        timings[j] = (number, round(search.running_s[j]) % cycle_s)
    return streets, good_timings(streets, timings, settings.starts, settings.seed)


def coordinate(search: Search, streets: Streets, timings: dict[str, Timing]) -> Coordinated:
    """The best alternatives and offsets, beginning from `timings`."""
    settings = search.settings
    for _ in range(settings.rounds):
        timings = _retime_each(search, streets, timings)
        timings = good_timings(streets, timings, settings.starts, settings.seed)
    return _proven(search, streets, timings)


def _retime_each(search: Search, streets: Streets, timings: Mapping[str, Timing]) -> dict[str, Timing]:
    """Every junction once while its neighbours stay, those together that are no neighbours; descent goes on from each
    change."""
    found = dict(timings)
    for junctions in streets.apart:
        if search.stopped():
            break
        stars = [star_of(streets, j, found) for j in junctions]
        for j, alternative in zip(junctions, search.each(retimed, stars), strict=True):
            search.step(f"{j} among its neighbours")
            if alternative is not None:
                streets.add(j, alternative)
        found = descend(streets, found, junctions)
    return found


def _proven(search: Search, streets: Streets, timings: dict[str, Timing]) -> Coordinated:
    """The choice by HiGHS over the whole network, or over its subareas, with the bound it leaves."""
    settings = search.settings
    bonds = {ends: _bond(streets, ends, timings) for ends in streets.between}
    areas = subareas(list(streets.cases), bonds, settings.largest_area)
    nodes = 0
    if len(areas) > 1:
        for area in areas:
            timed, solution = _solved(search, Area(streets, area, timings, len(areas), held=True))
            timings = _bettered(streets, timings, timed)
            nodes += solution.nodes
        timings = good_timings(streets, timings, settings.starts, settings.seed)
    part = {j: n for n, area in enumerate(areas) for j in area}
    bound = sum(least_cost(streets, ends) for ends in streets.between if part[ends[0]] != part[ends[1]])
    ended = []
    alone = [Area(streets.within(area), area, timings, len(areas), held=False) for area in areas]
    for timed, solution in search.each(_solved, alone):
        timings = _bettered(streets, timings, timed)
        bound += solution.bound
        nodes += solution.nodes
        ended.append(solution.ended)
    objective = total_cost(streets, timings)
    return Coordinated(choices_of(streets, timings), objective, min(bound, objective), nodes, tuple(ended), areas)


def choices_of(streets: Streets, timings: Mapping[str, Timing]) -> dict[str, Choice]:
    """What each junction runs under its alternative and offset."""
    return {
        j: replace(streets.alternatives[j][p].choice, offset_s=float(offset_s)) for j, (p, offset_s) in timings.items()
    }


@dataclass(frozen=True)
class Area:
    """Junctions to solve as one of so many `parts` of a network that runs `timings`; what lies around them is `held`,
    or left out."""

    streets: Streets
    junctions: tuple[str, ...]
    timings: Mapping[str, Timing]
    parts: int
    held: bool


def _solved(search: Search, area: Area) -> tuple[dict[str, Timing], Solution]:
    """The best timings of the area that HiGHS found, and its word on them; the bound is never over what the area costs
    now, since dearer choices were left out."""
    built = build_area(area.streets, area.junctions, area.timings, held=area.held)
    what = f"offsets of {len(area.junctions)} junctions at {area.streets.cycle_s} s"
    options = search.options(search.settings.offset_gap, parts=area.parts, sub_models=False)
    solution = search.solve(what, built, options)
    timed = read_timings(built) if solution.objective is not None else {}
    return timed, replace(solution, bound=min(max(solution.bound, 0.0), built.cost))


def _bettered(streets: Streets, timings: dict[str, Timing], timed: Mapping[str, Timing]) -> dict[str, Timing]:
    """The network with a part of it `timed` anew, where it is the better for that."""
    moved = descend(streets, {**timings, **timed})
    return moved if total_cost(streets, moved) < total_cost(streets, timings) else timings


def least_cost(streets: Streets, ends: tuple[str, str]) -> float:
    """What a street costs at its best offset under the best alternatives of its ends, persons * s / h."""
    ones, others = (range(len(streets.alternatives[j])) for j in ends)
    return min(float(streets.table(*ends, p, q).min()) for p in ones for q in others)


def _bond(streets: Streets, ends: tuple[str, str], timings: Mapping[str, Timing]) -> float:
    table = streets.table(*ends, timings[ends[0]][0], timings[ends[1]][0])
    return float(table.mean() - table.min())
