"""Where a search begins, and what it ends with: what beats the running program, at other demands and on other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from known_race import LOCKED_S, SHIPPED_S, KnownRace

from sumo_networks.approaches import read_approaches
from sumo_networks.departures import timetabled
from sumo_networks.polish import borne, proven
from sumo_networks.profiles import profile_named
from sumo_networks.race import Timings
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.starts import RUNNING, UNPROVED, Incumbent, Ranked, best_start, judged_on
from sumo_networks.stress import FIRST_SEED, Fallen, Stress, worst_and_others_s
from sumo_networks.timings import running_timings
from sumo_networks.trips import read_demand

SEEDS = (1000, 1001)


@pytest.fixture
def race(grid_scenario: Scenario, tmp_path: Path) -> KnownRace:
    model = read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped"))
    demand, approaches = read_demand(grid_scenario), read_approaches(grid_scenario.net)
    service = timetabled(grid_scenario, demand, tmp_path / "timetable")
    return KnownRace(service, model, demand, approaches, tmp_path, 0, 1, None, "shipped")


def _known(race: KnownRace, delays_s: Mapping[str, tuple[float, float]]) -> dict[str, Timings]:
    """Timings by name, of which the race knows the delays."""
    running = running_timings(race.model.network)
    found: dict[str, Timings] = {}
    for number, (name, delays) in enumerate(delays_s.items()):
        timing = replace(running["A"], start_s=float(number))
        found[name] = {**running, "A": timing}
        race.delays_s = {**race.delays_s, timing.start_s: delays}
    return found


def _start(race: KnownRace, delays_s: Mapping[str, tuple[float, float]], seeds: Sequence[int] = SEEDS) -> Ranked:
    race.ship(seeds)
    return best_start(race, Stress(race, 2, 5), _known(race, delays_s), seeds)


def _proven(race: KnownRace, delays_s: Mapping[str, tuple[float, float]], runs: int) -> Incumbent:
    race.ship(SEEDS)
    judged = [judged_on(race, [Incumbent(*known, ())], SEEDS)[0] for known in _known(race, delays_s).items()]
    return proven(race, Stress(race, 2, runs), judged, (), SEEDS)


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


@pytest.mark.parametrize(("locking", "start"), [([], "a"), ([1], "b"), ([1, 2], "c"), ([1, 2, 3], RUNNING)])
def test_what_locks_up_on_a_late_seed_is_no_start(race: KnownRace, locking: list[int], start: str) -> None:
    seeds = tuple(range(SEEDS[0], SEEDS[0] + 10))
    race.locks = frozenset((float(offset), 1.0, 7) for offset in locking)
    ranked = _start(race, {RUNNING: (100, 100), "a": (70, 70), "b": (75, 75), "c": (85, 85)}, seeds)
    assert ranked.start.name == start
    assert [one.seed for one in ranked.start.measures] == list(seeds)


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1])
def test_what_locks_up_in_one_run_of_its_proof_gives_way_to_the_next(race: KnownRace, scale: float) -> None:
    race.locks = frozenset({(1.0, scale, 4)})
    delays_s = {"start": (90.0, 90.0), "locks up": (70.0, 70.0), "b": (75.0, 75.0)}
    assert _proven(race, delays_s, 5).name == "b"
    assert _proven(race, delays_s, 0).name == "locks up"


def test_where_nothing_better_holds_the_start_is_proved_too_and_is_the_plan(race: KnownRace) -> None:
    race.locks = frozenset({(1.0, 0.9, 4), (2.0, 0.9, 4)})
    assert _proven(race, {"start": (90, 90), "a": (70, 70), "b": (75, 75)}, 5).name == "start"
    assert {scale for offset, scale, _ in race.ran if offset == 0.0} == {0.9, 1.0, 1.1}


@pytest.mark.parametrize(("locking", "plan"), [([1.0], "c"), ([1.0, 2.0], RUNNING)])
def test_where_the_start_locks_up_in_its_proof_another_start_that_is_proved_is_the_plan(
    race: KnownRace, locking: list[float], plan: str
) -> None:
    ranked = _start(race, {RUNNING: (100, 100), "b": (75, 75), "c": (85, 85)})
    race.locks = frozenset((offset, 1.0, run) for offset in locking for run in range(50))
    best = proven(race, Stress(race, 2, 5), [ranked.start], ranked.left, SEEDS)
    assert ranked.start.name == "b"
    assert best.name == plan
    assert [one.seed for one in best.measures] == list(SEEDS)


def test_another_start_that_locks_up_on_the_seeds_of_the_search_is_not_even_proved(race: KnownRace) -> None:
    seeds = tuple(range(SEEDS[0], SEEDS[0] + 10))
    ranked = _start(race, {RUNNING: (100, 100), "b": (75, 75), "c": (85, 85)}, seeds)
    race.locks = frozenset({(1.0, 1.0, run) for run in range(50)} | {(2.0, 1.0, 8)})
    stress = Stress(race, 2, 5)
    best = proven(race, stress, [ranked.start], ranked.left, seeds)
    assert best.name == RUNNING
    assert [one.what for one in stress.fallen] == ["b"]


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1])
def test_a_start_that_locks_up_does_not_endure_and_gives_way_to_the_next(race: KnownRace, scale: float) -> None:
    race.locks = frozenset({(1.0, scale, 2)})
    assert _start(race, {RUNNING: (100, 100), "locks up": (70, 70), "b": (75, 75)}).start.name == "b"


def test_where_the_running_program_may_not_run_and_nothing_holds_the_best_comes_back_as_lost(race: KnownRace) -> None:
    race.locks = frozenset({(0.0, 0.9, 1), (1.0, 0.9, 1)})
    race.ship(SEEDS)
    stress = Stress(race, 2, 5)
    start = best_start(race, stress, _known(race, {"a": (75, 75), "b": (70, 70)}), SEEDS).start
    assert start.name == "b"
    assert proven(race, stress, [start], (), SEEDS) is start
    assert start.timings in stress.lost
    assert [one.what for one in stress.fallen] == ["b", "a"]


def test_where_the_shipped_control_does_better_than_its_times_alone_the_best_plan_is_the_start(race: KnownRace) -> None:
    start = _start(race, {RUNNING: (300, 300), "a": (120, 120), "b": (115, 115)}).start
    assert start.name == "b"
    assert start.proved_ratio == UNPROVED


def test_what_is_still_worse_than_shipped_is_a_step_from_an_unproved_start_and_what_is_better_is_proved(
    race: KnownRace,
) -> None:
    race.ship(SEEDS)
    stress = Stress(race, 2, 5)
    timings = _known(race, {"start": (130, 130), "step": (110, 110), "gain": (90, 90), "locks up": (80, 80)})
    race.locks = frozenset({(3.0, 0.9, 2)})
    start, step, gain, locking = (judged_on(race, [Incumbent(*known, ())], SEEDS)[0] for known in timings.items())
    unproved = [replace(one, proved_ratio=UNPROVED) for one in (step, gain, locking)]
    assert borne(race, stress, unproved[0]) is unproved[0]
    assert stress.asked == 0, "a step is not proved"
    proved = borne(race, stress, unproved[1])
    assert proved is not None and proved.proved_ratio == pytest.approx(0.9)
    assert borne(race, stress, unproved[2]) is None
    assert borne(race, stress, replace(start, proved_ratio=1.0)) is None, "nor is it borne where the start was proved"


def test_where_no_plan_beats_the_shipped_control_the_best_of_all_is_left(race: KnownRace) -> None:
    race.ship(SEEDS)
    timings = _known(race, {"start": (130, 130), "step": (110, 110)})
    judged = [judged_on(race, [Incumbent(*known, (), proved_ratio=UNPROVED)], SEEDS)[0] for known in timings.items()]
    stress = Stress(race, 2, 5)
    assert proven(race, stress, judged, (), SEEDS).name == "step"
    assert stress.asked == 0, "what is worse than shipped on the seeds of the search is not proved"


def test_at_most_three_and_the_start_are_proved_in_the_end(race: KnownRace) -> None:
    race.locks = frozenset((float(offset), 0.9, 4) for offset in range(1, 7))
    delays_s = {"start": (90.0, 90.0)} | {name: (80.0 - n, 80.0 - n) for n, name in enumerate("abcdef")}
    assert _proven(race, delays_s, 5).name == "start"
    assert len({offset for offset, scale, _ in race.ran if scale == 0.9 and offset is not None}) == 4


def test_who_was_lucky_in_its_first_proof_is_proved_anew_in_the_end(race: KnownRace) -> None:
    race.ship(SEEDS)
    timings = _known(race, {"start": (90, 90), "lucky": (70, 70)})
    judged = [judged_on(race, [Incumbent(*known, ())], SEEDS)[0] for known in timings.items()]
    stress = Stress(race, 2, 5)
    assert stress.proves("lucky", timings["lucky"])
    race.locks = frozenset({(1.0, 0.9, 7)})
    assert proven(race, stress, judged, (), SEEDS) is judged[0]
    assert not stress.proves("lucky", timings["lucky"])


def test_where_another_plan_locked_up_what_is_left_is_proved_on_more_runs(race: KnownRace) -> None:
    delays_s = {"start": (90, 90), "locks up": (70, 70), "seldom": (75, 75)}
    race.locks = frozenset({(2.0, 0.9, 12)})
    assert _proven(race, delays_s | {"locks up": (80, 80)}, 5).name == "seldom", "nobody locked up: a proof as usual"
    race.locks |= {(1.0, 1.1, 4)}
    assert _proven(race, delays_s, 5).name == "start"


def test_what_loses_in_all_runs_alike_does_not_lock_up(race: KnownRace) -> None:
    race.ship(SEEDS)
    timings = _known(race, {"loses": (70, 130), "seldom": (75, 75)})
    race.locks = frozenset({(1.0, 0.9, 12)})
    stress = Stress(race, 2, 5)
    assert not stress.proves("loses", timings["loses"])
    assert not stress.fallen[0].locked_up
    assert stress.proves("seldom", timings["seldom"])


def test_no_two_plans_are_proved_on_the_same_seeds_nor_on_those_of_the_search(race: KnownRace) -> None:
    race.locks = frozenset({(1.0, 1.1, 4)})
    _proven(race, {"start": (90, 90), "a": (70, 70), "b": (75, 75)}, 5)
    proofs = [seed for _, scale, seed in race.ran if scale != 1.0]
    assert len(set(proofs)) == len(proofs)
    assert min(proofs) >= FIRST_SEED


def test_one_run_in_fifteen_that_locks_up_is_told_beside_what_the_others_took(race: KnownRace) -> None:
    race.ship(SEEDS)
    race.locks = frozenset({(0.0, 0.9, 14)})
    stress = Stress(race, 2, 15)
    assert not stress.proves("locks up", _known(race, {"locks up": (70, 70)})["locks up"])
    assert stress.fallen == [Fallen("locks up", 0.9, 15, LOCKED_S, 70.0, SHIPPED_S)]


def test_a_proof_that_is_lost_is_not_gone_on_with_nor_asked_again(race: KnownRace) -> None:
    race.ship(SEEDS)
    stress, timings = Stress(race, 2, 15), _known(race, {"locks up": (70, 70)})["locks up"]
    race.locks = frozenset({(0.0, 0.9, 1)})
    assert not stress.proves("locks up", timings)
    asked = [offset for offset, _, _ in race.ran].count(0.0)
    assert asked < 8
    assert not stress.proves("locks up", timings)
    assert not stress.bears("locks up", timings)
    assert [offset for offset, _, _ in race.ran].count(0.0) == asked
    assert len(stress.fallen) == 1


def test_the_worst_run_stands_apart_from_the_others() -> None:
    assert worst_and_others_s([20.0] * 9 + [500.0]) == (500.0, 20.0)
    assert worst_and_others_s([30.0]) == (30.0, 30.0)


def test_chance_of_a_few_percent_a_run_keeps_no_plan_from_its_gain(race: KnownRace) -> None:
    race.ship(SEEDS)
    stress, timings = Stress(race, 2, 10), _known(race, {"gains little": (95, 95)})
    assert stress.proves("gains little", timings["gains little"])
    assert stress.fallen == []
