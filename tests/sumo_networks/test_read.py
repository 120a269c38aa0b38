"""Nets and programs read into junctions: groups, conflicts, intergreens, stages, lanes, links; broken ones refused."""

from __future__ import annotations

import gzip
import re
import runpy
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from net_builders import (
    MAPS,
    Shown,
    crossings_of,
    crossroads,
    green,
    links_of,
    net_of,
    phases_of,
    program_letters,
    real_map,
    record,
    write_program,
)

from optimiser.safety import check_against, check_plan
from optimiser.signals import GroupKind, Right
from optimiser.timeline import expand, sequence_start_s
from sumo_networks.bindings import CityModel
from sumo_networks.conflicts import link_conflicts, repaired, yields_in_use
from sumo_networks.errors import NetworkError, PlanMismatchError
from sumo_networks.geometry import way_of
from sumo_networks.profiles import profile_named
from sumo_networks.programs import read_plan
from sumo_networks.programs_in_use import loaded_programs
from sumo_networks.read import read_network
from sumo_networks.recorded_states import recorded_states
from sumo_networks.repaired import repaired_network_plan, repaired_plan
from sumo_networks.signal_states import signal_states

ESIL = Path(__file__).resolve().parents[2] / "sumo_networks" / "cities" / "esil"
SHIPPED = profile_named("shipped")


@cache
def model_of(data: Path, name: str, profile: str = "shipped") -> CityModel:
    net, additionals = real_map(data, name)
    return read_network(net, additionals, profile_named(profile))


def assert_sound(model: CityModel) -> None:
    """Groups partition the links, the running plan keeps its own rules, stages say the same as the program."""
    for junction in model.network.junctions:
        binding = model.bindings[junction.id]
        links = [link for group in binding.groups.values() for link in group]
        assert len(links) == len(set(links))
        assert [group.id for group in junction.groups] == list(binding.groups)
        assert check_plan(junction.running) == ()
        durations = tuple(window.end_s - window.start_s for window in junction.running.windows)
        again = expand(junction, junction.sequences[0], durations)
        assert again.greens == junction.running.greens
        assert all(stage.min_s <= length for stage, length in zip(junction.stages, durations, strict=True))
        movements = {movement.id: movement for movement in junction.movements}
        assert len(movements) == len(junction.movements)
        lanes = {lane.id: lane for lane in junction.lanes}
        for movement in junction.movements:
            assert movement.group in binding.groups
            assert set(movement.yields_to) <= set(movements)
            assert all(movement.id in lanes[lane].movements for lane in movement.lanes)
    for link in model.network.links:
        assert link.to_approach in {a.id for a in model.network.junction(link.to_junction).approaches}
        assert link.length_m > 0
        assert link.travel_time_s > 0


@pytest.mark.parametrize("name", sorted(MAPS))
def test_the_running_plan_shows_the_program_in_use_second_by_second(real_data: Path, name: str) -> None:
    net, additionals = real_map(real_data, name)
    model = model_of(real_data, name)
    assert_sound(model)
    content = net_of(net)
    programs = loaded_programs(content, additionals)
    for junction in model.network.junctions:
        program = programs[junction.id][-1]
        conflicts = link_conflicts(content, junction.id)
        mended, _ = repaired(program.phases, conflicts, yields_in_use(program.phases, conflicts))
        expected = program_letters([(phase.duration_s, phase.state) for phase in mended], program.offset_s)
        states = signal_states(junction.running, model.bindings[junction.id])
        assert program_letters(states, sequence_start_s(junction.running)) == expected


