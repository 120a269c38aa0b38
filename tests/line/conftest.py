"""A town of one crossing whose shipped program gives most green to the street with least traffic, and one run on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from api.run import RunResult, run_line
from api.run_options import RunOptions
from optimiser.rule_tables import PolishRules
from optimiser.rules import Rules
from sumo_networks.simulate import sumo_binary, sumo_environment
from sumo_networks.sumo_xml import elements

NODES = """<nodes>
    <node id="C" x="0" y="0" type="traffic_light"/>
    <node id="west" x="-300" y="0"/>
    <node id="east" x="300" y="0"/>
    <node id="north" x="0" y="300"/>
    <node id="south" x="0" y="-300"/>
</nodes>
"""
NETCONVERT = ("-n", "town.nod.xml", "-e", "town.edg.xml", "-o", "town.net.xml", "--no-turnarounds")
ARMS = ("west", "east", "north", "south")
STOPS = """<busStop id="stop_west" lane="west_C_0" startPos="100" endPos="130"/>
<busStop id="stop_east" lane="C_east_0" startPos="100" endPos="130"/>"""
ROUTES = """<routes>
    <vType id="coach" vClass="bus"/>
    <route id="line_7" edges="west_C C_east">
        <stop busStop="stop_west" duration="12"/>
        <stop busStop="stop_east" duration="12"/>
    </route>
    <personFlow id="riders" begin="0" end="450" period="15">
        <walk from="west_C" busStop="stop_west"/>
        <ride busStop="stop_east" lines="7"/>
    </personFlow>
    <flow id="eastbound" from="west_C" to="C_east" begin="0" end="900" vehsPerHour="430" departSpeed="max"/>
    <flow id="westbound" from="east_C" to="C_west" begin="0" end="900" vehsPerHour="330" departSpeed="max"/>
    <flow id="southbound" from="north_C" to="C_south" begin="0" end="900" vehsPerHour="90"/>
    <flow id="turning" from="south_C" to="C_east" begin="0" end="900" vehsPerHour="60"/>
    <flow id="bus_7" type="coach" route="line_7" line="7" begin="60" end="900" period="180"/>
</routes>
"""
CONFIG = """<configuration>
    <input>
        <net-file value="town.net.xml"/>
        <route-files value="town.rou.xml"/>
        <additional-files value="town.add.xml"/>
    </input>
    <time><begin value="0"/><end value="540"/></time>
</configuration>
"""
BUSY_GREEN_S, QUIET_GREEN_S = 22, 50


def build_town(folder: Path) -> Path:
    """Write the town into `folder`; returns its .sumocfg."""
    ways = [way for arm in ARMS for way in ((arm, "C"), ("C", arm))]
    edges = [f'<edge id="{a}_{b}" from="{a}" to="{b}" numLanes="1" speed="13.8"/>' for a, b in ways]
    (folder / "town.nod.xml").write_text(NODES)
    (folder / "town.edg.xml").write_text("<edges>\n" + "\n".join(edges) + "\n</edges>\n")
    subprocess.run(
        [
            str(sumo_binary("netconvert")),
            *["-n", "town.nod.xml", "-e", "town.edg.xml", "-o", "town.net.xml", "--no-turnarounds"],
        ],
        cwd=folder,
        env=sumo_environment(),
        check=True,
        capture_output=True,
    )
    net = folder / "town.net.xml"
    busy = {
        int(found.get("linkIndex", "-1"))
        for found in elements(net, "connection")
        if found.get("from") in ("west_C", "east_C") and found.get("dir") == "s"
    }
    lines = ["<additional>", STOPS, '<tlLogic id="C" type="static" programID="shipped" offset="0">']
    for phase in next(iter(elements(net, "tlLogic"))).iter("phase"):
        state, shown_s = phase.get("state", ""), float(phase.get("duration", "0"))
        if shown_s > 10:
            shown_s = BUSY_GREEN_S if all(state[link] in "Gg" for link in busy) else QUIET_GREEN_S
        lines.append(f'<phase duration="{shown_s:g}" state="{state}"/>')
    (folder / "town.add.xml").write_text("\n".join([*lines, "</tlLogic>", "</additional>"]))
    (folder / "town.rou.xml").write_text(ROUTES)
    (folder / "town.sumocfg").write_text(CONFIG)
    return folder / "town.sumocfg"


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The town's .sumocfg."""
    return build_town(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="session")
def small() -> RunOptions:
    """Options that make a run short."""
    return RunOptions(seeds=(1, 2, 3), rules=Rules(polish=PolishRules(runs=4, seeds=1)), workers=2)


@pytest.fixture(scope="session")
def town_run(town: Path, small: RunOptions, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The main job done once on the town."""
    return run_line(town, tmp_path_factory.mktemp("town_run") / "out", small)
