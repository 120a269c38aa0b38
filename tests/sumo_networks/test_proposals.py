"""What a search tries next: junctions shifted together, other solutions looked at again, good parts put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_race import known_measures

from optimiser.signals import Network
from sumo_networks.approaches import ApproachKey
from sumo_networks.measure import DelayAt, RunMeasures
from sumo_networks.moves import Dice, Freedom, Pressure, draw_group_shift
from sumo_networks.prices import Prices, neighbourhoods
from sumo_networks.profiles import profile_named
from sumo_networks.proposals import EXCHANGE_EVERY, SECOND_LOOK, Candidate, Proposer
from sumo_networks.read import read_network
from sumo_networks.scenario import load_scenario
from sumo_networks.starts import Incumbent
from sumo_networks.timings import running_timings

FREE = Freedom(safe=lambda plan: True)
NO_PRICE = Prices({}, {}, 1000.0)


@pytest.fixture(scope="module")
def network() -> Network:
    """That of the sample city: 14 junctions, with loops."""
    city = load_scenario(Path(__file__).parents[2] / "sumo_networks" / "cities" / "esil" / "esil.sumocfg")
    return read_network(city.net, city.additionals, profile_named("shipped")).network


def _delays(network: Network, delays_s: Mapping[str, float]) -> RunMeasures:
    """A run in which the first approach of each junction loses so much."""
    approaches = {
        ApproachKey(j.id, j.approaches[0].id): DelayAt(delays_s.get(j.id, 100.0), 10) for j in network.junctions
    }
    return replace(known_measures(1000, 50.0), approaches=approaches)


def _incumbent(network: Network) -> Incumbent:
    return Incumbent("start", running_timings(network), (_delays(network, {}),))


def _proposer(network: Network, shifts_s: tuple[float, ...] = (), seed: int = 1, most: int = 50) -> Proposer:
    """A proposer that knows other solutions, in which every cycle starts so much later."""
    running = running_timings(network)
    others = tuple(
        {name: replace(timing, start_s=(timing.start_s + shift_s) % timing.cycle_s) for name, timing in running.items()}
        for shift_s in shifts_s
    )
    return Proposer(network, others, FREE, neighbourhoods(network), np.random.default_rng(seed), 3, most)


def _shift(network: Network, junctions: tuple[str, ...], step_s: float) -> dict[str, tuple[object, str]]:
    running = running_timings(network)
    return {name: (replace(running[name], start_s=running[name].start_s + step_s), "later") for name in junctions}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(min_value=0, max_value=2**32 - 1))
def test_junctions_that_shift_together_hang_together_and_keep_their_times_to_each_other(
    network: Network, seed: int
) -> None:
    running, near = running_timings(network), neighbourhoods(network)
    moves = draw_group_shift(network, running, near, Pressure({}), FREE, Dice(np.random.default_rng(seed)))
    group = {move.junction for move in moves}
    steps_s = {(m.timing.start_s - running[m.junction].start_s) % m.timing.cycle_s for m in moves}
    if moves:
        assert 2 <= len(group) == len(moves) <= max(2, len(running) // 2)
        assert all(near[name] & group - {name} for name in group)
        assert len(steps_s) == 1
        assert all(replace(m.timing, start_s=running[m.junction].start_s) == running[m.junction] for m in moves)


def test_junctions_that_must_stay_are_in_no_group(network: Network) -> None:
    fixed = network.junctions[0].id
    free, rng = replace(FREE, fixed_junctions=frozenset({fixed})), np.random.default_rng(3)
    groups = [
        draw_group_shift(network, running_timings(network), neighbourhoods(network), Pressure({}), free, Dice(rng))
        for _ in range(40)
    ]
    assert any(groups)
    assert not any(move.junction == fixed for moves in groups for move in moves)


def test_other_solutions_are_looked_at_again_where_they_lost_least(network: Network) -> None:
    proposer, best = _proposer(network, (5.0, 9.0)), _incumbent(network)
    first = proposer.proposals(best, NO_PRICE, 0)
    assert len(first) == 2 * len(network.junctions)
    losses = [float((7 * n) % len(first)) for n in range(len(first))]
    proposer.remember(first, losses)
    again = proposer.proposals(best, NO_PRICE, EXCHANGE_EVERY)
    least = sorted(range(len(first)), key=losses.__getitem__)[: SECOND_LOOK * proposer.batch]
    assert [one.changes for one in again] == [first[n].changes for n in least]


def test_what_a_step_makes_possible_is_looked_at_in_the_next_turn(network: Network) -> None:
    running, junction = running_timings(network), network.junctions[0]
    before = running[junction.id]
    turned = before.sequence.model_copy(
        update={
            "stages": (*before.sequence.stages[1:], before.sequence.stages[0]),
            "interstages": (*before.sequence.interstages[1:], before.sequence.interstages[0]),
        }
    )
    slower = replace(before, sequence=turned, durations_s=tuple(8 + d for d in before.durations_s))
    proposer = replace(_proposer(network), others=({**running, junction.id: slower},))
    longer = replace(before, durations_s=(before.durations_s[0] + 2, *before.durations_s[1:]))
    best = replace(_incumbent(network), timings={**running, junction.id: longer}, before=running, turn=1)
    looked = Candidate(({junction.id: (slower, "timing of another solution")},))
    proposer.remember([looked], [0.1])
    offered = [one.what for one in proposer.proposals(best, NO_PRICE, 1)]
    assert f"{junction.id}: stages of another solution" in offered, "at the cycle that the step gave the junction"
    assert f"{junction.id}: timing of another solution" not in offered, "that was looked at"
    assert all("another solution" not in one.what for one in proposer.proposals(best, NO_PRICE, 2))


def test_junctions_that_shifted_together_are_put_together_with_others_as_one(network: Network) -> None:
    a, b, c, *_ = (junction.id for junction in network.junctions)
    near = {junction.id: frozenset({junction.id}) for junction in network.junctions}
    proposer = replace(_proposer(network), near=near)
    shift, alone = _shift(network, (a, b), 4.0), _shift(network, (c,), 7.0)
    both = _shift(network, (b,), 2.0)
    tried = [
        (Candidate((shift,)), _delays(network, {a: 60.0, b: 90.0})),
        (Candidate((alone,)), _delays(network, {c: 70.0})),
        (Candidate((both,)), _delays(network, {b: 80.0})),
    ]
    joined = proposer.joined(_delays(network, {}), tried, [-0.01, -0.02, -0.01], NO_PRICE)
    assert [set(one.changes) for one in joined] == [{a, b, c}]
    assert {name: joined[0].changes[name] for name in (a, b)} == shift


def test_what_loses_much_in_all_is_not_put_together(network: Network) -> None:
    a, b, *_ = (junction.id for junction in network.junctions)
    tried = [
        (Candidate((_shift(network, (a,), 4.0),)), _delays(network, {a: 10.0})),
        (Candidate((_shift(network, (b,), 4.0),)), _delays(network, {b: 95.0})),
    ]
    joined = _proposer(network).joined(_delays(network, {}), tried, [0.5, -0.01], NO_PRICE)
    assert all(a not in one.changes for one in joined)


def test_what_a_place_holds_back_is_mended_at_its_own_junctions_towards_what_hurts(network: Network) -> None:
    junction = next(j for j in network.junctions if len(running_timings(network)[j.id].durations_s) > 2)
    hurt = junction.approaches[0].id
    held_back = (Candidate((_shift(network, (junction.id,), 4.0),)), Pressure({(junction.id, hurt): 1000.0}))
    served = {
        stage.id
        for stage in junction.stages
        if any(m.approach == hurt and m.group in stage.greens for m in junction.movements)
    }
    seconds = 0.0
    for seed in range(40):
        mended = _proposer(network, seed=seed).mended([held_back])
        assert mended, "half a batch"
        for one in mended:
            assert set(one.changes) == {junction.id}
            timing, what = one.changes[junction.id]
            assert what.startswith("later, ")
            before = dict(zip(timing.sequence.stages, running_timings(network)[junction.id].durations_s, strict=True))
            after = dict(zip(timing.sequence.stages, timing.durations_s, strict=True))
            seconds += sum(after[stage] - before[stage] for stage in served)
    assert seconds > 0, "what hurts gets more green than it loses"


def test_what_shows_the_same_is_tried_once_however_often_it_is_drawn(network: Network) -> None:
    """With one junction free to move, and that by offsets of few lengths, draws repeat each other."""
    fixed = frozenset(junction.id for junction in network.junctions[1:])
    proposer = replace(_proposer(network), freedom=replace(FREE, fixed_junctions=fixed), batch=200)
    found = proposer.proposals(_incumbent(network), NO_PRICE, 1)
    shown = [tuple((name, timing) for name, (timing, _) in sorted(one.changes.items())) for one in found]
    assert 1 < len(shown) < 200
    assert all(one not in shown[:i] for i, one in enumerate(shown))
