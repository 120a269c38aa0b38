"""Whatever is sent to whichever operation, the answer is one that its description names, and never a failure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_bench import JUNCTIONS, Bench, verdict_on

from api import examples
from api.actors import Actor, Role
from api.plans import approve_plan, record_verdict
from api.verdicts import VerdictDocument

PLAN = examples.network_plan(("a", "b"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.sampled_from([PLAN.id, "a", "..", "%00", "0", "-1", "true", "draft", "2025-03-03", "csv", "9" * 25]),
)


def filled(bench: Bench) -> dict[str, Any]:
    """A store with something of each kind in it; returns the description of the API."""
    bench.offer(PLAN)
    line = Actor("line", Role.OPERATOR)
    record_verdict(bench.store, VerdictDocument.model_validate(verdict_on(PLAN)), actor=line, now=bench.clock())
    approve_plan(bench.store, PLAN.id, actor=Actor("x", Role.ENGINEER), now=bench.clock())
    described: dict[str, Any] = bench.client.get("/v1/openapi.json").json()
    return described


def body_example(described: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = described["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]
        example: dict[str, Any] = json.loads(json.dumps(schema["examples"][0]))
        return example
    return None


def mutated(draw: st.DrawFn, example: dict[str, Any]) -> object:
    """The example with one value anywhere in it replaced or removed, or something else altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON_VALUES)
    node: Any = example
    while True:
        keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], (dict, list)) and node[key] and draw(st.booleans()):
            node = node[key]
            continue
        if isinstance(node, dict) and draw(st.booleans()):
            del node[key]
        else:
            node[key] = draw(JSON_VALUES)
        break
    return example


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_every_answer_is_one_that_the_description_names(bench: Bench, data: st.DataObject) -> None:
    described = filled(bench) if not bench.keys else bench.client.get("/v1/openapi.json").json()
    operations = [(path, method) for path, item in described["paths"].items() for method in item]
    path, method = data.draw(st.sampled_from(operations))
    operation = described["paths"][path][method]
    role = data.draw(st.sampled_from(list(Role)))
    headers, query, url = bench.headers(role), {}, path
    for parameter in operation.get("parameters", ()):
        name, value = parameter["name"], data.draw(WORDS)
        if parameter["in"] == "path":
            value = data.draw(st.sampled_from((PLAN.id, *JUNCTIONS, value)))
            # A slash or dots alone would make another path of it, which no operation answers.
            value = value.replace("/", "_").replace("..", "_")
            url = url.replace("{" + name + "}", quote(value if value.strip(".") else "_", safe=""))
        elif parameter["in"] == "query" and data.draw(st.booleans()):
            query[name] = value
        elif parameter["in"] == "header" and value.isascii() and value.isprintable() and data.draw(st.booleans()):
            headers[name] = value.strip() or "x"
    example = body_example(described, operation)
    body = None if example is None else data.draw(st.composite(mutated)(example))
    content = None if body is None else json.dumps(body).encode()
    answer = bench.client.request(
        method, url, params=query, headers={**headers, "Content-Type": "application/json"}, content=content
    )
    assert str(answer.status_code) in operation["responses"], (method, url, query, body, answer.text)
    if answer.content:
        documented = operation["responses"][str(answer.status_code)]["content"]
        assert answer.headers["content-type"].split(";")[0] in documented
