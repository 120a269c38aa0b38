"""Convex functions from below, as bundles of tangents that go to the solver as they are.

    height >= slope_i * along + constant_i * scale        for each tangent i

Most rows of the models are such tangents. As Pyomo constraints they would take most of the time that models take to
build; as a bundle each is two or three entries of the matrix, written in one stroke.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.base.var import VarData
from scipy.sparse import coo_array

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
    no column asks for nothing: nothing else in the model is about that height."""
    place = {id(column): number for number, column in enumerate(columns)}
    asked = [bound for bound in bounds if id(bound.height) in place]
    counts = [len(bound.tangents) for bound in asked]
    tangents = np.array([t for bound in asked for t in bound.tangents], dtype=float).reshape(-1, 2)
    members = [[b.height for b in asked], [b.along for b in asked], [b.scale for b in asked]]
    numbers = np.repeat([[place.get(id(m), -1) for m in found] for found in members], counts, axis=1).astype(int)
    fixed = [[0.0 if id(m) in place else 1.0 if m is None else m.value for m in found] for found in members]
    factors = np.stack([np.ones(len(tangents)), -tangents[:, 0], -tangents[:, 1]])
    term, row = np.nonzero(numbers >= 0)
    rows = coo_array((factors[term, row], (row, numbers[term, row])), shape=(len(tangents), len(columns)))
    return rows, -(factors * np.repeat(fixed, counts, axis=1)).sum(axis=0)
