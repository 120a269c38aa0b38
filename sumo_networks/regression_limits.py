"""By how much a junction or a bus line may surely get worse before a verdict refuses a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sumo_networks.approaches import Approaches
from sumo_networks.trips import Demand

LEAST_WORSENING_S: Final = 5.0


@dataclass(frozen=True)
class RegressionLimits:
    """By how much the mean delay of a vehicle may rise at a junction or of a bus line before a plan is refused.

    `junctions` and `lines` hold the engineer's own limits in s. `default_s` stands for the others: at a junction, and
    of a line at each of the stop lines that it crosses on its way, so that a line is no stricter than the junctions it
    runs through. None counts under 5 s. Places with fewer than `least_vehicles` over all seeds are reported only."""

    default_s: float = LEAST_WORSENING_S
    junctions: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, float] = field(default_factory=dict)
    stop_lines: Mapping[str, int] = field(default_factory=dict)
    least_vehicles: int = 30

    def on_ways(self, demand: Demand, approaches: Approaches) -> RegressionLimits:
        """The same limits with the stop lines that each bus line crosses, on the route of it that has the fewest."""
        edges = {key.edge for key in approaches.lanes}
        crossed = {line: min(sum(edge in edges for edge in way) for way in ways) for line, ways in demand.ways.items()}
        return replace(self, stop_lines=crossed)

    def junction_s(self, name: str) -> float:
        """The limit of a junction, s."""
        return max(LEAST_WORSENING_S, self.junctions.get(name, self.default_s))

    def line_s(self, name: str) -> float:
        """The limit of a bus line, s."""
        whole_way_s = self.default_s * max(1, self.stop_lines.get(name, 1))
        return max(LEAST_WORSENING_S, self.lines.get(name, whole_way_s))
