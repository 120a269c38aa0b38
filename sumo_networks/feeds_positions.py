"""Vehicle locations as a bus's GPS would give them: every few seconds, with noise that drifts, and with gaps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sumo_networks.errors import ScenarioError
from sumo_networks.feeds_format import FeedClock, write_csv
from sumo_networks.feeds_run import Recording
from sumo_networks.georeference import Georeference
from sumo_networks.sumo_xml import elements

LOCATION_COLUMNS: Final = (
    "location_ping_id",
    "service_date",
    "event_timestamp",
    "vehicle_id",
    "trip_id_performed",
    "latitude",
    "longitude",
    "speed",
    "heading",
)

# Errors of one receiver hang together over about half a minute (Gauss-Markov), gaps last some pings (urban canyons).
_CORRELATION_S: Final = 30.0
_MEAN_GAP_PINGS: Final = 6.0


@dataclass(frozen=True)
class GpsQuality:
    """How well the buses' GPS works: ping interval, standard deviation of the error along each axis, share of pings
    that never arrive."""

    interval_s: int = 10
    noise_m: float = 5.0
    gap_share: float = 0.03

    def __post_init__(self) -> None:
        if self.interval_s < 1 or self.noise_m < 0 or not 0 <= self.gap_share < 1:
            raise ScenarioError(
                f"GPS interval {self.interval_s} s, noise {self.noise_m:g} m, gap share {self.gap_share:g}: "
                "give an interval of 1 s or more, a noise not under 0 and a share from 0 to under 1"
            )


@dataclass
class _Receiver:
    """State of one bus's receiver: its present error in metres, and the pings it will still miss."""

    error: tuple[float, float]
    missing: int = 0


def write_vehicle_locations(
    path: Path,
    recording: Recording,
    quality: GpsQuality,
    place: Georeference,
    clock: FeedClock,
    random: np.random.Generator,
) -> int:
    """Write vehicle_locations.csv from a recording's positions, by time and vehicle; returns the number of pings.

    Speed is m/s, heading degrees clockwise from north; the vehicle is on the trip of its own id."""
    day = clock.service_date.isoformat()

    def rows() -> Iterator[tuple[str | int | float, ...]]:
        for number, (time_s, bus, x, y, speed, heading) in enumerate(_pings(recording, quality, random), start=1):
            lon, lat = place.to_lon_lat(x, y)
            stamp = clock.timestamp(time_s)
            yield f"p{number:07d}", day, stamp, bus, bus, f"{lat:.6f}", f"{lon:.6f}", f"{speed:.1f}", round(heading)

    return write_csv(path, LOCATION_COLUMNS, rows())


def _pings(
    recording: Recording, quality: GpsQuality, random: np.random.Generator
) -> Iterator[tuple[float, str, float, float, float, float]]:
    receivers: dict[str, _Receiver] = {}
    keep = math.exp(-quality.interval_s / _CORRELATION_S)
    fresh_m = quality.noise_m * math.sqrt(1 - keep * keep)
    start_gap = quality.gap_share / (_MEAN_GAP_PINGS * (1 - quality.gap_share))
    for step in elements(recording.positions, "timestep"):
        seen = sorted((vehicle for vehicle in step.iter("vehicle")), key=lambda vehicle: vehicle.get("id", ""))
        for vehicle in seen:
            bus = vehicle.get("id", "")
            if bus not in recording.buses:
                continue
            receiver = receivers.get(bus)
            east, north = random.standard_normal(2).tolist()
            if receiver is None:
                receiver = receivers[bus] = _Receiver((quality.noise_m * east, quality.noise_m * north))
            else:
                error = receiver.error
                receiver.error = (keep * error[0] + fresh_m * east, keep * error[1] + fresh_m * north)
            if receiver.missing == 0 and random.random() < start_gap:
                receiver.missing = int(random.geometric(1 / _MEAN_GAP_PINGS))
            if receiver.missing > 0:
                receiver.missing -= 1
                continue
            yield (
                float(step.get("time", "0")),
                bus,
                float(vehicle.get("x", "0")) + receiver.error[0],
                float(vehicle.get("y", "0")) + receiver.error[1],
                float(vehicle.get("speed", "0")),
                float(vehicle.get("angle", "0")),
            )
