"""A last search around the optimiser's plans in which SUMO itself is the judge.

Candidates are raced on common seeds that no verdict uses: all on one seed, the best of those that win there on more,
heat by heat, until one has run on all. Traffic that locks up now and then may do so on none of them, so the winner is
proved on seeds of its own, and the start has to endure some. Runs are counted, not seconds, so the same inputs give the
same plan on any machine. Racing follows Maron & Moore (1997), "The racing algorithm"; common random numbers as in Law
(2015), Simulation Modeling and Analysis, section 11.2.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from optimiser.signals import NetworkPlan
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.departures import timetabled
from sumo_networks.heats import ENTRANTS, Heats, Tried, loss
from sumo_networks.journal import Journal
from sumo_networks.moves import Freedom, Pressure
from sumo_networks.person_weights import PersonWeights
from sumo_networks.prices import Prices, neighbourhoods, prices
from sumo_networks.proposals import Candidate, Proposer
from sumo_networks.race import MARGIN, VERDICT_SEEDS, Progress, Race
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.scenario import Scenario
from sumo_networks.starts import UNPROVED, Incumbent, best_start, is_shipped, judged_on, solutions
from sumo_networks.stress import ALL_DEMANDS, Fallen, Stress
from sumo_networks.timings import network_plan
from sumo_networks.trips import read_demand
from sumo_networks.verdict import SEEDS_BELOW

FIRST_SEED: Final = SEEDS_BELOW
# So many that beat the incumbent may fall in a turn, under other traffic, before the turn has found nothing.
MOST_FALLS: Final = 3
# There is one seed for so many runs, but not fewer than these.
RUNS_A_SEED: Final = 20
LEAST_SEEDS: Final = 2
# A proof of so many runs at each demand shows 92 % of the plans that lock up in one hour of thirty; a short search has
# one for so many of its runs, or of those over SHORT where that is more, and under LEAST_PROVED none.
MOST_PROOF_RUNS: Final = 25
RUNS_A_PROOF: Final = 20
SHORT: Final = 50
LEAST_PROVED: Final = 40
# In the end so many are proved at most, and starts where none of them is. A candidate has to endure what a start does
# where its delay ratio is so much less than that of what did.
MOST_PROOFS: Final = 3
LEAP: Final = 0.03
# Of those that a place alone holds back, though they save over HELD_BACK_GAIN, so many in a turn are mended.
MOST_HELD_BACK: Final = 2
HELD_BACK_GAIN: Final = 0.01
# Taking over timings of other solutions takes this share of the runs at most, each time.
EXCHANGES_SHARE: Final = 1 / 7


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
        if self.runs < LEAST_PROVED:
            return 0
        return min(MOST_PROOF_RUNS, max(self.runs // RUNS_A_PROOF, (self.runs - SHORT) // (RUNS_A_PROOF // 2)))


@dataclass(frozen=True)
class Step:
    """One improvement: runs spent by then, score as a ratio to the shipped program, and what was changed."""

    runs: int
    score: float
    what: str


@dataclass(frozen=True)
class Polished:
    """The best plan found, its score (person and vehicle delay as a ratio to the shipped program's, 1 = no gain,
    with a surcharge where a junction, a bus line or the whole loses too much), how the search went, and what was better
    on its seeds but did not hold on others. `held` is false where nothing did that the rules allow, nor the plan."""

    plan: NetworkPlan
    score: float
    start: str
    steps: tuple[Step, ...]
    runs: int
    seeds: tuple[int, ...]
    fallen: tuple[Fallen, ...] = ()
    held: bool = True

    @property
    def gained(self) -> bool:
        """Whether the plan is better than the shipped program on the search's seeds, and held on others."""
        return self.held and self.score < 1.0


