"""The MILP over alternatives and offsets of an area: built from its streets, started from known timings, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import thread_time

import pyomo.environ as pyo

from optimiser.formulation.cycle_basis import Loop, potentials
from optimiser.formulation.cyclic_offsets import StreetCells, add_cyclic_offsets
from optimiser.formulation.street_costs import Cell, Costs, cells
from optimiser.offset_descent import Timing, cost_by_offset
from optimiser.streets import Streets

HELD = ""
"""Stands for all junctions around an area that keep their timings; its offset is 0."""
_SLACK = 1e-6


@dataclass(frozen=True)
class OffsetModel:
    """A built model with the cells it is made of; `start` are the timings it begins with, `cost` what they cost."""

    model: pyo.ConcreteModel
    cells: tuple[StreetCells, ...]
    loops: tuple[Loop, ...]
    start: Mapping[str, Timing]
    cost: float
    cycle_s: int
    build_s: float


def build_area(
    streets: Streets, area: Sequence[str], timings: Mapping[str, Timing], *, held: bool = False
) -> OffsetModel:
    """Model of the junctions in `area` with the streets between them; with `held` also the streets to the junctions
    around it, which keep their timings. What could only be dearer than `timings` is left out."""
    started = thread_time()
    inside = set(area)
    tables: dict[tuple[str, str], dict[tuple[int, int], Costs]] = {}
    for one, other in streets.between:
        if one in inside and other in inside:
            pairs = [(p, q) for p in _numbers(streets, one) for q in _numbers(streets, other)]
            tables[one, other] = {(p, q): streets.table(one, other, p, q) for p, q in pairs}
    if held:
        for j in area:
            outside = [street for street in streets.near[j] if street.other not in inside]
            if outside:
                costs = {(p, 0): cost_by_offset(streets, j, p, timings, outside) for p in _numbers(streets, j)}
                tables[j, HELD] = costs
    base = {j: [a.cost for a in streets.alternatives[j]] for j in area}
    start = {j: timings[j] for j in area} | {HELD: (0, 0)}
    if held:
        base[HELD] = [0.0]
    known = sum(base[j][start[j][0]] for j in base) + sum(
        float(tables[ends][start[ends[0]][0], start[ends[1]][0]][_difference_s(start, ends, streets.cycle_s)])
        for ends in tables
    )
    found = _worthwhile(tables, base, known)
    model = pyo.ConcreteModel()
    loops = add_cyclic_offsets(model, base, found, streets.cycle_s)
    built = OffsetModel(model, found, loops, start, known, streets.cycle_s, thread_time() - started)
    _start(built)
    return built


def read_timings(built: OffsetModel) -> dict[str, Timing]:
    """Timings of the junctions of a solved area, offsets in whole seconds; parts that no street joins keep one offset
    as it was."""
    model = built.model
    runs = {j: p for j, p in model.runs if (model.runs[j, p].value or 0.0) > 0.5}
    ends = [(street.one, street.other) for street in built.cells]
    tensions = [float(model.tension[s].value or 0.0) for s in range(len(ends))]
    offsets = potentials(ends, tensions, {j: float(built.start[j][1]) for j in runs})
    return {j: (runs[j], round(offsets[j]) % built.cycle_s) for j in runs if j != HELD}


def _numbers(streets: Streets, junction: str) -> range:
    return range(len(streets.alternatives[junction]))


def _difference_s(timings: Mapping[str, Timing], ends: tuple[str, str], cycle_s: int) -> int:
    return (timings[ends[0]][1] - timings[ends[1]][1]) % cycle_s


def _worthwhile(
    tables: Mapping[tuple[str, str], Mapping[tuple[int, int], Costs]], base: Mapping[str, Sequence[float]], known: float
) -> tuple[StreetCells, ...]:
    """Cells of every street without the seconds that cost more beyond the least of all streets and junctions than the
    known timings do (reduced-cost fixing with the bound of each street alone)."""
    least_of = {j: min(costs) for j, costs in base.items()}
    least = {ends: min(float(t.min()) for t in pairs.values()) for ends, pairs in tables.items()}
    spare = known - sum(least_of.values()) - sum(least.values()) + _SLACK * (1 + abs(known))
    found = []
    for (one, other), pairs in tables.items():
        kept: dict[tuple[int, int], tuple[Cell, ...]] = {}
        for (p, q), table in pairs.items():
            beyond = base[one][p] - least_of[one] + base[other][q] - least_of[other]
            kept[p, q] = cells(table, least[one, other] + spare - beyond)
        found.append(StreetCells(one, other, kept))
    return tuple(found)


def _start(built: OffsetModel) -> None:
    """Sets all variables to the known timings."""
    model = built.model
    for j, p in model.runs:
        model.runs[j, p].set_value(int(built.start[j][0] == p))
    for index in model.cell:
        model.cell[index].set_value(0)
        model.part[index].set_value(0.0)
        model.cost[index].set_value(0.0)
    for s, street in enumerate(built.cells):
        p, q = built.start[street.one][0], built.start[street.other][0]
        wanted_s = _difference_s(built.start, (street.one, street.other), built.cycle_s)
        for k, cell in enumerate(street.cells[p, q]):
            tension_s = cell.from_s + (wanted_s - cell.from_s) % built.cycle_s
            if tension_s <= cell.to_s:
                model.cell[s, p, q, k].set_value(1)
                model.part[s, p, q, k].set_value(float(tension_s))
                highest = max(slope * tension_s + constant for slope, constant in cell.lines)
                model.cost[s, p, q, k].set_value(max(0.0, highest))
                model.tension[s].set_value(float(tension_s))
                break
    for n, loop in enumerate(built.loops):
        around_s = sum(sign * model.tension[s].value for s, sign in loop.streets)
        model.turns[n].set_value(round(around_s / built.cycle_s))
