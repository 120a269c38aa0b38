"""Silent and stuck detectors: which counts must not be believed.

Three independent witnesses are asked. The detector itself: no vehicle at all, the same count again and again, a loop
that is covered all the time though nothing passes. The node: what enters it must leave it, so where all loops around a
node are there, a fault shows in the balance (conservation of vehicles; Chen et al., "Detecting errors and imputing
missing data for single-loop surveillance systems", TRR 1855, 2003, for tests of the single detector). The lane: its
queue detector sees vehicles that the loop does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sumo_networks.detector_counts import Detector, DetectorCounts, Series
from sumo_networks.lane_links import LaneLink

FaultKind = Literal["silent", "stuck", "implausible", "missing"]

MIN_RUN: Final = 3
MIN_CONSTANT_RUN: Final = 6
MIN_CONSTANT_VEH: Final = 4.0
COVERED_PCT: Final = 99.0
MAX_FLOW_VEH_H: Final = 3000.0
MIN_IMBALANCE_VEH: Final = 10.0
MIN_IMBALANCE_SHARE: Final = 0.08

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class DetectorFault:
    """Counts of one detector that were left out, from `begin_s` to `end_s`."""

    detector_id: str
    kind: str
    tls: str
    lane: str
    fault: FaultKind
    begin_s: float
    end_s: float
    message: str


@dataclass(frozen=True)
class _Suspect:
    """Intervals [first, last] of a detector that look wrong by themselves. `sure` needs no other witness."""

    detector: Detector
    fault: FaultKind
    first: int
    last: int
    sure: bool
    why: str

    @property
    def mask(self) -> slice:
        return slice(self.first, self.last + 1)


@dataclass(frozen=True)
class _Node:
    """Lanes into and out of a set of edges that only lead to each other."""

    entries: tuple[str, ...]
    exits: tuple[str, ...]


def find_detector_faults(counts: DetectorCounts, links: tuple[LaneLink, ...]) -> tuple[DetectorFault, ...]:
    """Faults of all entry and exit loops, ordered by kind, lane and time.

    `links` are all ways of the net; a lane that enters a signalled junction and has no entry loop is a fault "missing"
    of the whole period with an empty detector id."""
    nodes = _nodes(links, counts)
    faults: list[DetectorFault] = []
    for kind in ("entry", "exit"):
        for lane, detector in sorted(counts.of_kind(kind).items()):
            node = nodes.get((kind, lane))
            for suspect in _suspects(detector, counts):
                if suspect.sure or _testified(suspect, counts, node, links):
                    faults.append(_fault(suspect, counts))
            faults.extend(_missing(detector, counts))
    silent_lanes = sorted({(link.from_lane, link.tls) for link in links if link.tls} - _covered(counts, links))
    end_s = float(counts.begins_s[-1] + counts.durations_s[-1])
    for lane, tls in silent_lanes:
        message = f"lane {lane} at {tls} has no entry detector; its flow is estimated from the others"
        faults.append(DetectorFault("", "entry", tls, lane, "missing", float(counts.begins_s[0]), end_s, message))
    return tuple(faults)


def believed(counts: DetectorCounts, faults: tuple[DetectorFault, ...], kind: str, lane: str) -> Series:
    """Counts of a lane with faulty intervals set to NaN; all NaN where the lane has no such detector."""
    detector = counts.of_kind(kind).get(lane)
    if detector is None:
        return np.full(len(counts.begins_s), np.nan)
    series = detector.count_veh.copy()
    for fault in faults:
        if fault.detector_id == detector.detector_id and fault.kind == kind:
            series[(counts.begins_s >= fault.begin_s - 1e-6) & (counts.begins_s < fault.end_s - 1e-6)] = np.nan
    return series


def _covered(counts: DetectorCounts, links: tuple[LaneLink, ...]) -> set[tuple[str, str]]:
    return {(link.from_lane, link.tls) for link in links if link.from_lane in counts.entry}


def _nodes(links: tuple[LaneLink, ...], counts: DetectorCounts) -> dict[tuple[str, str], _Node]:
    """Nodes all of whose entry and exit lanes have loops, by (kind, lane)."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for link in links:
        root[find("<" + link.from_edge)] = find(">" + link.to_edge)
    members: dict[str, list[LaneLink]] = {}
    for link in links:
        members.setdefault(find("<" + link.from_edge), []).append(link)
    nodes: dict[tuple[str, str], _Node] = {}
    for group in members.values():
        entries = tuple(sorted({link.from_lane for link in group}))
        exits = tuple(sorted({link.to_lane for link in group}))
        if all(lane in counts.entry for lane in entries) and all(lane in counts.exit for lane in exits):
            node = _Node(entries, exits)
            nodes.update((("entry", lane), node) for lane in entries)
            nodes.update((("exit", lane), node) for lane in exits)
    return nodes


