"""A plan takes the street at once or not at all, whoever else tries and whatever happens."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from service_bench import Bench, verdict_on
from sqlalchemy import select, update

from api import examples
from api.actors import Actor, Role
from api.errors import AlteredPlanError, ApiError, ConflictError, IllegalMoveError, NotVerifiedError
from api.plans import Origin, approve_plan, record_verdict, register_plan
from api.publication import default_validity, publish_plan
from api.scenarios import ScenarioFacts, register_scenario
from api.store import AuditRow, ControllerPlanRow, PlanRow, Store
from api.verdicts import VerdictDocument
from optimiser.rules import Rules
from optimiser.signals import NetworkPlan, Priority

ENGINEER = Actor("aigerim", Role.ENGINEER)
LINE = Actor("line", Role.OPERATOR)
OTHER = "0" * 32


def verified(bench: Bench, plan: NetworkPlan) -> None:
    bench.offer(plan)
    record_verdict(bench.store, VerdictDocument.model_validate(verdict_on(plan)), actor=LINE, now=bench.clock())


def approved(bench: Bench, plan: NetworkPlan) -> None:
    verified(bench, plan)
    approve_plan(bench.store, plan.id, actor=ENGINEER, now=bench.clock())


def publish(bench: Bench, plan: NetworkPlan) -> None:
    validity = default_validity(bench.clock(), 30, "UTC")
    publish_plan(bench.store, plan.id, validity, signer=bench.service.signer, actor=ENGINEER, now=bench.clock())


def approved_for_another_network(bench: Bench, names: tuple[str, ...]) -> NetworkPlan:
    """A plan that is approved for junctions of another scenario, whose network has the hash OTHER."""

    def read(path: Path, rules: Rules) -> ScenarioFacts:
        return ScenarioFacts(examples.network(names, OTHER), "UTC", 0.0, 3600.0)

    plan, now = examples.network_plan(names, network_hash=OTHER), bench.clock()
    scenario = register_scenario(bench.store, "other", Path("other"), Rules(), read=read, actor=ENGINEER, now=now)
    register_plan(bench.store, plan, scenario_id=scenario.id, origin=Origin.UPLOAD, actor=LINE, now=now)
    record_verdict(bench.store, VerdictDocument.model_validate(verdict_on(plan)), actor=LINE, now=now)
    approve_plan(bench.store, plan.id, actor=ENGINEER, now=now)
    return plan


def states(store: Store) -> dict[str, str]:
    with store.read() as session:
        return {row.id: row.state for row in session.scalars(select(PlanRow))}


def current(store: Store) -> dict[str, tuple[str, int]]:
    with store.read() as session:
        rows = session.scalars(select(ControllerPlanRow).where(ControllerPlanRow.superseded_at.is_(None)))
        return {row.controller: (row.plan_id, row.sequence) for row in rows}


def at_once(*acts: Callable[[], object]) -> list[ApiError | None]:
    """What each act ended with when all begin at the same time."""
    start = threading.Barrier(len(acts))
    ended: list[ApiError | None] = [None] * len(acts)

    def run(place: int, act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except ApiError as error:
            ended[place] = error

    threads = [threading.Thread(target=run, args=(i, act)) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def test_a_former_plan_is_superseded_once_no_junction_runs_it(bench: Bench) -> None:
    first = examples.network_plan(("a", "b"), 30)
    second = examples.network_plan(("b",), 32)
    third = examples.network_plan(("a",), 34)
    for plan in (first, second, third):
        approved(bench, plan)
        publish(bench, plan)
        if plan is second:
            assert states(bench.store)[first.id] == "active"
    assert states(bench.store) == {first.id: "superseded", second.id: "active", third.id: "active"}
    assert current(bench.store) == {"a": (third.id, 2), "b": (second.id, 2)}


def test_a_superseded_plan_comes_back_by_a_new_approval_with_a_new_sequence(bench: Bench) -> None:
    first, second = examples.network_plan(("a",), 30), examples.network_plan(("a",), 34)
    for plan in (first, second):
        approved(bench, plan)
        publish(bench, plan)
    with pytest.raises(IllegalMoveError, match="superseded"):
        publish(bench, first)
    approve_plan(bench.store, first.id, actor=ENGINEER, now=bench.clock())
    publish(bench, first)
    assert current(bench.store) == {"a": (first.id, 3)}


def test_a_controller_gets_no_plan_of_another_network_unless_its_own_has_been_changed(bench: Bench) -> None:
    running = examples.network_plan(("a", "b"))
    approved(bench, running)
    publish(bench, running)
    headers = bench.headers()
    namesake = approved_for_another_network(bench, ("b", "c"))
    path = f"/v1/plans/{namesake.id}/publish"
    refused = bench.client.post(path, json={}, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:jasyl:problem:other-network")
    assert "Controller b runs plan" in refused.json()["detail"] and OTHER in refused.json()["detail"]
    assert current(bench.store) == {"a": (running.id, 1), "b": (running.id, 1)}
    assert states(bench.store)[namesake.id] == "approved"
    assert bench.client.post(path, json={"new_network": True}, headers=headers).status_code == 200
    assert current(bench.store) == {"a": (running.id, 1), "b": (namesake.id, 2), "c": (namesake.id, 1)}


def test_of_two_who_approve_or_publish_the_same_plan_one_wins(bench: Bench) -> None:
    plan = examples.network_plan(("a", "b"))
    verified(bench, plan)
    acts = (lambda: approve_plan(bench.store, plan.id, actor=ENGINEER, now=bench.clock()),) * 2
    assert sorted(type(error).__name__ for error in at_once(*acts)) == ["IllegalMoveError", "NoneType"]
    ended = at_once(lambda: publish(bench, plan), lambda: publish(bench, plan))
    assert sorted(type(error).__name__ for error in ended) == ["IllegalMoveError", "NoneType"]
    assert current(bench.store) == {"a": (plan.id, 1), "b": (plan.id, 1)}


def test_two_plans_published_at_once_leave_one_current_a_junction(bench: Bench) -> None:
    first, second = examples.network_plan(("a", "b"), 30), examples.network_plan(("a", "b"), 34)
    approved(bench, first)
    approved(bench, second)
    assert at_once(lambda: publish(bench, first), lambda: publish(bench, second)) == [None, None]
    now = current(bench.store)
    assert {sequence for _, sequence in now.values()} == {2}
    winner = {plan_id for plan_id, _ in now.values()}
    assert len(winner) == 1
    assert sorted(states(bench.store).values()) == ["active", "superseded"]
    assert states(bench.store)[winner.pop()] == "active"


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from api.actors import Actor, Role
from api.publication import default_validity, publish_plan
from api.signing import open_signer
from api.store import Store

now = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
signer = open_signer(Path(sys.argv[2]), now)
signed = 0

class Dies:
    def sign(self, payload):
        global signed
        signed += 1
        if signed == 2:
            os._exit(9)
        return signer.sign(payload)

publish_plan(Store(sys.argv[1]), sys.argv[3], default_validity(now, 30, "UTC"), signer=Dies(),
             actor=Actor("x", Role.ENGINEER), now=now)
"""


