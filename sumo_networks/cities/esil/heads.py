"""What the built net says of Esil's controllers: which link serves which way, and who yields to whom."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sumo_networks.cities.esil.streets import Block, blocks
from sumo_networks.sumo_xml import elements


@dataclass
class SignalHead:
    """One controller. `vehicles`: link → (from joint, to joint, turn r, s or l); `crossings`: link → (arm, length, m);
    `yields`: pairs of links of which the first gives way to the second where both go."""

    vehicles: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    crossings: dict[int, tuple[str, float]] = field(default_factory=dict)
    yields: set[tuple[int, int]] = field(default_factory=set)

    @property
    def links(self) -> int:
        """Number of links."""
        return 1 + max([*self.vehicles, *self.crossings])


def read_heads(net: Path, names: Iterable[str]) -> dict[str, SignalHead]:
    """The controllers of the built net by their joint."""
    heads = {name: SignalHead() for name in names}
    arms: dict[str, tuple[str, float]] = {}
    junctions: dict[str, ET.Element] = {}
    first = {block.edge: block for block in blocks().values()}
    last = {block.last_edge: block for block in blocks().values()}
    for element in elements(net, "edge", "junction", "connection"):
        if element.tag == "edge" and element.get("function") == "crossing":
            arms[element.get("id", "")] = _arm(element, last)
        elif element.tag == "junction" and element.get("id", "") in heads:
            junctions[element.get("id", "")] = element
        elif element.tag == "connection" and element.get("tl", "") in heads:
            head, index, target = (
                heads[element.get("tl", "")],
                int(element.get("linkIndex", "0")),
                element.get("to", ""),
            )
            if target in arms:
                head.crossings[index] = arms[target]
            else:
                start = last[element.get("from", "")].start
                head.vehicles[index] = start, first[target].end, element.get("dir", "").lower()
    for name, head in heads.items():
        head.yields = _yields(junctions[name])
    return heads


def _arm(crossing: ET.Element, last: dict[str, Block]) -> tuple[str, float]:
    lane = crossing.find("lane")
    joint = crossing.get("id", "")[1:].rpartition("_c")[0]
    edges = (edge for edge in crossing.get("crossingEdges", "").split() if edge in last)
    arm = next(last[edge].start for edge in edges if last[edge].end == joint)
    return arm, 0.0 if lane is None else float(lane.get("length", "0"))


def _yields(junction: ET.Element) -> set[tuple[int, int]]:
    """From the junction's request matrix: bit j (from the right) of `response` says that i gives way to j. A
    controller of one node numbers its links as the node does."""
    return {
        (int(row.get("index", "0")), other)
        for row in junction.iter("request")
        for other, bit in enumerate(reversed(row.get("response", "")))
        if bit == "1"
    }
