"""Demand as the lanes of a junction see it: flows to share out over lanes, and who travels in them.

Units: veh/h, persons/h, s. A *class* is what in one lane is served alike: one group, one set of opposing movements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from optimiser.demand import Demand
from optimiser.rules import Rules
from optimiser.signals import GroupKind, Junction, Lane, Movement, Network

_SWEEPS = 60
LEAST_ROOM_VEH = 3.0
"""Less room lies within a junction of several nodes: what queues there does so before the node behind."""


@dataclass(frozen=True)
class MovementFlow:
    """One movement with its demand. `persons_h` are all people in it, buses' passengers included, times
    the weights of the engineer's rules."""

    movement: Movement
    flow_veh_h: float
    persons_h: float


@dataclass(frozen=True)
class LaneClass:
    """Movements of one lane under one group with the same opposing movements. `nominal_veh_h` is the flow of an even
    use of lanes, `persons_veh` the people in a mean vehicle."""

    id: str
    lane: str
    group: str
    movements: tuple[str, ...]
    opposing: tuple[str, ...]
    nominal_veh_h: float
    persons_veh: float


@dataclass(frozen=True)
class LaneLoad:
    """One lane with its classes; `nominal_veh_h` is the sum of theirs. `room_veh` may queue before it without standing
    in a junction behind; None where there is none."""

    lane: Lane
    classes: tuple[LaneClass, ...]
    room_veh: float | None = None

    @property
    def nominal_veh_h(self) -> float:
        """Flow of an even use of lanes."""
        return sum(c.nominal_veh_h for c in self.classes)

    @property
    def flow_ratio(self) -> float:
        """Nominal flow over saturation flow."""
        return self.nominal_veh_h / self.lane.saturation_veh_h


@dataclass(frozen=True)
class JunctionDemand:
    """Demand of one junction over a period of `period_h` hours; movements without flow are left out."""

    junction: Junction
    period_h: float
    movements: tuple[MovementFlow, ...]
    lanes: tuple[LaneLoad, ...]
    nominal_veh_h: Mapping[tuple[str, str], float]
    pedestrians_h: Mapping[str, float]

    def flow_ratio(self, movement: Movement) -> float:
        """Largest nominal flow ratio of the lanes that a movement may use."""
        return max((self._flow_ratios.get(lane, 0.0) for lane in movement.lanes), default=0.0)

    # Asked for at every cycle and for every group; a demand cannot change, so they are found once.
    @cached_property
    def _flow_ratios(self) -> dict[str, float]:
        return {load.lane.id: load.flow_ratio for load in self.lanes}

    @cached_property
    def lost_s(self) -> dict[str, float]:
        """Start-up loss less end gain of each group's lanes, s; groups of people on foot lose none."""
        lanes: dict[str, set[str]] = {}
        for movement in self.junction.movements:
            lanes.setdefault(movement.group, set()).update(movement.lanes)
        on_foot = {g.id for g in self.junction.groups if g.kind is GroupKind.PEDESTRIAN}
        found = {}
        for group in lanes.keys() - on_foot:
            lost = [lane.start_up_loss_s - lane.end_gain_s for lane in self.junction.lanes if lane.id in lanes[group]]
            found[group] = sum(lost) / len(lost) if lost else 0.0
        return found


def junction_demand(
    junction: Junction, demand: Demand, rules: Rules, room_veh: Mapping[str, float] | None = None
) -> JunctionDemand:
    """Demand of `junction`, with an even use of the lanes that movements may use, and persons weighed by `rules`.
    `room_veh` is the room of a lane of each approach that has a junction behind it."""
    flows = _movement_flows(junction, demand, rules)
    nominal = nominal_lane_flows(junction, {f.movement.id: f.flow_veh_h for f in flows})
    by_id = {flow.movement.id: flow for flow in flows}
    rooms = room_veh or {}
    loads = (LaneLoad(lane, _classes(lane, by_id, nominal), rooms.get(lane.approach)) for lane in junction.lanes)
    lanes = tuple(load for load in loads if load.classes)
    walks: dict[str, float] = defaultdict(float)
    for walk in demand.pedestrian_flows:
        if walk.junction == junction.id:
            weight = rules.weights.pedestrian * rules.group_weight(junction.id, walk.group)
            walks[walk.group] += walk.flow_pax_h * weight
    period_h = max(demand.end_s - demand.begin_s, 60.0) / 3600
    return JunctionDemand(junction, period_h, flows, lanes, nominal, dict(sorted(walks.items())))


