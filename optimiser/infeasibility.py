"""Why a junction has no plan: the fewest limits that would have to give way, and by how much."""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.formulation.case import Requirement
from optimiser.formulation.families import Rows
from optimiser.formulation.limits import requirements
from optimiser.signals import Junction
from optimiser.solve import SolveOptions, solve
from optimiser.stage_forms import SequenceForm, sequence_form


def conflicts_of(junction: Junction, cycles_s: tuple[float, ...]) -> tuple[str, ...]:
    """Sentences that name the limits of `junction` which cannot hold together, with figures in s.

    Elastic relaxation (Chinneck 2008): every limit may give way at a price; the cheapest way tells what conflicts. The
    best case over the sequences is told."""
    allowed = [c for c in cycles_s if junction.min_cycle_s <= c <= junction.max_cycle_s]
    if not allowed:
        span = f"{junction.min_cycle_s:g} to {junction.max_cycle_s:g} s"
        return (f"junction {junction.id} allows cycles of {span} and none of those asked for is among them",)
    best: list[tuple[float, str]] | None = None
    for sequence in junction.sequences:
        form = sequence_form(junction, sequence)
        for cycle_s in sorted({allowed[0], allowed[-1]}):
            found = _violations(junction, form, cycle_s)
            if best is None or sum(v for v, _ in found) < sum(v for v, _ in best):
                best = found
    if best is None:
        return (f"junction {junction.id} has no stage sequence",)
    return tuple(text for _, text in best) or (_of_saturation(junction, allowed),)


def conflicts_at(junction: Junction, form: SequenceForm, cycle_s: float) -> tuple[str, ...]:
    """As `conflicts_of`, of the limits of time in one sequence at one cycle; empty where they can hold together."""
    return tuple(text for _, text in _violations(junction, form, cycle_s))


def _of_saturation(junction: Junction, cycles_s: list[float]) -> str:
    """Where all limits of time can be kept, those of saturation cannot, or only between whole seconds."""
    limited = sorted(
        (limits.max_degree_of_saturation, group)
        for group, limits in junction.limits.items()
        if limits.max_degree_of_saturation is not None
    )
    if not limited:
        return f"junction {junction.id}: no whole seconds keep all its limits"
    told = ", ".join(f"{group} at most {most:g}" for most, group in limited[:3])
    more = f" and {len(limited) - 3} more groups" if len(limited) > 3 else ""
    return (
        f"junction {junction.id}: the degree of saturation of {told}{more} cannot be kept at this demand "
        f"at cycles of {cycles_s[0]:g} to {cycles_s[-1]:g} s; raise it or allow longer cycles"
    )


def _violations(junction: Junction, form: SequenceForm, cycle_s: float) -> list[tuple[float, str]]:
    model = pyo.ConcreteModel()
    stages = range(len(form.min_s))
    model.duration = pyo.Var(stages, domain=pyo.NonNegativeReals, bounds=(0, cycle_s))
    limits = [*requirements(junction, form), *_stage_limits(form, cycle_s)]
    model.slack = pyo.Var(range(len(limits)), domain=pyo.NonNegativeReals)
    model.limits = Rows()
    for n, limit in enumerate(limits):
        time = limit.expression.constant_s + pyo.quicksum(
            w * model.duration[i] for i, w in enumerate(limit.expression.weights) if w
        )
        if limit.least_s is not None:
            model.limits.add(time + model.slack[n] >= limit.least_s)
        if limit.most_s is not None:
            model.limits.add(time - model.slack[n] <= limit.most_s)
    model.objective = pyo.Objective(expr=pyo.quicksum(model.slack[n] for n in range(len(limits))))
    solve(model, SolveOptions())
    return [
        (slack_s, _sentence(junction, limit, slack_s, cycle_s))
        for n, limit in enumerate(limits)
        if (slack_s := model.slack[n].value or 0.0) > 1e-3
    ]


def _stage_limits(form: SequenceForm, cycle_s: float) -> list[Requirement]:
    found = [Requirement("cycle", (form.id,), form.cycle, least_s=cycle_s, most_s=cycle_s)]
    names = form.sequence.stages if form.sequence is not None else ()
    for i, (min_s, max_s) in enumerate(zip(form.min_s, form.max_s, strict=True)):
        length = type(form.cycle)(0.0, tuple(float(j == i) for j in range(len(form.min_s))))
        found.append(Requirement("stage length", (names[i],), length, least_s=min_s))
        if max_s is not None:
            found.append(Requirement("stage length", (names[i],), length, most_s=max_s))
    return found


def _sentence(junction: Junction, limit: Requirement, slack_s: float, cycle_s: float) -> str:
    bound = f"at least {limit.least_s:g} s" if limit.least_s is not None else f"at most {limit.most_s:g} s"
    if limit.family == "cycle":
        bound = f"{cycle_s:g} s"
    return (
        f"junction {junction.id}: the {limit.family} of {' and '.join(limit.names)} ({bound}) "
        f"cannot be kept, {slack_s:.1f} s are missing"
    )
