"""Which stage sequences and cycles each junction offers to the model."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Final

from optimiser.formulation.limits import broken_by_structure
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import Junction, Network
from optimiser.stage_forms import SequenceForm, sequence_form

LONG_CYCLE_S: Final = 100.0


def offered_forms(junction: Junction) -> tuple[SequenceForm, ...]:
    """Forms of the junction's sequences that no limit rules out whatever the durations; the running order first."""
    forms = (sequence_form(junction, sequence) for sequence in junction.sequences)
    return tuple(form for form in forms if not broken_by_structure(junction, form))


def running_durations_s(junction: Junction) -> tuple[float, ...]:
    """Stage durations of the program in use."""
    cycle_s = junction.running.cycle_s
    return tuple(
        (w.end_s - w.start_s) % cycle_s or (cycle_s if w.end_s != w.start_s else 0.0) for w in junction.running.windows
    )


def candidate_cycles_s(
    network: Network, free: Collection[str], rules: Rules, settings: ModelSettings
) -> tuple[float, ...]:
    """Cycles to try: those that the rules name, else a grid over what some junction allows, with all running ones."""
    if rules.cycles_s:
        return rules.cycles_s
    junctions = [j for j in network.junctions if j.id in free]
    if not junctions:
        return ()
    high_s = max(j.max_cycle_s for j in junctions)
    low_s = min(max(min(j.min_cycle_s for j in junctions), settings.least_cycle_s), high_s)
    grid = set(_grid_s(low_s, high_s, settings.cycle_step_s))
    running = {j.running.cycle_s for j in junctions if j.running.cycle_s.is_integer()}
    return tuple(sorted(c for c in grid | running | {float(math.ceil(low_s))} if low_s <= c <= high_s))


def _grid_s(low_s: float, high_s: float, step_s: float) -> Iterator[float]:
    """Multiples of a step; from 2 * LONG_CYCLE_S up each second one, from 3 * LONG_CYCLE_S up each third:
    the longer a cycle, the flatter is delay over it, and the dearer a solve."""
    cycle_s = math.ceil(low_s / step_s) * step_s
    while cycle_s <= high_s:
        yield cycle_s
        cycle_s += step_s * max(1.0, cycle_s // LONG_CYCLE_S)
