"""Whether a plan holds on traffic that it was not searched on: at other demands, and on seeds used for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from sumo_networks.race import MARGIN, VERDICT_SEEDS, Race, Timings

FIRST_SEED: Final = 3000
# Shares of the demand at which a verdict asks for no loss.
OTHER_DEMANDS: Final = (1.1, 0.9)
# So many runs at each of them while the search goes on.
STRESS_RUNS: Final = 3
# A proof is broken off after so many runs or their multiple, where it is lost by then.
AT_ONCE: Final = 4
# What a search goes on from runs on this share of a proof at each demand, on so many at least, however few it has.
TRIAL_SHARE: Final = 1 / 3
LEAST_TRIAL_RUNS: Final = 3
ALL_DEMANDS: Final = (0.9, 1.0, 1.1)
# Traffic locks up in a run with over so many times the delay of the others. Where it did under a plan of the search,
# what is left is proved on so many times the runs more: it may do so too, more seldom.
LOCKED_UP: Final = 2.0
FURTHER_PROOF: Final = 3


@dataclass(frozen=True)
class Fallen:
    """A plan that did not hold: what it was, at which share of the demand, on how many runs; person delay in s of the
    worst of them, of the others and of the shipped program, means of both."""

    what: str
    demand: float
    runs: int
    worst_s: float
    others_s: float
    shipped_s: float

    @property
    def verdict_s(self) -> float:
        """The mean that a verdict would see that met the worst run and else the usual ones."""
        return (self.worst_s + (VERDICT_SEEDS - 1) * self.others_s) / VERDICT_SEEDS

    @property
    def locked_up(self) -> bool:
        """Whether one run stands apart, as where traffic locks up now and then."""
        return self.worst_s > LOCKED_UP * self.others_s

    @property
    def words(self) -> str:
        """What fell, and why."""
        return (
            f"{self.what}: at {self.demand:.0%} of the demand the worst of {self.runs} runs had {self.worst_s:.0f} s "
            f"of delay a person, the others {self.others_s:.1f} s; a verdict that met it would see "
            f"{self.verdict_s:.1f} s, the shipped programs have {self.shipped_s:.1f} s"
        )


@dataclass
class Stress:
    """Runs of a race on fresh seeds: no two plans are asked on the same ones, or the search would find what locks up
    on all seeds but these; and no plan is asked again once it has fallen. The shipped program is known
    by its mean over the race's seeds, and at other shares of the demand over `seeds` fresh ones."""

    race: Race
    seeds: int
    proof_runs: int
    asked: int = 0
    shipped_delay_s: dict[float, float] = field(default_factory=dict)
    fallen: list[Fallen] = field(default_factory=list)
    lost: list[Timings] = field(default_factory=list)

    def bears(self, what: str, timings: Timings) -> bool:
        """Whether these timings hold on a few runs with more traffic and with less."""
        return self._holds(what, timings, STRESS_RUNS, OTHER_DEMANDS)

    def endures(self, what: str, timings: Timings) -> bool:
        """Whether these timings hold on a part of a proof: enough to search on from them."""
        return self._holds(what, timings, max(round(TRIAL_SHARE * self.proof_runs), LEAST_TRIAL_RUNS), ALL_DEMANDS)

    def proves(self, what: str, timings: Timings) -> bool:
        """Whether these timings hold on `proof_runs` runs at every demand, whatever they held on before: of several
        that lock up now and then one may have been lucky. Where others of the search locked up, on FURTHER_PROOF times
        as many more."""
        if not self._holds(what, timings, self.proof_runs, ALL_DEMANDS):
            return False
        suspect = any(one.locked_up for one in self.fallen)
        return not suspect or self._holds(what, timings, FURTHER_PROOF * self.proof_runs, ALL_DEMANDS)

    def _holds(self, what: str, timings: Timings, runs: int, demands: Sequence[float]) -> bool:
        """Whether at each of `demands` (shares) these timings are no worse than the shipped program, even where a
        verdict meets the worst of `runs` runs: what locks up now and then, or is best only until the day when traffic
        jams, is no plan, and short cycles may lock up where little is to be gained. `fallen` then tells of `what`."""
        if timings in self.lost:
            return False
        for scale in demands:
            shipped_s = self._shipped_s(scale)
            delays_s: list[float] = []
            while len(delays_s) < runs:
                delays_s += self._delays_s(timings, min(AT_ONCE, runs - len(delays_s)), scale)
                worst_s, others_s = worst_and_others_s(delays_s)
                # before the last run: lost even if the others were all like the best so far
                usual_s = others_s if len(delays_s) == runs else min(delays_s)
                if (worst_s + (VERDICT_SEEDS - 1) * usual_s) / VERDICT_SEEDS > (1 + MARGIN) * shipped_s:
                    self.fallen.append(Fallen(what, scale, len(delays_s), worst_s, others_s, shipped_s))
                    self.lost.append(timings)
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


def worst_and_others_s(delays_s: Sequence[float]) -> tuple[float, float]:
    """The largest delay and the mean of the others; twice the same of a single run."""
    worst_s, *others_s = sorted(delays_s, reverse=True)
    return worst_s, fmean(others_s) if others_s else worst_s
