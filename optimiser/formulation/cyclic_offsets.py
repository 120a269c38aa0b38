"""Offsets and alternatives of a whole network, streets by their tables.

    min  sum_j sum_p B_jp y_jp + sum_s c_s
    sum_p y_jp = 1                                             y_jp in {0, 1}: junction j runs alternative p
    sum_(q,k) z_spqk = y_one,p    sum_(p,k) z_spqk = y_other,q   z_spqk in {0, 1}: tension of s in cell k
    x_s = sum x_spqk,   a_k z_spqk <= x_spqk <= b_k z_spqk
    c_s >= sum over cells of cost,   cost_spqk >= slope_l x_spqk + constant_l z_spqk
and the loops of `cycle_basis` over x_s. B_jp: person delay of alternative p that offsets cannot change (persons * s /
h). Cells are disaggregated, so the relaxation of each street is the convex hull of its cells (Balas 1985).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyomo.environ as pyo

from optimiser.convex_bounds import ConvexBound, bound_below
from optimiser.formulation.cycle_basis import Loop, add_loops, cycle_basis
from optimiser.formulation.families import Rows
from optimiser.formulation.street_costs import Cell


@dataclass(frozen=True)
class StreetCells:
    """A street between two junctions, and its cells for each pair of their alternatives."""

    one: str
    other: str
    cells: Mapping[tuple[int, int], tuple[Cell, ...]]

    @property
    def range_s(self) -> tuple[float, float]:
        """Least and largest tension that some cell allows, s."""
        every = [cell for found in self.cells.values() for cell in found]
        return float(min(c.from_s for c in every)), float(max(c.to_s for c in every))


def add_cyclic_offsets(
    model: pyo.ConcreteModel,
    base: Mapping[str, Sequence[float]],
    streets: Sequence[StreetCells],
    cycle_s: int,
) -> tuple[Loop, ...]:
    """Adds `runs` (junction, alternative), `cell` and `part` (street, p, q, k), `tension` (street), the loops, and the
    objective `person_delay`, and gives back the loops; `base` gives B_jp."""
    model.runs = pyo.Var([(j, p) for j in base for p in range(len(base[j]))], domain=pyo.Binary)
    model.one_runs = Rows()
    for j, costs in base.items():
        model.one_runs.add(pyo.quicksum(model.runs[j, p] for p in range(len(costs))) == 1)
    index = [
        (s, p, q, k) for s, st in enumerate(streets) for (p, q), found in st.cells.items() for k in range(len(found))
    ]
    model.cell = pyo.Var(index, domain=pyo.Binary)
    model.part = pyo.Var(index)
    model.cost = pyo.Var(index, domain=pyo.NonNegativeReals)
    bounds = {s: street.range_s for s, street in enumerate(streets)}
    model.tension = pyo.Var(range(len(streets)), bounds=lambda _, s: bounds[s])
    model.one_cell, model.within = Rows(), Rows()
    for s, street in enumerate(streets):
        _add_street(model, s, street, len(base[street.one]), len(base[street.other]))
    loops = cycle_basis([(s.one, s.other) for s in streets], [bounds[s][1] - bounds[s][0] for s in range(len(streets))])
    add_loops(model, loops, bounds, cycle_s)
    fixed = pyo.quicksum(cost * model.runs[j, p] for j in base for p, cost in enumerate(base[j]))
    model.person_delay = pyo.Objective(expr=fixed + pyo.quicksum(model.cost[i] for i in index))
    return loops


def _add_street(model: pyo.ConcreteModel, s: int, street: StreetCells, ones: int, others: int) -> None:
    keys = [(p, q, k) for (p, q), found in street.cells.items() for k in range(len(found))]
    for p in range(ones):
        total = pyo.quicksum(model.cell[s, key] for key in keys if key[0] == p)
        model.one_cell.add(total == model.runs[street.one, p])
    for q in range(others):
        total = pyo.quicksum(model.cell[s, key] for key in keys if key[1] == q)
        model.one_cell.add(total == model.runs[street.other, q])
    model.within.add(model.tension[s] == pyo.quicksum(model.part[s, key] for key in keys))
    for p, q, k in keys:
        cell = street.cells[p, q][k]
        chosen, part = model.cell[s, p, q, k], model.part[s, p, q, k]
        model.within.add(part >= cell.from_s * chosen)
        model.within.add(part <= cell.to_s * chosen)
        bound_below(model, ConvexBound(model.cost[s, p, q, k], part, cell.lines, chosen))
