"""A linear Pyomo model as the rows and columns that a solver takes.

Rows are the constraints in the order of the model, then the tangents of `convex_bounds`. Columns are the open variables
that the objective or some constraint is about, component by component in the order in which these come up. Pyomo's own
standard form has the same rows and columns. It is made for large models: on those of one junction, which a search
solves by the dozen, what it does once a model takes longer than all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.base.constraint import ConstraintData
from pyomo.core.base.var import VarData
from pyomo.core.expr import (
    EqualityExpression,
    LinearExpression,
    MonomialTermExpression,
    NegationExpression,
    ProductExpression,
    SumExpression,
)
from pyomo.core.expr.numvalue import native_numeric_types

from optimiser.convex_bounds import convex_bounds, tangent_rows
from optimiser.errors import OptimiserError

_INFINITY = float("inf")
Terms = dict[int, float]
"""Factors by the id of their variable."""


@dataclass(frozen=True)
class LinearForm:
    """Least costs * x + offset where lower <= A x <= upper, over the `columns` x, of which some are `whole`. Row i of A
    has the entries from starts[i] up to starts[i + 1], each the number of a column and a factor; rows past the last of
    `constraints` are tangents."""

    columns: Sequence[VarData]
    whole: Sequence[bool]
    costs: NDArray[np.float64]
    offset: float
    constraints: Sequence[ConstraintData]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    starts: NDArray[np.int32]
    numbers: NDArray[np.int32]
    factors: NDArray[np.float64]


def linear_form(model: pyo.ConcreteModel) -> LinearForm:
    """Rows and columns of a model with one objective. A fixed variable is a number in them; a constraint of numbers
    alone is a row only where it does not hold. A product is linear where one factor is written as a number.

    Raises OptimiserError where the objective or a constraint is not linear, and where a bundle of tangents runs along
    an open variable that nothing else in the model is about."""
    known: dict[int, VarData] = {}
    (objective,) = model.component_data_objects(pyo.Objective, active=True)
    cost: Terms = {}
    offset = _add(objective.expr, float(objective.sense), cost, known)
    written = [_row(constraint, known) for constraint in model.component_data_objects(pyo.Constraint, active=True)]
    rows = [row for row in written if row.terms or not row.lower <= 0.0 <= row.upper]
    asked = set(cost).union(*(row.terms for row in rows))
    columns = [variable for key, variable in known.items() if key in asked]
    place = {id(variable): number for number, variable in enumerate(columns)}
    costs = np.zeros(len(columns))
    costs[[place[key] for key in cost]] = list(cost.values())
    tangents = tangent_rows(convex_bounds(model), place)
    return LinearForm(
        columns,
        [not column.is_continuous() for column in columns],
        costs,
        offset,
        [row.constraint for row in rows],
        np.array([row.lower for row in rows] + tangents.lower),
        np.array([row.upper for row in rows] + [_INFINITY] * len(tangents.lower)),
        np.array([0, *accumulate([len(row.terms) for row in rows] + tangents.lengths)], dtype=np.int32),
        np.array([place[key] for row in rows for key in row.terms] + tangents.numbers, dtype=np.int32),
        np.array([factor for row in rows for factor in row.terms.values()] + tangents.factors, dtype=float),
    )


@dataclass
class _Row:
    """lower <= terms <= upper, the terms factors by the id of their variable."""

    constraint: ConstraintData
    terms: Terms
    lower: float
    upper: float


def _row(constraint: ConstraintData, known: dict[int, VarData]) -> _Row:
    """An equation or inequality with all that is open on its left side; where that was a number, the row is turned
    round. Raises OptimiserError where it is not linear, or bounded on both sides."""
    if constraint.expr.nargs() != 2:
        raise OptimiserError(f"{constraint.name} has two bounds; write it as two constraints")
    left, right = constraint.expr.args
    turned = left.__class__ in native_numeric_types
    terms: Terms = {}
    factor = -1.0 if turned else 1.0
    at = 0.0 - (_add(left, factor, terms, known) + _add(right, -factor, terms, known))
    if not all(terms.values()):
        terms = {key: factor for key, factor in terms.items() if factor}
    if constraint.expr.__class__ is EqualityExpression:
        return _Row(constraint, terms, at, at)
    return _Row(constraint, terms, at, _INFINITY) if turned else _Row(constraint, terms, -_INFINITY, at)


def _add(expression: Any, factor: float, terms: Terms, known: dict[int, VarData]) -> float:
    """Adds `factor` times the variables of an expression to `terms` and gives back its constant; `known` gets every
    variable of the components that come up. Raises OptimiserError where the expression is not linear."""
    kind = expression.__class__
    if kind is MonomialTermExpression:
        by, variable = expression.args
        return _add_variable(variable, factor * by, terms, known)
    if kind is LinearExpression or kind is SumExpression:
        return sum([_add(part, factor, terms, known) for part in expression.args])
    if kind in native_numeric_types:
        return factor * float(expression)
    if kind is NegationExpression:
        return _add(expression.args[0], -factor, terms, known)
    if expression.is_variable_type():
        return _add_variable(expression, factor, terms, known)
    if not expression.is_potentially_variable():
        return factor * float(pyo.value(expression))
    if expression.is_named_expression_type():
        return _add(expression.expr, factor, terms, known)
    number, other = _factors(expression)
    inner: Terms = {}
    constant = _add(other, 1.0, inner, known)
    for key, by in inner.items():
        terms[key] = terms.get(key, 0.0) + factor * number * by
    return factor * number * constant


def _add_variable(variable: VarData, factor: float, terms: Terms, known: dict[int, VarData]) -> float:
    if variable.fixed:
        return factor * float(variable.value)
    key = id(variable)
    if key not in known:
        known.update((id(member), member) for member in variable.parent_component().values())
    terms[key] = terms.get(key, 0.0) + factor
    return 0.0


def _factors(expression: Any) -> tuple[float, Any]:
    """The number and the expression that a product is of. Raises OptimiserError where it is no such product."""
    if expression.__class__ is ProductExpression:
        one, other = expression.args
        if one.__class__ in native_numeric_types:
            return one, other
        if other.__class__ in native_numeric_types:
            return other, one
    raise OptimiserError(f"{expression} is not linear, and HiGHS solves linear models alone")