@pytest.mark.parametrize("profile", ["shipped", "rilsa", "mutcd", "cis"])
@pytest.mark.parametrize("name", ["bologna_acosta_persontrips", "ingolstadt7"])
def test_the_shipped_programs_repaired_keep_every_rule_of_the_profile(real_data: Path, name: str, profile: str) -> None:
    network = model_of(real_data, name, profile).network
    for junction in network.junctions:
        plan = repaired_plan(junction)
        assert check_plan(plan) == ()
        assert check_against(plan, junction) == ()
        assert plan.cycle_s >= junction.running.cycle_s
        assert (plan == junction.running) == (check_plan(junction.running) == ())
    whole = repaired_network_plan(network, profile)
    assert [plan.junction for plan in whole.controllers] == [junction.id for junction in network.junctions]


def test_a_profile_never_asks_for_less_than_runs(real_data: Path) -> None:
    for name in sorted(MAPS):
        shipped, rilsa = (model_of(real_data, name, profile).network for profile in ("shipped", "rilsa"))
        for before, after in zip(shipped.junctions, rilsa.junctions, strict=True):
            needed = {(i.clearing, i.entering): i.seconds for i in after.intergreens}
            assert all(needed[i.clearing, i.entering] >= i.seconds for i in before.intergreens)
            assert all(a.amber_s >= b.amber_s for a, b in zip(after.groups, before.groups, strict=True))


def test_the_map_of_bologna_is_read_as_its_engineers_would(real_data: Path) -> None:
    network = model_of(real_data, "bologna_acosta").network
    junction = network.junction("209")
    assert [stage.greens == {} for stage in junction.stages] == [False, False, False]
    lengths = [window.end_s - window.start_s for window in junction.running.windows]
    assert lengths == [69.0, 7.0, 26.0]
    assert [change.duration_s for change in junction.sequences[0].interstages] == [3.0, 6.0, 6.0]
    assert junction.stages[1].min_s == 1.0
    merged = network.junction("210")
    assert [window.end_s - window.start_s for window in merged.running.windows] == [34.0, 27.0, 10.0]
    assert {group.kind for j in network.junctions for group in j.groups} == {GroupKind.VEHICLE, GroupKind.BUS}
    assert len(network.junctions) == 7


@pytest.mark.parametrize("name", sorted(set(MAPS) - {"bologna_acosta_persontrips"}))
def test_groups_whose_ways_cross_conflict(real_data: Path, name: str) -> None:
    """The geometry of the ways as witness: where those of vehicles from different approaches cross, their groups
    conflict. Ways that merge or touch are not asked for; they may lead to different lanes."""
    content = net_of(real_map(real_data, name)[0])
    for tls, binding in model_of(real_data, name).bindings.items():
        junction = model_of(real_data, name).network.junction(tls)
        conflicts = {frozenset((conflict.first, conflict.second)) for conflict in junction.conflicts}
        group_of, links = binding.group_of_link(), content.links(tls)
        for first, second in combinations(links, 2):
            one, other = links[first][0], links[second][0]
            if one.from_edge == other.from_edge or one.to_edge == other.to_edge:
                continue
            if way_of(content, one).line.crosses(way_of(content, other).line):
                assert frozenset((group_of[first], group_of[second])) in conflicts


def test_left_turns_that_wait_within_the_junction_give_way_to_oncoming_traffic(four_arms: Path) -> None:
    content, model = net_of(four_arms), read_network(four_arms, (), SHIPPED)
    group_of = model.bindings["C"].group_of_link()
    (left,), through = links_of(content, "nc", "l"), links_of(content, "sc", "s")
    conflicts = {frozenset((c.first, c.second)): c.yields for c in model.network.junction("C").conflicts}
    assert {conflicts[frozenset((group_of[left], group_of[link]))] for link in through} == {group_of[left]}
    movement = next(m for m in model.network.junction("C").movements if m.group == group_of[left])
    assert "sc->cn" in movement.yields_to


def test_conflicts_cover_those_of_the_independent_judge(real_data: Path) -> None:
    judge = real_data.parent / "judges" / "signals.py"
    if not judge.is_file():
        pytest.skip(f"no judge at {judge}")
    judged = runpy.run_path(str(judge))["conflicts"]
    for name in sorted(MAPS):
        net = real_map(real_data, name)[0]
        _, pairs, _ = judged(str(net))
        for tls in model_of(real_data, name).bindings:
            assert set(pairs[tls]) <= set(link_conflicts(net_of(net), tls).pairs)


