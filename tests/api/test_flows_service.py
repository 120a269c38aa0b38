"""Tables of the service over HTTP, and single legs: to their own agency, audited, and to nobody else."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from service_bench import SETUP, Bench

from api.actors import Role
from api.errors import UnprocessableError
from api.flows import TABLES, FlowsTable, add_flows
from api.flows_examples import FLOWS_EXAMPLES, LEG_EXAMPLE
from api.security import authenticate, create_api_key
from api.store import Store
from mobility import lake, schemas
from mobility.publication import PUBLISHABLE, published

DAY = date(2025, 3, 3)
TIMES = {
    "boarded_at",
    "alighted_at",
    "quarter_start",
    "departure",
    "schedule_trip_start",
    "actual_trip_start",
    "actual_trip_end",
}


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    """Rows as the examples write them, as a table holds them."""
    made = pl.DataFrame(list(rows), infer_schema_length=None)
    return made.with_columns(
        pl.col("service_date").str.to_date(),
        *(
            pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ms", time_zone="UTC")
            for name in TIMES & set(made.columns)
        ),
    )


@pytest.fixture
def flows_id(bench: Bench) -> str:
    """Flows with the example of each table in them; cells rest on nine cards."""
    folder = bench.settings.folder / "flows"
    for table, name in TABLES.items():
        known = PUBLISHABLE[name]
        row = {**FLOWS_EXAMPLES[table], **({"cards": 9, "cards_once": 9} if known.margins is not None else {})}
        lake.write(folder, name, known.schema, frame(row), DAY)
    legs = [
        {**LEG_EXAMPLE, "leg_id": f"tx-{number}", "agency_id": agency, "line": line}
        for number, (agency, line) in enumerate([("cts", "10"), ("cts", "12"), ("onay", "10")])
    ]
    lake.write(folder, "journey_legs", schemas.JourneyLeg, frame(*legs), DAY)
    with bench.store.write() as session:
        row = add_flows(session, folder, scenario_id=None, job_id=None, now=bench.clock())
    assert row is not None
    return row.id


def agency_headers(bench: Bench, agency: str | None) -> dict[str, str]:
    made = create_api_key(bench.store, name="analyst", role=Role.OPERATOR, agency=agency, now=bench.clock(), by=SETUP)
    return {"Authorization": f"Bearer {made.key}"}


@pytest.mark.parametrize("table", list(FlowsTable))
def test_every_table_answers_with_what_its_example_shows(bench: Bench, flows_id: str, table: FlowsTable) -> None:
    answer = bench.client.get(f"/v1/flows/{flows_id}/{table.value}", headers=bench.headers())
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()
    example = FLOWS_EXAMPLES[table]
    assert set(row) == set(example)
    for name, value in example.items():
        if name in TIMES:
            assert datetime.fromisoformat(str(row[name])) == datetime.fromisoformat(str(value))
        elif table is not FlowsTable.LOADS or name != "load_pax":
            assert row[name] == value


def test_a_load_is_a_multiple_of_k_passengers_an_hour(bench: Bench, flows_id: str) -> None:
    (row,) = bench.client.get(f"/v1/flows/{flows_id}/loads", headers=bench.headers()).json()
    assert row["load_pax"] * row["buses"] == pytest.approx(200.0, abs=0.01)


@pytest.mark.parametrize(
    ("query", "count"), [({"line": "12"}, 1), ({"line": "1"}, 0), ({"hour": 7}, 1), ({"hour": 8}, 0)]
)
def test_speeds_are_chosen_by_hour_and_any_of_their_lines(
    bench: Bench, flows_id: str, query: dict[str, str], count: int
) -> None:
    answer = bench.client.get(f"/v1/flows/{flows_id}/speeds", headers=bench.headers(), params=query)
    assert len(answer.json()) == count


def test_legs_go_to_their_own_agency_and_every_reading_is_in_the_audit(bench: Bench, flows_id: str) -> None:
    path = f"/v1/flows/{flows_id}/legs"
    answer = bench.client.get(path, headers=agency_headers(bench, "cts"), params={"line": "10"})
    assert answer.status_code == 200, answer.text
    assert [row["leg_id"] for row in answer.json()] == ["tx-0"]
    assert answer.headers["cache-control"] == "no-store"
    assert bench.client.get(path, headers=agency_headers(bench, "nobody")).json() == []
    entries = bench.client.get("/v1/audit", headers=bench.headers(), params={"subject": "flows"}).json()
    assert [(entry["action"], entry["subject_id"]) for entry in entries] == [("read_legs", flows_id)] * 2
    assert entries[0]["detail"] == "1 legs of cts from 0 (line=10)"


def test_legs_go_to_nobody_else(bench: Bench, flows_id: str) -> None:
    path = f"/v1/flows/{flows_id}/legs"
    assert bench.client.get(path, headers=agency_headers(bench, None)).status_code == 403
    for role in (Role.ENGINEER, Role.CONTROLLER, Role.ADMIN):
        assert bench.client.get(path, headers=bench.headers(role)).status_code == 403
    entries = bench.client.get("/v1/audit", headers=bench.headers(), params={"subject": "flows"}).json()
    assert entries == []
    with pytest.raises(UnprocessableError, match="operator names an agency"):
        create_api_key(bench.store, name="x", role=Role.ENGINEER, agency="cts", now=bench.clock(), by=SETUP)


def test_no_published_table_names_a_card(bench: Bench, flows_id: str) -> None:
    folder = bench.settings.folder / "flows"
    for name in PUBLISHABLE:
        assert not {"card_id", "cards", "cards_once"} & set(published(folder, name).columns)


def test_a_database_of_an_earlier_version_gets_the_column_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "old.sqlite3"
    store = Store(f"sqlite:///{file}")
    now = datetime(2026, 3, 2, tzinfo=UTC)
    made = create_api_key(store, name="old", role=Role.OPERATOR, now=now, by=SETUP)
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("ALTER TABLE api_keys DROP COLUMN agency")
    again = Store(f"sqlite:///{file}")
    with again.read() as session:
        assert authenticate(session, made.key, now).agency is None
    again.close()
