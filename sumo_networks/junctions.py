"""One controller of a SUMO net as a `Junction`: groups, conflicts, intergreens, stages and the program in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import (
    Conflict,
    ControllerPlan,
    GroupKind,
    Junction,
    Modes,
    Offset,
    Pedestrians,
    SignalGroup,
    Stage,
)
from optimiser.timeline import Timeline, controller_plan, expand
from sumo_networks.bindings import Binding, ProgramNote
from sumo_networks.conflicts import LinkConflicts, Repair, link_conflicts, repaired, yields_in_use
from sumo_networks.errors import NetworkError
from sumo_networks.intergreens import (
    Pair,
    PairGeometry,
    intergreen_matrix,
    pair_geometries,
    profile_intergreens,
    running_intergreens,
)
from sumo_networks.net_file import NetFile, ProgramPhase, SumoProgram
from sumo_networks.phases import StagedProgram, staged_program
from sumo_networks.profiles import Profile, Turn
from sumo_networks.turns import junction_turns, kind_of_link, turn_of

DEFAULT_AMBER_S = 3.0
MAX_CYCLE_S = 150.0


@dataclass(frozen=True)
class _Facts:
    """What the net says of one controller before its groups' times are known."""

    links: dict[str, tuple[int, ...]]
    kinds: dict[str, GroupKind]
    conflicts: LinkConflicts
    turns: dict[int, Turn]
    speeds_m_s: dict[str, float]


def read_junction(
    net: NetFile, loaded: Sequence[SumoProgram], profile: Profile, digest: str, zone: str
) -> tuple[Junction, Binding, list[ProgramNote]]:
    """The junction of one controller, its binding, and notes on its program; of `loaded` the last is in use.

    Raises NetworkError where the program's states are shorter than the net needs."""
    program = loaded[-1]
    _check_states(net, program)
    conflicts = link_conflicts(net, program.tls)
    phases, repairs = repaired(program.phases, conflicts)
    facts = _facts(net, program.tls, phases, conflicts)
    staged = staged_program(phases, facts.links)
    locked_reason = _why_locked(program, staged)
    geometries = pair_geometries(net, program.tls, facts.links, conflicts, facts.turns)
    junction = _junction(net, program, profile, digest, zone, facts, phases, staged, geometries, locked_reason)
    binding = Binding(
        junction=program.tls,
        tls=program.tls,
        link_count=len(program.phases[0].state),
        groups=facts.links,
        program_id=program.program_id,
        nodes=_nodes(net, program.tls),
        program_ids=tuple(sorted({other.program_id for other in loaded})),
    )
    return junction, binding, _notes(program, repairs, facts, locked_reason)


def _junction(
    net: NetFile,
    program: SumoProgram,
    profile: Profile,
    digest: str,
    zone: str,
    facts: _Facts,
    phases: Sequence[ProgramPhase],
    staged: StagedProgram,
    geometries: Mapping[Pair, PairGeometry],
    locked_reason: str,
) -> Junction:
    yields = yields_in_use(phases, facts.conflicts)
    conflicts = _group_conflicts(facts, phases, yields)
    bare = Junction(
        id=program.tls,
        groups=tuple(SignalGroup(id=group, kind=facts.kinds[group]) for group in facts.links),
        conflicts=(),
        intergreens=(),
        stages=staged.stages,
        sequences=(staged.sequence,),
        approaches=(),
        lanes=(),
        movements=(),
        running=_bare_plan(program.tls, digest, zone),
    )
    timeline = expand(bare, staged.sequence, staged.durations_s)
    groups = _groups(profile, facts, staged, timeline, geometries)
    sub_stages = [(window.start_s, window.end_s) for window in timeline.windows]
    running = running_intergreens(timeline, groups, conflicts, sub_stages)
    computed = {
        pair: seconds
        for pair, seconds in profile_intergreens(profile, facts.kinds, geometries).items()
        if pair in running
    }
    gives_way: dict[int, set[int]] = {}
    for (first, second), link in yields.items():
        gives_way.setdefault(link, set()).add(second if link == first else first)
    turns = junction_turns(
        net,
        program.tls,
        {link: group for group, indices in facts.links.items() for link in indices},
        facts.kinds,
        {link: frozenset(others) for link, others in gives_way.items()},
    )
    junction = bare.model_copy(
        update={
            "groups": groups,
            "conflicts": conflicts,
            "intergreens": intergreen_matrix(running, computed),
            "stages": _with_min_lengths(staged, timeline, groups),
            "approaches": turns.approaches,
            "lanes": turns.lanes,
            "movements": turns.movements,
            "pedestrians": _pedestrians(groups, timeline, profile),
            "max_cycle_s": max(MAX_CYCLE_S, staged.cycle_s),
            "locked": bool(locked_reason),
            "locked_reason": locked_reason,
        }
    )
    junction = junction.model_copy(
        update={
            "running": junction.running.model_copy(
                update={
                    "groups": groups,
                    "max_cycle_s": max(180.0, staged.cycle_s),
                    "modes": Modes(flashing_amber_groups=()),
                }
            )
        }
    )
    running_plan = controller_plan(
        junction, staged.sequence, staged.durations_s, (program.offset_s + staged.start_s) % staged.cycle_s
    )
    return junction.model_copy(update={"running": running_plan})


