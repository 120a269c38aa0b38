"""More or less traffic without more or fewer buses: a timetable does not grow with demand.

SUMO's --scale drops or doubles vehicles of every kind, times the attribute `scale` of their type. So buses get a copy
of their type that undoes the factor.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements
from sumo_networks.trips import VEHICLES, Demand, copy_demand

_SUFFIX: Final = "_by_timetable"
_DEFAULT_TYPE: Final = "DEFAULT_VEHTYPE"


@dataclass
class _Types:
    """Vehicle types and distributions of the scenario by id, and the copies made so far."""

    defined: dict[str, ET.Element]
    factor: float
    copies: dict[str, ET.Element] = field(default_factory=dict)

    def copy_of(self, name: str) -> str:
        """Id of the copy of a type, or distribution of types, whose number the factor does not change."""
        copied = name + _SUFFIX
        if copied in self.copies:
            return copied
        element = deepcopy(self.defined.get(name, ET.Element("vType")))
        element.set("id", copied)
        if element.tag == "vTypeDistribution":
            members = [self.copy_of(member) for member in element.get("vTypes", "").split()]
            if members:
                element.set("vTypes", " ".join(members))
            for inner in element.iter("vType"):
                inner.set("id", inner.get("id", "") + _SUFFIX)
                self._undo(inner)
        else:
            self._undo(element)
        self.copies[copied] = element
        return copied

    def _undo(self, vehicle_type: ET.Element) -> None:
        vehicle_type.set("scale", f"{float(vehicle_type.get('scale', '1')) / self.factor:.9f}")


def keep_timetable(scenario: Scenario, demand: Demand, factor: float, folder: Path) -> Scenario:
    """The scenario with copies of its route files, in `folder`, that a run at --scale `factor` leaves the buses of.

    The scenario itself where the factor is 1 or there are no buses. Buses in additional files are scaled like the rest.
    Raises ScenarioError where a file is truncated."""
    if factor == 1.0 or not demand.lines:
        return scenario
    folder.mkdir(parents=True, exist_ok=True)
    types = _Types(_defined_types(scenario), factor)

    def unscaled(element: ET.Element) -> bool:
        if element.tag in VEHICLES and element.get("id", "") in demand.lines:
            element.set("type", types.copy_of(element.get("type", _DEFAULT_TYPE)))
        return True

    routes = tuple(
        copy_demand(file, folder / f"routes_{index}.rou.xml", unscaled) for index, file in enumerate(scenario.routes)
    )
    additional = ET.Element("additional")
    additional.extend(types.copies.values())
    file = folder / "timetable_types.add.xml"
    ET.ElementTree(additional).write(file, encoding="utf-8", xml_declaration=True)
    return replace(scenario, routes=routes, additionals=(*scenario.additionals, file))


def _defined_types(scenario: Scenario) -> dict[str, ET.Element]:
    found: dict[str, ET.Element] = {}
    for file in scenario.additionals + scenario.routes:
        for element in elements(file, "vType", "vTypeDistribution"):
            found[element.get("id", "")] = element
            found.update((inner.get("id", ""), inner) for inner in element.iter("vType"))
    return found
