"""Small junctions with valid plans, and strategies that draw both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from optimiser.signals import (
    Approach,
    Conflict,
    ControllerPlan,
    GroupKind,
    Intergreen,
    Interstage,
    Junction,
    Lane,
    Link,
    Modes,
    Movement,
    Network,
    Offset,
    Pedestrians,
    Right,
    SignalGroup,
    Stage,
    StageSequence,
    StageWindow,
)
from optimiser.timeline import controller_plan

NETWORK_HASH = "0" * 32
PROTECTED, PERMISSIVE = Right.PROTECTED, Right.PERMISSIVE
TURNS = ("through", "left")
VEHICLE_INTERGREEN_S, TO_WALK_S, FROM_WALK_S = 5.0, 6.0, 8.0


@dataclass
class Draft:
    """What a junction is built from: stages name the groups that are green and the right they have."""

    id: str
    groups: tuple[SignalGroup, ...]
    stages: tuple[dict[str, Right], ...]
    durations_s: tuple[float, ...]
    never_together: tuple[tuple[str, str], ...]
    gives_way: tuple[tuple[str, str], ...] = ()
    intergreens_s: dict[tuple[str, str], float] = field(default_factory=dict)
    lags_s: dict[tuple[int, str], float] = field(default_factory=dict)
    turns: tuple[tuple[str, str, str, str], ...] = ()
    max_wait_s: float = 120.0


def build(draft: Draft) -> Junction:
    """Junction whose running plan keeps all rules. `gives_way` pairs are (who gives way, to whom); `lags_s` keep a
    group green for so long into the interstage after that stage; `turns` are (movement, approach, exit, group)."""
    kinds = {group.id: group.kind for group in draft.groups}
    intergreens = {}
    for first, second in draft.never_together:
        for pair in ((first, second), (second, first)):
            intergreens[pair] = draft.intergreens_s.get(pair, _usual_s(kinds[pair[0]], kinds[pair[1]]))
    for pair in draft.gives_way:
        intergreens[(pair[1], pair[0])] = draft.intergreens_s.get(pair[::-1], _usual_s(kinds[pair[1]], kinds[pair[0]]))
    stages = tuple(Stage(id=f"stage{i + 1}", greens=greens, min_s=1.0) for i, greens in enumerate(draft.stages))
    changes = tuple(
        _interstage(stages[i], stages[(i + 1) % len(stages)], intergreens, i, draft.lags_s) for i in range(len(stages))
    )
    sequence = StageSequence(id="running", stages=tuple(stage.id for stage in stages), interstages=changes)
    conflicts = [Conflict(first=a, second=b) for a, b in draft.never_together]
    conflicts += [Conflict(first=a, second=b, yields=a) for a, b in draft.gives_way]
    walkers = tuple(
        Pedestrians(group=group.id, walk_s=7.0, clearance_s=FROM_WALK_S - 1.0, max_wait_s=draft.max_wait_s)
        for group in draft.groups
        if group.kind is GroupKind.PEDESTRIAN
    )
    empty = ControllerPlan(
        junction=draft.id,
        network_hash=NETWORK_HASH,
        cycle_s=60.0,
        offset=Offset(),
        groups=draft.groups,
        greens={},
        max_cycle_s=150.0,
        modes=Modes(flashing_amber_groups=(draft.groups[0].id,)),
    )
    lanes = _lanes(draft.turns)
    junction = Junction(
        id=draft.id,
        groups=draft.groups,
        conflicts=tuple(conflicts),
        intergreens=tuple(
            Intergreen(clearing=pair[0], entering=pair[1], seconds=intergreens[pair]) for pair in sorted(intergreens)
        ),
        stages=stages,
        sequences=(sequence,),
        approaches=_approaches(lanes),
        lanes=lanes,
        movements=_movements(draft.turns),
        running=empty,
        pedestrians=walkers,
    )
    return junction.model_copy(update={"running": controller_plan(junction, sequence, draft.durations_s, 0.0)})


def four_arm() -> Junction:
    """Four arms, a lane for left turns on each with its own stages, crossings over all arms; right turns give way to
    people."""
    arms = ("north", "east", "south", "west")
    facing = {arm: arms[(i + 2) % 4] for i, arm in enumerate(arms)}
    right_of = {arm: arms[(i + 3) % 4] for i, arm in enumerate(arms)}
    groups = [SignalGroup(id=f"{arm}_through") for arm in arms] + [SignalGroup(id=f"{arm}_left") for arm in arms]
    groups += [_walkers(f"{arm}_walk") for arm in arms]
    crossing = [("north", "east"), ("north", "west"), ("south", "east"), ("south", "west")]
    apart = [(f"{a}_{x}", f"{b}_{y}") for a, b in crossing for x in ("through", "left") for y in ("through", "left")]
    apart += [(f"{arm}_left", f"{facing[arm]}_through") for arm in arms]
    for arm in arms:
        walk = f"{arm}_walk"
        apart += [(f"{arm}_through", walk), (f"{arm}_left", walk), (f"{facing[arm]}_through", walk)]
        apart += [(f"{right_of[arm]}_left", walk)]
    along, across = ("north", "south"), ("east", "west")
    stages = []
    for served, walked in ((along, across), (across, along)):
        stages.append({f"{arm}_through": PROTECTED for arm in served} | {f"{arm}_walk": PROTECTED for arm in walked})
        for arm in served:
            stages[-1][f"{arm}_through"] = PERMISSIVE
        stages.append({f"{arm}_left": PROTECTED for arm in served})
    turns = [(f"{arm}_{to}", arm, exit_, f"{arm}_{group}") for arm in arms for to, exit_, group in _ways(arm, arms)]
    gives_way = [(f"{arm}_through", f"{right_of[arm]}_walk") for arm in arms]
    return build(
        Draft(
            "four_arm",
            tuple(groups),
            tuple(stages),
            (24, 10, 20, 10),
            tuple(apart),
            tuple(gives_way),
            {},
            {},
            tuple(turns),
        )
    )


def tee() -> Junction:
    """Three arms; the left turn from the main road is permissive first and protected after."""
    groups = (
        SignalGroup(id="west"),
        SignalGroup(id="east"),
        SignalGroup(id="east_left"),
        SignalGroup(id="south"),
        _walkers("east_walk"),
        _walkers("south_walk"),
    )
    apart = (
        ("west", "south"),
        ("east", "south"),
        ("east_left", "south"),
        ("east", "east_walk"),
        ("east_left", "east_walk"),
        ("west", "east_walk"),
        ("south", "south_walk"),
        ("east_left", "south_walk"),
    )
    stages = (
        {"west": PERMISSIVE, "east": PROTECTED, "south_walk": PROTECTED},
        {"west": PROTECTED, "east": PROTECTED, "east_left": PERMISSIVE},
        {"east": PROTECTED, "east_left": PROTECTED},
        {"south": PERMISSIVE, "east_walk": PROTECTED},
    )
    turns = (
        ("west_through", "west", "east", "west"),
        ("west_right", "west", "south", "west"),
        ("east_through", "east", "west", "east"),
        ("east_left", "east", "south", "east_left"),
        ("south_left", "south", "west", "south"),
        ("south_right", "south", "east", "south"),
    )
    gives_way = (("east_left", "west"), ("west", "south_walk"), ("south", "east_walk"))
    return build(Draft("tee", groups, stages, (12, 14, 10, 12), apart, gives_way, {}, {}, turns))


def rilsa_staggered() -> Junction:
    """By RiLSA: red-amber, intergreens that differ by pair, groups that switch at different times within an interstage,
    a bicycle group, a tram, and a stage for people on foot alone."""
    groups = (
        SignalGroup(id="K1", red_amber_s=1.0),
        SignalGroup(id="K2", red_amber_s=1.0),
        SignalGroup(id="K3", red_amber_s=1.0, amber_s=4.0),
        SignalGroup(id="R1", kind=GroupKind.BICYCLE, amber_s=2.0, red_amber_s=1.0),
        SignalGroup(id="S1", kind=GroupKind.TRAM),
        _walkers("F1"),
        _walkers("F2"),
    )
    apart = (
        ("K1", "K3"),
        ("K2", "K3"),
        ("R1", "K3"),
        ("S1", "K3"),
        ("K1", "F1"),
        ("K2", "F1"),
        ("K3", "F2"),
        ("S1", "F1"),
        ("R1", "F1"),
    )
    intergreens_s = {
        ("K1", "K3"): 6.0,
        ("K3", "K1"): 5.0,
        ("K2", "K3"): 4.0,
        ("K3", "K2"): 7.0,
        ("R1", "K3"): 8.0,
        ("K3", "R1"): 4.0,
        ("S1", "K3"): 7.0,
    }
    stages = (
        {"K1": PROTECTED, "K2": PROTECTED, "R1": PROTECTED, "F2": PROTECTED, "S1": PROTECTED},
        {"K3": PROTECTED},
        {"F1": PROTECTED, "F2": PROTECTED},
    )
    lags_s = {(0, "K2"): 3.0, (0, "K1"): 1.0}
    turns = (("k1", "west", "east", "K1"), ("k2", "east", "west", "K2"), ("k3", "south", "west", "K3"))
    return build(Draft("rilsa", groups, stages, (25, 15, 9), apart, (), intergreens_s, lags_s, turns))


def nema_dual_ring() -> Junction:
    """Eight phases in two rings with barriers, the rings changing at different times, and a right-turn overlap of
    phases 2 and 3 that runs on over the barrier."""
    groups = (*(SignalGroup(id=f"phase{i}", amber_s=4.0) for i in range(1, 9)), SignalGroup(id="overlap_a"))
    rings = ((1, 2, 3, 4), (5, 6, 7, 8))
    apart = [(f"phase{a}", f"phase{b}") for ring in rings for i, a in enumerate(ring) for b in ring[i + 1 :]]
    apart += [(f"phase{a}", f"phase{b}") for a in (1, 2) for b in (7, 8)]
    apart += [(f"phase{a}", f"phase{b}") for a in (3, 4) for b in (5, 6)]
    apart += [("phase1", "overlap_a"), ("phase4", "overlap_a")]
    steps = ((1, 5), (1, 6), (2, 6), (3, 7), (3, 8), (4, 8))
    stages = [{f"phase{phase}": PROTECTED for phase in step} for step in steps]
    for i, step in enumerate(steps):
        if 2 in step or 3 in step:
            stages[i]["overlap_a"] = PROTECTED
    apart += [("phase5", "overlap_a")]
    arms = {1: ("west", "north"), 2: ("east", "west"), 3: ("north", "east"), 4: ("south", "north")}
    arms |= {5: ("east", "south"), 6: ("west", "east"), 7: ("south", "west"), 8: ("north", "south")}
    turns = [(f"movement{i}", arms[i][0], arms[i][1], f"phase{i}") for i in arms]
    turns += [("movement_a", "east", "north", "overlap_a")]
    return build(Draft("nema", groups, tuple(stages), (8, 4, 12, 6, 4, 10), tuple(apart), (), {}, {}, tuple(turns)))


def eight_stages() -> Junction:
    """Four arms with a lane for left turns on each; for each axis the through traffic of both arms, the left turns of
    both, and each arm alone."""
    axes = (("north", "south"), ("east", "west"))
    groups = tuple(SignalGroup(id=f"{arm}_{turn}") for axis in axes for arm in axis for turn in TURNS)
    apart = [(f"{a}_{x}", f"{b}_{y}") for a in axes[0] for b in axes[1] for x in TURNS for y in TURNS]
    apart += [(f"{a}_left", f"{b}_through") for axis in axes for a, b in (axis, axis[::-1])]
    stages = []
    for axis in axes:
        stages += [{f"{arm}_{turn}": PROTECTED for arm in axis} for turn in TURNS]
        stages += [{f"{arm}_{turn}": PROTECTED for turn in TURNS} for arm in axis]
    arms = ("north", "east", "south", "west")
    turns = [(f"{arm}_{to}", arm, exit_, f"{arm}_{group}") for arm in arms for to, exit_, group in _ways(arm, arms)]
    return build(Draft("eight", groups, tuple(stages), (10,) * 8, tuple(apart), (), {}, {}, tuple(turns)))


JUNCTIONS = {"four_arm": four_arm, "tee": tee, "rilsa": rilsa_staggered, "nema": nema_dual_ring}


def arterial(count: int = 3, spacing_m: float = 300.0) -> Network:
    """T junctions in a row along the main road, linked both ways at 50 km/h."""
    model = tee()
    junctions = []
    for i in range(count):
        name = f"tee{i + 1}"
        running = model.running.model_copy(update={"junction": name})
        junctions.append(model.model_copy(update={"id": name, "running": running}))
    links = []
    for i in range(count - 1):
        for from_i, to_i, way in ((i, i + 1, "west"), (i + 1, i, "east")):
            links.append(
                Link(
                    from_junction=junctions[from_i].id,
                    from_movement=f"{way}_through",
                    to_junction=junctions[to_i].id,
                    to_approach=way,
                    length_m=spacing_m,
                    travel_time_s=spacing_m / 13.9,
                    storage_veh=spacing_m / 7.5,
                )
            )
    return Network(network_hash=NETWORK_HASH, junctions=tuple(junctions), links=tuple(links))


def shifted(plan: ControllerPlan, by_s: float) -> ControllerPlan:
    """The same plan with the start of its cycle `by_s` earlier: greens and windows then run over the cycle's end."""

    def moved(time_s: float) -> float:
        return round((time_s + by_s) % plan.cycle_s, 6)

    greens = {
        group: tuple(
            sorted(
                (
                    i
                    if (i.start_s, i.end_s) == (0, plan.cycle_s)
                    else i.model_copy(update={"start_s": moved(i.start_s), "end_s": moved(i.end_s)})
                    for i in intervals
                ),
                key=lambda i: i.start_s,
            )
        )
        for group, intervals in plan.greens.items()
    }
    windows = tuple(StageWindow(stage=w.stage, start_s=moved(w.start_s), end_s=moved(w.end_s)) for w in plan.windows)
    return plan.model_copy(update={"greens": greens, "windows": windows})


