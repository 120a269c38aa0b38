"""What the service answers in JSON: one model a thing, each with an example."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, JsonValue

from api import examples
from api.actors import Role
from api.envelope import Provenance
from api.jobs import JobState
from api.plans import Origin, PlanState
from api.verdicts import VerdictDocument
from optimiser.signals import NetworkPlan


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Health(_Out):
    """That the service is up, and which version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "version": "0.1.0"}]})

    status: str
    version: str


_KEY_OUT: dict[str, JsonValue] = {
    "id": examples.KEY_ID,
    "name": "cabinet Dostyk / Saraishyk",
    "role": "controller",
    "controller": examples.JUNCTION,
    "agency": None,
    "created_at": examples.AT,
    "created_by": "admin",
    "expires_at": None,
    "revoked_at": None,
}


class KeyOut(_Out):
    """A key as the service knows it: without its secret."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_KEY_OUT]})

    id: str
    name: str
    role: Role
    controller: str | None
    agency: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKeyOut(_Out):
    """A key just made. `key` is shown this once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": examples.KEY_ID, "key": f"jasyl_{examples.KEY_ID}_SECRET"}]}
    )

    id: str
    key: str


class ScenarioOut(_Out):
    """A scenario that the service knows."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": examples.SCENARIO_ID,
                    "name": "esil",
                    "zone": "Asia/Almaty",
                    "begin_s": 27000.0,
                    "end_s": 30600.0,
                    "network_hash": examples.NETWORK_HASH,
                    "created_at": examples.AT,
                    "created_by": "dana",
                }
            ]
        },
    )

    id: str
    name: str
    zone: str
    begin_s: float
    end_s: float
    network_hash: str
    created_at: datetime
    created_by: str


class JobOut(_Out):
    """A job and how far it is: `message` is the step it is at, or why it failed; `progress` the share of that step."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": examples.JOB_ID,
                    "scenario_id": examples.SCENARIO_ID,
                    "state": "done",
                    "progress": 1.0,
                    "message": "accepted",
                    "attempts": 1,
                    "plan_id": examples.PLAN.id,
                    "verdict_id": examples.VERDICT_ID,
                    "created_at": examples.AT,
                    "created_by": "dana",
                    "started_at": examples.AT,
                    "finished_at": "2026-03-02T06:31:00Z",
                }
            ]
        },
    )

    id: str
    scenario_id: str
    state: JobState
    progress: float
    message: str
    attempts: int
    plan_id: str | None
    verdict_id: str | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None


_SUMMARY: dict[str, JsonValue] = {
    "id": examples.PLAN.id,
    "state": "approved",
    "reason": f"on verdict {examples.VERDICT_ID}",
    "network_hash": examples.NETWORK_HASH,
    "scenario_id": examples.SCENARIO_ID,
    "job_id": examples.JOB_ID,
    "origin": "job",
    "created_at": examples.AT,
    "created_by": "dana",
    "approved_at": "2026-03-02T07:00:00Z",
    "approved_by": "aigerim",
    "approved_verdict_id": examples.VERDICT_ID,
}


class PlanSummary(_Out):
    """A plan without its content: where it is in its life, and who moved it there."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SUMMARY]})

    id: str
    state: PlanState
    reason: str
    network_hash: str
    scenario_id: str | None
    job_id: str | None
    origin: Origin
    created_at: datetime
    created_by: str
    approved_at: datetime | None
    approved_by: str | None
    approved_verdict_id: str | None


class PlanOut(PlanSummary):
    """A plan with its content and what it was made from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_SUMMARY,
                    "provenance": {
                        "demand_period": {"begin_s": 27000, "end_s": 30600, "zone": "Asia/Almaty"},
                        "solver": {"name": "HiGHS", "version": "1.16.0", "gap": 0.01},
                    },
                    "plan": examples.PLAN.model_dump(mode="json"),
                }
            ]
        }
    )

    provenance: Provenance
    plan: NetworkPlan


class PublicationOut(_Out):
    """One publication to one controller; the current one has no `superseded_at`."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "controller": examples.JUNCTION,
                    "sequence": 7,
                    "plan_id": examples.PLAN.id,
                    "verdict_id": examples.VERDICT_ID,
                    "published_at": "2026-03-02T07:05:00Z",
                    "published_by": "olzhas",
                    "superseded_at": None,
                }
            ]
        },
    )

    controller: str
    sequence: int
    plan_id: str
    verdict_id: str
    published_at: datetime
    published_by: str
    superseded_at: datetime | None


class VerdictSummary(_Out):
    """A verdict without its figures."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": examples.VERDICT_ID,
                    "plan_id": examples.PLAN.id,
                    "network_hash": examples.NETWORK_HASH,
                    "accepted": True,
                    "created_at": examples.AT,
                    "created_by": "dana",
                }
            ]
        },
    )

    id: str
    plan_id: str
    network_hash: str
    accepted: bool
    created_at: datetime
    created_by: str


_VERDICT_OUT: dict[str, JsonValue] = {
    "id": examples.VERDICT_ID,
    "plan_id": examples.PLAN.id,
    "network_hash": examples.NETWORK_HASH,
    "accepted": True,
    "created_at": examples.AT,
    "created_by": "dana",
}


class VerdictOut(VerdictSummary):
    """A verdict with everything in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_VERDICT_OUT,
                    "verdict": {
                        "accepted": True,
                        "reasons": ["Person delay falls by 21.3 % (18.1 to 24.5 %)."],
                        "seeds": [1, 2, 3, 4, 5],
                        "plan_id": examples.PLAN.id,
                        "network_hash": examples.NETWORK_HASH,
                        "baseline": {"person_delay_s": 61.0},
                        "candidate": {"person_delay_s": 48.0},
                    },
                }
            ]
        }
    )

    verdict: VerdictDocument


class FlowsOut(_Out):
    """Passenger flows of one job or import."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": examples.JOB_ID,
                    "scenario_id": examples.SCENARIO_ID,
                    "job_id": examples.JOB_ID,
                    "created_at": examples.AT,
                }
            ]
        },
    )

    id: str
    scenario_id: str | None
    job_id: str | None
    created_at: datetime


class AuditOut(_Out):
    """Who did what to what, and when."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 42,
                    "at": "2026-03-02T07:00:00Z",
                    "actor": "aigerim",
                    "role": "engineer",
                    "action": "approve_plan",
                    "subject": "plan",
                    "subject_id": examples.PLAN.id,
                    "from_state": "verified",
                    "to_state": "approved",
                    "detail": f"on verdict {examples.VERDICT_ID}",
                }
            ]
        },
    )

    id: int
    at: datetime
    actor: str
    role: str
    action: str
    subject: str
    subject_id: str
    from_state: str
    to_state: str
    detail: str
