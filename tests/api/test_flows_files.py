"""Flows over HTTP in the formats that models, maps and riders read: OMX, GeoJSON, GeoParquet, GTFS-Realtime."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openmatrix
import polars as pl
import pytest
import shapely
from google.transit import gtfs_realtime_pb2 as realtime
from service_bench import Bench

from api.flows import FORMATS, FlowsTable, add_flows
from api.formats import MEDIA_TYPES, Format
from mobility import lake, schemas
from mobility.service_schemas import LineSegment

DAY = date(2025, 3, 3)
LATER = DAY + timedelta(days=1)
AT = datetime(2025, 3, 3, 3, 0, tzinfo=UTC)


def od_rows(day: date) -> pl.DataFrame:
    cells = [("s1", "s2", 7, 12.0, 12), ("s1", "s3", 7, 3.0, 3), ("s2", "s5", 7, 6.0, 6), ("s2", "s4", 8, 7.0, 7)]
    return pl.DataFrame(
        [
            {"service_date": day, "origin_stop_id": origin, "destination_stop_id": destination, "hour": hour}
            | {"pax": pax, "cards": cards, "cards_once": cards, "method": "chained", "confidence": 0.9}
            for origin, destination, hour, pax, cards in cells
        ]
    )


def load_rows() -> pl.DataFrame:
    segments = [("s1", "s2", 4.1, 13), ("s2", "s3", 1.0, 3), ("s3", "s4", 6.0, 20)]
    return pl.DataFrame(
        [
            {"service_date": DAY, "line": "10", "from_stop": start, "to_stop": end, "hour": 7, "buses": 4}
            | {"load_pax": load, "cards": cards, "buses_h": 4.0, "headway_s": 900.0, "confidence": 0.8}
            for start, end, load, cards in segments
        ]
    )


def link_rows() -> pl.DataFrame:
    buses = [("a", "10", 60.0, 40), ("few", "10", 60.0, 4), ("other", "12", 20.0, 20)]
    return pl.DataFrame(
        [
            {"service_date": DAY, "line": line, "vehicle_id": bus, "trip_id": f"{bus}-t", "direction_id": 0}
            | {"pattern_id": "p", "stop_sequence": 1, "from_stop": "s1", "to_stop": "s2", "arrived_at": AT}
            | {"departed_at": AT, "boardings_pax": load, "alightings_pax": 0.0, "load_pax": load, "cards": cards}
            | {"method": "chained", "confidence": 0.9}
            for bus, line, load, cards in buses
        ]
    )


@pytest.fixture
def path(bench: Bench) -> str:
    """Flows of two days (loads of one), whose last segment nobody drew."""
    folder = bench.settings.folder / "flows"
    ways = {
        "service_date": [DAY, DAY],
        "line": ["10", "10"],
        "from_stop": ["s1", "s2"],
        "to_stop": ["s2", "s3"],
        "length_m": [400.0, 400.0],
        "longitudes": [[76.9, 76.91], [76.91, 76.92]],
        "latitudes": [[43.2, 43.2], [43.2, 43.2]],
    }
    lake.write(folder, "od_flows", schemas.OdFlow, od_rows(DAY), DAY)
    lake.write(folder, "od_flows", schemas.OdFlow, od_rows(LATER), LATER)
    lake.write(folder, "line_loads", schemas.LineLoad, load_rows(), DAY)
    lake.write(folder, "link_loads", schemas.LinkLoad, link_rows(), DAY)
    lake.write(folder, "line_segments", LineSegment, pl.DataFrame(ways), DAY)
    with bench.store.write() as session:
        row = add_flows(session, folder, scenario_id=None, job_id=None, now=bench.clock())
    assert row is not None
    return f"/v1/flows/{row.id}"


def matrix_sum(content: bytes, folder: Path) -> dict[str, float]:
    file = folder / "answer.omx"
    file.write_bytes(content)
    with openmatrix.open_file(str(file)) as opened:
        return {name: float(opened[name][:].sum()) for name in opened.list_matrices()}


@pytest.mark.parametrize("asked", ["application/vnd.hdfgroup.hdf5", "application/x-hdf5"])
def test_the_od_matrix_is_whole_and_without_what_a_total_gives_away(
    bench: Bench, path: str, tmp_path: Path, asked: str
) -> None:
    query = {"service_date": "2025-03-03", "limit": 1}
    answer = bench.client.get(f"{path}/od", headers=bench.headers(Accept=asked), params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == asked
    # s1 has one small cell at 7, so its other one is left out with it
    assert matrix_sum(answer.content, tmp_path) == {"pax": 13.0, "pax_07": 6.0, "pax_08": 7.0}
    only = bench.client.get(f"{path}/od", headers=bench.headers(), params={**query, "format": "omx", "hour": 8})
    assert matrix_sum(only.content, tmp_path) == {"pax": 7.0, "pax_08": 7.0}


@pytest.mark.parametrize("query", [{}, {"service_date": "2030-01-01"}])
def test_a_matrix_of_no_day_or_of_several_is_a_problem(bench: Bench, path: str, query: dict[str, str]) -> None:
    answer = bench.client.get(f"{path}/od", headers=bench.headers(), params={"format": "omx", **query})
    assert answer.status_code == 422
    assert "choose one" in answer.json()["detail"]


def test_matrices_asked_for_at_once_are_each_whole(bench: Bench, path: str, tmp_path: Path) -> None:
    headers = bench.headers()

    def ask(_number: int) -> bytes:
        query = {"format": "omx", "service_date": "2025-03-03"}
        return bench.client.get(f"{path}/od", headers=headers, params=query).content

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(8)))
    assert [matrix_sum(content, tmp_path)["pax"] for content in answers] == [13.0] * 8


def test_loads_on_the_map_are_those_of_the_table(bench: Bench, path: str) -> None:
    rows = bench.client.get(f"{path}/loads", headers=bench.headers()).json()
    assert [(row["from_stop"], row["load_pax"]) for row in rows] == [("s1", 3.75), ("s3", 6.25)]
    answer = bench.client.get(f"{path}/loads", headers=bench.headers(Accept="application/geo+json"))
    assert answer.headers["content-type"] == "application/geo+json"
    features = answer.json()["features"]
    assert [feature["properties"] for feature in features] == rows
    assert features[0]["geometry"] == {"type": "LineString", "coordinates": [[76.9, 43.2], [76.91, 43.2]]}
    assert features[1]["geometry"] is None
    second = bench.client.get(f"{path}/loads", headers=bench.headers(), params={"format": "geojson", "offset": 1})
    assert second.json()["features"] == features[1:]
    assert second.headers["x-total-count"] == "2"


def test_parquet_of_loads_is_geoparquet(bench: Bench, path: str) -> None:
    answer = bench.client.get(f"{path}/loads", headers=bench.headers(Accept="application/vnd.apache.parquet"))
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    geo = json.loads(pl.read_parquet_metadata(io.BytesIO(answer.content))["geo"])
    rows = pl.read_parquet(io.BytesIO(answer.content))
    assert (geo["primary_column"], rows["load_pax"].to_list()) == ("geometry", [3.75, 6.25])
    drawn, nowhere = rows["geometry"].to_list()
    assert list(shapely.from_wkb(drawn).coords) == [(76.9, 43.2), (76.91, 43.2)]
    assert nowhere is None


def vehicles(content: bytes) -> dict[str, realtime.VehiclePosition]:
    feed = realtime.FeedMessage()
    feed.ParseFromString(content)
    assert feed.header.timestamp == int(AT.timestamp())
    return {entity.id: entity.vehicle for entity in feed.entity}


@pytest.mark.parametrize("asked", ["application/protobuf", "application/x-protobuf"])
def test_occupancy_is_told_without_small_loads(bench: Bench, path: str, asked: str) -> None:
    query = {"at": "2025-03-03T08:00:00+05:00", "line": "10"}
    answer = bench.client.get(f"{path}/occupancy", headers=bench.headers(Accept=asked), params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == asked
    found = vehicles(answer.content)
    assert sorted(found) == ["a", "few"]
    assert found["a"].occupancy_status == realtime.VehiclePosition.CRUSHED_STANDING_ROOM_ONLY
    assert found["few"].occupancy_status == realtime.VehiclePosition.MANY_SEATS_AVAILABLE
    assert not found["few"].HasField("occupancy_percentage")
    larger = bench.client.get(
        f"{path}/occupancy", headers=bench.headers(), params={**query, "seats": 70, "places": 200}
    )
    assert vehicles(larger.content)["a"].occupancy_status == realtime.VehiclePosition.FEW_SEATS_AVAILABLE


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"at": "yesterday"},
        {"at": "2025-03-03T08:00:00"},
        {"at": "0001-01-01T00:00:00+05:00"},
        {"at": "9999-12-31T23:59:59-05:00"},
        {"at": "2025-03-03T08:00:00Z", "seats": 90},
    ],
)
def test_a_moment_or_a_bus_that_cannot_be_is_a_problem(bench: Bench, path: str, query: dict[str, str]) -> None:
    answer = bench.client.get(f"{path}/occupancy", headers=bench.headers(), params=query)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_each_table_is_served_and_described_in_its_own_formats(bench: Bench, path: str) -> None:
    described = bench.client.get("/v1/openapi.json").json()["paths"]
    for table in FlowsTable:
        operation = described[f"/v1/flows/{{flows_id}}/{table}"]["get"]
        served = {media_type for form in FORMATS[table] for media_type in MEDIA_TYPES[form]}
        assert set(operation["responses"]["200"]["content"]) == served
        (form,) = (parameter for parameter in operation["parameters"] if parameter["name"] == "format")
        assert set(form["schema"]["anyOf"][0]["enum"]) == {str(form) for form in FORMATS[table]}
    for table, form in ((FlowsTable.BOARDINGS, Format.OMX), (FlowsTable.OD, Format.GEOJSON)):
        asked = bench.headers(Accept=MEDIA_TYPES[form][0])
        assert bench.client.get(f"{path}/{table}", headers=asked).status_code == 406
        query = {"format": str(form)}
        assert bench.client.get(f"{path}/{table}", headers=bench.headers(), params=query).status_code == 422


def test_the_filters_of_a_table_are_columns_it_has(bench: Bench) -> None:
    described = bench.client.get("/v1/openapi.json").json()["paths"]
    chosen = {
        str(table): {
            parameter["name"] for parameter in described[f"/v1/flows/{{flows_id}}/{table}"]["get"]["parameters"]
        }
        & {"hour", "line", "stop"}
        for table in FlowsTable
    }
    assert chosen == {
        "boardings": {"line", "stop"},
        "od": {"hour", "stop"},
        "loads": {"hour", "line", "stop"},
        "trips": {"line"},
        "headways": {"line", "stop"},
        "waits": {"hour", "line", "stop"},
        "punctuality": {"hour", "line", "stop"},
        "run-times": {"hour", "line", "stop"},
        "speeds": {"hour", "line"},
        "signal-delays": {"hour", "line"},
    }