@st.composite
def valid_plans(draw: st.DrawFn) -> ControllerPlan:
    """A plan that keeps all rules: of a named junction with other stage durations, or of a random one; cycle start and
    offset anywhere."""
    junction = draw(
        st.one_of(st.sampled_from(sorted(JUNCTIONS)).map(lambda name: JUNCTIONS[name]()), random_junctions())
    )
    longer = [draw(st.integers(0, 5)) for _ in junction.sequences[0].stages]
    durations_s = tuple(w.end_s - w.start_s + more for w, more in zip(junction.running.windows, longer, strict=True))
    plan = controller_plan(junction, junction.sequences[0], durations_s, float(draw(st.integers(0, 200))))
    return shifted(plan, float(draw(st.integers(0, 60))))


@st.composite
def random_junctions(draw: st.DrawFn) -> Junction:
    """A junction with a random set of groups, stages, conflicts and intergreens, and a running plan that keeps them."""
    kinds = [draw(st.sampled_from(list(GroupKind))) for _ in range(draw(st.integers(2, 6)))]
    groups = tuple(_random_group(draw, f"g{i}", kind) for i, kind in enumerate(kinds))
    count = draw(st.integers(2, 4))
    served = [draw(st.sets(st.integers(0, count - 1), min_size=1)) for _ in groups]
    apart, gives_way, intergreens_s = [], [], {}
    stages: list[dict[str, Right]] = [{} for _ in range(count)]
    for i, group in enumerate(groups):
        for stage in served[i]:
            stages[stage][group.id] = PROTECTED
    yielding: set[str] = set()
    for i, first in enumerate(groups):
        for j, second in enumerate(groups[:i]):
            walks = GroupKind.PEDESTRIAN in (first.kind, second.kind)
            if not draw(st.booleans()):
                continue
            if not served[i] & served[j]:
                apart.append((first.id, second.id))
                for pair in (apart[-1], apart[-1][::-1]):
                    intergreens_s[pair] = float(draw(st.integers(7 if walks else 0, 10)))
            elif not walks and not yielding & {first.id, second.id}:
                gives_way.append((first.id, second.id))
                yielding |= {first.id, second.id}
                for stage in served[i] & served[j]:
                    stages[stage][first.id] = PERMISSIVE
    durations_s = tuple(float(draw(st.integers(10, 15))) for _ in range(count))
    draft = Draft("random", groups, tuple(stages), durations_s, tuple(apart), tuple(gives_way), intergreens_s)
    draft.max_wait_s = 150.0
    return build(draft)


