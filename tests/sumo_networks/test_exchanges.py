"""What other solutions have at a junction, taken over whole or at the cycle that the junction has."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimiser.signals import Junction
from sumo_networks.exchanges import at_cycle, exchanges
from sumo_networks.moves import Freedom, least_s
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario
from sumo_networks.timings import Timing, timing_of

FREE = Freedom(safe=lambda plan: True)
steady = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def junction(grid_scenario: Scenario) -> Junction:
    return read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped")).network.junction("B")


def _turned(timing: Timing) -> Timing:
    """The same cycle told from its second stage on: another order to a search, that of the same street."""
    sequence = timing.sequence
    turned = sequence.model_copy(
        update={
            "stages": (*sequence.stages[1:], sequence.stages[0]),
            "interstages": (*sequence.interstages[1:], sequence.interstages[0]),
        }
    )
    return Timing(turned, (*timing.durations_s[1:], timing.durations_s[0]), timing.start_s)


def _starts_s(timing: Timing) -> list[float]:
    """When each place of the order starts, after the epoch."""
    starts, at_s = [], timing.start_s
    for duration_s, change in zip(timing.durations_s, timing.sequence.interstages, strict=True):
        starts.append(at_s % timing.cycle_s)
        at_s += duration_s + change.duration_s
    return starts


def _lengthened(timing: Timing, by_s: Sequence[int]) -> Timing:
    durations_s = tuple(d + by for d, by in zip(timing.durations_s, by_s, strict=True))
    return Timing(timing.sequence, durations_s, timing.start_s)


def test_an_order_of_another_cycle_is_offered_at_the_cycle_of_the_junction_too(junction: Junction) -> None:
    timing = timing_of(junction.running)
    other = _lengthened(_turned(timing), [6, 0] if len(timing.durations_s) == 2 else [6] * len(timing.durations_s))
    found = exchanges(junction, timing, ({"B": other},), FREE)
    assert [move.what for move in found] == ["timing of another solution", "stages of another solution"]
    assert found[0].timing == other
    assert found[1].timing.cycle_s == timing.cycle_s
    assert found[1].timing.sequence == other.sequence


def test_another_timing_of_the_same_order_is_offered_once(junction: Junction) -> None:
    timing = timing_of(junction.running)
    other = _lengthened(timing, [6] * len(timing.durations_s))
    assert [move.what for move in exchanges(junction, timing, ({"B": other},), FREE)] == ["timing of another solution"]


@steady
@given(data=st.data())
def test_at_another_cycle_no_stage_is_shorter_than_it_may_be_and_the_longest_starts_when_it_did(
    junction: Junction, data: st.DataObject
) -> None:
    running = timing_of(junction.running)
    lengths = st.lists(st.integers(0, 40), min_size=len(running.durations_s), max_size=len(running.durations_s))
    shortest = tuple(least_s(junction, running, i) for i in range(len(running.durations_s)))
    base = Timing(running.sequence, shortest, float(data.draw(st.integers(0, 30))))
    kept = _lengthened(base, data.draw(lengths))
    other = _turned(_lengthened(base, data.draw(lengths)))
    fitted = at_cycle(junction, other, kept)
    assert fitted is not None and fitted.cycle_s == kept.cycle_s
    assert all(duration >= least_s(junction, fitted, i) for i, duration in enumerate(fitted.durations_s))
    longest = fitted.durations_s.index(max(fitted.durations_s))
    there = kept.sequence.stages.index(fitted.sequence.stages[longest])
    assert _starts_s(fitted)[longest] == pytest.approx(_starts_s(kept)[there])


def test_a_cycle_too_short_for_the_stages_takes_nothing_over(junction: Junction) -> None:
    running = timing_of(junction.running)
    too_short = Timing(running.sequence, (1.0,) * len(running.durations_s), 0.0)
    assert at_cycle(junction, running, too_short) is None
