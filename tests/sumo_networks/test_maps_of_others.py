"""Nets and configs as other people build them: without internal lanes, with two signals a crossing, with includes."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from net_builders import crossroads, net_of, run

from optimiser.signals import GroupKind, Junction
from sumo_networks.bindings import CityModel
from sumo_networks.errors import NetworkError, ScenarioError
from sumo_networks.profiles import profile_named
from sumo_networks.programs_in_use import programs_of_file
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Record, simulate
from sumo_networks.sumo_xml import elements, time_text
from sumo_networks.trips import read_demand, within_period
from sumo_networks.verify import verify

SHIPPED = profile_named("shipped")


def conflicts_of(junction: Junction) -> set[frozenset[str]]:
    return {frozenset((conflict.first, conflict.second)) for conflict in junction.conflicts}


def read(net: Path, *programs: Path) -> CityModel:
    return read_network(net, programs, SHIPPED)


def test_a_net_without_internal_lanes_has_the_same_conflicts(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    bare = tmp_path / "bare.net.xml"
    run(["netconvert", "-s", net.name, "--no-internal-links", "-o", bare.name], tmp_path)
    within, without = read(net).network.junctions[0], read(bare).network.junctions[0]
    assert conflicts_of(without) == conflicts_of(within) != set()
    assert {(i.clearing, i.entering) for i in without.intergreens} == {
        (i.clearing, i.entering) for i in within.intergreens
    }
    assert read(bare).bindings["C"].nodes == ("C",)


def test_a_junction_whose_conflicts_the_net_does_not_tell_keeps_its_program(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    bare = tmp_path / "bare.net.xml"
    run(["netconvert", "-s", net.name, "--no-internal-links", "-o", bare.name], tmp_path)
    bare.write_text(re.sub(r'<request index="0".*?/>', "", bare.read_text()))
    junction = read(bare).network.junctions[0]
    assert junction.locked
    assert "does not tell what its link 0 from nc to" in junction.locked_reason


def test_a_controller_whose_name_sumo_cannot_record_is_named(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    net.write_text(
        net.read_text().replace('tl="C"', 'tl="A &amp; B"').replace('<tlLogic id="C"', '<tlLogic id="A &amp; B"')
    )
    with pytest.raises(NetworkError, match=r"crossroads\.net\.xml: controller A & B has .*; rename it"):
        read(net)


def test_two_controllers_of_conflicting_ways_over_one_node_keep_their_programs(tmp_path: Path) -> None:
    net = crossroads(tmp_path, lanes=1)
    text = net.read_text()
    half = len(net_of(net).programs[0].phases[0].state) // 2
    program = re.search(r"<tlLogic.*?</tlLogic>", text, re.DOTALL)
    assert program is not None
    first = re.sub(rf'state="(\w{{{half}}})\w*"', r'state="\1"', program[0])
    second = re.sub(rf'state="\w{{{half}}}(\w*)"', r'state="\1"', program[0]).replace('id="C"', 'id="D"')

    def divided(found: re.Match[str]) -> str:
        link = int(found[1])
        return found[0] if link < half else f'tl="D" linkIndex="{link - half}"'

    text = re.sub(r'tl="C" linkIndex="(\d+)"', divided, text.replace(program[0], first + second))
    net.write_text(text)
    junctions = read(net).network.junctions
    assert [junction.id for junction in junctions] == ["C", "D"]
    assert all(junction.locked for junction in junctions)
    assert "of controller D, which shares node C with it" in junctions[0].locked_reason


def test_a_program_without_any_amber_is_retimed_only_where_the_rules_give_it_one(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    net.write_text(re.sub(r'<phase [^>]*state="[^"]*y[^"]*"[^>]*/>', "", net.read_text()))
    junction = read(net).network.junctions[0]
    assert junction.locked
    assert junction.locked_reason.startswith("it has no amber at all")
    ruled = read_network(net, (), profile_named("rilsa")).network.junctions[0]
    assert not ruled.locked
    assert all(group.amber_s >= 3 for group in ruled.groups)


@pytest.fixture
def two_signals_a_crossing(tmp_path: Path) -> Path:
    """Crossings of which those who come the other way have signals of their own, as netconvert writes them."""
    net = crossroads(tmp_path, crossings=True)
    run(["netconvert", "-s", net.name, "--plain-output-prefix", "two"], tmp_path)
    connections, programs = tmp_path / "two.con.xml", tmp_path / "two.tll.xml"
    count = len(next(iter(programs_of_file(programs))).phases[0].state)
    own = len(re.findall("<crossing ", connections.read_text()))
    connections.write_text(
        re.sub(
            r'(<crossing .*?linkIndex="(\d+)")',
            lambda found: f'{found[1]} linkIndex2="{int(found[2]) + own}"',
            connections.read_text(),
        )
    )
    programs.write_text(
        re.sub(r'state="(\w+)"', lambda found: f'state="{found[1]}{found[1][count - own :]}"', programs.read_text())
    )
    command = ["netconvert", "-n", "two.nod.xml", "-e", "two.edg.xml", "-x", "two.con.xml", "-i", "two.tll.xml"]
    run([*command, "--no-turnarounds", "-o", "two.net.xml"], tmp_path)
    return tmp_path / "two.net.xml"


def test_both_signals_of_a_crossing_are_one_group_of_pedestrians_with_its_conflicts(
    two_signals_a_crossing: Path,
) -> None:
    model = read(two_signals_a_crossing)
    walks = [group for group in model.network.junctions[0].groups if group.kind is GroupKind.PEDESTRIAN]
    assert len(walks) == 4
    conflicting = set().union(*conflicts_of(model.network.junctions[0]))
    for group in walks:
        assert len(model.bindings["C"].groups[group.id]) == 2
        assert group.amber_s == 0
        assert group.id in conflicting


def test_the_second_signal_of_a_crossing_is_known_where_an_older_net_names_it(tmp_path: Path) -> None:
    net = crossroads(tmp_path, crossings=True)
    text = net.read_text()
    count = len(net_of(net).programs[0].phases[0].state)
    crossing = re.search(rf'<connection [^>]*to=":C_c\d" [^>]*linkIndex="{count - 1}"', text)
    assert crossing is not None
    text = text.replace(crossing[0], f'{crossing[0]} linkIndex2="{count}"')
    net.write_text(re.sub(r'(<phase .*?state="\w+?)(\w)"', r'\1\2\2"', text))
    groups = read(net).bindings["C"].groups
    assert any(links == (count - 1, count) for links in groups.values())


def test_signals_that_are_switched_off_beside_others_are_named_with_the_reason(
    tmp_path: Path, grid_scenario: Scenario
) -> None:
    count = len(net_of(grid_scenario.net).programs[0].phases[0].state)
    off = tmp_path / "off.add.xml"
    off.write_text(
        f'<additional><tlLogic id="A" programID="night" type="static"><phase duration="60" state="{"o" * count}"/>'
        "</tlLogic></additional>"
    )
    model = read(grid_scenario.net, off)
    assert [junction.id for junction in model.network.junctions] == ["B"]
    assert model.left_out == {"A": "its program night is switched off or blinks all the time"}
    assert [note.rule for note in model.notes] == ["left_out"]


def test_a_program_in_an_included_file_is_the_one_in_use(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    (tmp_path / "programs").mkdir()
    program = re.search(r"<tlLogic.*?</tlLogic>", net.read_text(), re.DOTALL)
    assert program is not None
    included = tmp_path / "programs" / "night.xml"
    night = program[0].replace('programID="0"', 'programID="night"')
    included.write_text(f"<additional>{night}</additional>")
    additional = tmp_path / "town.add.xml"
    additional.write_text('<additional><include href="programs/night.xml"/></additional>')
    assert read(net, additional).bindings["C"].program_id == "night"


def test_demand_in_an_included_file_is_known_and_ends_with_the_period(grid_scenario: Scenario, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(grid_scenario.folder, tmp_path / "town"))
    (folder / "demand.rou.xml").rename(folder / "inner.rou.xml")
    (folder / "demand.rou.xml").write_text('<routes><include href="inner.rou.xml"/></routes>')
    scenario = load_scenario(folder / "run.sumocfg")
    assert read_demand(scenario).lines == read_demand(grid_scenario).lines != {}
    cut = within_period(scenario, tmp_path / "cut")
    assert all(float(flow.get("end", "0")) <= 600 for flow in elements(cut.routes[0], "flow"))


def test_files_that_include_one_another_are_told(tmp_path: Path) -> None:
    for name, other in (("a.xml", "b.xml"), ("b.xml", "a.xml")):
        (tmp_path / name).write_text(f'<additional><include href="{other}"/></additional>')
    with pytest.raises(ScenarioError, match=r"b\.xml: includes .*a\.xml, which includes it"):
        list(elements(tmp_path / "a.xml"))


def test_an_include_that_names_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<additional><include/></additional>")
    with pytest.raises(ScenarioError, match=r"a\.xml: an <include> names no file"):
        list(elements(tmp_path / "a.xml"))


def test_a_config_and_a_net_in_a_namespace_load(grid_scenario: Scenario, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(grid_scenario.folder, tmp_path / "town"))
    for file, root in (("run.sumocfg", "configuration"), ("grid.net.xml", "net")):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace(f"<{root}", f'<{root} xmlns="http://sumo.dlr.de/xsd"', 1))
    scenario = load_scenario(folder / "run.sumocfg")
    assert scenario.options == grid_scenario.options
    assert [junction.id for junction in read(scenario.net).network.junctions] == ["A", "B"]


def test_how_a_config_has_sumo_write_count_and_wait_does_not_reach_a_run(
    grid_scenario: Scenario, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(grid_scenario.folder, tmp_path / "town"))
    config = folder / "run.sumocfg"
    odd = (
        '<human-readable-time value="true"/><output.format value="csv"/><precision value="0"/>'
        '<device.tripinfo.probability value="0.1"/><max-depart-delay value="1"/><remote-port value="8813"/>'
        '<time-to-teleport.highways value="1"/><pedestrian.jupedsim.wkt value="net.wkt"/>'
    )
    config.write_text(config.read_text().replace("<processing>", f"<processing>{odd}"))
    scenario = load_scenario(config)
    assert scenario.options == grid_scenario.options
    odd_run = simulate(scenario, 1, tmp_path / "odd", end_s=60, record=Record.TRIPS)
    plain = simulate(grid_scenario, 1, tmp_path / "plain", end_s=60, record=Record.TRIPS)
    trips = [[dict(trip.attrib) for trip in elements(one.tripinfo, "tripinfo")] for one in (odd_run, plain)]
    assert trips[0] == trips[1] != []


@pytest.mark.parametrize(("seconds", "text"), [(1_234_567.0, "1234567"), (25_200.25, "25200.25"), (0.0, "0")])
def test_sumo_is_told_late_times_to_the_second(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_a_net_whose_only_signals_are_off_says_so(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    net.write_text(re.sub(r'state="(\w+)"( *name| */)', lambda f: f'state="{"o" * len(f[1])}"{f[2]}', net.read_text()))
    with pytest.raises(NetworkError, match="junction C is none, for its program 0 is switched off"):
        read(net)


def test_a_period_without_anybody_is_refused_with_a_word_on_the_period(
    grid_scenario: Scenario, grid_plan: Path, tmp_path: Path
) -> None:
    empty = replace(grid_scenario, routes=(), additionals=())
    verdict = verify(empty, grid_plan, plan_id="p", network_hash="h", seeds=(1, 2), folder=tmp_path, robustness=())
    assert not verdict.accepted
    assert verdict.reasons[0].startswith("Nobody is due from 0 to 600 s")


@pytest.mark.parametrize("included", [False, True])
def test_devices_of_vehicles_write_into_the_run_s_folder(
    included: bool, grid_scenario: Scenario, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(grid_scenario.folder, tmp_path / "town"))
    demand = folder / "demand.rou.xml"
    watched = (
        '<vType id="watched"><param key="has.ssm.device" value="true"/>'
        '<param key="device.ssm.file" value="conflicts.xml"/></vType>'
        '<trip id="seen" type="watched" depart="0" from="west_middle" to="B_east"/>'
    )
    (folder / "watched.xml").write_text(f"<routes>{watched}</routes>")
    added = '<include href="watched.xml"/>' if included else watched
    demand.write_text(demand.read_text().replace("<routes>", f"<routes>{added}"))
    before = {path.name for path in folder.iterdir()}
    run = simulate(load_scenario(folder / "run.sumocfg"), 1, tmp_path / "run", end_s=60, record=Record.TRIPS)
    assert {path.name for path in folder.iterdir()} == before
    assert (run.folder / "device.ssm.file.xml").is_file()
    assert any(trip.get("id") == "seen" for trip in elements(run.tripinfo, "tripinfo"))
