"""One controller of a SUMO net as a `Junction`: groups, conflicts, intergreens, stages and the program in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import Conflict, ControllerPlan, GroupKind, Junction, Offset, SignalGroup
from optimiser.timeline import Timeline, controller_plan, expand
from sumo_networks.bindings import Binding, ProgramNote
from sumo_networks.conflicts import (
    AMBERS,
    GREENS,
    Repair,
    conflict_with_another,
    link_conflicts,
    repaired,
    repaired_groups,
    yields_in_use,
)
from sumo_networks.errors import NetworkError
from sumo_networks.groups import Groups, group_conflicts, link_groups, signal_groups, waiting_groups
from sumo_networks.intergreens import intergreen_matrix, pair_geometries, profile_intergreens, running_intergreens
from sumo_networks.interstages import stretched_sequence
from sumo_networks.net_file import NetFile, ProgramPhase, SumoProgram
from sumo_networks.phases import StagedProgram, staged_program
from sumo_networks.profiles import Profile
from sumo_networks.repaired import repaired_plan
from sumo_networks.stage_limits import limited_stages, longest_red_s, pedestrian_service
from sumo_networks.turns import junction_turns

MAX_CYCLE_S = 150.0
LONGEST_PLAN_CYCLE_S = 180.0


@dataclass(frozen=True)
class Setting:
    """What is the same for all junctions of a network."""

    profile: Profile
    network_hash: str
    zone: str


@dataclass(frozen=True)
class _Read:
    """What was read of one controller before its times are judged. `phases` are the mended ones."""

    program: SumoProgram
    phases: tuple[ProgramPhase, ...]
    groups: Groups
    conflicts: tuple[Conflict, ...]
    staged: StagedProgram
    repairs: tuple[Repair, ...]


def read_junction(
    net: NetFile, loaded: Sequence[SumoProgram], switched_by_clock: bool, setting: Setting
) -> tuple[Junction, Binding, list[ProgramNote]]:
    """The junction of one controller, its binding, and notes on its program; of `loaded` the last is in use.

    Raises NetworkError where the program's states are shorter than the net needs."""
    program = loaded[-1]
    _check_program(net, program)
    link_pairs = link_conflicts(net, program.tls)
    yields = yields_in_use(program.phases, link_pairs)
    phases, repairs = repaired(program.phases, link_pairs, yields)
    groups = link_groups(net, program.tls, program.phases, phases)
    conflicts = group_conflicts(groups, phases, link_pairs, yields)
    phases = repaired_groups(phases, groups.links, waiting_groups(conflicts))
    read = _Read(program, phases, groups, conflicts, staged_program(phases, groups.links), repairs)
    turns = junction_turns(net, program.tls, groups.of_link(), groups.kinds, _gives_way(read, yields))
    geometries = pair_geometries(net, program.tls, groups.of_link(), link_pairs, groups.turns)
    shown = _timeline(read)
    signals = signal_groups(groups, setting.profile, read.staged, shown, geometries)
    of_geometry_s = profile_intergreens(setting.profile.with_formula(), groups.kinds, geometries)
    running_s = running_intergreens(shown, signals, conflicts, of_geometry_s)
    computed_s = {
        pair: seconds
        for pair, seconds in profile_intergreens(setting.profile, groups.kinds, geometries).items()
        if pair in running_s
    }
    locked_reason = (
        _why_locked(read, switched_by_clock)
        or _unknown_conflicts(net, program.tls)
        or _shared_node(net, program.tls)
        or _without_amber(read, setting.profile)
    )
    junction = Junction(
        id=program.tls,
        groups=signals,
        conflicts=conflicts,
        intergreens=intergreen_matrix(running_s, computed_s),
        stages=limited_stages(read.staged.stages, shown, signals, conflicts),
        sequences=(read.staged.sequence,),
        approaches=turns.approaches,
        lanes=turns.lanes,
        movements=turns.movements,
        running=_bare_plan(program.tls, signals, read.staged.cycle_s, setting),
        pedestrians=pedestrian_service(signals, shown, setting.profile, running_s),
        max_cycle_s=max(MAX_CYCLE_S, read.staged.cycle_s),
        locked=bool(locked_reason),
        locked_reason=locked_reason,
    )
    return _with_running_plan(junction, read, setting), _binding(net, loaded, read), _notes(read, locked_reason)


