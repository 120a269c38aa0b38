"""The stops a bus was to serve, from the demand: SUMO's outputs name only those it got to."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass

from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements, time_s
from sumo_networks.trips import VEHICLES, Demand


@dataclass(frozen=True)
class PlannedStop:
    """A busStop of a route or vehicle. `until_s` counts from the departure of the bus where `relative`."""

    stop: str
    until_s: float | None
    duration_s: float
    relative: bool

    def due_s(self, depart_s: float) -> float | None:
        """When the bus is to leave at the earliest, in seconds of the run; None where nothing says so."""
        if self.until_s is None:
            return None
        return self.until_s + (depart_s if self.relative else 0.0)


@dataclass(frozen=True)
class PlannedStops:
    """Planned stops by the id of a bus's vehicle or flow."""

    by_id: dict[str, tuple[PlannedStop, ...]]

    def of(self, vehicle: str) -> tuple[PlannedStop, ...]:
        """Stops of a vehicle as SUMO names it in its outputs; () for one that is not in the demand."""
        ident = vehicle
        while ident not in self.by_id:
            ident, dot, number = ident.rpartition(".")
            if not dot or not number.isdigit():
                return ()
        return self.by_id[ident]


def read_planned_stops(scenario: Scenario, demand: Demand) -> PlannedStops:
    """Stops of every bus of the demand: those of its route, whose times count from its departure, then its own."""
    routes: dict[str, tuple[PlannedStop, ...]] = {}
    found: dict[str, tuple[PlannedStop, ...]] = {}
    for path in (*scenario.additionals, *scenario.routes):
        for element in elements(path, "route", *VEHICLES):
            ident = element.get("id", "")
            if element.tag == "route":
                routes[ident] = tuple(_stops(element, relative=True))
            elif ident in demand.lines:
                inner = element.find("route")
                on_route = routes.get(element.get("route", ""), ()) if inner is None else tuple(_stops(inner, True))
                found[ident] = (*on_route, *_own_stops(element))
    return PlannedStops(found)


def _own_stops(element: ET.Element) -> Iterator[PlannedStop]:
    for stop in _stops(element, relative=False):
        # The times of a flow's own stops are those of its first vehicle alone.
        yield stop if element.tag != "flow" else PlannedStop(stop.stop, None, stop.duration_s, False)


def _stops(element: ET.Element, relative: bool) -> Iterator[PlannedStop]:
    for stop in element.findall("stop"):
        until = stop.get("until")
        if stop.get("busStop"):
            yield PlannedStop(
                stop.get("busStop", ""),
                None if until is None else time_s(until),
                time_s(stop.get("duration", "0")),
                relative,
            )
