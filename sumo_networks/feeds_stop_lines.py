"""Where the stop lines of signalised approaches lie: planned data, as a city has it of its junctions."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Final

from sumo_networks.feeds_format import write_csv
from sumo_networks.feeds_net import FeedNet, Point
from sumo_networks.georeference import Georeference

STOP_LINE_COLUMNS: Final = ("approach_id", "latitude", "longitude", "heading")


def write_stop_lines(path: Path, net: FeedNet, place: Georeference) -> int:
    """Write stop_lines.csv: one row an edge that ends at a controller's signals, sorted; returns the rows.

    `approach_id` is controller:edge. The place is the end of the edge's rightmost lane for vehicles, which buses drive
    and shapes follow; `heading` is that of its traffic there, degrees from north."""
    rows: list[tuple[str | int | float, ...]] = []
    for tls, edge in sorted({(link.tls, link.from_edge) for link in net.links}):
        lane = net.driven_lane(edge)
        heading = None if lane is None else _last_heading(lane.shape)
        if lane is None or heading is None:
            continue
        lon, lat = place.to_lon_lat(*lane.shape[-1])
        rows.append((f"{tls}:{edge}", round(lat, 6), round(lon, 6), round(heading, 1)))
    return write_csv(path, STOP_LINE_COLUMNS, rows)


def _last_heading(shape: tuple[Point, ...]) -> float | None:
    """Degrees from north in which the last piece of a line points; None for a line without length."""
    for (ax, ay), (bx, by) in reversed(list(pairwise(shape))):
        if (ax, ay) != (bx, by):
            return math.degrees(math.atan2(bx - ax, by - ay)) % 360.0
    return None
