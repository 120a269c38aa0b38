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
from optimiser.formulation.families import Columns, Rows


def add_cycle(block: pyo.Block, case: JunctionCase) -> None:
    """Adds `chosen` (k) and `duration` (k, i) with the constraints above, and both by form as `timing`."""
    forms = case.forms
    block.chosen = Columns(pyo.Binary)
    index = [(k, i) for k, form in enumerate(forms) for i in range(len(form.min_s))]
    block.duration = pyo.Var(index, domain=pyo.NonNegativeIntegers, bounds=(0, case.cycle_s))
    # looking a variable up takes longer than a term of it
    block.timing = [
        (block.chosen.add(), [block.duration[k, i] for i in range(len(form.min_s))]) for k, form in enumerate(forms)
    ]
    block.one_sequence = pyo.Constraint(expr=pyo.quicksum(chosen for chosen, _ in block.timing) == 1)
    block.fills_cycle = Rows()
    block.stage_length = Rows()
    for k, form in enumerate(forms):
        if not form.min_s:
            continue
        chosen, durations = block.timing[k]
        total = time_in_form(block, k, form.cycle)
        block.fills_cycle.add(form.repeats * total == case.cycle_s * chosen)
        for duration, min_s, max_s in zip(durations, form.min_s, form.max_s, strict=True):
            most_s = case.cycle_s if max_s is None else min(max_s, case.cycle_s)
            block.stage_length.add(duration >= min_s * chosen)
            block.stage_length.add(duration <= max(most_s, min_s) * chosen)