def test_conflicting_protected_greens_of_a_shipped_program_are_told_and_mended(real_data: Path) -> None:
    model = model_of(real_data, "ingolstadt7")
    assert [(note.junction, note.rule) for note in model.notes] == [("gneJ210", "conflicting_protected")]
    assert "at the same time, 37 s a cycle; 32021112#0:6,7 is taken as permissive" in model.notes[0].message
    junction = model.network.junction("gneJ210")
    (mended,) = [group for group, links in model.bindings["gneJ210"].groups.items() if links == (6, 7)]
    assert {green.right for green in junction.running.greens[mended]} == {Right.PERMISSIVE}


def test_a_green_that_starts_in_the_amber_of_a_conflicting_one_is_told_and_starts_after_it(real_data: Path) -> None:
    model = model_of(real_data, "bologna_acosta")
    assert [(note.junction, note.rule) for note in model.notes] == [("219", "green_in_amber")]
    junction = model.network.junction("219")
    needed = {i.seconds for i in junction.intergreens if i.entering == "71:6"}
    assert min(needed) == 3.0
    assert junction.running.greens["71:6"][0].right is Right.PROTECTED


def test_sumo_runs_the_program_that_reading_says(real_data: Path, tmp_path: Path) -> None:
    net, additionals = real_map(real_data, "bologna_acosta_persontrips")
    model = model_of(real_data, "bologna_acosta_persontrips")
    states = recorded_states(record(net, additionals[1:], model.bindings, tmp_path, 25_200, 25_210))
    assert {tls: record.programs for tls, record in states.items()} == {
        junction: (binding.program_id,) for junction, binding in model.bindings.items()
    }


def test_the_sample_city_is_sound() -> None:
    nets = sorted(ESIL.glob("*.net.xml*")) if ESIL.is_dir() else []
    if not nets:
        pytest.skip("the sample city is not built yet")
    additionals = tuple(sorted(path for path in ESIL.glob("*.add.xml*") if "plan" not in path.name))
    model = read_network(nets[0], additionals, SHIPPED)
    assert_sound(model)
    assert [note for note in model.notes if note.rule == "conflicting_protected"] == []


@pytest.fixture(scope="module")
def four_arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crossroads(tmp_path_factory.mktemp("four_arms"), crossings=True)


def two_stages(net: Path) -> list[tuple[float, str]]:
    content = net_of(net)
    across = [*green(links_of(content, "nc", "s"), 0, 20), *green(links_of(content, "ec", "s"), 25, 45)]
    walks = [Shown(crossings_of(content)[0], "G", 50, 57)]
    return [(float(seconds), state) for seconds, state in phases_of([*across, *walks], max(content.links("C")) + 1, 70)]


def test_links_that_are_never_green_are_unused_groups(four_arms: Path, tmp_path: Path) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms))
    junction = read_network(four_arms, (program,), SHIPPED).network.junction("C")
    assert {group.id for group in junction.groups if group.unused} == {
        group for group, greens in junction.running.greens.items() if not greens
    }
    assert {group.id.split(":")[0] for group in junction.groups if not group.unused and group.id[0] != ":"} == {
        "nc",
        "ec",
    }
    assert check_plan(junction.running) == ()


