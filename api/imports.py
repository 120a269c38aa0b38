"""What a finished line left in its folder (plan.json, verdict.json, run.json, flows/), taken into the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from api.actors import Actor
from api.audit import record
from api.envelope import Provenance
from api.errors import OtherNetworkError, UnprocessableError
from api.flows import add_flows
from api.plans import Origin, record_verdict, register_plan
from api.scenarios import ScenarioReader, register_scenario
from api.store import Store
from api.verdicts import VerdictDocument
from optimiser.signals import NetworkPlan

M = TypeVar("M", bound=BaseModel)


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
    profile: str,
    read: ScenarioReader,
    actor: Actor,
    now: datetime,
) -> Taken:
    """Take a folder that `jasyl run` made from `scenario` into the store, the scenario under `name`.

    The plan becomes a draft, and verified where the verdict accepts it. Doing it twice changes nothing. Raises as
    `register_scenario` and `import_line_output`."""
    row = register_scenario(store, name, scenario.resolve(), profile, read=read, actor=actor, now=now)
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
    provenance = _read(folder / "run.json", Provenance) if (folder / "run.json").exists() else Provenance()
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
