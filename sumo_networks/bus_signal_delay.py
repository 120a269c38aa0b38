"""The delay that buses meet at signals: from 200 m before a stop line until they cross it, without stops.

Delay of a crossing = time from the entry into the zone to the stop line, less the time that the way takes at free flow,
less the time the bus stood at its stops there. The zone is 200 m of the bus's own way, or what lies between the stop
line and the one before. Free flow is the limit of each lane, or the fastest that the bus ever went where it is slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from sumo_networks.approaches import Approaches, ApproachKey
from sumo_networks.feeds_run import LONGEST_ARGUMENT, bus_ids
from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements
from sumo_networks.trips import Demand, read_demand

ZONE_M: Final = 200.0
POSITIONS: Final = "bus_positions.xml"
SLOWEST_FREE_FLOW_M_S: Final = 1.0


@dataclass(frozen=True)
class BusAt:
    """A bus at one instant: on which lane, how far along it, how fast, and how far it has come in all."""

    at_s: float
    lane: str
    on_lane_m: float
    speed_m_s: float
    odometer_m: float


@dataclass(frozen=True)
class Crossing:
    """A bus that came to a stop line: its delay there in s, without stops; `crossed_s` is None where it still waits."""

    bus: str
    line: str
    approach: ApproachKey
    crossed_s: float | None
    delay_s: float


def recording_buses(scenario: Scenario) -> Scenario:
    """The scenario with every second of its buses written to POSITIONS in the folder of each run."""
    options = {
        "fcd-output": POSITIONS,
        "fcd-output.attributes": "lane,pos,speed,odometer",
        "fcd-output.skip-empty": "true",
        "device.fcd.period": "1",
        "person-device.fcd.probability": "0",
    }
    ids = ",".join(bus_ids(scenario, read_demand(scenario)))
    if len(ids) < LONGEST_ARGUMENT:
        options |= {"device.fcd.probability": "0", "device.fcd.explicit": ids}
    return replace(scenario, options=tuple(sorted((dict(scenario.options) | options).items())))


def bus_crossings(
    positions: Path, stops: Path, demand: Demand, approaches: Approaches, speeds_m_s: Mapping[str, float]
) -> list[Crossing]:
    """Every crossing of a stop line by a bus, by bus and time, from a run's positions and its stop-output.

    `speeds_m_s`: the limit of each lane. Raises ScenarioError where an output is missing or truncated."""
    tracks = _tracks(positions, demand)
    stood = _stood(stops)
    found: list[Crossing] = []
    for bus, track in sorted(tracks.items()):
        line = demand.line(bus) or bus
        fastest = max(at.speed_m_s for at in track)
        zone_from_m = track[0].odometer_m
        for last, after in _at_stop_lines(track, approaches):
            key = approaches.of_edge[_edge(last.lane)]
            ends_s, ends_m = _stop_line(last, after, approaches, key)
            entry_m = max(zone_from_m, ends_m - ZONE_M)
            inside = [at for at in track if entry_m <= at.odometer_m <= ends_m and at.at_s <= ends_s]
            if not inside:
                continue
            free_s = _free_flow_s(inside, entry_m, ends_m, fastest, speeds_m_s)
            begins_s = inside[0].at_s
            delay_s = ends_s - begins_s - free_s - _overlap_s(stood.get(bus, ()), begins_s, ends_s)
            found.append(Crossing(bus, line, key, None if after is None else ends_s, max(0.0, delay_s)))
            zone_from_m = ends_m
    return found


def _tracks(positions: Path, demand: Demand) -> dict[str, list[BusAt]]:
    tracks: dict[str, list[BusAt]] = {}
    for step in elements(positions, "timestep"):
        at_s = float(step.get("time", "0"))
        for vehicle in step.iter("vehicle"):
            bus = vehicle.get("id", "")
            if demand.line(bus) is None:
                continue
            tracks.setdefault(bus, []).append(
                BusAt(
                    at_s,
                    vehicle.get("lane", ""),
                    float(vehicle.get("pos", "0")),
                    float(vehicle.get("speed", "0")),
                    float(vehicle.get("odometer", "0")),
                )
            )
    return tracks


def _stood(stops: Path) -> dict[str, list[tuple[float, float]]]:
    """By bus, from when to when it stood at each stop; a stop that it has not left lasts for ever."""
    stood: dict[str, list[tuple[float, float]]] = {}
    for stop in elements(stops, "stopinfo"):
        begun_s, left_s = float(stop.get("started", "-1")), float(stop.get("ended", "-1"))
        if begun_s >= 0:
            stood.setdefault(stop.get("id", ""), []).append((begun_s, left_s if left_s >= 0 else float("inf")))
    return stood


def _at_stop_lines(track: Sequence[BusAt], approaches: Approaches) -> Iterator[tuple[BusAt, BusAt | None]]:
    """The last instant before each stop line with the first after it; nothing after where the record ends before it."""
    for at, after in pairwise(track):
        if _before_line(at, approaches) and _edge(after.lane) != _edge(at.lane):
            yield at, after
    if _before_line(track[-1], approaches):
        yield track[-1], None


def _before_line(at: BusAt, approaches: Approaches) -> bool:
    key = approaches.of_edge.get(_edge(at.lane))
    return key is not None and key.edge == _edge(at.lane)


def _stop_line(last: BusAt, after: BusAt | None, approaches: Approaches, key: ApproachKey) -> tuple[float, float]:
    """When the bus crossed and the odometer there; of one that still waits the instant and place it was last seen."""
    if after is None:
        return last.at_s, last.odometer_m
    lengths = dict(approaches.lanes.get(key, ()))
    left_m = max(0.0, lengths.get(last.lane, last.on_lane_m) - last.on_lane_m)
    step_m = after.odometer_m - last.odometer_m
    share = min(1.0, left_m / step_m) if step_m > 0 else 1.0
    return last.at_s + share * (after.at_s - last.at_s), last.odometer_m + min(left_m, step_m)


def _free_flow_s(
    inside: Sequence[BusAt], entry_m: float, ends_m: float, fastest_m_s: float, speeds_m_s: Mapping[str, float]
) -> float:
    """Time from the first instant inside to the stop line at free flow."""
    free_s = 0.0
    for at, end_m in zip(inside, [*(later.odometer_m for later in inside[1:]), ends_m], strict=True):
        limit_m_s = min(speeds_m_s.get(at.lane, fastest_m_s), fastest_m_s)
        free_s += max(0.0, end_m - max(at.odometer_m, entry_m)) / max(SLOWEST_FREE_FLOW_M_S, limit_m_s)
    return free_s


def _overlap_s(stood: Sequence[tuple[float, float]], begin_s: float, end_s: float) -> float:
    return sum(max(0.0, min(until_s, end_s) - max(since_s, begin_s)) for since_s, until_s in stood)


def _edge(lane: str) -> str:
    return lane.rpartition("_")[0]
