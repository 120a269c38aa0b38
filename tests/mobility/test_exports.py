"""OMX, GeoParquet, GeoJSON and GTFS-Realtime, each read back by a reader of that format."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openmatrix
import polars as pl
import pytest
import shapely
from google.transit import gtfs_realtime_pb2 as realtime
from rides_by_hand import START, TIME

from mobility import lake
from mobility.errors import MobilityError
from mobility.geo import drawn as place_on_map
from mobility.geo import with_geometry, write_geojson, write_geoparquet
from mobility.occupancy import Capacity, loads_around, occupancy_feed
from mobility.omx import write_omx
from mobility.schemas import LinkLoad

DAY = date(2025, 3, 3)


def od(*cells: tuple[int, str, str, float], day: date = DAY) -> pl.DataFrame:
    schema = ["hour", "origin_stop_id", "destination_stop_id", "pax"]
    return pl.DataFrame(cells, schema=schema, orient="row").with_columns(pl.lit(day).alias("service_date"))


def test_omx_holds_each_hour_and_their_sum_by_stop(tmp_path: Path) -> None:
    rows = od((7, "south", "north", 12.5), (7, "north", "south", 6.0), (24, "south", "жасыл", 5.5))
    assert write_omx(rows, tmp_path / "od.omx") == 3
    with openmatrix.open_file(str(tmp_path / "od.omx")) as file:
        assert sorted(file.list_matrices()) == ["pax", "pax_07", "pax_24"]
        names = [name.decode() for name in file.root.lookup.stop_id[:]]
        zone = {name: number for number, name in enumerate(names)}
        assert sorted(file.mapping("zone")) == [1, 2, 3]
        assert file["pax_07"][zone["south"], zone["north"]] == 12.5
        assert file["pax"][zone["south"], zone["жасыл"]] == 5.5
        assert sum(file["pax"][:].ravel()) == pytest.approx(24.0)
    assert [path.name for path in tmp_path.iterdir()] == ["od.omx"]


def test_omx_is_of_one_day(tmp_path: Path) -> None:
    two = pl.concat([od((7, "a", "b", 1.0)), od((7, "a", "b", 1.0), day=date(2025, 3, 4))])
    with pytest.raises(MobilityError, match="one service date, and the OD rows are of 2"):
        write_omx(two, tmp_path / "od.omx")
    assert list(tmp_path.iterdir()) == []


def drawn() -> pl.DataFrame:
    rows = pl.DataFrame(
        {"service_date": [DAY, DAY], "segment_id": ["s", "gone"], "speed_m_s": [6.5, 7.0], "at": [START, START]}
    ).cast({"at": TIME})
    segments = pl.DataFrame(
        {
            "service_date": [DAY, DAY + timedelta(days=1)],
            "segment_id": ["s", "s"],
            "longitudes": [[76.9, 76.91, 76.92], [0.0, 1.0]],
            "latitudes": [[43.2, 43.2, 43.25], [0.0, 1.0]],
        }
    )
    return with_geometry(rows, segments)


def test_geoparquet_says_where_its_lines_are_and_how_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "speeds.parquet"
    write_geoparquet(drawn(), path)
    described = json.loads(pl.read_parquet_metadata(path)["geo"])
    column = described["columns"][described["primary_column"]]
    assert described["version"] == "1.1.0"
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["LineString"])
    assert column["bbox"] == [76.9, 43.2, 76.92, 43.25]
    written = pl.read_parquet(path)
    line, nowhere = written["geometry"].to_list()
    assert (written["segment_id"].to_list(), nowhere) == (["s", "gone"], None)
    assert list(shapely.from_wkb(line).coords) == [(76.9, 43.2), (76.91, 43.2), (76.92, 43.25)]


def test_geoparquet_and_geojson_of_nothing_are_valid(tmp_path: Path) -> None:
    nothing = drawn().clear()
    write_geoparquet(nothing, tmp_path / "none.parquet")
    assert pl.read_parquet(tmp_path / "none.parquet").is_empty()
    assert "geo" in pl.read_parquet_metadata(tmp_path / "none.parquet")
    write_geojson(nothing, tmp_path / "none.geojson")
    assert json.loads((tmp_path / "none.geojson").read_text())["features"] == []


def test_geojson_holds_the_same_line_and_iso_times(tmp_path: Path) -> None:
    write_geojson(drawn(), tmp_path / "speeds.geojson")
    feature, nowhere = json.loads((tmp_path / "speeds.geojson").read_text())["features"]
    assert (nowhere["geometry"], nowhere["properties"]["segment_id"]) == (None, "gone")
    assert shapely.from_geojson(json.dumps(feature["geometry"])).length > 0
    assert feature["properties"]["service_date"] == "2025-03-03"
    assert datetime.fromisoformat(feature["properties"]["at"]) == START
    with pytest.raises(MobilityError, match="table od_flows has no place on the map"):
        place_on_map(tmp_path, "od_flows", drawn())


def loads(*rows: tuple[str, int, float, int, str | None, float]) -> pl.DataFrame:
    """(vehicle, stop sequence, minute of departure, cards, next stop, load)."""
    return pl.DataFrame(
        [
            {
                "service_date": DAY,
                "line": "10",
                "vehicle_id": vehicle,
                "trip_id": f"{vehicle}-t",
                "direction_id": 1,
                "stop_sequence": sequence,
                "to_stop": to_stop,
                "departed_at": START + timedelta(minutes=minute),
                "load_pax": load,
                "cards": cards,
            }
            for vehicle, sequence, minute, cards, to_stop, load in rows
        ],
        schema_overrides={"departed_at": TIME, "to_stop": pl.String},
    )


def vehicles(content: bytes) -> dict[str, realtime.VehiclePosition]:
    feed = realtime.FeedMessage()
    feed.ParseFromString(content)
    assert feed.header.timestamp == int((START + timedelta(minutes=10)).timestamp())
    return {entity.id: entity.vehicle for entity in feed.entity}


def test_occupancy_is_that_of_the_last_departure_of_buses_under_way() -> None:
    rows = loads(
        ("a", 1, 2.0, 30, "s2", 20.0),
        ("a", 2, 8.0, 60, "s3", 68.0),
        ("a", 3, 12.0, 9, "s4", 9.0),
        ("done", 6, 9.0, 9, None, 0.0),
        ("silent", 1, -30.0, 9, "s2", 9.0),
    )
    found = vehicles(occupancy_feed(rows, START + timedelta(minutes=10), k=5))
    assert list(found) == ["a"]
    assert (found["a"].stop_id, found["a"].current_stop_sequence) == ("s3", 3)
    assert found["a"].occupancy_status == realtime.VehiclePosition.CRUSHED_STANDING_ROOM_ONLY
    assert found["a"].occupancy_percentage == 82
    assert (found["a"].trip.start_date, found["a"].trip.route_id) == ("20250303", "10")


def test_loads_that_differ_by_less_than_k_look_the_same() -> None:
    rows = loads(*((f"bus{load}", 1, 8.0, 99, "s2", float(load)) for load in (18, 20, 22)))
    found = vehicles(occupancy_feed(rows, START + timedelta(minutes=10), k=5))
    assert {vehicle.occupancy_percentage for vehicle in found.values()} == {24}


def test_a_load_of_few_cards_looks_like_an_empty_bus() -> None:
    rows = loads(("few", 1, 8.0, 4, "s2", 70.0), ("empty", 1, 8.0, 0, "s2", 0.0))
    found = vehicles(occupancy_feed(rows, START + timedelta(minutes=10), k=5))
    for name in ("few", "empty"):
        assert found[name].occupancy_status == realtime.VehiclePosition.MANY_SEATS_AVAILABLE
        assert not found[name].HasField("occupancy_percentage")


@pytest.mark.parametrize(
    ("load", "status"),
    [
        (14.0, "MANY_SEATS_AVAILABLE"),
        (15.0, "FEW_SEATS_AVAILABLE"),
        (30.0, "STANDING_ROOM_ONLY"),
        (58.0, "CRUSHED_STANDING_ROOM_ONLY"),
        (85.0, "FULL"),
    ],
)
def test_the_status_goes_by_seats_and_standing_places(load: float, status: str) -> None:
    found = vehicles(occupancy_feed(loads(("a", 1, 8.0, 99, "s2", load)), START + timedelta(minutes=10), k=1))
    assert found["a"].occupancy_status == realtime.VehiclePosition.OccupancyStatus.Value(status)
    with pytest.raises(MobilityError, match="cannot be"):
        Capacity(50, 40)


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_a_moment_the_format_cannot_say_is_refused(year: int) -> None:
    with pytest.raises(MobilityError, match="no moment that GTFS-Realtime can say"):
        occupancy_feed(loads(("a", 1, 8.0, 9, "s2", 9.0)), datetime(year, 1, 1, tzinfo=UTC), k=5)


def test_only_days_around_a_moment_are_read(tmp_path: Path) -> None:
    for days in (-3, -1, 0, 3):
        day = DAY + timedelta(days=days)
        row = {
            **loads((f"bus{days}", 1, 8.0, 9, "s2", 9.0)).row(0, named=True),
            **{"service_date": day, "pattern_id": "p", "from_stop": "s1", "arrived_at": START, "method": "chained"},
            **{"boardings_pax": 9.0, "alightings_pax": 0.0, "confidence": 0.9},
        }
        lake.write(tmp_path, "link_loads", LinkLoad, pl.DataFrame([row]), day)
    assert loads_around(tmp_path, START)["vehicle_id"].to_list() == ["bus-1", "bus0"]
    assert loads_around(tmp_path / "none", START).is_empty()
