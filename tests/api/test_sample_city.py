"""The service on the sample city as it is: its network read, its running programs proved, approved and fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from service_bench import Bench, TurnedClock, verdict_on

from api.actors import Actor, Role
from api.app import create_app
from api.jobs import JobKind, JobOrder, order_job, run_next_job
from api.line import run_order
from api.plans import record_verdict
from api.scenarios import get_scenario, network_of
from api.settings import Settings
from api.verdicts import VerdictDocument
from optimiser.signals import ControllerPlan, Network, NetworkPlan

LINE = Actor("line", Role.OPERATOR)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("city")
    with as_file(files("sumo_networks.cities")) as cities:
        settings = Settings(folder=folder, scenarios_folder=Path(cities), job_workers=0)
        clock = TurnedClock()
        app = create_app(settings, now=clock)
        with TestClient(app) as client:
            yield Bench(app, client, clock, settings)


@pytest.fixture(scope="module")
def scenario_id(city: Bench) -> str:
    made = city.client.post("/v1/scenarios", json={"name": "esil", "path": "esil"}, headers=city.headers())
    assert made.status_code == 201, made.text
    known: str = made.json()["id"]
    return known


@pytest.fixture(scope="module")
def running(city: Bench, scenario_id: str) -> NetworkPlan:
    with city.store.read() as session:
        network: Network = network_of(get_scenario(session, scenario_id))
    controllers = tuple(junction.running for junction in network.junctions)
    return NetworkPlan(network_hash=network.network_hash, profile="shipped", controllers=controllers)


def test_every_junction_of_the_city_fetches_its_own_plan(city: Bench, scenario_id: str, running: NetworkPlan) -> None:
    body = {"scenario_id": scenario_id, "plan": running.model_dump(mode="json")}
    offered = city.client.post("/v1/plans", json=body, headers=city.headers())
    assert offered.status_code == 201, offered.text
    record_verdict(city.store, VerdictDocument.model_validate(verdict_on(running)), actor=LINE, now=city.clock())
    for step in ("approve", "publish"):
        answer = city.client.post(f"/v1/plans/{running.id}/{step}", json={}, headers=city.headers())
        assert answer.status_code == 200, answer.text
    assert len(running.controllers) >= 12
    for controller in running.controllers:
        headers = {"Authorization": f"Bearer {city.key(Role.CONTROLLER, controller.junction)}"}
        answer = city.client.get(f"/v1/controllers/{controller.junction}/plan", headers=headers)
        envelope = json.loads(city.service.signer.verify(answer.text))
        assert ControllerPlan.model_validate(envelope["controller_plan"]) == controller
        assert envelope["controller_plan_id"] == controller.id
        assert envelope["validity"]["zone"] == "Asia/Almaty"


@pytest.mark.slow
def test_a_job_proves_a_plan_in_the_simulator(city: Bench, scenario_id: str, running: NetworkPlan) -> None:
    body = {"scenario_id": scenario_id, "plan": running.model_dump(mode="json")}
    assert city.client.post("/v1/plans", json=body, headers=city.headers()).status_code in (200, 201)
    order = JobOrder(kind=JobKind.VERIFY, seeds=(1, 2), begin_s=27000, end_s=27060, plan_id=running.id)
    row = order_job(city.store, scenario_id, order, jobs_folder=city.settings.jobs_folder, actor=LINE, now=city.clock())
    assert run_next_job(city.store, run_order, city.clock)
    done = city.client.get(f"/v1/jobs/{row.id}", headers=city.headers()).json()
    assert done["state"] == "done", done["message"]
    verdict = city.client.get(f"/v1/verdicts/{done['verdict_id']}", headers=city.headers()).json()
    assert verdict["plan_id"] == running.id
    assert verdict["accepted"] is False, "a plan that changes nothing gains nothing"
    assert "The verdict refuses the plan" in done["message"]
