"""However plans are moved about, none gets to the street unless it is safe, proved and approved."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from service_bench import JUNCTIONS, SETUP, TurnedClock, read_facts, verdict_on
from sqlalchemy import select

from api import examples
from api.actors import Actor, Role
from api.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    IllegalMoveError,
    NotFoundError,
    NotVerifiedError,
    UnsafePlanError,
)
from api.plans import LEGAL_MOVES, Origin, PlanState, approve_plan, record_verdict, register_plan, reject_plan
from api.publication import default_validity, publish_plan
from api.scenarios import register_scenario
from api.signing import open_signer
from api.store import AuditRow, ControllerPlanRow, PlanRow, Store, VerdictRow
from api.verdicts import VerdictDocument
from optimiser.rules import Rules
from optimiser.safety import check_network_plan

SAFE = (
    examples.network_plan(("a", "b")),
    examples.network_plan(("b", "c"), main_green_s=36.0),
    examples.network_plan(JUNCTIONS, main_green_s=40.0),
)
UNSAFE = examples.network_plan(("a",), main_green_s=2.0)
PLANS = (*SAFE, UNSAFE)
WHICH = st.integers(0, len(PLANS) - 1)
ROLES = st.sampled_from((Role.OPERATOR, Role.ENGINEER, Role.ENGINEER))


class LifeOfPlans(RuleBasedStateMachine):
    """Draws acts in any order, keeps a model of what must be, and compares after each."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="jasyl-life-")
        place = Path(self.folder.name)
        self.clock = TurnedClock()
        self.store = Store(f"sqlite:///{place / 'store.sqlite3'}")
        self.signer = open_signer(place / "keys.json", self.clock())
        scenario = register_scenario(
            self.store, "small", place, Rules(), read=read_facts, actor=SETUP, now=self.clock()
        )
        self.scenario_id = scenario.id
        self.state: dict[str, PlanState] = {}
        self.accepted: dict[str, bool] = {}
        self.running: dict[str, str] = {}
        self.sequence = dict.fromkeys(JUNCTIONS, 0)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(which=WHICH)
    def offer(self, which: int) -> None:
        plan = PLANS[which]
        self.clock.turn(seconds=1)
        try:
            register_plan(
                self.store,
                plan,
                scenario_id=self.scenario_id,
                origin=Origin.UPLOAD,
                actor=SETUP,
                now=self.clock(),
            )
        except UnsafePlanError:
            assert plan is UNSAFE
            self.state[plan.id] = PlanState.REJECTED
        except ConflictError:
            assert self.state[plan.id] is PlanState.REJECTED
        else:
            assert plan is not UNSAFE
            self.state.setdefault(plan.id, PlanState.DRAFT)

    @rule(which=WHICH, accepted=st.booleans(), seed=st.integers(1, 998))
    def prove(self, which: int, accepted: bool, seed: int) -> None:
        plan = PLANS[which]
        document = VerdictDocument.model_validate(verdict_on(plan, accepted, seed))
        self.clock.turn(seconds=1)
        with self.store.read() as session:
            known = {row.content for row in session.scalars(select(VerdictRow))}
        try:
            record_verdict(self.store, document, actor=SETUP, now=self.clock())
        except NotFoundError:
            assert plan.id not in self.state
            return
        with self.store.read() as session:
            new = {row.content for row in session.scalars(select(VerdictRow))} - known
        if not new:
            return
        self.accepted[plan.id] = accepted
        before = self.state[plan.id]
        if accepted and before is PlanState.DRAFT:
            self.state[plan.id] = PlanState.VERIFIED
        if not accepted and before in (PlanState.VERIFIED, PlanState.APPROVED):
            self.state[plan.id] = PlanState.DRAFT

    @rule(which=WHICH, role=ROLES)
    def approve(self, which: int, role: Role) -> None:
        plan_id = PLANS[which].id
        before = self.state.get(plan_id)
        self.clock.turn(seconds=1)
        try:
            approve_plan(self.store, plan_id, actor=Actor("someone", role), now=self.clock())
        except ApiError as error:
            assert not self._may_approve(plan_id, role), error
        else:
            assert before in (PlanState.VERIFIED, PlanState.SUPERSEDED)
            assert self._may_approve(plan_id, role)
            self.state[plan_id] = PlanState.APPROVED

    def _may_approve(self, plan_id: str, role: Role) -> bool:
        return (
            role is Role.ENGINEER
            and self.state.get(plan_id) in (PlanState.VERIFIED, PlanState.SUPERSEDED)
            and self.accepted.get(plan_id, False)
        )

    @rule(which=WHICH, role=ROLES)
    def reject(self, which: int, role: Role) -> None:
        plan_id = PLANS[which].id
        before = self.state.get(plan_id)
        self.clock.turn(seconds=1)
        try:
            reject_plan(self.store, plan_id, "no", actor=Actor("someone", role), now=self.clock())
        except (NotFoundError, IllegalMoveError):
            assert before is None or PlanState.REJECTED not in LEGAL_MOVES[before]
        except ForbiddenError:
            assert role is Role.OPERATOR
        else:
            self.state[plan_id] = PlanState.REJECTED

    @rule(which=WHICH, role=ROLES)
    def publish(self, which: int, role: Role) -> None:
        plan = PLANS[which]
        self.clock.turn(seconds=1)
        validity = default_validity(self.clock(), 30, "UTC")
        may = self.state.get(plan.id) is PlanState.APPROVED and self.accepted.get(plan.id, False)
        try:
            publish_plan(
                self.store, plan.id, validity, signer=self.signer, actor=Actor("someone", role), now=self.clock()
            )
        except (NotFoundError, IllegalMoveError, NotVerifiedError, UnsafePlanError):
            assert not may
            return
        assert may
        assert plan is not UNSAFE
        former = set(self.running.values())
        for controller in plan.controllers:
            self.running[controller.junction] = plan.id
            self.sequence[controller.junction] += 1
        self.state[plan.id] = PlanState.ACTIVE
        for plan_id in former - set(self.running.values()):
            self.state[plan_id] = PlanState.SUPERSEDED

    @invariant()
    def the_store_says_what_must_be(self) -> None:
        with self.store.read() as session:
            assert {row.id: row.state for row in session.scalars(select(PlanRow))} == self.state
            current = session.scalars(select(ControllerPlanRow).where(ControllerPlanRow.superseded_at.is_(None)))
            assert {row.controller: row.plan_id for row in current} == self.running
            for junction in JUNCTIONS:
                rows = session.scalars(
                    select(ControllerPlanRow)
                    .where(ControllerPlanRow.controller == junction)
                    .order_by(ControllerPlanRow.id)
                )
                assert [row.sequence for row in rows] == list(range(1, self.sequence[junction] + 1))

    @invariant()
    def every_way_in_the_audit_is_legal(self) -> None:
        with self.store.read() as session:
            rows = session.scalars(select(AuditRow).where(AuditRow.subject == "plan").order_by(AuditRow.id)).all()
        at: dict[str, str] = {}
        for row in rows:
            if row.action == "refuse_plan":
                continue
            assert at.get(row.subject_id, "") == row.from_state
            if row.from_state:
                assert row.to_state in LEGAL_MOVES[PlanState(row.from_state)]
            assert row.actor
            at[row.subject_id] = row.to_state

    @invariant()
    def nothing_unsafe_is_on_the_street(self) -> None:
        for plan_id in self.running.values():
            assert not check_network_plan(next(plan for plan in PLANS if plan.id == plan_id))


LifeOfPlans.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestLifeOfPlans = LifeOfPlans.TestCase


def test_an_unsafe_plan_is_in_fact_unsafe() -> None:
    assert check_network_plan(UNSAFE)
    assert not any(check_network_plan(plan) for plan in SAFE)
