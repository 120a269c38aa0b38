"""Demand that queues kept back: what stop-line counts alone do not see.

A count at the stop line is demand only while the queue clears. Three signs tell of more, edge by edge:

* The queue grows over the period: the growth arrived and was not served.
* The queue covers its detector for most of the time: growth can no longer be seen (the count is censored). Then the
  peak 15-minute rate of arrivals is taken (HCM 7th ed., chapter 4), arrivals being counts plus growth of the queue;
  vehicles that wait beyond the detector, or outside the network, stay unseen, so demand may be higher still.
* Vehicles kept back upstream will come: an edge's unserved flow is handed on to the edges behind it in the shares of
  its served flow. The larger of this and the edge's own sign counts, not their sum.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sumo_networks.detector_counts import Detector, DetectorCounts, Series
from sumo_networks.lane_links import LaneLink

JAM_SPACING_M: Final = 7.5  # room one standing car takes (HCM 7th ed., chapter 31: 25 ft)
MIN_GROWTH_VEH: Final = 3.0
PEAK_S: Final = 900.0
FULL_SHARE: Final = 0.85
FULL_MEAN_SHARE: Final = 0.35
_HAND_ON_ROUNDS: Final = 30


def unserved_veh_h(
    links: tuple[LaneLink, ...], served_veh_h: dict[tuple[str, str], float], counts: DetectorCounts
) -> dict[tuple[str, str], float]:
    """Flow beyond the served one by (lane before, lane behind), veh/h, never under 0.

    `links` are all ways of the net, `served_veh_h` the estimated flow of those that start or end at a counted lane."""
    edge_flow: dict[str, float] = {}
    for link in links:
        flow = served_veh_h.get((link.from_lane, link.to_lane), 0.0)
        edge_flow[link.from_edge] = edge_flow.get(link.from_edge, 0.0) + flow
    own = _own_signs(links, counts)
    onward = _onward(links, served_veh_h, edge_flow)
    unserved = dict(own)
    for _ in range(_HAND_ON_ROUNDS):
        arriving: dict[str, float] = {}
        for edge, extra in sorted(unserved.items()):
            for target, share in onward.get(edge, ()):
                arriving[target] = arriving.get(target, 0.0) + share * extra
        unserved = {edge: max(own.get(edge, 0.0), arriving.get(edge, 0.0)) for edge in own.keys() | arriving.keys()}
    result: dict[tuple[str, str], float] = {}
    for link in links:
        key = (link.from_lane, link.to_lane)
        extra, total = unserved.get(link.from_edge, 0.0), edge_flow.get(link.from_edge, 0.0)
        if extra > 0 and total > 0 and served_veh_h.get(key, 0.0) > 0:
            result[key] = extra * served_veh_h[key] / total
    return result


def _own_signs(links: tuple[LaneLink, ...], counts: DetectorCounts) -> dict[str, float]:
    length_m = {link.from_lane: link.from_length_m for link in links}
    lanes_of: dict[str, list[str]] = {}
    for link in links:
        lanes = lanes_of.setdefault(link.from_edge, [])
        if link.from_lane in counts.queue and link.from_lane in counts.entry and link.from_lane not in lanes:
            lanes.append(link.from_lane)
    found: dict[str, float] = {}
    for edge, lanes in sorted(lanes_of.items()):
        if lanes:
            found[edge] = _unserved_of_edge(lanes, length_m, counts)
    return found


def _unserved_of_edge(lanes: list[str], length_m: dict[str, float], counts: DetectorCounts) -> float:
    queues = [counts.queue[lane] for lane in lanes]
    served = np.sum([np.nan_to_num(counts.entry[lane].count_veh) for lane in lanes], axis=0)
    standing = np.sum([np.nan_to_num(queue.jam_max_m) for queue in queues], axis=0) / JAM_SPACING_M
    if len(standing) < 2:
        return 0.0
    if any(_is_full(queue, length_m[queue.lane]) for queue in queues):
        return _censored(served, standing, queues, counts)
    return _growth(standing, counts)


def _is_full(queue: Detector, length_m: float) -> bool:
    """The jam reaches back over the detector in most intervals, and is not just the queue of one red."""
    covered = np.mean(np.nan_to_num(queue.jam_max_m) >= FULL_SHARE * length_m)
    standing = float(np.mean(np.nan_to_num(queue.jam_mean_m)))
    return bool(covered >= 0.5 and standing >= FULL_MEAN_SHARE * length_m)


def _growth(standing: Series, counts: DetectorCounts) -> float:
    """Growth between the first and the last third of the period, per hour; small and shrinking queues count as none."""
    third = max(1, len(standing) // 3)
    early, late = float(np.mean(standing[:third])), float(np.mean(standing[-third:]))
    noise = float(np.std(standing[-third:])) / np.sqrt(third)
    grown = late - early
    if grown < max(MIN_GROWTH_VEH, 2.0 * noise):
        return 0.0
    middles = counts.begins_s + counts.durations_s / 2
    elapsed_s = float(np.mean(middles[-third:]) - np.mean(middles[:third]))
    return grown * 3600.0 / elapsed_s


def _censored(served: Series, standing: Series, queues: list[Detector], counts: DetectorCounts) -> float:
    before = sum(max(0.0, 2.0 * _first(queue.jam_mean_m) - _first(queue.jam_max_m)) for queue in queues)
    # A queue that grew evenly from q0 to q1 has the mean (q0 + q1) / 2: so much stood there when the period began.
    arrivals = served + np.diff(standing, prepend=before / JAM_SPACING_M)
    window = max(1, round(PEAK_S / float(np.mean(counts.durations_s))))
    ones = np.ones(min(window, len(arrivals)))
    peaks_veh = np.convolve(arrivals, ones, "valid")
    peaks_s = np.convolve(counts.durations_s, ones, "valid")
    peak_veh_h = float(np.max(peaks_veh / peaks_s)) * 3600.0
    return max(0.0, peak_veh_h - float(served.sum()) / counts.hours)


def _first(series: Series) -> float:
    return float(np.nan_to_num(series[0]))


def _onward(
    links: tuple[LaneLink, ...], served_veh_h: dict[tuple[str, str], float], edge_flow: dict[str, float]
) -> dict[str, list[tuple[str, float]]]:
    """Shares in which an edge's flow goes on: as served where counted, all of it where there is one way on."""
    successors: dict[str, set[str]] = {}
    flow: dict[tuple[str, str], float] = {}
    for link in links:
        if link.direction != "t":
            successors.setdefault(link.from_edge, set()).add(link.to_edge)
        pair = (link.from_edge, link.to_edge)
        flow[pair] = flow.get(pair, 0.0) + served_veh_h.get((link.from_lane, link.to_lane), 0.0)
    onward: dict[str, list[tuple[str, float]]] = {}
    for (edge, target), veh_h in sorted(flow.items()):
        if edge_flow[edge] > 0:
            onward.setdefault(edge, []).append((target, veh_h / edge_flow[edge]))
        elif successors.get(edge) == {target}:
            onward.setdefault(edge, []).append((target, 1.0))
    return onward
