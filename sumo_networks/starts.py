"""Where a search by simulation begins: the running program, the optimiser's plans, and variants of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from optimiser.signals import NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.measure import RunMeasures
from sumo_networks.moves import Freedom
from sumo_networks.race import MARGIN, Race, Timings
from sumo_networks.stress import Stress
from sumo_networks.timings import plan_of, running_timings, timing_of, with_short_walks

RUNNING: Final = "running"
# Beside the running program so many others are judged on FEW_SEEDS.
FINALISTS: Final = 4
FEW_SEEDS: Final = 5
SHORT_WALK_S: Final = 12.0
UNPROVED: Final = math.inf


@dataclass(frozen=True)
class Incumbent:
    """Timings with their measures on each seed, the name of the start or what was changed, the timings that they
    improved on, and in which turn. `proved_ratio`: the delay ratio of the last it came from that held on a part of a
    proof; UNPROVED where none did."""

    name: str
    timings: Timings
    measures: tuple[RunMeasures, ...]
    before: Timings | None = None
    turn: int = 0
    proved_ratio: float = 1.0


@dataclass(frozen=True)
class Ranked:
    """The `start` to search from, the `names` of all solutions (the running one, then the others as they did on one
    seed), and what is `left` of those judged, the best first, that nothing was asked of."""

    start: Incumbent
    names: tuple[str, ...]
    left: tuple[Incumbent, ...] = ()


def solutions(model: CityModel, plans: Mapping[str, NetworkPlan], freedom: Freedom) -> dict[str, Timings]:
    """The running program and `plans` by name, and variants with shorter walks, each once; only what may be run.

    The running program comes back where nothing may."""
    running = running_timings(model.network)
    found: dict[str, Timings] = {RUNNING: running}
    for name, plan in plans.items():
        timings = running | {c.junction: timing_of(c) for c in plan.controllers if c.windows}
        if timings not in found.values():
            found[name] = timings
    found |= _short_walks(model, found)
    permitted = {
        name: timings
        for name, timings in found.items()
        if all(freedom.safe(plan_of(model.network.junction(junction), timing)) for junction, timing in timings.items())
    }
    return permitted or {RUNNING: running}


def _short_walks(model: CityModel, solutions: Mapping[str, Timings]) -> dict[str, Timings]:
    """The running and the first planned solutions with shorter walks, where that changes them."""
    found: dict[str, Timings] = {}
    for name in list(solutions)[:3]:
        changed = {
            junction: with_short_walks(model.network.junction(junction), timing, SHORT_WALK_S)
            for junction, timing in solutions[name].items()
        }
        if changed != solutions[name]:
            found[f"{name}, short walks"] = changed
    return found


def best_start(race: Race, stress: Stress, solutions: Mapping[str, Timings], seeds: Sequence[int]) -> Ranked:
    """The solution to search around: the running one and the best others on one seed are judged on a few, whoever leads
    then on all seeds, until one leads that has run on all and endures others: what is found around one that locks up
    now and then does so as well. Where none does, it is the best of all, unproved: the running program may not be run,
    or its times alone do worse than the vehicle-actuated control that is shipped with them.

    Delay alone counts: where a place loses, one junction taken over from another solution often mends it, while delay
    that is lost is lost everywhere."""
    names = sorted(solutions)
    firsts = dict(zip(names, race.run([(solutions[name], seeds[0]) for name in names]), strict=True))
    names.sort(key=lambda name: (name != RUNNING, race.delay_ratio([firsts[name]]), name))
    finalists = [Incumbent(name, solutions[name], (firsts[name],)) for name in names[: FINALISTS + 1]]
    standing = judged_on(race, finalists, seeds[:FEW_SEEDS])
    fallen: list[Incumbent] = []
    while standing:
        standing.sort(key=lambda one: (race.delay_ratio(one.measures), one.name))
        leader = standing.pop(0)
        if len(leader.measures) < len(seeds):
            standing += judged_on(race, [leader], seeds)
        elif is_shipped(race, leader) or stress.endures(leader.name, leader.timings):
            proved_ratio = race.delay_ratio(leader.measures)
            return Ranked(replace(leader, proved_ratio=proved_ratio), tuple(names), tuple(standing))
        else:
            fallen.append(leader)
    return Ranked(replace(fallen[0], proved_ratio=UNPROVED), tuple(names))


def is_shipped(race: Race, one: Incumbent) -> bool:
    """Whether it is the running program, and does what the shipped one does."""
    return one.name == RUNNING and race.delay_ratio(one.measures) <= 1 + MARGIN


def judged_on(race: Race, incumbents: Sequence[Incumbent], seeds: Sequence[int]) -> list[Incumbent]:
    """All of them on all of `seeds`, of which they have run on the same first ones."""
    more = seeds[len(incumbents[0].measures) :]
    runs = race.run([(one.timings, seed) for one in incumbents for seed in more])
    return [
        replace(one, measures=(*one.measures, *runs[i * len(more) : (i + 1) * len(more)]))
        for i, one in enumerate(incumbents)
    ]
