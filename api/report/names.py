"""Names a person can read: junctions by number, approaches by the side they come from, groups by what they let go."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from optimiser.signals import GroupKind, Junction, Movement, Network, SignalGroup
from sumo_networks.net_file import NetFile, Point

SIDES: Final = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")
TURNS: Final[tuple[str, ...]] = ("left", "through", "right")
SEEN_M: Final = 60.0


@dataclass(frozen=True)
class JunctionNames:
    """Names within one junction: of approaches by edge, of groups and movements by id. `number` is that on the map."""

    number: int
    junction: str
    approaches: dict[str, str]
    groups: dict[str, str]
    movements: dict[str, str]

    @property
    def short(self) -> str:
        """Number and id, the id shortened."""
        return f"{self.number} · {shortened(self.junction, 15)}"


def shortened(text: str, length: int) -> str:
    """At most `length` characters: the middle of a longer text is left out, for SUMO's ids differ at their ends."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def names_of(network: Network, net: NetFile) -> dict[str, JunctionNames]:
    """Names of all junctions of a network, numbered in its order."""
    return {junction.id: _names(number, junction, net) for number, junction in enumerate(network.junctions, start=1)}


def _names(number: int, junction: Junction, net: NetFile) -> JunctionNames:
    approaches = _approach_names(junction, net)
    groups = {group.id: _group_name(group, junction, approaches) for group in junction.groups}
    movements = {movement.id: f"{approaches[movement.approach]} {_turn(movement)}" for movement in junction.movements}
    return JunctionNames(number, junction.id, approaches, _distinct(groups), _distinct(movements))


def _approach_names(junction: Junction, net: NetFile) -> dict[str, str]:
    """Side of the junction that each approach comes from, numbered where several come from the same."""
    by_side: dict[str, list[str]] = defaultdict(list)
    for edge in sorted({approach.id for approach in junction.approaches} | {m.approach for m in junction.movements}):
        by_side[_side(edge, net)].append(edge)
    names: dict[str, str] = {}
    for side, edges in by_side.items():
        for i, edge in enumerate(edges, start=1):
            names[edge] = side if len(edges) == 1 and side else f"{side}{i}"
    return names


def _side(edge: str, net: NetFile) -> str:
    """Side that the last metres of an edge come from; empty where the net has no shape of it."""
    found = net.edges.get(edge)
    if found is None or not found.lanes or len(found.lanes[0].shape) < 2:
        return ""
    shape = found.lanes[0].shape
    end, begin = shape[-1], _back_along(shape, SEEN_M)
    angle = math.atan2(begin[1] - end[1], begin[0] - end[0])
    return SIDES[round(angle / (math.pi / 4)) % 8]


def _back_along(shape: tuple[Point, ...], metres: float) -> Point:
    """The first point of a shape at least `metres` before its end, or its start."""
    gone = 0.0
    for after, before in zip(reversed(shape), reversed(shape[:-1]), strict=False):
        gone += math.dist(after, before)
        if gone >= metres:
            return before
    return shape[0]


def _turn(movement: Movement) -> str:
    return movement.turn.replace("_", "-")


def _group_name(group: SignalGroup, junction: Junction, approaches: dict[str, str]) -> str:
    if group.kind is GroupKind.PEDESTRIAN:
        number = [other.id for other in junction.groups if other.kind is GroupKind.PEDESTRIAN].index(group.id) + 1
        return f"crossing {number}"
    own = [movement for movement in junction.movements if movement.group == group.id]
    if not own:
        return shortened(group.id, 16)
    sides = "+".join(sorted({approaches[movement.approach] for movement in own}))
    turns = {str(movement.turn) for movement in own}
    told = ", ".join(
        turn.replace("_", "-") for turn in TURNS if turn in turns and (turn != "u_turn" or len(turns) == 1)
    )
    kind = "" if group.kind is GroupKind.VEHICLE else f"{group.kind.value} "
    return f"{kind}{sides} {told}"


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """The same names, numbered where several are alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        alike[name].append(key)
    return {
        key: name if len(alike[name]) == 1 else f"{name} ({alike[name].index(key) + 1})" for key, name in names.items()
    }