def test_a_service_killed_while_it_publishes_has_published_nothing_and_can_do_it_again(bench: Bench) -> None:
    former, plan = examples.network_plan(("a", "b"), 30), examples.network_plan(("a", "b"), 34)
    approved(bench, former)
    publish(bench, former)
    approved(bench, plan)
    arguments = (bench.settings.database, str(bench.settings.signing_keys), plan.id)
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    assert states(bench.store) == {former.id: "active", plan.id: "approved"}
    assert current(bench.store) == {"a": (former.id, 1), "b": (former.id, 1)}
    publish(bench, plan)
    assert current(bench.store) == {"a": (plan.id, 2), "b": (plan.id, 2)}


def test_a_verdict_that_refuses_after_the_approval_stops_the_publication(bench: Bench) -> None:
    plan = examples.network_plan(("a",))
    approved(bench, plan)
    refusing = VerdictDocument.model_validate(verdict_on(plan, accepted=False, seed=7))
    record_verdict(bench.store, refusing, actor=LINE, now=bench.clock())
    with pytest.raises(IllegalMoveError, match="draft"):
        publish(bench, plan)
    with bench.store.write() as session:
        session.execute(update(PlanRow).values(state="approved"))
    with pytest.raises(NotVerifiedError, match="does not accept"):
        publish(bench, plan)


