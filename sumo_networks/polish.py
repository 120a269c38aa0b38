"""A last search around the optimiser's plans in which SUMO itself is the judge.

Candidates are raced on common seeds that no verdict uses: all on one seed, those that win there on two more, then on
all. The race is over a fixed number of runs, so the same inputs give the same plan on any machine. Racing follows Maron
& Moore (1997), "The racing algorithm"; common random numbers as in Law (2015), Simulation Modeling and Analysis,
section 11.2.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from optimiser.signals import NetworkPlan
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.journal import Journal
from sumo_networks.measure import RunMeasures
from sumo_networks.moves import Freedom, Pressure, again, draw_move, exchanges
from sumo_networks.prices import Prices, neighbourhoods, prices
from sumo_networks.race import Progress, Race, Timings
from sumo_networks.scenario import Scenario
from sumo_networks.timings import Timing, network_plan, plan_of, running_timings, timing_of, with_short_walks
from sumo_networks.trips import read_demand

FIRST_SEED: Final = 1000
FINALISTS: Final = 3
SURVIVORS: Final = 2
# A candidate must win on so many seeds before it runs on the others.
HEAT_SEEDS: Final = 3
STRESS_SEEDS: Final = 2
# A candidate changes one to so many junctions, or to half of them where there are more.
MOST_MOVES: Final = 3
# Every so many turns single junctions are tried as so many other solutions have them, on this share of the runs.
EXCHANGE_EVERY: Final = 12
EXCHANGED_WITH: Final = 2
EXCHANGES_SHARE: Final = 1 / 12
# What a change gains around it must be over this share of all delay: less is chance. And what candidates that lose over
# LOSES_BY in all gain here and there is not believed.
LEAST_GAIN: Final = 0.002
LOSES_BY: Final = 0.03
# The share of the surcharge for places that lose that counts at first, and the share of the runs from which all counts.
LEAST_STRICT: Final = 0.1
STRICT_FROM: Final = 0.4
# The surcharge counts so many times where a verdict would still refuse the best plan: on one of five seeds as on all.
PRESSED: Final = 5.0
SHORT_WALK_S: Final = 12.0


@dataclass(frozen=True)
class Budget:
    """How long the search may go on: SUMO runs in all, seeds each survivor is judged on, random candidates raced at
    once."""

    runs: int = 300
    seeds: int = 5
    batch: int = 6

    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds, from FIRST_SEED up: a verdict's seeds must be others."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))


@dataclass(frozen=True)
class Step:
    """One improvement: runs spent by then, score as a ratio to the shipped program, and what was changed."""

    runs: int
    score: float
    what: str


@dataclass(frozen=True)
class Polished:
    """The best plan found, its score (person and vehicle delay as a ratio to the shipped program's, 1 = no gain,
    with a surcharge where a junction or a bus line loses), and how the search went."""

    plan: NetworkPlan
    score: float
    start: str
    steps: tuple[Step, ...]
    runs: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class _Incumbent:
    """Timings with their measures on each seed, the timings that they improved on, and in which turn."""

    timings: Timings
    measures: tuple[RunMeasures, ...]
    before: Timings | None = None
    turn: int = 0

    def without(self, run: Container[int]) -> list[RunMeasures]:
        """The measures on all seeds but those with these numbers."""
        return [found for k, found in enumerate(self.measures) if k not in run]


@dataclass(frozen=True)
class _Candidate:
    """Changes of the incumbent: by junction its new timing, and in words what was done to it."""

    changes: Mapping[str, tuple[Timing, str]]

    def timings(self, base: Timings) -> dict[str, Timing]:
        return {**base, **{junction: timing for junction, (timing, _) in self.changes.items()}}

    @property
    def what(self) -> str:
        return "; ".join(f"{junction}: {done}" for junction, (_, done) in sorted(self.changes.items()))


@dataclass(frozen=True)
class _Search:
    """What one search works with; `others` are whole solutions to take timings over from, the best first."""

    race: Race
    others: tuple[Timings, ...]
    freedom: Freedom
    rng: np.random.Generator
    seeds: tuple[int, ...]
    batch: int
    most_exchanges: int
    near: Mapping[str, frozenset[str]]


def polish(
    scenario: Scenario,
    model: CityModel,
    starts: Mapping[str, NetworkPlan],
    freedom: Freedom,
    budget: Budget,
    rng: np.random.Generator,
    folder: Path,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Polished:
    """Best plan found by simulation from the running program and `starts` (name → plan), within `budget.runs` runs.

    Runs are written under `folder` and deleted; a search that was killed goes on from those in its `journal`.
    Raises SimulationError where SUMO fails."""
    profile = next((plan.profile for plan in starts.values()), "")
    race = Race(
        scenario,
        model,
        read_demand(scenario),
        read_approaches(scenario.net),
        folder,
        budget.runs,
        workers,
        progress,
        profile,
        journal or Journal(),
    )
    seeds = budget.seed_numbers()
    race.ship(seeds)
    running = running_timings(model.network)
    solutions: dict[str, Timings] = {"running": running}
    for name, plan in starts.items():
        solutions[name] = running | {c.junction: timing_of(c) for c in plan.controllers if c.windows}
    solutions |= _short_walks(model, solutions)
    solutions = _permitted(model, solutions, freedom)
    (start, *others), best = _best_start(race, solutions, seeds)
    search = _Search(
        race,
        tuple(solutions[name] for name in others),
        freedom,
        rng,
        seeds,
        budget.batch,
        max(budget.batch, round(EXCHANGES_SHARE * budget.runs)),
        neighbourhoods(model.network),
    )
    best, steps = _climb(search, best, budget.runs)
    return Polished(
        plan=network_plan(model.network, best.timings, profile),
        score=race.score(best.measures),
        start=start,
        steps=tuple(steps),
        runs=round(race.spent),
        seeds=seeds,
    )


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


def _permitted(model: CityModel, solutions: Mapping[str, Timings], freedom: Freedom) -> dict[str, Timings]:
    """Solutions that may be run at every junction that is not locked; the running one where no other may."""
    permitted = {
        name: timings
        for name, timings in solutions.items()
        if all(freedom.safe(plan_of(model.network.junction(junction), timing)) for junction, timing in timings.items())
    }
    return permitted or {"running": solutions["running"]}


def _best_start(race: Race, solutions: Mapping[str, Timings], seeds: Sequence[int]) -> tuple[list[str], _Incumbent]:
    """The solution to search around: the running one and the best others on one seed are judged on all seeds.

    Names of all solutions come back, that one first, then the running one, then the others as they did on one seed."""
    race.strictness = LEAST_STRICT
    names = sorted(solutions)
    firsts = dict(zip(names, race.run([(solutions[name], seeds[0]) for name in names]), strict=True))
    scores = {name: race.score([first]) for name, first in firsts.items()}
    names.sort(key=lambda name: (name != "running", scores[name], name))
    chosen = names[:FINALISTS]
    rest = race.run([(solutions[name], seed) for name in chosen for seed in seeds[1:]])
    more = len(seeds) - 1
    judged = {
        name: _Incumbent(solutions[name], (firsts[name], *rest[i * more : (i + 1) * more]))
        for i, name in enumerate(chosen)
    }
    ranked = sorted(chosen, key=lambda name: (race.score(judged[name].measures), name))
    tried = ranked[: ranked.index("running")] if "running" in ranked else ranked
    stable = (name for name in tried if race.withstands(solutions[name], seeds[:STRESS_SEEDS]))
    start = next(stable, "running" if "running" in ranked else ranked[0])
    return [start, *(name for name in names if name != start)], judged[start]


def _climb(search: _Search, start: _Incumbent, most_runs: int) -> tuple[_Incumbent, list[Step]]:
    """Rounds on one seed after the other, until the runs are spent or nothing is left to change.

    Places that lose count little at first and fully from STRICT_FROM of the runs on: the way to a plan that spares them
    may lead through plans that do not. From then on a plan that a verdict would refuse is behind every other, and while
    there is nothing else the surcharge presses. The best of all that were ever judged on all seeds comes back.
    """
    race, judged = search.race, [start]
    steps: list[Step] = []
    turn = 0
    while race.spent < most_runs:
        race.strictness = min(1.0, LEAST_STRICT + (1 - LEAST_STRICT) * race.spent / (STRICT_FROM * most_runs))
        best = _best(race, judged)
        if race.strictness == 1.0 and race.refused(best.measures):
            race.strictness = PRESSED
        priced = prices(race, best.measures)
        batch = _proposals(search, best, priced, turn)
        if not batch:
            break
        lead = turn % len(search.seeds)
        turn += 1
        for candidate, first in _heat(search, best, lead, batch, priced):
            found = _judged(search, best, candidate, first, lead)
            if found is not None and race.withstands(found.timings, search.seeds[:STRESS_SEEDS]):
                judged.append(replace(found, turn=turn))
                steps.append(Step(race.spent, round(race.score(found.measures), 6), candidate.what))
                break
    race.strictness = 1.0
    return _best(race, judged), steps


def _best(race: Race, judged: Sequence[_Incumbent]) -> _Incumbent:
    """The least score; once all of the surcharge counts, of those that a verdict would not refuse where there are any.

    Of equals the first."""
    strict = race.strictness >= 1.0
    return min(judged, key=lambda one: (strict and race.refused(one.measures), race.score(one.measures)))


def _proposals(search: _Search, best: _Incumbent, priced: Prices, turn: int) -> list[_Candidate]:
    """What to try in a turn: single junctions as other solutions have them, else random changes, and what has just
    paid done once more."""
    exchanged = _exchanges(search, best, priced) if turn % EXCHANGE_EVERY == 0 else []
    if exchanged:
        return exchanged
    repeated = _again(search, best, best.before) if best.before is not None and best.turn == turn else []
    return repeated + _batch(search, best, priced)


def _heat(
    search: _Search, best: _Incumbent, lead: int, batch: Sequence[_Candidate], priced: Prices
) -> list[tuple[_Candidate, RunMeasures]]:
    """The best on one seed that beat the incumbent there, of a batch and of what its good parts make together."""
    seed, before, presumed = search.seeds[lead], best.measures[lead], best.without({lead})
    tried = list(zip(batch, search.race.run([(one.timings(best.timings), seed) for one in batch]), strict=True))
    joined = _joined(search, tried, before, presumed, priced)
    found = search.race.run([(one.timings(best.timings), seed) for one in joined])
    tried += zip(joined, found, strict=True)
    scores = [search.race.score([measures], presumed) for _, measures in tried]
    to_beat = search.race.score([before], presumed)
    ranked = sorted(range(len(tried)), key=lambda i: (scores[i], i))
    return [tried[i] for i in ranked if scores[i] < to_beat][:SURVIVORS]


def _judged(
    search: _Search, best: _Incumbent, candidate: _Candidate, first: RunMeasures, lead: int
) -> _Incumbent | None:
    """The candidate with its measures on all seeds; None once it is behind the incumbent on those it has run on."""
    timings = candidate.timings(best.timings)
    order = [(lead + k) % len(search.seeds) for k in range(len(search.seeds))]
    measures = {lead: first}
    for stage in (order[1:HEAT_SEEDS], order[HEAT_SEEDS:]):
        found = search.race.run([(timings, search.seeds[k]) for k in stage])
        measures |= dict(zip(stage, found, strict=True))
        before, presumed = [best.measures[k] for k in measures], best.without(measures)
        if search.race.score(list(measures.values()), presumed) >= search.race.score(before, presumed):
            return None
    return _Incumbent(timings, tuple(measures[k] for k in sorted(measures)), best.timings)


def _exchanges(search: _Search, best: _Incumbent, priced: Prices) -> list[_Candidate]:
    """The timings that the best other solutions have at single junctions, the dearest junctions first."""
    costs: dict[str, float] = {}
    for key, cost in priced.by_approach(best.measures).items():
        costs[key.junction] = costs.get(key.junction, 0.0) + cost
    found: list[_Candidate] = []
    for name in sorted(best.timings, key=lambda name: (-costs.get(name, 0.0), name)):
        junction = search.race.model.network.junction(name)
        for move in exchanges(junction, best.timings[name], search.others[:EXCHANGED_WITH], search.freedom):
            found.append(_Candidate({name: (move.timing, move.what)}))
    return found[: search.most_exchanges]


def _again(search: _Search, best: _Incumbent, before: Timings) -> list[_Candidate]:
    """What made the incumbent, done once more."""
    changes: dict[str, tuple[Timing, str]] = {}
    for name, timing in sorted(before.items()):
        move = again(search.race.model.network.junction(name), timing, best.timings[name], search.freedom)
        if move is not None:
            changes[name] = move.timing, move.what
    return [_Candidate(changes)] if changes else []


def _batch(search: _Search, best: _Incumbent, priced: Prices) -> list[_Candidate]:
    """Candidates around the incumbent, each with moves at one to a few junctions."""
    costs = priced.by_approach(best.measures)
    pressure = Pressure({(key.junction, key.edge): cost for key, cost in costs.items()})
    most_moves = max(MOST_MOVES, len(best.timings) // 2)
    batch: list[_Candidate] = []
    for _ in range(search.batch):
        timings, changes = dict(best.timings), dict[str, tuple[Timing, str]]()
        for _ in range(1 + int(search.rng.integers(most_moves))):
            move = draw_move(search.race.model.network, timings, search.others, pressure, search.freedom, search.rng)
            if move is not None:
                before = changes.get(move.junction)
                timings[move.junction] = move.timing
                changes[move.junction] = move.timing, f"{before[1]}, {move.what}" if before else move.what
        if changes:
            batch.append(_Candidate(changes))
    return batch


def _joined(
    search: _Search,
    tried: Sequence[tuple[_Candidate, RunMeasures]],
    before: RunMeasures,
    presumed: Sequence[RunMeasures],
    priced: Prices,
) -> list[_Candidate]:
    """New candidates of the best parts: of every junction the change that paid most in its own neighbourhood, and the
    best candidate with those of the junctions that it leaves alone. Candidates that lose much in all are left out: what
    starves a network of traffic pays in many places."""
    gains: dict[str, tuple[float, tuple[Timing, str]]] = {}
    scores = [search.race.score([found], presumed) for _, found in tried]
    most = search.race.score([before], presumed) + LOSES_BY
    for (candidate, found), score in zip(tried, scores, strict=True):
        for junction, change in candidate.changes.items() if score < most else ():
            near = search.near[junction]
            gain = priced.around(before, near) - priced.around(found, near)
            if gain > LEAST_GAIN * priced.total_s and (junction not in gains or gain > gains[junction][0]):
                gains[junction] = gain, change
    paying = {junction: change for junction, (_, change) in sorted(gains.items())}
    best = tried[min(range(len(tried)), key=scores.__getitem__)][0]
    known = [candidate for candidate, _ in tried]
    joined: list[_Candidate] = []
    for candidate in (_Candidate(paying), _Candidate({**paying, **best.changes})):
        if candidate.changes and candidate not in known + joined:
            joined.append(candidate)
    return joined
