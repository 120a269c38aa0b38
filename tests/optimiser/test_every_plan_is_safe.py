"""Whatever the junctions, demand, rules and formulation: a plan that keeps every rule, or named conflicts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from junctions import NETWORK_HASH, random_junctions

from optimiser.coordination import optimise
from optimiser.demand import Demand, TurningFlow
from optimiser.errors import InfeasibleError
from optimiser.formulation.names import FORMULATIONS
from optimiser.rule_tables import GroupRules, JunctionRules
from optimiser.rules import Rules
from optimiser.safety import check_network_against, check_network_plan
from optimiser.settings import ModelSettings
from optimiser.signals import Approach, GroupKind, Junction, Lane, Link, Movement, Network


def driven(junction: Junction, name: str) -> Junction:
    """The junction under a name, with a lane and a movement for each group that vehicles have."""
    groups = [g.id for g in junction.groups if g.kind is not GroupKind.PEDESTRIAN]
    lanes = tuple(
        Lane(id=f"{g}_lane", approach=f"{g}_road", length_m=200, saturation_veh_h=1800, movements=(f"{g}_ahead",))
        for g in groups
    )
    return junction.model_copy(
        update={
            "id": name,
            "running": junction.running.model_copy(update={"junction": name}),
            "lanes": lanes,
            "movements": tuple(
                Movement(
                    id=f"{g}_ahead",
                    approach=f"{g}_road",
                    exit=f"{g}_out",
                    group=g,
                    turn="through",
                    lanes=(f"{g}_lane",),
                )
                for g in groups
            ),
            "approaches": tuple(
                Approach(id=f"{g}_road", length_m=200, speed_m_s=13.9, storage_veh=25, lanes=(f"{g}_lane",))
                for g in groups
            ),
        }
    )


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Two or three random junctions in a ring, linked by movements of theirs."""
    junctions = tuple(driven(draw(random_junctions()), f"j{i}") for i in range(draw(st.integers(2, 3))))
    links = []
    for i, one in enumerate(junctions):
        other = junctions[(i + 1) % len(junctions)]
        if one.movements and other.movements:
            links.append(
                Link(
                    from_junction=one.id,
                    from_movement=draw(st.sampled_from(one.movements)).id,
                    to_junction=other.id,
                    to_approach=draw(st.sampled_from(other.movements)).approach,
                    length_m=200,
                    travel_time_s=float(draw(st.integers(5, 40))),
                    storage_veh=25,
                )
            )
    return Network(network_hash=NETWORK_HASH, junctions=junctions, links=tuple(links))


def rules_for(network: Network, draw: st.DrawFn) -> Rules:
    """A cycle that is named, and for some junctions a minimum green that is raised, a longest red, or a lock."""
    found = {}
    for junction in network.junctions:
        group = draw(st.sampled_from(junction.groups))
        limits = GroupRules(
            min_green_s=draw(st.sampled_from([None, group.min_green_s, group.min_green_s + 20])),
            max_red_s=draw(st.sampled_from([None, 35, 60])),
        )
        found[junction.id] = JunctionRules(groups={group.id: limits}, locked=draw(st.integers(0, 5)) == 0)
    return Rules(cycle_s=draw(st.sampled_from([60, 75, 100])), junctions=found)


@settings(max_examples=25)
@given(network=networks(), formulation=st.sampled_from(FORMULATIONS), data=st.data())
def test_every_plan_is_safe_or_the_conflict_is_named(network: Network, formulation: str, data: st.DataObject) -> None:
    derived = data.draw(st.booleans())
    rules = rules_for(network, data.draw).model_copy(update={"formulation": formulation, "derived_stages": derived})
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=q, served_veh_h=q)
        for j in network.junctions
        for m in j.movements
        if (q := float(data.draw(st.integers(0, 700)))) > 0
    )
    few = ModelSettings(orders=2, most_generated=3, common_cycles=1, starts=4)
    demand = Demand(begin_s=0, end_s=3600, turning_flows=flows)
    try:
        result = optimise(network, demand, rules, settings=few)
    except InfeasibleError as refused:
        assert refused.conflicts
        assert all(any(f"junction {j.id}" in text for j in network.junctions) for text in refused.conflicts)
        return
    for candidate in result.candidates:
        assert check_network_plan(candidate.plan) == ()
        assert check_network_against(candidate.plan, rules.apply(network)) == ()
