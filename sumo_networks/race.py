"""Candidates and the shipped program side by side in SUMO: the runs of a search, and the score that ranks them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

from sumo_networks.approaches import Approaches
from sumo_networks.bindings import CityModel
from sumo_networks.compare import compare_places
from sumo_networks.departures import BusService
from sumo_networks.journal import Journal, Kept, run_measured
from sumo_networks.measure import DelayAt, RunMeasures, measure
from sumo_networks.person_weights import PersonWeights
from sumo_networks.programs import write_programs
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.simulate import Job, Record, Run
from sumo_networks.timings import Timing, network_plan
from sumo_networks.trips import Demand

# The search keeps to so much of what a verdict bears: its seeds are others.
KEPT_SHARE: Final = 0.8
GUARD: Final = 0.005
BUS_WEIGHT: Final = 0.3
# A verdict tests places with 30 vehicles over its five seeds.
FEW_VEHICLES_A_RUN: Final = 6
# The surcharge of a place for which a verdict would refuse the best plan counts so many times from then on, over its
# first seconds: the last of them is what a verdict asks for, and no place is worth all that the others gain.
PRESSED: Final = 8.0
PRESSED_S: Final = 3.0
# By so much a plan may be behind the shipped program in a search; what lies beyond counts as a pressed place does.
MARGIN: Final = 0.02
# A verdict's seeds, and how many standard errors over them it asks for (Holm's bound with ten to a hundred places).
VERDICT_SEEDS: Final = 5
SURE_ERRORS: Final = 5.5
# How far a change usually moves the mean delay of a place: what is seen on few seeds is believed against this.
USUAL_STEP_S: Final = 8.0

Progress = Callable[[int, int], None]
Timings = Mapping[str, Timing]
Place = tuple[str, str]
"""A junction ("junction", name) or a bus line ("line", name)."""


@dataclass
class Race:
    """The runs of one search: how many are `spent`, and how the shipped program does on each seed. `most_runs` is only
    told to `progress`. The first seconds that a place in `pressed` loses are charged for so many times; persons count
    by `weights`, and a verdict would bear what `limits` say."""

    service: BusService
    model: CityModel
    demand: Demand
    approaches: Approaches
    folder: Path
    most_runs: int
    workers: int
    progress: Progress | None
    profile: str
    journal: Journal = field(default_factory=Journal)
    weights: PersonWeights = field(default_factory=PersonWeights)
    limits: RegressionLimits = field(default_factory=RegressionLimits)
    pressed: dict[Place, float] = field(default_factory=dict)
    spent: int = 0
    shipped: dict[int, RunMeasures] = field(default_factory=dict)

    def run(self, candidates: Sequence[tuple[Timings | None, int]], scale: float = 1.0) -> list[RunMeasures]:
        """Measures of each (timings, seed) at demand × `scale`; None runs the programs as they are.

        Raises SimulationError where SUMO fails."""
        jobs: list[Job] = []
        for number, (timings, seed) in enumerate(candidates):
            place = (self.folder / f"candidate_{number}").absolute()
            place.mkdir(parents=True, exist_ok=True)
            plan = None
            if timings is not None:
                plan = place / "candidate.add.xml"
                write_programs(network_plan(self.model.network, timings, self.profile), self.model.bindings, plan)
            jobs.append(self._job(seed, place, plan, scale))

        def look(_: Job, run: Run) -> Kept:
            return Kept(measure(run, self.service.scenario, self.demand, self.approaches))

        def count(_: Job) -> None:
            self.spent += 1
            if self.progress is not None:
                self.progress(min(self.spent, self.most_runs), self.most_runs)

        found = [kept.measures for kept in run_measured(jobs, self.workers, self.journal, look, count)]
        for job in jobs:
            # What the journal knew was not run, so nobody has taken its folder away.
            shutil.rmtree(job.folder, ignore_errors=True)
        return found

    def _job(self, seed: int, place: Path, plan: Path | None, scale: float) -> Job:
        scenario, departures = self.service.scenario, self.service.departures
        return Job(scenario, seed, place, plan, scale, record=Record.DELAYS, departures=departures)

    def ship(self, seeds: Sequence[int]) -> None:
        """Have the shipped program's measures on these seeds, for `score`."""
        missing = [seed for seed in seeds if seed not in self.shipped]
        for seed, found in zip(missing, self.run([(None, seed) for seed in missing]), strict=True):
            self.shipped[seed] = found

    def excess_s(self, found: Sequence[RunMeasures], known: Sequence[RunMeasures] = ()) -> dict[Place, float]:
        """By how much a vehicle loses more, beyond what a verdict would bear, at each junction and of each line that
        loses: means over the seeds less their standard error, as a verdict asks who surely loses. Places that few
        vehicles come to are left out, as a verdict leaves them out.

        `known` are another program's runs on all seeds, from which what `found` does on seeds it has not run on is
        told: what changed on those it has, shrunk by how much the place varies from seed to seed (empirical Bayes)."""
        now, then = self._changes_s(found), self._changes_s(known)
        excess: dict[Place, float] = {}
        for place, by_seed in now.items():
            changes_s = list(_on_all_seeds(by_seed, then.get(place, {})).values())
            error_s = stdev(changes_s) / math.sqrt(len(changes_s)) if len(changes_s) > 1 else 0.0
            excess_s = fmean(changes_s) - error_s - self.kept_s(place)
            if excess_s > 0:
                excess[place] = excess_s
        return excess

    def kept_s(self, place: Place) -> float:
        """By how much the mean delay of a vehicle may rise at a place before it is charged, s."""
        kind, name = place
        return KEPT_SHARE * (self.limits.line_s(name) if kind == "line" else self.limits.junction_s(name))

    def _changes_s(self, found: Sequence[RunMeasures]) -> dict[Place, dict[int, float]]:
        """By place and seed the rise of a vehicle's mean delay over the shipped program's, s."""
        changes: dict[Place, dict[int, float]] = {}
        pairs = [(self.shipped[one.seed], one) for one in found]
        for kind, places in (
            ("junction", [(b.seed, a.junctions, b.junctions) for a, b in pairs]),
            ("line", [(b.seed, a.lines, b.lines) for a, b in pairs]),
        ):
            for name, both in _in_both(places):
                if sum(min(a.vehicles, b.vehicles) for a, b in both.values()) >= FEW_VEHICLES_A_RUN * len(both):
                    changes[kind, name] = {seed: b.per_vehicle_s - a.per_vehicle_s for seed, (a, b) in both.items()}
        return changes

    def refused(self, found: Sequence[RunMeasures]) -> list[Place]:
        """Places that a verdict on these seeds would see surely get worse than it bears. On fewer seeds than a verdict
        has no loss is sure: there those that lose about as surely as a verdict on its own seeds would ask."""
        if len(found) < VERDICT_SEEDS:
            changes = self._changes_s(found).items()
            return [place for place, by_seed in changes if _nearly_sure(list(by_seed.values()), self.kept_s(place))]
        limits = replace(self.limits, least_vehicles=FEW_VEHICLES_A_RUN * len(found))
        junctions, lines = compare_places([self.shipped[one.seed] for one in found], found, limits)
        return [
            (kind, place.name)
            for kind, places in (("junction", junctions), ("line", lines))
            for place in places
            if place.worse
        ]

    def press(self, found: Sequence[RunMeasures]) -> None:
        """Have the places that a verdict would refuse here cost more from now on."""
        self.pressed |= dict.fromkeys(self.refused(found), PRESSED)

    def surcharge(self, place: Place, excess_s: float) -> float:
        """What so much excess at a place adds to the score."""
        return GUARD * (excess_s + (self.pressed.get(place, 1.0) - 1) * min(excess_s, PRESSED_S))

    def score(self, found: Sequence[RunMeasures], known: Sequence[RunMeasures] = ()) -> float:
        """Person and vehicle delay as a ratio to the shipped program's on the same seeds, mean over the runs; more
        where buses or a place lose, and much more where the whole does, since a verdict would refuse that.

        `known` helps to tell what places would lose on seeds that have not been run (`excess_s`): a few buses on one
        seed may say little of a line, and a limit on means makes nothing but a surcharge of their chance."""
        excess_s = self.excess_s(found, known)
        places = sum(self.surcharge(place, more_s) for place, more_s in excess_s.items())
        return self.delay_ratio(found) + (PRESSED - 1) * max(0.0, self._expected(found, known) - 1 - MARGIN) + places

    def _expected(self, found: Sequence[RunMeasures], known: Sequence[RunMeasures]) -> float:
        """The delay ratio on all seeds: what the other program has there, and by how much it changed on those run."""
        seeds = {one.seed for one in found}
        shared = [one for one in known if one.seed in seeds]
        if not shared:
            return self.delay_ratio(found)
        return self.delay_ratio(known) + self.delay_ratio(found) - self.delay_ratio(shared)

    def delay_ratio(self, found: Sequence[RunMeasures]) -> float:
        """The score without what places lose."""
        return fmean(delay_ratio(self.shipped[one.seed], one, self.weights) for one in found)


