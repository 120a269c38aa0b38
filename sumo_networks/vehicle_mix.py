"""The vehicles a scenario drives with: their types and how often each is used. Routes are not looked at."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from typing import Final

from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements

DEFAULT_TYPE: Final = "DEFAULT_VEHTYPE"
_NO_CARS: Final = frozenset(
    {
        "bus",
        "coach",
        "tram",
        "rail",
        "rail_urban",
        "rail_electric",
        "rail_fast",
        "subway",
        "cable_car",
        "ship",
        "pedestrian",
        "wheelchair",
        "bicycle",
        "scooter",
        "container",
        "aircraft",
        "drone",
    }
)


@dataclass(frozen=True)
class VehicleMix:
    """`definitions` are the vType and vTypeDistribution elements as XML; `shares` say how many of the vehicles that
    run among cars have each type (or distribution), most frequent first, summing to 1."""

    definitions: tuple[str, ...]
    shares: tuple[tuple[str, float], ...]


def read_vehicle_mix(scenario: Scenario) -> VehicleMix:
    """Types of the scenario's vehicles other than buses, trams, bicycles and people on foot.

    Vehicles without a type count as SUMO's default car; so does a scenario without any. Raises ScenarioError for a
    truncated file."""
    definitions: dict[str, str] = {}
    used: Counter[str] = Counter()
    excluded: set[str] = set()
    for path in (*scenario.additionals, *scenario.routes):
        for element in elements(path, "vType", "vTypeDistribution", "vehicle", "trip", "flow"):
            if element.tag in {"vType", "vTypeDistribution"}:
                definitions.setdefault(element.attrib["id"], ET.tostring(element, encoding="unicode").strip())
                if _classes(element) & _NO_CARS:
                    excluded.add(element.attrib["id"])
            else:
                used[element.get("type", DEFAULT_TYPE)] += 1
    cars = {name: count for name, count in used.items() if name not in excluded}
    cars = {name: count for name, count in cars.items() if name in definitions or name == DEFAULT_TYPE}
    total = sum(cars.values())
    shares = [(name, count / total) for name, count in sorted(cars.items(), key=lambda item: (-item[1], item[0]))]
    kept = tuple(text for name, text in definitions.items() if name not in excluded)
    return VehicleMix(kept, tuple(shares) or ((DEFAULT_TYPE, 1.0),))


def _classes(element: ET.Element) -> set[str]:
    types = [element] if element.tag == "vType" else list(element.iter("vType"))
    return {one.get("vClass", "passenger") for one in types}
