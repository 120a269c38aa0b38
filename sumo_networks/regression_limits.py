"""By how much a junction or a bus line may surely get worse before a verdict refuses a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

LEAST_WORSENING_S: Final = 5.0


@dataclass(frozen=True)
class RegressionLimits:
    """By how much the mean delay of a vehicle may rise at a junction or of a bus line before a plan is refused.

    `junctions` and `lines` hold the engineer's own limits in s, `default_s` stands for the others; none counts under
    5 s. Places with fewer than `least_vehicles` over all seeds are reported only."""

    default_s: float = LEAST_WORSENING_S
    junctions: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, float] = field(default_factory=dict)
    least_vehicles: int = 30

    def junction_s(self, name: str) -> float:
        """The limit of a junction, s."""
        return max(LEAST_WORSENING_S, self.junctions.get(name, self.default_s))

    def line_s(self, name: str) -> float:
        """The limit of a bus line, s."""
        return max(LEAST_WORSENING_S, self.lines.get(name, self.default_s))
