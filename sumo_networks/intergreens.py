"""Intergreen matrices: as the running program keeps them, and as a national profile computes them from geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import Conflict, GroupKind, Intergreen, SignalGroup
from optimiser.timeline import Timeline
from sumo_networks.conflicts import LinkConflicts
from sumo_networks.gaps import conflict_gaps
from sumo_networks.geometry import ConflictDistances, conflict_distances, way_of
from sumo_networks.net_file import NetFile
from sumo_networks.profiles import Clearing, Profile, Turn

SLOW_WALK_M_S = 1.0
"""A running pedestrian clearance is taken over only up to the time that this walking speed needs (RiLSA 2015, 2.5)."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairGeometry:
    """Of a clearing and an entering group, the conflict distances of each conflicting pair of their links, with how the
    clearing link turns and its speed limit in m/s."""

    cases: tuple[tuple[ConflictDistances, Turn, float], ...]


def pair_geometries(
    net: NetFile,
    tls: str,
    group_of: Mapping[int, str],
    conflicts: LinkConflicts,
    turns: Mapping[int, Turn],
) -> dict[Pair, PairGeometry]:
    """Geometry of every ordered pair (clearing, entering) of groups that conflict."""
    connections = net.links(tls)
    ways = {link: [way_of(net, connection) for connection in connections[link]] for link in connections}
    limits = {
        link: max(net.lane(c.from_edge, c.from_lane).speed_m_s for c in connections[link]) for link in connections
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
    """Intergreen in s of each ordered pair by the profile's formula, the largest over its pairs of links."""
    found: dict[Pair, float] = {}
    for (clearing, entering), geometry in geometries.items():
        needed = [
            profile.intergreen_s(
                Clearing(kinds[clearing], case.clearing_m, turn, limit_m_s), case.entering_m, kinds[entering]
            )
            for case, turn, limit_m_s in geometry.cases
        ]
        found[clearing, entering] = max(0.0, *needed)
    return found


def running_intergreens(
    timeline: Timeline,
    groups: Sequence[SignalGroup],
    conflicts: Sequence[Conflict],
    computed_s: Mapping[Pair, float],
) -> dict[Pair, float]:
    """What the running program grants each ordered pair of conflicting groups between end and start of green, in s.

    The smallest gap over the cycle. For vehicles the time within stages does not count, of several interstages only the
    longest, and nothing after the first start of any group that conflicts with the clearing one: that is order of
    stages, not clearance. Where such time was left out, the program never shows how little will do: there `computed_s`
    from geometry is needed, as far as the gap reaches. Pedestrians often clear while vehicles beside them still run, so
    all of their gap counts, up to the time a slow walker needs."""
    by_id = {group.id: group for group in groups}
    gaps = conflict_gaps(timeline, conflicts)
    first_s: dict[tuple[str, float], float] = {}
    for gap in gaps:
        key = gap.clearing, gap.end_s
        first_s[key] = min(gap.seconds, first_s.get(key, gap.seconds))
    found: dict[Pair, float] = {}
    for gap in gaps:
        group, pair = by_id[gap.clearing], (gap.clearing, gap.entering)
        if group.kind is GroupKind.PEDESTRIAN:
            granted_s = min(gap.seconds, float(math.ceil(group.clearing_distance_m / SLOW_WALK_M_S)))
        else:
            at_least_s = min(group.amber_s, _longest_interstage_s(timeline, gap.end_s, gap.seconds))
            granted_s = max(at_least_s, _longest_interstage_s(timeline, gap.end_s, first_s[gap.clearing, gap.end_s]))
            granted_s = max(granted_s, min(gap.seconds, computed_s.get(pair, 0.0)))
        found[pair] = min(granted_s, found.get(pair, granted_s))
    return dict(sorted(found.items()))


def intergreen_matrix(*matrices: Mapping[Pair, float]) -> tuple[Intergreen, ...]:
    """The largest value of each pair over the matrices."""
    pairs = sorted({pair for matrix in matrices for pair in matrix})
    return tuple(
        Intergreen(clearing=pair[0], entering=pair[1], seconds=max(matrix.get(pair, 0.0) for matrix in matrices))
        for pair in pairs
    )


def _longest_interstage_s(timeline: Timeline, start_s: float, length_s: float) -> float:
    """The longest part of [start, start + length) between two stages."""
    inside: list[tuple[float, float]] = []
    for window in timeline.windows:
        for shift_s in (-timeline.cycle_s, 0.0, timeline.cycle_s):
            begin_s = max(start_s, window.start_s + shift_s)
            end_s = min(start_s + length_s, window.end_s + shift_s)
            if begin_s < end_s:
                inside.append((begin_s, end_s))
    longest_s, clock = 0.0, start_s
    for begin_s, end_s in sorted(inside):
        longest_s, clock = max(longest_s, begin_s - clock), end_s
    return max(longest_s, start_s + length_s - clock)
