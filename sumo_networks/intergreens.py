"""Intergreen matrices: as the running program keeps them, and as a national profile computes them from geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import Conflict, GroupKind, Intergreen, SignalGroup
from optimiser.timeline import Timeline
from sumo_networks.conflicts import LinkConflicts
from sumo_networks.geometry import ConflictDistances, conflict_distances, way_of
from sumo_networks.net_file import NetFile
from sumo_networks.profiles import Clearing, Profile, Turn

SLOW_WALK_M_S = 1.0
"""A running pedestrian clearance is taken over only up to the time that this walking speed needs (RiLSA 2015, 2.5)."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairGeometry:
    """Of a clearing and an entering group, the conflict distances of each conflicting pair of their links, with how the
    clearing link turns and its speed limit."""

    cases: tuple[tuple[ConflictDistances, Turn, float], ...]


def pair_geometries(
    net: NetFile,
    tls: str,
    links: Mapping[str, tuple[int, ...]],
    conflicts: LinkConflicts,
    turns: Mapping[int, Turn],
) -> dict[Pair, PairGeometry]:
    """Geometry of every ordered pair (clearing, entering) of groups that conflict."""
    group_of = {link: group for group, indices in links.items() for link in indices}
    connections = net.links(tls)
    ways = {link: [way_of(net, connection) for connection in connections[link]] for link in connections}
    limits = {
        link: max(net.edges[c.from_edge].lanes[c.from_lane].speed_m_s for c in connections[link])
        for link in connections
    }
    found: dict[Pair, list[tuple[ConflictDistances, Turn, float]]] = {}
    for pair in conflicts.pairs:
        for clearing, entering in (pair, pair[::-1]):
            if group_of[clearing] == group_of[entering]:
                continue
            cases = found.setdefault((group_of[clearing], group_of[entering]), [])
            for way in ways[clearing]:
                for other in ways[entering]:
                    cases.append((conflict_distances(way, other), turns[clearing], limits[clearing]))
    return {pair: PairGeometry(tuple(cases)) for pair, cases in sorted(found.items())}


def profile_intergreens(
    profile: Profile, kinds: Mapping[str, GroupKind], geometries: Mapping[Pair, PairGeometry]
) -> dict[Pair, float]:
    """Intergreen of each ordered pair by the profile's formula, the largest over its pairs of links."""
    return {
        (clearing, entering): max(
            0.0,
            *(
                profile.intergreen_s(
                    Clearing(kinds[clearing], case.clearing_m, turn, limit_m_s), case.entering_m, kinds[entering]
                )
                for case, turn, limit_m_s in geometry.cases
            ),
        )
        for (clearing, entering), geometry in geometries.items()
    }


def running_intergreens(
    timeline: Timeline,
    groups: Sequence[SignalGroup],
    conflicts: Sequence[Conflict],
    sub_stages: Sequence[tuple[float, float]],
) -> dict[Pair, float]:
    """What the running program grants each ordered pair of conflicting groups between end and start of green.

    The smallest gap over the cycle. For vehicles the time within `sub_stages` (windows of stages, s of the cycle) does
    not count, nor what comes after the first start of any group that conflicts with the clearing one: that is order of
    stages, not clearance. Pedestrians often clear while vehicles beside them still run, so all of their gap counts, up
    to the time a slow walker needs. Where one is green whenever the other ends, the amber of the clearing stands."""
    by_id = {group.id: group for group in groups}
    foes: dict[str, list[str]] = {group.id: [] for group in groups}
    for conflict in conflicts:
        foes[conflict.first].append(conflict.second)
        foes[conflict.second].append(conflict.first)
    starts = {group.id: _switches(timeline, group.id)[0] for group in groups}
    ends = {group.id: _switches(timeline, group.id)[1] for group in groups}
    found: dict[Pair, float] = {}
    for clearing, entering_groups in foes.items():
        group = by_id[clearing]
        walks = group.kind is GroupKind.PEDESTRIAN
        slow_walk_s = float(math.ceil(group.clearing_distance_m / SLOW_WALK_M_S))
        for entering in entering_groups:
            gaps = []
            for end_s in ends[clearing]:
                if _is_green(timeline, entering, end_s) or not starts[entering]:
                    continue
                own_s = min((start_s - end_s) % timeline.cycle_s for start_s in starts[entering])
                if walks:
                    gaps.append(min(own_s, slow_walk_s))
                    continue
                first_s = min(
                    (start_s - end_s) % timeline.cycle_s for foe in entering_groups for start_s in starts[foe]
                )
                gaps.append(_without(sub_stages, end_s, min(own_s, first_s), timeline.cycle_s))
            found[clearing, entering] = min(gaps) if gaps else (slow_walk_s if walks else group.amber_s)
    return dict(sorted(found.items()))


def intergreen_matrix(*matrices: Mapping[Pair, float]) -> tuple[Intergreen, ...]:
    """The largest value of each pair over the matrices."""
    pairs = sorted({pair for matrix in matrices for pair in matrix})
    return tuple(
        Intergreen(clearing=pair[0], entering=pair[1], seconds=max(matrix.get(pair, 0.0) for matrix in matrices))
        for pair in pairs
    )


def _switches(timeline: Timeline, group: str) -> tuple[list[float], list[float]]:
    """Starts and ends of green; a change of right is neither."""
    greens = timeline.greens[group]
    cycle_s = timeline.cycle_s
    if any(green.end_s - green.start_s == cycle_s for green in greens):
        return [], []
    begins = {green.start_s % cycle_s for green in greens}
    stops = {green.end_s % cycle_s for green in greens}
    return sorted(begins - stops), sorted(stops - begins)


def _is_green(timeline: Timeline, group: str, at_s: float) -> bool:
    """Whether the group is green in the second that starts at `at_s` and was in the one before."""
    cycle_s = timeline.cycle_s
    for green in timeline.greens[group]:
        length_s = (green.end_s - green.start_s) % cycle_s or cycle_s
        if (at_s - green.start_s) % cycle_s < length_s:
            return (at_s - green.start_s) % cycle_s > 0 or any(
                other.end_s % cycle_s == green.start_s % cycle_s for other in timeline.greens[group]
            )
    return False


def _without(windows: Sequence[tuple[float, float]], start_s: float, length_s: float, cycle_s: float) -> float:
    """Length of [start, start + length) outside the windows."""
    inside_s = 0.0
    for begin_s, end_s in windows:
        for shift_s in (-cycle_s, 0.0, cycle_s):
            inside_s += max(0.0, min(start_s + length_s, end_s + shift_s) - max(start_s, begin_s + shift_s))
    return length_s - inside_s
