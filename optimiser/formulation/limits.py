"""All limits of a junction on one stage sequence, as constraints or as a list of what cannot hold."""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase, Requirement, time_in_form
from optimiser.formulation.clearance import intergreen_requirements
from optimiser.formulation.families import Rows
from optimiser.formulation.pedestrians import pedestrian_requirements
from optimiser.formulation.splits import green_requirements
from optimiser.signals import Junction
from optimiser.stage_forms import SequenceForm


def requirements(junction: Junction, form: SequenceForm) -> tuple[Requirement, ...]:
    """Every limit of `junction` that `form` must keep; of several on the same expression the tightest."""
    return form.remembered(junction, _requirements)


def _requirements(junction: Junction, form: SequenceForm) -> tuple[Requirement, ...]:
    found = [
        *green_requirements(junction, form),
        *intergreen_requirements(junction, form),
        *pedestrian_requirements(junction, form),
    ]
    tightest: dict[tuple[bool, float, tuple[float, ...]], Requirement] = {}
    for requirement in found:
        lower = requirement.least_s is not None
        key = (lower, requirement.expression.constant_s, requirement.expression.weights)
        known = tightest.get(key)
        if known is None or _tighter(requirement, known):
            tightest[key] = requirement
    return tuple(tightest.values())


def broken_by_structure(junction: Junction, form: SequenceForm) -> tuple[Requirement, ...]:
    """Limits that no choice of durations can keep, since nothing in their expression may change."""
    return tuple(
        r for r in requirements(junction, form) if r.expression.fixed and not r.kept_by(r.expression.constant_s)
    )


def add_limits(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `limits`: every requirement of every form on offer."""
    block.limits = Rows()
    if case.fixed:
        return
    for k, form in enumerate(case.forms):
        if not form.min_s:
            continue
        for requirement in requirements(case.junction, form):
            if requirement.expression.fixed:
                continue
            time = time_in_form(block, k, requirement.expression)
            if requirement.least_s is not None:
                block.limits.add(time >= requirement.least_s * block.chosen[k])
            if requirement.most_s is not None:
                block.limits.add(time <= requirement.most_s * block.chosen[k])


def _tighter(one: Requirement, other: Requirement) -> bool:
    if one.least_s is not None and other.least_s is not None:
        return one.least_s > other.least_s
    return one.most_s is not None and other.most_s is not None and one.most_s < other.most_s