@dataclass(frozen=True)
class Search:
    """What one search works with."""

    race: Race
    stress: Stress
    proposer: Proposer
    seeds: tuple[int, ...]


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
    limits: RegressionLimits | None = None,
) -> Polished:
    """Best plan found by simulation from the running program and `starts` (name → plan), within about `budget.runs`
    runs: judging the starts and, where the first proof is lost, others may pass them. Persons count by
    `weights`, all alike without; places that lose more than `limits` are charged for.

    Runs are written under `folder` and deleted; a search that was killed goes on from those in its `journal`.
    Raises SimulationError where SUMO fails."""
    profile = next((plan.profile for plan in starts.values()), "")
    demand = read_demand(scenario)
    race = Race(
        timetabled(scenario, demand, folder / "timetable"),
        model,
        demand,
        read_approaches(scenario.net),
        folder,
        budget.runs,
        workers,
        progress,
        profile,
        journal or Journal(),
        weights or PersonWeights(),
        limits or RegressionLimits(),
    )
    seeds = budget.seed_numbers()
    race.ship(seeds)
    stress = Stress(race, min(len(seeds), VERDICT_SEEDS), budget.proof_runs)
    known = solutions(model, starts, freedom)
    ranked = best_start(race, stress, known, seeds)
    others = tuple(known[name] for name in ranked.names)
    most_exchanges = max(budget.batch, round(EXCHANGES_SHARE * budget.runs))
    near = neighbourhoods(model.network)
    proposer = Proposer(model.network, others, freedom, near, rng, budget.batch, most_exchanges)
    search = Search(race, stress, proposer, seeds)
    judged, steps = _climb(search, ranked.start, budget.runs - len(ALL_DEMANDS) * budget.proof_runs)
    best = proven(race, stress, judged, ranked.left, seeds)
    path = lineage(judged, best)
    shutil.rmtree(folder / "timetable", ignore_errors=True)
    return Polished(
        plan=network_plan(model.network, best.timings, profile),
        score=race.score(best.measures),
        start=path[0].name,
        steps=tuple(step for step, one in zip(steps, judged[1:], strict=True) if one in path),
        runs=round(race.spent),
        seeds=seeds,
        fallen=tuple(stress.fallen),
        held=best.timings not in stress.lost and race.delay_ratio(best.measures) <= 1 + MARGIN,
    )


def _climb(search: Search, start: Incumbent, most_runs: int) -> tuple[list[Incumbent], list[Step]]:
    """Rounds on one seed after the other, until the runs are spent or nothing is left to change: all that were ever
    judged on all seeds, and what was changed at each step.

    A place for which a verdict would refuse the best plan costs much more from then on, so another may take its place:
    all of them stay in the race, and come back."""
    race, judged = search.race, [start]
    steps: list[Step] = []
    turn = 0
    while race.spent < most_runs:
        best = min(judged, key=lambda one: race.score(one.measures))
        race.press(best.measures)
        priced = prices(race, best.measures)
        batch = search.proposer.proposals(best, priced, turn)
        if not batch:
            break
        found = _winner(search, best, turn % len(search.seeds), batch, priced)
        turn += 1
        if found is not None:
            judged.append(replace(found, turn=turn))
            steps.append(Step(race.spent, round(race.score(found.measures), 6), found.name))
    return judged, steps


def lineage(judged: Sequence[Incumbent], one: Incumbent) -> list[Incumbent]:
    """What it came from, step by step, from the start on; itself at the end."""
    path = [one]
    while path[0].before is not None:
        path.insert(0, next(other for other in judged if other.timings == path[0].before))
    return path


def proven(
    race: Race, stress: Stress, judged: Sequence[Incumbent], left: Sequence[Incumbent], seeds: Sequence[int]
) -> Incumbent:
    """The first that is no worse than the shipped program and proved: of MOST_PROOFS that the search judged, then its
    start, which is the first of `judged`, then other starts that were `left`. The best of all where none is.

    They are asked by the score with the plain surcharge, those that a verdict would refuse behind all others."""
    race.pressed.clear()
    order = sorted(judged, key=lambda one: (bool(race.refused(one.measures)), race.score(one.measures)))
    if not stress.proof_runs:
        return order[0]
    asked = (*order[:MOST_PROOFS], judged[0], *left)
    whole = (one if one in judged else judged_on(race, [one], seeds)[0] for one in asked)
    for one in whole:
        if race.delay_ratio(one.measures) > 1 + MARGIN:
            continue
        if is_shipped(race, one) or stress.proves(after(one), one.timings):
            return one
    return order[0]


def after(one: Incumbent) -> str:
    """A start by its name, another by what was changed last."""
    return one.name if one.before is None else f"the plan after “{one.name}”"


