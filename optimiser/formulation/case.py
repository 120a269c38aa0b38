"""What one junction brings to the model, and how its affine times become Pyomo expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression

from optimiser.lane_flows import JunctionDemand
from optimiser.settings import ModelSettings
from optimiser.signals import Junction
from optimiser.stage_forms import Affine, SequenceForm


@dataclass(frozen=True)
class JunctionCase:
    """A junction at one cycle length with the stage sequences on offer.

    `coordinated` gives per group the share of its persons whose wait the offsets decide (0 to 1); `fixed` marks a plan
    that is only evaluated: nothing to choose, no limits to keep."""

    demand: JunctionDemand
    forms: tuple[SequenceForm, ...]
    cycle_s: float
    settings: ModelSettings
    coordinated: Mapping[str, float] = field(default_factory=dict)
    fixed: bool = False

    @property
    def junction(self) -> Junction:
        """The junction itself."""
        return self.demand.junction

    @property
    def settled(self) -> bool:
        """Whether nothing about its stages is open: its times are numbers."""
        return len(self.forms) == 1 and not self.forms[0].min_s


@dataclass(frozen=True)
class Requirement:
    """least_s <= expression <= most_s for one form; `family` and `names` tell what it is for."""

    family: str
    names: tuple[str, ...]
    expression: Affine
    least_s: float | None = None
    most_s: float | None = None

    def kept_by(self, constant_s: float) -> bool:
        """Whether a value keeps it, to a millisecond."""
        low = self.least_s is None or constant_s >= self.least_s - 1e-3
        return low and (self.most_s is None or constant_s <= self.most_s + 1e-3)


def time_in_form(block: pyo.Block, k: int, expression: Affine) -> pyo.Expression:
    """An affine time of form k, 0 where form k is not the chosen one: constant * chosen + weights * durations, s."""
    return time_in_forms(block, [(k, expression)])


def time_in_forms(block: pyo.Block, expressions: Iterable[tuple[int, Affine]]) -> pyo.Expression:
    """The affine time that goes with the chosen form, 0 where none is given for it, s."""
    terms = []
    for k, expression in expressions:
        chosen, durations = block.timing[k]
        terms += [w * duration for w, duration in zip(expression.weights, durations, strict=True) if w]
        if expression.constant_s:
            terms.append(expression.constant_s * chosen)
    return LinearExpression(terms) if terms else 0.0
