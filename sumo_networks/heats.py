"""Candidates that beat an incumbent on one seed, side by side on more: in every heat some fall behind, one is left.

Who leads on one seed is lucky about as often as good, so several go on to a few seeds before one runs on all
(successive halving: Karnin, Koren & Somekh 2013, "Almost optimal exploration in multi-armed bandits").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from sumo_networks.measure import RunMeasures
from sumo_networks.proposals import Candidate
from sumo_networks.race import Race
from sumo_networks.starts import Incumbent

# So many enter the first heat, and so many are left for the last, in which they run one after the other.
ENTRANTS: Final = 3
FINALISTS: Final = 2
# On so many seeds in all the heats before the last are decided.
HEATS: Final = (3, 5)


Tried = tuple[Candidate, RunMeasures]
"""A candidate and its run on one seed."""


@dataclass(frozen=True)
class Entrant:
    """A candidate and its measures by place of the seed."""

    candidate: Candidate
    measures: Mapping[int, RunMeasures]


@dataclass(frozen=True)
class Heats:
    """The heats of candidates that have run on the seed at place `lead`, against the incumbent."""

    race: Race
    seeds: Sequence[int]
    best: Incumbent
    lead: int

    def finalists(self, field: Sequence[Tried]) -> tuple[list[Entrant], list[Tried]]:
        """Those ahead of the incumbent on the seeds of all heats but the last, the furthest ahead first; and those who
        were ahead, but behind them."""
        standing = [Entrant(candidate, {self.lead: first}) for candidate, first in field]
        spared: list[Tried] = []
        for heat in self._heats()[:-1]:
            ahead = self._ahead(standing, heat)
            standing = ahead[:FINALISTS]
            spared += [(one.candidate, one.measures[self.lead]) for one in ahead[FINALISTS:]]
        return standing, spared

    def winner(self, finalist: Entrant) -> Incumbent | None:
        """The finalist with its measures on all seeds; None where it is behind the incumbent there."""
        standing = [finalist]
        for heat in self._heats()[-1:]:
            standing = self._ahead(standing, heat)
        if not standing:
            return None
        candidate, measures = finalist.candidate, standing[0].measures
        timings = candidate.timings(self.best.timings)
        on_all = tuple(measures[place] for place in sorted(measures))
        return Incumbent(candidate.what, timings, on_all, self.best.timings, proved_ratio=self.best.proved_ratio)

    def _heats(self) -> list[Sequence[int]]:
        return heats([(self.lead + k) % len(self.seeds) for k in range(len(self.seeds))])

    def _ahead(self, standing: Sequence[Entrant], heat: Sequence[int]) -> list[Entrant]:
        """Those still ahead once they have run on the seeds of a heat, the furthest first."""
        timings = [one.candidate.timings(self.best.timings) for one in standing]
        runs = iter(self.race.run([(each, self.seeds[place]) for each in timings for place in heat]))
        found = [replace(one, measures={**one.measures, **{place: next(runs) for place in heat}}) for one in standing]
        losses = [loss(self.race, self.best, one.measures) for one in found]
        ranked = sorted(range(len(found)), key=lambda i: (losses[i], i))
        return [found[i] for i in ranked if losses[i] < 0]


def loss(race: Race, best: Incumbent, measures: Mapping[int, RunMeasures]) -> float:
    """By how much the score of another's measures, by place of the seed, is over the incumbent's on these seeds."""
    to_beat = race.score([best.measures[place] for place in measures], best.measures)
    return race.score(list(measures.values()), best.measures) - to_beat


def heats(order: Sequence[int]) -> list[Sequence[int]]:
    """The seeds of one heat after the other, of candidates that have run on the first of `order`."""
    ends = [1, *(seeds for seeds in HEATS if seeds < len(order)), len(order)]
    return [order[begin:end] for begin, end in pairwise(ends) if begin < end]
