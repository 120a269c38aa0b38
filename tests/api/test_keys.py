"""API keys open what their role may do, and are stored so that a copy of the database opens nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_bench import SETUP, Bench, TurnedClock

from api.actors import Actor, Role
from api.errors import UnauthenticatedError, UnprocessableError
from api.security import authenticate, create_api_key, revoke_api_key
from api.store import Store


def test_a_key_opens_what_it_was_made_for(bench: Bench) -> None:
    key = bench.key(Role.CONTROLLER, "a", name="cabinet")
    with bench.store.read() as session:
        actor = authenticate(session, key, bench.clock())
    assert (actor.name, actor.role, actor.controller) == ("cabinet", Role.CONTROLLER, "a")


def test_the_database_does_not_hold_the_secret(bench: Bench) -> None:
    key = bench.key(Role.ENGINEER)
    secret = key.split("_", 2)[2]
    bench.store.close()
    held = b"".join(path.read_bytes() for path in Path(bench.settings.folder).glob("jasyl.sqlite3*"))
    assert key.split("_")[1].encode() in held
    assert secret.encode() not in held


def test_a_key_ends_when_it_is_revoked_or_runs_out(bench: Bench) -> None:
    now = bench.clock()
    made = create_api_key(bench.store, name="x", role=Role.OPERATOR, now=now, by=SETUP)
    short = create_api_key(
        bench.store, name="y", role=Role.OPERATOR, now=now, by=SETUP, expires_at=now + timedelta(hours=1)
    )
    revoke_api_key(bench.store, made.id, now=now, by=SETUP)
    with bench.store.read() as session:
        authenticate(session, short.key, now)
        with pytest.raises(UnauthenticatedError, match="revoked"):
            authenticate(session, made.key, now)
        with pytest.raises(UnauthenticatedError, match="ran out"):
            authenticate(session, short.key, now + timedelta(hours=1))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.integers(0, 60))
def test_no_changed_key_opens_anything(changed: str, place: int) -> None:
    store = Store("sqlite://")
    key = create_api_key(store, name="x", role=Role.ENGINEER, now=TurnedClock()(), by=SETUP).key
    for forged in {changed, key[:place] + changed + key[place:], key[:place], key + changed} - {key}:
        with store.read() as session, pytest.raises(UnauthenticatedError):
            authenticate(session, forged, TurnedClock()())
    store.close()


@pytest.mark.parametrize(
    ("name", "role", "controller"),
    [
        (" ", Role.ENGINEER, None),
        ("x" * 201, Role.ENGINEER, None),
        ("x", Role.CONTROLLER, None),
        ("x", Role.ENGINEER, "a"),
        ("x", Role.CONTROLLER, ""),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(bench: Bench, name: str, role: Role, controller: str | None) -> None:
    with pytest.raises(UnprocessableError):
        create_api_key(bench.store, name=name, role=role, controller=controller, now=bench.clock(), by=SETUP)


@pytest.mark.parametrize("agency", ["", " ", "x" * 201])
def test_a_key_for_an_agency_that_is_none_is_not_made(bench: Bench, agency: str) -> None:
    with pytest.raises(UnprocessableError, match="agency of the key is blank or over 200"):
        create_api_key(bench.store, name="x", role=Role.OPERATOR, agency=agency, now=bench.clock(), by=SETUP)


def test_an_admin_makes_lists_and_revokes_keys_over_http_but_no_further_admin(bench: Bench) -> None:
    admin = bench.headers(Role.ADMIN)
    bench.clock.turn(seconds=1)
    made = bench.client.post("/v1/api-keys", json={"name": "dana", "role": "engineer"}, headers=admin)
    assert made.status_code == 201
    dana = {"Authorization": f"Bearer {made.json()['key']}"}
    assert bench.client.get("/v1/plans", headers=dana).status_code == 200
    listed = bench.client.get("/v1/api-keys", headers=admin).json()
    assert [(key["name"], key["role"]) for key in listed] == [("test admin", "admin"), ("dana", "engineer")]
    assert bench.client.post(f"/v1/api-keys/{made.json()['id']}/revoke", headers=admin).status_code == 200
    assert bench.client.get("/v1/plans", headers=dana).status_code == 401
    assert bench.client.post(f"/v1/api-keys/{made.json()['id']}/revoke", headers=admin).status_code == 409
    assert bench.client.post("/v1/api-keys/none/revoke", headers=admin).status_code == 404
    refused = bench.client.post("/v1/api-keys", json={"name": "eve", "role": "admin"}, headers=admin)
    assert refused.status_code == 403


OPERATIONS = [
    ("GET", "/v1/scenarios", {Role.OPERATOR, Role.ENGINEER}),
    ("POST", "/v1/scenarios", {Role.ENGINEER}),
    ("GET", "/v1/jobs", {Role.OPERATOR, Role.ENGINEER}),
    ("POST", "/v1/jobs", {Role.OPERATOR, Role.ENGINEER}),
    ("GET", "/v1/flows", {Role.OPERATOR, Role.ENGINEER}),
    ("GET", "/v1/plans", {Role.OPERATOR, Role.ENGINEER}),
    ("POST", "/v1/plans", {Role.OPERATOR, Role.ENGINEER}),
    ("POST", "/v1/plans/x/approve", {Role.ENGINEER}),
    ("POST", "/v1/plans/x/reject", {Role.ENGINEER}),
    ("POST", "/v1/plans/x/publish", {Role.OPERATOR, Role.ENGINEER}),
    ("GET", "/v1/verdicts", {Role.OPERATOR, Role.ENGINEER}),
    ("GET", "/v1/controllers", {Role.OPERATOR, Role.ENGINEER}),
    ("GET", "/v1/controllers/a/history", {Role.OPERATOR, Role.ENGINEER}),
    ("GET", "/v1/controllers/a/plan", {Role.CONTROLLER}),
    ("GET", "/v1/audit", {Role.ENGINEER, Role.ADMIN}),
    ("GET", "/v1/api-keys", {Role.ADMIN}),
    ("POST", "/v1/api-keys", {Role.ADMIN}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), OPERATIONS)
def test_each_operation_is_open_to_its_roles_alone(bench: Bench, method: str, path: str, allowed: set[Role]) -> None:
    assert bench.client.request(method, path, json={}).status_code == 401
    for role in Role:
        answer = bench.client.request(method, path, json={}, headers=bench.headers(role))
        assert (answer.status_code == 403) == (role not in allowed), (role, answer.text)


def test_the_role_is_asked_for_before_anything_of_the_request_is_told(bench: Bench) -> None:
    answer = bench.client.post("/v1/plans", json={"nonsense": 1}, headers=bench.headers(Role.CONTROLLER))
    assert answer.status_code == 403


def test_require_names_the_roles_it_takes() -> None:
    with pytest.raises(Exception, match="takes engineer or operator"):
        Actor("x", Role.CONTROLLER).require(Role.ENGINEER, Role.OPERATOR)
