"""What delay costs a search at each place: dearer where a bus line or a junction loses more than a verdict bears."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimiser.signals import StageSequence
from sumo_networks.approaches import ApproachKey, read_approaches
from sumo_networks.departures import timetabled
from sumo_networks.measure import DelayAt, Measures, RunMeasures
from sumo_networks.polish import held_back, lineage, proven
from sumo_networks.prices import neighbourhoods, prices
from sumo_networks.profiles import profile_named
from sumo_networks.proposals import Candidate
from sumo_networks.race import MARGIN, PRESSED, PRESSED_S, Race
from sumo_networks.read import read_network
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.scenario import Scenario
from sumo_networks.starts import Incumbent
from sumo_networks.stress import Stress
from sumo_networks.timings import Timing
from sumo_networks.trips import read_demand

KEPT_S = 4.0
AT_A, AT_B, CROSS_B = ApproachKey("A", "middle_A"), ApproachKey("B", "A_B"), ApproachKey("B", "south_b_B")
SHIPPED = RunMeasures(
    seed=1000,
    measures=Measures(30.0, 30.0, 40.0, None, None, None, 0, 0, 0, None, None),
    junctions={"A": DelayAt(2000.0, 100), "B": DelayAt(3000.0, 100)},
    approaches={AT_A: DelayAt(2000.0, 100), AT_B: DelayAt(2500.0, 75), CROSS_B: DelayAt(500.0, 25)},
    lines={"7": DelayAt(400.0, 10), "express": DelayAt(40.0, 1)},
    queues=(),
)


@pytest.fixture
def race(grid_scenario: Scenario, tmp_path: Path) -> Race:
    model = read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped"))
    demand, approaches = read_demand(grid_scenario), read_approaches(grid_scenario.net)
    service = timetabled(grid_scenario, demand, tmp_path / "timetable")
    return Race(service, model, demand, approaches, tmp_path, 0, 1, None, "shipped", shipped={1000: SHIPPED})


def test_where_nothing_loses_a_vehicle_second_costs_one(race: Race) -> None:
    found = prices(race, [SHIPPED])
    assert found.per_mean_s == {}
    assert found.around(SHIPPED, frozenset({"A", "B"})) == 5000.0


def test_a_line_that_loses_makes_delay_dearer_on_its_way_alone(race: Race) -> None:
    worse = replace(SHIPPED, lines=SHIPPED.lines | {"7": DelayAt(400.0 + 10 * (KEPT_S + 3), 10)})
    found = prices(race, [worse])
    assert found.per_mean_s.keys() == {AT_A, AT_B}
    slower = DelayAt(2600.0, 100)
    assert found.cost(AT_A, slower) > 2600.0
    assert found.cost(CROSS_B, DelayAt(600.0, 25)) == 600.0
    assert found.cost(AT_A, SHIPPED.approaches[AT_A]) == 2000.0, "what was lost before is not surcharged"


def test_the_engineers_limits_are_what_the_search_keeps_to(race: Race) -> None:
    found = _rising(race, 30.0, 30.0)
    assert race.excess_s(found) == {("line", "7"): pytest.approx(30.0 - KEPT_S)}
    race.limits = RegressionLimits(default_s=10.0)
    assert race.excess_s(found) == {("line", "7"): pytest.approx(30.0 - 8.0)}
    assert race.refused(found) == [("line", "7")]
    race.limits = RegressionLimits(lines={"7": 40.0})
    assert race.excess_s(found) == {}
    assert not race.refused(found)


def test_a_line_of_few_buses_is_not_guarded_as_no_verdict_tests_it(race: Race) -> None:
    worse = replace(SHIPPED, lines=SHIPPED.lines | {"express": DelayAt(400.0, 1)})
    assert race.excess_s([worse]) == {}


def test_a_junction_that_loses_is_charged_to_its_approaches_by_their_traffic(race: Race) -> None:
    worse = replace(SHIPPED, junctions=SHIPPED.junctions | {"B": DelayAt(4000.0, 100)})
    found = prices(race, [worse])
    assert found.per_mean_s[AT_B] == pytest.approx(3 * found.per_mean_s[CROSS_B])
    assert AT_A not in found.per_mean_s


def test_neighbours_are_the_junctions_that_traffic_comes_from_and_goes_to(race: Race) -> None:
    assert neighbourhoods(race.model.network) == {"A": frozenset({"A", "B"}), "B": frozenset({"A", "B"})}


def _timing(start_s: float) -> Timing:
    return Timing(StageSequence(id="", stages=(), interstages=()), (), start_s)


def _rising(race: Race, *rises_s: float) -> list[RunMeasures]:
    """Runs on seeds from 1001 in which line 7 loses so much more than the shipped program, which is put beside them."""
    seeds = range(1001, 1001 + len(rises_s))
    race.shipped |= {seed: replace(SHIPPED, seed=seed) for seed in seeds}
    return [
        replace(SHIPPED, seed=seed, lines=SHIPPED.lines | {"7": DelayAt(400.0 + 10 * rise_s, 10)})
        for seed, rise_s in zip(seeds, rises_s, strict=True)
    ]


def test_what_one_seed_shows_of_a_steady_place_is_believed_of_all(race: Race) -> None:
    known = _rising(race, 1.0, 1.0, 1.0, 1.0, 1.0)
    found = _rising(race, 20.0)
    assert race.excess_s(found, known) == {("line", "7"): pytest.approx(20.0 - KEPT_S)}
    assert race.score(found, known) == race.score(found)


def test_what_one_seed_shows_of_a_place_that_varies_is_hardly_believed(race: Race) -> None:
    known = _rising(race, -60.0, 70.0, 10.0, -40.0, 30.0)
    assert race.excess_s(_rising(race, -40.0), known) == {}
    assert race.excess_s(_rising(race, -40.0)) == {}
    assert race.excess_s(_rising(race, 100.0), known)[("line", "7")] < 20.0
    assert race.excess_s(_rising(race, 100.0))[("line", "7")] == pytest.approx(100.0 - KEPT_S)


def test_what_may_be_chance_is_not_charged_and_what_is_sure_is(race: Race) -> None:
    assert race.excess_s(_rising(race, 40.0, 0.0, 0.0, 0.0, 0.0)) == {}, "mean 8 s, standard error 8 s"
    sure = race.excess_s(_rising(race, 8.0, 8.0, 8.0, 8.0, 8.0))
    assert sure == {("line", "7"): pytest.approx(8.0 - KEPT_S)}


def test_of_persons_and_vehicles_the_one_that_gains_less_counts_twice(race: Race) -> None:
    persons = replace(SHIPPED, measures=replace(SHIPPED.measures, person_delay_s=24.0))
    vehicles = replace(SHIPPED, measures=replace(SHIPPED.measures, vehicle_delay_s=24.0))
    assert race.score([persons]) == race.score([vehicles]) == pytest.approx((0.8 + 1.0 + 1.0) / 3)


def _delayed(delay_s: float, seed: int = 1000) -> RunMeasures:
    return replace(
        SHIPPED, seed=seed, measures=replace(SHIPPED.measures, person_delay_s=delay_s, vehicle_delay_s=delay_s)
    )


def test_delay_beyond_the_shipped_programs_costs_as_much_as_at_a_place_that_a_verdict_would_refuse(race: Race) -> None:
    assert race.score([_delayed(27.0)]) == pytest.approx(0.9)
    assert race.score([_delayed(30.0 * (1 + MARGIN))]) == pytest.approx(1 + MARGIN)
    assert race.score([_delayed(33.0)]) == pytest.approx(1.1 + (0.1 - MARGIN) * (PRESSED - 1))


def test_a_seed_on_which_both_lose_makes_no_loser_of_a_plan_that_gains_on_the_others(race: Race) -> None:
    race.shipped |= {1001: replace(SHIPPED, seed=1001)}
    known = [_delayed(33.0), _delayed(21.0, 1001)]
    assert race.score([known[0]], known) == pytest.approx(1.1)
    assert race.score([_delayed(32.0)], known) == pytest.approx(32.0 / 30.0)


def test_a_verdict_would_refuse_what_surely_loses_and_bear_what_only_may(race: Race) -> None:
    assert race.refused(_rising(race, 19.0, 20.0, 21.0, 20.0, 19.5)) == [("line", "7")]
    assert not race.refused(_rising(race, 80.0, -40.0, 90.0, -50.0, 20.0))
    assert not race.refused(_rising(race, 0.0, 0.0, 0.0, 0.0, 0.0))


def test_two_seeds_tell_what_a_verdict_would_refuse_as_well_as_they_can(race: Race) -> None:
    assert race.refused(_rising(race, 8.0, 8.5)) == [("line", "7")]
    assert not race.refused(_rising(race, 3.0, 30.0)), "varies too much to be sure"
    assert not race.refused(_rising(race, 3.0, 3.5)), "less than a verdict bears"


def test_a_plan_that_a_verdict_would_refuse_is_behind_every_other_in_the_end(race: Race) -> None:
    seeds = range(1001, 1006)
    race.shipped |= {seed: replace(SHIPPED, seed=seed) for seed in seeds}

    def judged(delay_s: float, line_rises_s: float) -> Incumbent:
        means = replace(SHIPPED.measures, person_delay_s=delay_s, vehicle_delay_s=delay_s)
        lines = SHIPPED.lines | {"7": DelayAt(400.0 + 10 * line_rises_s, 10)}
        runs = (
            replace(
                SHIPPED, seed=seed, measures=means, lines={**lines, "7": DelayAt(lines["7"].delay_s + seed % 3, 10)}
            )
            for seed in seeds
        )
        return Incumbent("running", {}, tuple(runs))

    refused, borne = judged(20.0, 15.0), judged(25.0, 0.0)
    assert race.score(refused.measures) < race.score(borne.measures)
    assert proven(race, Stress(race, 1, 0), [borne, refused], (), seeds) is borne
    assert proven(race, Stress(race, 1, 0), [refused], (), seeds) is refused


def test_a_place_that_a_verdict_would_refuse_costs_more_from_then_on_and_no_other_does(race: Race) -> None:
    junction = {"A": DelayAt(2000.0 + 100 * (KEPT_S + 0.5), 100)}
    lost = _rising(race, 19.0, 20.0, 21.0, 20.0, 19.5)
    found = [replace(one, junctions=SHIPPED.junctions | junction) for one in lost]
    line, score = race.surcharge(("line", "7"), 1.0), race.score(found)
    race.press(found)
    assert race.surcharge(("line", "7"), 1.0) == pytest.approx(PRESSED * line)
    assert race.surcharge(("junction", "A"), 1.0) == line, "it loses less than a verdict would refuse"
    assert race.score(found) > score


def test_far_over_its_limit_a_pressed_place_costs_as_any_other_a_second_more(race: Race) -> None:
    line, free = ("line", "7"), race.surcharge(("line", "7"), 1.0)
    race.press(_rising(race, 19.0, 20.0, 21.0, 20.0, 19.5))
    assert race.surcharge(line, PRESSED_S) == pytest.approx(PRESSED * PRESSED_S * free)
    assert race.surcharge(line, 31.0) - race.surcharge(line, 30.0) == pytest.approx(free)


def test_what_saves_delay_and_loses_by_a_place_alone_is_held_back(race: Race) -> None:
    def run(delay_s: float, line_rise_s: float) -> RunMeasures:
        means = replace(SHIPPED.measures, person_delay_s=delay_s, vehicle_delay_s=delay_s)
        return replace(SHIPPED, measures=means, lines=SHIPPED.lines | {"7": DelayAt(400.0 + 10 * line_rise_s, 10)})

    best = Incumbent("running", {}, (run(29.0, 0.0),))
    names = {
        "wins": run(25.0, 0.0),
        "held back": run(25.0, 60.0),
        "nearer": run(26.0, 40.0),
        "no better": run(29.5, 0.0),
    }
    tried = [(Candidate(({name: (_timing(0.0), name)},)), found) for name, found in names.items()]
    held = held_back(race, best, 0, tried)
    assert [candidate.what for candidate, _ in held] == ["nearer: nearer", "held back: held back"]
    pressure = held[0][1].delay_s
    assert pressure["A", "middle_A"] >= SHIPPED.approaches[AT_A].delay_s


def test_a_plan_is_told_by_the_steps_it_came_by_alone() -> None:
    begun = [Incumbent("start", {"A": _timing(1.0)}, ()), Incumbent("running", {"A": _timing(2.0)}, ())]
    other = Incumbent("other", {"A": _timing(3.0)}, (), before=begun[0].timings)
    first = Incumbent("first", {"A": _timing(4.0)}, (), before=begun[1].timings)
    last = Incumbent("last", {"A": _timing(5.0)}, (), before=first.timings)
    judged = [*begun, other, first, last]
    assert [one.name for one in lineage(judged, last)] == ["running", "first", "last"]
    assert lineage(judged, begun[0]) == [begun[0]]
