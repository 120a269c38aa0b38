"""What a finished line left in its folder (plan.json, verdict.json, run.json, flows/), taken into the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from api.actors import Actor
from api.audit import record
from api.envelope import DemandPeriod, Provenance, SolverRecord
from api.errors import OtherNetworkError, UnprocessableError
from api.flows import add_flows
from api.plans import Origin, record_verdict, register_plan
from api.scenarios import ScenarioReader, register_scenario
from api.store import Store
from api.verdicts import VerdictDocument
from optimiser.rules import Rules
from optimiser.signals import NetworkPlan

M = TypeVar("M", bound=BaseModel)


class OptimiserRecord(BaseModel):
    """What run.json says of the solve: relative gap, bound, objective (person * s / h), and how it ended."""

    status: str = ""
    gap: float | None = None
    bound: float | None = None
    objective: float | None = None


class RunRecord(BaseModel):
    """What the service reads of a run.json; the rest is for people. Period in seconds of the service day."""

    begin_s: FiniteFloat
    end_s: FiniteFloat
    zone: str = "UTC"
    service_date: str = ""
    rules: Rules = Rules()
    versions: dict[str, str] = Field(default_factory=dict)
    optimiser: OptimiserRecord | None = None

    def provenance(self) -> Provenance:
        """What a plan of this run was made from."""
        solver = None
        if self.optimiser is not None:
            version = self.versions.get("highspy", "")
            solver = SolverRecord(name="HiGHS", version=version, **self.optimiser.model_dump())
        period = DemandPeriod(begin_s=self.begin_s, end_s=self.end_s, service_date=self.service_date, zone=self.zone)
        return Provenance(demand_period=period, solver=solver)


@dataclass(frozen=True)
class Taken:
    """What was taken in, and in one sentence what the verdict said."""

    plan_id: str
    verdict_id: str
    said: str


def import_run(
    store: Store,
    folder: Path,
    scenario: Path,
    *,
    name: str,
    read: ScenarioReader,
    actor: Actor,
    now: datetime,
) -> Taken:
    """Take a folder that `jasyl run` made from `scenario` into the store, the scenario under `name` with its rules.

    The plan becomes a draft, and verified where the verdict accepts it. Doing it twice changes nothing. Raises as
    `register_scenario` and `import_line_output`."""
    rules = _read(folder / "run.json", RunRecord).rules
    row = register_scenario(store, name, scenario.resolve(), rules, read=read, actor=actor, now=now)
    return import_line_output(store, folder, scenario_id=row.id, origin=Origin.IMPORT, actor=actor, now=now)


def import_line_output(
    store: Store,
    folder: Path,
    *,
    scenario_id: str,
    origin: Origin,
    actor: Actor,
    now: datetime,
    job_id: str | None = None,
    plan: NetworkPlan | None = None,
) -> Taken:
    """Take plan, verdict and flows of `folder` in; `plan` is the one that was to be proved, where one was.

    Raises UnprocessableError (a file missing or not of its kind), OtherNetworkError, UnsafePlanError."""
    verdict = _read(folder / "verdict.json", VerdictDocument)
    if plan is None:
        plan = _read(folder / "plan.json", NetworkPlan)
    if verdict.plan_id != plan.id:
        raise OtherNetworkError(f"{folder}: verdict.json is about plan {verdict.plan_id}, plan.json is {plan.id}.")
    log = folder / "run.json"
    provenance = _read(log, RunRecord).provenance() if log.exists() else Provenance()
    flows = folder / "flows"
    if flows.is_dir():
        with store.write() as session:
            added = add_flows(session, flows, scenario_id=scenario_id, job_id=job_id, now=now)
            if added is not None:
                record(session, now, actor, "add_flows", ("flows", added.id), ("", "known"), str(flows))
    row, _ = register_plan(
        store,
        plan,
        scenario_id=scenario_id,
        origin=origin,
        actor=actor,
        now=now,
        job_id=job_id,
        provenance=provenance,
    )
    kept = record_verdict(store, verdict, actor=actor, now=now)
    said = "The verdict accepts the plan." if verdict.accepted else "The verdict refuses the plan: "
    return Taken(row.id, kept.id, said + ("" if verdict.accepted else "; ".join(verdict.reasons)))


def _read(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UnprocessableError(
            f"{path}: cannot be read ({error.strerror}); is it the folder of a finished run?"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnprocessableError(f"{path}: {where or 'content'}: {first['msg']}") from error
