"""How far road users go through a junction: ways of links, conflict areas, entering and clearing distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shapely import LineString, Point, get_coordinates
from shapely.ops import nearest_points

from sumo_networks.net_file import NetConnection, NetFile
from sumo_networks.net_file import Point as Point2

HALF_VEHICLE_M = 1.0


@dataclass(frozen=True)
class Way:
    """The way of one connection from its stop line through the junction; of a crossing, the crossing itself."""

    line: LineString
    half_width_m: float
    is_crossing: bool

    @property
    def length_m(self) -> float:
        """Length of the way."""
        return float(self.line.length)


@dataclass(frozen=True)
class ConflictDistances:
    """From the stop line of the clearing way to the end of the conflict area, and from that of the entering way to its
    start."""

    clearing_m: float
    entering_m: float


def way_of(net: NetFile, connection: NetConnection) -> Way:
    """The internal lanes that one connection leads over, joined."""
    crossing = net.crossing(connection)
    if crossing:
        lane = net.edges[crossing].lanes[0]
        return Way(_line(lane.shape), lane.width_m / 2, True)
    points: list[tuple[float, float]] = []
    via = connection.via
    seen: set[str] = set()
    while via in net.lanes and via not in seen:
        seen.add(via)
        points += net.lanes[via].shape
        via = net.next_internal.get(via, "")
    if not points:
        points = [
            net.lane(connection.from_edge, connection.from_lane).shape[-1],
            net.lane(connection.to_edge, connection.to_lane).shape[0],
        ]
    return Way(_line(points), HALF_VEHICLE_M, False)


def conflict_distances(clearing: Way, entering: Way) -> ConflictDistances:
    """Distances along two ways to the area that both need, or to where they come nearest if their bands do not meet.

    Pedestrians clear the whole crossing and enter at its start."""
    area = clearing.line.buffer(clearing.half_width_m, cap_style="flat").intersection(
        entering.line.buffer(entering.half_width_m, cap_style="flat")
    )
    if area.is_empty:
        near, far = nearest_points(clearing.line, entering.line)
        clearing_m = min(clearing.length_m, clearing.line.project(near) + entering.half_width_m)
        entering_m = max(0.0, entering.line.project(far) - clearing.half_width_m)
    else:
        corners = [Point(xy) for xy in get_coordinates(area)]
        clearing_m = max(clearing.line.project(corner) for corner in corners)
        entering_m = min(entering.line.project(corner) for corner in corners)
    return ConflictDistances(
        round(clearing.length_m if clearing.is_crossing else float(clearing_m), 2),
        round(0.0 if entering.is_crossing else float(entering_m), 2),
    )


def _line(points: Sequence[Point2]) -> LineString:
    """A line that also holds where all points are the same."""
    line = LineString(points)
    if line.length > 0:
        return line
    x, y = line.coords[0][:2]
    return LineString([(x, y), (x + 0.1, y)])
