"""A tiny signalised town, built anew for every session: two junctions on a main street, cars, buses, people on foot."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import sumo_binary, sumo_environment
from sumo_networks.sumo_xml import elements

NODES = """<nodes>
    <node id="A" x="0" y="0" type="traffic_light"/>
    <node id="B" x="250" y="0" type="traffic_light"/>
    <node id="west" x="-250" y="0"/>
    <node id="middle" x="-120" y="0"/>
    <node id="east" x="500" y="0"/>
    <node id="north_a" x="0" y="200"/>
    <node id="south_a" x="0" y="-200"/>
    <node id="north_b" x="250" y="200"/>
    <node id="south_b" x="250" y="-200"/>
</nodes>
"""
STREETS = [("west", "middle"), ("middle", "A"), ("A", "B"), ("B", "east")]
CROSS_STREETS = [("north_a", "A"), ("A", "south_a"), ("north_b", "B"), ("B", "south_b")]
ADDITIONAL = """<additional>
    <busStop id="stop_a" lane="A_B_1" startPos="60" endPos="90"/>
    <busStop id="stop_b" lane="B_east_1" startPos="60" endPos="90"/>
    <inductionLoop id="loop" lane="middle_A_1" pos="50" freq="60" file="loop_output.xml"/>
    <vType id="coach" vClass="bus"/>
</additional>
"""
ROUTES = """<routes>
    <route id="eastbound" edges="west_middle middle_A A_B B_east"/>
    <route id="with_stops" edges="west_middle middle_A A_B B_east">
        <stop busStop="stop_a" duration="10"/>
        <stop busStop="stop_b" duration="10"/>
    </route>
    <personFlow id="walkers" begin="0" end="600" period="60">
        <walk from="north_a_A" to="A_south_a"/>
    </personFlow>
    <personFlow id="riders" begin="0" end="300" period="60">
        <walk from="A_B" busStop="stop_a"/>
        <ride busStop="stop_b" lines="7"/>
    </personFlow>
    <flow id="main" route="eastbound" begin="0" end="1200" vehsPerHour="700" departSpeed="max"/>
    <flow id="back" from="east_B" to="middle_west" begin="0" end="1200" vehsPerHour="500" departSpeed="max"/>
    <flow id="cross_a" from="north_a_A" to="A_south_a" begin="0" end="1200" vehsPerHour="120"/>
    <flow id="cross_b" from="south_b_B" to="B_north_b" begin="0" end="1200" vehsPerHour="120"/>
    <flow id="bus_7" type="coach" route="with_stops" line="7" begin="0" end="1200" period="120"/>
    <flow id="bus_by_route" type="coach" route="with_stops" begin="30" end="1200" period="240"/>
    <vehicle id="coach_1" type="coach" depart="40" route="eastbound"/>
    <vehicle id="express_1" type="coach" depart="50">
        <route edges="west_middle middle_A A_B B_east"/>
        <stop busStop="stop_b" duration="10"/>
    </vehicle>
</routes>
"""
CONFIG = """<configuration>
    <input>
        <n value="grid.net.xml"/>
        <route-files value="demand.rou.xml"/>
        <additional value="stops.add.xml"/>
    </input>
    <output>
        <fcd-output value="positions.xml"/>
        <summary value="summary.xml"/>
        <output-prefix value="prefix_"/>
        <tripinfo-output value="tripinfos.xml"/>
    </output>
    <time><b value="0:00:00"/><end value="600"/></time>
    <processing><step-length value="0.5"/></processing>
    <report><log value="log.txt"/><no-step-log value="true"/></report>
    <random_number><seed value="7"/></random_number>
    <gui_only><gui-settings-file value="view.xml"/><start value="true"/></gui_only>
</configuration>
"""

NETCONVERT = "-n grid.nod.xml -e grid.edg.xml -o grid.net.xml --no-turnarounds --sidewalks.guess --crossings.guess"


@pytest.fixture(scope="session")
def grid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with grid.net.xml, demand.rou.xml, stops.add.xml and run.sumocfg."""
    folder = tmp_path_factory.mktemp("grid")
    edges = [way for a, b in STREETS + CROSS_STREETS for way in ((a, b), (b, a))]
    lines = [f'<edge id="{a}_{b}" from="{a}" to="{b}" numLanes="1" speed="13.8"/>' for a, b in edges]
    (folder / "grid.nod.xml").write_text(NODES)
    (folder / "grid.edg.xml").write_text("<edges>\n" + "\n".join(lines) + "\n</edges>\n")
    subprocess.run(
        [str(sumo_binary("netconvert")), *NETCONVERT.split()],
        cwd=folder,
        env=sumo_environment(),
        check=True,
        capture_output=True,
    )
    (folder / "stops.add.xml").write_text(ADDITIONAL)
    (folder / "demand.rou.xml").write_text(ROUTES)
    (folder / "run.sumocfg").write_text(CONFIG)
    return folder


@pytest.fixture(scope="session")
def grid_scenario(grid_folder: Path) -> Scenario:
    """Ten minutes of the tiny town."""
    return load_scenario(grid_folder / "run.sumocfg")


WritePlan = Callable[[Path, float, float], Path]


@pytest.fixture(scope="session")
def write_plan(grid_scenario: Scenario) -> WritePlan:
    """Writes an additional file with the shipped phases of both junctions: the green of the main street times the
    first factor, the other long phases times the second."""
    main = {
        int(connection.get("linkIndex", "-1"))
        for connection in elements(grid_scenario.net, "connection")
        if connection.get("from") == "middle_A" and connection.get("dir") == "s" and connection.get("tl") == "A"
    }

    def write(path: Path, main_factor: float, other_factor: float) -> Path:
        lines = ["<additional>"]
        for program in elements(grid_scenario.net, "tlLogic"):
            lines.append(f'<tlLogic id="{program.get("id")}" type="static" programID="new" offset="0">')
            for phase in program.iter("phase"):
                state, shown_s = phase.get("state", ""), float(phase.get("duration", "0"))
                if shown_s > 10:
                    is_main = all(state[index] in "Gg" for index in main)
                    shown_s = round(shown_s * (main_factor if is_main else other_factor))
                lines.append(f'<phase duration="{shown_s:g}" state="{state}"/>')
            lines.append("</tlLogic>")
        path.write_text("\n".join([*lines, "</additional>"]))
        return path

    return write


@pytest.fixture(scope="session")
def grid_plan(write_plan: WritePlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan that is surely better than the shipped one: the main street carries most of the traffic."""
    return write_plan(tmp_path_factory.mktemp("plan") / "plan.add.xml", 1.1, 0.4)