def _gives_way(read: _Read, yields: Mapping[tuple[int, int], int]) -> dict[int, set[int]]:
    """Per link those it yields to in the program: both are green at once, and its group is the one that gives way."""
    group_of = read.groups.of_link()
    waiting = set(waiting_groups(read.conflicts))
    found: dict[int, set[int]] = {}
    for pair, link in yields.items():
        other = pair[0] if link == pair[1] else pair[1]
        if (group_of[link], group_of[other]) in waiting:
            found.setdefault(link, set()).add(other)
    return found


def _timeline(read: _Read) -> Timeline:
    """Greens and windows of the program in use."""
    bare = Junction(
        id=read.program.tls,
        groups=tuple(SignalGroup(id=group, kind=kind) for group, kind in read.groups.kinds.items()),
        conflicts=(),
        intergreens=(),
        stages=read.staged.stages,
        sequences=(read.staged.sequence,),
        approaches=(),
        lanes=(),
        movements=(),
        running=ControllerPlan(
            junction=read.program.tls, network_hash="", cycle_s=1.0, offset=Offset(), groups=(), greens={}
        ),
    )
    return expand(bare, read.staged.sequence, read.staged.durations_s)


def _bare_plan(junction: str, groups: tuple[SignalGroup, ...], cycle_s: float, setting: Setting) -> ControllerPlan:
    return ControllerPlan(
        junction=junction,
        network_hash=setting.network_hash,
        cycle_s=cycle_s,
        offset=Offset(zone=setting.zone),
        groups=groups,
        greens={},
        max_cycle_s=max(LONGEST_PLAN_CYCLE_S, cycle_s),
    )


def _with_running_plan(junction: Junction, read: _Read, setting: Setting) -> Junction:
    """The junction with its program as a plan; where the profile asks for longer intergreens than run, its sequence has
    longer interstages than the plan."""
    staged = read.staged
    start_s = (read.program.offset_s + staged.start_s) % staged.cycle_s
    plan = controller_plan(junction, staged.sequence, staged.durations_s, start_s)
    junction = junction.model_copy(update={"running": plan})
    if setting.profile.method == "running":
        return junction
    sequence = stretched_sequence(junction, staged.sequence)
    junction = junction.model_copy(update={"sequences": (sequence,)})
    mended = repaired_plan(junction)
    pedestrians = tuple(
        rule.model_copy(
            update={"max_wait_s": max(rule.max_wait_s, longest_red_s(mended.greens[rule.group], mended.cycle_s))}
        )
        for rule in junction.pedestrians
    )
    max_cycle_s = max(junction.max_cycle_s, mended.cycle_s)
    plan = plan.model_copy(update={"pedestrians": pedestrians, "max_cycle_s": max_cycle_s})
    return junction.model_copy(update={"pedestrians": pedestrians, "max_cycle_s": max_cycle_s, "running": plan})


def _binding(net: NetFile, loaded: Sequence[SumoProgram], read: _Read) -> Binding:
    requests = [net.request(c) for connections in net.links(read.program.tls).values() for c in connections]
    return Binding(
        junction=read.program.tls,
        tls=read.program.tls,
        link_count=len(read.program.phases[0].state),
        groups=read.groups.links,
        program_id=read.program.program_id,
        nodes=tuple(sorted({request[0] for request in requests if request is not None})),
        program_ids=tuple(sorted({program.program_id for program in loaded})),
    )


