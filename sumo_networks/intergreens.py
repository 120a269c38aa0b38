"""Intergreen matrices: as the running program keeps them, and as a national profile computes them from geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import Conflict, GroupKind, Intergreen, Right, SignalGroup
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
    timeline: Timeline, groups: Sequence[SignalGroup], conflicts: Sequence[Conflict]
) -> dict[Pair, float]:
    """What the running program grants each ordered pair of conflicting groups between end and start of green, in s.

    The smallest gap over the cycle. For vehicles the time within stages does not count, nor what comes after the first
    start of any group that conflicts with the clearing one: that is order of stages, not clearance. Pedestrians often
    clear while vehicles beside them still run, so all of their gap counts, up to the time a slow walker needs. Where a
    group gives way to the clearing one, the change from permissive to protected green is a start too."""
    foes: dict[str, dict[str, bool]] = {group.id: {} for group in groups}
    for conflict in conflicts:
        foes[conflict.first][conflict.second] = conflict.yields == conflict.second
        foes[conflict.second][conflict.first] = conflict.yields == conflict.first
    found: dict[Pair, float] = {}
    for group in groups:
        clearing, others = group.id, foes[group.id]
        ends = _ends(timeline, clearing)
        starts = {other: _starts(timeline, other, gives_way) for other, gives_way in others.items()}
        for entering in others:
            if not ends or not starts[entering]:
                continue
            gaps = []
            for end_s in ends:
                own_s = _next(starts[entering], end_s, timeline.cycle_s)
                if group.kind is GroupKind.PEDESTRIAN:
                    gaps.append(min(own_s, float(math.ceil(group.clearing_distance_m / SLOW_WALK_M_S))))
                    continue
                first_s = min(_next(times, end_s, timeline.cycle_s) for times in starts.values() if times)
                at_least_s = min(group.amber_s, _outside_stages(timeline, end_s, own_s))
                gaps.append(max(at_least_s, _outside_stages(timeline, end_s, min(own_s, first_s))))
            found[clearing, entering] = min(gaps)
    return dict(sorted(found.items()))


def intergreen_matrix(*matrices: Mapping[Pair, float]) -> tuple[Intergreen, ...]:
    """The largest value of each pair over the matrices."""
    pairs = sorted({pair for matrix in matrices for pair in matrix})
    return tuple(
        Intergreen(clearing=pair[0], entering=pair[1], seconds=max(matrix.get(pair, 0.0) for matrix in matrices))
        for pair in pairs
    )


def _lasts(timeline: Timeline, group: str) -> bool:
    greens = timeline.greens[group]
    return sum((green.end_s - green.start_s) % timeline.cycle_s or timeline.cycle_s for green in greens) >= (
        timeline.cycle_s - 1e-6
    )


def _ends(timeline: Timeline, group: str) -> list[float]:
    """Ends of green; a change of right is none."""
    greens = timeline.greens[group]
    begins = {green.start_s % timeline.cycle_s for green in greens}
    stops = {green.end_s % timeline.cycle_s for green in greens}
    return [] if _lasts(timeline, group) else sorted(stops - begins)


def _starts(timeline: Timeline, group: str, gives_way: bool) -> list[float]:
    """Starts of green; with `gives_way` also the changes to protected green."""
    greens = timeline.greens[group]
    stops = {green.end_s % timeline.cycle_s: green.right for green in greens}
    found = set()
    for green in greens:
        before = stops.get(green.start_s % timeline.cycle_s)
        if before is None or (gives_way and before is not green.right and green.right is Right.PROTECTED):
            found.add(green.start_s % timeline.cycle_s)
    return [] if len(greens) == 1 and _lasts(timeline, group) else sorted(found)


def _next(times_s: Sequence[float], after_s: float, cycle_s: float) -> float:
    return min((time_s - after_s) % cycle_s for time_s in times_s)


def _outside_stages(timeline: Timeline, start_s: float, length_s: float) -> float:
    """Length of [start, start + length) outside the stages' windows."""
    inside_s = 0.0
    for window in timeline.windows:
        for shift_s in (-timeline.cycle_s, 0.0, timeline.cycle_s):
            begin_s, end_s = window.start_s + shift_s, window.end_s + shift_s
            inside_s += max(0.0, min(start_s + length_s, end_s) - max(start_s, begin_s))
    return length_s - inside_s
