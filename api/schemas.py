"""What goes over HTTP in JSON: one model a thing, each with an example."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from api import examples
from api.actors import Role
from api.envelope import Day, Provenance, TimeWindow
from api.flows import FlowsTable
from api.jobs import JobKind, JobState
from api.plans import Origin, PlanState
from api.verdicts import VerdictDocument
from optimiser.signals import NetworkPlan

_AT = "2026-03-02T06:15:00Z"
_PLAN = examples.network_plan()
_VERDICT = "9d3c5b7a1e2f40618293a4b5c6d7e8f9"
_SCENARIO = "1f2e3d4c5b6a79880716253443526170"
_JOB = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
_KEY = "c0ffee0123456789"

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Health(_Out):
    """That the service is up, and which version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "version": "0.1.0"}]})

    status: str
    version: str


class KeyIn(_In):
    """A key to be made. `controller` for the role controller alone; the role admin is given on the command line."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "cabinet Dostyk / Saraishyk", "role": "controller", "controller": examples.JUNCTION}]
        },
    )

    name: Name
    role: Role
    controller: Name | None = None
    expires_at: AwareDatetime | None = None


_KEY_OUT: dict[str, JsonValue] = {
    "id": _KEY,
    "name": "cabinet Dostyk / Saraishyk",
    "role": "controller",
    "controller": examples.JUNCTION,
    "created_at": _AT,
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
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKeyOut(_Out):
    """A key just made. `key` is shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": _KEY, "key": f"jasyl_{_KEY}_SECRET"}]})

    id: str
    key: str


class ScenarioIn(_In):
    """A scenario folder or .sumocfg within the scenarios folder of the service."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "esil", "path": "esil", "profile": "cis"}]}
    )

    name: Name
    path: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    profile: str | None = Field(default=None, description="National profile (rilsa, mutcd, cis); else the service's.")


class ScenarioOut(_Out):
    """A scenario that the service knows."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": _SCENARIO,
                    "name": "esil",
                    "profile": "cis",
                    "zone": "Asia/Almaty",
                    "begin_s": 27000.0,
                    "end_s": 30600.0,
                    "network_hash": examples.NETWORK_HASH,
                    "created_at": _AT,
                    "created_by": "dana",
                }
            ]
        },
    )

    id: str
    name: str
    profile: str
    zone: str
    begin_s: float
    end_s: float
    network_hash: str
    created_at: datetime
    created_by: str


class JobIn(_In):
    """An order: the whole line on a scenario (`run`), or the proof of a plan that is here already (`verify`)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "run", "scenario_id": _SCENARIO, "seeds": [1, 2, 3, 4, 5]}]},
    )

    kind: JobKind = JobKind.RUN
    scenario_id: str
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(
        default=(1, 2, 3, 4, 5), min_length=1, max_length=100
    )
    begin_s: float | None = Field(default=None, ge=0, le=200_000)
    end_s: float | None = Field(default=None, ge=0, le=200_000)
    plan_id: str | None = None


class JobOut(_Out):
    """A job and how far it is: `progress` from 0 to 1, `message` what it does or why it failed."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": _JOB,
                    "scenario_id": _SCENARIO,
                    "state": "done",
                    "progress": 1.0,
                    "message": "accepted",
                    "attempts": 1,
                    "plan_id": _PLAN.id,
                    "verdict_id": _VERDICT,
                    "created_at": _AT,
                    "created_by": "dana",
                    "started_at": _AT,
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
    "id": _PLAN.id,
    "state": "approved",
    "reason": f"on verdict {_VERDICT}",
    "network_hash": examples.NETWORK_HASH,
    "scenario_id": _SCENARIO,
    "job_id": _JOB,
    "origin": "job",
    "created_at": _AT,
    "created_by": "dana",
    "approved_at": "2026-03-02T07:00:00Z",
    "approved_by": "aigerim",
    "approved_verdict_id": _VERDICT,
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
                    "plan": _PLAN.model_dump(mode="json"),
                }
            ]
        }
    )

    provenance: Provenance
    plan: NetworkPlan


class PlanIn(_In):
    """A plan, and the scenario whose network it is for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"scenario_id": _SCENARIO, "plan": _PLAN.model_dump(mode="json")}]},
    )

    scenario_id: str
    plan: NetworkPlan


class RejectIn(_In):
    """Why a plan is refused."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "The left turn into the hospital needs its stage."}]}
    )

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class PublishIn(_In):
    """When the plan is to run: `days` and local `times` of `zone`, from `valid_from` (else now) until `until`.

    Without any of it the plan runs at all times, in the zone of its scenario, for as long as the service allows."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
                    "times": [{"start": "07:00:00", "end": "10:00:00"}],
                    "zone": "Asia/Almaty",
                    "until": "2027-01-01T00:00:00+05:00",
                }
            ]
        },
    )

    days: tuple[Day, ...] | None = Field(default=None, min_length=1)
    times: tuple[TimeWindow, ...] = ()
    zone: str | None = None
    valid_from: AwareDatetime | None = None
    until: AwareDatetime | None = None


class PublicationOut(_Out):
    """One publication to one controller; the current one has no `superseded_at`."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "controller": examples.JUNCTION,
                    "sequence": 7,
                    "plan_id": _PLAN.id,
                    "verdict_id": _VERDICT,
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
                    "id": _VERDICT,
                    "plan_id": _PLAN.id,
                    "network_hash": examples.NETWORK_HASH,
                    "accepted": True,
                    "created_at": _AT,
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
    "id": _VERDICT,
    "plan_id": _PLAN.id,
    "network_hash": examples.NETWORK_HASH,
    "accepted": True,
    "created_at": _AT,
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
                        "plan_id": _PLAN.id,
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
        json_schema_extra={"examples": [{"id": _JOB, "scenario_id": _SCENARIO, "job_id": _JOB, "created_at": _AT}]},
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
                    "subject_id": _PLAN.id,
                    "from_state": "verified",
                    "to_state": "approved",
                    "detail": f"on verdict {_VERDICT}",
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


FLOWS_EXAMPLES: dict[FlowsTable, list[dict[str, str | int | float]]] = {
    FlowsTable.BOARDINGS: [
        {
            "service_date": "2025-03-03",
            "quarter_start": "2025-03-03T02:30:00.000Z",
            "stop_id": "stop_12",
            "line": "10",
            "taps": 14,
            "boardings_pax": 17.5,
            "confidence": 0.93,
        }
    ],
    FlowsTable.OD: [
        {
            "service_date": "2025-03-03",
            "hour": 7,
            "origin_stop_id": "stop_12",
            "destination_stop_id": "stop_31",
            "pax": 9.2,
            "method": "chained",
            "confidence": 0.81,
        }
    ],
    FlowsTable.LOADS: [
        {
            "service_date": "2025-03-03",
            "line": "10",
            "from_stop": "stop_12",
            "to_stop": "stop_13",
            "hour": 7,
            "buses": 6,
            "load_pax": 33.4,
            "buses_h": 6.0,
            "headway_s": 600.0,
            "confidence": 0.8,
        }
    ],
}
"""One row of each table of flows."""
