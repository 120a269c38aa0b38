"""Where a search by simulation begins: the running program, the optimiser's plans, and variants of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from optimiser.signals import NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.measure import RunMeasures
from sumo_networks.moves import Freedom
from sumo_networks.race import Race, Timings
from sumo_networks.timings import plan_of, running_timings, timing_of, with_short_walks

RUNNING: Final = "running"
# Beside the running program so many others are judged on FEW_SEEDS.
FINALISTS: Final = 3
FEW_SEEDS: Final = 5
STRESS_SEEDS: Final = 2
SHORT_WALK_S: Final = 12.0


@dataclass(frozen=True)
class Incumbent:
    """Timings with their measures on each seed, the name of the start or what was changed, the timings that they
    improved on, and in which turn."""

    name: str
    timings: Timings
    measures: tuple[RunMeasures, ...]
    before: Timings | None = None
    turn: int = 0


@dataclass(frozen=True)
class Ranked:
    """The `start` to search from, and the `names` of all solutions: the running one, then the others as they did on one
    seed."""

    start: Incumbent
    names: tuple[str, ...]


def solutions(model: CityModel, plans: Mapping[str, NetworkPlan], freedom: Freedom) -> dict[str, Timings]:
    """The running program and `plans` by name, and variants with shorter walks; only what may be run.

    The running program comes back where nothing may."""
    running = running_timings(model.network)
    found: dict[str, Timings] = {RUNNING: running}
    for name, plan in plans.items():
        found[name] = running | {c.junction: timing_of(c) for c in plan.controllers if c.windows}
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


def best_start(race: Race, solutions: Mapping[str, Timings], seeds: Sequence[int]) -> Ranked:
    """The solution to search around: the running one and the best others on one seed are judged on a few, the two best
    of these on all seeds, and the best that does not break down at another demand is taken.

    Delay alone counts: where a place loses, one junction taken over from another solution often mends it, while delay
    that is lost is lost everywhere."""
    names = sorted(solutions)
    firsts = dict(zip(names, race.run([(solutions[name], seeds[0]) for name in names]), strict=True))
    names.sort(key=lambda name: (name != RUNNING, race.delay_ratio([firsts[name]]), name))
    finalists = [Incumbent(name, solutions[name], (firsts[name],)) for name in names[: FINALISTS + 1]]
    judged = _judged(race, finalists, seeds[:FEW_SEEDS])
    ahead = _judged(race, judged[:2], seeds)
    for one in (*ahead, *judged[2:]):
        if one.name == RUNNING or withstands(race, one.timings, seeds):
            return Ranked(_judged(race, [one], seeds)[0], tuple(names))
    return Ranked(ahead[0], tuple(names))


def _judged(race: Race, some: Sequence[Incumbent], seeds: Sequence[int]) -> list[Incumbent]:
    """All of `some` on all of `seeds`, of which they have run on the same first ones; the best first."""
    more = seeds[len(some[0].measures) :]
    runs = race.run([(one.timings, seed) for one in some for seed in more])
    found = [
        replace(one, measures=(*one.measures, *runs[i * len(more) : (i + 1) * len(more)])) for i, one in enumerate(some)
    ]
    return sorted(found, key=lambda one: (race.delay_ratio(one.measures), one.name))


def withstands(race: Race, timings: Timings, seeds: Sequence[int]) -> bool:
    """Whether the first seeds at a higher and a lower demand give no worse delay than the shipped program."""
    return race.withstands(timings, seeds[:STRESS_SEEDS])