def _suspects(detector: Detector, counts: DetectorCounts) -> Iterator[_Suspect]:
    series, occupancy = detector.count_veh, detector.occupancy_pct
    shortest = min(MIN_RUN, len(series))
    flow_veh_h = series * 3600.0 / counts.durations_s
    for first, last in _runs(np.nan_to_num(flow_veh_h) > MAX_FLOW_VEH_H):
        yield _Suspect(detector, "implausible", first, last, True, f"more than {MAX_FLOW_VEH_H:g} veh/h in one lane")
    still = series == 0
    for first, last in _runs(still & (occupancy >= COVERED_PCT)):
        if last - first + 1 >= shortest:
            yield _Suspect(detector, "stuck", first, last, False, "covered all the time while nothing passes")
    for first, last in _runs(still & ~(occupancy >= COVERED_PCT)):
        if last - first + 1 >= shortest:
            yield _Suspect(detector, "silent", first, last, False, "counts nothing")
    for first, last in _constant_runs(series):
        if series[first] >= MIN_CONSTANT_VEH and last - first + 1 >= MIN_RUN:
            same = occupancy[first : last + 1]
            frozen = bool(np.all(same == same[0]))
            if frozen or last - first + 1 >= MIN_CONSTANT_RUN:
                yield _Suspect(detector, "stuck", first, last, frozen, "gives the same count again and again")


def _runs(mask: Mask) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        yield int(first), int(after) - 1


def _constant_runs(series: Series) -> Iterator[tuple[int, int]]:
    first = 0
    for index in range(1, len(series) + 1):
        if index == len(series) or series[index] != series[first]:
            yield first, index - 1
            first = index


def _testified(suspect: _Suspect, counts: DetectorCounts, node: _Node | None, links: tuple[LaneLink, ...]) -> bool:
    """Whether another witness speaks against the detector; the node's balance, where it can be drawn up, decides."""
    if node is not None:
        return _unbalanced(suspect, counts, node) and (
            suspect.fault == "stuck" or _lane_is_used(suspect, counts, links)
        )
    return suspect.fault == "stuck" or _lane_is_used(suspect, counts, links)


def _unbalanced(suspect: _Suspect, counts: DetectorCounts, node: _Node) -> bool:
    """Vehicles that enter and leave the node differ in the way this fault would make them differ."""
    inflow = sum(float(np.nansum(counts.entry[lane].count_veh[suspect.mask])) for lane in node.entries)
    outflow = sum(float(np.nansum(counts.exit[lane].count_veh[suspect.mask])) for lane in node.exits)
    surplus = outflow - inflow
    least = max(MIN_IMBALANCE_VEH, MIN_IMBALANCE_SHARE * max(inflow, outflow))
    if suspect.fault == "stuck" and suspect.detector.count_veh[suspect.first] > 0:
        return abs(surplus) >= least
    return surplus >= least if suspect.detector.kind == "entry" else -surplus >= least


def _lane_is_used(suspect: _Suspect, counts: DetectorCounts, links: tuple[LaneLink, ...]) -> bool:
    """Others saw vehicles that must have passed this loop: the lane's own queue detector, or entry loops of lanes that
    lead nowhere else; or the loop's own counts before and after would have made ten likely."""
    detector, within = suspect.detector, suspect.mask
    own = np.delete(detector.count_veh, np.arange(suspect.first, suspect.last + 1))
    own = own[~np.isnan(own)]
    if own.size and float(np.mean(own)) * (suspect.last - suspect.first + 1) >= MIN_IMBALANCE_VEH:
        return True
    seen = counts.queue.get(detector.lane)
    if detector.kind == "entry":
        return seen is not None and float(np.nansum(seen.count_veh[within])) >= MIN_IMBALANCE_VEH
    feeding = {link.from_lane for link in links if link.to_lane == detector.lane}
    only_here = {
        lane for lane in feeding if all(link.to_lane == detector.lane for link in links if link.from_lane == lane)
    }
    certain = sum(float(np.nansum(counts.entry[lane].count_veh[within])) for lane in only_here & counts.entry.keys())
    queued = 0.0 if seen is None else float(np.nansum(seen.count_veh[within]))
    return max(certain, queued) >= MIN_IMBALANCE_VEH


def _missing(detector: Detector, counts: DetectorCounts) -> Iterator[DetectorFault]:
    for first, last in _runs(np.isnan(detector.count_veh)):
        yield _fault(_Suspect(detector, "missing", first, last, True, "reports nothing"), counts)


def _fault(suspect: _Suspect, counts: DetectorCounts) -> DetectorFault:
    detector = suspect.detector
    begin_s = float(counts.begins_s[suspect.first])
    end_s = float(counts.begins_s[suspect.last] + counts.durations_s[suspect.last])
    message = (
        f"{detector.kind} detector {detector.detector_id} on lane {detector.lane} at {detector.tls} {suspect.why} from "
        f"{begin_s:g} to {end_s:g} s; its counts are left out and estimated from the others, check the detector"
    )
    return DetectorFault(
        detector.detector_id, detector.kind, detector.tls, detector.lane, suspect.fault, begin_s, end_s, message
    )
