"""What a controller knows of buses: reports as GTFS-Realtime carries them, old and a little wrong.

Each bus reports its position every few seconds, and the report reaches the controller some seconds later. The position
has an error along the way that drifts as a receiver's does (Gauss-Markov; see `feeds_positions`). With it come what
the bus's own computer knows: whether it stands at a stop, who is aboard, and how late it left its last stop. The rest
is map and timetable: which stop lines and stops lie ahead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

import libsumo
import numpy as np

from sumo_networks.priority_control import ReportQuality
from sumo_networks.trips import Demand

CORRELATION_S: Final = 30.0
LOOK_AHEAD_M: Final = 800.0


@dataclass(frozen=True)
class LineAhead:
    """A stop line on the way: the controller, the link index of the bus's movement, how far it is, as reported, and how
    fast a bus drives there where nothing holds it up."""

    tls: str
    link: int
    distance_m: float
    free_speed_m_s: float


@dataclass(frozen=True)
class StopAhead:
    """A stop still to be served: how far it is, as reported; the dwell that is planned; since when the bus stands
    there, None where it does not."""

    stop: str
    distance_m: float
    planned_dwell_s: float
    since_s: float | None


@dataclass(frozen=True)
class Report:
    """A bus at `measured_s`. `late_s` is None where no timetable tells; `last_stop` names the stop that it left last,
    `last_dwell_s` how long it stood there."""

    bus: str
    line: str
    measured_s: int
    load_pax: float
    late_s: float | None
    lines_ahead: tuple[LineAhead, ...]
    stops_ahead: tuple[StopAhead, ...]
    last_stop: str = ""
    last_dwell_s: float = 0.0


@dataclass
class _Streets:
    """What a map tells of the way to a stop line, looked up once."""

    _edges: dict[str, tuple[float, float]] = field(default_factory=dict)
    _approaches: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def free_speed_m_s(self, bus: str, tls: str, link: int) -> float:
        """Mean speed of a bus from the beginning of its edge to a stop line on its route, at the limits on the way."""
        if tls not in self._approaches:
            links = libsumo.trafficlight.getControlledLinks(tls)
            self._approaches[tls] = tuple(way[0][0].rpartition("_")[0] if way else "" for way in links)
        approach = self._approaches[tls][link]
        most_m_s, length_m, time_s = libsumo.vehicle.getMaxSpeed(bus), 0.0, 0.0
        for edge in libsumo.vehicle.getRoute(bus)[max(0, libsumo.vehicle.getRouteIndex(bus)) :]:
            edge_m, limit_m_s = self._edges.get(edge) or self._looked_up(edge)
            length_m, time_s = length_m + edge_m, time_s + edge_m / min(limit_m_s, most_m_s)
            if edge == approach:
                break
        return length_m / time_s if time_s > 0 else most_m_s

    def _looked_up(self, edge: str) -> tuple[float, float]:
        """Length of an edge, and the limit of its fastest lane."""
        lanes = [f"{edge}_{number}" for number in range(libsumo.edge.getLaneNumber(edge))]
        self._edges[edge] = libsumo.lane.getLength(lanes[0]), max(map(libsumo.lane.getMaxSpeed, lanes))
        return self._edges[edge]


@dataclass
class _Receiver:
    """One bus's receiver: its own random numbers, its present error, the second within the interval it reports at."""

    random: np.random.Generator
    error_m: float
    phase_s: int


@dataclass
class BusReports:
    """The reports of all buses of a running simulation, handed out when they reach the controller.

    `bus_load_pax` stands for the people aboard where the scenario carries no riders (None: it does, count them)."""

    demand: Demand
    quality: ReportQuality
    seed: int
    bus_load_pax: float | None = None
    _receivers: dict[str, _Receiver] = field(default_factory=dict)
    _cars: set[str] = field(default_factory=set)
    _under_way: list[Report] = field(default_factory=list)
    _streets: _Streets = field(default_factory=_Streets)

    def at(self, time_s: int) -> list[Report]:
        """Measures what is due now and returns what arrives now, by bus."""
        for bus, line in self._buses():
            receiver = self._receivers.get(bus) or self._new(bus)
            if (time_s - receiver.phase_s) % self.quality.interval_s == 0:
                self._drift(receiver)
                self._under_way.append(self._measured(bus, line, time_s, receiver.error_m))
        known = [report for report in self._under_way if report.measured_s + self.quality.delay_s <= time_s]
        self._under_way = [r for r in self._under_way if r.measured_s + self.quality.delay_s > time_s]
        return sorted(known, key=lambda report: report.bus)

    def _buses(self) -> Iterator[tuple[str, str]]:
        for vehicle in libsumo.vehicle.getIDList():
            if vehicle in self._cars:
                continue
            line = self.demand.line(vehicle)
            if line is None:
                self._cars.add(vehicle)
            else:
                yield vehicle, line

    def _new(self, bus: str) -> _Receiver:
        number = crc32(bus.encode())
        random = np.random.default_rng([self.seed, number])
        receiver = _Receiver(random, self.quality.noise_m * random.standard_normal(), number % self.quality.interval_s)
        self._receivers[bus] = receiver
        return receiver

    def _drift(self, receiver: _Receiver) -> None:
        keep = math.exp(-self.quality.interval_s / CORRELATION_S)
        fresh_m = self.quality.noise_m * math.sqrt(1 - keep * keep)
        receiver.error_m = keep * receiver.error_m + fresh_m * receiver.random.standard_normal()

    def _measured(self, bus: str, line: str, time_s: int, error_m: float) -> Report:
        vehicle = libsumo.vehicle
        lines_ahead = tuple(
            LineAhead(tls, link, distance_m - error_m, self._streets.free_speed_m_s(bus, tls, link))
            for tls, link, distance_m, _ in vehicle.getNextTLS(bus)
            if distance_m <= LOOK_AHEAD_M
        )
        past = vehicle.getStops(bus, -1)
        late_s, last_stop, last_dwell_s = None, "", 0.0
        if past:
            last_stop, last_dwell_s = past[-1].stoppingPlaceID, max(0.0, past[-1].depart - past[-1].arrival)
            late_s = past[-1].depart - past[-1].until if past[-1].until > 0 else None
        return Report(
            bus=bus,
            line=line,
            measured_s=time_s,
            load_pax=float(vehicle.getPersonNumber(bus)) if self.bus_load_pax is None else self.bus_load_pax,
            late_s=late_s,
            lines_ahead=lines_ahead,
            stops_ahead=tuple(_stops_ahead(bus, error_m)) if lines_ahead else (),
            last_stop=last_stop,
            last_dwell_s=last_dwell_s,
        )


def _stops_ahead(bus: str, error_m: float) -> Iterator[StopAhead]:
    standing = libsumo.vehicle.isStopped(bus)
    for number, stop in enumerate(libsumo.vehicle.getStops(bus, 3)):
        edge, _, lane = stop.lane.rpartition("_")
        if number == 0 and standing:
            distance_m = 0.0
        else:
            distance_m = libsumo.vehicle.getDrivingDistance(bus, edge, stop.endPos, int(lane))
            if not 0 <= distance_m <= LOOK_AHEAD_M:
                continue
        since_s = stop.arrival if number == 0 and standing else None
        # SUMO counts the duration down while the bus stands.
        stood_s = 0.0 if since_s is None else libsumo.simulation.getTime() - since_s
        yield StopAhead(stop.stoppingPlaceID, distance_m - error_m, max(0.0, stop.duration) + stood_s, since_s)