def _random_group(draw: st.DrawFn, name: str, kind: GroupKind) -> SignalGroup:
    if kind is GroupKind.PEDESTRIAN:
        return _walkers(name)
    least_s = 2 if kind is GroupKind.BICYCLE else 3
    amber_s, red_amber_s = draw(st.integers(least_s, 5)), draw(st.integers(0, 2))
    return SignalGroup(
        id=name, kind=kind, amber_s=amber_s, red_amber_s=red_amber_s, min_green_s=draw(st.integers(1, 10))
    )


def _walkers(name: str) -> SignalGroup:
    return SignalGroup(id=name, kind=GroupKind.PEDESTRIAN, amber_s=0.0, min_green_s=7.0, clearing_distance_m=8.0)


def _usual_s(clearing: GroupKind, entering: GroupKind) -> float:
    if clearing is GroupKind.PEDESTRIAN:
        return FROM_WALK_S
    return TO_WALK_S if entering is GroupKind.PEDESTRIAN else VEHICLE_INTERGREEN_S


def _interstage(
    before: Stage,
    after: Stage,
    intergreens: dict[tuple[str, str], float],
    index: int,
    lags_s: dict[tuple[int, str], float],
) -> Interstage:
    """Groups leave at once (or after their lag); each comes as soon as the groups that leave allow it."""
    off_s = {group: lags_s.get((index, group), 0.0) for group in before.greens if group not in after.greens}
    on_s = {}
    for group, right in after.greens.items():
        waits = [off_s[out] + intergreens[(out, group)] for out in off_s if (out, group) in intergreens]
        if group not in before.greens:
            on_s[group] = max(waits, default=0.0)
        elif before.greens[group] is not right:
            on_s[group] = max(waits, default=0.0) if right is PROTECTED else 0.0
    duration_s = max([0.0, *on_s.values(), *off_s.values()])
    return Interstage(from_stage=before.id, to_stage=after.id, duration_s=duration_s, off_s=off_s, on_s=on_s)


