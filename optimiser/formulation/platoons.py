"""Platoons: which people of an approach reach it together, when, and how far they have spread.

A movement u upstream sends q_u veh/h over a link of travel time t (s) to an approach whose movements carry Q. Its share
there is phi = q_u / Q. Robertson's dispersion (1969), F = 1 / (1 + 0.28 t), filters what left the stop line:
    coherence = F / |1 - (1 - F) exp(-2 pi i / C)|         (gain of the filter at the cycle's own frequency)
    lag       = 0.8 t + (1 - F) / F = 1.08 t               (mean arrival after departure)
Of the persons of a group downstream, phi * coherence arrive as a platoon whose wait the offsets decide; the rest as if
evenly. The platoon is as wide as its discharge: W = C q_u / s_u (s), s_u the saturation flow of the lanes it used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optimiser.lane_flows import JunctionDemand
from optimiser.signals import Network

LEAST_SHARE = 0.1
"""Platoons that are a smaller part of their group's people are left to even arrivals."""


@dataclass(frozen=True)
class Platoon:
    """People of `to_group` that leave upstream with the green of `from_group`. `lag_s` from there to the stop line,
    `width_s` long; `queue_s_per_red` is the time that others' queue takes to clear, per second of red before."""

    from_junction: str
    from_group: str
    to_junction: str
    to_group: str
    persons_h: float
    lag_s: float
    width_s: float
    queue_s_per_red: float


def coherence(travel_time_s: float, cycle_s: float, dispersion: float) -> float:
    """Part of a platoon's shape that is left after a link, 0 to 1."""
    f = 1 / (1 + dispersion * travel_time_s)
    omega = 2 * math.pi / cycle_s
    return f / math.sqrt(1 - 2 * (1 - f) * math.cos(omega) + (1 - f) ** 2)


def platoons(
    network: Network, demands: Mapping[str, JunctionDemand], cycle_s: float, dispersion: float
) -> tuple[Platoon, ...]:
    """All platoons worth coordinating at a common cycle; those of one pair of groups over links alike are one."""
    flows = {j: {f.movement.id: f for f in demand.movements} for j, demand in demands.items()}
    found: dict[tuple[str, str, str, str], list[Platoon]] = {}
    for link in network.links:
        if link.from_junction == link.to_junction:
            continue
        source = flows.get(link.from_junction, {}).get(link.from_movement)
        if source is None or link.to_junction not in demands:
            continue
        targets = [f for f in demands[link.to_junction].movements if f.movement.approach == link.to_approach]
        arriving = sum(f.flow_veh_h for f in targets)
        if arriving <= 0:
            continue
        share = _share(network, flows, link.to_junction, link.to_approach, source.flow_veh_h, arriving)
        share *= coherence(link.travel_time_s, cycle_s, dispersion)
        saturation = _saturation(demands[link.from_junction], source.movement.id)
        width_s = min(cycle_s * 0.9, cycle_s * source.flow_veh_h / max(saturation, 1.0))
        for group in sorted({f.movement.group for f in targets}):
            members = [f for f in targets if f.movement.group == group]
            y = min(0.6, max(demands[link.to_junction].flow_ratio(f.movement) for f in members))
            platoon = Platoon(
                link.from_junction,
                source.movement.group,
                link.to_junction,
                group,
                share * sum(f.persons_h for f in members),
                (0.8 + dispersion) * link.travel_time_s,
                width_s,
                max(0.0, 1 - share) * y / (1 - y) if y < 1 else 0.0,
            )
            found.setdefault((link.from_junction, source.movement.group, link.to_junction, group), []).append(platoon)
    merged = [_merged(members) for members in found.values()]
    return tuple(p for p in merged if p.persons_h >= LEAST_SHARE * _group_persons(demands[p.to_junction], p.to_group))


def coordinated_shares(
    found: tuple[Platoon, ...], demands: Mapping[str, JunctionDemand]
) -> dict[str, dict[str, float]]:
    """Per junction and group the share of its persons that come in platoons."""
    shares: dict[str, dict[str, float]] = {j: {} for j in demands}
    for platoon in found:
        total = _group_persons(demands[platoon.to_junction], platoon.to_group)
        known = shares[platoon.to_junction].get(platoon.to_group, 0.0)
        shares[platoon.to_junction][platoon.to_group] = min(1.0, known + platoon.persons_h / total)
    return shares


def _share(
    network: Network,
    flows: Mapping[str, Mapping[str, object]],
    junction: str,
    approach: str,
    flow_veh_h: float,
    arriving_veh_h: float,
) -> float:
    """Part of an approach's vehicles that one upstream movement sends; sources beyond its flow are scaled down."""
    sent = 0.0
    for link in network.links:
        if (link.to_junction, link.to_approach) == (junction, approach):
            source = flows.get(link.from_junction, {}).get(link.from_movement)
            sent += getattr(source, "flow_veh_h", 0.0)
    return flow_veh_h / max(arriving_veh_h, sent)


def _saturation(demand: JunctionDemand, movement: str) -> float:
    used = [c for c in demand.nominal_veh_h if c[1] == movement and demand.nominal_veh_h[c] > 1.0]
    lanes = {load.lane.id: load for load in demand.lanes}
    total = 0.0
    for lane, _ in used:
        load = lanes[lane]
        total += load.lane.saturation_veh_h * demand.nominal_veh_h[lane, movement] / max(load.nominal_veh_h, 1.0)
    return total


def _group_persons(demand: JunctionDemand, group: str) -> float:
    movements = sum(f.persons_h for f in demand.movements if f.movement.group == group)
    return max(movements + demand.pedestrians_h.get(group, 0.0), 1e-6)


def _merged(members: list[Platoon]) -> Platoon:
    """Several links between the same two groups as one, weighed by persons."""
    persons_h = sum(p.persons_h for p in members)
    if len(members) == 1 or persons_h <= 0:
        return members[0]

    def mean(values: list[float]) -> float:
        return sum(v * p.persons_h for v, p in zip(values, members, strict=True)) / persons_h

    first = members[0]
    return Platoon(
        first.from_junction,
        first.from_group,
        first.to_junction,
        first.to_group,
        persons_h,
        mean([p.lag_s for p in members]),
        mean([p.width_s for p in members]),
        mean([p.queue_s_per_red for p in members]),
    )
