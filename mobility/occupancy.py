"""How full each bus is at one moment, as GTFS-Realtime VehiclePositions (https://gtfs.org/documentation/realtime)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from google.transit import gtfs_realtime_pb2 as realtime

from mobility import lake
from mobility.errors import MobilityError
from mobility.schemas import LinkLoad

LONGEST_SILENCE = timedelta(minutes=30)
# a service day may run past midnight, and the date of a moment may be that of another zone
DAYS_AROUND = 2


@dataclass(frozen=True)
class Capacity:
    """Seats of a bus, and seats and standing places together. The default is a bus of twelve metres."""

    seats: int = 30
    places: int = 85

    def __post_init__(self) -> None:
        if not 0 < self.seats <= self.places:
            raise MobilityError(f"a bus with {self.seats} seats and {self.places} places in all cannot be")


def loads_around(flows: Path, at: datetime) -> pl.DataFrame:
    """The rows of LinkLoad in a flows folder that may tell of the moment `at`: those of the service dates around it."""
    days = [day for day in lake.service_dates(flows, "link_loads") if abs((day - at.date()).days) <= DAYS_AROUND]
    return pl.concat([LinkLoad.create_empty(), *(lake.read(flows, "link_loads", LinkLoad, day) for day in days)])


def occupancy_feed(loads: pl.DataFrame, at: datetime, *, k: int, capacity: Capacity = Capacity()) -> bytes:
    """A FeedMessage of the buses under way at the moment `at` (aware). `loads`: rows of LinkLoad.

    A bus is where its last departure before `at` left it, unless that was its last stop or longer ago than
    LONGEST_SILENCE. A load that rests on fewer than `k` cards says only that many seats are free, whatever it is;
    others are rounded to multiples of `k`, for one load less the one before it would tell who boarded in between.
    Raises MobilityError for a moment before 1970 or after 9998, which the format cannot say."""
    if not 1970 < at.year < 9999:
        raise MobilityError(f"{at.isoformat()} is no moment that GTFS-Realtime can say; give one after 1970")
    feed = realtime.FeedMessage()
    feed.header.gtfs_realtime_version = "2.0"
    feed.header.incrementality = realtime.FeedHeader.FULL_DATASET
    feed.header.timestamp = int(at.timestamp())
    under_way = (
        loads.filter(pl.col("departed_at").is_between(at - LONGEST_SILENCE, at))
        .sort("vehicle_id", "departed_at", "stop_sequence")
        .unique("vehicle_id", keep="last", maintain_order=True)
        .drop_nulls("to_stop")
    )
    for row in under_way.iter_rows(named=True):
        entity = feed.entity.add(id=row["vehicle_id"])
        _describe(entity.vehicle, row, k, capacity)
    content: bytes = feed.SerializeToString(deterministic=True)
    return content


def _describe(vehicle: realtime.VehiclePosition, row: dict[str, object], k: int, capacity: Capacity) -> None:
    departed_at, service_date, load_pax, cards = (row[n] for n in ("departed_at", "service_date", "load_pax", "cards"))
    assert isinstance(departed_at, datetime) and isinstance(load_pax, float) and isinstance(cards, int)
    vehicle.vehicle.id = str(row["vehicle_id"])
    vehicle.trip.trip_id = str(row["trip_id"])
    vehicle.trip.route_id = str(row["line"])
    vehicle.trip.start_date = str(service_date).replace("-", "")
    if row["direction_id"] is not None:
        vehicle.trip.direction_id = int(str(row["direction_id"]))
    vehicle.current_stop_sequence = int(str(row["stop_sequence"])) + 1
    vehicle.stop_id = str(row["to_stop"])
    vehicle.current_status = realtime.VehiclePosition.IN_TRANSIT_TO
    vehicle.timestamp = int(departed_at.timestamp())
    if cards < k:
        vehicle.occupancy_status = realtime.VehiclePosition.MANY_SEATS_AVAILABLE
        return
    shown_pax = round(load_pax / k) * k
    vehicle.occupancy_status = _status(shown_pax, capacity)
    vehicle.occupancy_percentage = round(100 * shown_pax / capacity.places)


def _status(shown_pax: int, capacity: Capacity) -> realtime.VehiclePosition.OccupancyStatus:
    status = realtime.VehiclePosition
    standing = capacity.places - capacity.seats
    if shown_pax < capacity.seats / 2:
        return status.MANY_SEATS_AVAILABLE
    if shown_pax < capacity.seats:
        return status.FEW_SEATS_AVAILABLE
    if shown_pax < capacity.seats + standing / 2:
        return status.STANDING_ROOM_ONLY
    return status.CRUSHED_STANDING_ROOM_ONLY if shown_pax < capacity.places else status.FULL
