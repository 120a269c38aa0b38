"""Green bands along arterials: MAXBAND and MULTIBAND over a network of any shape. Times are fractions of the cycle.

For each way of an arterial, signals i = 1, 2, ... in the direction of travel, d_i its section from i to i + 1:
    o_i - o_(i+1) = S_(i+1) + w_(i+1) - S_i - w_i - t_i + n_i,    n_i whole,    d_i z / f <= t_i <= d_i z / e
    z = 1 / C within [1 / C_max, 1 / C_min]
o offset, S start and g length of green (given), w_i where the band's line crosses the green of signal i, t_i travel
time; the same o's in both directions and on crossing arterials make loops close, one integer a loop (`cycle_basis`).

MAXBAND (Little, Kelson & Gartner 1981): one band b a way, w_i its leading edge,
    0 <= w_i,   w_i + b <= g_i,    max sum of a (b + k b'),   b' >= k b
MULTIBAND (Gartner, Assmann, Lasaga & Hou 1991): a band b_i of its own for each section, w_i the centre line,
    b_i / 2 <= w_i <= g_i - b_i / 2,   b_i / 2 <= w_(i+1) <= g_(i+1) - b_i / 2,    max sum of a_i b_i
weighed by a_i, the flow of the section. k: flow of the second way over that of the first, at most 1. A band may be
given up (one binary each): it then has no width, and its line need not meet the greens, which could be impossible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyomo.environ as pyo

from optimiser.formulation.cycle_basis import add_loops, cycle_basis
from optimiser.formulation.families import Columns, Rows
from optimiser.formulation.names import MAXBAND, MULTIBAND

_AWAY = 0.5
"""How far outside its green the line of a band that is given up may run: half a cycle reaches any offset."""


@dataclass(frozen=True)
class Way:
    """One direction of an arterial: junctions in order of travel with the start and length of their green (fractions of
    the cycle), and by section the least and largest travel time (s) and the flow (veh/h)."""

    junctions: tuple[str, ...]
    starts: tuple[float, ...]
    greens: tuple[float, ...]
    travel_s: tuple[tuple[float, float], ...]
    flows_veh_h: tuple[float, ...]


@dataclass(frozen=True)
class Arterial:
    """One or both ways of a road, the one with more flow first."""

    ways: tuple[Way, ...]


@dataclass(frozen=True)
class _Section:
    """Section i of a way, on a street with the sign of its direction."""

    arterial: int
    way: int
    i: int
    street: int
    sign: int


def add_maxband(model: pyo.ConcreteModel, arterials: Sequence[Arterial], cycle_range_s: tuple[float, float]) -> None:
    """Adds bands of one width a way, with the objective `bandwidth` (veh/h times fractions of the cycle, maximised)."""
    ways = _add_lines(model, arterials, cycle_range_s)
    model.band = pyo.Var(list(ways), bounds=(0, 1))
    model.served = pyo.Var(list(ways), domain=pyo.Binary)
    for (a, d), way in ways.items():
        model.inside.add(model.band[a, d] <= min(way.greens) * model.served[a, d])
        for i, green in enumerate(way.greens):
            away = _AWAY * (1 - model.served[a, d])
            model.inside.add(model.line[a, d, i] >= -away)
            model.inside.add(model.line[a, d, i] + model.band[a, d] <= green + away)
    terms = []
    for a, arterial in enumerate(arterials):
        weight = _mean(arterial.ways[0].flows_veh_h)
        terms.append(weight * model.band[a, 0])
        if len(arterial.ways) > 1:
            k = min(1.0, _mean(arterial.ways[1].flows_veh_h) / max(weight, 1e-6))
            terms.append(weight * k * model.band[a, 1])
            if k < 1:
                model.inside.add(model.band[a, 1] >= k * model.band[a, 0] - (1 - model.served[a, 1]))
    model.bandwidth = pyo.Objective(expr=pyo.quicksum(terms), sense=pyo.maximize)


def add_multiband(model: pyo.ConcreteModel, arterials: Sequence[Arterial], cycle_range_s: tuple[float, float]) -> None:
    """Adds a band a section around a common line, with the objective `bandwidth` (veh/h times fractions of the cycle,
    maximised)."""
    ways = _add_lines(model, arterials, cycle_range_s)
    sections = [(a, d, i) for (a, d), way in ways.items() for i in range(len(way.junctions) - 1)]
    model.band = pyo.Var(sections, bounds=(0, 1))
    model.served = pyo.Var(sections, domain=pyo.Binary)
    for a, d, i in sections:
        greens = ways[a, d].greens
        model.inside.add(model.band[a, d, i] <= min(greens[i], greens[i + 1]) * model.served[a, d, i])
        for end in (i, i + 1):
            away = _AWAY * (1 - model.served[a, d, i])
            model.inside.add(model.line[a, d, end] >= model.band[a, d, i] / 2 - away)
            model.inside.add(model.line[a, d, end] + model.band[a, d, i] / 2 <= greens[end] + away)
    terms = [ways[a, d].flows_veh_h[i] * model.band[a, d, i] for a, d, i in sections]
    model.bandwidth = pyo.Objective(expr=pyo.quicksum(terms), sense=pyo.maximize)


BANDS: dict[str, Callable[[pyo.ConcreteModel, Sequence[Arterial], tuple[float, float]], None]] = {
    MAXBAND: add_maxband,
    MULTIBAND: add_multiband,
}


def streets_of_ways(arterials: Sequence[Arterial]) -> tuple[tuple[str, str], ...]:
    """The streets that the ways run on, each by its two junctions in order of name; the order of `model.tension`."""
    found = {
        (min(pair), max(pair)) for arterial in arterials for way in arterial.ways for pair in pairwise(way.junctions)
    }
    return tuple(sorted(found))


def _add_lines(
    model: pyo.ConcreteModel, arterials: Sequence[Arterial], cycle_range_s: tuple[float, float]
) -> dict[tuple[int, int], Way]:
    """Adds `frequency` (z, 1/s), `line` (w), `travel` (t), `tension` by street, `wraps` (n of every further section on
    a street) and the loops; gives back the ways by (arterial, way)."""
    ways = {(a, d): way for a, arterial in enumerate(arterials) for d, way in enumerate(arterial.ways)}
    model.frequency = pyo.Var(bounds=(1 / cycle_range_s[1], 1 / cycle_range_s[0]))
    index = [(a, d, i) for (a, d), way in ways.items() for i in range(len(way.junctions))]
    model.line = pyo.Var(index, bounds=lambda _, a, d, i: (-_AWAY, ways[a, d].greens[i] + _AWAY))
    streets = streets_of_ways(arterials)
    number = {street: s for s, street in enumerate(streets)}
    sections = [
        _Section(a, d, i, number[min(one, other), max(one, other)], 1 if one < other else -1)
        for (a, d), way in ways.items()
        for i, (one, other) in enumerate(pairwise(way.junctions))
    ]
    model.travel = pyo.Var([(s.arterial, s.way, s.i) for s in sections], domain=pyo.NonNegativeReals)
    model.inside, model.timed = Rows(), Rows()
    model.tension = pyo.Var(range(len(streets)))
    model.wraps = Columns(pyo.Integers)
    bounds: dict[int, tuple[float, float]] = {}
    for section in sections:
        _add_section(model, section, ways[section.arterial, section.way], cycle_range_s, bounds)
    for s, (low, high) in bounds.items():
        model.tension[s].setlb(low)
        model.tension[s].setub(high)
    widths = [bounds[s][1] - bounds[s][0] for s in range(len(streets))]
    add_loops(model, cycle_basis(streets, widths), bounds, 1.0)
    return ways


def _add_section(
    model: pyo.ConcreteModel,
    section: _Section,
    way: Way,
    cycle_range_s: tuple[float, float],
    bounds: dict[int, tuple[float, float]],
) -> None:
    a, d, i = section.arterial, section.way, section.i
    least_s, most_s = way.travel_s[i]
    travel = model.travel[a, d, i]
    model.timed.add(travel >= least_s * model.frequency)
    model.timed.add(travel <= most_s * model.frequency)
    apart = way.starts[i + 1] - way.starts[i]
    low = apart - way.greens[i] - 2 * _AWAY - most_s / cycle_range_s[0]
    high = apart + way.greens[i + 1] + 2 * _AWAY - least_s / cycle_range_s[1]
    ends = (low, high) if section.sign > 0 else (-high, -low)
    difference = apart + model.line[a, d, i + 1] - model.line[a, d, i] - travel
    if section.street not in bounds:
        bounds[section.street] = ends
        model.timed.add(model.tension[section.street] == section.sign * difference)
        return
    known = bounds[section.street]
    wraps = model.wraps.add()
    wraps.setlb(math.ceil(known[0] - ends[1] - 1e-9))
    wraps.setub(math.floor(known[1] - ends[0] + 1e-9))
    model.timed.add(model.tension[section.street] == section.sign * difference + wraps)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
