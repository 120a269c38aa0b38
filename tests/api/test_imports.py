"""A folder of `jasyl run` comes into the store as plan, verdict and flows, however often it is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from service_bench import Bench, read_facts, verdict_on, write_run

from api import examples
from api.actors import Actor, Role
from api.errors import OtherNetworkError, UnprocessableError, UnsafePlanError
from api.imports import Taken, import_run

PLAN = examples.network_plan(("a", "b"))
ADMIN = Actor("command line", Role.ADMIN)


def taken(bench: Bench, folder: Path) -> Taken:
    return import_run(bench.store, folder, folder, name="small", read=read_facts, actor=ADMIN, now=bench.clock())


def test_an_accepted_run_becomes_a_verified_plan_with_its_origin(bench: Bench, tmp_path: Path) -> None:
    write_run(tmp_path / "out", PLAN)
    first = taken(bench, tmp_path / "out")
    assert taken(bench, tmp_path / "out") == first
    plan = bench.client.get(f"/v1/plans/{first.plan_id}", headers=bench.headers()).json()
    assert (plan["state"], plan["origin"], plan["created_by"]) == ("verified", "import", "command line")
    assert plan["provenance"]["solver"]["version"] == "1.16.0"
    listed = bench.client.get("/v1/verdicts", params={"plan_id": PLAN.id}, headers=bench.headers()).json()
    assert [verdict["id"] for verdict in listed] == [first.verdict_id]
    told = bench.client.get("/v1/audit", params={"subject": "plan"}, headers=bench.headers()).json()
    assert [entry["to_state"] for entry in told] == ["draft", "verified"]


@pytest.mark.parametrize("name", ["", " ", "x" * 201])
def test_a_run_under_a_name_that_is_none_is_not_taken(bench: Bench, tmp_path: Path, name: str) -> None:
    write_run(tmp_path / "out", PLAN)
    with pytest.raises(UnprocessableError, match="name of the scenario is blank or over 200"):
        import_run(bench.store, tmp_path / "out", tmp_path, name=name, read=read_facts, actor=ADMIN, now=bench.clock())


def test_a_refused_run_becomes_a_draft_with_the_reasons(bench: Bench, tmp_path: Path) -> None:
    write_run(tmp_path / "out", PLAN, accepted=False)
    assert "Person delay may not fall" in taken(bench, tmp_path / "out").said
    assert bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).json()["state"] == "draft"


def test_a_verdict_on_another_plan_proves_nothing(bench: Bench, tmp_path: Path) -> None:
    write_run(tmp_path / "out", PLAN)
    other = examples.network_plan(("a",))
    (tmp_path / "out" / "verdict.json").write_text(json.dumps(verdict_on(other)))
    with pytest.raises(OtherNetworkError, match=r"verdict\.json is about plan"):
        taken(bench, tmp_path / "out")
    assert bench.client.get("/v1/plans", headers=bench.headers()).json() == []


def test_a_plan_is_not_verified_by_a_verdict_on_the_seeds_it_was_tuned_on(bench: Bench, tmp_path: Path) -> None:
    write_run(tmp_path / "out", PLAN)
    (tmp_path / "out" / "verdict.json").write_text(json.dumps(verdict_on(PLAN, seed=1000)))
    with pytest.raises(UnprocessableError, match="belong to the search"):
        taken(bench, tmp_path / "out")
    assert bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).json()["state"] == "draft"
    (tmp_path / "out" / "verdict.json").write_text(json.dumps(verdict_on(PLAN, accepted=False, seed=1000)))
    assert "refuses the plan" in taken(bench, tmp_path / "out").said


def test_a_verdict_that_says_accepted_in_another_way_is_not_taken(bench: Bench, tmp_path: Path) -> None:
    write_run(tmp_path / "out", PLAN)
    (tmp_path / "out" / "verdict.json").write_text(json.dumps({**verdict_on(PLAN), "accepted": "yes"}))
    with pytest.raises(UnprocessableError, match="accepted"):
        taken(bench, tmp_path / "out")


def test_an_unsafe_plan_does_not_come_in_by_file_either(bench: Bench, tmp_path: Path) -> None:
    unsafe = examples.network_plan(("a",), main_green_s=2.0)
    write_run(tmp_path / "out", unsafe)
    with pytest.raises(UnsafePlanError):
        taken(bench, tmp_path / "out")
    assert bench.client.get(f"/v1/plans/{unsafe.id}", headers=bench.headers()).json()["state"] == "rejected"


@pytest.mark.parametrize("name", ["plan.json", "verdict.json", "run.json"])
@pytest.mark.parametrize("content", [None, "", "{", "[]", "\x00"])
def test_a_file_that_is_missing_or_broken_is_named(
    bench: Bench, tmp_path: Path, name: str, content: str | None
) -> None:
    write_run(tmp_path / "out", PLAN)
    path = tmp_path / "out" / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(UnprocessableError, match=name):
        taken(bench, tmp_path / "out")


def test_a_period_that_no_controller_could_read_is_not_taken(bench: Bench, tmp_path: Path) -> None:
    write_run(tmp_path / "out", PLAN)
    log = tmp_path / "out" / "run.json"
    log.write_text(json.dumps(json.loads(log.read_text()) | {"begin_s": float("nan")}))
    with pytest.raises(UnprocessableError, match=r"run\.json: begin_s: Input should be a finite number"):
        taken(bench, tmp_path / "out")
    assert bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).status_code == 404
