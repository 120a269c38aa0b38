"""Which links of a controller conflict, who gives way, and shipped programs mended where they show both green."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from sumo_networks.net_file import NetConnection, NetFile, ProgramPhase

PROTECTED = "G"
PERMISSIVE = "g"
GREENS = "Ggs"
AMBERS = "yY"


@dataclass(frozen=True)
class LinkConflicts:
    """Pairs of conflicting link indices (first < second). `yields` names of each pair the link that gives way by the
    net's right of way: vehicles to pedestrians, else by the request matrix, else the higher index to the lower."""

    pairs: tuple[tuple[int, int], ...]
    yields: dict[tuple[int, int], int]


@dataclass(frozen=True)
class Repair:
    """Two conflicting links that a shipped program endangers in a phase, and the one of them that is `mended`.

    Rule `conflicting_protected`: both have protected green; the mended one is taken as permissive from there to the end
    of its green. Rule `green_in_amber`: the mended one starts while the other still has amber; it is taken to start
    after it."""

    phase: int
    links: tuple[int, int]
    mended: int
    rule: str


def link_conflicts(net: NetFile, tls: str) -> LinkConflicts:
    """Conflicts of one controller from the request matrices of its nodes.

    Links of different nodes never conflict. A link that holds several connections conflicts where any of them does.
    Source: SUMO, Road Networks, "Requests": `foes` and `response`, read from the right."""
    links = net.links(tls)
    places = {link: _requests(net, connections) for link, connections in links.items()}
    walks = {link for link, connections in links.items() if is_crossing(net, connections)}
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
    return LinkConflicts(tuple(pairs), yields)


def conflict_with_another(net: NetFile, tls: str) -> tuple[int, str, int, str] | None:
    """The first link of a controller that conflicts with one of another controller: (link, the other controller, its
    link, the node that both lead over). None where there is none."""
    for node, ways in net.links_over.items():
        others = [way for way in ways if way[0] != tls]
        if not others or len(others) == len(ways):
            continue
        foes = net.nodes[node].foes
        for _, link, row in (way for way in ways if way[0] == tls):
            for other, other_link, other_row in others:
                if _bit(foes, row, other_row) or _bit(foes, other_row, row):
                    return link, other, other_link, node
    return None


def is_crossing(net: NetFile, connections: Sequence[NetConnection]) -> bool:
    """Whether all connections of a link lead onto or off a pedestrian crossing."""
    return all(net.crossing(connection) for connection in connections)


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
    phases: Sequence[ProgramPhase], conflicts: LinkConflicts, yields: dict[tuple[int, int], int]
) -> tuple[tuple[ProgramPhase, ...], tuple[Repair, ...]]:
    """The program in which the link that yields of a conflicting pair is never protected while both are green, and none
    starts in the amber of the other; with what was mended.

    A link taken as permissive stays so to the end of that green: were it protected again the moment the other ends,
    pedestrians on the crossing would be met by vehicles that need not give way. A link that gives way to the other's
    green may start in its amber."""
    shown = [list(phase.state) for phase in phases]
    repairs: list[Repair] = []
    for pair in conflicts.pairs:
        link = yields[pair]
        other = pair[0] if link == pair[1] else pair[1]
        together = [i for i, phase in enumerate(phases) if phase.state[link] in GREENS and phase.state[other] in GREENS]
        for index in together:
            if phases[index].state[link] == PROTECTED:
                if phases[index].state[other] == PROTECTED:
                    repairs.append(Repair(index, pair, link, "conflicting_protected"))
                _make_permissive(shown, [link], index)
        for starting, ending in ((link, other), (other, link)):
            if together and starting == link:
                continue
            for index in _starts_in_amber(phases, starting, ending):
                shown[index][starting] = "r"
                repairs.append(Repair(index, pair, starting, "green_in_amber"))
    return _phases(phases, shown), tuple(repairs)


def _starts_in_amber(phases: Sequence[ProgramPhase], starting: int, ending: int) -> list[int]:
    """Phases in which the amber of one link runs and the other, red when that amber began, is green."""
    found = []
    for index, phase in enumerate(phases):
        if phase.state[ending] not in AMBERS or phase.state[starting] not in GREENS:
            continue
        first = index
        while phases[first - 1].state[ending] in AMBERS and first > index - len(phases):
            first -= 1
        if phases[first - 1].state[starting] not in GREENS:
            found.append(index)
    return found


def repaired_groups(
    phases: Sequence[ProgramPhase], links: dict[str, tuple[int, ...]], yields: Iterable[tuple[str, str]]
) -> tuple[ProgramPhase, ...]:
    """The same for whole groups: of each (group that yields, other group) the first is never protected while both are
    green."""
    shown = [list(phase.state) for phase in phases]
    for waiting, other in yields:
        for index, state in enumerate(shown):
            if state[links[waiting][0]] == PROTECTED and state[links[other][0]] in GREENS:
                _make_permissive(shown, links[waiting], index)
    return _phases(phases, shown)


def _make_permissive(shown: list[list[str]], links: Sequence[int], index: int) -> None:
    """From phase `index` on to the end of the green."""
    for step in range(len(shown)):
        state = shown[(index + step) % len(shown)]
        if state[links[0]] not in GREENS:
            return
        for link in links:
            if state[link] == PROTECTED:
                state[link] = PERMISSIVE


def _phases(phases: Sequence[ProgramPhase], shown: Sequence[Sequence[str]]) -> tuple[ProgramPhase, ...]:
    return tuple(
        ProgramPhase(phase.duration_s, "".join(state), phase.next) for phase, state in zip(phases, shown, strict=True)
    )


def _requests(net: NetFile, connections: Sequence[NetConnection]) -> list[tuple[str, int]]:
    """(node, request index) of each connection of a link."""
    found = [net.request(connection) for connection in connections]
    return [request for request in found if request is not None]


def _bit(rows: dict[int, str], row: int, column: int) -> bool:
    return rows.get(row, "")[column : column + 1] == "1"
