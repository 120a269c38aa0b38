"""A last search around the optimiser's plans in which SUMO itself is the judge.

Candidates are raced on common seeds that no verdict uses: all on one seed, those that win there on two more, then on
two more, then on all. Traffic that locks up now and then may do so on none of them, so the start and the winner are
proved on seeds of their own. Runs are counted, not seconds, so the same inputs give the same plan on
any machine. Racing follows Maron & Moore (1997), "The racing
algorithm"; common random numbers as in Law (2015), Simulation Modeling and Analysis, section 11.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from optimiser.signals import NetworkPlan
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.journal import Journal
from sumo_networks.measure import RunMeasures
from sumo_networks.moves import Freedom, Pressure, again, draw_move, exchanges
from sumo_networks.person_weights import PersonWeights
from sumo_networks.prices import Prices, neighbourhoods, prices
from sumo_networks.race import VERDICT_SEEDS, Progress, Race, Timings
from sumo_networks.scenario import Scenario
from sumo_networks.starts import UNPROVED, Incumbent, best_start, solutions
from sumo_networks.stress import ALL_DEMANDS, MARGIN, Fallen, Stress
from sumo_networks.timings import Timing, network_plan
from sumo_networks.trips import read_demand

FIRST_SEED: Final = 1000
SURVIVORS: Final = 2
# A candidate must win on so many seeds, then on so many, before it runs on the others.
HEATS: Final = (3, 5)
# There is one seed for so many runs, but not fewer than these, and one seed of a proof at each demand for so many.
RUNS_A_SEED: Final = 20
LEAST_SEEDS: Final = 2
RUNS_A_PROOF: Final = 20
# In the end so many are proved at most. A candidate is at once where its delay ratio is so much less than what was.
MOST_PROOFS: Final = 3
LEAP: Final = 0.03
# A candidate changes one to so many junctions, or to half of them where there are more.
MOST_MOVES: Final = 3
# Every so many turns single junctions are tried as other solutions have them, on this share of the runs at most.
EXCHANGE_EVERY: Final = 12
EXCHANGES_SHARE: Final = 1 / 7
# What a change gains around it must be over this share of all delay: less is chance. And what candidates that lose over
# LOSES_BY in all gain here and there is not believed.
LEAST_GAIN: Final = 0.002
LOSES_BY: Final = 0.03


@dataclass(frozen=True)
class Budget:
    """How long the search may go on: SUMO runs in all, seeds each survivor is judged on (fewer where runs are few),
    random candidates raced at once."""

    runs: int = 300
    seeds: int = 10
    batch: int = 6

    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds, from FIRST_SEED up: a verdict's seeds must be others."""
        seeds = min(self.seeds, max(LEAST_SEEDS, self.runs // RUNS_A_SEED))
        return tuple(range(FIRST_SEED, FIRST_SEED + seeds))

    @property
    def proof_runs(self) -> int:
        """On so many seeds of its own at each demand the winner is to hold; 0 where runs are too few to ask."""
        runs = self.runs // RUNS_A_PROOF
        return runs if runs > 1 else 0


@dataclass(frozen=True)
class Step:
    """One improvement: runs spent by then, score as a ratio to the shipped program, and what was changed."""

    runs: int
    score: float
    what: str


@dataclass(frozen=True)
class Polished:
    """The best plan found, its score (person and vehicle delay as a ratio to the shipped program's, 1 = no gain,
    with a surcharge where a junction or a bus line loses), how the search went, and what was better on its seeds but
    did not hold on others; `held` is false where nothing did that the rules allow, the plan neither."""

    plan: NetworkPlan
    score: float
    start: str
    steps: tuple[Step, ...]
    runs: int
    seeds: tuple[int, ...]
    fallen: tuple[Fallen, ...] = ()
    held: bool = True


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
    stress: Stress
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
    weights: PersonWeights | None = None,
) -> Polished:
    """Best plan found by simulation from the running program and `starts` (name → plan), within about `budget.runs`
    runs: judging and proving the starts and, where the first is lost, two proofs more may pass them. Persons count by
    `weights`, all alike without.

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
        weights or PersonWeights(),
    )
    seeds = budget.seed_numbers()
    race.ship(seeds)
    stress = Stress(race, min(len(seeds), VERDICT_SEEDS), budget.proof_runs)
    found = solutions(model, starts, freedom)
    ranked = best_start(race, stress, found, seeds)
    others = tuple(found[name] for name in ranked.names)
    most_exchanges = max(budget.batch, round(EXCHANGES_SHARE * budget.runs))
    near = neighbourhoods(model.network)
    search = _Search(race, stress, others, freedom, rng, seeds, budget.batch, most_exchanges, near)
    judged, steps = _climb(search, ranked.start, budget.runs - len(ALL_DEMANDS) * budget.proof_runs)
    best = proven(race, stress, judged)
    return Polished(
        plan=network_plan(model.network, best.timings, profile),
        score=race.score(best.measures),
        start=ranked.start.name,
        steps=tuple(steps[: judged.index(best)]),
        runs=round(race.spent),
        seeds=seeds,
        fallen=tuple(stress.fallen),
        held=best.timings not in stress.lost and race.delay_ratio(best.measures) <= 1 + MARGIN,
    )


def _climb(search: _Search, start: Incumbent, most_runs: int) -> tuple[list[Incumbent], list[Step]]:
    """Rounds on one seed after the other, until the runs are spent or nothing is left to change.

    A place for which a verdict would refuse the best plan costs much more from then on, so another may take its place:
    all that were ever judged on all seeds stay in the race, and come back."""
    race, judged = search.race, [start]
    steps: list[Step] = []
    turn = 0
    while race.spent < most_runs:
        best = min(judged, key=lambda one: race.score(one.measures))
        race.press(best.measures)
        priced = prices(race, best.measures)
        batch = _proposals(search, best, priced, turn)
        if not batch:
            break
        found = _winner(search, best, turn % len(search.seeds), batch, priced)
        turn += 1
        if found is not None:
            judged.append(replace(found, turn=turn))
            steps.append(Step(race.spent, round(race.score(found.measures), 6), found.name))
    return judged, steps


def proven(race: Race, stress: Stress, judged: Sequence[Incumbent]) -> Incumbent:
    """The first that is proved, of MOST_PROOFS at most; else the start, which is the first of `judged`, or the best of
    all where that was not proved either.

    They are asked by the score with the plain surcharge, those that a verdict would refuse behind all others; anew, for
    of several that lock up now and then one may have been lucky in its first proof."""
    race.pressed.clear()
    order = sorted(judged, key=lambda one: (bool(race.refused(one.measures)), race.score(one.measures)))
    if not stress.proof_runs:
        return order[0]
    start = judged[0] if judged[0].proved_ratio < UNPROVED else None
    return next(
        (one for one in order[:MOST_PROOFS] if one is start or stress.proves(after(one), one.timings, anew=True)),
        start or order[0],
    )


def after(one: Incumbent) -> str:
    """A start by its name, another by what was changed last."""
    return one.name if one.before is None else f"the plan after “{one.name}”"


def _proposals(search: _Search, best: Incumbent, priced: Prices, turn: int) -> list[_Candidate]:
    """What to try in a turn: single junctions as other solutions have them, else random changes, and what has just
    paid done once more."""
    exchanged = _exchanges(search, best, priced) if turn % EXCHANGE_EVERY == 0 else []
    if exchanged:
        return exchanged
    repeated = _again(search, best, best.before) if best.before is not None and best.turn == turn else []
    return repeated + _batch(search, best, priced)


def _winner(
    search: _Search, best: Incumbent, lead: int, batch: Sequence[_Candidate], priced: Prices
) -> Incumbent | None:
    """The first of a batch, and of what its good parts make together, that beats the incumbent on all seeds and bears
    more traffic and less. If it brings a place that a verdict would refuse, the place is pressed and what was tried is
    put together once more."""
    race, seed = search.race, search.seeds[lead]
    tried = list(zip(batch, race.run([(one.timings(best.timings), seed) for one in batch]), strict=True))
    while True:
        joined = _joined(search, best, tried, lead, priced)
        runs = race.run([(one.timings(best.timings), seed) for one in joined])
        tried += zip(joined, runs, strict=True)
        pressed = len(race.pressed)
        for candidate, first in _heat(search, best, lead, tried):
            found = _judged(search, best, candidate, first, lead)
            if found is not None and set(race.refused(found.measures)) - set(race.pressed):
                race.press(found.measures)
            elif found is not None and (held := borne(race, search.stress, found)) is not None:
                return held
        if len(race.pressed) == pressed:
            return None
        priced = prices(race, best.measures)


def borne(race: Race, stress: Stress, found: Incumbent) -> Incumbent | None:
    """The candidate if it bears more traffic and less; where it is far ahead of all it came from that was proved, it is
    proved as a start is. Where none was, what is still worse than the shipped program is a step on the way."""
    ratio = race.delay_ratio(found.measures)
    if found.proved_ratio == UNPROVED and ratio >= 1:
        return found
    if stress.proof_runs and found.proved_ratio - ratio > LEAP:
        return replace(found, proved_ratio=ratio) if stress.proves(after(found), found.timings) else None
    return found if stress.bears(after(found), found.timings) else None


def _heat(
    search: _Search, best: Incumbent, lead: int, tried: Sequence[tuple[_Candidate, RunMeasures]]
) -> list[tuple[_Candidate, RunMeasures]]:
    """The best of those tried on one seed that beat the incumbent there."""
    scores = [search.race.score([measures], best.measures) for _, measures in tried]
    to_beat = search.race.score([best.measures[lead]], best.measures)
    ranked = sorted(range(len(tried)), key=lambda i: (scores[i], i))
    return [tried[i] for i in ranked if scores[i] < to_beat][:SURVIVORS]


def _judged(search: _Search, best: Incumbent, candidate: _Candidate, first: RunMeasures, lead: int) -> Incumbent | None:
    """The candidate with its measures on all seeds; None once it is behind the incumbent on those it has run on."""
    timings = candidate.timings(best.timings)
    order = [(lead + k) % len(search.seeds) for k in range(len(search.seeds))]
    measures = {lead: first}
    for stage in heats(order):
        found = search.race.run([(timings, search.seeds[k]) for k in stage])
        measures |= dict(zip(stage, found, strict=True))
        before = search.race.score([best.measures[k] for k in measures], best.measures)
        if search.race.score(list(measures.values()), best.measures) >= before:
            return None
    all_seeds = tuple(measures[k] for k in sorted(measures))
    return Incumbent(candidate.what, timings, all_seeds, best.timings, proved_ratio=best.proved_ratio)


def heats(order: Sequence[int]) -> list[Sequence[int]]:
    """The seeds of one heat after the other, of a candidate that has run on the first of `order`."""
    ends = [1, *(seeds for seeds in HEATS if seeds < len(order)), len(order)]
    return [order[begin:end] for begin, end in pairwise(ends) if begin < end]


def _exchanges(search: _Search, best: Incumbent, priced: Prices) -> list[_Candidate]:
    """The timings that other solutions have at single junctions, first those of the best for every junction, the
    dearest junctions first."""
    costs: dict[str, float] = {}
    for key, cost in priced.by_approach(best.measures).items():
        costs[key.junction] = costs.get(key.junction, 0.0) + cost
    found: list[tuple[int, _Candidate]] = []
    for name in sorted(best.timings, key=lambda name: (-costs.get(name, 0.0), name)):
        junction = search.race.model.network.junction(name)
        moves = exchanges(junction, best.timings[name], search.others, search.freedom)
        found += [(rank, _Candidate({name: (move.timing, move.what)})) for rank, move in enumerate(moves)]
    found.sort(key=lambda one: one[0])
    return [candidate for _, candidate in found[: search.most_exchanges]]


def _again(search: _Search, best: Incumbent, before: Timings) -> list[_Candidate]:
    """What made the incumbent, done once more."""
    changes: dict[str, tuple[Timing, str]] = {}
    for name, timing in sorted(before.items()):
        move = again(search.race.model.network.junction(name), timing, best.timings[name], search.freedom)
        if move is not None:
            changes[name] = move.timing, move.what
    return [_Candidate(changes)] if changes else []


def _batch(search: _Search, best: Incumbent, priced: Prices) -> list[_Candidate]:
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
    best: Incumbent,
    tried: Sequence[tuple[_Candidate, RunMeasures]],
    lead: int,
    priced: Prices,
) -> list[_Candidate]:
    """New candidates of the best parts: of every junction the change that paid most in its own neighbourhood, and the
    best candidate with those of the junctions that it leaves alone. Candidates that lose much in all are left out: what
    starves a network of traffic pays in many places."""
    before = best.measures[lead]
    gains: dict[str, tuple[float, tuple[Timing, str]]] = {}
    scores = [search.race.score([found], best.measures) for _, found in tried]
    most = search.race.score([before], best.measures) + LOSES_BY
    for (candidate, found), score in zip(tried, scores, strict=True):
        for junction, change in candidate.changes.items() if score < most else ():
            near = search.near[junction]
            gain = priced.around(before, near) - priced.around(found, near)
            if gain > LEAST_GAIN * priced.total_s and (junction not in gains or gain > gains[junction][0]):
                gains[junction] = gain, change
    paying = {junction: change for junction, (_, change) in sorted(gains.items())}
    leader = tried[min(range(len(tried)), key=scores.__getitem__)][0]
    known = [candidate for candidate, _ in tried]
    joined: list[_Candidate] = []
    for candidate in (_Candidate(paying), _Candidate({**paying, **leader.changes})):
        if candidate.changes and candidate not in known + joined:
            joined.append(candidate)
    return joined
