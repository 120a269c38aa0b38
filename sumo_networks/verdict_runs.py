"""The runs of a verdict: which programs on which demand and seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sumo_networks.departures import BusService, timetabled
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Job
from sumo_networks.timetable import keep_timetable
from sumo_networks.trips import Demand, within_period
from sumo_networks.verdict import Side

MOST_RUN_ON_S: Final = 1800.0


@dataclass(frozen=True)
class Programs:
    """The candidate's programs, and the control file of its bus priority where it has any."""

    plan: Path
    priority: Path | None


@dataclass(frozen=True)
class Series:
    """Runs of one program on all seeds. `name` is the folder's name."""

    name: str
    side: Side
    service: BusService
    plan: Path | None
    seeds: tuple[int, ...]
    scale: float = 1.0
    end_s: float | None = None
    priority: Path | None = None

    def job(self, seed: int, folder: Path) -> Job:
        """The run on one of the seeds, in a folder of its own in `folder`."""
        return Job(
            self.service.scenario,
            seed,
            (folder / f"{self.name}_{seed}").absolute(),
            self.plan,
            self.scale,
            self.end_s,
            priority=self.priority,
            departures=self.service.departures,
        )


@dataclass(frozen=True)
class Design:
    """All series of runs of a verdict; pairs are baseline and candidate."""

    main: tuple[Series, Series]
    repaired: Series | None
    cleared: tuple[Series, Series] | None
    varied: tuple[tuple[Series, Series], ...]

    @property
    def series(self) -> list[Series]:
        """In the order in which they run."""
        further = [one for pair in self.varied for one in pair]
        return [*self.main, *([self.repaired] if self.repaired else []), *(self.cleared or ()), *further]


@dataclass(frozen=True)
class Asked:
    """What a verdict is asked for; `verify` tells what each means."""

    scenario: Scenario
    demand: Demand
    candidate: Programs
    repaired: Path | None
    seeds: tuple[int, ...]
    extra_seeds: tuple[int, ...]
    robustness: tuple[float, ...]
    cleared: bool


def verdict_runs(asked: Asked, folder: Path) -> Design:
    """All runs of a verdict, on copies of the demand under `folder`. Raises ScenarioError where a file is truncated."""
    services = _Services(asked.scenario, asked.demand, folder)
    main = _pair("demand_1", services.at(1.0), asked.candidate, asked.seeds)
    repaired = replace(main[0], name="repaired", side=Side.REPAIRED, plan=asked.repaired)
    varied = tuple(
        _pair(f"demand_{scale:g}", services.at(scale), asked.candidate, asked.extra_seeds, scale=scale)
        for scale in dict.fromkeys(asked.robustness)
        if scale != 1.0
    )
    cleared = None
    if asked.cleared:
        end_s = asked.scenario.end_s + MOST_RUN_ON_S
        cleared = _pair("cleared", services.until_its_end(), asked.candidate, asked.extra_seeds, end_s=end_s)
    return Design(main, repaired if asked.repaired is not None else None, cleared, varied)


@dataclass(frozen=True)
class _Services:
    """What is run of the scenario: copies of its demand under `folder`, from which the buses are taken out."""

    scenario: Scenario
    demand: Demand
    folder: Path

    def at(self, scale: float) -> BusService:
        """For runs at so much of the demand: its buses keep their number."""
        name = f"demand_{scale:g}"
        scaled = keep_timetable(self.scenario, self.demand, scale, self.folder / f"{name}_types")
        return timetabled(scaled, self.demand, self.folder / f"{name}_timetable")

    def until_its_end(self) -> BusService:
        """For runs that go on, with nothing in them that is due after the end."""
        cut = within_period(self.scenario, self.folder / "cleared_demand")
        return timetabled(cut, self.demand, self.folder / "cleared_timetable")


def _pair(
    name: str,
    service: BusService,
    candidate: Programs,
    seeds: tuple[int, ...],
    *,
    scale: float = 1.0,
    end_s: float | None = None,
) -> tuple[Series, Series]:
    plan, priority = candidate.plan, candidate.priority
    return (
        Series(f"{name}_{Side.BASELINE}", Side.BASELINE, service, None, seeds, scale, end_s),
        Series(f"{name}_{Side.CANDIDATE}", Side.CANDIDATE, service, plan, seeds, scale, end_s, priority),
    )
