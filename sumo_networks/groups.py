"""Signal groups of one controller: which links move together, who they are for, and how groups conflict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import Conflict, GroupKind, SignalGroup
from optimiser.timeline import Timeline
from sumo_networks.conflicts import GREENS, LinkConflicts
from sumo_networks.intergreens import PairGeometry
from sumo_networks.net_file import NetFile, ProgramPhase
from sumo_networks.phases import StagedProgram
from sumo_networks.profiles import Profile, Turn
from sumo_networks.stage_limits import whole_greens
from sumo_networks.turns import kind_of_link, turn_of

DEFAULT_AMBER_S = 3.0


@dataclass(frozen=True)
class Groups:
    """Link indices, kind and speed limit of each group, in the order of their first link; turns are by link."""

    links: dict[str, tuple[int, ...]]
    kinds: dict[str, GroupKind]
    speeds_m_s: dict[str, float]
    turns: dict[int, Turn]

    def of_link(self) -> dict[int, str]:
        """Group by link index."""
        return {link: group for group, links in self.links.items() for link in links}


def link_groups(net: NetFile, tls: str, shipped: Sequence[ProgramPhase], mended: Sequence[ProgramPhase]) -> Groups:
    """Links of the same approach (or crossing) and kind that the program, as shipped and as mended, always shows the
    same are one group.

    It is named by the approach edge (or the crossing) and its link indices: `85:12,13`."""
    connections_of = net.links(tls)
    together: dict[tuple[tuple[str, ...], str, GroupKind], list[int]] = {}
    turns: dict[int, Turn] = {}
    for link, connections in connections_of.items():
        kind = kind_of_link(net, connections)
        turns[link] = turn_of(connections[0].direction)
        ends = {net.crossing(c) if kind is GroupKind.PEDESTRIAN else c.from_edge for c in connections}
        column = "".join(phase.state[link] for phase in (*shipped, *mended))
        together.setdefault((tuple(sorted(ends)), column, kind), []).append(link)
    named = {
        f"{'+'.join(ends)}:{','.join(str(link) for link in links)}": (tuple(links), kind)
        for (ends, _, kind), links in together.items()
    }
    ordered = dict(sorted(named.items(), key=lambda item: item[1][0]))
    return Groups(
        links={group: links for group, (links, _) in ordered.items()},
        kinds={group: kind for group, (_, kind) in ordered.items()},
        speeds_m_s={
            group: max(net.lane(c.from_edge, c.from_lane).speed_m_s for link in links for c in connections_of[link])
            for group, (links, _) in ordered.items()
        },
        turns=turns,
    )


def group_conflicts(
    groups: Groups, phases: Sequence[ProgramPhase], conflicts: LinkConflicts, yields: Mapping[tuple[int, int], int]
) -> tuple[Conflict, ...]:
    """Pairs of groups of which any links conflict; `yields` is set only where the program shows both green at once."""
    group_of = groups.of_link()
    waiting: dict[tuple[str, str], dict[str, float]] = {}
    for first, second in conflicts.pairs:
        pair = group_of[first], group_of[second]
        if pair[0] == pair[1]:
            continue
        key = pair[::-1] if pair[::-1] in waiting else pair
        found = waiting.setdefault(key, {})
        both_s = sum(p.duration_s for p in phases if p.state[first] in GREENS and p.state[second] in GREENS)
        if both_s > 0:
            group = group_of[yields[first, second]]
            found[group] = found.get(group, 0.0) + both_s
    return tuple(
        Conflict(first=first, second=second, yields=max(found, key=lambda g: (found[g], g)) if found else "")
        for (first, second), found in waiting.items()
    )


def waiting_groups(conflicts: Sequence[Conflict]) -> list[tuple[str, str]]:
    """(group that yields, other group) of each conflict that has one."""
    return [
        (conflict.yields, conflict.second if conflict.yields == conflict.first else conflict.first)
        for conflict in conflicts
        if conflict.yields
    ]


def signal_groups(
    groups: Groups,
    profile: Profile,
    staged: StagedProgram,
    timeline: Timeline,
    geometries: Mapping[tuple[str, str], PairGeometry],
) -> tuple[SignalGroup, ...]:
    """The groups with their times: ambers the longer of running and profile, least greens the shorter of profile and
    shortest running one. A group that is never green is unused."""
    found = []
    for group, kind in groups.kinds.items():
        walks = kind is GroupKind.PEDESTRIAN
        profile_amber_s = 0.0 if walks else profile.amber_s(groups.speeds_m_s[group])
        default_s = 0.0 if walks else DEFAULT_AMBER_S
        greens = whole_greens(timeline, group)
        least_s = profile.min_walk_s if walks else profile.min_green_s
        clearing = [case for pair, found in geometries.items() if pair[0] == group for case, _, _ in found.cases]
        entering = [case for pair, found in geometries.items() if pair[1] == group for case, _, _ in found.cases]
        found.append(
            SignalGroup(
                id=group,
                kind=kind,
                amber_s=max(staged.amber_s.get(group, default_s), profile_amber_s),
                red_amber_s=0.0 if walks else max(staged.red_amber_s.get(group, 0.0), profile.red_amber_s),
                flashing_green_s=profile.flashing_green_s,
                min_green_s=min([least_s, *(length_s for _, length_s in greens)]),
                entering_distance_m=min((case.entering_m for case in entering), default=0.0),
                clearing_distance_m=max((case.clearing_m for case in clearing), default=0.0),
                unused=not greens,
            )
        )
    return tuple(found)