def _bare_plan(junction: str, digest: str, zone: str) -> ControllerPlan:
    return ControllerPlan(
        junction=junction, network_hash=digest, cycle_s=1.0, offset=Offset(zone=zone), groups=(), greens={}
    )


def _facts(net: NetFile, tls: str, phases: Sequence[ProgramPhase], conflicts: LinkConflicts) -> _Facts:
    """Groups: links of the same approach (or crossing) and kind that the program always shows the same."""
    together: dict[tuple[tuple[str, ...], str, GroupKind], list[int]] = {}
    kinds_of: dict[int, GroupKind] = {}
    turns: dict[int, Turn] = {}
    for link, connections in net.links(tls).items():
        kinds_of[link] = kind_of_link(net, connections)
        turns[link] = turn_of(connections[0].direction)
        walks = kinds_of[link] is GroupKind.PEDESTRIAN
        ends = {c.to_edge if walks else c.from_edge for c in connections}
        column = "".join(phase.state[link] for phase in phases)
        together.setdefault((tuple(sorted(ends)), column, kinds_of[link]), []).append(link)
    named = {
        f"{'+'.join(ends)}:{','.join(str(link) for link in links)}": (tuple(links), kind)
        for (ends, _, kind), links in together.items()
    }
    ordered = dict(sorted(named.items(), key=lambda item: item[1][0]))
    connections_of = net.links(tls)
    return _Facts(
        links={group: links for group, (links, _) in ordered.items()},
        kinds={group: kind for group, (_, kind) in ordered.items()},
        conflicts=conflicts,
        turns=turns,
        speeds_m_s={
            group: max(
                net.edges[c.from_edge].lanes[c.from_lane].speed_m_s for link in links for c in connections_of[link]
            )
            for group, (links, _) in ordered.items()
        },
    )


def _group_conflicts(
    facts: _Facts, phases: Sequence[ProgramPhase], yields: Mapping[tuple[int, int], int]
) -> tuple[Conflict, ...]:
    """Conflicts of groups; `yields` is set only where the program shows both green at once."""
    group_of = {link: group for group, links in facts.links.items() for link in links}
    waiting: dict[tuple[str, str], dict[str, float]] = {}
    for first, second in facts.conflicts.pairs:
        pair = group_of[first], group_of[second]
        if pair[0] == pair[1]:
            continue
        key = (pair[0], pair[1]) if (pair[1], pair[0]) not in waiting else (pair[1], pair[0])
        found = waiting.setdefault(key, {})
        both_s = sum(p.duration_s for p in phases if p.state[first] in "Ggs" and p.state[second] in "Ggs")
        if both_s > 0:
            group = group_of[yields[first, second]]
            found[group] = found.get(group, 0.0) + both_s
    return tuple(
        Conflict(first=first, second=second, yields=max(found, key=lambda g: (found[g], g)) if found else "")
        for (first, second), found in waiting.items()
    )


def _groups(
    profile: Profile,
    facts: _Facts,
    staged: StagedProgram,
    timeline: Timeline,
    geometries: Mapping[Pair, PairGeometry],
) -> tuple[SignalGroup, ...]:
    found = []
    for group, kind in facts.kinds.items():
        walks = kind is GroupKind.PEDESTRIAN
        cases = [case for pair, geometry in geometries.items() if pair[0] == group for case, _, _ in geometry.cases]
        entering = [case for pair, geometry in geometries.items() if pair[1] == group for case, _, _ in geometry.cases]
        green_s = shortest_green_s(timeline, group)
        least_s = profile.min_walk_s if walks else profile.min_green_s
        amber_s = staged.amber_s.get(
            group, 0.0 if walks else max(DEFAULT_AMBER_S, profile.amber_s(facts.speeds_m_s[group]))
        )
        found.append(
            SignalGroup(
                id=group,
                kind=kind,
                amber_s=amber_s if walks else max(amber_s, profile.amber_s(facts.speeds_m_s[group])),
                red_amber_s=0.0 if walks else max(staged.red_amber_s.get(group, 0.0), profile.red_amber_s),
                flashing_green_s=profile.flashing_green_s,
                min_green_s=least_s if green_s is None else min(least_s, green_s),
                entering_distance_m=min((case.entering_m for case in entering), default=0.0),
                clearing_distance_m=max((case.clearing_m for case in cases), default=0.0),
            )
        )
    return tuple(found)


def shortest_green_s(timeline: Timeline, group: str) -> float | None:
    """The shortest green of a group, changes of right apart; None where it has none."""
    lengths = [length for _, length in whole_greens(timeline, group)]
    return min(lengths) if lengths else None


