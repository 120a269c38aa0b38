"""The change from one controller plan to the next: it ends in step, keeps every limit, takes no longer than it may."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from junctions import JUNCTIONS, random_junctions, shifted, tee

from optimiser.safety import check_log
from optimiser.signals import ControllerPlan, GroupLimits, Junction, StageSequence
from optimiser.timeline import controller_plan, expand, sequence_start_s
from optimiser.transition_cycles import Method, TransitionLimits, stage_bounds, timed_stages, transition_cycles
from optimiser.transitions import Transition, TransitionError, bridge, signal_log_of, transition

METHODS: tuple[Method, ...] = ("shortest_way", "dwell", "add_only")


@st.composite
def changes(draw: st.DrawFn) -> tuple[Junction, ControllerPlan, ControllerPlan]:
    """A junction and two plans of it, with other stage durations, offsets, and cycle starts."""
    junction = draw(
        st.one_of(st.sampled_from(sorted(JUNCTIONS)).map(lambda name: JUNCTIONS[name]()), random_junctions())
    )
    plans = []
    for _ in range(2):
        longer = [draw(st.integers(0, 8)) for _ in junction.sequences[0].stages]
        lengths_s = (w.end_s - w.start_s for w in junction.running.windows)
        durations_s = tuple(length_s + more for length_s, more in zip(lengths_s, longer, strict=True))
        plan = controller_plan(junction, junction.sequences[0], durations_s, float(draw(st.integers(0, 200))))
        plans.append(shifted(plan, float(draw(st.integers(0, 60)))))
    return junction, plans[0], plans[1]


def change_of(
    junction: Junction, before: ControllerPlan, after: ControllerPlan, at_s: float, method: Method
) -> Transition | None:
    try:
        return transition(junction, before, after, at_s, method)
    except TransitionError:
        return None


@settings(max_examples=25)
@given(changes(), st.integers(0, 4000), st.sampled_from(METHODS))
def test_a_transition_ends_in_step_with_the_new_plan(
    change: tuple[Junction, ControllerPlan, ControllerPlan], at_s: int, method: Method
) -> None:
    junction, before, after = change
    found = change_of(junction, before, after, float(at_s), method)
    assume(found is not None)
    assert found is not None
    assert at_s <= found.leaves_s <= found.in_step_s
    starts_s = [
        (sequence_start_s(after) + window.start_s) % after.cycle_s
        for window in after.windows
        if window.stage == found.sequence.stages[0]
    ]
    assert any(abs((found.in_step_s - s + 0.5) % after.cycle_s - 0.5) < 1e-3 for s in starts_s)


@settings(max_examples=25)
@given(changes(), st.integers(0, 4000), st.sampled_from(METHODS))
def test_what_is_shown_from_the_old_plan_to_the_new_breaks_no_rule(
    change: tuple[Junction, ControllerPlan, ControllerPlan], at_s: int, method: Method
) -> None:
    junction, before, after = change
    found = change_of(junction, before, after, float(at_s), method)
    assume(found is not None)
    assert found is not None
    bridged = bridge(junction, before, after, found)
    assert check_log(signal_log_of(junction, bridged), after) == ()
    assert bridged.cycle_s == pytest.approx(before.cycle_s + found.seconds + after.cycle_s)


@settings(max_examples=25)
@given(changes(), st.integers(0, 200), st.sampled_from(METHODS))
def test_every_cycle_of_a_transition_lies_within_its_bounds(
    change: tuple[Junction, ControllerPlan, ControllerPlan], shift_s: int, method: Method
) -> None:
    junction, _, plan = change
    limits = TransitionLimits()
    timed = timed_stages(plan, 0, sequence_start_s(plan))
    bounds = stage_bounds(junction, timed, limits)
    cycles = transition_cycles(timed, bounds, float(shift_s), method)
    assume(cycles)
    assert cycles is not None
    lost_s = plan.cycle_s - sum(timed.durations_s)
    lengths_s = [sum(cycle) + lost_s for cycle in cycles]
    shift = sum(lengths_s) % plan.cycle_s
    assert min(abs(shift - shift_s % plan.cycle_s), plan.cycle_s - abs(shift - shift_s % plan.cycle_s)) < 1e-3
    for cycle, length_s in zip(cycles, lengths_s, strict=True):
        if method == "dwell":
            held = [i for i, d in enumerate(cycle) if d != timed.durations_s[i]]
            assert held in ([], [bounds.held])
        else:
            assert all(low - 1e-6 <= d for low, d in zip(bounds.least_s, cycle, strict=True))
            assert all(d <= high + 1e-6 for d, high in zip(cycle, bounds.most_s, strict=True))
            assert length_s <= plan.cycle_s * (1 + limits.longer_share) + 1e-6
            assert length_s >= plan.cycle_s * (1 - limits.shorter_share) - 1e-6
        if method != "shortest_way":
            assert length_s >= plan.cycle_s - 1e-6
        assert min(junction.min_cycle_s, plan.cycle_s) - 1e-6 <= length_s <= junction.max_cycle_s + 1e-6


@settings(max_examples=25)
@given(changes(), st.integers(0, 10_000))
def test_any_cycles_between_the_bounds_keep_every_limit_one_after_the_other(
    change: tuple[Junction, ControllerPlan, ControllerPlan], seed: int
) -> None:
    """What the bounds promise, and no gate looks after: also greens that begin in one cycle and end in the next."""
    junction, _, plan = change
    timed = timed_stages(plan, 0, 0.0)
    bounds = stage_bounds(junction, timed, TransitionLimits())
    random = Random(seed)
    cycles = [
        tuple(float(random.choice((low, high))) for low, high in zip(bounds.least_s, bounds.most_s, strict=True))
        for _ in range(4)
    ]
    joined = StageSequence(id="joined", stages=timed.sequence.stages * 4, interstages=timed.sequence.interstages * 4)
    timeline = expand(junction, joined, tuple(d for cycle in cycles for d in cycle))
    shown = plan.model_copy(update={"cycle_s": timeline.cycle_s, "greens": timeline.greens})
    assert check_log(signal_log_of(junction, shown), plan) == ()


@settings(max_examples=25)
@given(changes(), st.integers(0, 200))
def test_the_shortest_way_is_never_longer_than_adding_only(
    change: tuple[Junction, ControllerPlan, ControllerPlan], shift_s: int
) -> None:
    junction, _, plan = change
    timed = timed_stages(plan, 0, sequence_start_s(plan))
    bounds = stage_bounds(junction, timed, TransitionLimits())
    adding = transition_cycles(timed, bounds, float(shift_s), "add_only")
    shortest = transition_cycles(timed, bounds, float(shift_s), "shortest_way")
    assume(adding is not None)
    assert adding is not None and shortest is not None
    lost_s = plan.cycle_s - sum(timed.durations_s)
    assert sum(map(sum, shortest)) + len(shortest) * lost_s <= sum(map(sum, adding)) + len(adding) * lost_s


def test_most_changes_between_plans_of_one_stage_order_find_a_safe_way() -> None:
    junction = tee()
    slow = controller_plan(junction, junction.sequences[0], (20.0, 20.0, 14.0, 16.0), 11.0)
    for at_s in range(0, 300, 37):
        for method in METHODS:
            assert transition(junction, junction.running, slow, float(at_s), method) is not None


def test_a_plan_that_shows_the_same_needs_no_transition() -> None:
    junction = tee()
    assert transition(junction, junction.running, junction.running, 100.0) is None
    assert transition(junction, junction.running, shifted(junction.running, 0.0), 100.0) is None


def test_offsets_a_few_seconds_apart_take_one_cycle_and_far_ones_several() -> None:
    junction = tee()
    durations_s = tuple(w.end_s - w.start_s for w in junction.running.windows)
    near = controller_plan(junction, junction.sequences[0], durations_s, 3.0)
    far = controller_plan(junction, junction.sequences[0], durations_s, junction.running.cycle_s / 2)
    one = transition(junction, junction.running, near, 0.0, "shortest_way")
    several = transition(junction, junction.running, far, 0.0, "shortest_way")
    assert one is not None and several is not None
    assert len(one.cycles_s) == 1 and one.seconds == junction.running.cycle_s + 3
    assert len(several.cycles_s) > 1


def test_only_a_group_s_own_green_grows_where_its_red_is_at_its_greatest() -> None:
    free = tee()
    limits = {"south": GroupLimits(max_red_s=free.running.cycle_s - 13.0)}
    junction = free.model_copy(update={"limits": limits, "min_cycle_s": free.running.cycle_s})
    before = free.running.model_copy(update={"limits": limits})
    durations_s = tuple(w.end_s - w.start_s for w in before.windows)
    after = controller_plan(junction, junction.sequences[0], durations_s, 20.0).model_copy(update={"limits": limits})
    timed = timed_stages(after, 0, sequence_start_s(after))
    bounds = stage_bounds(junction, timed, TransitionLimits())
    assert bounds.least_s == timed.durations_s
    found = transition(junction, before, after, 0.0, "add_only")
    assert found is not None
    # Only the side road's own green may grow: every other stage is part of its red.
    assert all(cycle[:3] == timed.durations_s[:3] for cycle in transition_cycles(timed, bounds, 20.0, "add_only") or ())


def test_plans_without_a_common_stage_are_refused_with_the_junction_s_name() -> None:
    junction = tee()
    other = junction.running.model_copy(
        update={"windows": tuple(w.model_copy(update={"stage": f"other {w.stage}"}) for w in junction.running.windows)}
    )
    with pytest.raises(TransitionError, match="junction tee"):
        transition(junction, junction.running, other.model_copy(update={"cycle_s": 200.0}), 0.0)
