"""Flows come as JSON, CSV or Parquet, page by page, without cells that few cards stand behind."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import polars as pl
import pytest
from service_bench import Bench

from api.flows import add_flows
from mobility import lake, schemas

DAY = date(2025, 3, 3)


def od_rows() -> pl.DataFrame:
    cells = [
        ("s1", "s2", 7, 12.5, 9),
        ("s1", "s3", 7, 4.0, 4),
        ("s1", "s4", 7, 2.0, 2),
        ("s2", "s1", 8, 6.25, 5),
        ("s3", "s1", 8, 5.0, 5),
    ]
    return pl.DataFrame(
        [
            {
                "service_date": DAY,
                "hour": hour,
                "origin_stop_id": origin,
                "destination_stop_id": destination,
                "pax": pax,
                "cards": cards,
                "cards_once": cards,
                "method": "chained",
                "confidence": 0.8,
            }
            for origin, destination, hour, pax, cards in cells
        ]
    )


def boarding_rows() -> pl.DataFrame:
    quarter = datetime(2025, 3, 3, 2, 30, tzinfo=UTC)
    return pl.DataFrame(
        [
            {
                "service_date": DAY,
                "quarter_start": quarter,
                "stop_id": stop,
                "line": line,
                "taps": 9,
                "boardings_pax": 10.5,
                "cards": 8,
                "cards_once": 8,
                "confidence": 0.9,
            }
            for stop, line in (("s1", "10"), ("s1", "12"), ("s2", "10"))
        ]
    )


@pytest.fixture
def flows_id(bench: Bench) -> str:
    folder = bench.settings.folder / "flows"
    lake.write(folder, "od_flows", schemas.OdFlow, od_rows(), DAY)
    lake.write(folder, "boardings", schemas.Boarding, boarding_rows(), DAY)
    with bench.store.write() as session:
        row = add_flows(session, folder, scenario_id=None, job_id=None, now=bench.clock())
    assert row is not None
    return row.id


def test_cells_with_few_cards_are_left_out_and_the_count_itself_is_not_told(bench: Bench, flows_id: str) -> None:
    answer = bench.client.get(f"/v1/flows/{flows_id}/od", headers=bench.headers())
    assert answer.headers["x-total-count"] == "3"
    cells = [(row["origin_stop_id"], row["destination_stop_id"], row["pax"]) for row in answer.json()]
    assert cells == [("s1", "s2", 12.5), ("s2", "s1", 6.25), ("s3", "s1", 5.0)]
    assert not {"cards", "cards_once"} & set(answer.json()[0])


def test_all_formats_carry_the_same_rows(bench: Bench, flows_id: str) -> None:
    path = f"/v1/flows/{flows_id}/boardings"
    as_json = bench.client.get(path, headers=bench.headers())
    as_csv = bench.client.get(path, headers=bench.headers(), params={"format": "csv"})
    accept = {**bench.headers(), "Accept": "application/vnd.apache.parquet;q=0.9, text/csv;q=0.1"}
    as_parquet = bench.client.get(path, headers=accept)
    assert as_json.headers["content-type"] == "application/json"
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert as_parquet.headers["content-type"] == "application/vnd.apache.parquet"
    rows = as_json.json()
    assert [(row["stop_id"], row["line"]) for row in rows] == [("s1", "10"), ("s1", "12"), ("s2", "10")]
    assert [datetime.fromisoformat(row["quarter_start"]) for row in rows] == [
        datetime(2025, 3, 3, 2, 30, tzinfo=UTC)
    ] * 3
    read = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [(row["stop_id"], float(row["boardings_pax"])) for row in read] == [("s1", 10.5), ("s1", 10.5), ("s2", 10.5)]
    assert [datetime.fromisoformat(row["quarter_start"]).utcoffset() for row in read] == [UTC.utcoffset(None)] * 3
    frame = pl.read_parquet(io.BytesIO(as_parquet.content))
    assert frame["line"].to_list() == ["10", "12", "10"]


def test_pages_follow_each_other_without_gap_or_repeat(bench: Bench, flows_id: str) -> None:
    path = f"/v1/flows/{flows_id}/od"
    whole = bench.client.get(path, headers=bench.headers()).json()
    pages = []
    for offset in range(4):
        page = bench.client.get(path, headers=bench.headers(), params={"limit": 1, "offset": offset})
        assert page.headers["x-total-count"] == "3"
        pages += page.json()
    assert pages == whole


@pytest.mark.parametrize(
    ("table", "query", "count"),
    [
        ("boardings", {"line": "10"}, 2),
        ("boardings", {"stop": "s1"}, 2),
        ("boardings", {"service_date": "2025-03-04"}, 0),
        ("od", {"stop": "s1"}, 3),
        ("od", {"stop": "s2"}, 2),
        ("loads", {}, 0),
    ],
)
def test_rows_are_chosen_by_line_stop_and_day(
    bench: Bench, flows_id: str, table: str, query: dict[str, str], count: int
) -> None:
    answer = bench.client.get(f"/v1/flows/{flows_id}/{table}", headers=bench.headers(), params=query)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == count


def test_a_format_that_is_not_served_is_a_problem(bench: Bench, flows_id: str) -> None:
    path = f"/v1/flows/{flows_id}/od"
    assert bench.client.get(path, headers={**bench.headers(), "Accept": "image/png"}).status_code == 406
    assert bench.client.get(path, headers=bench.headers(), params={"format": "xlsx"}).status_code == 422


def test_flows_whose_files_are_gone_or_broken_are_a_problem(bench: Bench, flows_id: str) -> None:
    folder = bench.settings.folder / "flows"
    (broken,) = (folder / "od_flows").rglob("*.parquet")
    broken.write_bytes(b"PAR1 this is none")
    answer = bench.client.get(f"/v1/flows/{flows_id}/od", headers=bench.headers())
    assert answer.status_code == 409
    assert "od_flows" in answer.json()["detail"]
    folder.rename(folder.with_name("elsewhere"))
    assert bench.client.get(f"/v1/flows/{flows_id}/boardings", headers=bench.headers()).status_code == 409
