"""`jasyl mobility export` on a small flows folder: what it writes, and what it refuses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import openmatrix
import polars as pl
import pytest
from google.transit import gtfs_realtime_pb2 as realtime

from api.cli import main
from mobility import lake, schemas
from mobility.service_schemas import LineSegment

DAY = date(2025, 3, 3)
LOADS = pl.DataFrame(
    {
        "service_date": [DAY, DAY],
        "line": ["10", "10"],
        "from_stop": ["s1", "s2"],
        "to_stop": ["s2", "s3"],
        "hour": [7, 7],
        "buses": [4, 4],
        "load_pax": [4.1, 1.0],
        "cards": [13, 3],
        "buses_h": [4.0, 4.0],
        "headway_s": [900.0, 900.0],
        "confidence": [0.8, 0.8],
    }
)
WAYS = pl.DataFrame(
    {
        "service_date": [DAY, DAY],
        "line": ["10", "10"],
        "from_stop": ["s1", "s2"],
        "to_stop": ["s2", "s3"],
        "length_m": [400.0, 400.0],
        "longitudes": [[76.9, 76.91], [76.91, 76.92]],
        "latitudes": [[43.2, 43.2], [43.2, 43.2]],
    }
)
OD = pl.DataFrame(
    {
        "service_date": [DAY] * 3,
        "hour": [7, 7, 7],
        "origin_stop_id": ["s1", "s1", "s2"],
        "destination_stop_id": ["s2", "s3", "s4"],
        "pax": [12.0, 3.0, 6.0],
        "cards": [12, 3, 6],
        "cards_once": [12, 3, 6],
        "method": ["chained"] * 3,
        "confidence": [0.9] * 3,
    }
)


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    lake.write(folder, "line_loads", schemas.LineLoad, LOADS, DAY)
    lake.write(folder, "line_segments", LineSegment, WAYS, DAY)
    lake.write(folder, "od_flows", schemas.OdFlow, OD, DAY)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["jasyl", "mobility", "export", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)


def test_loads_on_the_map_are_rounded_and_small_ones_left_out(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "loads.geojson"
    assert run(monkeypatch, flows, "--format", "geojson", "--out", out) == 0
    (feature,) = json.loads(out.read_text())["features"]
    assert feature["properties"]["from_stop"] == "s1"
    assert feature["properties"]["load_pax"] == 3.75
    assert "cards" not in feature["properties"]


def test_the_od_matrix_leaves_out_what_the_total_would_give_away(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "od.omx"
    assert run(monkeypatch, flows, "--format", "omx", "--out", out) == 0
    with openmatrix.open_file(str(out)) as file:
        assert file["pax"][:].sum() == 6.0


def test_of_many_days_one_is_chosen_and_drawn_on_its_own_roads(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    later = date(2025, 3, 4)
    for name, schema, rows in (("line_loads", schemas.LineLoad, LOADS), ("line_segments", LineSegment, WAYS)):
        lake.write(flows, name, schema, rows.with_columns(pl.lit(later).alias("service_date")), later)
    lake.write(flows, "od_flows", schemas.OdFlow, OD.with_columns(pl.lit(later).alias("service_date")), later)
    out = tmp_path / "loads.geojson"
    assert run(monkeypatch, flows, "--format", "geojson", "--out", out) == 0
    found = [feature["properties"]["service_date"] for feature in json.loads(out.read_text())["features"]]
    assert found == ["2025-03-03", "2025-03-04"]
    assert run(monkeypatch, flows, "--format", "omx", "--out", tmp_path / "od.omx") == 1
    assert "one service date" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, flows, "--format", "omx", "--date", "2025-03-04", "--out", tmp_path / "od.omx") == 0


def test_occupancy_needs_its_moment(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "positions.pb"
    assert run(monkeypatch, flows, "--format", "gtfs-rt", "--out", out) == 1
    assert "give --at" in capsys.readouterr().err
    assert run(monkeypatch, flows, "--format", "gtfs-rt", "--out", out, "--at", "2025-03-03T08:00:00+0500") == 0
    feed = realtime.FeedMessage()
    feed.ParseFromString(out.read_bytes())
    assert feed.header.gtfs_realtime_version == "2.0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "csv", "--table", "journey_legs"), "is the operator's own"),
        (("--format", "geojson", "--table", "od_flows"), "has no place on the map"),
        (("--format", "omx", "--table", "line_loads"), "OMX holds matrices"),
    ],
)
def test_what_cannot_be_published_so_is_told_in_one_sentence(
    flows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert run(monkeypatch, flows, *arguments, "--out", tmp_path / "out") == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_folder_without_flows_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "--format", "omx", "--out", tmp_path / "od.omx") == 1
    assert "no flows folder" in capsys.readouterr().err