def rooms_veh(network: Network) -> dict[str, dict[str, float]]:
    """By junction and approach with another junction behind it: vehicles that have room before each of its lanes, by
    the way there with the least."""
    lanes = {
        (junction.id, approach.id): approach.lanes for junction in network.junctions for approach in junction.approaches
    }
    found: dict[str, dict[str, float]] = {}
    for link in network.links:
        room_veh = link.storage_veh / max(1, len(lanes[link.to_junction, link.to_approach]))
        if room_veh >= LEAST_ROOM_VEH:
            rooms = found.setdefault(link.to_junction, {})
            rooms[link.to_approach] = min(rooms.get(link.to_approach, room_veh), room_veh)
    return found


def _movement_flows(junction: Junction, demand: Demand, rules: Rules) -> tuple[MovementFlow, ...]:
    buses: dict[str, float] = defaultdict(float)
    aboard: dict[str, float] = defaultdict(float)
    for bus in demand.bus_flows:
        if bus.junction == junction.id:
            buses[bus.movement] += bus.buses_h
            aboard[bus.movement] += bus.buses_h * bus.load_pax * rules.weights.bus * rules.line_weight(bus.line)
    wanted = {f.movement: f for f in demand.turning_flows if f.junction == junction.id}
    lanes = {lane.id for lane in junction.lanes}
    found = []
    for movement in junction.movements:
        flow = wanted.get(movement.id)
        flow_veh_h = max(flow.flow_veh_h if flow else 0.0, buses[movement.id])
        if flow_veh_h <= 0 or not any(lane in lanes for lane in movement.lanes):
            continue
        cars_h = (flow_veh_h - buses[movement.id]) * (flow.occupancy_pax if flow else 1.0) * rules.weights.vehicle
        weight = rules.group_weight(junction.id, movement.group) * rules.approach_weight(junction.id, movement.approach)
        found.append(MovementFlow(movement, flow_veh_h, max(weight * (cars_h + aboard[movement.id]), 1e-3)))
    return tuple(found)


def nominal_lane_flows(junction: Junction, flows_veh_h: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """(lane, movement) -> veh/h such that the sum of squared lane flow ratios is least, by sweeps over movements."""
    saturation = {lane.id: lane.saturation_veh_h for lane in junction.lanes}
    load = dict.fromkeys(saturation, 0.0)
    share: dict[tuple[str, str], float] = {}
    movements = [m for m in junction.movements if m.id in flows_veh_h]
    for _ in range(_SWEEPS):
        for movement in movements:
            usable = [lane for lane in movement.lanes if lane in saturation]
            for lane in usable:
                load[lane] -= share.get((lane, movement.id), 0.0)
            filled = _fill(flows_veh_h[movement.id], {lane: (load[lane], saturation[lane]) for lane in usable})
            for lane in usable:
                share[lane, movement.id] = filled[lane]
                load[lane] += filled[lane]
    return share


def _fill(flow_veh_h: float, lanes: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Pours a flow over lanes (load, saturation) so that the flow ratios of those used are equal and least."""
    ordered = sorted(lanes, key=lambda lane: (lanes[lane][0] / lanes[lane][1], lane))
    used: list[str] = []
    level = 0.0
    for lane in ordered:
        if used and lanes[lane][0] / lanes[lane][1] >= level:
            break
        used.append(lane)
        level = (flow_veh_h + sum(lanes[u][0] for u in used)) / sum(lanes[u][1] for u in used)
    return {lane: (level * lanes[lane][1] - lanes[lane][0] if lane in used else 0.0) for lane in lanes}


def _classes(
    lane: Lane, flows: Mapping[str, MovementFlow], nominal: Mapping[tuple[str, str], float]
) -> tuple[LaneClass, ...]:
    together: dict[tuple[str, tuple[str, ...]], list[MovementFlow]] = {}
    for flow in flows.values():
        if lane.id in flow.movement.lanes:
            opposing = tuple(o for o in flow.movement.yields_to if o in flows)
            together.setdefault((flow.movement.group, opposing), []).append(flow)
    found = []
    for number, ((group, opposing), members) in enumerate(sorted(together.items())):
        flow_veh_h = sum(nominal[lane.id, m.movement.id] for m in members)
        persons = sum(m.persons_h for m in members) / sum(m.flow_veh_h for m in members)
        names = tuple(m.movement.id for m in members)
        found.append(LaneClass(f"{lane.id}/{number}", lane.id, group, names, opposing, flow_veh_h, persons))
    return tuple(found)
