"""Bus priority in the simulator before any verdict: what the model chose is kept only where SUMO agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from optimiser.active_priority import active
from optimiser.signals import NetworkPlan, Priority
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.compare import compare_places
from sumo_networks.departures import BusService, timetabled
from sumo_networks.journal import Journal, Kept, run_measured
from sumo_networks.measure import RunMeasures, measure
from sumo_networks.priority_control import write_priority
from sumo_networks.programs import write_programs
from sumo_networks.regression_limits import LEAST_WORSENING_S, RegressionLimits
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Job, Record, Run
from sumo_networks.trips import Demand, read_demand


@dataclass(frozen=True)
class Trial:
    """The plan with the priority that is kept. `dropped`: junctions that lost theirs because vehicles there lost by it.
    Person and bus delay (s, means over the seeds) are those of the plan without any priority, and of `plan`."""

    plan: NetworkPlan
    dropped: tuple[str, ...]
    seeds: tuple[int, ...]
    person_delay_s: tuple[float, float]
    bus_delay_s: tuple[float | None, float | None]


@dataclass(frozen=True)
class _Bench:
    scenario: Scenario
    service: BusService
    demand: Demand
    model: CityModel
    seeds: tuple[int, ...]
    folder: Path
    workers: int
    journal: Journal
    done: Callable[[int], None]

    def runs(self, name: str, plan: NetworkPlan | None) -> list[RunMeasures]:
        """Measures of a plan on all seeds, with its priority in the loop; of the shipped programs for None."""
        approaches = read_approaches(self.scenario.net)
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        programs, control = None, None
        if plan is not None:
            programs = place / "plan.add.xml"
            write_programs(plan, self.model.bindings, programs)
            control = write_priority(plan, self.model, self.scenario, place / "priority.json")
        jobs = [
            Job(
                self.service.scenario,
                seed,
                place / f"seed_{seed}",
                programs,
                record=Record.DELAYS,
                priority=control,
                departures=self.service.departures,
            )
            for seed in self.seeds
        ]

        def look(_: Job, run: Run) -> Kept:
            return Kept(measure(run, self.scenario, self.demand, approaches))

        kept = run_measured(jobs, self.workers, self.journal, look, lambda _: self.done(1))
        return [one.measures for one in kept]


def tried(
    scenario: Scenario,
    model: CityModel,
    plan: NetworkPlan,
    seeds: Sequence[int],
    folder: Path,
    *,
    limits: RegressionLimits | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    journal: Journal | None = None,
) -> Trial:
    """`plan` with the priority that pays on these seeds: a junction where vehicles lose over 5 s in the mean gives its
    up, and all do where person delay does not fall, or a place that a verdict would refuse is new.

    Runs are written under `folder` and deleted. Raises SimulationError where SUMO fails."""
    total, count = 4 * len(seeds), 0

    def done(runs: int) -> None:
        nonlocal count
        count += runs
        if progress is not None:
            progress(min(count, total), total)

    demand = read_demand(scenario)
    service = timetabled(scenario, demand, folder / "timetable")
    bench = _Bench(scenario, service, demand, model, tuple(seeds), folder, workers, journal or Journal(), done)
    shipped = bench.runs("shipped", None)
    bare = _without(plan, {controller.junction for controller in plan.controllers})
    before = bench.runs("without", bare)
    kept, after = plan, bench.runs("with", plan)
    dropped = _losing(plan, before, after)
    if dropped:
        kept = _without(plan, set(dropped))
        after = bench.runs("with_fewer", kept)
    limits = limits or RegressionLimits()
    pays = _person_delay_s(after) < _person_delay_s(before)
    if not pays or _refused(shipped, after, limits) - _refused(shipped, before, limits):
        dropped = tuple(controller.junction for controller in plan.controllers if active(controller.priority))
        kept, after = bare, before
    return Trial(
        kept,
        dropped,
        bench.seeds,
        (_person_delay_s(before), _person_delay_s(after)),
        (_bus_delay_s(before), _bus_delay_s(after)),
    )


def _without(plan: NetworkPlan, junctions: set[str]) -> NetworkPlan:
    controllers = tuple(
        c.model_copy(update={"priority": Priority()}) if c.junction in junctions else c for c in plan.controllers
    )
    return plan.model_copy(update={"controllers": controllers})


def _losing(plan: NetworkPlan, before: Sequence[RunMeasures], after: Sequence[RunMeasures]) -> tuple[str, ...]:
    """Junctions with priority where a vehicle loses over LEAST_WORSENING_S more in the mean."""
    found = []
    for controller in plan.controllers:
        name = controller.junction
        pairs = [
            (a.junctions[name], b.junctions[name])
            for a, b in zip(before, after, strict=True)
            if name in a.junctions and name in b.junctions
        ]
        changes_s = [b.per_vehicle_s - a.per_vehicle_s for a, b in pairs]
        if active(controller.priority) and changes_s and fmean(changes_s) > LEAST_WORSENING_S:
            found.append(name)
    return tuple(found)


def _refused(
    shipped: Sequence[RunMeasures], found: Sequence[RunMeasures], limits: RegressionLimits
) -> set[tuple[str, str]]:
    junctions, lines = compare_places(shipped, found, limits)
    worse = {("junction", place.name) for place in junctions if place.worse}
    return worse | {("line", place.name) for place in lines if place.worse}


def _person_delay_s(runs: Sequence[RunMeasures]) -> float:
    return fmean(run.measures.person_delay_s for run in runs)


def _bus_delay_s(runs: Sequence[RunMeasures]) -> float | None:
    delays_s = [run.measures.bus_delay_s for run in runs]
    known = [delay_s for delay_s in delays_s if delay_s is not None]
    return fmean(known) if known else None
