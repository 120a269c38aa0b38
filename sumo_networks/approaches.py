"""Which signalled approach an edge of the net leads to, so that delay is told where it is caused."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sumo_networks.recording import RAIL_JUNCTIONS
from sumo_networks.sumo_xml import elements

_ON_FOOT: Final = frozenset({"pedestrian"})


@dataclass(frozen=True, order=True)
class ApproachKey:
    """An edge that ends at a stop line of a controller. `edge` is empty where several approaches share the way."""

    junction: str
    edge: str


@dataclass(frozen=True)
class Approaches:
    """`of_edge`: the approach that every edge (internal ones too) counts for; edges from which vehicles may reach
    several controllers next, or none, are not in it. `lanes`: incoming lanes of each approach with their length in m.
    `link_counts`: how many signals each controller has. `signal_nodes` and `signal_edges` tell the controller of the
    nodes where a signal stands and of the edges that lead there, or else away."""

    of_edge: dict[str, ApproachKey]
    lanes: dict[ApproachKey, tuple[tuple[str, float], ...]]
    link_counts: dict[str, int]
    signal_nodes: dict[str, str] = field(default_factory=dict)
    signal_edges: dict[str, str] = field(default_factory=dict)

    def signal_at(self, lane: str) -> str | None:
        """The controller of the node within which a lane lies, or to which its edge leads, or from which it leads away;
        None where there are no signals."""
        edge = lane.rpartition("_")[0]
        return self.signal_nodes.get(_node(edge)) if edge.startswith(":") else self.signal_edges.get(edge)


@dataclass
class _Net:
    lengths: dict[str, dict[str, float]]
    nodes: dict[str, tuple[str, str]]
    successors: dict[str, set[str]]
    signalled: dict[str, set[str]]
    entered_from: dict[str, str]
    link_counts: dict[str, int]
    signal_nodes: dict[str, str]
    signal_edges: dict[str, str]


def read_approaches(net: Path) -> Approaches:
    """Approaches of a net. An edge without a signal at its end counts for the next signalled approach downstream where
    all ways on (turning back apart) lead to the same; where they lead to several approaches of one controller it counts
    for that controller with an empty edge. Raises ScenarioError for a truncated net."""
    parsed = _parse(net)
    of_edge = _assign(parsed)
    for internal in sorted(parsed.entered_from):
        outer, seen = internal, {internal}
        while outer in parsed.entered_from and parsed.entered_from[outer] not in seen:
            outer = parsed.entered_from[outer]
            seen.add(outer)
        if outer in of_edge:
            of_edge[internal] = of_edge[outer]
    lanes: dict[ApproachKey, tuple[tuple[str, float], ...]] = {}
    for edge, controllers in sorted(parsed.signalled.items()):
        if len(controllers) == 1:
            lanes[ApproachKey(min(controllers), edge)] = tuple(sorted(parsed.lengths.get(edge, {}).items()))
    return Approaches(of_edge, lanes, parsed.link_counts, parsed.signal_nodes, parsed.signal_edges)


def _node(internal_edge: str) -> str:
    """The node within which an edge lies."""
    return internal_edge[1:].rpartition("_")[0]


def _parse(path: Path) -> _Net:
    net = _Net({}, {}, defaultdict(set), defaultdict(set), {}, {}, {}, {})
    rail: set[str] = set()
    for element in elements(path, "edge", "junction", "connection"):
        if element.tag == "junction":
            if element.get("type", "") in RAIL_JUNCTIONS:
                rail.add(element.get("id", ""))
            continue
        if element.tag == "edge":
            if element.get("function") in {"internal", "crossing", "walkingarea"}:
                continue
            lanes = {
                lane.get("id", ""): float(lane.get("length", "0"))
                for lane in element.iter("lane")
                if set(lane.get("allow", "").split()) != _ON_FOOT
            }
            if lanes:
                name = element.get("id", "")
                net.lengths[name] = lanes
                net.nodes[name] = (element.get("from", ""), element.get("to", ""))
            continue
        origin, target, via = element.get("from", ""), element.get("to", ""), element.get("via")
        controller = None if element.get("tl", "") in rail else element.get("tl")
        if controller is not None:
            index = max(int(element.get("linkIndex", "0")), int(element.get("linkIndex2", "-1")))
            net.link_counts[controller] = max(net.link_counts.get(controller, 0), index + 1)
            net.signal_edges[origin] = controller
            net.signal_edges.setdefault(target, controller)
            # A crossing is itself a way within the node; other ways lead through one.
            within = via or target + "_0"
            if within.startswith(":"):
                net.signal_nodes[_node(within.rpartition("_")[0])] = controller
        if via is not None:
            net.entered_from.setdefault(via.rpartition("_")[0], origin)
        if origin.startswith(":"):
            continue
        net.successors[origin].add(target)
        if controller is not None:
            net.signalled[origin].add(controller)
    return net


def _assign(net: _Net) -> dict[str, ApproachKey]:
    """Upstream from the signals, edge by edge, until nothing changes: an edge is assigned once all its ways on are."""
    found = {edge: ApproachKey(min(tls), edge) for edge, tls in sorted(net.signalled.items()) if len(tls) == 1}
    upstream: dict[str, set[str]] = defaultdict(set)
    onward: dict[str, set[str]] = {}
    for edge in sorted(net.lengths):
        if edge in net.signalled:
            continue
        start = net.nodes[edge][0]
        onward[edge] = {
            target
            for target in net.successors.get(edge, set())
            if target in net.lengths and not (net.nodes[target][1] == start and len(net.successors[edge]) > 1)
        }
        for target in onward[edge]:
            upstream[target].add(edge)
    waiting = sorted(found)
    while waiting:
        edge = waiting.pop(0)
        for before in sorted(upstream[edge]):
            targets = onward[before]
            if before in found or not targets <= found.keys():
                continue
            keys = {found[target] for target in targets}
            if len({key.junction for key in keys}) == 1:
                found[before] = min(keys) if len(keys) == 1 else ApproachKey(min(keys).junction, "")
                waiting.append(before)
    return found
