"""The engineer's weights of persons, put on what a run shows that they lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimiser.rules import Rules
from sumo_networks.measure import PersonSeconds


@dataclass(frozen=True)
class PersonWeights:
    """What a second of one person counts in a car, in a bus, on foot; `lines` beside that of all buses."""

    vehicle: float = 1.0
    bus: float = 1.0
    pedestrian: float = 1.0
    lines: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Rules) -> PersonWeights:
        """The weights that the rules give. Those of single groups and approaches are the model's alone: trips cross
        many of these, so a trip's delay has no weight by them."""
        lines = {name: rules.line_weight(name) for name in sorted(rules.lines) if rules.line_weight(name) != 1.0}
        return cls(rules.weights.vehicle, rules.weights.bus, rules.weights.pedestrian, lines)

    @property
    def all_alike(self) -> bool:
        """Whether everybody counts the same."""
        return {self.vehicle, self.bus, self.pedestrian} == {1.0} and not self.lines

    def weighed_s(self, lost: PersonSeconds) -> float:
        """What all lost, person * s times weight."""
        buses_s = sum(self.lines.get(line, 1.0) * lost_s for line, lost_s in lost.lines.items())
        return self.vehicle * lost.cars + self.bus * buses_s + self.pedestrian * lost.walks
