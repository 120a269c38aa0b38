"""Esil's streets: two crossing arterials and the streets about them, as SUMO's plain XML.

Joints are named by column and row (A2), fringes by column or row and the side of the town (W2, CN). The carriageway
from A2 to B2 is the edge "A2B2"; where it widens for turning lanes before a signal, its last part is "A2B2p".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Final

POCKET_M: Final = 70.0
SIDEWALK_M: Final = 3.0


class Use(StrEnum):
    """Class of a street."""

    ARTERIAL_BUS = "arterial_bus"  # two lanes and a bus lane a direction
    ARTERIAL = "arterial"  # two lanes a direction
    STREET = "street"  # one lane a direction


class Control(StrEnum):
    """How a joint is run."""

    SIGNAL = "signal"
    CROSSING = "crossing"  # signals for pedestrians between junctions
    FRINGE = "fringe"


@dataclass(frozen=True)
class Joint:
    """A junction, a crossing between junctions or an end of the net; x to the east, y to the north, in metres."""

    x: float
    y: float
    control: Control


def _signal(x: float, y: float) -> Joint:
    return Joint(x, y, Control.SIGNAL)


def _fringe(x: float, y: float) -> Joint:
    return Joint(x, y, Control.FRINGE)


JOINTS: Final[dict[str, Joint]] = {
    "A2": _signal(0, 320),
    "B2": _signal(290, 315),
    "C2": _signal(630, 310),
    "D2": _signal(930, 310),
    "E2": _signal(1200, 315),
    "C1": _signal(630, 0),
    "C3": _signal(625, 630),
    "C4": _signal(620, 910),
    "B1": _signal(290, -10),
    "D1": _signal(930, 0),
    "B3": _signal(285, 635),
    "D3": _signal(925, 630),
    "M1": Joint(460, 310, Control.CROSSING),
    "M2": Joint(630, 475, Control.CROSSING),
    "W2": _fringe(-320, 320),
    "X2": _fringe(1510, 320),
    "CS": _fringe(630, -320),
    "CN": _fringe(620, 1215),
    "W1": _fringe(15, -10),
    "X1": _fringe(1215, 5),
    "W3": _fringe(0, 635),
    "X3": _fringe(1215, 635),
    "W4": _fringe(340, 915),
    "AS": _fringe(0, 50),
    "AN": _fringe(0, 570),
    "BN": _fringe(280, 895),
    "DS": _fringe(930, -275),
    "ES": _fringe(1200, 45),
}

_PATHS: Final[tuple[tuple[Use, tuple[str, ...]], ...]] = (
    (Use.ARTERIAL_BUS, ("W2", "A2", "B2", "M1", "C2", "D2", "E2", "X2")),
    (Use.ARTERIAL, ("CS", "C1", "C2", "M2", "C3", "C4", "CN")),
    (Use.STREET, ("W1", "B1", "C1", "D1", "X1")),
    (Use.STREET, ("W3", "B3", "C3", "D3", "X3")),
    (Use.STREET, ("C4", "W4")),
    (Use.STREET, ("AS", "A2", "AN")),
    (Use.STREET, ("B1", "B2", "B3", "BN")),
    (Use.STREET, ("DS", "D1", "D2", "D3")),
    (Use.STREET, ("E2", "ES")),
)
SPEED_MPS: Final = {Use.ARTERIAL_BUS: 60 / 3.6, Use.ARTERIAL: 60 / 3.6, Use.STREET: 50 / 3.6}
_LANES: Final = {Use.ARTERIAL_BUS: 3, Use.ARTERIAL: 2, Use.STREET: 1}

# Lanes at a stop line from right to left: r right, s straight, l left.
_AT_SIGNAL: Final = {
    Use.ARTERIAL_BUS: ("rs", "s", "s", "l"),
    Use.ARTERIAL: ("rs", "s", "l"),
    Use.STREET: ("rs", "l"),
}

# Arms that have a crossing, where not all have one.
_CROSSED: Final[dict[str, tuple[str, ...]]] = {
    "E2": ("D2", "ES"),
    "C4": ("C3", "W4"),
    "B1": ("B2", "C1"),
    "D3": ("D2", "X3"),
    "M1": ("C2",),
    "M2": ("C3",),
}


@dataclass(frozen=True)
class Block:
    """One direction of a street between two joints. `turns` are the turns there are at its end; `lanes` the vehicle
    lanes at its end, from the right, with the turns each may make."""

    start: str
    end: str
    use: Use
    turns: dict[str, str]
    lanes: tuple[str, ...]

    @property
    def edge(self) -> str:
        """The edge where the block begins."""
        return self.start + self.end

    @property
    def has_pocket(self) -> bool:
        """Whether the lanes of its last part are others than those before."""
        narrow = len(self.lanes) == _LANES[self.use]
        # The bus lane ends before a right turn, so that cars may turn from it.
        return not narrow or (self.use is Use.ARTERIAL_BUS and "r" in self.lanes[0])

    @property
    def last_edge(self) -> str:
        """The edge that meets the stop line."""
        return f"{self.edge}p" if self.has_pocket else self.edge

    @property
    def edges(self) -> tuple[str, ...]:
        """Its edges as driven."""
        return (self.edge, self.last_edge) if self.has_pocket else (self.edge,)

    @property
    def length_m(self) -> float:
        """Distance of its joints."""
        a, b = JOINTS[self.start], JOINTS[self.end]
        return math.hypot(b.x - a.x, b.y - a.y)


def arms() -> dict[str, dict[str, Use]]:
    """Joint → its neighbours and the class of the street to each."""
    found: dict[str, dict[str, Use]] = {name: {} for name in JOINTS}
    for use, path in _PATHS:
        for a, b in pairwise(path):
            found[a][b] = use
            found[b][a] = use
    return found


def blocks() -> dict[tuple[str, str], Block]:
    """(start, end) → block, of every direction of every street."""
    near = arms()
    return {(a, b): _block(a, b, near) for a in near for b in near[a]}


def _block(start: str, end: str, near: dict[str, dict[str, Use]]) -> Block:
    use = near[start][end]
    turns = {turn_at(start, end, other): other for other in near[end] if other != start}
    if JOINTS[end].control is Control.SIGNAL:
        lanes = _lane_turns(use, turns)
    elif JOINTS[end].control is Control.CROSSING:
        lanes = ("s",) * _LANES[use]
    else:
        lanes = ("",) * _LANES[use]
    return Block(start, end, use, turns, lanes)


def _lane_turns(use: Use, turns: dict[str, str]) -> tuple[str, ...]:
    lanes = ["".join(turn for turn in lane if turn in turns) for lane in _AT_SIGNAL[use]]
    kept = [lane for lane in lanes if lane]
    # A bus lane without a right turn stays what it is; a lane left without a turn falls away.
    return tuple(kept)


def turn_at(start: str, joint: str, end: str) -> str:
    """r, s or l: the way from `start` over `joint` to `end`."""
    a, b, c = JOINTS[start], JOINTS[joint], JOINTS[end]
    heading = math.atan2(b.y - a.y, b.x - a.x)
    change = math.degrees(math.remainder(math.atan2(c.y - b.y, c.x - b.x) - heading, math.tau))
    return "s" if abs(change) < 45 else "l" if change > 0 else "r"


def crossed_arms(joint: str) -> tuple[str, ...]:
    """Neighbours of the joint whose street has a pedestrian crossing there."""
    return _CROSSED.get(joint, tuple(sorted(arms()[joint])))


def write_plain(folder: Path) -> None:
    """Write esil.nod.xml, esil.edg.xml, esil.con.xml and esil.typ.xml: the net as netconvert reads it."""
    every = blocks()
    (folder / "esil.nod.xml").write_text(_nodes(every), encoding="utf-8")
    (folder / "esil.edg.xml").write_text(_edges(every), encoding="utf-8")
    (folder / "esil.con.xml").write_text(_connections(every), encoding="utf-8")


def _nodes(every: dict[tuple[str, str], Block]) -> str:
    lines = ["<nodes>"]
    for name, joint in sorted(JOINTS.items()):
        kind = "priority" if joint.control is Control.FRINGE else "traffic_light"
        radius = "" if joint.control is not Control.SIGNAL else ' radius="9"'
        lines.append(f'  <node id="{name}" x="{joint.x:g}" y="{joint.y:g}" type="{kind}"{radius}/>')
    for block in every.values():
        if block.has_pocket:
            x, y = _pocket_start(block)
            lines.append(f'  <node id="{block.edge}n" x="{x:.1f}" y="{y:.1f}" type="priority"/>')
    return "\n".join([*lines, "</nodes>", ""])


def _pocket_start(block: Block) -> tuple[float, float]:
    a, b = JOINTS[block.start], JOINTS[block.end]
    share = 1 - (POCKET_M + 15) / block.length_m
    return a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)


def _edges(every: dict[tuple[str, str], Block]) -> str:
    lines = ["<edges>"]
    for block in every.values():
        count = _LANES[block.use]
        middle = f"{block.edge}n" if block.has_pocket else block.end
        lines += _edge(block, block.edge, block.start, middle, count, bus_lane=block.use is Use.ARTERIAL_BUS)
        if block.has_pocket:
            only_bus = block.use is Use.ARTERIAL_BUS and "r" not in block.lanes[0]
            lines += _edge(block, block.last_edge, middle, block.end, len(block.lanes), bus_lane=only_bus)
    return "\n".join([*lines, "</edges>", ""])


def _edge(block: Block, name: str, start: str, end: str, count: int, *, bus_lane: bool) -> list[str]:
    priority = 2 if block.use is Use.STREET else 3
    head = (
        f'  <edge id="{name}" from="{start}" to="{end}" numLanes="{count}" speed="{SPEED_MPS[block.use]:.2f}" '
        f'priority="{priority}" sidewalkWidth="{SIDEWALK_M:g}" spreadType="right" disallow="pedestrian"'
    )
    if not bus_lane:
        return [f"{head}/>"]
    return [f"{head}>", '    <lane index="0" allow="bus"/>', "  </edge>"]


def _connections(every: dict[tuple[str, str], Block]) -> str:
    lines = ["<connections>"]
    for block in every.values():
        if block.has_pocket:
            lines += _widening(block)
        for index, turns in enumerate(block.lanes, start=1):
            for turn in turns:
                target = every[block.end, block.turns[turn]]
                lines.append(_connection(block.last_edge, target.edge, index, _target_lane(block, target, index, turn)))
    for name, joint in sorted(JOINTS.items()):
        if joint.control is not Control.FRINGE:
            for other in crossed_arms(name):
                pair = f"{every[other, name].last_edge} {every[name, other].edge}"
                lines.append(f'  <crossing node="{name}" edges="{pair}" width="4" priority="true"/>')
    return "\n".join([*lines, "</connections>", ""])


def _connection(start: str, end: str, from_lane: int, to_lane: int) -> str:
    return f'  <connection from="{start}" to="{end}" fromLane="{from_lane}" toLane="{to_lane}"/>'


def _widening(block: Block) -> list[str]:
    """Lane 1 goes on as lane 1 and so forth; the leftmost opens the new lanes to its left."""
    count, wide = _LANES[block.use], len(block.lanes)
    ways = [(lane, lane) for lane in range(1, count + 1)] + [(count, lane) for lane in range(count + 1, wide + 1)]
    return [_connection(block.edge, block.last_edge, start, end) for start, end in ways]


def _target_lane(block: Block, target: Block, index: int, turn: str) -> int:
    """Lanes count from 1 at the right (0 is the sidewalk); cars turn into the lane next to a bus lane, not into it."""
    first = 2 if target.use is Use.ARTERIAL_BUS else 1
    last = _LANES[target.use]
    if turn == "r":
        return first
    if turn == "l":
        return last
    # Straight lanes go on side by side, the rightmost into the rightmost.
    return min(index, last)
