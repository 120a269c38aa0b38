"""Convex functions from below, as bundles of tangents that go to the solver as they are.

    height >= slope_i * along + constant_i * scale        for each tangent i

Most rows of the models are such tangents. As Pyomo constraints they would take most of the time that models take to
build; as a bundle each is two or three entries of the matrix, written in one stroke.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.base.var import VarData
from scipy.sparse import coo_array

from optimiser.errors import OptimiserError

Floats = NDArray[np.float64]
_BUNDLES = "convex_bounds"


@dataclass(frozen=True)
class ConvexBound:
    """Tangents (slope, constant) over `along` which `height` is never under; `scale`, where there is one, multiplies
    the constants."""

    height: VarData
    along: VarData
    tangents: tuple[tuple[float, float], ...]
    scale: VarData | None = None


def bound_below(block: pyo.Block, bound: ConvexBound) -> None:
    """Adds `bound` to the model that `block` is part of."""
    if not hasattr(block, _BUNDLES):
        setattr(block, _BUNDLES, [])
    getattr(block, _BUNDLES).append(bound)


def convex_bounds(model: pyo.ConcreteModel) -> Iterator[ConvexBound]:
    """All bundles of a model, block by block."""
    for block in model.block_data_objects(active=True):
        yield from getattr(block, _BUNDLES, ())


def tangent_rows(bounds: Sequence[ConvexBound], columns: Sequence[VarData]) -> tuple[coo_array, Floats]:
    """Rows A x >= b of all tangents over the `columns` of a matrix; fixed variables go to b. A bundle whose height is
    open and no column asks for nothing: nothing else in the model is about that height.

    Raises OptimiserError where a bundle runs along a variable that nothing else in the model is about."""
    place = {id(column): number for number, column in enumerate(columns)}
    asked = [bound for bound in bounds if bound.height.fixed or id(bound.height) in place]
    counts = [len(bound.tangents) for bound in asked]
    tangents = np.array([t for bound in asked for t in bound.tangents], dtype=float).reshape(-1, 2)
    members = [[b.height for b in asked], [b.along for b in asked], [b.scale for b in asked]]
    numbers = np.repeat([[place.get(id(m), -1) for m in found] for found in members], counts, axis=1).astype(int)
    known = [[0.0 if id(m) in place else _known(m) for m in found] for found in members]
    factors = np.stack([np.ones(len(tangents)), -tangents[:, 0], -tangents[:, 1]])
    term, row = np.nonzero(numbers >= 0)
    rows = coo_array((factors[term, row], (row, numbers[term, row])), shape=(len(tangents), len(columns)))
    return rows, -(factors * np.repeat(known, counts, axis=1)).sum(axis=0)


def settle(bounds: Iterable[ConvexBound], columns: Sequence[VarData]) -> None:
    """Gives heights that are no column of a solved matrix the least value that they may have."""
    inside = {id(column) for column in columns}
    for bound in bounds:
        if not bound.height.fixed and id(bound.height) not in inside:
            along, scale = float(bound.along.value), 1.0 if bound.scale is None else float(bound.scale.value)
            highest = max(slope * along + constant * scale for slope, constant in bound.tangents)
            bound.height.set_value(highest if bound.height.lb is None else max(bound.height.lb, highest))


def _known(variable: VarData | None) -> float:
    """The value of one that is no column."""
    if variable is None:
        return 1.0
    if not variable.fixed:
        raise OptimiserError(f"tangents run along {variable.name}, which nothing else in the model is about")
    return float(variable.value)
