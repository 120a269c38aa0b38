"""Irregular signal networks with loops, drawn from a seed: streets, junctions with their stages, and their demand.

Junctions stand on a grid that is pulled out of shape; a part of the streets is taken away, so that blocks differ in
size and junctions have three or four arms. Arms without a street lead out of the network. Flows enter there, split at
every junction by turning shares, and are conserved along every street.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from optimiser.demand import Demand, PedestrianFlow, TurningFlow
from optimiser.sequences import interstage
from optimiser.signals import (
    Approach,
    Conflict,
    ControllerPlan,
    GroupKind,
    Intergreen,
    Junction,
    Lane,
    Link,
    Movement,
    Network,
    Offset,
    Pedestrians,
    Right,
    SignalGroup,
    Stage,
    StageSequence,
)
from optimiser.timeline import controller_plan

SPEED_M_S = 13.9
SATURATION_VEH_H = 1800.0
BLOCK_M = (150.0, 450.0)
TAKEN_AWAY = 0.15
LARGEST_FLOW_RATIO = 0.75
"""Sum of critical flow ratios at the busiest junction."""
_WALK_S, _CLEARANCE_S, _VEHICLE_INTERGREEN_S, _TO_WALK_S = 7.0, 9.0, 5.0, 6.0
_OUTSIDE = -1


@dataclass
class Arm:
    """One arm of a junction: the direction in which it leaves (radians), and the junction it leads to."""

    angle: float
    leads_to: int = _OUTSIDE
    length_m: float = 300.0


@dataclass
class Node:
    """One junction before its signals: place (m), arms anticlockwise, the two arms of the main road first, and what of
    each arm's flow goes to each other arm."""

    place_m: tuple[float, float]
    arms: list[Arm] = field(default_factory=list)
    shares: dict[tuple[int, int], float] = field(default_factory=dict)
    protected_lefts: bool = False
    walked: bool = False


def generated_network(junctions: int, seed: int) -> tuple[Network, Demand]:
    """A network of so many junctions with an hour of demand; the same for the same seed."""
    rng = np.random.default_rng(seed)
    nodes = _streets(junctions, rng)
    for node in nodes:
        node.protected_lefts = len(node.arms) == 4 and bool(rng.random() < 0.5)
        node.walked = bool(rng.random() < 0.5)
        _draw_shares(node, rng)
    flows = _turning_flows(nodes, rng)
    lanes = {
        way: max(1, math.ceil(flow / (0.3 * SATURATION_VEH_H))) for way, flow in _group_flows(nodes, flows).items()
    }
    ratio = max(_critical_ratio(nodes, j, flows, lanes) for j in range(len(nodes)))
    scale = LARGEST_FLOW_RATIO / ratio
    flows = {way: flow * scale for way, flow in flows.items()}
    name = f"generated-{junctions}-{seed}"
    built = tuple(_junction(nodes, j, lanes, name, rng) for j in range(len(nodes)))
    network = Network(network_hash=name, junctions=built, links=tuple(_links(nodes)))
    return network, _demand(nodes, flows, rng)


