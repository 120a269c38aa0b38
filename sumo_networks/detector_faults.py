"""Silent and stuck detectors: which counts must not be believed.

Three independent witnesses are asked. The detector itself: no vehicle at all, the same count again and again, a loop
that is covered all the time though nothing passes. The node: what enters it must leave it, so where all loops around a
node are there, a fault shows in the balance (conservation of vehicles; Chen et al., "Detecting errors and imputing
missing data for single-loop surveillance systems", TRR 1855, 2003, for tests of the single detector). The lane: its
queue detector sees vehicles that the loop does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sumo_networks.detector_counts import Detector, DetectorCounts, Series
from sumo_networks.lane_links import LaneLink, prior_weight

FaultKind = Literal["silent", "stuck", "implausible", "missing"]

MIN_RUN: Final = 3
MIN_CONSTANT_RUN: Final = 6
MIN_CONSTANT_VEH: Final = 4.0
COVERED_PCT: Final = 99.0
MAX_FLOW_VEH_H: Final = 3000.0
MIN_IMBALANCE_VEH: Final = 10.0
MIN_IMBALANCE_SHARE: Final = 0.08
LEAST_EXPECTED_VEH: Final = 30.0

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
    """Intervals [first, last] of a detector that look wrong by themselves."""

    detector: Detector
    fault: FaultKind
    first: int
    last: int
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
    suspects = [
        suspect
        for kind in ("entry", "exit")
        for _, detector in sorted(counts.of_kind(kind).items())
        for suspect in _suspects(detector, counts)
    ]
    credible = [suspect for suspect in suspects if _is_credible(suspect, counts, nodes, links)]
    faults = [_fault(suspect, counts) for suspect in credible if _testified(suspect, counts, nodes, credible)]
    for kind in ("entry", "exit"):
        for _, detector in sorted(counts.of_kind(kind).items()):
            faults.extend(_missing(detector, counts))
    silent_lanes = sorted({(link.from_lane, link.tls) for link in links if link.tls} - _covered(counts, links))
    end_s = float(counts.begins_s[-1] + counts.durations_s[-1])
    for lane, tls in silent_lanes:
        message = f"lane {lane} at {tls} has no entry detector; its flow is estimated from the others"
        faults.append(DetectorFault("", "entry", tls, lane, "missing", float(counts.begins_s[0]), end_s, message))
    return tuple(sorted(faults, key=lambda fault: (fault.kind, fault.lane, fault.begin_s, fault.fault)))


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


def _nodes(links: tuple[LaneLink, ...], counts: DetectorCounts) -> dict[tuple[str, str], list[_Node]]:
    """By (kind, lane) the nodes it belongs to, all of whose lanes have loops: the edges that lead to each other, and
    within them the lanes that do. The second sees more, the first is not misled by changes of lane on the way."""
    found: dict[tuple[str, str], list[_Node]] = {}
    for by_edge in (True, False):
        root: dict[str, str] = {}

        def find(name: str, root: dict[str, str] = root) -> str:
            while root.setdefault(name, name) != name:
                name = root[name]
            return name

        members: dict[str, list[LaneLink]] = {}
        for link in links:
            ends = (link.from_edge, link.to_edge) if by_edge else (link.from_lane, link.to_lane)
            root[find("<" + ends[0])] = find(">" + ends[1])
        for link in links:
            members.setdefault(find("<" + (link.from_edge if by_edge else link.from_lane)), []).append(link)
        for group in members.values():
            entries = tuple(sorted({link.from_lane for link in group}))
            exits = tuple(sorted({link.to_lane for link in group}))
            if all(lane in counts.entry for lane in entries) and all(lane in counts.exit for lane in exits):
                for kind, lanes in (("entry", entries), ("exit", exits)):
                    for lane in lanes:
                        found.setdefault((kind, lane), []).append(_Node(entries, exits))
    return found


def _suspects(detector: Detector, counts: DetectorCounts) -> Iterator[_Suspect]:
    series, occupancy = detector.count_veh, detector.occupancy_pct
    shortest = min(MIN_RUN, len(series))
    flow_veh_h = series * 3600.0 / counts.durations_s
    for first, last in _runs(np.nan_to_num(flow_veh_h) > MAX_FLOW_VEH_H):
        yield _Suspect(detector, "implausible", first, last, f"more than {MAX_FLOW_VEH_H:g} veh/h in one lane")
    still = series == 0
    for first, last in _runs(still & (occupancy >= COVERED_PCT)):
        if last - first + 1 >= shortest:
            yield _Suspect(detector, "stuck", first, last, "covered all the time while nothing passes")
    for first, last in _runs(still & ~(occupancy >= COVERED_PCT)):
        if last - first + 1 >= shortest:
            yield _Suspect(detector, "silent", first, last, "counts nothing")
    for first, last in _constant_runs(series):
        if series[first] >= MIN_CONSTANT_VEH and last - first + 1 >= MIN_RUN:
            frozen = bool(np.all(occupancy[first : last + 1] == occupancy[first]))
            if frozen or last - first + 1 >= MIN_CONSTANT_RUN:
                yield _Suspect(detector, "stuck", first, last, "gives the same count again and again")


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


def _is_credible(
    suspect: _Suspect, counts: DetectorCounts, nodes: dict[tuple[str, str], list[_Node]], links: tuple[LaneLink, ...]
) -> bool:
    """Whether the lanes around speak against the detector: vehicles came, so some must have passed it. A lane where
    none came either is empty, and one where they came until it was full is jammed: their loops are sound."""
    if suspect.fault == "implausible" or suspect.detector.count_veh[suspect.first] > 0:
        return True
    in_a_node = bool(nodes.get((suspect.detector.kind, suspect.detector.lane)))
    late = replace(suspect, first=(suspect.first + suspect.last + 1) // 2)
    return _vehicles_came(suspect, 1.0, in_a_node, counts, links) and _vehicles_came(
        late, 0.5, in_a_node, counts, links
    )


def _vehicles_came(
    suspect: _Suspect, part: float, in_a_node: bool, counts: DetectorCounts, links: tuple[LaneLink, ...]
) -> bool:
    """Whether at least `part` of the vehicles that make a witness were seen to come to the loop."""
    lane, least_veh = suspect.detector.lane, part * MIN_IMBALANCE_VEH
    usual = _usual_veh(suspect) >= least_veh
    if suspect.detector.kind == "entry":
        if lane in counts.queue:
            return _seen(counts.queue, {lane}, suspect.mask) >= least_veh
        return suspect.fault == "stuck" or usual
    expected_veh = least_veh if usual or suspect.fault == "stuck" else part * LEAST_EXPECTED_VEH
    if in_a_node and _expected_veh(suspect, counts, links) >= expected_veh:
        return True
    return _certain_veh(suspect, counts, links) >= least_veh


def _testified(
    suspect: _Suspect, counts: DetectorCounts, nodes: dict[tuple[str, str], list[_Node]], credible: list[_Suspect]
) -> bool:
    """Whether the node's balance, where it can be drawn up, speaks against a credible suspect too. It says nothing
    where a suspect on the other side of the node may hide what this one lacks; but where nothing moves at all, that is
    a jam and no fault."""
    around = nodes.get((suspect.detector.kind, suspect.detector.lane), [])
    if suspect.fault == "implausible" or not around:
        return True
    # The wider node stands first and has the last word: within it, lanes may be changed.
    verdicts = [_balance_says(suspect, counts, node) for node in around]
    if verdicts[0] > 0 or (verdicts[0] == 0 and verdicts[-1] > 0):
        return True
    widest = around[0]
    moving = _seen(counts.entry, set(widest.entries), suspect.mask) + _seen(
        counts.exit, set(widest.exits), suspect.mask
    )
    if moving < MIN_IMBALANCE_VEH * (suspect.last - suspect.first + 1):
        return False
    opposite = {lane for node in around for lane in (node.exits if suspect.detector.kind == "entry" else node.entries)}
    return any(
        other.detector.kind != suspect.detector.kind
        and other.detector.lane in opposite
        and other.first <= suspect.last
        and suspect.first <= other.last
        for other in credible
    )


def _usual_veh(suspect: _Suspect) -> float:
    """Vehicles that the loop's own other intervals make likely in the suspect ones."""
    own = np.delete(suspect.detector.count_veh, np.arange(suspect.first, suspect.last + 1))
    own = own[~np.isnan(own)]
    return float(np.mean(own)) * (suspect.last - suspect.first + 1) if own.size else 0.0


