"""Approaches, lanes and movements of a signalled junction, and the ways to the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from optimiser.signals import Approach, GroupKind, Lane, Link, Movement
from sumo_networks.net_file import NetConnection, NetEdge, NetFile, NetLane
from sumo_networks.profiles import Turn

SATURATION_VEH_H = 1900.0
TURN_FACTOR: dict[Turn, float] = {"through": 1.0, "left": 0.95, "right": 0.85, "u_turn": 0.8}
"""Share of the base saturation flow by turn (HCM 2010, 18-5: f_LT, f_RT), until lanes are calibrated against SUMO."""
VEHICLE_SPACE_M = 7.5
WAITING_CAR_M = 6.0  # where many find room it is they who need time to leave: here the closer spacing is the safe one
REACH_M = 1500.0
LANE_REACH_M = 500.0
_TURNS: dict[str, Turn] = {"s": "through", "l": "left", "L": "left", "r": "right", "R": "right", "t": "u_turn"}


@dataclass(frozen=True)
class Turns:
    """What stands at the stop lines of one junction."""

    approaches: tuple[Approach, ...]
    lanes: tuple[Lane, ...]
    movements: tuple[Movement, ...]
    links_of_movement: dict[str, tuple[int, ...]]


def turn_of(direction: str) -> Turn:
    """SUMO's direction letter as a turn; anything unknown counts as through."""
    return _TURNS.get(direction, "through")


def kind_of_link(net: NetFile, connections: Sequence[NetConnection]) -> GroupKind:
    """Who a link serves, by the permissions of the lanes it joins; where cars may go it is a vehicle link."""
    lanes = [(net.lane(c.from_edge, c.from_lane), net.lane(c.to_edge, c.to_lane)) for c in connections]
    if all(net.crossing(c) for c in connections):
        return GroupKind.PEDESTRIAN
    for kind, classes in (
        (GroupKind.VEHICLE, ("passenger",)),
        (GroupKind.BUS, ("bus",)),
        (GroupKind.TRAM, ("tram", "rail_urban", "rail")),
        (GroupKind.BICYCLE, ("bicycle",)),
    ):
        if any(all(lane.permits(name) for lane in pair) for pair in lanes for name in classes):
            return kind
    return GroupKind.VEHICLE


def junction_turns(
    net: NetFile,
    tls: str,
    group_of: Mapping[int, str],
    kinds: Mapping[str, GroupKind],
    gives_way: Mapping[int, AbstractSet[int]],
) -> Turns:
    """Approaches, lanes and movements of a controller; `gives_way` has per link those that it yields to."""
    lanes_of: dict[tuple[str, str, str], dict[str, NetLane]] = {}
    turns: dict[tuple[str, str, str], list[Turn]] = {}
    links: dict[tuple[str, str, str], set[int]] = {}
    inner: dict[tuple[str, str, str], set[str]] = {}
    for link, connections in net.links(tls).items():
        group = group_of[link]
        if kinds[group] is GroupKind.PEDESTRIAN:
            continue
        for connection in connections:
            key = connection.from_edge, connection.to_edge, group
            lane = net.lane(connection.from_edge, connection.from_lane)
            lanes_of.setdefault(key, {})[lane.id] = lane
            turns.setdefault(key, []).append(turn_of(connection.direction))
            links.setdefault(key, set()).add(link)
            inner.setdefault(key, set()).add(connection.via)
    names = _movement_names(sorted(links), links)
    movements = tuple(
        Movement(
            id=names[key],
            approach=key[0],
            exit=key[1],
            group=key[2],
            turn=_usual_turn(turns[key]),
            lanes=tuple(sorted(lanes_of[key])),
            yields_to=tuple(
                sorted(
                    names[other]
                    for other in links
                    if other != key and any(gives_way.get(link, set()) & links[other] for link in links[key])
                )
            ),
            waiting_places=max(_waiting_places(net, lane) for lane in inner[key]),
        )
        for key in sorted(links)
    )
    return Turns(
        approaches=_approaches(net, movements),
        lanes=_lanes(net, movements),
        movements=movements,
        links_of_movement={names[key]: tuple(sorted(links[key])) for key in sorted(links)},
    )


