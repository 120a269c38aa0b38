"""Junctions at half the common cycle of a network: which of them, and the plan in which they run so.

A junction at half the cycle meets the same part of its neighbours' cycle every second time; the model takes its
arrivals as even, as it does for any junction of another cycle. A double cycle is the same thing seen from the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimiser.demand import Demand
from optimiser.evaluation import evaluate
from optimiser.exploration import explore
from optimiser.network_model import Choice
from optimiser.result import Candidate, worst_status
from optimiser.search import Alone, Search

HALF_PAYS = 0.97


@dataclass(frozen=True)
class Halves:
    """The junctions that run at half of a common cycle, as they run alone, and those at the whole of it."""

    cycle_s: float
    at_half: Mapping[str, Alone]
    whole: tuple[str, ...]

    @property
    def name(self) -> str:
        """How the candidate is called."""
        return f"{self.cycle_s:g} s, half cycles"

    def candidate(
        self,
        search: Search,
        demand: Demand,
        whole: Mapping[str, Choice],
        bound: float,
        nodes: int,
        ended: str,
        profile: str,
    ) -> Candidate:
        """The plan of both; `bound`, `nodes` and `ended` are those of the network of the `whole` ones."""
        choices = {**whole, **{j: alone.choice for j, alone in self.at_half.items()}}
        plan = search.plan(choices, profile)
        objective = evaluate(search.network, demand, plan, search.rules, search.settings).objective
        least = min(objective, bound + sum(alone.bound for alone in self.at_half.values()))
        status = worst_status([ended, *(alone.ended for alone in self.at_half.values())])
        return Candidate(self.name, self.cycle_s, plan, objective, least, nodes, status)


def halves_of(search: Search, cycle_s: float) -> Halves | None:
    """The junctions that alone are at least 3 % better at half of the cycle, solved there if they were not yet; None
    where none is, or all are, or they are not to be coordinated."""
    if not search.rules.coordinated or len(search.free) < 2 or cycle_s % 2:
        return None
    # cycles that the engineer names are all there are
    may_try = not search.rules.cycles_s and cycle_s / 2 >= search.settings.least_cycle_s
    if may_try and cycle_s / 2 not in search.tried_cycles_s:
        explore(search, (cycle_s / 2,))
    at_half = {
        j.id: search.alone[j.id, cycle_s / 2]
        for j in search.free
        if (j.id, cycle_s / 2) in search.alone
        and search.alone[j.id, cycle_s / 2].objective < HALF_PAYS * search.alone[j.id, cycle_s].objective
    }
    whole = tuple(j.id for j in search.free if j.id not in at_half)
    return Halves(cycle_s, at_half, whole) if at_half and whole else None
