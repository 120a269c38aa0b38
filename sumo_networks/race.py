"""Candidates and the shipped program side by side in SUMO: the runs of a search, and the score that ranks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sumo_networks.approaches import Approaches
from sumo_networks.bindings import CityModel
from sumo_networks.compare import RegressionLimits, compare_places
from sumo_networks.journal import Journal, Kept, run_measured
from sumo_networks.measure import DelayAt, Measures, RunMeasures, measure
from sumo_networks.programs import write_programs
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Job, Record, Run
from sumo_networks.timings import Timing, network_plan
from sumo_networks.trips import Demand

WORSE_PLACE_S: Final = 4.0
GUARD: Final = 0.005
BUS_WEIGHT: Final = 0.3
# A verdict tests places with 30 vehicles over its five seeds.
FEW_VEHICLES_A_RUN: Final = 6
STRESS: Final = 1.1
STRESS_MARGIN: Final = 0.02

Progress = Callable[[int, int], None]
Timings = Mapping[str, Timing]


@dataclass
class Race:
    """The runs of one search: how many are `spent`, and how the shipped program does on each seed. `most_runs` is only
    told to `progress`. `strictness` is how much of the surcharge for places that lose counts now: 1 is all of it."""

    scenario: Scenario
    model: CityModel
    demand: Demand
    approaches: Approaches
    folder: Path
    most_runs: int
    workers: int
    progress: Progress | None
    profile: str
    journal: Journal = field(default_factory=Journal)
    strictness: float = 1.0
    spent: int = 0
    stressed_s: float | None = None
    shipped: dict[int, RunMeasures] = field(default_factory=dict)

    def run(self, candidates: Sequence[tuple[Timings | None, int]], scale: float = 1.0) -> list[RunMeasures]:
        """Measures of each (timings, seed) at demand × `scale`; None runs the scenario as it is.

        Raises SimulationError where SUMO fails."""
        jobs: list[Job] = []
        for number, (timings, seed) in enumerate(candidates):
            place = (self.folder / f"candidate_{number}").absolute()
            place.mkdir(parents=True, exist_ok=True)
            plan = None
            if timings is not None:
                plan = place / "candidate.add.xml"
                write_programs(network_plan(self.model.network, timings, self.profile), self.model.bindings, plan)
            jobs.append(Job(self.scenario, seed, place, plan, scale, record=Record.DELAYS))

        def look(_: Job, run: Run) -> Kept:
            return Kept(measure(run, self.scenario, self.demand, self.approaches))

        def count(_: Job) -> None:
            self.spent += 1
            if self.progress is not None:
                self.progress(min(self.spent, self.most_runs), self.most_runs)

        return [kept.measures for kept in run_measured(jobs, self.workers, self.journal, look, count)]

    def ship(self, seeds: Sequence[int]) -> None:
        """Have the shipped program's measures on these seeds, for `score`."""
        missing = [seed for seed in seeds if seed not in self.shipped]
        for seed, found in zip(missing, self.run([(None, seed) for seed in missing]), strict=True):
            self.shipped[seed] = found

    def withstands(self, timings: Timings, seeds: Sequence[int]) -> bool:
        """Whether at a higher demand these timings are no worse than the shipped program: what is best only until the
        day when traffic jams is no plan."""
        if self.stressed_s is None:
            self.stressed_s = _mean_person_delay_s(self.run([(None, seed) for seed in seeds], scale=STRESS))
        found_s = _mean_person_delay_s(self.run([(timings, seed) for seed in seeds], scale=STRESS))
        return found_s <= (1 + STRESS_MARGIN) * self.stressed_s

    def excess_s(self, found: Sequence[RunMeasures]) -> dict[tuple[str, str], float]:
        """By how much a vehicle loses more, beyond what a verdict would bear, at each ("junction", name) and of each
        ("line", name) that loses: means over the runs. Places that few vehicles come to are left out, as a verdict
        leaves them out."""
        pairs = [(self.shipped[one.seed], one) for one in found]
        excess: dict[tuple[str, str], float] = {}
        for kind, places in (
            ("junction", [(a.junctions, b.junctions) for a, b in pairs]),
            ("line", [(a.lines, b.lines) for a, b in pairs]),
        ):
            for name, both in _in_both(places):
                if sum(min(a.vehicles, b.vehicles) for a, b in both) < FEW_VEHICLES_A_RUN * len(both):
                    continue
                change_s = sum(b.per_vehicle_s - a.per_vehicle_s for a, b in both) / len(both)
                if change_s > WORSE_PLACE_S:
                    excess[kind, name] = change_s - WORSE_PLACE_S
        return excess

    def refused(self, found: Sequence[RunMeasures]) -> bool:
        """Whether a verdict on these seeds would see a place surely get worse than it bears."""
        limits = RegressionLimits(least_vehicles=FEW_VEHICLES_A_RUN * len(found))
        junctions, lines = compare_places([self.shipped[one.seed] for one in found], found, limits)
        return any(place.worse for place in junctions + lines)

    def score(self, found: Sequence[RunMeasures], presumed: Sequence[RunMeasures] = ()) -> float:
        """Person and vehicle delay as a ratio to the shipped program's on the same seeds, mean over the runs; more
        where buses or a place lose, since a verdict would refuse that.

        `presumed` stand for seeds that have not been run, for the places that lose alone: a few buses on one seed say
        little of a line, and a limit on means makes nothing but a surcharge of their chance."""
        ratios = [_delay_ratio(self.shipped[one.seed].measures, one.measures) for one in found]
        excess_s = self.excess_s([*found, *presumed])
        return sum(ratios) / len(ratios) + self.strictness * GUARD * sum(excess_s.values())


def _delay_ratio(then: Measures, now: Measures) -> float:
    """Delay of persons and of vehicles as ratios, the worse of the two counted twice: a plan is to help both."""
    persons = _ratio(now.person_delay_s, then.person_delay_s)
    vehicles = _ratio(now.vehicle_delay_s, then.vehicle_delay_s)
    value = (persons + vehicles + max(persons, vehicles)) / 3
    if now.bus_delay_s is not None and then.bus_delay_s is not None:
        value += BUS_WEIGHT * max(0.0, _ratio(now.bus_delay_s, then.bus_delay_s) - 1.0)
    return value


def _in_both(
    places: Sequence[tuple[Mapping[str, DelayAt], Mapping[str, DelayAt]]],
) -> Iterator[tuple[str, list[tuple[DelayAt, DelayAt]]]]:
    """By name, the delays before and after in all runs that have the place in both."""
    for name in sorted({name for _, after in places for name in after}):
        both = [(before[name], after[name]) for before, after in places if name in before and name in after]
        if both:
            yield name, both


def _mean_person_delay_s(measures: Sequence[RunMeasures]) -> float:
    return sum(found.measures.person_delay_s for found in measures) / len(measures)


def _ratio(now: float, then: float) -> float:
    return now / then if then > 0 else 1.0