def _winner(search: Search, best: Incumbent, lead: int, batch: Sequence[Candidate], priced: Prices) -> Incumbent | None:
    """The first of a batch, and of what its good parts make together, that beats the incumbent on all seeds and bears
    more traffic and less; those that a place holds back are mended first. If it brings a place that a verdict would
    refuse, the place is pressed and what was tried is put together once more."""
    race, seed = search.race, search.seeds[lead]
    tried = list(zip(batch, race.run([(one.timings(best.timings), seed) for one in batch]), strict=True))
    search.proposer.remember(batch, _losses(race, best, lead, tried))
    mended = search.proposer.mended(held_back(race, best, lead, tried))
    tried += zip(mended, race.run([(one.timings(best.timings), seed) for one in mended]), strict=True)
    fallen = list[Candidate]()
    while True:
        joined = search.proposer.joined(best.measures[lead], tried, _losses(race, best, lead, tried), priced)
        runs = race.run([(one.timings(best.timings), seed) for one in joined])
        tried += zip(joined, runs, strict=True)
        pressed = len(race.pressed)
        if (held := first_to_hold(search, best, lead, tried, fallen)) is not None:
            return held
        if len(race.pressed) == pressed:
            return None
        priced = prices(race, best.measures)


def first_to_hold(
    search: Search, best: Incumbent, lead: int, tried: Sequence[Tried], fallen: list[Candidate]
) -> Incumbent | None:
    """The first of those that beat the incumbent on one seed that does so on all, brings no place that a verdict would
    refuse (such places are pressed), and holds. What falls is added to `fallen`; those that do all it did and more are
    passed over, and others come to race."""
    race, most = search.race, len(fallen) + MOST_FALLS
    heats, waiting = Heats(race, search.seeds, best, lead), _in_front(race, best, lead, tried)
    while len(fallen) < most:
        waiting = [one for one in waiting if not any(map(one[0].contains, fallen))]
        fell, (finalists, spared) = len(fallen), heats.finalists(waiting[:ENTRANTS])
        for finalist in finalists:
            candidate = finalist.candidate
            found = None if any(map(candidate.contains, fallen)) else heats.winner(finalist)
            if found is None:
                continue
            if set(race.refused(found.measures)) - set(race.pressed):
                race.press(found.measures)
            elif (held := borne(race, search.stress, found)) is not None:
                return held
            else:
                fallen.append(candidate)
                search.proposer.bar(candidate)
        if len(fallen) == fell:
            break
        waiting = [*spared, *waiting[ENTRANTS:]]
    return None


def borne(race: Race, stress: Stress, found: Incumbent) -> Incumbent | None:
    """The candidate if it bears more traffic and less; where it is far ahead of all it came from that endured what a
    start has to, it has to as well. Where none did, what is worse than the shipped program is a step on the way."""
    ratio = race.delay_ratio(found.measures)
    if found.proved_ratio == UNPROVED and ratio >= 1:
        return found
    if stress.proof_runs and found.proved_ratio - ratio > LEAP:
        return replace(found, proved_ratio=ratio) if stress.endures(after(found), found.timings) else None
    return found if stress.bears(after(found), found.timings) else None


def _losses(race: Race, best: Incumbent, lead: int, tried: Sequence[Tried]) -> list[float]:
    """By how much the score of each of those tried on one seed is over the incumbent's there."""
    return [loss(race, best, {lead: measures}) for _, measures in tried]


def held_back(race: Race, best: Incumbent, lead: int, tried: Sequence[Tried]) -> list[tuple[Candidate, Pressure]]:
    """Those tried on one seed that save delay and yet lose to the incumbent, for places that lose too much: the nearest
    to winning first, with what each approach costs under them, such places included."""
    bar = race.delay_ratio([best.measures[lead]]) - HELD_BACK_GAIN
    losses = _losses(race, best, lead, tried)
    saves = [i for i, (_, found) in enumerate(tried) if losses[i] >= 0 and race.delay_ratio([found]) < bar]
    nearest = [tried[i] for i in sorted(saves, key=losses.__getitem__)[:MOST_HELD_BACK]]
    return [(candidate, prices(race, [found]).pressure([found])) for candidate, found in nearest]


def _in_front(race: Race, best: Incumbent, lead: int, tried: Sequence[Tried]) -> list[Tried]:
    """Those tried on one seed that beat the incumbent there, each once, the best first."""
    losses = _losses(race, best, lead, tried)
    ranked = sorted(range(len(tried)), key=lambda i: (losses[i], i))
    return list({tried[i][0].shown: tried[i] for i in reversed(ranked) if losses[i] < 0}.values())[::-1]
