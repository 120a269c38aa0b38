"""A race whose runs are known, for tests of who wins one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sumo_networks.measure import Measures, RunMeasures
from sumo_networks.race import Race, Timings

SHIPPED_S = 100.0
LOCKED_S = 700.0


@dataclass
class KnownRace(Race):
    """Delay at full and at another demand by the offset of junction A; `locks` names (offset, seed number among all
    runs of that offset at that share of the demand) where traffic locks up."""

    delays_s: Mapping[float, tuple[float, float]] = field(default_factory=dict)
    harder: float = 1.1
    locks: frozenset[tuple[float, float, int]] = frozenset()
    ran: list[tuple[float | None, float, int]] = field(default_factory=list)

    def run(self, candidates: Sequence[tuple[Timings | None, int]], scale: float = 1.0) -> list[RunMeasures]:
        """The known measures of each."""
        return [self._measures(None if t is None else t["A"].start_s, seed, scale) for t, seed in candidates]

    def _measures(self, offset_s: float | None, seed: int, scale: float) -> RunMeasures:
        before = sum((offset_s, scale) == known[:2] for known in self.ran)
        self.ran.append((offset_s, scale, seed))
        if offset_s is None:
            return known_measures(seed, SHIPPED_S)
        locked = (offset_s, scale, before) in self.locks
        return known_measures(seed, LOCKED_S if locked else self.delays_s[offset_s][scale == self.harder])


def known_measures(seed: int, delay_s: float) -> RunMeasures:
    """A run of that delay for persons and vehicles, with nothing else known."""
    return RunMeasures(seed, Measures(delay_s, delay_s, None, None, None, None, 0, 0, 0, None, None), {}, {}, {}, ())
