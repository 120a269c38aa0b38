"""What the feeds need of a net: lanes, edges as driven, links of the signals, and public stops."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from sumo_networks.sumo_xml import elements

Point = tuple[float, float]

_ON_FOOT: Final = frozenset({"pedestrian", "wheelchair"})


@dataclass(frozen=True)
class RoadLane:
    """A lane outside junctions; `for_vehicles` is False for sidewalks."""

    id: str
    edge: str
    index: int
    length_m: float
    speed_mps: float
    shape: tuple[Point, ...]
    for_vehicles: bool


@dataclass(frozen=True)
class SignalLink:
    """One signalled way of vehicles over a junction."""

    tls: str
    index: int
    from_edge: str
    from_lane: int
    to_edge: str
    to_lane: int


@dataclass(frozen=True)
class FeedNet:
    """Lanes of each edge (rightmost first) and the signalled links in order of controller and index."""

    edges: dict[str, tuple[RoadLane, ...]]
    links: tuple[SignalLink, ...]

    def driven_lane(self, edge: str) -> RoadLane | None:
        """The rightmost lane for vehicles of an edge; None where the net has no such edge or lane."""
        return next((lane for lane in self.edges.get(edge, ()) if lane.for_vehicles), None)


@dataclass(frozen=True)
class PublicStop:
    """A busStop of an additional file. `from_m` and `to_m` count along the lane."""

    id: str
    name: str
    lane: RoadLane
    from_m: float
    to_m: float

    def position(self) -> Point:
        """The middle of the stop on its lane."""
        return along(self.lane, (self.from_m + self.to_m) / 2)


def read_feed_net(net: Path) -> FeedNet:
    """Lanes and signalled vehicle links of a .net.xml; railway signals are left out. Raises ScenarioError."""
    edges: dict[str, tuple[RoadLane, ...]] = {}
    links: list[SignalLink] = []
    rail: set[str] = set()
    for element in elements(net, "edge", "connection", "tlLogic"):
        if element.tag == "tlLogic":
            if element.get("type", "").startswith("rail"):
                rail.add(element.get("id", ""))
        elif element.tag == "edge":
            if element.get("function", "normal") == "normal":
                edges[element.get("id", "")] = _lanes(element)
        elif element.get("tl") is not None and not element.get("from", "").startswith(":"):
            links.append(
                SignalLink(
                    element.get("tl", ""),
                    int(element.get("linkIndex", "0")),
                    element.get("from", ""),
                    int(element.get("fromLane", "0")),
                    element.get("to", ""),
                    int(element.get("toLane", "0")),
                )
            )
    road = [link for link in links if link.tls not in rail and _for_vehicles(edges, link)]
    return FeedNet(edges, tuple(sorted(road, key=lambda link: (link.tls, link.index, link.from_edge, link.from_lane))))


def read_public_stops(additionals: tuple[Path, ...], net: FeedNet) -> dict[str, PublicStop]:
    """The busStops of the additional files by id; those on a lane that the net does not have are left out."""
    stops: dict[str, PublicStop] = {}
    for path in additionals:
        for element in elements(path, "busStop", "trainStop"):
            edge, _, index = element.get("lane", "").rpartition("_")
            lane = next((lane for lane in net.edges.get(edge, ()) if str(lane.index) == index), None)
            if lane is None:
                continue
            ident = element.get("id", "")
            from_m = _along_lane(element.get("startPos"), 0.0, lane.length_m)
            to_m = _along_lane(element.get("endPos"), lane.length_m, lane.length_m)
            stops[ident] = PublicStop(ident, element.get("name") or ident, lane, from_m, to_m)
    return stops


def along(lane: RoadLane, position_m: float) -> Point:
    """Point of the lane `position_m` after its start (its drawn shape is stretched to its length)."""
    spans = [math.dist(a, b) for a, b in pairwise(lane.shape)]
    left = position_m * (sum(spans) / lane.length_m if lane.length_m > 0 else 1.0)
    for (a, b), span in zip(pairwise(lane.shape), spans, strict=True):
        if span > 0 and left <= span:
            share = max(0.0, left / span)
            return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
        left -= span
    return lane.shape[-1]


def _lanes(edge: ET.Element) -> tuple[RoadLane, ...]:
    return tuple(
        RoadLane(
            id=lane.get("id", ""),
            edge=edge.get("id", ""),
            index=int(lane.get("index", "0")),
            length_m=float(lane.get("length", "0")),
            speed_mps=float(lane.get("speed", "13.9")),
            shape=tuple(_point(pair) for pair in lane.get("shape", "").split()),
            for_vehicles=_open_to_vehicles(lane),
        )
        for lane in edge.iter("lane")
    )


def _open_to_vehicles(lane: ET.Element) -> bool:
    allowed = frozenset(lane.get("allow", "all").split())
    return lane.get("disallow") != "all" and not allowed <= _ON_FOOT


def _for_vehicles(edges: dict[str, tuple[RoadLane, ...]], link: SignalLink) -> bool:
    return any(lane.index == link.from_lane and lane.for_vehicles for lane in edges.get(link.from_edge, ()))


def _point(pair: str) -> Point:
    parts = pair.split(",")
    return float(parts[0]), float(parts[1])


def _along_lane(text: str | None, default_m: float, length_m: float) -> float:
    """Positions under 0 count from the lane's end, as in SUMO."""
    position = default_m if text is None else float(text)
    return min(max(0.0, position + length_m if position < 0 else position), length_m)
