"""Whether a plan holds on traffic that it was not searched on: at other demands, and on seeds used for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from sumo_networks.race import VERDICT_SEEDS, Race, Timings

FIRST_SEED: Final = 3000
# Shares of the demand at which a verdict asks for no loss.
OTHER_DEMANDS: Final = (1.1, 0.9)
# So many runs at each of them while the search goes on.
STRESS_RUNS: Final = 3
ALL_DEMANDS: Final = (0.9, 1.0, 1.1)
MARGIN: Final = 0.02


@dataclass
class Stress:
    """Runs of a race on fresh seeds: no two plans are asked on the same ones, or the search would find what locks up
    on all seeds but these. The shipped program is known by its mean over the race's seeds, and at other shares of the
    demand over `seeds`."""

    race: Race
    seeds: int
    asked: int = 0
    shipped_delay_s: dict[float, float] = field(default_factory=dict)

    def holds(self, timings: Timings, runs: int, demands: Sequence[float] = OTHER_DEMANDS) -> bool:
        """Whether at each of `demands` (shares) these timings are no worse than the shipped program, even where a
        verdict meets the worst of `runs` runs: what locks up now and then, or is best only until the day when traffic
        jams, is no plan, and short cycles may lock up where little is to be gained."""
        for scale in demands:
            if expected_s(self._delays_s(timings, runs, scale)) > (1 + MARGIN) * self._shipped_s(scale):
                return False
        return True

    def _shipped_s(self, scale: float) -> float:
        if scale == 1.0:
            return fmean(found.measures.person_delay_s for found in self.race.shipped.values())
        if scale not in self.shipped_delay_s:
            self.shipped_delay_s[scale] = fmean(self._delays_s(None, self.seeds, scale))
        return self.shipped_delay_s[scale]

    def _delays_s(self, timings: Timings | None, runs: int, scale: float) -> list[float]:
        """Person delay of each of so many runs on seeds that nothing has run on."""
        first = FIRST_SEED + self.asked
        self.asked += runs
        found = self.race.run([(timings, seed) for seed in range(first, first + runs)], scale)
        return [measures.measures.person_delay_s for measures in found]


def expected_s(delays_s: Sequence[float]) -> float:
    """The mean that a verdict would see if the worst of these runs were among its own and the others like the rest."""
    worst_s, *others_s = sorted(delays_s, reverse=True)
    usual_s = fmean(others_s) if others_s else worst_s
    return (worst_s + (VERDICT_SEEDS - 1) * usual_s) / VERDICT_SEEDS
