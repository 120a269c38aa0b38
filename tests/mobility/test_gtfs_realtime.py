"""VehiclePositions come in alike from protobuf messages and from a table flattened from them."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from google.transit.gtfs_realtime_pb2 import FeedMessage

from mobility.errors import FeedError
from mobility.ingest import ServiceDay, ingest_locations
from mobility.sources.gtfs_realtime import read_vehicle_positions

NOON = int(datetime(2025, 3, 3, 12, tzinfo=UTC).timestamp())
DAY = ServiceDay("city", date(2025, 3, 3), datetime(2025, 3, 2, 19, tzinfo=UTC), None)
HEADER = "id,vehicle.timestamp,vehicle.vehicle.id,vehicle.position.latitude,vehicle.position.longitude"


def message(at: int, *vehicles: str) -> FeedMessage:
    feed = FeedMessage()
    feed.header.gtfs_realtime_version = "2.0"
    feed.header.timestamp = at
    for name in vehicles:
        entity = feed.entity.add(id=f"entity {name}")
        entity.vehicle.vehicle.id = name
        entity.vehicle.timestamp = at
        entity.vehicle.trip.trip_id, entity.vehicle.trip.start_date = f"trip {name}", "20250303"
        entity.vehicle.position.latitude, entity.vehicle.position.longitude = 51.125, 71.5
        entity.vehicle.position.speed = 8.5
        entity.vehicle.occupancy_status = 2
    return feed


def write(folder: Path, **messages: FeedMessage) -> Path:
    folder.mkdir()
    for name, feed in messages.items():
        (folder / f"{name}.pb").write_bytes(feed.SerializeToString())
    return folder


def test_a_folder_of_messages_gives_every_vehicle_of_each(tmp_path: Path) -> None:
    folder = write(tmp_path / "day", a=message(NOON, "7", "8"), b=message(NOON + 30, "7"))
    ingested = ingest_locations(read_vehicle_positions(folder), DAY)
    assert ingested.read == ingested.accepted.height == 3
    first = ingested.accepted.row(0, named=True)
    assert first["vehicle_id"] == "7"
    assert first["trip_id_performed"] == "trip 7"
    assert first["event_timestamp"] == datetime(2025, 3, 3, 12, tzinfo=UTC)
    assert (first["latitude"], first["longitude"], first["speed"]) == (51.125, 71.5, 8.5)
    assert first["occupancy_status"] == "FEW_SEATS_AVAILABLE"


def test_a_vehicle_that_a_message_deletes_is_no_position(tmp_path: Path) -> None:
    feed = message(NOON, "7", "8")
    feed.header.incrementality = feed.header.DIFFERENTIAL
    feed.entity[0].is_deleted = True
    ingested = ingest_locations(read_vehicle_positions(write(tmp_path / "day", a=feed)), DAY)
    assert ingested.read == 1 and ingested.accepted["vehicle_id"].to_list() == ["8"]


@pytest.mark.parametrize("at", ["1740970800000", "1e18", "-1e15", "0", "315964819"])
def test_a_time_that_no_vehicle_can_be_of_is_quarantined(tmp_path: Path, at: str) -> None:
    path = tmp_path / "positions.csv"
    path.write_text(f"{HEADER}\n1,{at},7,51.1,71.5\n")
    ingested = ingest_locations(read_vehicle_positions(path), DAY)
    assert ingested.quarantined["reason"].to_list() == ["event_timestamp cannot be read as a time"]


def test_a_position_repeated_by_the_next_message_is_quarantined_as_such(tmp_path: Path) -> None:
    stale = message(NOON, "7")
    stale.header.timestamp = NOON + 30
    folder = write(tmp_path / "day", a=message(NOON, "7"), b=stale)
    ingested = ingest_locations(read_vehicle_positions(folder), DAY)
    assert (ingested.accepted.height, ingested.quarantined.height) == (1, 1)
    assert "before" in ingested.quarantined["reason"][0]
    assert "b.pb" in ingested.quarantined["row"][0]


def test_what_a_vehicle_leaves_out_is_missing_or_taken_from_the_message(tmp_path: Path) -> None:
    feed = message(NOON, "7", "8")
    feed.entity[0].vehicle.ClearField("timestamp")
    feed.entity[0].vehicle.ClearField("occupancy_status")
    feed.entity[1].vehicle.ClearField("position")
    ingested = ingest_locations(read_vehicle_positions(write(tmp_path / "day", a=feed) / "a.pb"), DAY)
    assert ingested.accepted["event_timestamp"].to_list() == [datetime(2025, 3, 3, 12, tzinfo=UTC)]
    assert ingested.accepted["occupancy_status"].to_list() == [None]
    assert ingested.quarantined["reason"].to_list() == ["latitude or longitude is missing or no number"]


def test_a_flat_table_says_the_same_as_the_messages(tmp_path: Path) -> None:
    rows = f"{HEADER},vehicle.occupancy_status,vehicle.trip.start_date\n1,{NOON},7,51.125,71.5,2.0,20250303\n"
    (tmp_path / "positions.csv.gz").write_bytes(gzip.compress(rows.encode()))
    flat = ingest_locations(read_vehicle_positions(tmp_path / "positions.csv.gz"), DAY).accepted
    folder = write(tmp_path / "day", a=message(NOON, "7"))
    columns = ["location_ping_id", "service_date", "event_timestamp", "vehicle_id", "latitude", "occupancy_status"]
    assert flat.select(columns).equals(ingest_locations(read_vehicle_positions(folder), DAY).accepted.select(columns))


def test_a_time_or_date_that_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    rows = f"{HEADER},vehicle.trip.start_date\n1,soon,7,51.1,71.5,\n2,{NOON},8,51.1,71.5,20250302\n"
    (tmp_path / "positions.csv").write_text(rows)
    ingested = ingest_locations(read_vehicle_positions(tmp_path / "positions.csv"), DAY)
    assert ingested.accepted.is_empty()
    assert [reason.split(" ")[0] for reason in ingested.quarantined["reason"]] == ["event_timestamp", "service_date"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.pb", b"\xff\xff\xff", "no GTFS-Realtime message"),
        ("lacking.csv", b"id,vehicle.timestamp\n1,2\n", "lacks the column 'vehicle.vehicle.id'"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FeedError, match=f"{name}.*{said}"):
        read_vehicle_positions(tmp_path / name)


def test_a_folder_without_messages_or_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeedError, match="holds no protobuf file"):
        read_vehicle_positions(tmp_path / "empty")
    with pytest.raises(FeedError, match=r"gone\.pb is missing"):
        read_vehicle_positions(tmp_path / "gone.pb")


def test_real_positions_are_read_whole(real_data: Path) -> None:
    table = read_vehicle_positions(real_data / "mobility" / "wmata" / "vehicle_positions_2026-02-16.csv.gz")
    midnight = datetime(2026, 2, 16, 5, tzinfo=UTC)
    ingested = ingest_locations(table, ServiceDay("wmata", date(2026, 2, 16), midnight, None))
    assert ingested.read == ingested.accepted.height + ingested.quarantined.height == 20_777
    assert set(ingested.accepted["occupancy_status"].drop_nulls()) <= {
        *("MANY_SEATS_AVAILABLE", "FEW_SEATS_AVAILABLE", "FULL", "NO_DATA_AVAILABLE")
    }
    assert ingested.accepted.select(pl.col("occupancy_status").is_not_null().mean()).item() == 1.0
