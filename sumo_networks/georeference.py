"""Where on Earth a net lies: its own projection, or a made-up place for a net that has none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyproj

from sumo_networks.errors import NetworkError
from sumo_networks.sumo_xml import elements

# A net without a projection is laid on a plane that touches the Earth here. Any place does; this one is in Astana.
MADE_UP_LAT: Final = 51.1
MADE_UP_LON: Final = 71.4
_EARTH_RADIUS_M: Final = 6_371_008.8


@dataclass(frozen=True)
class Georeference:
    """Net coordinates (m) to latitude and longitude (degrees, WGS 84).

    `lat0`, `lon0` is where the middle of the net lies; with `made_up` the net's own origin was put at a place that
    means nothing. `box` is (x_min, y_min, x_max, y_max) of the net in metres."""

    lat0: float
    lon0: float
    made_up: bool
    box: tuple[float, float, float, float]
    to_lon_lat: Callable[[float, float], tuple[float, float]]

    def bounds(self) -> tuple[float, float, float, float]:
        """(min_lon, min_lat, max_lon, max_lat) of the net's box."""
        x0, y0, x1, y1 = self.box
        corners = [self.to_lon_lat(x, y) for x in (x0, x1) for y in (y0, y1)]
        lons, lats = zip(*corners, strict=True)
        return min(lons), min(lats), max(lons), max(lats)


def georeference(net: Path) -> Georeference:
    """Georeference of a .net.xml from its <location>. Raises NetworkError where that has no boundary."""
    for location in elements(net, "location"):
        box = _numbers(location.get("convBoundary", ""))
        offset = _numbers(location.get("netOffset", "0,0"))
        if len(box) != 4 or len(offset) != 2:
            break
        projection = location.get("projParameter", "!")
        if projection in {"!", "-", ".", ""}:
            return _made_up((box[0], box[1], box[2], box[3]))
        return _projected(net, projection, (offset[0], offset[1]), (box[0], box[1], box[2], box[3]))
    raise NetworkError(f"{net}: no <location> with convBoundary and netOffset; rebuild the net with netconvert")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _made_up(box: tuple[float, float, float, float]) -> Georeference:
    east_m = _EARTH_RADIUS_M * math.cos(math.radians(MADE_UP_LAT))

    def to_lon_lat(x: float, y: float) -> tuple[float, float]:
        return MADE_UP_LON + math.degrees(x / east_m), MADE_UP_LAT + math.degrees(y / _EARTH_RADIUS_M)

    lon0, lat0 = to_lon_lat((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return Georeference(lat0, lon0, True, box, to_lon_lat)


def _projected(
    net: Path, projection: str, offset: tuple[float, float], box: tuple[float, float, float, float]
) -> Georeference:
    try:
        transform = pyproj.Proj(projection)
    except pyproj.exceptions.CRSError as error:
        raise NetworkError(f"{net}: projParameter {projection!r} is no projection; rebuild the net") from error

    def to_lon_lat(x: float, y: float) -> tuple[float, float]:
        lon, lat = transform(x - offset[0], y - offset[1], inverse=True)
        return float(lon), float(lat)

    lon0, lat0 = to_lon_lat((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return Georeference(lat0, lon0, False, box, to_lon_lat)
