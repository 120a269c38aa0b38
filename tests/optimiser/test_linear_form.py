"""What goes to the solver is what the Pyomo model says."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from junctions import JUNCTIONS
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy.sparse import csr_array
from test_webster import demand_of

from optimiser.errors import OptimiserError
from optimiser.formulation.case import JunctionCase
from optimiser.formulation.junction import add_junction
from optimiser.lane_flows import junction_demand
from optimiser.linear_form import LinearForm, linear_form
from optimiser.offered import offered_forms
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.solve import SolveOptions, solve


def model_of(name: str, cycle_s: float = 90.0) -> pyo.ConcreteModel:
    """The whole formulation of one junction."""
    junction = JUNCTIONS[name]()
    demand = junction_demand(
        junction, demand_of(junction, [150.0 + 10 * m for m in range(len(junction.movements))]), Rules()
    )
    model = pyo.ConcreteModel()
    model.junction = pyo.Block()
    add_junction(model.junction, JunctionCase(demand, offered_forms(junction), cycle_s, ModelSettings()))
    model.person_delay = pyo.Objective(expr=model.junction.person_delay)
    return model


def matrix(form: LinearForm) -> np.ndarray:
    """The rows of constraints, without those of tangents."""
    shape = len(form.lower), len(form.columns)
    rows = csr_array((form.factors, form.numbers, form.starts), shape=shape).toarray()
    return rows[: len(form.constraints)]


@pytest.mark.parametrize("name", sorted(JUNCTIONS))
def test_rows_and_columns_are_those_of_pyomos_standard_form(name: str) -> None:
    model = model_of(name)
    form, standard = linear_form(model), LinearStandardFormCompiler().write(model, mixed_form=True)
    assert [c.name for c in form.columns] == [c.name for c in standard.columns]
    assert [c.name for c in form.constraints] == [row.constraint.name for row in standard.rows]
    assert matrix(form) == pytest.approx(standard.A.toarray())
    assert form.costs == pytest.approx(standard.c.toarray()[0])
    assert form.offset == pytest.approx(float(standard.c_offset[0]))
    kinds = np.array([row.bound_type for row in standard.rows])
    count = len(standard.rows)
    assert form.lower[:count] == pytest.approx(np.where(kinds <= 0, standard.rhs, -np.inf))
    assert form.upper[:count] == pytest.approx(np.where(kinds >= 0, standard.rhs, np.inf))


def numbers() -> pyo.ConcreteModel:
    """Two variables and an objective over them."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(["a", "b"], bounds=(0, 10))
    model.least = pyo.Objective(expr=model.x["a"] + 2 * model.x["b"])
    return model


def test_a_fixed_variable_is_a_number_on_the_right_side_and_in_the_objective() -> None:
    model = numbers()
    model.x["b"].fix(3)
    model.row = pyo.Constraint(expr=model.x["a"] - 4 * (model.x["b"] - 1) >= -2 * model.x["b"])
    form = linear_form(model)
    assert [column.name for column in form.columns] == ["x[a]"]
    assert form.offset == 6.0
    assert solve(model, SolveOptions()).objective == pytest.approx(8.0)
    assert pyo.value(model.x["a"]) == pytest.approx(2.0)


def test_terms_that_cancel_leave_no_entry() -> None:
    model = numbers()
    model.row = pyo.Constraint(expr=model.x["a"] + model.x["b"] >= 1 + model.x["b"])
    assert list(linear_form(model).starts) == [0, 1]


def test_numbers_alone_are_a_row_only_where_they_do_not_hold() -> None:
    model = numbers()
    model.x["b"].fix(3)
    model.holds = pyo.Constraint(expr=model.x["b"] <= 4)
    assert len(linear_form(model).lower) == 0
    model.broken = pyo.Constraint(expr=model.x["b"] >= 4)
    assert solve(model, SolveOptions()).ended == "infeasible"


def test_the_most_of_an_objective_is_the_least_of_its_negative() -> None:
    model = numbers()
    model.least.sense = pyo.maximize
    assert solve(model, SolveOptions()).objective == pytest.approx(-30.0)


def test_named_expressions_and_products_of_sums_are_multiplied_out() -> None:
    model = numbers()
    model.sum = pyo.Expression(expr=model.x["a"] + model.x["b"] + 1)
    model.row = pyo.Constraint(expr=(model.sum - 2 * model.x["a"]) * 3 == 0)
    form = linear_form(model)
    assert list(matrix(form)[0]) == [-3.0, 3.0]
    assert form.lower[0] == form.upper[0] == -3.0


def test_what_is_not_linear_is_refused() -> None:
    model = numbers()
    model.row = pyo.Constraint(expr=model.x["a"] * model.x["b"] >= 1)
    with pytest.raises(OptimiserError, match="not linear"):
        linear_form(model)
