"""Paired comparison of two plans over common seeds.

Interval of a mean difference: Student's t on the paired differences. Several places tested at once: Holm's step-down
procedure (Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final, TypeVar

from scipy import stats

CONFIDENCE: Final = 0.95

Place = TypeVar("Place", bound=tuple[str, ...])


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; `low` and `high` are None where one value alone tells nothing of the spread."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Bound:
    """Whether a mean surely exceeds its limit, and the one-sided lower bound at the level Holm's procedure gives it."""

    lower: float | None
    exceeded: bool


def interval(differences: Sequence[float]) -> Interval:
    """Two-sided 95 % t-interval of the mean of paired differences. Raises ValueError where there are none."""
    if not differences:
        raise ValueError("no differences to take the mean of")
    mean = fmean(differences)
    if len(differences) < 2:
        return Interval(mean, None, None)
    half = _t((1 + CONFIDENCE) / 2, len(differences) - 1) * _standard_error(differences)
    return Interval(mean, mean - half, mean + half)


def surely_above(differences: Mapping[Place, Sequence[float]], limits: Mapping[Place, float]) -> dict[Place, Bound]:
    """For each place, tested together at 5 % in all: is the mean of its paired differences surely above its limit?

    Places with fewer than two differences are never sure. Both mappings have the same keys."""
    tested = {place: values for place, values in differences.items() if len(values) >= 2}
    p_values = {place: _p_above(values, limits[place]) for place, values in tested.items()}
    bounds: dict[Place, Bound] = {place: Bound(None, False) for place in differences}
    rejecting = True
    for rank, place in enumerate(sorted(tested, key=lambda name: (p_values[name], name))):
        level = (1 - CONFIDENCE) / (len(tested) - rank)
        values = tested[place]
        lower = fmean(values) - _t(1 - level, len(values) - 1) * _standard_error(values)
        rejecting = rejecting and p_values[place] <= level and lower > limits[place]
        bounds[place] = Bound(lower, rejecting)
    return bounds


def _standard_error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


def _t(probability: float, degrees: int) -> float:
    return float(stats.t.ppf(probability, degrees))


def _p_above(values: Sequence[float], limit: float) -> float:
    error = _standard_error(values)
    above = fmean(values) - limit
    if error == 0:
        return 0.0 if above > 0 else 1.0
    return float(stats.t.sf(above / error, len(values) - 1))
