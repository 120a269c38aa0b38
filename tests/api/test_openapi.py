"""The description of the API is complete: every operation, parameter, body and answer with its example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_bench import TurnedClock

from api import examples
from api.app import create_app
from api.requests import JobIn, KeyIn, PlanIn, PublishIn, RejectIn, ScenarioIn
from api.settings import Settings
from optimiser.safety import check_network_against, check_network_plan

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("described")
    return create_app(Settings(folder=folder, job_workers=0), now=TurnedClock()).openapi()


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def has_example(described: dict[str, Any], content: dict[str, Any]) -> bool:
    if "example" in content or "examples" in content:
        return True
    schema = resolved(described, content["schema"])
    if schema.get("type") == "array":
        schema = resolved(described, schema["items"])
    return bool(schema.get("examples"))


def test_every_operation_says_what_it_does(described: dict[str, Any]) -> None:
    found = list(operations(described))
    assert len(found) >= 25
    for name, operation in found:
        assert operation.get("summary"), name
        assert len(operation.get("description", "")) > 5, name
        assert operation.get("tags"), name
    ids = [operation["operationId"] for _, operation in found]
    assert len(set(ids)) == len(ids)


def test_every_parameter_has_a_description_and_an_example(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (name, parameter["name"])
            schema = parameter["schema"]
            assert "examples" in parameter or "example" in parameter or "examples" in schema, (name, parameter["name"])


def test_every_body_and_every_answer_has_an_example(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert has_example(described, content), f"{name} body"
        for status, answer in operation["responses"].items():
            assert answer["description"], (name, status)
            for content in answer.get("content", {}).values():
                assert has_example(described, content), (name, status)


def test_every_refusal_is_a_problem_and_every_operation_tells_its_refusals(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        refusals = {status for status in operation["responses"] if int(status) >= 400}
        expected = {"413", "422"} | ({"401", "403"} if operation.get("security") else set())
        assert expected <= refusals, name
        assert ("404" in refusals) >= ("{" in name), name
        for status in refusals:
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"], (name, status)
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["application/problem+json"]["example"]["status"] == int(status)


def test_every_operation_but_health_and_public_keys_asks_for_a_key(described: dict[str, Any]) -> None:
    open_to_all = {name for name, operation in operations(described) if not operation.get("security")}
    assert open_to_all == {"GET /v1/health", "GET /v1/keys"}


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(references(described)) <= known


@pytest.mark.parametrize("model", [JobIn, KeyIn, PlanIn, PublishIn, RejectIn, ScenarioIn])
def test_the_examples_of_bodies_are_valid(model: type[JobIn]) -> None:
    for example in model.model_json_schema()["examples"]:
        model.model_validate_json(json.dumps(example))


def test_the_example_plan_is_safe_and_fits_its_network() -> None:
    plan = examples.network_plan()
    assert check_network_plan(plan) == ()
    assert check_network_against(plan, examples.network()) == ()


def test_the_description_needs_no_key_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    app = create_app(Settings(folder=tmp_path, job_workers=0), now=TurnedClock())
    with TestClient(app) as client:
        answer = client.get("/v1/openapi.json")
        assert answer.status_code == 200
        assert answer.json()["info"]["title"] == "jasyl"
        assert client.get("/docs").status_code == 404
