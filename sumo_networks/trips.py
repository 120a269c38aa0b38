"""Who drives in a scenario, as its route files say: which vehicles are buses of which line, and where trips begin."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements, inlined, resolve_inputs, time_s, time_text

VEHICLES: Final = ("vehicle", "trip", "flow")
PERSONS: Final = ("person", "personFlow", "container", "containerFlow")
_NUMBERED: Final = re.compile(r"[._#:-]\d+$")


@dataclass(frozen=True)
class Demand:
    """`lines`: line name of every bus, by the id of its vehicle or flow. `origins`: first edge of every vehicle or
    flow, where its route or `from` names one. `ways`: edges that the buses of each line drive on, by line."""

    lines: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    ways: dict[str, set[str]] = field(default_factory=dict)

    def line(self, vehicle: str) -> str | None:
        """Line of a vehicle as SUMO names it in its outputs; None where it is no bus."""
        return _of_vehicle(self.lines, vehicle)

    def origin(self, vehicle: str) -> str | None:
        """First edge of a vehicle as SUMO names it in its outputs; None where the demand does not tell."""
        return _of_vehicle(self.origins, vehicle)


def _of_vehicle(values: dict[str, str], vehicle: str) -> str | None:
    # A vehicle of a flow is "flow.number"; a copy that --scale makes is "vehicle.number" (of a flow both).
    for _ in range(3):
        if vehicle in values:
            return values[vehicle]
        vehicle, dot, number = vehicle.rpartition(".")
        if not dot or not number.isdigit():
            return None
    return None


@dataclass
class _Routes:
    """First edge, and whether buses stop on it, of every named route; all edges of those that are no distribution."""

    origins: dict[str, str] = field(default_factory=dict)
    edges: dict[str, list[str]] = field(default_factory=dict)
    with_bus_stops: set[str] = field(default_factory=set)


def read_demand(scenario: Scenario) -> Demand:
    """Buses and origins of all vehicles in the scenario's route and additional files.

    A bus is a vehicle with a busStop among the stops of its own or of its route. Its line is its attribute `line`, else
    the id of its route where other files name it, else its own id without the number at its end.
    Raises ScenarioError where a file is truncated."""
    routes, demand = _Routes(), Demand()
    for file in scenario.additionals + scenario.routes:
        for element in elements(file, "route", "routeDistribution", *VEHICLES):
            if element.tag in VEHICLES:
                _add_vehicle(element, routes, demand)
                continue
            for route in [element] if element.tag == "route" else list(element.iter("route")):
                _add_route(route, routes)
            if element.tag == "routeDistribution":
                _add_distribution(element, routes)
    return demand


def _add_route(route: ET.Element, routes: _Routes) -> None:
    name = route.get("id", "")
    edges = route.get("edges", "").split()
    if name and edges:
        routes.origins[name] = edges[0]
        routes.edges[name] = edges
    if name and _has_bus_stop(route):
        routes.with_bus_stops.add(name)


def _add_distribution(distribution: ET.Element, routes: _Routes) -> None:
    members = [route.get("id") or route.get("refId") or "" for route in distribution.iter("route")]
    members += distribution.get("routes", "").split()
    name = distribution.get("id", "")
    origins = {routes.origins[member] for member in members if member in routes.origins}
    if len(origins) == 1:
        routes.origins[name] = origins.pop()
    if any(member in routes.with_bus_stops for member in members):
        routes.with_bus_stops.add(name)


def _has_bus_stop(element: ET.Element) -> bool:
    return any(stop.get("busStop") for stop in element.iter("stop"))


def _add_vehicle(element: ET.Element, routes: _Routes, demand: Demand) -> None:
    name, route_name = element.get("id", ""), element.get("route", "")
    inner = element.find("route")
    edges = inner.get("edges", "").split() if inner is not None else []
    origin = edges[0] if edges else element.get("from") or routes.origins.get(route_name)
    if origin:
        demand.origins[name] = origin
    if _has_bus_stop(element) or route_name in routes.with_bus_stops:
        line = element.get("line") or route_name or _NUMBERED.sub("", name)
        demand.lines[name] = line
        demand.ways.setdefault(line, set()).update(edges or routes.edges.get(route_name, []))


def within_period(scenario: Scenario, folder: Path) -> Scenario:
    """The scenario with copies of its demand, in `folder`, that hold nothing that departs at its end or later.

    So a run beyond the end only lets those leave who were due before it. A flow that goes on past the end is cut there,
    its number cut in proportion. Raises ScenarioError where a file is truncated."""
    folder.mkdir(parents=True, exist_ok=True)
    routes = tuple(
        _cut(file, folder / f"routes_{index}.rou.xml", scenario.end_s) for index, file in enumerate(scenario.routes)
    )
    additionals = tuple(
        _cut_additional(file, folder / f"additional_{index}.add.xml", scenario.end_s)
        for index, file in enumerate(scenario.additionals)
    )
    return replace(scenario, routes=routes, additionals=additionals)


def _cut(file: Path, copy: Path, end_s: float) -> Path:
    return copy_demand(file, copy, lambda element: _due(element, end_s))


def copy_demand(file: Path, copy: Path, kept: Callable[[ET.Element], bool]) -> Path:
    """A copy of a route file with the elements that `kept`, which may change them, is true of; memory stays small."""
    with copy.open("w", encoding="utf-8") as out:
        out.write("<routes>\n")
        for element in elements(file):
            if element.tag not in VEHICLES + PERSONS or kept(element):
                resolve_inputs(element, file.parent)
                out.write(ET.tostring(element, encoding="unicode").strip() + "\n")
        out.write("</routes>\n")
    return copy


def _cut_additional(file: Path, copy: Path, end_s: float) -> Path:
    """The file itself where it holds no demand, else a copy without what departs at the end or later."""
    if next(elements(file, *VEHICLES, *PERSONS), None) is None:
        return file
    root = inlined(file)
    for element in list(root):
        if element.tag in VEHICLES + PERSONS and not _due(element, end_s):
            root.remove(element)
    ET.ElementTree(root).write(copy, encoding="utf-8", xml_declaration=True)
    return copy


def _due(element: ET.Element, end_s: float) -> bool:
    """Whether any of it departs before the end; cuts a flow at the end."""
    if "flow" in element.tag.lower():
        begin = _time(element.get("begin", "0"))
        until = _time(element.get("end", ""))
        if begin is None:
            return True
        if begin >= end_s:
            return False
        if until is None or until > end_s:
            number = element.get("number")
            if number is not None and until is not None:
                element.set("number", str(max(1, round(int(number) * (end_s - begin) / (until - begin)))))
            element.set("end", time_text(end_s))
        return True
    depart = _time(element.get("depart", ""))
    return depart is None or depart < end_s


def _time(text: str) -> float | None:
    """None for words such as "triggered", and for nothing."""
    try:
        return time_s(text)
    except ValueError:
        return None
