"""GTFS-Realtime VehiclePositions (https://gtfs.org/documentation/realtime/reference): protobuf files, or a flat CSV.

A protobuf file is one message, as a feed serves it at one moment; a day is a folder of them. The CSV has a column for
every field, named by its place in the message (`vehicle.position.latitude`), as tables flattened from the protobuf do.
Both come in as the raw table of `vehicle_locations` under TIDES names, with `occupancy_status` besides. A position is
named by vehicle and time, so one that later messages repeat is seen to be a repetition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from google.protobuf.message import DecodeError
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedMessage, VehiclePosition

from mobility.errors import FeedError
from mobility.sources.tides import RawTable, digest, read_records, with_lines
from mobility.sources.zones import times_in_reach

TIMESTAMP, VEHICLE = "vehicle.timestamp", "vehicle.vehicle.id"
LATITUDE, LONGITUDE = "vehicle.position.latitude", "vehicle.position.longitude"
REQUIRED = (TIMESTAMP, VEHICLE, LATITUDE, LONGITUDE)
TRIP, START_DATE = "vehicle.trip.trip_id", "vehicle.trip.start_date"
SPEED, BEARING = "vehicle.position.speed", "vehicle.position.bearing"
OCCUPANCY = "vehicle.occupancy_status"
FIELDS = (*REQUIRED, TRIP, START_DATE, SPEED, BEARING, OCCUPANCY)
OCCUPANCIES = {str(number): name for name, number in VehiclePosition.OccupancyStatus.items()}


def read_vehicle_positions(path: Path) -> RawTable:
    """Read VehiclePositions from a protobuf file, a folder of such files (*.pb, in the order of their names), or a flat
    CSV (*.csv, *.csv.gz).

    Rows of protobuf are counted from line 2 on, as those of a CSV with a header. Raises FeedError naming the file."""
    if path.is_dir():
        files = sorted(path.glob("*.pb"))
        if not files:
            raise FeedError(f"{path} holds no protobuf file (*.pb)")
        table, content = _messages(files), _digest_of(files)
    elif path.name.endswith((".csv", ".csv.gz")):
        return _flat_csv(path)
    else:
        table, content = _messages([path]), digest(path)
    return RawTable(path.name, content, _under_tides_names(with_lines(table)), zone="UTC", card_column=None)


def _flat_csv(path: Path) -> RawTable:
    records = read_records(path)
    for column in REQUIRED:
        if column not in records.rows.columns:
            raise FeedError(f"{path} lacks the column '{column}' of GTFS-Realtime VehiclePositions")
    rows = _under_tides_names(with_lines(records.rows).with_columns(records.lines.alias("line")))
    return RawTable(path.name, digest(path), rows, zone="UTC", card_column=None, broken=records.broken)


def _messages(files: list[Path]) -> pl.DataFrame:
    rows = [row for file in files for row in _rows(file)]
    return pl.DataFrame(rows, schema=dict.fromkeys(("message", "id", *FIELDS), pl.String), orient="row")


def _rows(file: Path) -> Iterator[tuple[str | None, ...]]:
    """Vehicles of one message: file name, entity id and FIELDS, as strings. An entity that a differential message
    deletes is no vehicle's position, whatever it still holds."""
    message = FeedMessage()
    try:
        message.ParseFromString(file.read_bytes())
    except FileNotFoundError:
        raise FeedError(f"{file} is missing") from None
    except (DecodeError, OSError) as error:
        raise FeedError(f"{file} is no GTFS-Realtime message: {error}") from error
    for entity in message.entity:
        if entity.HasField("vehicle") and not entity.is_deleted:
            yield (file.name, entity.id, *_fields(entity, message.header.timestamp))


def _fields(entity: FeedEntity, sent_at: int) -> tuple[str | None, ...]:
    """FIELDS of one vehicle. One that does not say when it was there was so when the message was made."""
    vehicle, trip, place = entity.vehicle, entity.vehicle.trip, entity.vehicle.position
    located = vehicle.HasField("position")
    return (
        str(vehicle.timestamp or sent_at) if vehicle.timestamp or sent_at else None,
        vehicle.vehicle.id or vehicle.vehicle.label or None,
        str(place.latitude) if located else None,
        str(place.longitude) if located else None,
        trip.trip_id or None,
        trip.start_date or None,
        str(place.speed) if place.HasField("speed") else None,
        str(place.bearing) if place.HasField("bearing") else None,
        str(vehicle.occupancy_status) if vehicle.HasField("occupancy_status") else None,
    )


def _under_tides_names(table: pl.DataFrame) -> pl.DataFrame:
    """Times and dates as ISO 8601, occupancy by its name; what cannot be read stays as it was, to be refused later."""
    missing = [pl.lit(None, dtype=pl.String).alias(name) for name in FIELDS if name not in table.columns]
    table = table.with_columns(missing)
    epoch_s = pl.col(TIMESTAMP).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    at = times_in_reach(pl.from_epoch(epoch_s, time_unit="s"))
    date = pl.col(START_DATE).str.replace(r"\.0$", "").str.to_date("%Y%m%d", strict=False)
    return table.select(
        "line",
        "raw",
        pl.concat_str(pl.col(VEHICLE).fill_null("?"), pl.col(TIMESTAMP).fill_null("?"), separator="@").alias(
            "location_ping_id"
        ),
        pl.coalesce(at.dt.to_string("iso:strict") + "Z", TIMESTAMP).alias("event_timestamp"),
        pl.col(VEHICLE).alias("vehicle_id"),
        pl.col(TRIP).alias("trip_id_performed"),
        pl.coalesce(date.dt.to_string("iso"), START_DATE).alias("service_date"),
        pl.col(LATITUDE).alias("latitude"),
        pl.col(LONGITUDE).alias("longitude"),
        pl.col(SPEED).alias("speed"),
        pl.col(BEARING).alias("heading"),
        pl.col(OCCUPANCY).str.replace(r"\.0$", "").replace(OCCUPANCIES).alias("occupancy_status"),
    )


def _digest_of(files: list[Path]) -> str:
    """Name of the content of several files together."""
    whole = hashlib.blake2b(digest_size=8)
    for file in files:
        whole.update(digest(file).encode())
    return whole.hexdigest()
