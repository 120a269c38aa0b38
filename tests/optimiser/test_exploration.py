"""Junctions one by one, here or shared out over processes."""

from __future__ import annotations

import os
import pickle

import pytest
from junctions import arterial, four_arm

import optimiser.exploration as exploration
from optimiser.demand import Demand, TurningFlow
from optimiser.errors import OptimiserError
from optimiser.evaluation import demands_of
from optimiser.exploration import explore
from optimiser.formulation.limits import requirements
from optimiser.rules import Rules
from optimiser.search import Search
from optimiser.settings import ModelSettings
from optimiser.stage_forms import sequence_form

CYCLES_S = (60.0, 90.0)


def search_of(workers: int) -> Search:
    """Three junctions on a street, their orders not yet offered."""
    network = arterial(3)
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=150.0 + 60.0 * n, served_veh_h=150.0 + 60.0 * n)
        for n, j in enumerate(network.junctions)
        for m in j.movements
    )
    demand, rules = Demand(begin_s=0, end_s=3600, turning_flows=flows), Rules()
    settings = ModelSettings(orders=2, most_generated=4)
    return Search(network, demands_of(network, demand, rules), rules, settings, None, None, workers)


def test_other_processes_give_the_same_answers_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration, "WORTH_SHARING", 1)
    here, there = search_of(1), search_of(2)
    explore(here, CYCLES_S)
    explore(there, CYCLES_S)
    assert there.forms == here.forms
    assert there.alone == here.alone
    assert [(e.what, e.rows, e.nodes) for e in there.log] == [(e.what, e.rows, e.nodes) for e in here.log]
    assert there.done == here.done == 3


def test_orders_that_are_known_are_not_offered_anew() -> None:
    search = search_of(1)
    explore(search, (60.0,))
    before, solves = dict(search.forms), len(search.log)
    explore(search, (90.0,))
    assert search.forms == before
    assert len(search.log) == solves + 3


def test_who_cancels_gets_what_is_known_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration, "WORTH_SHARING", 1)
    search = search_of(2)
    search.cancelled = lambda: True
    explore(search, CYCLES_S)
    assert set(search.forms) == {j.id for j in search.free}


def lost(junction: str, cycles_s: tuple[float, ...]) -> None:
    """What a process does that the system kills."""
    os._exit(9)


def test_a_lost_process_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration, "WORTH_SHARING", 1)
    monkeypatch.setattr(exploration, "_explored_there", lost)
    with pytest.raises(OptimiserError, match="fewer workers where memory is short"):
        explore(search_of(2), CYCLES_S)


def test_what_was_worked_out_of_a_form_stays_where_it_was() -> None:
    junction = four_arm()
    form = sequence_form(junction, junction.sequences[0])
    known = requirements(junction, form)
    assert requirements(junction, form) is known
    sent = pickle.loads(pickle.dumps(form))
    assert sent == form
    assert requirements(junction, sent) == known
