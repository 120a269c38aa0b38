"""Rows and columns that are added one by one."""

from __future__ import annotations

import pyomo.environ as pyo
from junctions import arterial
from pyomo.core.expr import identify_variables
from test_coordination import even_demand

from optimiser.evaluation import demands_of, fixed_network
from optimiser.formulation.families import Columns, Rows
from optimiser.rules import Rules
from optimiser.settings import ModelSettings


def test_members_number_themselves_in_the_order_in_which_they_are_added() -> None:
    model = pyo.ConcreteModel()
    model.used, model.kept = Columns(pyo.Binary), Rows()
    columns = [model.used.add() for _ in range(3)]
    rows = [model.kept.add(column <= 1) for column in columns]
    assert [model.used[n] for n in model.used] == columns == list(model.used.values())
    assert list(model.kept.items()) == list(enumerate(rows))
    assert all(column.is_binary() for column in columns)


def test_a_family_without_members_is_empty() -> None:
    model = pyo.ConcreteModel()
    model.used, model.kept = Columns(pyo.Reals), Rows()
    assert not list(model.component_data_objects((pyo.Var, pyo.Constraint)))


def test_what_a_platoon_meets_at_junctions_whose_stages_are_settled_is_a_number() -> None:
    network = arterial(3)
    demand = even_demand(network, 150.0)
    plans = {j.id: j.running for j in network.junctions}
    built = fixed_network(network, demands_of(network, demand, Rules()), plans, ModelSettings())
    asked = {
        v.parent_component().local_name for row in built.model.arrival.values() for v in identify_variables(row.expr)
    }
    assert asked == {"offset", "early", "turns", "platoon_wait"}