def test_the_same_net_gzipped_has_the_same_hash_and_a_moved_lane_another(four_arms: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "c.net.xml.gz"
    zipped.write_bytes(gzip.compress(four_arms.read_bytes()))
    plain = read_network(four_arms, (), SHIPPED).network
    assert read_network(zipped, (), SHIPPED).network == plain
    retimed = tmp_path / "retimed.net.xml"
    retimed.write_text(four_arms.read_text().replace('<phase duration="', '<phase duration="1'))
    assert read_network(retimed, (), SHIPPED).network.network_hash == plain.network_hash
    moved = tmp_path / "moved.net.xml"
    moved.write_text(four_arms.read_text().replace('speed="13.89"', 'speed="16.67"', 1))
    assert read_network(moved, (), SHIPPED).network.network_hash != plain.network_hash


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ('type="NEMA" programID="x" offset="0"', "rings"),
        ('type="static" programID="x" offset="0.5"', "parts of seconds"),
    ],
)
def test_programs_that_no_plan_can_tell_are_locked(
    four_arms: Path, tmp_path: Path, attributes: str, reason: str
) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms), attributes)
    model = read_network(four_arms, (program,), SHIPPED)
    assert model.network.junction("C").locked
    assert reason in model.network.junction("C").locked_reason
    assert [note.rule for note in model.notes] == ["locked"]


def test_a_program_that_jumps_between_phases_or_is_switched_by_the_clock_is_locked(
    four_arms: Path, tmp_path: Path
) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms))
    jumping = tmp_path / "jumping.add.xml"
    jumping.write_text(program.read_text().replace("<phase ", '<phase next="0 2" ', 1))
    assert "no fixed order" in read_network(four_arms, (jumping,), SHIPPED).network.junction("C").locked_reason
    clock = tmp_path / "waut.add.xml"
    clock.write_text(
        '<additional><WAUT refTime="0" id="w" startProg="0"/><wautJunction wautID="w" junctionID="C"/></additional>'
    )
    assert "WAUT" in read_network(four_arms, (program, clock), SHIPPED).network.junction("C").locked_reason


def test_an_actuated_program_stands_as_its_listed_phases_with_a_note(four_arms: Path, tmp_path: Path) -> None:
    attributes = 'type="actuated" programID="x" offset="0"'
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms), attributes)
    model = read_network(four_arms, (program,), SHIPPED)
    assert not model.network.junction("C").locked
    assert [note.rule for note in model.notes] == ["not_static"]


def test_the_last_program_loaded_is_in_use_and_all_ids_are_known(four_arms: Path, tmp_path: Path) -> None:
    phases = two_stages(four_arms)
    first = write_program(tmp_path / "1.add.xml", "C", phases, 'type="static" programID="one" offset="0"')
    second = write_program(tmp_path / "2.add.xml", "C", phases, 'type="static" programID="two" offset="4"')
    binding = read_network(four_arms, (first, second), SHIPPED).bindings["C"]
    assert (binding.program_id, binding.program_ids) == ("two", ("0", "one", "two"))
    assert read_network(four_arms, (second, first), SHIPPED).bindings["C"].program_id == "one"


def test_a_net_without_signals_is_refused(tmp_path: Path, four_arms: Path) -> None:
    text = four_arms.read_text()
    plain = tmp_path / "plain.net.xml"
    start, end = text.index("<tlLogic"), text.index("</tlLogic>") + len("</tlLogic>")
    plain.write_text(text[:start] + text[end:])
    with pytest.raises(NetworkError, match="no signalled junction"):
        read_network(plain, (), SHIPPED)


def test_signals_that_are_off_all_the_time_are_no_signals(tmp_path: Path, four_arms: Path) -> None:
    count = max(net_of(four_arms).links("C")) + 1
    off = write_program(tmp_path / "off.add.xml", "C", [(90.0, "o" * count)])
    with pytest.raises(NetworkError, match="no signalled junction"):
        read_network(four_arms, (off,), SHIPPED)


