"""What a controller fetches: its own plan, how long it holds, and how it came about; to be signed as one."""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from optimiser.signals import ControllerPlan, canonical_json
from optimiser.zones import is_time_zone

ENVELOPE_VERSION = "1"
PAYLOAD_TYPE = "application/vnd.jasyl.controller-plan+json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Day(StrEnum):
    """Days of the week."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class TimeWindow(_Frozen):
    """From a local clock time until another; one that does not end after it starts runs over midnight."""

    start: time
    end: time

    @field_validator("start", "end")
    @classmethod
    def _local(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("a clock time of a window is local and has no zone of its own")
        return value


class Validity(_Frozen):
    """When the plan is to run: on `days`, within `times` (all day where there are none), local times of `zone`, from
    `valid_from` until `until`. A window over midnight belongs to the day it starts on."""

    days: tuple[Day, ...] = Field(default=tuple(Day), min_length=1)
    times: tuple[TimeWindow, ...] = ()
    zone: str = "UTC"
    valid_from: AwareDatetime
    until: AwareDatetime

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if not is_time_zone(value):
            raise ValueError(f"{value} is no time zone; give one such as Asia/Almaty")
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Validity:
        if len(set(self.days)) != len(self.days):
            raise ValueError("a day stands twice in days")
        if self.until <= self.valid_from:
            raise ValueError(f"until ({self.until}) is not after valid_from ({self.valid_from})")
        return self


class DemandPeriod(_Frozen):
    """The period whose demand the plan was made for: seconds of the service day."""

    begin_s: float
    end_s: float
    service_date: str = ""
    zone: str = "UTC"


class SolverRecord(BaseModel):
    """What solved the plan and how far from the proven bound it stopped (relative gap). More keys may follow."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    version: str = ""
    status: str = ""
    gap: float | None = None
    bound: float | None = None
    objective: float | None = None


class Provenance(BaseModel):
    """What the plan was made from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    demand_period: DemandPeriod | None = None
    solver: SolverRecord | None = None


class Approval(_Frozen):
    """Who let the plan go to the street, and when."""

    by: str
    at: datetime


class Envelope(_Frozen):
    """Payload of the signed envelope. `plan_id` is the network plan's, `controller_plan_id` the hash of this part;
    `sequence` grows with every publication to this controller: one below the last is old and to be refused."""

    schema_version: str = ENVELOPE_VERSION
    controller: str
    sequence: int = Field(ge=1)
    plan_id: str
    controller_plan_id: str
    controller_plan: ControllerPlan
    validity: Validity
    job_id: str | None = None
    demand_period: DemandPeriod | None = None
    solver: SolverRecord | None = None
    verdict_id: str
    approved: Approval
    published: Approval

    def payload(self) -> bytes:
        """The bytes that are signed: canonical JSON."""
        return canonical_json(self).encode()