def _streets(count: int, rng: np.random.Generator) -> list[Node]:
    columns = math.ceil(math.sqrt(count))
    spacing_m = sum(BLOCK_M) / 2
    pull_m = (BLOCK_M[1] - BLOCK_M[0]) / 4
    places = [
        (
            spacing_m * (i % columns) + rng.uniform(-pull_m, pull_m),
            spacing_m * (i // columns) + rng.uniform(-pull_m, pull_m),
        )
        for i in range(count)
    ]
    streets = [(i, i + 1) for i in range(count - 1) if (i + 1) % columns] + [
        (i, i + columns) for i in range(count - columns)
    ]
    for n in rng.permutation(len(streets))[: int(TAKEN_AWAY * len(streets))].tolist():
        rest = [s for s in streets if s is not None and s != streets[n]]
        if _connected(count, rest) and all(sum(i in s for s in rest) >= 2 for i in streets[n]):
            streets = [s if s != streets[n] else None for s in streets]
    nodes = [Node(place) for place in places]
    for street in streets:
        if street is not None:
            one, other = street
            for here, there in ((one, other), (other, one)):
                dx, dy = (places[there][k] - places[here][k] for k in (0, 1))
                nodes[here].arms.append(Arm(math.atan2(dy, dx), there, round(math.hypot(dx, dy), 1)))
    for node in nodes:
        _complete(node, rng)
    return nodes


def _connected(count: int, streets: list[tuple[int, int]]) -> bool:
    reached, grown = {0}, True
    while grown:
        new = {b for a, b in streets if a in reached} | {a for a, b in streets if b in reached}
        grown = not new <= reached
        reached |= new
    return len(reached) == count


def _complete(node: Node, rng: np.random.Generator) -> None:
    """Adds arms that lead outside until there are three or four, each in the widest gap, and puts the main road (the
    arms most opposite to each other) first."""
    wanted = max(len(node.arms), 3, int(rng.integers(3, 5)) if len(node.arms) < 3 else 0)
    while len(node.arms) < wanted:
        angles = sorted(arm.angle % (2 * math.pi) for arm in node.arms)
        gaps = [(b - a) % (2 * math.pi) or 2 * math.pi for a, b in zip(angles, angles[1:] + angles[:1], strict=True)]
        widest = gaps.index(max(gaps))
        node.arms.append(Arm(angles[widest] + gaps[widest] / 2))
    ordered = sorted(node.arms, key=lambda arm: arm.angle % (2 * math.pi))
    if len(ordered) == 3:
        apart = [abs(math.pi - (ordered[i - 1].angle - ordered[i].angle) % (2 * math.pi)) for i in range(3)]
        main = apart.index(min(apart))
        ordered = [ordered[main - 1], ordered[main], ordered[(main + 1) % 3]]
        node.arms = ordered
    else:
        node.arms = [ordered[0], ordered[2], ordered[1], ordered[3]]


def _turn(node: Node, here: int, there: int) -> str:
    """What the way from one arm to another is: the side road of a T has no way ahead."""
    if {here, there} in ({0, 1}, {2, 3}):
        return "through"
    turned = (node.arms[there].angle - node.arms[here].angle - math.pi) % (2 * math.pi)
    return "left" if turned < math.pi else "right"


def _draw_shares(node: Node, rng: np.random.Generator) -> None:
    usual = {"through": 0.7, "left": 0.12, "right": 0.18}
    for here in range(len(node.arms)):
        ways = [there for there in range(len(node.arms)) if there != here]
        drawn = [usual[_turn(node, here, there)] * rng.uniform(0.7, 1.3) for there in ways]
        for there, share in zip(ways, drawn, strict=True):
            node.shares[here, there] = share / sum(drawn)


def _turning_flows(nodes: list[Node], rng: np.random.Generator) -> dict[tuple[int, int, int], float]:
    """(junction, from arm, to arm) -> veh/h, from random flows at the outer arms, conserved along every street."""
    arms = [(j, a) for j, node in enumerate(nodes) for a in range(len(node.arms))]
    number = {arm: n for n, arm in enumerate(arms)}
    matrix = np.eye(len(arms))
    entering = np.zeros(len(arms))
    for (j, a), n in number.items():
        arm = nodes[j].arms[a]
        if arm.leads_to == _OUTSIDE:
            entering[n] = rng.uniform(150, 900)
            continue
        there = nodes[arm.leads_to]
        exit_ = next(b for b, other in enumerate(there.arms) if other.leads_to == j)
        for b in range(len(there.arms)):
            if b != exit_:
                matrix[n, number[arm.leads_to, b]] -= there.shares[b, exit_]
    arriving = np.linalg.solve(matrix, entering)
    return {
        (j, a, b): float(arriving[number[j, a]]) * share
        for j, node in enumerate(nodes)
        for (a, b), share in node.shares.items()
    }


def _group_of(node: Node, here: int, there: int) -> str:
    """Left turns at four arms have a lane and a group of their own; all else of an arm shares one."""
    left = len(node.arms) == 4 and _turn(node, here, there) == "left"
    return f"left{here}" if left else f"arm{here}"


def _group_flows(nodes: list[Node], flows: dict[tuple[int, int, int], float]) -> dict[tuple[int, str], float]:
    found: dict[tuple[int, str], float] = {}
    for (j, a, b), flow in flows.items():
        way = (j, _group_of(nodes[j], a, b))
        found[way] = found.get(way, 0.0) + flow
    return found


def _critical_ratio(
    nodes: list[Node], j: int, flows: dict[tuple[int, int, int], float], lanes: dict[tuple[int, str], int]
) -> float:
    ratios = {g: q / (SATURATION_VEH_H * lanes[j, g]) for (n, g), q in _group_flows(nodes, flows).items() if n == j}
    return sum(max((ratios.get(group, 0.0) for group in stage.greens), default=0.0) for stage in _stages(nodes[j]))


def _stages(node: Node) -> tuple[Stage, ...]:
    """Main road, side road; left turns before each where they are protected, else with it and giving way."""
    found = []
    for roads in ((0, 1), tuple(range(2, len(node.arms)))):
        greens = {f"arm{a}": Right.PROTECTED for a in roads}
        if len(node.arms) == 4:
            lefts = {f"left{a}": Right.PROTECTED for a in roads}
            if node.protected_lefts:
                found.append(lefts)
            else:
                greens |= dict.fromkeys(lefts, Right.PERMISSIVE)
        if node.walked:
            greens |= {f"walk{a}": Right.PROTECTED for a in range(len(node.arms)) if a not in roads}
            greens |= {f"arm{a}": Right.PERMISSIVE for a in roads}
        found.append(greens)
    return tuple(Stage(id=f"stage{n}", greens=greens) for n, greens in enumerate(found))


def _conflicts(node: Node) -> list[Conflict]:
    """Every two groups that no stage shows together, but those of one arm; those shown together yield."""
    stages = _stages(node)
    groups = sorted({group for stage in stages for group in stage.greens})
    found = []
    for i, one in enumerate(groups):
        for other in groups[i + 1 :]:
            walks = "walk" in one, "walk" in other
            together = any({one, other} <= stage.greens.keys() for stage in stages)
            if all(walks) or (one[-1] == other[-1] and not any(walks)):
                continue
            if not together:
                found.append(Conflict(first=one, second=other))
            elif one.startswith("arm") and other.startswith(("left", "walk")) and one[-1] != other[-1]:
                yields = one if other.startswith("walk") else other
                found.append(Conflict(first=one, second=other, yields=yields))
            elif one.startswith("left") and other.startswith("walk"):
                found.append(Conflict(first=one, second=other, yields=one))
    return found


def _intergreens(conflicts: list[Conflict]) -> tuple[Intergreen, ...]:
    found = []
    for conflict in conflicts:
        for clearing, entering in ((conflict.first, conflict.second), (conflict.second, conflict.first)):
            if conflict.yields == entering or conflict.yields == clearing:
                continue
            seconds = _TO_WALK_S if entering.startswith("walk") else _VEHICLE_INTERGREEN_S
            seconds = _CLEARANCE_S + 1 if clearing.startswith("walk") else seconds
            found.append(Intergreen(clearing=clearing, entering=entering, seconds=seconds))
    return tuple(found)


def _junction(
    nodes: list[Node], j: int, lane_counts: dict[tuple[int, str], int], name: str, rng: np.random.Generator
) -> Junction:
    node, stages = nodes[j], _stages(nodes[j])
    names = sorted({group for stage in stages for group in stage.greens})
    groups = tuple(
        SignalGroup(id=g, kind=GroupKind.PEDESTRIAN, amber_s=0.0, min_green_s=_WALK_S)
        if g.startswith("walk")
        else SignalGroup(id=g)
        for g in names
    )
    lanes, movements = _lanes_and_movements(node, j, lane_counts)
    conflicts = _conflicts(node)
    empty = ControllerPlan(
        junction=f"j{j:03d}",
        network_hash=name,
        cycle_s=60.0,
        offset=Offset(),
        groups=groups,
        greens={},
        max_cycle_s=120.0,
    )
    bare = Junction(
        id=f"j{j:03d}",
        groups=groups,
        conflicts=tuple(conflicts),
        intergreens=_intergreens(conflicts),
        stages=stages,
        sequences=(),
        approaches=tuple(
            Approach(
                id=f"arm{a}",
                length_m=arm.length_m,
                speed_m_s=SPEED_M_S,
                storage_veh=arm.length_m / 7.5,
                lanes=tuple(lane.id for lane in lanes if lane.approach == f"arm{a}"),
            )
            for a, arm in enumerate(node.arms)
        ),
        lanes=lanes,
        movements=movements,
        running=empty,
        pedestrians=tuple(Pedestrians(group=g, walk_s=_WALK_S, clearance_s=_CLEARANCE_S) for g in names if "walk" in g),
        min_cycle_s=40.0,
        max_cycle_s=120.0,
    )
    changes = tuple(interstage(bare, stages[i], stages[(i + 1) % len(stages)]) for i in range(len(stages)))
    sequence = StageSequence(id="running", stages=tuple(stage.id for stage in stages), interstages=changes)
    listed = bare.model_copy(update={"sequences": (sequence,)})
    open_s = 90 - sum(change.duration_s for change in changes)
    durations = [float(open_s // len(stages))] * len(stages)
    durations[-1] += open_s - sum(durations)
    running = controller_plan(listed, sequence, tuple(durations), float(rng.integers(0, 90)))
    return listed.model_copy(update={"running": running})


def _lanes_and_movements(
    node: Node, j: int, lane_counts: dict[tuple[int, str], int]
) -> tuple[tuple[Lane, ...], tuple[Movement, ...]]:
    lanes, movements = [], []
    for a, arm in enumerate(node.arms):
        for group in (f"arm{a}", f"left{a}"):
            ways = [b for (here, b) in node.shares if here == a and _group_of(node, a, b) == group]
            ids = tuple(f"{group}_{n}" for n in range(lane_counts.get((j, group), 0) if ways else 0))
            names = tuple(f"{a}to{b}" for b in ways)
            lanes += [
                Lane(
                    id=i, approach=f"arm{a}", length_m=arm.length_m, saturation_veh_h=SATURATION_VEH_H, movements=names
                )
                for i in ids
            ]
            movements += [
                Movement(
                    id=f"{a}to{b}",
                    approach=f"arm{a}",
                    exit=f"exit{b}",
                    group=group,
                    turn=_turn(node, a, b),
                    lanes=ids,
                    yields_to=_opposing(node, a, group),
                )
                for b in ways
            ]
    return tuple(lanes), tuple(movements)


def _opposing(node: Node, a: int, group: str) -> tuple[str, ...]:
    if not group.startswith("left") or node.protected_lefts:
        return ()
    facing = {0: 1, 1: 0, 2: 3, 3: 2}[a]
    return tuple(f"{facing}to{b}" for here, b in node.shares if here == facing and _turn(node, facing, b) != "left")


def _links(nodes: list[Node]) -> list[Link]:
    found = []
    for j, node in enumerate(nodes):
        for a, b in node.shares:
            arm = node.arms[b]
            if arm.leads_to == _OUTSIDE:
                continue
            entered = next(n for n, other in enumerate(nodes[arm.leads_to].arms) if other.leads_to == j)
            found.append(
                Link(
                    from_junction=f"j{j:03d}",
                    from_movement=f"{a}to{b}",
                    to_junction=f"j{arm.leads_to:03d}",
                    to_approach=f"arm{entered}",
                    length_m=arm.length_m,
                    travel_time_s=round(arm.length_m / SPEED_M_S, 1),
                    storage_veh=arm.length_m / 7.5,
                )
            )
    return found


def _demand(nodes: list[Node], flows: dict[tuple[int, int, int], float], rng: np.random.Generator) -> Demand:
    turning = tuple(
        TurningFlow(junction=f"j{j:03d}", movement=f"{a}to{b}", flow_veh_h=round(q, 1), served_veh_h=round(q, 1))
        for (j, a, b), q in sorted(flows.items())
    )
    walks = tuple(
        PedestrianFlow(junction=f"j{j:03d}", group=f"walk{a}", flow_pax_h=round(float(rng.uniform(20, 200)), 1))
        for j, node in enumerate(nodes)
        if node.walked
        for a in range(len(node.arms))
    )
    return Demand(begin_s=0, end_s=3600, turning_flows=turning, pedestrian_flows=walks)
