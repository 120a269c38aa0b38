"""Scenarios: SUMO networks with demand that jobs run on and plans are held against."""

from __future__ import annotations

from fastapi import APIRouter, status

from api import scenarios
from api.problems import problem_responses
from api.requests import ScenarioIn
from api.routes.paths import ScenarioId
from api.schemas import ScenarioOut
from api.service import Engineer, InService, Limit, Offset, Staff

router = APIRouter(prefix="/scenarios", tags=["scenarios"])


@router.get("", summary="List scenarios", responses=problem_responses(401, 403))
def list_scenarios(service: InService, actor: Staff, limit: Limit = 100, offset: Offset = 0) -> list[ScenarioOut]:
    """Scenarios by name."""
    with service.store.read() as session:
        return [ScenarioOut.model_validate(r) for r in scenarios.list_scenarios(session, limit=limit, offset=offset)]


@router.post(
    "",
    summary="Register a scenario",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(401, 403, 409),
)
def register_scenario(service: InService, actor: Engineer, wanted: ScenarioIn) -> ScenarioOut:
    """Reads the network of a scenario folder or .sumocfg that lies in the scenarios folder of the service, and keeps
    it. The same scenario under the same name again changes nothing."""
    row = scenarios.register_scenario(
        service.store,
        wanted.name,
        scenarios.inside(service.settings.scenarios_folder, wanted.path),
        wanted.rules,
        read=service.read_scenario,
        actor=actor,
        now=service.now(),
    )
    return ScenarioOut.model_validate(row)


@router.get("/{scenario_id}", summary="Get a scenario", responses=problem_responses(401, 403, 404))
def get_scenario(service: InService, actor: Staff, scenario_id: ScenarioId) -> ScenarioOut:
    """One scenario."""
    with service.store.read() as session:
        return ScenarioOut.model_validate(scenarios.get_scenario(session, scenario_id))