LANE = '<net><edge id="a"><lane id="a_0" index="0" speed="9" length="9" shape="%s"/></edge></net>'
PHASE = '<net><tlLogic id="C" type="static" programID="0" offset="0"><phase duration="%s" state="G"/></tlLogic></net>'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<net><edge id=", "not a whole XML file"),
        ("<routes></routes>", "root element is <routes>"),
        ('<net><connection from="a" to="b"/></net>', "lacks or garbles 'fromLane'"),
        ('<net><connection from="a" fromLane="0" to="b" toLane="1"/></net>', "names lane a_0, which the net has not"),
        (LANE % "", "lacks or garbles the shape '' of lane a_0"),
        (LANE % "5,5", "lacks or garbles the shape '5,5' of lane a_0"),
        (LANE % "5 7", "lacks or garbles the shape '5 7' of lane a_0"),
        (LANE % "0,0 5,nan", "lacks or garbles the shape '0,0 5,nan' of lane a_0"),
        (PHASE % "nan", "lacks or garbles the time nan"),
        (PHASE % "-5", "lacks or garbles the duration -5 of a phase"),
    ],
)
def test_a_broken_net_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    net = tmp_path / "broken.net.xml"
    net.write_text(text)
    with pytest.raises(NetworkError, match=sentence) as error:
        read_network(net, (), SHIPPED)
    assert "broken.net.xml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_program_that_starts_with_the_run_is_read_as_it_begins(tmp_path: Path, four_arms: Path) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms))
    plans = []
    for offset in ("begin", "47"):
        program.write_text(re.sub(r'offset="[^"]*"', f'offset="{offset}"', program.read_text()))
        plans.append(read_network(four_arms, (program,), SHIPPED, begin_s=47.0).network.junction("C").running)
    assert 'offset="47"' in program.read_text() and plans[0] == plans[1]


def test_a_program_that_starts_with_the_run_is_no_plan(tmp_path: Path, four_arms: Path) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms))
    model = read_network(four_arms, (program,), SHIPPED)
    program.write_text(re.sub(r'offset="[^"]*"', 'offset="begin"', program.read_text()))
    with pytest.raises(PlanMismatchError, match=r"p\.add\.xml: the program of junction C starts when a run does"):
        read_plan(program, model)


def test_a_program_of_another_net_is_refused(tmp_path: Path, four_arms: Path) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", [(30.0, "GG"), (30.0, "rr")])
    with pytest.raises(NetworkError, match=r"p\.add\.xml: program shipped of junction C has states of 2 signals"):
        read_network(four_arms, (program,), SHIPPED)


def test_a_truncated_additional_file_is_refused(tmp_path: Path, four_arms: Path) -> None:
    program = write_program(tmp_path / "p.add.xml", "C", two_stages(four_arms))
    program.write_text(program.read_text()[:-40])
    with pytest.raises(NetworkError, match=r"p\.add\.xml: not a whole XML file"):
        read_network(four_arms, (program,), SHIPPED)


@pytest.mark.parametrize(("length_m", "places"), [(4.0, 1), (6.5, 2), (12.4, 3)])
def test_turners_find_room_as_far_as_their_way_leads_to_where_they_wait(
    tmp_path: Path, length_m: float, places: int
) -> None:
    net_file = crossroads(tmp_path)
    waiting = {c.via for c in net_of(net_file).connections if c.tl and c.direction == "l"}
    text = net_file.read_text()
    for lane in waiting:
        text, changed = re.subn(rf'(<lane id="{lane}".*? length=")[^"]*', rf"\g<1>{length_m}", text)
        assert changed == 1
    net_file.write_text(text)
    movements = read_network(net_file, (), SHIPPED).network.junction("C").movements
    assert {m.waiting_places for m in movements if m.turn == "left"} == {places}
    assert {m.waiting_places for m in movements if m.turn != "left"} == {1}


def test_ways_between_junctions_have_length_time_and_room(real_data: Path) -> None:
    network = model_of(real_data, "cologne3").network
    pairs = {(link.from_junction, link.to_junction) for link in network.links}
    assert len(pairs) >= 3
    for link in network.links:
        assert link.length_m / link.travel_time_s < 40
        assert link.storage_veh >= link.length_m / 7.5 - 0.1
