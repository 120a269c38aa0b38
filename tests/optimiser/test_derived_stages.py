"""Stages from the conflict graph: none unsafe, none known, none that takes a protected green away; and they can pay."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations

import pytest
from junctions import Draft, build, four_arm, tee

from optimiser.coordination import optimise
from optimiser.demand import Demand, TurningFlow
from optimiser.derived_sequences import derived_sequences, flow_ratio
from optimiser.derived_stages import MOST_CLIQUES, with_derived_stages
from optimiser.evaluation import demands_of
from optimiser.rules import Rules
from optimiser.safety import check_network_against, check_network_plan
from optimiser.settings import ModelSettings
from optimiser.signals import Junction, Network, Right, SignalGroup, Stage

DERIVED = Rules(derived_stages=True)


def network_of(junction: Junction) -> Network:
    return Network(network_hash=junction.running.network_hash, junctions=(junction,), links=())


def demand_of(junction: Junction, flows_veh_h: dict[str, float]) -> Demand:
    flows = tuple(
        TurningFlow(junction=junction.id, movement=m.id, flow_veh_h=q, served_veh_h=q)
        for m in junction.movements
        if (q := flows_veh_h.get(m.approach, 50.0))
    )
    return Demand(begin_s=0, end_s=3600, turning_flows=flows)


def derived(junction: Junction) -> list[Stage]:
    return [stage for stage in with_derived_stages(junction).stages if stage.id.startswith("derived")]


@pytest.mark.parametrize("junction", [four_arm(), tee()], ids=["four_arm", "tee"])
def test_groups_of_a_derived_stage_bear_each_other(junction: Junction) -> None:
    found = derived(junction)
    assert found
    conflicts = {frozenset((c.first, c.second)): c.yields for c in junction.conflicts}
    shown = {frozenset(pair) for stage in junction.stages for pair in combinations(stage.greens, 2)}
    for stage in found:
        for pair in combinations(stage.greens, 2):
            yields = conflicts.get(frozenset(pair))
            if yields is not None:
                assert yields, f"{pair} must never be green together"
                assert frozenset(pair) in shown, f"{pair} never are today"
                assert stage.greens[yields] is Right.PERMISSIVE


def test_nothing_more_could_be_green_in_a_derived_stage() -> None:
    junction = four_arm()
    apart = {frozenset((c.first, c.second)) for c in junction.conflicts}
    for stage in derived(junction):
        others = {group.id for group in junction.groups} - set(stage.greens)
        assert all(any(frozenset((other, green)) in apart for green in stage.greens) for other in others)


def test_a_stage_the_junction_has_is_not_derived_again_and_twice_is_as_once() -> None:
    junction = four_arm()
    once = with_derived_stages(junction)
    greens = [tuple(sorted(stage.greens.items())) for stage in once.stages]
    assert len(set(greens)) == len(greens)
    assert with_derived_stages(once) == once


def test_a_locked_junction_keeps_the_stages_it_has() -> None:
    junction = four_arm().model_copy(update={"locked": True})
    assert with_derived_stages(junction) == junction


def many_nodes(count: int = 7) -> Junction:
    """A controller over several nodes of three groups that never go together: 3 ** count cliques, more than are looked
    at."""
    names = [f"n{node}g{group}" for node in range(count) for group in range(3)]
    apart = tuple((f"n{n}g{a}", f"n{n}g{b}") for n in range(count) for a, b in ((0, 1), (0, 2), (1, 2)))
    stages = tuple({f"n{node}g{group}": Right.PROTECTED for node in range(count)} for group in range(3))
    return build(Draft("many", tuple(SignalGroup(id=name) for name in names), stages, (20, 20, 20), apart))


def test_more_stages_than_are_looked_at_are_the_same_ones_in_every_process() -> None:
    script = (
        "from test_derived_stages import many_nodes, derived\n"
        "print([sorted(stage.greens) for stage in derived(many_nodes())])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert MOST_CLIQUES < 3**7
    assert said[0] == said[1] != "[]\n"


def test_a_group_that_goes_unhindered_today_still_does_in_every_derived_sequence() -> None:
    junction = with_derived_stages(four_arm())
    demand = demands_of(network_of(junction), demand_of(junction, {"north": 500.0}), DERIVED)[junction.id]
    found = derived_sequences(demand, frozenset(), (), 12)
    assert found
    stages = {stage.id: stage for stage in junction.stages}
    for sequence in found:
        protected = {g for s in sequence.stages for g, right in stages[s].greens.items() if right is Right.PROTECTED}
        assert {f"{arm}_left" for arm in ("north", "east", "south", "west")} <= protected
        assert any(stage.startswith("derived") for stage in sequence.stages)


def test_one_arm_that_is_busy_alone_gets_a_stage_of_its_own_and_less_delay() -> None:
    junction = four_arm()
    network, demand = network_of(junction), demand_of(junction, {"north": 700.0})
    settings = ModelSettings(cycle_step_s=30.0, common_cycles=1, orders=6)
    plain = optimise(network, demand, Rules(), settings=settings)
    found = optimise(network, demand, DERIVED, settings=settings)
    assert found.objective < 0.98 * plain.objective
    used = {window.stage for window in found.plan.controllers[0].windows}
    assert any(stage.startswith("derived") for stage in used)
    assert check_network_plan(found.plan) == ()
    assert check_network_against(found.plan, DERIVED.apply(network)) == ()


def test_stages_that_serve_a_busy_group_longer_need_less_of_the_cycle() -> None:
    junction = with_derived_stages(four_arm())
    demand = demands_of(network_of(junction), demand_of(junction, {"north": 700.0}), DERIVED)[junction.id]
    running = [stage for stage in junction.stages if not stage.id.startswith("derived")]
    assert flow_ratio(demand, junction.stages) <= flow_ratio(demand, running) + 1e-9
