"""Where a search begins: what beats the running program and bears more traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest

from sumo_networks.approaches import read_approaches
from sumo_networks.measure import Measures, RunMeasures
from sumo_networks.profiles import profile_named
from sumo_networks.race import Race, Timings
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.starts import RUNNING, Ranked, best_start
from sumo_networks.timings import Timing, running_timings
from sumo_networks.trips import read_demand

SEEDS = (1000, 1001)
SHIPPED_S = 100.0


class KnownRace(Race):
    """A race whose runs are known: mean delay by the offset of junction A, and by whether there is other traffic."""

    delays_s: Mapping[float, tuple[float, float]] = {}
    harder: float = 1.1

    def run(self, candidates: Sequence[tuple[Timings | None, int]], scale: float = 1.0) -> list[RunMeasures]:
        return [
            self._known(
                SHIPPED_S if timings is None else self.delays_s[timings["A"].start_s][scale == self.harder], seed
            )
            for timings, seed in candidates
        ]

    def _known(self, delay_s: float, seed: int) -> RunMeasures:
        figures = Measures(delay_s, delay_s, None, None, None, None, 0, 0, 0, None, None)
        return RunMeasures(seed, figures, {}, {}, {}, ())


@pytest.fixture
def race(grid_scenario: Scenario, tmp_path: Path) -> KnownRace:
    model = read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped"))
    demand, approaches = read_demand(grid_scenario), read_approaches(grid_scenario.net)
    found = KnownRace(grid_scenario, model, demand, approaches, tmp_path, 0, 1, None, "shipped")
    found.ship(SEEDS)
    return found


def _start(race: KnownRace, delays_s: Mapping[str, tuple[float, float]], seeds: Sequence[int] = SEEDS) -> Ranked:
    running: Mapping[str, Timing] = running_timings(race.model.network)
    solutions: dict[str, Timings] = {}
    race.delays_s = {}
    for number, (name, delays) in enumerate(delays_s.items()):
        timing = replace(running["A"], start_s=float(number))
        solutions[name] = {**running, "A": timing}
        race.delays_s = {**race.delays_s, timing.start_s: delays}
    return best_start(race, solutions, seeds)


def test_the_best_is_the_start_and_all_are_named_as_they_did(race: KnownRace) -> None:
    found = _start(race, {RUNNING: (100, 100), "a": (90, 90), "b": (80, 80), "c": (85, 85)})
    assert found.start.name == "b"
    assert found.names == (RUNNING, "b", "c", "a")


def test_where_none_beats_the_running_program_that_is_the_start(race: KnownRace) -> None:
    assert _start(race, {RUNNING: (100, 100), "a": (120, 120)}).start.name == RUNNING


@pytest.mark.parametrize("harder", [1.1, 0.9])
def test_what_breaks_down_when_there_is_more_or_less_traffic_is_no_start(race: KnownRace, harder: float) -> None:
    race.harder = harder
    assert _start(race, {RUNNING: (100, 100), "jams": (70, 180), "b": (80, 80)}).start.name == "b"


class LockingRace(KnownRace):
    """A known race in which traffic locks up under some offsets of junction A, on one seed that few starts run on."""

    locking: frozenset[float] = frozenset()

    def run(self, candidates: Sequence[tuple[Timings | None, int]], scale: float = 1.0) -> list[RunMeasures]:
        locked = [
            timings is not None and timings["A"].start_s in self.locking and seed == SEEDS[0] + 7
            for timings, seed in candidates
        ]
        runs = super().run(candidates, scale)
        return [self._known(700.0, run.seed) if lost else run for run, lost in zip(runs, locked, strict=True)]


@pytest.mark.parametrize(("locking", "start"), [({}, "a"), ({1.0}, "b"), ({1.0, 2.0}, "c"), ({1.0, 2.0, 3.0}, RUNNING)])
def test_what_locks_up_on_some_seed_is_no_start(race: KnownRace, locking: set[float], start: str) -> None:
    seeds = tuple(range(SEEDS[0], SEEDS[0] + 10))
    found = LockingRace(**{field.name: getattr(race, field.name) for field in fields(race)})
    found.locking = frozenset(locking)
    found.ship(seeds)
    delays_s = {RUNNING: (100.0, 100.0), "a": (70.0, 70.0), "b": (75.0, 75.0), "c": (85.0, 85.0)}
    ranked = _start(found, delays_s, seeds)
    assert ranked.start.name == start
    assert [one.seed for one in ranked.start.measures] == list(seeds)
