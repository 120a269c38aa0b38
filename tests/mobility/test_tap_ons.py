"""Exports whose taps have a line and a position, files about lines, and what is said of broken ones."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from mobility.errors import FeedError, MappingError
from mobility.sources.line_files import read_line_shapes, read_modes
from mobility.sources.mapped_csv import Mapping, mapping_named, mapping_of
from mobility.tap_ons import TapOns, read_tap_ons

SUBE = mapping_named("sube")
HEADER = (
    "id,id_tarjeta,modo,lat,lon,sexo,interno_bus,tipo_trx_tren,etapa_red_sube,id_linea,id_ramal,id_tarifa,hora,fecha"
)
TRAIN = "1,77.0,TRE,-34.628,-58.38,F,,CHECK IN,1,16,16,1,8,27/11/2019"
BUS = "2,77.0,COL,-34.64,-58.40,F,2014.0,,0,98,98,1,7,27/11/2019"
EXIT = "3,77.0,TRE,-34.708,-58.39,F,,CHECK OUT,1,16,16,1,9,27/11/2019"
NO_MODES = pl.DataFrame(schema={"line": pl.String, "mode": pl.String})


def read_in(path: Path, mapping: Mapping = SUBE, modes: pl.DataFrame = NO_MODES) -> TapOns:
    return read_tap_ons(path, mapping, modes)


def export(folder: Path, *rows: str) -> Path:
    path = folder / "trx.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_boardings_of_sube_come_with_hour_mode_counter_and_position_and_exits_are_left_out(tmp_path: Path) -> None:
    read = read_in(export(tmp_path, TRAIN, BUS, EXIT))
    assert (read.exits, read.read, read.quarantined.height) == (1, 3, 0)
    assert read.boardings.select(
        "transaction_id", "event_timestamp", "line", "mode", "transfer_number", "latitude"
    ).rows() == [
        ("1", datetime(2019, 11, 27, 8), "16", "rail", 1, -34.628),
        ("2", datetime(2019, 11, 27, 7), "98", "bus", 0, -34.64),
    ]


def test_a_tap_without_a_mode_gets_that_of_its_line(tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text("id_linea,modo\n16.0,TRE\n")
    read = read_in(export(tmp_path, TRAIN.replace("TRE", ""), BUS), modes=read_modes(lines, SUBE))
    assert read.boardings["mode"].to_list() == ["rail", "bus"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (BUS.replace("2,77", ",77", 1), "transaction_id is missing"),
        (BUS.replace("2,77", "1,77", 1), "transaction_id came before in this file"),
        (BUS.replace("27/11", "31/02"), "event_timestamp cannot be read as a time"),
        (BUS.replace("-34.64", "south"), "latitude is no latitude in degrees"),
        (BUS.replace("-58.40", "-258.40"), "longitude is no longitude in degrees"),
        (BUS.replace("-58.40", ""), "latitude without longitude, or longitude without latitude"),
        (BUS.replace(",0,98", ",x,98"), "transfer_number is no whole number from 0"),
        (BUS.replace("0,98,98", "0,,98"), "route_id is missing"),
        (BUS + ",1", "too many fields for the header"),
    ],
)
def test_a_row_that_cannot_be_read_is_kept_with_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    read = read_in(export(tmp_path, TRAIN, row, EXIT))
    assert read.quarantined.select("file", "line", "reason").rows() == [("trx.csv", 3, reason)]
    assert read.boardings["transaction_id"].to_list() == ["1"]
    assert (read.read, read.exits) == (3, 1)
    assert "77.0" not in read.quarantined["row"][0]


def test_the_card_of_a_refused_row_is_left_out(tmp_path: Path) -> None:
    read = read_in(export(tmp_path, TRAIN, BUS.replace("-34.64", "south")))
    row = json.loads(read.quarantined["row"][0])
    assert row["lat"] == "south"
    assert row["id_tarjeta"] is None


def test_a_tap_at_the_middle_of_the_map_has_no_position(tmp_path: Path) -> None:
    read = read_in(export(tmp_path, TRAIN, BUS.replace("-34.64,-58.40", "0,0.0")))
    assert read.quarantined.height == 0
    assert read.boardings.select("latitude", "longitude").rows() == [(-34.628, -58.38), (None, None)]


def test_an_export_without_any_position_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"trx\.csv has no boarding with a position"):
        read_in(export(tmp_path, BUS.replace("-34.64,-58.40", ",")))
    with pytest.raises(FeedError, match="1 of 2 rows are refused, the first in line 3: route_id is missing"):
        read_in(export(tmp_path, EXIT, BUS.replace("0,98,98", "0,,98")))


def test_a_mapping_without_positions_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="maps nothing to 'route_id'"):
        read_in(export(tmp_path, BUS), mapping_named("onay"))


def test_a_mapping_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text((Path(__file__).resolve().parents[2] / "mobility" / "sources" / "sube.toml").read_text())
    assert mapping_of(str(copy)) == mapping_of("sube") == SUBE


def geojson(folder: Path, *features: object) -> Path:
    path = folder / "lines.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_paths_come_as_points_no_further_apart_than_400_m(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[-58.4, -34.6], [-58.4, -34.62]]}
    shapes = read_line_shapes(geojson(tmp_path, {"properties": {"id_linea": 16.0}, "geometry": line}), SUBE)
    assert shapes["line"].unique().to_list() == ["16"]
    steps = shapes["latitude"].diff().drop_nulls().abs() * 111_195.0
    assert steps.max() <= 400.0
    assert shapes["latitude"][-1] == pytest.approx(-34.62)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ({"properties": {}, "geometry": None}, "feature 1: needs the property 'id_linea'"),
        ({"properties": {"id_linea": 1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}, "feature 1: needs"),
    ],
)
def test_a_feature_that_is_no_line_is_named(tmp_path: Path, feature: object, said: str) -> None:
    with pytest.raises(FeedError, match=said):
        read_line_shapes(geojson(tmp_path, feature), SUBE)


def test_files_that_are_something_else_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.geojson").write_text("no json")
    with pytest.raises(FeedError, match="is no GeoJSON"):
        read_line_shapes(tmp_path / "x.geojson", SUBE)
    with pytest.raises(FeedError, match="is missing"):
        read_line_shapes(tmp_path / "none.geojson", SUBE)
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FeedError, match="lacks the column 'id_linea'"):
        read_modes(tmp_path / "m.csv", SUBE)
    with pytest.raises(MappingError, match=r"has no \[lines\]"):
        read_modes(tmp_path / "m.csv", mapping_named("onay"))
