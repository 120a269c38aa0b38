"""Detectors of signalled junctions: loops at stop lines and behind junctions, lane areas over the queues."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from sumo_networks.feeds_format import write_csv
from sumo_networks.feeds_net import FeedNet, RoadLane
from sumo_networks.sumo_xml import elements

DETECTOR_INTERVAL_S: Final = 300
DETECTOR_COLUMNS: Final = (
    "detector_id",
    "kind",
    "tls",
    "edge",
    "lane",
    "position_m",
    "interval_begin_s",
    "interval_end_s",
    "count_veh",
    "occupancy_pct",
    "jam_length_m_mean",
    "jam_length_m_max",
)

# A car that waits at the line stands on the entry loop; a car that turned in has settled on its lane at the exit loop.
_BEFORE_STOP_LINE_M: Final = 1.0
_BEHIND_JUNCTION_M: Final = 2.0


@dataclass(frozen=True)
class Detector:
    """A loop (`entry`, `exit`) or a lane area (`queue`) on one lane. `position_m` counts from the lane's start."""

    id: str
    kind: str
    tls: str
    lane: RoadLane
    position_m: float


def place_detectors(net: FeedNet) -> tuple[Detector, ...]:
    """Detectors at every controller: `entry` at the stop line and `queue` over each incoming lane, `exit` at the start
    of each lane for vehicles of every outgoing edge. Sorted by controller, kind and lane; ids are unique."""
    incoming: set[tuple[str, str, int]] = set()
    outgoing: set[tuple[str, str, int]] = set()
    for link in net.links:
        incoming.add((link.tls, link.from_edge, link.from_lane))
        outgoing |= {(link.tls, link.to_edge, lane.index) for lane in net.edges[link.to_edge] if lane.for_vehicles}
    found: list[Detector] = []
    for tls, edge, index in sorted(incoming):
        lane = net.edges[edge][index]
        stop_line_m = max(0.0, lane.length_m - _BEFORE_STOP_LINE_M)
        found.append(Detector(f"entry:{tls}:{lane.id}", "entry", tls, lane, stop_line_m))
        found.append(Detector(f"queue:{tls}:{lane.id}", "queue", tls, lane, 0.0))
    for tls, edge, index in sorted(outgoing):
        lane = net.edges[edge][index]
        found.append(Detector(f"exit:{tls}:{lane.id}", "exit", tls, lane, min(_BEHIND_JUNCTION_M, lane.length_m / 2)))
    return tuple(sorted(found, key=lambda detector: (detector.tls, detector.kind, detector.lane.id)))


def write_detectors(detectors: tuple[Detector, ...], path: Path, output: Path) -> None:
    """SUMO additional file with the detectors; all of them write into `output`."""
    lines = ["<additional>"]
    for number, detector in enumerate(detectors):
        where = f'id="{_id(number)}" lane={quoteattr(detector.lane.id)} pos="{detector.position_m:.2f}"'
        shared = f'period="{DETECTOR_INTERVAL_S}" file={quoteattr(str(output))}'
        if detector.kind == "queue":
            lines.append(
                f'<laneAreaDetector {where} endPos="{detector.lane.length_m:.2f}" friendlyPos="true" {shared}/>'
            )
        else:
            lines.append(f'<inductionLoop {where} friendlyPos="true" {shared}/>')
    lines.append("</additional>")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_detector_counts(detectors: tuple[Detector, ...], output: Path, path: Path) -> int:
    """Write detectors.csv from SUMO's detector output, by detector and interval; returns the number of rows.

    `count_veh` is what came on the loop (`entry`, `queue`) or passed it whole (`exit`) in the interval;
    `occupancy_pct` the share of time it was covered, of a lane area the mean share of its length; the jam lengths
    (m, lane areas only) are SUMO's meanMaxJamLengthInMeters and maxJamLengthInMeters."""
    if not detectors:
        # A net without signals: SUMO wrote no such file.
        return write_csv(path, DETECTOR_COLUMNS, ())
    known = {_id(number): detector for number, detector in enumerate(detectors)}
    rows = sorted(
        (row for element in elements(output, "interval") for row in _row(known, element)),
        key=lambda row: (row[0], row[6]),
    )
    return write_csv(path, DETECTOR_COLUMNS, rows)


def _id(number: int) -> str:
    return f"jasyl_feed_{number}"


def _second(text: str) -> int | float:
    """A time as SUMO wrote it: a period may begin within a second."""
    seconds = float(text)
    return int(seconds) if seconds.is_integer() else seconds


def _row(known: dict[str, Detector], interval: ET.Element) -> Iterator[tuple[str | int | float, ...]]:
    detector = known.get(interval.get("id", ""))
    if detector is None:
        return
    queue = detector.kind == "queue"
    yield (
        detector.id,
        detector.kind,
        detector.tls,
        detector.lane.edge,
        detector.lane.id,
        round(detector.position_m, 2),
        _second(interval.get("begin", "0")),
        _second(interval.get("end", "0")),
        # Who changes lane behind the junction touches two exit loops, but leaves one.
        int(interval.get("nVehContrib" if detector.kind == "exit" else "nVehEntered", "0")),
        round(float(interval.get("meanOccupancy" if queue else "occupancy", "0")), 2),
        round(float(interval.get("meanMaxJamLengthInMeters", "0")), 1) if queue else "",
        round(float(interval.get("maxJamLengthInMeters", "0")), 1) if queue else "",
    )
