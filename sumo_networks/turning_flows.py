"""Turning flows at signalled junctions, estimated from entry and exit counts; no route is ever read.

Per interval the flows x over the lane-to-lane ways of a node must add up to the counts of its entry loops and of its
exit loops. That leaves freedom; it is closed by shares b of each entry lane's vehicles over its ways that hold for the
whole period (Cremer & Keller, "A new class of dynamic methods for the identification of origin-destination flows",
Transportation Research B 21(2), 1987). Shares and flows are found together by expectation-maximisation: given b, the
most likely flows under both margins are those of iterative proportional fitting from the seed b·n (maximum entropy:
Van Zuylen & Willumsen, Transportation Research B 14(3), 1980); given the flows, b are their shares, drawn towards a
prior by lane geometry (Dirichlet). Fluctuation between intervals thereby tells apart what totals alone cannot.

A count that is not believed leaves its margin open: the flow then follows from the other margins, or, where nothing
binds it, from what came in at the edge's start less the neighbouring lanes, the lane's own mean, or the neighbours'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimiser.demand import TurningFlow
from sumo_networks.bindings import CityModel
from sumo_networks.detector_counts import DetectorCounts
from sumo_networks.detector_faults import DetectorFault, believed, find_detector_faults
from sumo_networks.lane_links import LaneLink, prior_weight
from sumo_networks.queue_growth import unserved_veh_h

Matrix = NDArray[np.float64]

PRIOR_VEH: Final = 10.0
_EM_ROUNDS: Final = 300
_FITTING_ROUNDS: Final = 10
_TINY: Final = 1e-12
_LEAST_FACTOR: Final = 1e-3
_SHARE_TOLERANCE: Final = 1e-5


@dataclass(frozen=True)
class LinkFlow:
    """Vehicles that used one lane-to-lane way in the period. `served_veh_h` is what the loops counted there."""

    link: LaneLink
    served_veh_h: float


@dataclass(frozen=True)
class TurningFlows:
    """What the detectors of a period say. `links` holds every way at a counted lane, signalled or not; `flows` one
    entry a movement of the model, sorted by junction and movement; `faults` what was left out."""

    links: tuple[LinkFlow, ...]
    flows: tuple[TurningFlow, ...]
    faults: tuple[DetectorFault, ...]


def estimate_turning_flows(
    model: CityModel, links: tuple[LaneLink, ...], counts: DetectorCounts, car_occupancy: float = 1.3
) -> TurningFlows:
    """Served flow and demand (veh/h) of every movement of the model.

    `links` are `lane_links(read_net(net))` of the model's own net. A movement whose lanes are counted nowhere gets 0.
    Demand above served comes from queues that grow (`queue_growth.unserved_veh_h`) and is shared over a lane's
    movements as the served vehicles are."""
    faults = find_detector_faults(counts, links)
    link_flows = estimate_link_flows(links, counts, faults)
    demand_veh_h = unserved_veh_h(links, link_flows_veh_h(link_flows), counts)
    served: dict[tuple[str, str], float] = {}
    wanted: dict[tuple[str, str], float] = {}
    movement_of = _movement_of_link(model)
    for flow in link_flows:
        key = movement_of.get((flow.link.tls, flow.link.link_index, flow.link.from_edge, flow.link.to_edge))
        if key is None:
            continue
        served[key] = served.get(key, 0.0) + flow.served_veh_h
        extra = demand_veh_h.get((flow.link.from_lane, flow.link.to_lane), 0.0)
        wanted[key] = wanted.get(key, 0.0) + flow.served_veh_h + extra
    flows = tuple(
        TurningFlow(
            junction=junction.id,
            movement=movement.id,
            flow_veh_h=round(wanted.get((junction.id, movement.id), 0.0), 3),
            served_veh_h=round(served.get((junction.id, movement.id), 0.0), 3),
            occupancy_pax=car_occupancy,
        )
        for junction in sorted(model.network.junctions, key=lambda junction: junction.id)
        for movement in sorted(junction.movements, key=lambda movement: movement.id)
    )
    return TurningFlows(link_flows, flows, faults)


def estimate_link_flows(
    links: tuple[LaneLink, ...], counts: DetectorCounts, faults: tuple[DetectorFault, ...]
) -> tuple[LinkFlow, ...]:
    """Flow of every way that is signalled or starts or ends at a counted lane, in the order of `links`."""
    used = tuple(link for link in links if link.tls or link.from_lane in counts.entry or link.to_lane in counts.exit)
    if not used:
        return ()
    entries = sorted({link.from_lane for link in used})
    exits = sorted({link.to_lane for link in used})
    entry_of = np.array([entries.index(link.from_lane) for link in used])
    exit_of = np.array([exits.index(link.to_lane) for link in used])
    inflow = np.column_stack([believed(counts, faults, "entry", lane) for lane in entries])
    outflow = np.column_stack([believed(counts, faults, "exit", lane) for lane in exits])
    guess = _guess_inflow(links, counts, faults, entries, inflow)
    weights = np.array([prior_weight(link) for link in used])
    flows = fit_shares(entry_of, exit_of, inflow, outflow, weights, guess)
    return tuple(
        LinkFlow(link, float(total) / counts.hours) for link, total in zip(used, flows.sum(axis=0), strict=True)
    )


def fit_shares(
    entry_of: NDArray[np.int64],
    exit_of: NDArray[np.int64],
    inflow: Matrix,
    outflow: Matrix,
    weights: Matrix,
    guess: Matrix,
) -> Matrix:
    """Vehicles on each way in each interval, shape (intervals, ways).

    `entry_of` and `exit_of` name per way its column in `inflow` (intervals, entries) and `outflow` (intervals, exits);
    NaN there is a count that is not known. `weights` are prior shares up to a factor, `guess` first values for the
    unknown inflow. Entry counts are met exactly, exit counts as far as the two agree."""
    from_entry = _incidence(entry_of, inflow.shape[1])
    into_exit = _incidence(exit_of, outflow.shape[1])
    prior = weights / (weights @ from_entry)[entry_of]
    in_known, out_known = ~np.isnan(inflow), ~np.isnan(outflow)
    entering = np.where(in_known, inflow, guess)
    in_count, out_count = np.nan_to_num(inflow), np.nan_to_num(outflow)
    shares = prior
    flows = entering[:, entry_of] * shares
    for _ in range(_EM_ROUNDS):
        flows = entering[:, entry_of] * shares + _TINY
        for _ in range(_FITTING_ROUNDS):
            # The least factor keeps ways open where an exit counted none although an entry leads there alone.
            factor = np.where(out_known, out_count / np.maximum(flows @ into_exit, _TINY), 1.0)
            flows *= np.maximum(factor, _LEAST_FACTOR)[:, exit_of]
            flows *= np.where(in_known, in_count / np.maximum(flows @ from_entry, _TINY), 1.0)[:, entry_of]
        entering = np.where(in_known, inflow, flows @ from_entry)
        total = entering.sum(axis=0) + PRIOR_VEH
        before, shares = shares, (flows.sum(axis=0) + PRIOR_VEH * prior) / total[entry_of]
        if float(np.abs(shares - before).max()) < _SHARE_TOLERANCE:
            break
    return flows


def link_flows_veh_h(flows: tuple[LinkFlow, ...]) -> dict[tuple[str, str], float]:
    """Served flow by (lane before, lane behind)."""
    return {(flow.link.from_lane, flow.link.to_lane): flow.served_veh_h for flow in flows}


def _incidence(column_of: NDArray[np.int64], columns: int) -> Matrix:
    matrix = np.zeros((len(column_of), columns))
    matrix[np.arange(len(column_of)), column_of] = 1.0
    return matrix


def _guess_inflow(
    links: tuple[LaneLink, ...],
    counts: DetectorCounts,
    faults: tuple[DetectorFault, ...],
    entries: list[str],
    inflow: Matrix,
) -> Matrix:
    """First values for unknown entry counts, shape as `inflow`: edge inflow less the other lanes, else the lane's
    own mean, else the mean of the edge's known lanes, else the mean of all lanes."""
    edge_of = {link.from_lane: link.from_edge for link in links} | {link.to_lane: link.to_edge for link in links}
    lanes_of: dict[str, list[str]] = {}
    for lane, edge in sorted(edge_of.items()):
        lanes_of.setdefault(edge, []).append(lane)
    nothing = np.full(len(inflow), np.nan)
    overall = float(np.nanmean(inflow)) if not np.all(np.isnan(inflow)) else 1.0
    guess = inflow.copy()
    for column, lane in enumerate(entries):
        unknown = np.isnan(inflow[:, column])
        if not unknown.any():
            continue
        edge_lanes = lanes_of[edge_of[lane]]
        beside = inflow[:, [entries.index(other) for other in edge_lanes if other in entries and other != lane]]
        known = (~np.isnan(beside)).sum(axis=1)
        sum_beside = np.nansum(beside, axis=1)
        upstream = [believed(counts, faults, "exit", other) for other in edge_lanes if other in counts.exit]
        arriving = np.sum(upstream, axis=0) if upstream else nothing
        best = np.maximum((arriving - sum_beside) / (beside.shape[1] - known + 1), 0.0)
        own = np.nan if unknown.all() else float(np.nanmean(inflow[:, column]))
        mean_beside = np.where(known > 0, sum_beside / np.maximum(known, 1), np.nan)
        for fallback in (np.full(len(inflow), own), mean_beside, np.full(len(inflow), overall)):
            best = np.where(np.isnan(best), fallback, best)
        guess[unknown, column] = best[unknown]
    return np.maximum(guess, _TINY)


def _movement_of_link(model: CityModel) -> dict[tuple[str, int, str, str], tuple[str, str]]:
    """(junction, movement) by (tls, link index, edge before, edge behind)."""
    found: dict[tuple[str, int, str, str], tuple[str, str]] = {}
    for junction in model.network.junctions:
        binding = model.bindings[junction.id]
        for movement in junction.movements:
            for index in binding.groups[movement.group]:
                found[binding.tls, index, movement.approach, movement.exit] = (junction.id, movement.id)
    return found
