"""Plans that SUMO's own tools make, as additional files: what any comparison of retimings starts with."""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path

import sumo

from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Record, simulate, sumo_environment
from sumo_networks.sumo_xml import elements, opened

DRIVEN_SEED = 2000


@dataclass(frozen=True)
class ToolPlan:
    """The additional file that a tool wrote, and how long it took."""

    file: Path
    solve_s: float


@dataclass(frozen=True)
class ToolInput:
    """What the tools read: a net that holds the programs in use, and the routes that vehicles drove in one run."""

    net: Path
    routes: Path
    begin_s: float

    @classmethod
    def of(cls, scenario: Scenario, folder: Path) -> ToolInput:
        """Made in `folder` by one run of the scenario as it is."""
        folder.mkdir(parents=True, exist_ok=True)
        routes = folder / "driven.rou.xml"
        options = {"vehroute-output": str(routes), "vehroute-output.last-route": "true"}
        driven = replace(scenario, options=tuple(sorted((dict(scenario.options) | options).items())))
        simulate(driven, DRIVEN_SEED, folder / "driven", record=Record.TRIPS)
        return cls(_net_with_programs(scenario, folder / "in_use.net.xml"), routes, scenario.begin_s)


def tls_cycle_adaptation(given: ToolInput, folder: Path) -> ToolPlan:
    """Webster's cycles and splits by `tlsCycleAdaptation.py`."""
    out = folder / "cycle_adaptation.add.xml"
    options = ["-n", given.net, "-r", given.routes, "-b", f"{given.begin_s:g}", "-o", out]
    return ToolPlan(out, _run("tlsCycleAdaptation.py", options))


def tls_coordinator(given: ToolInput, folder: Path) -> ToolPlan:
    """Offsets for the programs in use by `tlsCoordinator.py`."""
    out = folder / "coordinator.add.xml"
    return ToolPlan(out, _run("tlsCoordinator.py", ["-n", given.net, "-r", given.routes, "-o", out]))


def _run(tool: str, options: list[str | Path]) -> float:
    command = [sys.executable, str(Path(sumo.SUMO_HOME) / "tools" / tool), *map(str, options)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=sumo_environment())
    if done.returncode:
        raise SystemExit(f"{tool} failed: {done.stderr.strip().splitlines()[-1:]}")
    return time.perf_counter() - begun


def _net_with_programs(scenario: Scenario, out: Path) -> Path:
    """A copy of the net whose programs are those of the additional files, where these have some: a tool that reads the
    net alone would retime programs that are not in use."""
    shipped: dict[str, ET.Element] = {}
    for file in scenario.additionals:
        shipped |= {
            program.get("id", ""): program for program in elements(file, "tlLogic") if program.find("phase") is not None
        }
    with opened(scenario.net) as stream:
        tree = ET.parse(stream)
    root = tree.getroot()
    for place, element in enumerate(list(root)):
        if element.tag == "tlLogic" and element.get("id", "") in shipped:
            root[place] = shipped[element.get("id", "")]
    tree.write(out, encoding="UTF-8", xml_declaration=True)
    return out
