"""Junctions one by one, here or shared out over processes."""

from __future__ import annotations

import os
import pickle

import pytest
from junctions import arterial, four_arm

from optimiser.crew import crew
from optimiser.demand import Demand, TurningFlow
from optimiser.errors import OptimiserError
from optimiser.evaluation import demands_of
from optimiser.exploration import explore
from optimiser.formulation.limits import requirements
from optimiser.network_offsets import coordinate, prepare
from optimiser.rules import Rules
from optimiser.search import Search
from optimiser.settings import ModelSettings
from optimiser.stage_forms import sequence_form

CYCLES_S = (60.0, 90.0)


def search_of() -> Search:
    """Three junctions on a street, their orders not yet offered."""
    network = arterial(3)
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=150.0 + 60.0 * n, served_veh_h=150.0 + 60.0 * n)
        for n, j in enumerate(network.junctions)
        for m in j.movements
    )
    demand, rules = Demand(begin_s=0, end_s=3600, turning_flows=flows), Rules()
    settings = ModelSettings(orders=2, most_generated=4)
    return Search(network, demands_of(network, demand, rules), rules, settings, None, None)


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
    assert there.done == here.done == 3


def test_orders_that_are_known_are_not_offered_anew() -> None:
    search = search_of()
    explore(search, (60.0,))
    before, solves = dict(search.forms), len(search.log)
    explore(search, (90.0,))
    assert search.forms == before
    assert len(search.log) == solves + 3


def test_who_cancels_gets_what_is_known_so_far() -> None:
    search = search_of()
    search.cancelled = lambda: True
    with crew(search, 2):
        explore(search, CYCLES_S)
    assert set(search.forms) == {j.id for j in search.free}


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