def _check_program(net: NetFile, program: SumoProgram) -> None:
    needed = max(net.links(program.tls)) + 1
    lengths = {len(phase.state) for phase in program.phases}
    if min(lengths) < needed or len(lengths) != 1:
        raise NetworkError(
            f"{program.file}: program {program.program_id} of junction {program.tls} has states of "
            f"{', '.join(str(length) for length in sorted(lengths))} signals, and the net needs {needed}; "
            "use the program made for this net"
        )
    if sum(phase.duration_s for phase in program.phases) <= 0:
        raise NetworkError(
            f"{program.file}: program {program.program_id} of junction {program.tls} lasts 0 s; "
            "give its phases durations"
        )


def _why_locked(read: _Read, switched_by_clock: bool) -> str:
    """Why this program must stay as it is; empty where it may be retimed."""
    phases = read.program.phases
    if switched_by_clock:
        return "a WAUT switches its programs by the time of day"
    if any(phase.next and phase.next != ((i + 1) % len(phases),) for i, phase in enumerate(phases)):
        return "its phases name other phases to follow them, so it has no fixed order"
    if read.program.type == "NEMA":
        return "a NEMA controller forms its greens from rings, not from the phases listed"
    if any(not phase.duration_s.is_integer() for phase in phases) or not read.program.offset_s.is_integer():
        return "its phases last parts of seconds"
    if any(aspect in "oO" for phase in phases for aspect in phase.state):
        return "it is switched off for part of the time or for some signals"
    if len(read.staged.stages) < 2:
        return "it has a single stage"
    return ""


def _shared_node(net: NetFile, tls: str) -> str:
    """That another controller has signals for conflicting ways over the same node: what one shows is safe beside the
    other's program alone. Empty where it is not so."""
    found = conflict_with_another(net, tls)
    if found is None:
        return ""
    link, other, other_link, node = found
    return f"its link {link} conflicts with link {other_link} of controller {other}, which shares node {node} with it"


def _without_amber(read: _Read, profile: Profile) -> str:
    """That nothing warns of the end of any green, where the ambers of the running program are all that a plan would
    have; empty where some do, or only people on foot have signals."""
    on_wheels = {
        link
        for group, links in read.groups.links.items()
        if read.groups.kinds[group] is not GroupKind.PEDESTRIAN
        for link in links
    }
    shown = {phase.state[link] for phase in read.phases for link in on_wheels}
    if profile.method != "running" or shown & set(AMBERS) or not shown & set(GREENS):
        return ""
    return "it has no amber at all; give it ambers, or set a `profile` in the rules that does"


def _unknown_conflicts(net: NetFile, tls: str) -> str:
    """Which link has no row in a request matrix, so that nobody can tell with what it conflicts; empty where none."""
    links = net.links(tls)
    unknown = [way for ways in links.values() for way in ways if net.request(way) is None]
    if len(links) < 2 or not unknown:
        return ""
    way = unknown[0]
    return f"the net does not tell what its link {way.link} from {way.from_edge} to {way.to_edge} conflicts with"


def _notes(read: _Read, locked_reason: str) -> list[ProgramNote]:
    program = read.program
    found = []
    if locked_reason:
        found.append(ProgramNote(program.tls, "locked", f"junction {program.tls} keeps its program: {locked_reason}"))
    if program.type not in ("static", "NEMA"):
        message = f"junction {program.tls} runs a program of type {program.type}; its phases as listed stand for it"
        found.append(ProgramNote(program.tls, "not_static", message))
    group_of = read.groups.of_link()
    phases: dict[tuple[str, str, str, str], set[int]] = {}
    for repair in read.repairs:
        first, second = (group_of[link] for link in repair.links)
        phases.setdefault((repair.rule, first, second, group_of[repair.mended]), set()).add(repair.phase)
    for (rule, first, second, mended), shown in phases.items():
        if rule == "conflicting_protected":
            what = f"shows protected green to the conflicting groups {first} and {second} at the same time"
            then = "is taken as permissive"
        else:
            what = f"shows green to one of the conflicting groups {first} and {second} in the amber of the other"
            then = "is taken to start after it"
        shown_s = sum(program.phases[phase].duration_s for phase in shown)
        message = f"junction {program.tls}: the shipped program {what}, {shown_s:g} s a cycle; {mended} {then}"
        found.append(ProgramNote(program.tls, rule, message))
    return found
