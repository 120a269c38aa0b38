"""Closed loops of streets: a short integral cycle basis, and the constraints that make offsets add up around it.

    sum_(s in loop) sign_s * x_s = C * n_loop,   n_loop whole,   ceil(lo / C) <= n_loop <= floor(hi / C)
x_s tension of street s: offset of its first end less that of its other end, up to whole cycles (s); lo, hi the least
and the largest sum that the bounds of the tensions allow (Odijk's cycle inequalities). One integer a loop replaces one
an arc, which is the cycle formulation of periodic scheduling (Serafini & Ukovich 1989; Liebchen 2006).

The basis is weakly fundamental: each loop has a street that no later loop has, so every loop of the network is a whole
combination of these (Liebchen 2006, integral cycle bases). Each is the narrowest loop through its street that is left.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyomo.environ as pyo

from optimiser.formulation.families import Rows


@dataclass(frozen=True)
class Loop:
    """Streets by number, with +1 where the loop runs from the street's first end to its other end, else -1."""

    streets: tuple[tuple[int, int], ...]


def cycle_basis(ends: Sequence[tuple[str, str]], widths_s: Sequence[float]) -> tuple[Loop, ...]:
    """Loops over the streets `ends` (pairs of nodes; several streets may join the same two), as many as there are
    streets beyond a spanning tree; `widths_s` are the ranges of their tensions, of which a loop should sum up few."""
    near: dict[str, dict[int, str]] = {}
    for s, (one, other) in enumerate(ends):
        near.setdefault(one, {})[s] = other
        near.setdefault(other, {})[s] = one
    found = []
    for s in sorted(range(len(ends)), key=lambda s: (-widths_s[s], s)):
        one, other = ends[s]
        del near[one][s]
        near[other].pop(s, None)
        way = _narrowest(near, widths_s, other, one)
        if way is not None:
            signed = [(s, 1)]
            here = other
            for step in way:
                forward = ends[step][0] == here
                signed.append((step, 1 if forward else -1))
                here = ends[step][1] if forward else ends[step][0]
            found.append(Loop(tuple(signed)))
    return tuple(found)


def add_loops(
    model: pyo.ConcreteModel, loops: Sequence[Loop], bounds_s: Mapping[int, tuple[float, float]], cycle_s: float
) -> None:
    """Adds `turns` (n, by loop) and closes every loop over `model.tension` (by street), whose bounds are `bounds_s`."""
    model.turns = pyo.Var(range(len(loops)), domain=pyo.Integers)
    model.closed = Rows()
    for n, loop in enumerate(loops):
        low_s = sum(min(sign * end for end in bounds_s[s]) for s, sign in loop.streets)
        high_s = sum(max(sign * end for end in bounds_s[s]) for s, sign in loop.streets)
        model.turns[n].setlb(math.ceil(low_s / cycle_s - 1e-9))
        model.turns[n].setub(math.floor(high_s / cycle_s + 1e-9))
        around = pyo.quicksum(sign * model.tension[s] for s, sign in loop.streets)
        model.closed.add(around == cycle_s * model.turns[n])


def potentials(
    ends: Sequence[tuple[str, str]], tensions: Sequence[float], roots: Mapping[str, float]
) -> dict[str, float]:
    """Offsets of all nodes that fit the tensions of the streets. In each part of the network the first node by name
    keeps its offset of `roots`, which names every node."""
    near: dict[str, list[tuple[str, float]]] = {node: [] for node in roots}
    for (one, other), tension in zip(ends, tensions, strict=True):
        near[one].append((other, -tension))
        near[other].append((one, tension))
    found: dict[str, float] = {}
    for root in sorted(roots):
        if root in found:
            continue
        found[root] = roots[root]
        grown = [root]
        for node in grown:
            for there, step in near[node]:
                if there not in found:
                    found[there] = found[node] + step
                    grown.append(there)
    return found


def _narrowest(
    near: Mapping[str, Mapping[int, str]], widths_s: Sequence[float], start: str, goal: str
) -> list[int] | None:
    """Streets of the way of least total width (Dijkstra), or None where there is none."""
    heap: list[tuple[float, str, tuple[int, ...]]] = [(0.0, start, ())]
    reached: set[str] = set()
    while heap:
        width_s, node, way = heapq.heappop(heap)
        if node == goal:
            return list(way)
        if node in reached:
            continue
        reached.add(node)
        for s, there in near[node].items():
            if there not in reached:
                heapq.heappush(heap, (width_s + widths_s[s], there, (*way, s)))
    return None
