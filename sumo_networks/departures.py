"""Buses that depart some seconds off their timetable, otherwise with each seed: no verdict hangs on a second of it.

A bus that runs every 300 s to the second meets a fixed cycle at the same few moments each time. At which, is luck; in
the street a bus counts as on time from 1 minute early to 5 minutes late (TCQSM, 3rd edition, chapter 5).
"""

from __future__ import annotations

import hashlib
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements, time_s, time_text
from sumo_networks.trips import VEHICLES, Demand, copy_demand

# A third of what counts as on time, and enough that a bus may come at any second of the usual cycles.
SPREAD_S: Final = 120
_STOP_TIMES: Final = ("until", "arrival", "started", "ended")
_OF_FLOWS: Final = ("begin", "end", "number", "period", "vehsPerHour", "perHour")


@dataclass(frozen=True)
class Bus:
    """A vehicle or trip of a route file, and when it is due to depart."""

    due_s: float
    element: ET.Element


@dataclass(frozen=True)
class Departures:
    """The buses of a scenario that stand in no route file of it: a run of each seed lets them depart at other times."""

    buses: tuple[Bus, ...]

    def write(self, seed: int, path: Path) -> None:
        """A route file with all buses, each 0 to 119 s after it is due, in the order in which they depart."""
        later_s = np.random.default_rng([SPREAD_S, seed]).integers(SPREAD_S, size=len(self.buses)).tolist()
        order = sorted(range(len(self.buses)), key=lambda k: (self.buses[k].due_s + later_s[k], k))
        with path.open("w", encoding="utf-8") as out:
            out.write("<routes>\n")
            out.writelines(f"{_text(_later(self.buses[k], later_s[k]))}\n" for k in order)
            out.write("</routes>\n")

    @cached_property
    def digest(self) -> str:
        """Hash of all that `write` makes of a seed."""
        told = "\n".join([str(SPREAD_S), *(f"{bus.due_s} {_text(bus.element)}" for bus in self.buses)])
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class BusService:
    """A scenario whose buses depart otherwise in each run, by its seed."""

    scenario: Scenario
    departures: Departures


def timetabled(scenario: Scenario, demand: Demand, folder: Path) -> BusService:
    """The buses taken out of the scenario, into copies of its route files in `folder`.

    A flow of buses at even intervals becomes its buses, under the ids that SUMO gives them. Flows at random intervals
    and buses in additional files stay in the scenario, and so do files without buses.
    Raises ScenarioError where a file is truncated."""
    buses: list[Bus] = []

    def stays(element: ET.Element) -> bool:
        if element.get("id", "") not in demand.lines:
            return True
        found = _buses(element, scenario)
        buses.extend(found)
        return not found

    routes = list(scenario.routes)
    for index, file in enumerate(routes):
        if any(element.get("id", "") in demand.lines for element in elements(file, *VEHICLES)):
            folder.mkdir(parents=True, exist_ok=True)
            routes[index] = copy_demand(file, folder / f"routes_{index}.rou.xml", stays)
    return BusService(replace(scenario, routes=tuple(routes)), Departures(tuple(buses)))


def _buses(element: ET.Element, scenario: Scenario) -> list[Bus]:
    """Each bus of a vehicle, trip or flow; none where its times are random, or told by no clock."""
    # A reader empties an element once it has gone on.
    element = deepcopy(element)
    try:
        if element.tag == "flow":
            return list(_of_flow(element, scenario))
        return [Bus(time_s(element.get("depart", "")), element)]
    except ValueError:
        return []


def _of_flow(flow: ET.Element, scenario: Scenario) -> Iterator[Bus]:
    """The buses of a flow up to the end of the scenario. Raises ValueError where it has no even intervals, or times at
    stops that are its first bus's alone."""
    if any(stop.get(name) for stop in flow.findall("stop") for name in _STOP_TIMES):
        raise ValueError("times at stops")
    begin_s = time_s(flow.get("begin", time_text(scenario.begin_s)))
    gap_s = _gap_s(flow, begin_s)
    end_s = min(scenario.end_s, time_s(flow.get("end", time_text(scenario.end_s))))
    most = int(flow.get("number", "0")) if flow.get("number") is not None else math.inf
    for number in count():
        due_s = begin_s + number * gap_s
        if number >= most or due_s >= end_s:
            return
        bus = deepcopy(flow)
        bus.tag = "trip" if flow.get("route") is None and flow.find("route") is None else "vehicle"
        bus.set("id", f"{flow.get('id')}.{number}")
        for name in _OF_FLOWS:
            bus.attrib.pop(name, None)
        yield Bus(due_s, bus)


def _gap_s(flow: ET.Element, begin_s: float) -> float:
    """Time between the buses of a flow. Raises ValueError where it is random or not told."""
    per_hour = flow.get("vehsPerHour", flow.get("perHour"))
    if flow.get("period") is not None:
        gap_s = time_s(flow.get("period", ""))
    elif per_hour is not None:
        gap_s = 3600.0 / max(float(per_hour), 1e-9)
    else:
        gap_s = (time_s(flow.get("end", "")) - begin_s) / max(int(flow.get("number", "")), 1)
    if gap_s <= 0:
        raise ValueError("no interval")
    return gap_s


def _later(bus: Bus, later_s: int) -> ET.Element:
    """The bus with its departure, and times at stops of its own, so much later (those of a named route go along)."""
    element = deepcopy(bus.element)
    element.set("depart", time_text(bus.due_s + later_s))
    for stop in element.findall("stop"):
        for name in _STOP_TIMES:
            if stop.get(name):
                stop.set(name, time_text(time_s(stop.get(name, "")) + later_s))
    return element


def _text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode").strip()
