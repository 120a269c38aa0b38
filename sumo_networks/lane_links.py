"""The ways across a net's nodes, lane by lane: what detectors before and behind a node can be compared over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sumo_networks.net_file import NetFile, NetLane

# Shares an engineer would assume of a mixed lane before any count: through before turns, hardly anyone back.
PRIOR_WEIGHT: Final = {"s": 1.0, "R": 0.6, "L": 0.6, "r": 0.3, "l": 0.3, "t": 0.005}
NOT_FOR_CARS_WEIGHT: Final = 0.05


@dataclass(frozen=True)
class LaneLink:
    """One way of vehicles from a lane to a lane of the next edge.

    `tls` and `link_index` are empty and -1 where no signal controls it. `direction` is SUMO's: s straight, r and l
    turns, R and L slight turns, t turns back. `via` is the first lane within the node, empty where the net has
    none. `turn_speed_m_s` is the speed limit on the way across the node (that of the exit lane where the net has no
    internal lanes). `from_length_m` is the length of the lane before. `for_cars` is False where a private car may
    not go."""

    tls: str
    link_index: int
    from_edge: str
    from_lane: str
    to_edge: str
    to_lane: str
    direction: str
    via: str
    turn_speed_m_s: float
    from_length_m: float
    for_cars: bool


def prior_weight(link: LaneLink) -> float:
    """Share of its lane's vehicles that a way is assumed to take before any count, up to a common factor."""
    return PRIOR_WEIGHT.get(link.direction, PRIOR_WEIGHT["r"]) * (1.0 if link.for_cars else NOT_FOR_CARS_WEIGHT)


def lane_links(net: NetFile) -> tuple[LaneLink, ...]:
    """All ways between ordinary lanes that vehicles may use, in the order of the net; crossings, walking areas and
    the ways within a node are left out."""
    found: list[LaneLink] = []
    for connection in net.connections:
        if connection.from_edge.startswith(":") or connection.to_edge.startswith(":"):
            continue
        from_lane = net.lanes.get(f"{connection.from_edge}_{connection.from_lane}")
        to_lane = net.lanes.get(f"{connection.to_edge}_{connection.to_lane}")
        if from_lane is None or to_lane is None or _on_foot(from_lane) or _on_foot(to_lane):
            continue
        inner = net.lanes.get(connection.via)
        found.append(
            LaneLink(
                tls=connection.tl,
                link_index=connection.link,
                from_edge=connection.from_edge,
                from_lane=from_lane.id,
                to_edge=connection.to_edge,
                to_lane=to_lane.id,
                direction=connection.direction or "s",
                via=inner.id if inner else "",
                turn_speed_m_s=(inner or to_lane).speed_m_s,
                from_length_m=from_lane.length_m,
                for_cars=from_lane.permits("passenger") and to_lane.permits("passenger"),
            )
        )
    return tuple(found)


def _on_foot(lane: NetLane) -> bool:
    return bool(lane.allow) and lane.allow <= {"pedestrian", "wheelchair"}
