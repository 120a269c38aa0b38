"""Whatever is wrong with a request, the answer is a problem (RFC 9457) of the right status that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from service_bench import Bench, TurnedClock, verdict_on

from api import examples
from api.actors import Actor, Role
from api.app import create_app
from api.plans import record_verdict
from api.settings import Settings
from api.verdicts import VerdictDocument
from optimiser.signals import NetworkPlan

PLAN = examples.network_plan(("a",))
JSON = {"Content-Type": "application/json"}


def body(bench: Bench, plan: NetworkPlan = PLAN) -> dict[str, object]:
    return {"scenario_id": bench.scenario(), "plan": plan.model_dump(mode="json")}


def is_problem(answer: Response, status: int, kind: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["type"] == f"urn:jasyl:problem:{kind}"
    assert problem["status"] == status
    assert problem["title"] and problem["detail"] and str(problem["instance"]).startswith("/")
    return problem


def test_without_a_key_the_answer_says_how_to_give_one(bench: Bench) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer jasyl_x_y"}):
        answer = bench.client.get("/v1/plans", headers=headers)
        is_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_path_that_is_not_served_and_a_wrong_method_are_problems(bench: Bench) -> None:
    is_problem(bench.client.get("/v1/nothing"), 404, "not-found")
    is_problem(bench.client.delete("/v1/plans"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/plans/0",
        "/v1/jobs/0",
        "/v1/scenarios/0",
        "/v1/verdicts/0",
        "/v1/flows/0/od",
        "/v1/controllers/0/history",
    ],
)
def test_what_is_not_there_is_not_found(bench: Bench, path: str) -> None:
    is_problem(bench.client.get(path, headers=bench.headers()), 404, "not-found")


def test_a_controller_without_a_plan_and_another_controller_are_told_apart(bench: Bench) -> None:
    controller = bench.headers(Role.CONTROLLER)
    problem = is_problem(bench.client.get("/v1/controllers/a/plan", headers=controller), 404, "not-found")
    assert "controller a" in str(problem["detail"])
    is_problem(bench.client.get("/v1/controllers/b/plan", headers=controller), 403, "forbidden")


def test_an_envelope_in_an_unknown_format_is_not_acceptable(bench: Bench) -> None:
    headers = bench.headers(Role.CONTROLLER, Accept="text/html")
    is_problem(bench.client.get("/v1/controllers/a/plan", headers=headers), 406, "not-acceptable")


@pytest.mark.parametrize("content", [b"{", b'"plan"', b"\xff\xfe", b"[" * 100_000, b'{"scenario_id": "\\ud800"}', b""])
def test_malformed_json_is_a_problem(bench: Bench, content: bytes) -> None:
    headers = bench.headers(Role.ENGINEER, **{"Content-Type": "application/json"})
    answer = bench.client.post("/v1/plans", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_invalid_plan_is_told_by_the_path_of_each_fault(bench: Bench) -> None:
    wrong = body(bench)
    plan = wrong["plan"]
    assert isinstance(plan, dict)
    plan["controllers"][0]["cycle_s"] = "long"
    plan["colour"] = "green"
    problem = is_problem(bench.client.post("/v1/plans", json=wrong, headers=bench.headers()), 422, "invalid-request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert {error["where"] for error in errors} == {"body.plan.controllers.0.cycle_s", "body.plan.colour"}


def test_an_unsafe_plan_is_refused_with_its_findings_and_kept_as_rejected(bench: Bench) -> None:
    unsafe = examples.network_plan(("a",), main_green_s=2.0)
    answer = bench.client.post("/v1/plans", json=body(bench, unsafe), headers=bench.headers())
    findings = is_problem(answer, 422, "unsafe-plan")["findings"]
    assert isinstance(findings, list)
    assert {finding["rule"] for finding in findings} >= {"min_green"}
    assert all(finding["junction"] == "a" and finding["message"] for finding in findings)
    kept = bench.client.get(f"/v1/plans/{unsafe.id}", headers=bench.headers()).json()
    assert kept["state"] == "rejected"
    assert "unsafe" in kept["reason"]
    is_problem(bench.client.post("/v1/plans", json=body(bench, unsafe), headers=bench.headers()), 422, "unsafe-plan")


@pytest.mark.parametrize(
    ("known", "given", "rule"),
    [
        ('"zone":"Asia/Almaty"', '"zone":"Mars/Olympus"', "offset"),
        ('{"schema_version":"1","network', "", "schema_version"),
    ],
)
def test_a_plan_in_no_zone_or_of_another_schema_is_refused(bench: Bench, known: str, given: str, rule: str) -> None:
    text = PLAN.model_dump_json()
    assert known in text
    broken = text.replace(known, given or known.replace('"1"', '"99"'), 1)
    content = f'{{"scenario_id": "{bench.scenario()}", "plan": {broken}}}'
    headers = bench.headers(Role.ENGINEER, **JSON)
    problem = is_problem(bench.client.post("/v1/plans", content=content, headers=headers), 422, "unsafe-plan")
    assert rule in str(problem["findings"])


def test_numbers_that_are_none_are_findings_not_failures(bench: Bench) -> None:
    content = f'{{"scenario_id": "{bench.scenario()}", "plan": {PLAN.model_dump_json()}}}'
    assert '"cycle_s":60.0' in content
    headers = bench.headers(Role.ENGINEER, **JSON)
    for number in ("NaN", "Infinity", "1e999", "-60.0", "1e300"):
        broken = content.replace('"cycle_s":60.0', f'"cycle_s":{number}')
        is_problem(bench.client.post("/v1/plans", content=broken, headers=headers), 422, "unsafe-plan")


def test_a_plan_with_weaker_rules_than_its_junction_is_refused(bench: Bench) -> None:
    controller = examples.controller_plan("a")
    weaker = controller.model_copy(update={"conflicts": (), "intergreens": ()})
    plan = NetworkPlan(network_hash=PLAN.network_hash, profile="rilsa", controllers=(weaker,))
    answer = bench.client.post("/v1/plans", json=body(bench, plan), headers=bench.headers())
    findings = is_problem(answer, 422, "unsafe-plan")["findings"]
    assert isinstance(findings, list)
    assert {finding["rule"] for finding in findings} == {"weaker_conflict", "weaker_intergreen"}


def test_a_plan_with_a_junction_the_network_has_not_is_refused(bench: Bench) -> None:
    answer = bench.client.post(
        "/v1/plans", json=body(bench, examples.network_plan(("a", "z"))), headers=bench.headers()
    )
    findings = is_problem(answer, 422, "unsafe-plan")["findings"]
    assert isinstance(findings, list)
    assert [(finding["junction"], finding["rule"]) for finding in findings] == [("z", "other_junction")]


def test_a_plan_for_another_network_is_refused_and_may_come_back_for_its_own(bench: Bench) -> None:
    other = examples.network_plan(("a",), network_hash="f" * 32)
    problem = is_problem(
        bench.client.post("/v1/plans", json=body(bench, other), headers=bench.headers()), 409, "other-network"
    )
    assert "f" * 32 in str(problem["detail"]) and PLAN.network_hash in str(problem["detail"])
    assert bench.client.get(f"/v1/plans/{other.id}", headers=bench.headers()).status_code == 404
    told = bench.client.get("/v1/audit", params={"subject_id": other.id}, headers=bench.headers()).json()
    assert [entry["action"] for entry in told] == ["refuse_plan"]


def test_a_plan_without_an_accepting_verdict_is_not_approved(bench: Bench) -> None:
    bench.offer(PLAN)
    path = f"/v1/plans/{PLAN.id}/approve"
    problem = is_problem(bench.client.post(path, headers=bench.headers()), 409, "illegal-move")
    assert "draft" in str(problem["detail"])
    refusing = VerdictDocument.model_validate(verdict_on(PLAN, accepted=False))
    record_verdict(bench.store, refusing, actor=Actor("line", Role.OPERATOR), now=bench.clock())
    is_problem(bench.client.post(path, headers=bench.headers()), 409, "illegal-move")


def test_a_plan_is_not_published_twice_nor_before_it_is_approved(bench: Bench) -> None:
    bench.offer(PLAN)
    path = f"/v1/plans/{PLAN.id}/publish"
    is_problem(bench.client.post(path, json={}, headers=bench.headers()), 409, "illegal-move")
    accepting = VerdictDocument.model_validate(verdict_on(PLAN))
    record_verdict(bench.store, accepting, actor=Actor("line", Role.OPERATOR), now=bench.clock())
    is_problem(bench.client.post(path, json={}, headers=bench.headers()), 409, "illegal-move")
    assert bench.client.post(f"/v1/plans/{PLAN.id}/approve", headers=bench.headers()).status_code == 200
    assert bench.client.post(path, json={}, headers=bench.headers()).status_code == 200
    is_problem(bench.client.post(path, json={}, headers=bench.headers()), 409, "illegal-move")


@pytest.mark.parametrize(
    "validity",
    [
        {"until": "2020-01-01T00:00:00Z"},
        {"valid_from": "2026-05-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"},
        {"zone": "Mars/Olympus"},
        {"zone": "Asia"},
        {"zone": "localtime"},
        {"zone": ""},
        {"days": []},
        {"days": ["monday", "monday"]},
        {"days": ["someday"]},
        {"until": "2027-01-01T00:00:00"},
        {"times": [{"start": "07:00:00+05:00", "end": "10:00:00"}]},
        {"valid_from": "9999-12-31T00:00:00Z"},
    ],
)
def test_a_validity_that_makes_no_sense_is_refused(bench: Bench, validity: dict[str, object]) -> None:
    bench.offer(PLAN)
    answer = bench.client.post(f"/v1/plans/{PLAN.id}/publish", json=validity, headers=bench.headers())
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(bench: Bench) -> None:
    bench.headers()
    most = bench.settings.max_body_bytes

    def pieces() -> Iterator[bytes]:
        for _ in range(most // 65536 + 2):
            yield b" " * 65536

    headers = bench.headers(Role.ENGINEER, **JSON)
    told = bench.client.post("/v1/plans", content=b" " * (most + 1), headers=headers)
    is_problem(told, 413, "too-large")
    untold = bench.client.post("/v1/plans", content=pieces(), headers=headers)
    assert untold.request.headers["transfer-encoding"] == "chunked"
    is_problem(untold, 413, "too-large")


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "nothing", ".", "x" * 900])
def test_a_scenario_outside_the_scenarios_folder_is_not_read(bench: Bench, path: str) -> None:
    (bench.settings.folder.parent / "elsewhere").mkdir()
    answer = bench.client.post("/v1/scenarios", json={"name": "x", "path": path}, headers=bench.headers())
    is_problem(answer, 422, "unprocessable")


@pytest.mark.parametrize(
    "path", ["/v1/plans/%00", "/v1/audit?subject_id=%00", "/v1/plans?state=a%00", "/v1/jobs/a%00b"]
)
def test_an_address_with_a_nul_is_refused(bench: Bench, path: str) -> None:
    problem = is_problem(bench.client.get(path, headers=bench.headers()), 422, "unprocessable")
    assert "NUL" in str(problem["detail"])


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/scenarios", {"name": "a\0b", "path": "small"}),
        ("/v1/scenarios", {"name": "a", "path": "a\0b"}),
        ("/v1/scenarios", {"name": "a", "path": "small", "rules": {"lines": {"1\0": {"weight": 2}}}}),
        ("/v1/jobs", {"scenario_id": "a\0b"}),
        ("/v1/plans", {"scenario_id": "a", "plan": {"profile": [["\0"]]}}),
    ],
)
def test_a_request_with_a_nul_in_any_text_is_refused(bench: Bench, path: str, content: dict[str, object]) -> None:
    problem = is_problem(bench.client.post(path, json=content, headers=bench.headers()), 422, "invalid-request")
    assert "NUL" in str(problem["detail"])


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/jobs", {"scenario_id": "a\ud800b"}),
        ("/v1/jobs", {"scenario_id": "a", "kind": "verify", "plan_id": "\udfff"}),
        ("/v1/scenarios", {"name": "a", "path": "small", "rules": {"profile": "\ud800"}}),
        ("/v1/plans", {"scenario_id": "a", "plan": {"profile": ["\ud83d \ude00"]}}),
    ],
)
def test_a_request_with_half_a_character_in_any_text_is_refused(
    bench: Bench, path: str, content: dict[str, object]
) -> None:
    headers = bench.headers(**{"Content-Type": "application/json"})
    answer = bench.client.post(path, content=json.dumps(content), headers=headers)
    assert "half of a pair" in str(is_problem(answer, 422, "invalid-request")["detail"])


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_moment_that_utc_cannot_tell_is_refused(bench: Bench, at: str) -> None:
    bench.offer(PLAN)
    key = {"name": "x", "role": "operator", "expires_at": at}
    answer = bench.client.post("/v1/api-keys", json=key, headers=bench.headers(Role.ADMIN))
    assert "outside the years 1 to 9999" in str(is_problem(answer, 422, "invalid-request")["detail"])
    for name in ("valid_from", "until"):
        answer = bench.client.post(f"/v1/plans/{PLAN.id}/publish", json={name: at}, headers=bench.headers())
        is_problem(answer, 422, "invalid-request")
    answer = bench.client.get("/v1/flows/0/occupancy", params={"at": at}, headers=bench.headers())
    is_problem(answer, 422, "invalid-request")


@pytest.mark.parametrize(
    ("net", "settings", "told"),
    [
        ('<net><connection from="a" fromLane="0" to="b" toLane="1"/></net>', "", "lane a_0"),
        ('<?xml version="1.0" encoding="foo"?><net/>', "", "not a whole XML file"),
        ("<net/>", 'zone = "Asia"', "`zone` is 'Asia'"),
    ],
)
def test_a_scenario_whose_files_are_broken_is_refused(tmp_path: Path, net: str, settings: str, told: str) -> None:
    folder = tmp_path / "scenarios" / "broken"
    folder.mkdir(parents=True)
    (folder / "a.net.xml").write_text(net)
    (folder / "scenario.toml").write_text(f'net = "a.net.xml"\n{settings}\n')
    chosen = Settings(folder=tmp_path / "service", scenarios_folder=folder.parent, job_workers=0)
    clock = TurnedClock()
    app = create_app(chosen, now=clock)
    with TestClient(app, raise_server_exceptions=False) as client:
        bench = Bench(app, client, clock, chosen)
        answer = client.post("/v1/scenarios", json={"name": "x", "path": "broken"}, headers=bench.headers())
    assert told in str(is_problem(answer, 422, "unprocessable")["detail"])


def test_the_same_scenario_again_is_the_same_and_another_under_its_name_a_conflict(bench: Bench) -> None:
    assert bench.scenario() == bench.scenario()
    (bench.settings.scenarios_folder / "other").mkdir()
    answer = bench.client.post("/v1/scenarios", json={"name": "small", "path": "other"}, headers=bench.headers())
    is_problem(answer, 409, "conflict")


@pytest.mark.parametrize(
    "order",
    [
        {"begin_s": 100, "end_s": 50},
        {"seeds": [1, 1]},
        {"seeds": []},
        {"kind": "verify"},
        {"kind": "run", "plan_id": "x"},
        {"kind": "dance"},
        {"seeds": [-1]},
        {"seeds": [1000]},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(bench: Bench, order: dict[str, object]) -> None:
    answer = bench.client.post("/v1/jobs", json={"scenario_id": bench.scenario(), **order}, headers=bench.headers())
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "state=lost", "limit=x"])
def test_a_wrong_query_is_a_problem(bench: Bench, query: str) -> None:
    is_problem(bench.client.get(f"/v1/plans?{query}", headers=bench.headers()), 422, "invalid-request")


def test_an_unexpected_error_tells_nothing_of_the_inside(bench: Bench) -> None:
    bench.headers()
    bench.store.close()
    for path in bench.settings.folder.glob("jasyl.sqlite3*"):
        path.write_bytes(b"no database at all" * 500)
    problem = is_problem(bench.client.get("/v1/plans", headers=bench.headers()), 500, "internal-error")
    assert "sqlite" not in str(problem).lower()
