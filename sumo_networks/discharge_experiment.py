"""What SUMO's own drivers do at a stop line: a queue that never ends, one lane, discharging over a node.

A tiny net is built with netconvert, one separate one-lane road a case; the scenario's car types queue before a signal
and leave over a way with the case's turning speed. The result is the prior that lanes of a real net are drawn towards.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

import numpy as np

from sumo_networks.discharge import Discharge, LaneGreen, measure_discharge
from sumo_networks.errors import SimulationError
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Record, simulate, sumo_binary, sumo_environment
from sumo_networks.sumo_xml import elements
from sumo_networks.vehicle_mix import VehicleMix

GREEN_S: Final = 30
AMBER_S: Final = 3
RED_S: Final = 27
CYCLES: Final = 12
DEMAND_VEH_H: Final = 1800.0
_ROAD_M: Final = 400.0
_EXIT_M: Final = 200.0
_BETWEEN_ROADS_M: Final = 100.0
_UNMEASURED: Final = Discharge(headway_s=2.0, start_up_loss_s=2.0, end_gain_s=0.0)


@dataclass(frozen=True, order=True)
class DischargeCase:
    """Speed limit before the stop line and on the way across the node, both m/s."""

    approach_m_s: float
    turn_m_s: float


def discharge_of_cases(
    cases: tuple[DischargeCase, ...],
    mix: VehicleMix,
    folder: Path,
    seed: int,
    options: tuple[tuple[str, str], ...] = (),
) -> dict[DischargeCase, Discharge]:
    """Discharge that SUMO shows in each case, measured over CYCLES saturated greens.

    Everything is written into `folder`. `options` are SUMO options that change how people drive (step length and the
    like). Raises SimulationError where netconvert or SUMO fails."""
    if not cases:
        return {}
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    net = _build_net(cases, folder)
    end_s = float(CYCLES * (GREEN_S + AMBER_S + RED_S))
    routes = _write_routes(len(cases), mix, folder / "queues.rou.xml", end_s, seed)
    programs, crossings = _write_signals(len(cases), folder)
    scenario = Scenario(
        name="discharge experiment",
        folder=folder,
        config=None,
        net=net,
        routes=(routes,),
        additionals=(programs,),
        begin_s=0.0,
        end_s=end_s,
        options=options,
    )
    simulate(scenario, seed, folder / "run", record=Record.TRIPS)
    times: dict[str, list[float]] = {}
    for out in elements(crossings, "instantOut"):
        if out.get("state") == "enter":
            times.setdefault(out.attrib["id"], []).append(float(out.attrib["time"]))
    greens = [
        LaneGreen(float(start), float(start + GREEN_S), float(start + GREEN_S + AMBER_S + 2), 1000)
        for start in range(RED_S, int(end_s) - GREEN_S - AMBER_S, GREEN_S + AMBER_S + RED_S)
    ]
    # The first queue is not yet long enough to outlast its green.
    found: dict[DischargeCase, Discharge] = {}
    for number, case in enumerate(cases):
        measured = measure_discharge(greens[1:], sorted(times.get(f"line{number}", [])), _UNMEASURED)
        found[case] = measured or _UNMEASURED
    return found


def _build_net(cases: tuple[DischargeCase, ...], folder: Path) -> Path:
    nodes, edges, connections = ["<nodes>"], ["<edges>"], ["<connections>"]
    for number, case in enumerate(cases):
        y = number * _BETWEEN_ROADS_M
        nodes.append(f'<node id="a{number}" x="0" y="{y:g}" type="priority"/>')
        nodes.append(f'<node id="m{number}" x="{_ROAD_M:g}" y="{y:g}" type="traffic_light"/>')
        nodes.append(f'<node id="b{number}" x="{_ROAD_M + _EXIT_M:g}" y="{y:g}" type="priority"/>')
        speed = f'numLanes="1" speed="{case.approach_m_s:g}"'
        edges.append(f'<edge id="in{number}" from="a{number}" to="m{number}" {speed}/>')
        edges.append(f'<edge id="out{number}" from="m{number}" to="b{number}" {speed}/>')
        connections.append(
            f'<connection from="in{number}" to="out{number}" fromLane="0" toLane="0" '
            f'speed="{case.turn_m_s:g}" length="12"/>'
        )
    files = {}
    for name, short, lines in (("nodes", "nod", nodes), ("edges", "edg", edges), ("connections", "con", connections)):
        files[name] = folder / f"queues.{short}.xml"
        files[name].write_text("\n".join([*lines, f"</{name}>"]) + "\n", encoding="utf-8")
    net = folder / "queues.net.xml"
    command = [str(sumo_binary("netconvert")), "--no-warnings", "true", "--output-file", str(net)]
    command += [f"--{kind[:-1]}-files={path}" for kind, path in files.items()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=sumo_environment(), check=False)
    if done.returncode != 0 or not net.is_file():
        said = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise SimulationError(f"netconvert failed on the discharge experiment in {folder}: {said[0]}")
    return net


def _write_routes(roads: int, mix: VehicleMix, path: Path, end_s: float, seed: int) -> Path:
    random = np.random.default_rng(seed)
    names = [name for name, _ in mix.shares]
    chances = np.array([share for _, share in mix.shares])
    lines = ["<routes>", *mix.definitions]
    lines += [f'<route id="way{road}" edges="in{road} out{road}"/>' for road in range(roads)]
    gap_s = 3600.0 / DEMAND_VEH_H
    for step in range(int(end_s / gap_s)):
        for road in range(roads):
            name = names[int(random.choice(len(names), p=chances / chances.sum()))]
            kind = "" if name == "DEFAULT_VEHTYPE" else f" type={quoteattr(name)}"
            lines.append(
                f'<vehicle id="v{road}.{step}"{kind} route="way{road}" depart="{step * gap_s:.2f}" departSpeed="max"/>'
            )
    path.write_text("\n".join([*lines, "</routes>"]) + "\n", encoding="utf-8")
    return path


def _write_signals(roads: int, folder: Path) -> tuple[Path, Path]:
    path, crossings = folder / "queues.add.xml", folder / "run" / "crossings.xml"
    lines = ["<additional>"]
    for road in range(roads):
        lines.append(f'<tlLogic id="m{road}" type="static" programID="discharge" offset="0">')
        lines += [
            f'<phase duration="{duration_s}" state="{state}"/>'
            for duration_s, state in ((RED_S, "r"), (GREEN_S, "G"), (AMBER_S, "y"))
        ]
        lines.append("</tlLogic>")
        # Behind the stop line: drivers who wait creep over a loop before it.
        lines.append(
            f'<instantInductionLoop id="line{road}" lane=":m{road}_0_0" pos="0.1" file={quoteattr(str(crossings))}/>'
        )
    path.write_text("\n".join([*lines, "</additional>"]) + "\n", encoding="utf-8")
    return path, crossings