def _ways(arm: str, arms: tuple[str, ...]) -> Iterable[tuple[str, str, str]]:
    at = arms.index(arm)
    return (
        ("through", arms[(at + 2) % 4], "through"),
        ("right", arms[(at + 3) % 4], "through"),
        ("left", arms[(at + 1) % 4], "left"),
    )


def _lanes(turns: tuple[tuple[str, str, str, str], ...]) -> tuple[Lane, ...]:
    """One lane for the movements that share approach and group."""
    shared: dict[tuple[str, str], list[str]] = {}
    for movement, approach, _, group in turns:
        shared.setdefault((approach, group), []).append(movement)
    return tuple(
        Lane(
            id=f"{approach}_{group}_lane",
            approach=approach,
            length_m=300,
            saturation_veh_h=1800,
            movements=tuple(names),
        )
        for (approach, group), names in shared.items()
    )


def _movements(turns: tuple[tuple[str, str, str, str], ...]) -> tuple[Movement, ...]:
    movements = []
    for movement, approach, exit_, group in turns:
        turn = "left" if movement.endswith("left") else "right" if movement.endswith("right") else "through"
        lane = f"{approach}_{group}_lane"
        movements.append(
            Movement(id=movement, approach=approach, exit=f"{exit_}_exit", group=group, turn=turn, lanes=(lane,))
        )
    return tuple(movements)


def _approaches(lanes: tuple[Lane, ...]) -> tuple[Approach, ...]:
    approaches: dict[str, list[str]] = {}
    for lane in lanes:
        approaches.setdefault(lane.approach, []).append(lane.id)
    return tuple(
        Approach(id=name, length_m=300, speed_m_s=13.9, storage_veh=40 * len(ids), lanes=tuple(ids))
        for name, ids in approaches.items()
    )
