"""Which links of a controller conflict, who gives way, and shipped programs mended where they show both green."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sumo_networks.net_file import NetConnection, NetFile, ProgramPhase

PROTECTED = "G"
GREENS = "Ggs"


@dataclass(frozen=True)
class LinkConflicts:
    """Pairs of conflicting link indices (first < second). `yields` names of each pair the link that gives way by the
    net's right of way: pedestrians go before vehicles, then the request matrix, then the lower index."""

    pairs: tuple[tuple[int, int], ...]
    yields: dict[tuple[int, int], int]
    pedestrian_links: frozenset[int]


@dataclass(frozen=True)
class Repair:
    """A conflicting pair to which a shipped program showed protected green at once; `permissive` is the link mended."""

    phase: int
    links: tuple[int, int]
    permissive: int


def link_conflicts(net: NetFile, tls: str) -> LinkConflicts:
    """Conflicts of one controller from the request matrices of its nodes.

    Links of different nodes never conflict. Source: SUMO, "Right of way" in the road network format; a link that holds
    several connections conflicts where any of them does."""
    links = net.links(tls)
    places = {link: _requests(net, connections) for link, connections in links.items()}
    walks = frozenset(link for link, connections in links.items() if is_crossing(net, connections))
    pairs: list[tuple[int, int]] = []
    yields: dict[tuple[int, int], int] = {}
    for first, second in combinations(links, 2):
        foes = first_waits = second_waits = False
        for node_id, i in places[first]:
            for other_id, j in places[second]:
                if node_id == other_id:
                    node = net.nodes[node_id]
                    foes |= _bit(node.foes, i, j) or _bit(node.foes, j, i)
                    first_waits |= _bit(node.responses, i, j)
                    second_waits |= _bit(node.responses, j, i)
        if not foes:
            continue
        pairs.append((first, second))
        if (first in walks) != (second in walks):
            yields[first, second] = second if first in walks else first
        else:
            yields[first, second] = first if first_waits and not second_waits else second
    return LinkConflicts(tuple(pairs), yields, walks)


def is_crossing(net: NetFile, connections: Sequence[NetConnection]) -> bool:
    """Whether all connections of a link lead onto a pedestrian crossing."""
    return all(
        connection.to_edge in net.edges and net.edges[connection.to_edge].function == "crossing"
        for connection in connections
    )


def yields_in_use(phases: Sequence[ProgramPhase], conflicts: LinkConflicts) -> dict[tuple[int, int], int]:
    """Per conflicting pair the link that gives way where both are green: as the program shows it for the longer time,
    else as the net's right of way has it."""
    chosen = dict(conflicts.yields)
    for first, second in conflicts.pairs:
        first_s = sum(p.duration_s for p in phases if p.state[first] in "gs" and p.state[second] == PROTECTED)
        second_s = sum(p.duration_s for p in phases if p.state[second] in "gs" and p.state[first] == PROTECTED)
        if first_s != second_s:
            chosen[first, second] = first if first_s > second_s else second
    return chosen


def repaired(
    phases: Sequence[ProgramPhase], conflicts: LinkConflicts
) -> tuple[tuple[ProgramPhase, ...], tuple[Repair, ...]]:
    """The program with no two conflicting links protected at once, and what was mended: of such a pair the link that
    gives way becomes permissive."""
    yields = yields_in_use(phases, conflicts)
    mended: list[ProgramPhase] = []
    repairs: list[Repair] = []
    for index, phase in enumerate(phases):
        state = list(phase.state)
        for first, second in conflicts.pairs:
            if phase.state[first] == PROTECTED and phase.state[second] == PROTECTED:
                link = yields[first, second]
                state[link] = "g"
                repairs.append(Repair(index, (first, second), link))
        mended.append(ProgramPhase(phase.duration_s, "".join(state), phase.next))
    return tuple(mended), tuple(repairs)


def _requests(net: NetFile, connections: Sequence[NetConnection]) -> list[tuple[str, int]]:
    """(node, request index) of each connection of a link."""
    found = []
    for connection in connections:
        lane = connection.via or f"{connection.to_edge}_{connection.to_lane}"
        node = net.node_of_internal_lane.get(lane)
        if node is not None:
            found.append((node, net.nodes[node].internal_lanes.index(lane)))
    return found


def _bit(rows: dict[int, str], row: int, column: int) -> bool:
    return rows.get(row, "")[column : column + 1] == "1"
