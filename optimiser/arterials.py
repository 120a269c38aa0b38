"""Roads through a network: chains of streets that the main movement of each junction goes on along."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from optimiser.formulation.bandwidth import Arterial, Way
from optimiser.formulation.offsets import main_green
from optimiser.lane_flows import JunctionDemand, MovementFlow
from optimiser.signals import Link, Network
from optimiser.stage_forms import SequenceForm

SPEED_RANGE = 0.1
"""Drivers may go this share faster or slower than the link's travel time says (MAXBAND's limits on speed)."""


def arterials_of(
    network: Network, demands: Mapping[str, JunctionDemand], frozen: Mapping[str, SequenceForm], cycle_s: float
) -> tuple[Arterial, ...]:
    """Arterials over the junctions in `frozen`, whose greens they take; every street belongs to at most one."""
    links: dict[tuple[str, str], list[Link]] = {}
    for link in network.links:
        if link.from_junction in frozen and link.to_junction in frozen and link.from_junction != link.to_junction:
            links.setdefault((link.from_junction, link.to_junction), []).append(link)
    flows = {j: {f.movement.id: f for f in demands[j].movements} for j in frozen}
    onward = _onward(links, flows)
    found = []
    for chain in _chains(sorted({(min(pair), max(pair)) for pair in links}), onward):
        ways = [_way(way, links, flows, frozen, cycle_s) for way in (chain, chain[::-1])]
        kept = sorted((way for way in ways if way is not None), key=lambda way: -sum(way.flows_veh_h))
        if kept:
            found.append(Arterial(tuple(kept)))
    return tuple(found)


def _onward(
    links: Mapping[tuple[str, str], list[Link]], flows: Mapping[str, Mapping[str, MovementFlow]]
) -> dict[tuple[str, str], str]:
    """(junction before, junction) -> the junction that the strongest movement ahead goes on to."""
    found = {}
    for (before, here), arriving in links.items():
        approaches = {link.to_approach for link in arriving}
        ahead = [
            (flow.flow_veh_h, there)
            for (start, there), leaving in links.items()
            if start == here and there != before
            for link in leaving
            if (flow := flows[here].get(link.from_movement)) is not None
            and flow.movement.turn == "through"
            and flow.movement.approach in approaches
        ]
        if ahead:
            found[before, here] = max(ahead)[1]
    return found


def _chains(streets: list[tuple[str, str]], onward: Mapping[tuple[str, str], str]) -> list[tuple[str, ...]]:
    """Streets joined where each is the way on of the other; a ring is cut at its first street."""

    def following(before: str, here: str) -> str | None:
        there = onward.get((before, here))
        return there if there is not None and onward.get((there, here), before) == before else None

    used: set[tuple[str, str]] = set()
    found = []
    for street in streets:
        if street in used:
            continue
        used.add(street)
        chain = list(street)
        for turned in (False, True):
            if turned:
                chain.reverse()
            there = following(chain[-2], chain[-1])
            while there is not None and there not in chain:
                step = (min(chain[-1], there), max(chain[-1], there))
                if step not in streets or step in used:
                    break
                used.add(step)
                chain.append(there)
                there = following(chain[-2], chain[-1])
        found.append(tuple(min(chain, chain[::-1])))
    return found


def _way(
    chain: tuple[str, ...],
    links: Mapping[tuple[str, str], list[Link]],
    flows: Mapping[str, Mapping[str, MovementFlow]],
    frozen: Mapping[str, SequenceForm],
    cycle_s: float,
) -> Way | None:
    """One direction of a chain, or None where some street, flow or green is missing."""
    starts, greens, travel, volumes = [], [], [], []
    for here, there in pairwise(chain):
        used = [
            (flows[here][k.from_movement], k) for k in links.get((here, there), ()) if k.from_movement in flows[here]
        ]
        if not used:
            return None
        travel_s = sum(flow.flow_veh_h * link.travel_time_s for flow, link in used)
        volume = sum(flow.flow_veh_h for flow, _ in used)
        travel.append((travel_s / volume * (1 - SPEED_RANGE), travel_s / volume * (1 + SPEED_RANGE)))
        volumes.append(volume)
    for number, here in enumerate(chain):
        before = {link.to_approach for link in links[chain[number - 1], here]} if number else set()
        movements = [f for f in flows[here].values() if f.movement.approach in before or not before]
        if number == 0:
            leaving = {link.from_movement for link in links[here, chain[1]]}
            movements = [f for f in movements if f.movement.id in leaving]
        ahead = [f for f in movements if f.movement.turn == "through"] or movements
        if not ahead:
            return None
        group = max(ahead, key=lambda f: (f.flow_veh_h, f.movement.id)).movement.group
        form = frozen[here]
        if not form.greens(group):
            return None
        green = main_green(form, group)
        starts.append(green.start.constant_s / cycle_s)
        greens.append(green.length.constant_s / cycle_s)
    return Way(chain, tuple(starts), tuple(greens), tuple(travel), tuple(volumes))
