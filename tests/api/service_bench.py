"""A service on a fresh SQLite file, with a clock that the test turns and a line that writes what the test gives it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from api import examples
from api.actors import Actor, Role
from api.scenarios import ScenarioFacts
from api.security import create_api_key
from api.service import Service
from api.settings import Settings
from api.store import Store
from optimiser.rules import Rules
from optimiser.signals import NetworkPlan, canonical_json

SETUP = Actor("setup", Role.ADMIN)
JUNCTIONS = ("a", "b", "c")


@dataclass
class TurnedClock:
    """A clock that stands still until it is turned."""

    at: datetime = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


def read_facts(path: Path, rules: Rules) -> ScenarioFacts:
    """The small network of the examples, whatever the files hold: reading SUMO nets is tested where it is done."""
    return ScenarioFacts(examples.network(JUNCTIONS), "Asia/Almaty", 27000.0, 30600.0)


def verdict_on(plan: NetworkPlan, accepted: bool = True, seed: int = 1) -> dict[str, object]:
    """A verdict.json on `plan`."""
    return {
        "accepted": accepted,
        "reasons": ["Person delay falls by 20 %."] if accepted else ["Person delay may not fall."],
        "seeds": [seed, seed + 1],
        "plan_id": plan.id,
        "network_hash": plan.network_hash,
        "findings": [],
        "baseline": {"person_delay_s": 60.0},
        "candidate": {"person_delay_s": 48.0},
    }


def write_run(folder: Path, plan: NetworkPlan, accepted: bool = True) -> None:
    """What a finished line leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(canonical_json(plan))
    (folder / "verdict.json").write_text(json.dumps(verdict_on(plan, accepted)))
    run = {
        "begin_s": 27000.0,
        "end_s": 30600.0,
        "zone": "Asia/Almaty",
        "versions": {"highspy": "1.16.0"},
        "optimiser": {"status": "optimal", "gap": 0.01, "bound": 99.0, "objective": 100.0, "nodes": 17},
        "seconds": {"optimise": 12.0},
    }
    (folder / "run.json").write_text(json.dumps(run))


@dataclass
class Bench:
    """The service under test and a key of each role."""

    app: FastAPI
    client: TestClient
    clock: TurnedClock
    settings: Settings
    keys: dict[Role, str] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        service: Service = self.app.state.service
        return service

    @property
    def store(self) -> Store:
        return self.service.store

    def key(self, role: Role, controller: str | None = None, name: str | None = None) -> str:
        made = create_api_key(
            self.store, name=name or f"test {role}", role=role, controller=controller, now=self.clock(), by=SETUP
        )
        return made.key

    def headers(self, role: Role = Role.ENGINEER, **more: str) -> dict[str, str]:
        if role not in self.keys:
            self.keys[role] = self.key(role, "a" if role is Role.CONTROLLER else None)
        return {"Authorization": f"Bearer {self.keys[role]}", **more}

    def scenario(self, name: str = "small") -> str:
        (self.settings.scenarios_folder / name).mkdir(parents=True, exist_ok=True)
        made = self.client.post("/v1/scenarios", json={"name": name, "path": name}, headers=self.headers())
        assert made.status_code == 201, made.text
        scenario_id: str = made.json()["id"]
        return scenario_id

    def offer(self, plan: NetworkPlan) -> None:
        body = {"scenario_id": self.scenario(), "plan": plan.model_dump(mode="json")}
        made = self.client.post("/v1/plans", json=body, headers=self.headers())
        assert made.status_code in (200, 201), made.text
