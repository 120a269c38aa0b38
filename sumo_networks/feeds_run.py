"""The one run that is recorded, and what SUMO says of it: buses with their stops, riders, turning vehicles."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sumo_networks.feeds_detectors import DETECTOR_INTERVAL_S, Detector, write_detectors
from sumo_networks.feeds_net import FeedNet
from sumo_networks.feeds_planned import PlannedStop, read_planned_stops
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Record, simulate
from sumo_networks.sumo_xml import elements, time_s
from sumo_networks.trips import VEHICLES, Demand, read_demand

# Longer lists of bus ids than this do not go on a command line: then every vehicle is tracked and the buses picked out.
LONGEST_ARGUMENT: Final = 100_000


@dataclass(frozen=True)
class BusStopVisit:
    """A stop a bus was to serve. `started_s`, `ended_s` are None where it did not get there or had not left."""

    stop: str
    until_s: float | None
    duration_s: float
    started_s: float | None
    ended_s: float | None


@dataclass(frozen=True)
class Bus:
    """A vehicle with public stops, as it ran."""

    id: str
    line: str
    depart_s: float
    edges: tuple[str, ...]
    visits: tuple[BusStopVisit, ...]


@dataclass(frozen=True)
class Ride:
    """A ride of one person in a bus, from visit to visit of it; the alighting is None for who is still aboard."""

    person: str
    bus: str
    boarding_visit: int
    boarded_s: float
    alighting_visit: int | None
    alighted_s: float | None


@dataclass(frozen=True)
class Recording:
    """What one run left: buses by id, rides in order of boarding, crossings of stop lines as
    (from edge, to edge, begin of interval) → vehicles."""

    buses: dict[str, Bus]
    rides: tuple[Ride, ...]
    crossings: Counter[tuple[str, str, int]]
    positions: Path
    detectors: Path


def run_scenario(
    scenario: Scenario, net: FeedNet, detectors: tuple[Detector, ...], folder: Path, seed: int, gps_interval_s: int
) -> Recording:
    """Run the scenario once in `folder`, with the detectors, and read what SUMO wrote there.

    Raises SimulationError, ScenarioError."""
    positions, routes = folder / "fcd.xml", folder / "vehroutes.xml"
    options = {
        "vehroute-output": str(routes),
        "vehroute-output.exit-times": "true",
        "vehroute-output.write-unfinished": "true",
        "fcd-output": str(positions),
        "fcd-output.attributes": "x,y,speed,angle",
        "fcd-output.skip-empty": "true",
        "device.fcd.period": str(gps_interval_s),
        "person-device.fcd.probability": "0",
    }
    demand = read_demand(scenario)
    ids = ",".join(bus_ids(scenario, demand))
    if 0 < len(ids) < LONGEST_ARGUMENT:
        options["device.fcd.explicit"] = ids
    elif not ids:
        options["device.fcd.probability"] = "0"
    counts = folder / "detectors.xml"
    write_detectors(detectors, folder / "feed_detectors.add.xml", counts)
    recorded = replace(
        scenario,
        options=tuple(sorted((dict(scenario.options) | options).items())),
        additionals=(*scenario.additionals, folder / "feed_detectors.add.xml"),
    )
    simulate(recorded, seed, folder, record=Record.TRIPS)
    buses, crossings = _read_vehicles(routes, net, scenario, demand)
    return Recording(buses, _read_rides(routes, buses), crossings, positions, counts)


def bus_ids(scenario: Scenario, demand: Demand) -> list[str]:
    """Ids the scenario's buses may have; of a flow as many as it can send, one a second where its headway is random."""
    return [
        ident
        for path in (*scenario.additionals, *scenario.routes)
        for element in elements(path, *VEHICLES)
        if element.get("id", "") in demand.lines
        for ident in _vehicle_ids(element, scenario)
    ]


