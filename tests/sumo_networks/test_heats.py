"""Who of several candidates goes on, heat by heat, and who is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_race import KnownRace

from sumo_networks.approaches import read_approaches
from sumo_networks.departures import timetabled
from sumo_networks.heats import Entrant, Heats, Tried, heats
from sumo_networks.moves import Freedom
from sumo_networks.polish import Search, first_to_hold
from sumo_networks.prices import neighbourhoods
from sumo_networks.profiles import profile_named
from sumo_networks.proposals import Candidate, Proposer
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.starts import Incumbent, judged_on
from sumo_networks.stress import Stress
from sumo_networks.timings import running_timings
from sumo_networks.trips import read_demand

SEEDS = tuple(range(1000, 1010))
LEAD = 3
BEST_S, LUCKY_S, LUCKIER_S, STEADY_S, WORSE_S = 90.0, 71.0, 70.0, 80.0, 89.0


@pytest.fixture
def race(grid_scenario: Scenario, tmp_path: Path) -> KnownRace:
    model = read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped"))
    demand, approaches = read_demand(grid_scenario), read_approaches(grid_scenario.net)
    service = timetabled(grid_scenario, demand, tmp_path / "timetable")
    race = KnownRace(service, model, demand, approaches, tmp_path, 0, 1, None, "shipped")
    race.delays_s = {float(i): (s, s) for i, s in enumerate((BEST_S, LUCKY_S, LUCKIER_S, STEADY_S, WORSE_S))}
    race.locks = frozenset({(1.0, 1.0, 1), (2.0, 1.0, 2), (4.0, 1.0, 7)})
    race.ship(SEEDS)
    return race


def _candidate(race: KnownRace, offset_s: float) -> Candidate:
    timing = replace(running_timings(race.model.network)["A"], start_s=offset_s)
    return Candidate(({"A": (timing, f"offset {offset_s:g} s")},))


def _best(race: KnownRace) -> Incumbent:
    running = running_timings(race.model.network)
    timings = {**running, "A": replace(running["A"], start_s=0.0)}
    return judged_on(race, [Incumbent("running", timings, ())], SEEDS)[0]


def _entrant(race: KnownRace, best: Incumbent, offset_s: float) -> Entrant:
    candidate = _candidate(race, offset_s)
    [first] = race.run([(candidate.timings(best.timings), SEEDS[LEAD])])
    return Entrant(candidate, {LEAD: first})


def _finalists(race: KnownRace, best: Incumbent, *offsets_s: float) -> list[Entrant]:
    field = [_entrant(race, best, offset_s) for offset_s in offsets_s]
    return Heats(race, SEEDS, best, LEAD).finalists([(one.candidate, one.measures[LEAD]) for one in field])[0]


def test_who_was_lucky_on_one_seed_keeps_nobody_out_who_is_better_on_more(race: KnownRace) -> None:
    found = _finalists(race, _best(race), 2.0, 1.0, 3.0)
    assert [one.candidate for one in found] == [_candidate(race, 3.0)]
    assert sorted(found[0].measures) == [3, 4, 5, 6, 7]


def test_of_those_ahead_the_two_furthest_go_on(race: KnownRace) -> None:
    race.locks = frozenset()
    found = _finalists(race, _best(race), 3.0, 1.0, 2.0)
    assert [one.candidate for one in found] == [_candidate(race, 2.0), _candidate(race, 1.0)]


def test_who_wins_has_run_on_all_seeds_in_their_order(race: KnownRace) -> None:
    best = _best(race)
    [finalist] = _finalists(race, best, 3.0)
    winner = Heats(race, SEEDS, best, LEAD).winner(finalist)
    assert winner is not None
    assert [one.seed for one in winner.measures] == list(SEEDS)
    assert winner.before == best.timings
    assert winner.timings["A"].start_s == 3.0


def test_who_falls_behind_in_the_last_heat_has_not_won(race: KnownRace) -> None:
    best = _best(race)
    [finalist] = _finalists(race, best, 4.0)
    assert Heats(race, SEEDS, best, LEAD).winner(finalist) is None


def _tried(race: KnownRace, best: Incumbent, *offsets_s: float) -> list[Tried]:
    entrants = (_entrant(race, best, offset_s) for offset_s in offsets_s)
    return [(one.candidate, one.measures[LEAD]) for one in entrants]


def _search(race: KnownRace) -> Search:
    near = neighbourhoods(race.model.network)
    free = Freedom(safe=lambda plan: True)
    proposer = Proposer(race.model.network, (), free, near, np.random.default_rng(1), 3, 3)
    return Search(race, Stress(race, 2, 0), proposer, SEEDS)


def test_who_was_ahead_but_behind_two_that_fall_still_has_a_turn(race: KnownRace) -> None:
    """The two furthest ahead lose with more traffic; the third was cut in the first heat."""
    race.locks = frozenset()
    race.delays_s = {**race.delays_s, 1.0: (LUCKY_S, 150.0), 2.0: (LUCKIER_S, 150.0)}
    best, fallen = _best(race), list[Candidate]()
    held = first_to_hold(_search(race), best, LEAD, _tried(race, best, 1.0, 2.0, 3.0), fallen)
    assert held is not None
    assert held.timings["A"].start_s == 3.0
    assert fallen == [_candidate(race, 2.0), _candidate(race, 1.0)]


def test_what_fell_is_not_raced_again_in_its_turn(race: KnownRace) -> None:
    race.locks = frozenset()
    best = _best(race)
    tried = _tried(race, best, 1.0, 2.0)
    ran = len(race.ran)
    assert first_to_hold(_search(race), best, LEAD, tried, [one for one, _ in tried]) is None
    assert len(race.ran) == ran


def test_what_shows_the_same_enters_once(race: KnownRace) -> None:
    race.locks = frozenset()
    best = _best(race)
    again = replace(_candidate(race, 3.0), parts=({"A": (_candidate(race, 3.0).changes["A"][0], "in other words")},))
    [(_, first)] = tried = _tried(race, best, 3.0)
    held = first_to_hold(_search(race), best, LEAD, [*tried, (again, first)], [])
    assert held is not None
    assert sum(run == (3.0, 1.0, SEEDS[4]) for run in race.ran) == 1


def test_heats_are_of_few_seeds_then_of_more() -> None:
    assert heats([3, 4, 5, 6, 7, 8, 9, 0, 1, 2]) == [[4, 5], [6, 7], [8, 9, 0, 1, 2]]
    assert heats([0, 1, 2, 3, 4]) == [[1, 2], [3, 4]]
    assert heats([1, 0]) == [[0]]
    assert heats([0]) == []
