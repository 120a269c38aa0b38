"""What the search in the simulator may do to a plan, and what it leaves alone whatever it draws."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimiser.safety import check_plan
from optimiser.signals import ControllerPlan, Network
from sumo_networks.exchanges import exchanges
from sumo_networks.moves import Dice, Freedom, Pressure, again, draw_move
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.timings import Timing, plan_of, running_timings, timing_of

MOVES = 12
seeds = st.integers(min_value=0, max_value=2**32 - 1)
steady = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def network(grid_scenario: Scenario) -> Network:
    return read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped")).network


def _broken(plan: ControllerPlan) -> frozenset[tuple[str, tuple[str, ...]]]:
    return frozenset((finding.rule.value, finding.groups) for finding in check_plan(plan))


def _no_worse_than_running(network: Network) -> Callable[[ControllerPlan], bool]:
    known = {junction.id: _broken(junction.running) for junction in network.junctions}
    return lambda plan: _broken(plan) <= known[plan.junction]


def _walk(network: Network, freedom: Freedom, seed: int) -> list[dict[str, Timing]]:
    """Timings after each of a number of moves, the running ones first."""
    rng = np.random.default_rng(seed)
    timings = running_timings(network)
    pressure = Pressure({(j.id, a.id): 10.0 * k for j in network.junctions for k, a in enumerate(j.approaches)})
    trail = [dict(timings)]
    for _ in range(MOVES):
        move = draw_move(network, timings, (trail[0],), pressure, freedom, Dice(rng))
        if move is not None:
            timings[move.junction] = move.timing
            trail.append(dict(timings))
    return trail


def test_the_timing_of_a_plan_gives_the_plan_again(network: Network) -> None:
    for junction in network.junctions:
        again = plan_of(junction, timing_of(junction.running))
        assert again.greens == junction.running.greens
        assert again.cycle_s == junction.running.cycle_s
        assert again.offset == junction.running.offset


@steady
@given(seed=seeds)
def test_timing_and_plan_go_round_after_any_moves(network: Network, seed: int) -> None:
    free = Freedom(safe=_no_worse_than_running(network))
    for name, timing in _walk(network, free, seed)[-1].items():
        junction = network.junction(name)
        plan = plan_of(junction, timing)
        assert plan_of(junction, timing_of(plan)) == plan
        assert plan.cycle_s == pytest.approx(timing.cycle_s)


@steady
@given(seed=seeds)
def test_moves_keep_every_plan_as_safe_as_the_running_one(network: Network, seed: int) -> None:
    safe = _no_worse_than_running(network)
    trail = _walk(network, Freedom(safe=safe), seed)
    assert len(trail) > 1
    for timings in trail:
        for name, timing in timings.items():
            assert safe(plan_of(network.junction(name), timing))
            assert min(timing.durations_s) >= 1


@steady
@given(seed=seeds)
def test_moves_change_one_junction_at_a_time(network: Network, seed: int) -> None:
    trail = _walk(network, Freedom(safe=_no_worse_than_running(network)), seed)
    for before, after in pairwise(trail):
        assert sum(before[name] != after[name] for name in before) == 1


@steady
@given(seed=seeds)
def test_moves_leave_fixed_junctions_cycles_and_stages(network: Network, seed: int) -> None:
    running = running_timings(network)
    stage = running["B"].sequence.stages[0]
    freedom = Freedom(
        safe=_no_worse_than_running(network),
        fixed_junctions=frozenset({"A"}),
        fixed_cycle=frozenset({"B"}),
        fixed_stages=frozenset({("B", stage)}),
    )
    for timings in _walk(network, freedom, seed):
        assert timings["A"] == running["A"]
        assert timings["B"].cycle_s == running["B"].cycle_s
        assert timings["B"].durations_s[0] == running["B"].durations_s[0]


def test_an_exchange_takes_over_what_another_solution_has_where_that_is_free(network: Network) -> None:
    running, junction = running_timings(network), network.junction("B")
    timing = running["B"]
    other = Timing(timing.sequence, (timing.durations_s[0] + 3, *timing.durations_s[1:]), timing.start_s)
    safe = _no_worse_than_running(network)
    others = ({"B": other}, running, {"B": other}, {})
    assert [move.timing for move in exchanges(junction, timing, others, Freedom(safe=safe))] == [other]
    assert exchanges(junction, timing, others, Freedom(safe=safe, fixed_cycle=frozenset({"B"}))) == []
    assert exchanges(junction, timing, others, Freedom(safe=safe, fixed_junctions=frozenset({"B"}))) == []


def test_a_change_goes_on_in_its_direction_as_far_as_the_rules_go(network: Network) -> None:
    running, junction = running_timings(network), network.junction("B")
    before = running["B"]
    longer = Timing(before.sequence, (before.durations_s[0] + 3, *before.durations_s[1:]), before.start_s - 2)
    free = Freedom(safe=_no_worse_than_running(network))
    move = again(junction, before, longer, free)
    assert move is not None
    assert move.timing.durations_s == (before.durations_s[0] + 6, *before.durations_s[1:])
    assert move.timing.start_s == pytest.approx((before.start_s - 4) % move.timing.cycle_s)
    assert again(junction, before, before, free) is None
    assert again(junction, before, longer, Freedom(safe=lambda plan: False)) is None
    shortest = Timing(before.sequence, (1.0, *before.durations_s[1:]), before.start_s)
    assert again(junction, before, shortest, free) is None


def test_nothing_is_drawn_where_nothing_may_change(network: Network) -> None:
    everything = Freedom(safe=lambda plan: True, fixed_junctions=frozenset(j.id for j in network.junctions))
    rng = np.random.default_rng(1)
    assert draw_move(network, running_timings(network), (), Pressure({}), everything, Dice(rng)) is None
    nothing_safe = Freedom(safe=lambda plan: False)
    assert draw_move(network, running_timings(network), (), Pressure({}), nothing_safe, Dice(rng)) is None


def test_a_plan_without_stages_has_no_timing(network: Network) -> None:
    running = network.junctions[0].running
    with pytest.raises(ValueError, match=running.junction):
        timing_of(running.model_copy(update={"windows": ()}))


def test_the_longer_a_search_finds_nothing_the_smaller_and_fewer_its_steps() -> None:
    def means(idle_turns: int) -> tuple[float, float]:
        dice = Dice(np.random.default_rng(7), idle_turns)
        steps_s = [dice.step_s((1, 2, 4, 8)) for _ in range(400)]
        return float(np.mean(steps_s)), float(np.mean([dice.moves(12) for _ in range(400)]))

    found = [means(idle_turns) for idle_turns in (0, 1, 2, 3, 9)]
    assert all(a[0] > b[0] and a[1] > b[1] for a, b in pairwise(found[:4]))
    assert found[3] == found[4], "they shrink no further"