def _vehicle_ids(element: ET.Element, scenario: Scenario) -> Iterator[str]:
    ident = element.get("id", "")
    if element.tag != "flow":
        yield ident
        return
    span_s = min(time_s(element.get("end", str(scenario.end_s))), scenario.end_s) - time_s(element.get("begin", "0"))
    number = element.get("number")
    period = element.get("period") or element.get("freq")
    if number is not None:
        count = int(number)
    elif period is not None and period.replace(".", "", 1).isdigit() and float(period) > 0:
        count = math.ceil(span_s / float(period)) + 1
    elif element.get("vehsPerHour") is not None:
        count = math.ceil(span_s * float(element.get("vehsPerHour", "0")) / 3600) + 1
    else:
        count = math.ceil(span_s) + 1
    yield from (f"{ident}.{number}" for number in range(max(0, math.ceil(count * max(1.0, scenario.demand_scale)))))


def _read_vehicles(
    routes: Path, net: FeedNet, scenario: Scenario, demand: Demand
) -> tuple[dict[str, Bus], Counter[tuple[str, str, int]]]:
    signalled = {(link.from_edge, link.to_edge) for link in net.links}
    planned = read_planned_stops(scenario, demand)
    buses: dict[str, Bus] = {}
    crossings: Counter[tuple[str, str, int]] = Counter()
    for element in elements(routes, "vehicle"):
        # of who was rerouted all routes are told, the one driven last; asked for that one alone (last-route), SUMO 1.28
        # fails on vehicles that a rerouter sends round and round
        told = list(element.iter("route"))
        if not told:
            continue
        route = told[-1]
        edges = tuple(route.get("edges", "").split())
        left = [float(text) for text in route.get("exitTimes", "").split()]
        for from_edge, to_edge, left_s in zip(edges, edges[1:], left, strict=False):
            if (from_edge, to_edge) in signalled and scenario.begin_s <= left_s < scenario.end_s:
                since = int((left_s - scenario.begin_s) // DETECTOR_INTERVAL_S) * DETECTOR_INTERVAL_S
                crossings[from_edge, to_edge, round(scenario.begin_s) + since] += 1
        ident = element.get("id", "")
        line = demand.line(ident)
        if line is not None:
            depart_s = float(element.get("depart", "0"))
            made = tuple(_visit(stop) for stop in element.iter("stop") if stop.get("busStop"))
            buses[ident] = Bus(ident, line, depart_s, edges, made + _still_to_make(made, planned.of(ident), depart_s))
    return dict(sorted(buses.items())), crossings


def _still_to_make(
    made: tuple[BusStopVisit, ...], planned: tuple[PlannedStop, ...], depart_s: float
) -> tuple[BusStopVisit, ...]:
    """The planned stops behind those made; none where the bus went another way than planned."""
    if [visit.stop for visit in made] != [stop.stop for stop in planned[: len(made)]]:
        return ()
    return tuple(
        BusStopVisit(stop.stop, stop.due_s(depart_s), stop.duration_s, None, None) for stop in planned[len(made) :]
    )


def _visit(stop: ET.Element) -> BusStopVisit:
    return BusStopVisit(
        stop.get("busStop", ""),
        _time(stop.get("until")),
        _time(stop.get("duration")) or 0.0,
        _time(stop.get("started")),
        _time(stop.get("ended")),
    )


def _time(text: str | None) -> float | None:
    seconds = -1.0 if text is None else float(text)
    return None if seconds < 0 else seconds


def _read_rides(routes: Path, buses: dict[str, Bus]) -> tuple[Ride, ...]:
    rides: list[Ride] = []
    for person in elements(routes, "person"):
        for ride in person.iter("ride"):
            bus = buses.get(ride.get("vehicle", ""))
            boarded_s, alighted_s = _time(ride.get("started")), _time(ride.get("ended"))
            if bus is None or boarded_s is None:
                continue
            boarding = _visit_at(bus, boarded_s)
            alighting = None if alighted_s is None else _visit_at(bus, alighted_s)
            # Who rides from the depot on, or is set down between stops, used no stop: no public ride.
            if boarding is None or (alighted_s is not None and alighting is None):
                continue
            rides.append(Ride(person.get("id", ""), bus.id, boarding, boarded_s, alighting, alighted_s))
    return tuple(sorted(rides, key=lambda ride: (ride.boarded_s, ride.bus, ride.person)))


def _visit_at(bus: Bus, moment_s: float) -> int | None:
    """The visit under way at a moment: the last one that had begun."""
    begun = [
        number for number, visit in enumerate(bus.visits) if visit.started_s is not None and visit.started_s <= moment_s
    ]
    return begun[-1] if begun else None
