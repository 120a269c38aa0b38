"""Junctions one by one, here or shared out over processes."""

from __future__ import annotations

import os
import pickle
from contextlib import nullcontext
from itertools import pairwise
from time import sleep

import pytest
from junctions import NETWORK_HASH, arterial, four_arm
from test_webster import crossing

from optimiser import coordination
from optimiser.crew import crew
from optimiser.demand import Demand, PedestrianFlow, TurningFlow
from optimiser.errors import OptimiserError
from optimiser.evaluation import demands_of
from optimiser.exploration import explore
from optimiser.formulation.limits import requirements
from optimiser.formulation.names import CYCLIC_OFFSETS
from optimiser.network_offsets import coordinate, prepare
from optimiser.offered import candidate_cycles_s
from optimiser.rule_tables import Weights
from optimiser.rules import Rules
from optimiser.search import Search
from optimiser.settings import ModelSettings
from optimiser.signals import GroupKind, Network
from optimiser.stage_forms import sequence_form

SETTINGS = ModelSettings(cycle_step_s=30.0, orders=2, most_generated=4)
CYCLES_S = (60.0, 90.0)


def demand_of(network: Network, walkers: tuple[PedestrianFlow, ...] = ()) -> Demand:
    """More on every movement from junction to junction."""
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=150.0 + 60.0 * n, served_veh_h=150.0 + 60.0 * n)
        for n, j in enumerate(network.junctions)
        for m in j.movements
    )
    return Demand(begin_s=0, end_s=3600, turning_flows=flows, pedestrian_flows=walkers)


def search_of() -> Search:
    """Three junctions on a street, their orders not yet offered."""
    network, rules = arterial(3), Rules()
    return Search(network, demands_of(network, demand_of(network), rules), rules, SETTINGS, None, None)


def test_a_crew_gives_the_same_answers_in_the_same_order() -> None:
    here, there = search_of(), search_of()
    plans = []
    explore(here, CYCLES_S)
    plans.append(coordinate(here, *prepare(here, 60, [j.id for j in here.free])))
    with crew(there, 2):
        explore(there, CYCLES_S)
        plans.append(coordinate(there, *prepare(there, 60, [j.id for j in there.free])))
    assert there.forms == here.forms
    assert there.alone == here.alone
    assert plans[0] == plans[1]
    assert [(e.what, e.rows, e.nodes) for e in there.log] == [(e.what, e.rows, e.nodes) for e in here.log]
    assert there.done == here.done


def test_orders_that_are_known_are_not_offered_anew() -> None:
    search = search_of()
    explore(search, (60.0,))
    before, solves = dict(search.forms), len(search.log)
    explore(search, (90.0,))
    assert search.forms == before
    assert len(search.log) == solves + 3


def told(search: Search, part: int) -> bool:
    """Whether the search was stopped when a short part of it was begun."""
    sleep(0.05)
    return search.stopped()


def test_who_cancels_while_answers_come_fast_is_heard() -> None:
    search = search_of()
    heard = []
    search.cancelled = lambda: len(heard) > 3
    with crew(search, 2):
        for answer in search.each(told, range(60)):
            heard.append(answer)
    assert not heard[0]
    assert heard[-1]


def test_who_cancels_at_once_has_nothing_solved() -> None:
    for helped in (False, True):
        search = search_of()
        search.cancelled = lambda: True
        with crew(search, 2) if helped else nullcontext():
            explore(search, CYCLES_S)
        assert search.alone == {}
        assert search.log == []


def test_a_plan_does_not_depend_on_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordination, "WORTH_A_CREW", 1)
    network, rules = arterial(3), Rules(formulation=CYCLIC_OFFSETS)
    demand = demand_of(network)
    here, there = (coordination.optimise(network, demand, rules, settings=SETTINGS, workers=n) for n in (1, 2))
    assert there.plan == here.plan
    assert (there.bound, there.nodes, len(there.log)) == (here.bound, here.nodes, len(here.log))


def test_people_who_count_for_nothing_are_no_error() -> None:
    network = arterial(3)
    crossings = [(j.id, g.id) for j in network.junctions for g in j.groups if g.kind is GroupKind.PEDESTRIAN]
    walkers = tuple(PedestrianFlow(junction=j, group=group, flow_pax_h=100.0) for j, group in crossings)
    rules = Rules(formulation=CYCLIC_OFFSETS, weights=Weights(pedestrian=0.0))
    assert crossings
    assert coordination.optimise(network, demand_of(network, walkers), rules, settings=SETTINGS).objective > 0


def test_every_junction_is_in_one_set_and_no_two_neighbours_are() -> None:
    search = search_of()
    explore(search, (60.0,))
    streets, _ = prepare(search, 60, [j.id for j in search.free])
    assert sorted(j for members in streets.apart for j in members) == sorted(streets.cases)
    assert not [ends for ends in streets.between for members in streets.apart if set(ends) <= set(members)]
    assert len(streets.apart) == 2


def lost(search: Search, part: int) -> None:
    """What a process does that the system kills."""
    os._exit(9)


def test_a_lost_process_is_one_clear_sentence() -> None:
    search = search_of()
    with crew(search, 2), pytest.raises(OptimiserError, match="fewer workers where memory is short"):
        list(search.each(lost, [1, 2]))


def test_what_was_worked_out_of_a_form_stays_where_it_was() -> None:
    junction = four_arm()
    form = sequence_form(junction, junction.sequences[0])
    known = requirements(junction, form)
    assert requirements(junction, form) is known
    sent = pickle.loads(pickle.dumps(form))
    assert sent == form
    assert requirements(junction, sent) == known


def test_cycles_to_try_lie_wider_apart_the_longer_they_are() -> None:
    network = Network(
        network_hash=NETWORK_HASH, junctions=(crossing().model_copy(update={"max_cycle_s": 816.0}),), links=()
    )
    cycles = candidate_cycles_s(network, ["crossing"], Rules(), ModelSettings())
    gaps = [after - before for before, after in pairwise(cycles) if before >= 60]
    assert cycles[-1] > 780 and len(cycles) < 45
    assert gaps[:14] == [10.0] * 14 and gaps == sorted(gaps)
