"""What the service takes in JSON: one model a request, each with an example."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api import examples
from api.actors import Role
from api.envelope import Day, TimeWindow
from api.jobs import JobKind
from api.texts import MOST_NAME, Moment, of_plain_text
from optimiser.rules import Rules
from optimiser.signals import NetworkPlan
from sumo_networks.verdict import SEEDS_BELOW

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_NAME)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _of_plain_text(cls, content: object) -> object:
        return of_plain_text(content)


class KeyIn(_In):
    """A key to be made. `controller` for the role controller alone; `agency` for an operator who may have the rows of
    that agency's riders; the role admin is given on the command line."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "cabinet Dostyk / Saraishyk", "role": "controller", "controller": examples.JUNCTION}]
        },
    )

    name: Name
    role: Role
    controller: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None
    agency: Annotated[str, StringConstraints(min_length=1, max_length=MOST_NAME)] | None = None
    expires_at: Moment | None = None


class ScenarioIn(_In):
    """A scenario folder or .sumocfg within the scenarios folder of the service."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "esil", "path": "esil", "rules": {"profile": "cis"}}]}
    )

    name: Name
    path: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    rules: Rules = Field(default=Rules(), description="The engineer's word, as in rules.toml.")


class JobIn(_In):
    """An order: the whole line on a scenario (`run`), or the proof of a plan that is here already (`verify`)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"kind": "run", "scenario_id": examples.SCENARIO_ID, "seeds": [1, 2, 3, 4, 5]}]
        },
    )

    kind: JobKind = JobKind.RUN
    scenario_id: str
    seeds: tuple[Annotated[int, Field(ge=0, lt=SEEDS_BELOW)], ...] = Field(
        default=(1, 2, 3, 4, 5),
        min_length=1,
        max_length=100,
        description=f"Seeds of the verdict; those from {SEEDS_BELOW} up belong to the search for the plan.",
    )
    begin_s: float | None = Field(default=None, ge=0, le=200_000)
    end_s: float | None = Field(default=None, ge=0, le=200_000)
    plan_id: str | None = None


class PlanIn(_In):
    """A plan, and the scenario whose network it is for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"scenario_id": examples.SCENARIO_ID, "plan": examples.PLAN.model_dump(mode="json")}]
        },
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
    valid_from: Moment | None = None
    until: Moment | None = None
    new_network: bool = Field(
        default=False, description="The controllers may run a plan of another network now: theirs has been changed."
    )
