"""A controller fetches its own plan, signed, and nobody else's."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from joserfc import jws
from joserfc.jwk import KeySet
from service_bench import Bench, verdict_on

from api import examples
from api.actors import Actor, Role
from api.plans import record_verdict
from api.verdicts import VerdictDocument
from optimiser.signals import ControllerPlan, NetworkPlan

LINE = Actor("line", Role.OPERATOR)


def approve(bench: Bench, plan: NetworkPlan) -> None:
    bench.offer(plan)
    record_verdict(bench.store, VerdictDocument.model_validate(verdict_on(plan)), actor=LINE, now=bench.clock())
    answer = bench.client.post(f"/v1/plans/{plan.id}/approve", headers=bench.headers())
    assert answer.status_code == 200, answer.text


def publish(bench: Bench, plan: NetworkPlan) -> None:
    approve(bench, plan)
    answer = bench.client.post(f"/v1/plans/{plan.id}/publish", json={}, headers=bench.headers(Role.OPERATOR))
    assert answer.status_code == 200, answer.text


def fetched(bench: Bench, controller: str = "a") -> dict[str, object]:
    answer = bench.client.get(f"/v1/controllers/{controller}/plan", headers=bench.headers(Role.CONTROLLER))
    assert answer.status_code == 200, answer.text
    keys = KeySet.import_key_set(bench.client.get("/v1/keys").json())
    payload: dict[str, object] = json.loads(jws.deserialize_compact(answer.text, keys, algorithms=["Ed25519"]).payload)
    return payload


def test_a_controller_fetches_its_plan_and_verifies_it_with_the_public_keys(bench: Bench) -> None:
    plan = examples.network_plan(("a", "b"))
    publish(bench, plan)
    envelope = fetched(bench)
    assert ControllerPlan.model_validate(envelope["controller_plan"]) == plan.controller("a")
    assert envelope["controller"] == "a"
    assert envelope["sequence"] == 1
    assert envelope["plan_id"] == plan.id
    assert envelope["approved"] == {"by": "test engineer", "at": "2026-03-02T06:00:00Z"}
    assert envelope["published"] == {"by": "test operator", "at": "2026-03-02T06:00:00Z"}


def test_an_envelope_at_hand_is_not_sent_again_until_something_else_is_published(bench: Bench) -> None:
    publish(bench, examples.network_plan(("a",)))
    first = bench.client.get("/v1/controllers/a/plan", headers=bench.headers(Role.CONTROLLER))
    etag = first.headers["etag"]
    assert etag.startswith('"')
    assert first.headers["cache-control"] == "private, max-age=30, must-revalidate"
    again = bench.client.get(
        "/v1/controllers/a/plan", headers=bench.headers(Role.CONTROLLER, **{"If-None-Match": f'"x", W/{etag}'})
    )
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    publish(bench, examples.network_plan(("a",), main_green_s=36.0))
    after = bench.client.get(
        "/v1/controllers/a/plan", headers=bench.headers(Role.CONTROLLER, **{"If-None-Match": etag})
    )
    assert after.status_code == 200
    assert after.headers["etag"] != etag
    assert fetched(bench)["sequence"] == 2


def test_every_id_that_sumo_allows_can_be_asked_for(bench: Bench) -> None:
    strange = "cluster_1/2#3 Достық " + "_77" * 200
    headers = {"Authorization": f"Bearer {bench.key(Role.CONTROLLER, strange)}"}
    path = f"/v1/controllers/{quote(strange, safe='')}/plan"
    answer = bench.client.get(path, headers=headers)
    assert answer.status_code == 404
    assert strange in answer.json()["detail"]
    assert bench.client.get(path, headers=bench.headers(Role.CONTROLLER)).status_code == 403


def test_the_flattened_serialization_carries_the_same_payload(bench: Bench) -> None:
    publish(bench, examples.network_plan(("a",)))
    answer = bench.client.get(
        "/v1/controllers/a/plan", headers=bench.headers(Role.CONTROLLER, Accept="application/jose+json")
    )
    assert answer.headers["content-type"] == "application/jose+json"
    payload = answer.json()["payload"]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) == fetched(bench)