def _expected_veh(suspect: _Suspect, counts: DetectorCounts, links: tuple[LaneLink, ...]) -> float:
    """Vehicles that usual shares of turns would bring over an exit loop."""
    weights: dict[str, float] = {}
    for link in links:
        weights[link.from_lane] = weights.get(link.from_lane, 0.0) + prior_weight(link)
    return sum(
        prior_weight(link) / weights[link.from_lane] * _arriving(counts, link.from_lane, suspect.mask)
        for link in links
        if link.to_lane == suspect.detector.lane
    )


def _arriving(counts: DetectorCounts, lane: str, within: slice) -> float:
    """Vehicles on a lane by its loop or its queue detector, whichever saw more: the loop may be silent itself."""
    return max(_seen(counts.entry, {lane}, within), _seen(counts.queue, {lane}, within))


def _certain_veh(suspect: _Suspect, counts: DetectorCounts, links: tuple[LaneLink, ...]) -> float:
    """Vehicles that must have passed an exit loop: from lanes that lead there alone, or that left its edge at the end
    although no exit loop on it saw them (they change lanes along the edge, so the whole edge is compared)."""
    lane, within = suspect.detector.lane, suspect.mask
    feeding = {link.from_lane for link in links if link.to_lane == lane}
    elsewhere = {link.from_lane for link in links if link.to_lane != lane}
    edges = {link.to_edge for link in links if link.to_lane == lane}
    lanes = {link.to_lane for link in links if link.to_edge in edges}
    lanes |= {link.from_lane for link in links if link.from_edge in edges}
    unexplained = _seen(counts.entry, lanes, within) - _seen(counts.exit, lanes, within)
    return max(_seen(counts.entry, feeding - elsewhere, within), unexplained)


def _balance_says(suspect: _Suspect, counts: DetectorCounts, node: _Node) -> int:
    """1 where what enters and leaves the node differs as this fault would make it, -1 where it does so the other way
    round, 0 where it does not differ by more than loops err."""
    inflow = _seen(counts.entry, set(node.entries), suspect.mask)
    outflow = _seen(counts.exit, set(node.exits), suspect.mask)
    missing = outflow - inflow if suspect.detector.kind == "entry" else inflow - outflow
    if abs(missing) < max(MIN_IMBALANCE_VEH, MIN_IMBALANCE_SHARE * max(inflow, outflow)):
        return 0
    if suspect.detector.count_veh[suspect.first] > 0:
        return 1
    return 1 if missing > 0 else -1


def _seen(detectors: dict[str, Detector], lanes: set[str], within: slice) -> float:
    return sum(float(np.nansum(detectors[lane].count_veh[within])) for lane in sorted(lanes & detectors.keys()))


def _missing(detector: Detector, counts: DetectorCounts) -> Iterator[DetectorFault]:
    for first, last in _runs(np.isnan(detector.count_veh)):
        yield _fault(_Suspect(detector, "missing", first, last, "reports nothing"), counts)


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