def whole_greens(timeline: Timeline, group: str) -> list[tuple[float, float]]:
    """(start, length) of each green of a group; intervals that touch and differ in right are one."""
    cycle_s = timeline.cycle_s
    merged: list[tuple[float, float]] = []
    for green in timeline.greens[group]:
        length_s = (green.end_s - green.start_s) % cycle_s or cycle_s
        if merged and abs(sum(merged[-1]) - green.start_s) < 1e-9:
            merged[-1] = merged[-1][0], merged[-1][1] + length_s
        else:
            merged.append((green.start_s, length_s))
    if len(merged) > 1 and abs(sum(merged[-1]) - cycle_s - merged[0][0]) < 1e-9:
        start_s, length_s = merged.pop()
        merged[0] = start_s, length_s + merged[0][1]
    return [(start_s, min(length_s, cycle_s)) for start_s, length_s in merged]


def _with_min_lengths(staged: StagedProgram, timeline: Timeline, groups: Sequence[SignalGroup]) -> tuple[Stage, ...]:
    """Stages with the shortest length that leaves every group its least green where no other stage can give it."""
    windows = {window.stage: window for window in timeline.windows}
    found = []
    for stage in staged.stages:
        window = windows[stage.id]
        length_s = window.end_s - window.start_s
        least_s = min(1.0, length_s)
        for group in groups:
            if group.id not in stage.greens:
                continue
            for start_s, green_s in whole_greens(timeline, group.id):
                held = [
                    other.stage
                    for other in timeline.windows
                    if (other.start_s - start_s) % timeline.cycle_s + (other.end_s - other.start_s) <= green_s + 1e-9
                ]
                if held == [stage.id]:
                    least_s = max(least_s, group.min_green_s - (green_s - length_s))
        found.append(stage.model_copy(update={"min_s": min(least_s, length_s)}))
    return tuple(found)


def _pedestrians(groups: Sequence[SignalGroup], timeline: Timeline, profile: Profile) -> tuple[Pedestrians, ...]:
    found = []
    for group in groups:
        if group.kind is not GroupKind.PEDESTRIAN or not timeline.greens[group.id]:
            continue
        greens = whole_greens(timeline, group.id)
        found.append(
            Pedestrians(
                group=group.id,
                walk_s=group.min_green_s,
                clearance_s=round(group.clearing_distance_m / profile.pedestrian_speed_m_s, 2),
                max_wait_s=max(120.0, timeline.cycle_s - min(length for _, length in greens)),
            )
        )
    return tuple(found)


def _nodes(net: NetFile, tls: str) -> tuple[str, ...]:
    nodes = set()
    for connections in net.links(tls).values():
        for c in connections:
            lane = c.via or f"{c.to_edge}_{c.to_lane}"
            if lane in net.node_of_internal_lane:
                nodes.add(net.node_of_internal_lane[lane])
    return tuple(sorted(nodes))


def _check_states(net: NetFile, program: SumoProgram) -> None:
    needed = max(net.links(program.tls)) + 1
    for index, phase in enumerate(program.phases):
        if len(phase.state) < needed:
            raise NetworkError(
                f"{program.file}: phase {index} of program {program.program_id} at junction {program.tls} has "
                f"{len(phase.state)} signals and the net needs {needed}; use the program made for this net"
            )
    if sum(phase.duration_s for phase in program.phases) <= 0:
        raise NetworkError(
            f"{program.file}: program {program.program_id} at junction {program.tls} lasts 0 s; give its phases time"
        )


def _why_locked(program: SumoProgram, staged: StagedProgram) -> str:
    """Why this program must stay as it is; empty where it may be retimed."""
    if any(phase.next and phase.next != ((i + 1) % len(program.phases),) for i, phase in enumerate(program.phases)):
        return "its phases name other phases to follow them, so it has no fixed order"
    if program.type == "NEMA":
        return "a NEMA controller forms its greens from rings, not from the phases listed"
    if any(not phase.duration_s.is_integer() for phase in program.phases):
        return "its phases last parts of seconds"
    if any(aspect in "oO" for phase in program.phases for aspect in phase.state):
        return "it is switched off for part of the time or for some signals"
    if len(staged.stages) < 2:
        return "it has a single stage"
    return ""


def _notes(program: SumoProgram, repairs: Sequence[Repair], facts: _Facts, locked_reason: str) -> list[ProgramNote]:
    found = []
    if locked_reason:
        found.append(ProgramNote(program.tls, "locked", f"junction {program.tls} keeps its program: {locked_reason}"))
    if program.type not in ("static", "NEMA"):
        message = f"junction {program.tls} runs a program of type {program.type}; its phases as listed stand for it"
        found.append(ProgramNote(program.tls, "not_static", message))
    group_of = {link: group for group, links in facts.links.items() for link in links}
    seconds: dict[tuple[tuple[int, int], int], float] = {}
    for repair in repairs:
        key = repair.links, repair.permissive
        seconds[key] = seconds.get(key, 0.0) + program.phases[repair.phase].duration_s
    for (links, permissive), both_s in seconds.items():
        message = (
            f"junction {program.tls}: the shipped program shows protected green to the conflicting groups "
            f"{group_of[links[0]]} and {group_of[links[1]]} at the same time ({both_s:g} s a cycle, links {links[0]} "
            f"and {links[1]}); {group_of[permissive]} is taken as permissive"
        )
        found.append(ProgramNote(program.tls, "conflicting_protected", message))
    return found
