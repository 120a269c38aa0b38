"""Bundles of tangents hold in a solved model as constraints would."""

from __future__ import annotations

import pyomo.environ as pyo
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.convex_bounds import ConvexBound, bound_below
from optimiser.errors import OptimiserError
from optimiser.solve import SolveOptions, row_duals, solve

NUMBERS = st.integers(-20, 20).map(float)
TANGENTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6).map(tuple)


def bowl(tangents: tuple[tuple[float, float], ...], at: float, scale: float | None = None) -> pyo.ConcreteModel:
    """Least height over `tangents` at a given place, in a block of a model."""
    model = pyo.ConcreteModel()
    model.part = pyo.Block()
    model.height = pyo.Var(bounds=(-1e4, None))
    model.part.along = pyo.Var()
    model.at = pyo.Constraint(expr=model.part.along == at)
    if scale is not None:
        model.scale = pyo.Var()
        model.scaled = pyo.Constraint(expr=model.scale == scale)
    bound_below(model.part, ConvexBound(model.height, model.part.along, tangents, getattr(model, "scale", None)))
    model.least = pyo.Objective(expr=model.height)
    return model


@given(TANGENTS, NUMBERS)
def test_the_least_height_is_that_of_the_highest_tangent(tangents: tuple[tuple[float, float], ...], at: float) -> None:
    solution = solve(bowl(tangents, at), SolveOptions())
    assert solution.objective == pytest.approx(max(slope * at + constant for slope, constant in tangents))
    assert solution.rows == 1 + len(tangents)


@given(TANGENTS, NUMBERS, NUMBERS)
def test_a_scale_multiplies_the_constants_alone(
    tangents: tuple[tuple[float, float], ...], at: float, scale: float
) -> None:
    solution = solve(bowl(tangents, at, scale), SolveOptions())
    assert solution.objective == pytest.approx(max(slope * at + constant * scale for slope, constant in tangents))


@given(TANGENTS, NUMBERS)
def test_a_place_that_is_fixed_is_no_column(tangents: tuple[tuple[float, float], ...], at: float) -> None:
    model = bowl(tangents, at)
    model.part.along.fix(at)
    model.at.deactivate()
    assert solve(model, SolveOptions()).objective == pytest.approx(max(s * at + c for s, c in tangents))


def test_a_height_that_nothing_else_asks_for_gets_no_row_but_its_least_value() -> None:
    model = bowl(((1.0, 0.0), (2.0, -1.0)), 3.0)
    model.least.set_value(model.part.along)
    assert solve(model, SolveOptions()).rows == 1
    assert pyo.value(model.height) == pytest.approx(5.0)


def test_a_fixed_height_bounds_what_it_is_over() -> None:
    model = bowl(((1.0, 0.0),), 0.0)
    model.at.deactivate()
    model.height.fix(2.0)
    model.part.along.setub(10.0)
    model.least.set_value(-model.part.along)
    solve(model, SolveOptions())
    assert pyo.value(model.part.along) == pytest.approx(2.0)


def test_a_bundle_along_a_variable_of_no_row_is_refused_by_name() -> None:
    model = bowl(((1.0, 0.0),), 0.0)
    model.at.deactivate()
    with pytest.raises(OptimiserError, match=r"part\.along, which nothing else"):
        solve(model, SolveOptions())


def test_an_option_that_highs_does_not_know_is_refused() -> None:
    with pytest.raises(OptimiserError, match="knows no option mip_rel_gap = -1"):
        solve(bowl(((1.0, 0.0),), 0.0), SolveOptions(mip_gap=-1.0))


def test_duals_are_those_of_the_constraints_with_the_bundle_in_force() -> None:
    model = bowl(((1.0, 0.0), (3.0, -2.0)), 5.0)
    assert row_duals(model)[model.at] == pytest.approx(3.0)