def _waiting_places(net: NetFile, inner_lane: str) -> int:
    """Vehicles that stand with their front behind the stop line when one waits at the end of an inner lane that leads
    to another; 1 where the net has no such waiting place."""
    if inner_lane not in net.lanes or inner_lane not in net.next_internal:
        return 1
    return 1 + int(net.lanes[inner_lane].length_m // WAITING_CAR_M)


def _usual_turn(turns: Sequence[Turn]) -> Turn:
    return max(turns, key=lambda turn: (turns.count(turn), turn))


def _movement_names(
    keys: Sequence[tuple[str, str, str]], links: Mapping[tuple[str, str, str], set[int]]
) -> dict[tuple[str, str, str], str]:
    """`from->to`, with the link indices where two groups serve the same pair of edges."""
    pairs = [key[:2] for key in keys]
    return {
        key: f"{key[0]}->{key[1]}"
        + ("" if pairs.count(key[:2]) == 1 else ":" + ",".join(str(link) for link in sorted(links[key])))
        for key in keys
    }


def _lanes(net: NetFile, movements: Sequence[Movement]) -> tuple[Lane, ...]:
    using: dict[str, list[Movement]] = {}
    for movement in movements:
        for lane in movement.lanes:
            using.setdefault(lane, []).append(movement)
    found = []
    for lane in sorted(using):
        factors = [TURN_FACTOR[movement.turn] for movement in using[lane]]
        found.append(
            Lane(
                id=lane,
                approach=using[lane][0].approach,
                length_m=round(_reachable_m(net, lane), 2),
                saturation_veh_h=round(SATURATION_VEH_H * sum(factors) / len(factors), 1),
                movements=tuple(movement.id for movement in using[lane]),
            )
        )
    return tuple(found)


def _approaches(net: NetFile, movements: Sequence[Movement]) -> tuple[Approach, ...]:
    lanes: dict[str, set[str]] = {}
    for movement in movements:
        lanes.setdefault(movement.approach, set()).update(movement.lanes)
    found = []
    for edge in sorted(lanes):
        lengths = [_reachable_m(net, lane) for lane in sorted(lanes[edge])]
        found.append(
            Approach(
                id=edge,
                length_m=round(max(lengths), 2),
                speed_m_s=max(net.lanes[lane].speed_m_s for lane in lanes[edge]),
                storage_veh=round(sum(lengths) / VEHICLE_SPACE_M, 2),
                lanes=tuple(sorted(lanes[edge])),
            )
        )
    return tuple(found)


def _reachable_m(net: NetFile, lane: str) -> float:
    """Length of a lane with those before it that lead nowhere else and pass no signal, up to LANE_REACH_M."""
    length_m = net.lanes[lane].length_m
    seen = {lane}
    while length_m < LANE_REACH_M:
        before = net.connections_into(lane)
        if len(before) != 1 or before[0].tl:
            break
        lane = f"{before[0].from_edge}_{before[0].from_lane}"
        if lane in seen or lane not in net.lanes or len(net.connections_from(lane)) != 1:
            break
        seen.add(lane)
        length_m += net.lanes[lane].length_m
    return length_m


def links_between(
    net: NetFile, movements: Mapping[str, Sequence[Movement]], approaches: Mapping[str, str]
) -> tuple[Link, ...]:
    """Way from each movement to the next signalled approach; `approaches` gives the junction of each approach edge.

    Follows the most natural continuation over nodes without signals (straight on before turns, more lanes before
    fewer), up to REACH_M."""
    found = []
    for junction in sorted(movements):
        for movement in movements[junction]:
            way = _way_to_signal(net, [movement.exit], 0.0, approaches)
            if not way:
                continue
            edges = [net.edges[edge] for edge in way]
            times_s = [edge.lanes[0].length_m / max(lane.speed_m_s for lane in edge.lanes) for edge in edges]
            found.append(
                Link(
                    from_junction=junction,
                    from_movement=movement.id,
                    to_junction=approaches[way[-1]],
                    to_approach=way[-1],
                    length_m=round(sum(edge.lanes[0].length_m for edge in edges), 2),
                    travel_time_s=round(sum(times_s), 2),
                    storage_veh=round(sum(_room_veh(edge) for edge in edges), 2),
                )
            )
    return tuple(found)


def _room_veh(edge: NetEdge) -> float:
    """Vehicles that may queue on an edge: on the lanes for cars, or where it has none on those for buses or trams."""
    for classes in (("passenger",), ("bus", "tram")):
        lanes = [lane for lane in edge.lanes if any(lane.permits(name) for name in classes)]
        if lanes:
            return sum(lane.length_m for lane in lanes) / VEHICLE_SPACE_M
    return 0.0


def _way_to_signal(net: NetFile, way: list[str], length_m: float, approaches: Mapping[str, str]) -> list[str]:
    edge = net.edges[way[-1]]
    length_m += edge.lanes[0].length_m
    if edge.id in approaches:
        return way
    if length_m > REACH_M:
        return []
    options: dict[str, list[NetConnection]] = {}
    for connection in net.connections_of_edge(edge.id):
        target = net.edges.get(connection.to_edge)
        if target is not None and not target.function and connection.direction != "t":
            options.setdefault(connection.to_edge, []).append(connection)
    ranked = sorted(options, key=lambda to: (options[to][0].direction != "s", -len(options[to]), to))
    for to_edge in ranked:
        if to_edge not in way:
            found = _way_to_signal(net, [*way, to_edge], length_m, approaches)
            if found:
                return found
    return []
