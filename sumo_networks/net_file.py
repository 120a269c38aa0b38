"""The parts of a SUMO `.net.xml` that signal control needs, as plain values.

Format: https://sumo.dlr.de/docs/Networks/SUMO_Road_Networks.html
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from sumo_networks.errors import NetworkError
from sumo_networks.sumo_xml import check_well_formed, elements, time_s

Point = tuple[float, float]
FROM_BEGIN: Final = "begin"


@dataclass(frozen=True)
class NetLane:
    """One lane; `allow` and `disallow` hold vehicle classes as written in the file."""

    id: str
    edge: str
    length_m: float
    speed_m_s: float
    shape: tuple[Point, ...]
    allow: frozenset[str] = frozenset()
    disallow: frozenset[str] = frozenset()
    width_m: float = 3.2

    def permits(self, vehicle_class: str) -> bool:
        """Whether vehicles of this class may use the lane."""
        if self.allow:
            return vehicle_class in self.allow or "all" in self.allow
        return vehicle_class not in self.disallow and "all" not in self.disallow


@dataclass(frozen=True)
class NetEdge:
    """An edge with its lanes from right to left; `function` is empty for an ordinary road."""

    id: str
    function: str
    from_node: str
    to_node: str
    lanes: tuple[NetLane, ...]


@dataclass(frozen=True)
class NetConnection:
    """A way from a lane to a lane; `link` is its index in the states of the controller `tl` (-1 without one)."""

    from_edge: str
    from_lane: int
    to_edge: str
    to_lane: int
    via: str
    tl: str
    link: int
    direction: str


@dataclass(frozen=True)
class NetNode:
    """A node with its request matrix; character i of `foes[k]` and `responses[k]` speaks of request i."""

    id: str
    type: str
    x: float
    y: float
    internal_lanes: tuple[str, ...]
    foes: dict[int, str]
    responses: dict[int, str]
    incoming_lanes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProgramPhase:
    """One phase of a SUMO program."""

    duration_s: float
    state: str
    next: tuple[int, ...] = ()


@dataclass(frozen=True)
class SumoProgram:
    """A tlLogic as written in a net or an additional file. One that is `from_begin` starts with the run, whenever that
    is (offset="begin"); `offset_s` counts from there."""

    tls: str
    program_id: str
    type: str
    offset_s: float
    phases: tuple[ProgramPhase, ...]
    file: Path
    from_begin: bool = False


@dataclass
class NetFile:
    """Content of one net file; `programs` holds those of the net alone, in file order."""

    path: Path
    edges: dict[str, NetEdge] = field(default_factory=dict)
    lanes: dict[str, NetLane] = field(default_factory=dict)
    connections: list[NetConnection] = field(default_factory=list)
    nodes: dict[str, NetNode] = field(default_factory=dict)
    programs: list[SumoProgram] = field(default_factory=list)
    _request_of_lane: dict[str, tuple[str, int]] = field(default_factory=dict)
    _request_by_order: dict[NetConnection, tuple[str, int]] = field(default_factory=dict)
    next_internal: dict[str, str] = field(default_factory=dict)
    _of_tls: dict[str, dict[int, list[NetConnection]]] = field(default_factory=dict)
    _from_edge: dict[str, list[NetConnection]] = field(default_factory=dict)
    _from_lane: dict[str, list[NetConnection]] = field(default_factory=dict)
    _into_lane: dict[str, list[NetConnection]] = field(default_factory=dict)

    def lane(self, edge: str, index: int) -> NetLane:
        """Lane of an edge by its index from the right."""
        return self.edges[edge].lanes[index]

    def request(self, connection: NetConnection) -> tuple[str, int] | None:
        """(node, row of its request matrix) of a connection; None where it is in no node's matrix.

        A way that waits within the node stands in the matrix by the lane after its waiting place, a way onto a crossing
        or off a crossing by the crossing. Without internal lanes the rows stand in the order of the connections."""
        lane = self.crossing(connection) + "_0" if self.crossing(connection) else connection.via
        while lane not in self._request_of_lane and lane in self.next_internal:
            lane = self.next_internal[lane]
        return self._request_of_lane.get(lane) or self._request_by_order.get(connection)

    @cached_property
    def links_over(self) -> dict[str, tuple[tuple[str, int, int], ...]]:
        """By node the signalled ways over it: (controller, link, row of the node's request matrix)."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for tls, links in sorted(self._of_tls.items()):
            for link, ways in sorted(links.items()):
                for node, row in (place for place in map(self.request, ways) if place is not None):
                    found.setdefault(node, []).append((tls, link, row))
        return {node: tuple(ways) for node, ways in found.items()}

    def crossing(self, connection: NetConnection) -> str:
        """The pedestrian crossing that a connection leads onto or, signalled for those who come the other way, off;
        empty where it is none."""
        for name in (connection.to_edge, connection.from_edge):
            edge = self.edges.get(name)
            if edge is not None and edge.function == "crossing":
                return name
        return ""

    def order_requests(self) -> None:
        """Give the connections over nodes without internal lanes their rows: lane by lane as the node lists them, of
        each lane in file order. A node whose rows are not as many as its connections is left out."""
        for node in self.nodes.values():
            if node.internal_lanes or not node.foes:
                continue
            entering = [way for lane in node.incoming_lanes for way in self.connections_from(lane)]
            if len(entering) == len(node.foes):
                self._request_by_order.update((way, (node.id, row)) for row, way in enumerate(entering))

    def connections_of_edge(self, edge: str) -> list[NetConnection]:
        """Connections that leave an edge, in file order."""
        return self._from_edge.get(edge, [])

    def connections_from(self, lane: str) -> list[NetConnection]:
        """Connections that leave a lane, in file order."""
        return self._from_lane.get(lane, [])

    def connections_into(self, lane: str) -> list[NetConnection]:
        """Connections from ordinary lanes that lead into a lane, in file order."""
        return self._into_lane.get(lane, [])

    def add_connection(self, connection: NetConnection) -> None:
        """Take up one more connection."""
        self.connections.append(connection)
        if connection.tl and connection.link >= 0:
            self._of_tls.setdefault(connection.tl, {}).setdefault(connection.link, []).append(connection)
        from_lane = f"{connection.from_edge}_{connection.from_lane}"
        if connection.from_edge.startswith(":"):
            if connection.via:
                self.next_internal[from_lane] = connection.via
        else:
            self._from_edge.setdefault(connection.from_edge, []).append(connection)
            self._from_lane.setdefault(from_lane, []).append(connection)
            self._into_lane.setdefault(f"{connection.to_edge}_{connection.to_lane}", []).append(connection)

    def add_node(self, node: NetNode) -> None:
        """Take up one more node."""
        self.nodes[node.id] = node
        self._request_of_lane.update((lane, (node.id, i)) for i, lane in enumerate(node.internal_lanes))

    def links(self, tls: str) -> dict[int, tuple[NetConnection, ...]]:
        """Connections of one controller by link index."""
        found = self._of_tls.get(tls, {})
        return {link: tuple(found[link]) for link in sorted(found)}


def read_net(path: Path) -> NetFile:
    """The content of a net file, plain or gzipped. Raises NetworkError where it is missing, truncated or no net."""
    check_well_formed(path, "net")
    net = NetFile(path)
    try:
        for element in elements(path, "edge", "connection", "junction", "tlLogic"):
            _add(net, element)
    except (KeyError, ValueError) as error:
        raise NetworkError(
            f"{path}: an element lacks or garbles {error}; build the net again with netconvert"
        ) from error
    for connection in net.connections:
        for edge, index in ((connection.from_edge, connection.from_lane), (connection.to_edge, connection.to_lane)):
            if edge not in net.edges or not 0 <= index < len(net.edges[edge].lanes):
                raise NetworkError(
                    f"{path}: a connection names lane {edge}_{index}, which the net has not; build the net again with "
                    "netconvert"
                )
    net.order_requests()
    return net


def _add(net: NetFile, element: ET.Element) -> None:
    if element.tag == "edge":
        edge = _edge(element)
        net.edges[edge.id] = edge
        net.lanes.update((lane.id, lane) for lane in edge.lanes)
    elif element.tag == "connection":
        connection = _connection(element)
        net.add_connection(connection)
        if element.get("linkIndex2"):
            # Nets of older netconverts name the signal of those who cross the other way here.
            net.add_connection(replace(connection, link=int(element.attrib["linkIndex2"])))
    elif element.tag == "junction" and element.get("type") != "internal":
        node = _node(element)
        net.add_node(node)
    elif element.tag == "tlLogic":
        net.programs.append(sumo_program(element, net.path))


def _edge(element: ET.Element) -> NetEdge:
    edge = element.attrib["id"]
    lanes = tuple(
        NetLane(
            id=lane.attrib["id"],
            edge=edge,
            length_m=float(lane.attrib["length"]),
            speed_m_s=float(lane.attrib["speed"]),
            shape=_shape(lane.attrib["id"], lane.attrib["shape"]),
            allow=frozenset(lane.get("allow", "").split()),
            disallow=frozenset(lane.get("disallow", "").split()),
            width_m=float(lane.get("width", 3.2)),
        )
        for lane in element.iter("lane")
    )
    return NetEdge(edge, element.get("function", ""), element.get("from", ""), element.get("to", ""), lanes)


def _connection(element: ET.Element) -> NetConnection:
    return NetConnection(
        from_edge=element.attrib["from"],
        from_lane=int(element.attrib["fromLane"]),
        to_edge=element.attrib["to"],
        to_lane=int(element.attrib["toLane"]),
        via=element.get("via", ""),
        tl=element.get("tl", ""),
        link=int(element.get("linkIndex", -1)),
        direction=element.get("dir", ""),
    )


def _node(element: ET.Element) -> NetNode:
    requests = list(element.iter("request"))
    return NetNode(
        id=element.attrib["id"],
        type=element.get("type", ""),
        x=float(element.attrib["x"]),
        y=float(element.attrib["y"]),
        internal_lanes=tuple(element.get("intLanes", "").split()),
        foes={int(r.attrib["index"]): r.attrib["foes"][::-1] for r in requests},
        responses={int(r.attrib["index"]): r.attrib["response"][::-1] for r in requests},
        incoming_lanes=tuple(element.get("incLanes", "").split()),
    )


def sumo_program(element: ET.Element, file: Path) -> SumoProgram:
    """A `<tlLogic>` element as a value. Raises KeyError or ValueError where an attribute is missing or garbled."""
    phases = tuple(
        ProgramPhase(
            duration_s=_duration_s(phase.attrib["duration"]),
            state=phase.attrib["state"],
            next=tuple(int(index) for index in phase.get("next", "").replace(",", " ").split()),
        )
        for phase in element.iter("phase")
    )
    offset = element.get("offset") or "0"
    return SumoProgram(
        tls=element.attrib["id"],
        program_id=element.get("programID", "0"),
        type=element.get("type", "static"),
        offset_s=0.0 if offset == FROM_BEGIN else _finite(offset),
        phases=phases,
        file=file,
        from_begin=offset == FROM_BEGIN,
    )


def _duration_s(text: str) -> float:
    duration_s = _finite(text)
    if duration_s < 0:
        raise ValueError(f"the duration {text} of a phase")
    return duration_s


def _finite(text: str) -> float:
    value = time_s(text)
    if not math.isfinite(value):
        raise ValueError(f"the time {text}")
    return value


def _shape(lane: str, text: str) -> tuple[Point, ...]:
    points = tuple(tuple(float(value) for value in point.split(",")) for point in text.split())
    if len(points) < 2 or not all(len(point) > 1 and all(map(math.isfinite, point)) for point in points):
        raise ValueError(f"the shape {text!r} of lane {lane}")
    return tuple((point[0], point[1]) for point in points)
