"""Convex functions from below, as bundles of tangents that go to the solver as they are.

    height >= slope_i * along + constant_i * scale        for each tangent i

Most rows of the models are such tangents. As Pyomo constraints they would take most of the time that models take to
build; as a bundle each is two or three entries of the matrix, written in one stroke.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pyomo.environ as pyo
from pyomo.core.base.var import VarData

from optimiser.errors import OptimiserError

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


@dataclass
class TangentRows:
    """Rows A x >= lower: how many entries each row has, and for all entries in turn the number of a column and a
    factor."""

    lower: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)


def tangent_rows(bounds: Iterable[ConvexBound], place: Mapping[int, int]) -> TangentRows:
    """Rows of all tangents over columns, whose numbers `place` gives by the id of the variable; fixed variables go to
    the right side. A bundle whose height is open and no column asks for nothing: nothing else in the model is about
    that height.

    Raises OptimiserError where a bundle runs along an open variable that is no column."""
    rows = TangentRows()
    for bound in bounds:
        members = (bound.height, bound.along, bound.scale)
        numbers = [place.get(id(member)) for member in members]
        if numbers[0] is None and not bound.height.fixed:
            continue
        height, along, scale = (
            _known(member) if number is None else 0.0 for number, member in zip(numbers, members, strict=True)
        )
        slopes, constants = zip(*bound.tangents, strict=True)
        factors = ([1.0] * len(slopes), [-slope for slope in slopes], [-constant for constant in constants])
        inside = [number for number in numbers if number is not None]
        rows.lower += [slope * along + constant * scale - height for slope, constant in bound.tangents]
        rows.lengths += [len(inside)] * len(slopes)
        rows.numbers += inside * len(slopes)
        asked = [found for found, number in zip(factors, numbers, strict=True) if number is not None]
        rows.factors += chain.from_iterable(zip(*asked, strict=True))
    return rows


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