def delay_ratio(then: RunMeasures, now: RunMeasures, weights: PersonWeights) -> float:
    """Delay of persons, each with its weight, and of vehicles as ratios, the worse of the two counted twice: a plan is
    to help both. Buses that lose count once more."""
    before, after = then.measures, now.measures
    persons = (
        _ratio(after.person_delay_s, before.person_delay_s)
        if weights.all_alike
        else _ratio(weights.weighed_s(now.lost), weights.weighed_s(then.lost))
    )
    vehicles = _ratio(after.vehicle_delay_s, before.vehicle_delay_s)
    value = (persons + vehicles + max(persons, vehicles)) / 3
    if after.bus_delay_s is not None and before.bus_delay_s is not None:
        value += BUS_WEIGHT * max(0.0, _ratio(after.bus_delay_s, before.bus_delay_s) - 1.0)
    return value


def _in_both(
    places: Sequence[tuple[int, Mapping[str, DelayAt], Mapping[str, DelayAt]]],
) -> Iterator[tuple[str, dict[int, tuple[DelayAt, DelayAt]]]]:
    """By name and seed, the delays before and after in all runs that have the place in both."""
    for name in sorted({name for _, _, after in places for name in after}):
        both = {seed: (before[name], after[name]) for seed, before, after in places if name in before and name in after}
        if both:
            yield name, both


def _on_all_seeds(now_s: Mapping[int, float], then_s: Mapping[int, float]) -> dict[int, float]:
    """Changes at a place on the seeds run, and on the others as another program's with what is believed of the step."""
    shared = [seed for seed in now_s if seed in then_s]
    if not shared or len(then_s) < 2:
        return {**then_s, **now_s}
    step_s = fmean(now_s[seed] - then_s[seed] for seed in shared)
    noise = stdev(then_s.values()) ** 2 / len(shared)
    believed_s = step_s * USUAL_STEP_S**2 / (USUAL_STEP_S**2 + noise)
    return {**{seed: change_s + believed_s for seed, change_s in then_s.items()}, **now_s}


def _nearly_sure(changes_s: Sequence[float], kept_s: float) -> bool:
    """Whether a mean over a verdict's seeds that varied as these do would be surely over what the search keeps to."""
    error_s = stdev(changes_s) / math.sqrt(VERDICT_SEEDS) if len(changes_s) > 1 else 0.0
    return fmean(changes_s) - SURE_ERRORS * error_s > kept_s


def _ratio(now: float, then: float) -> float:
    return now / then if then > 0 else 1.0
