"""Which stage sequence runs, and how the cycle is filled.

    sum_k y_k = 1,   y_k in {0, 1}
    rho_k * (sum_i d_ki + c_k y_k) = C y_k
    dmin_ki y_k <= d_ki <= dmax_ki y_k,   d_ki whole seconds

y_k: sequence k runs; d_ki: duration of its stage i (s); c_k: its interstages (s); rho_k: how often it runs within the
common cycle C (2 = half cycle). Durations are disaggregated by sequence, which makes the choice the convex hull of its
alternatives (Balas 1985, disjunctive programming).
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase, time_in_form


def add_cycle(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `chosen` (k) and `duration` (k, i) with the constraints above."""
    forms = case.forms
    block.chosen = pyo.Var(range(len(forms)), domain=pyo.Binary)
    index = [(k, i) for k, form in enumerate(forms) for i in range(len(form.min_s))]
    block.duration = pyo.Var(index, domain=pyo.NonNegativeIntegers, bounds=(0, case.cycle_s))
    block.one_sequence = pyo.Constraint(expr=pyo.quicksum(block.chosen[k] for k in range(len(forms))) == 1)
    block.fills_cycle = pyo.ConstraintList()
    block.stage_length = pyo.ConstraintList()
    for k, form in enumerate(forms):
        if not form.min_s:
            continue
        total = time_in_form(block, k, form.cycle)
        block.fills_cycle.add(form.repeats * total == case.cycle_s * block.chosen[k])
        for i, (min_s, max_s) in enumerate(zip(form.min_s, form.max_s, strict=True)):
            most_s = case.cycle_s if max_s is None else min(max_s, case.cycle_s)
            block.stage_length.add(block.duration[k, i] >= min_s * block.chosen[k])
            block.stage_length.add(block.duration[k, i] <= max(most_s, min_s) * block.chosen[k])