def test_a_verdict_that_refuses_once_more_counts_again_and_one_that_accepts_does_not(bench: Bench) -> None:
    plan = examples.network_plan(("a",))
    refusing, accepting = (
        VerdictDocument.model_validate(verdict_on(plan, said, seed)) for said, seed in ((False, 1), (True, 3))
    )
    bench.offer(plan)
    for document, state in ((refusing, "draft"), (accepting, "verified"), (refusing, "draft"), (accepting, "draft")):
        record_verdict(bench.store, document, actor=LINE, now=bench.clock())
        assert states(bench.store) == {plan.id: state}
    with pytest.raises(IllegalMoveError):
        approve_plan(bench.store, plan.id, actor=ENGINEER, now=bench.clock())
    verdicts = bench.client.get("/v1/verdicts", headers=bench.headers()).json()
    assert [verdict["accepted"] for verdict in verdicts] == [False, True]


def test_a_plan_with_bus_priority_needs_a_verdict_in_whose_runs_that_priority_ran(bench: Bench) -> None:
    bare = examples.network_plan(("a", "b"))
    priority = Priority(max_extension_s=8, lines=("10",))
    first = bare.controllers[0].model_copy(update={"priority": priority})
    plan = bare.model_copy(update={"controllers": (first, *bare.controllers[1:])})
    verified(bench, plan)
    with pytest.raises(NotVerifiedError, match="without the bus priority of junction a running"):
        approve_plan(bench.store, plan.id, actor=ENGINEER, now=bench.clock())
    with_it = VerdictDocument.model_validate({**verdict_on(plan, seed=3), "priority_junctions": ["a"]})
    record_verdict(bench.store, with_it, actor=LINE, now=bench.clock())
    approve_plan(bench.store, plan.id, actor=ENGINEER, now=bench.clock())
    publish(bench, plan)
    assert current(bench.store) == {"a": (plan.id, 1), "b": (plan.id, 1)}


def test_a_plan_altered_in_the_database_is_neither_approved_nor_published(bench: Bench) -> None:
    plan = examples.network_plan(("a",))
    verified(bench, plan)
    longer = plan.controllers[0].model_copy(update={"cycle_s": 61.0})
    altered = plan.model_copy(update={"controllers": (longer,)})
    with bench.store.write() as session:
        session.execute(update(PlanRow).values(content=altered.model_dump_json()))
    with pytest.raises(AlteredPlanError):
        approve_plan(bench.store, plan.id, actor=ENGINEER, now=bench.clock())


def test_an_envelope_altered_in_the_database_is_not_served(bench: Bench) -> None:
    plan = examples.network_plan(("a",))
    approved(bench, plan)
    publish(bench, plan)
    with bench.store.write() as session:
        row = session.scalars(select(ControllerPlanRow)).one()
        head, payload, signature = row.envelope.split(".")
        other = "A" if payload[20] != "A" else "B"
        row.envelope = f"{head}.{payload[:20]}{other}{payload[21:]}.{signature}"
    answer = bench.client.get("/v1/controllers/a/plan", headers=bench.headers(Role.CONTROLLER))
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:jasyl:problem:altered-content"


def test_a_plan_that_keeps_every_shipped_program_has_nothing_to_publish(bench: Bench) -> None:
    plan = NetworkPlan(network_hash=examples.NETWORK_HASH, profile="rilsa", controllers=())
    approved(bench, plan)
    with pytest.raises(ConflictError, match="holds no controller"):
        publish(bench, plan)
    assert states(bench.store)[plan.id] == "approved"


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_the_audit_cannot_be_changed(bench: Bench, statement: str) -> None:
    bench.offer(examples.network_plan(("a",)))
    by_hand = sqlite3.connect(bench.settings.folder / "jasyl.sqlite3")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        by_hand.execute(statement)
    by_hand.close()
    with bench.store.read() as session:
        assert len(session.scalars(select(AuditRow)).all()) >= 3


def test_the_audit_tells_who_brought_a_plan_to_the_street(bench: Bench) -> None:
    plan = examples.network_plan(("a",))
    approved(bench, plan)
    bench.clock.turn(minutes=5)
    publish(bench, plan)
    told = bench.client.get(
        "/v1/audit", params={"subject": "plan", "subject_id": plan.id}, headers=bench.headers()
    ).json()
    assert [(e["from_state"], e["to_state"], e["actor"], e["at"][11:16]) for e in told] == [
        ("", "draft", "test engineer", "06:00"),
        ("draft", "verified", "line", "06:00"),
        ("verified", "approved", "aigerim", "06:00"),
        ("approved", "active", "aigerim", "06:05"),
    ]
