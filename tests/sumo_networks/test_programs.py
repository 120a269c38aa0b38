"""Plans written as SUMO programs and read back; plans that do not fit the network are refused."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net_builders import Shown, crossings_of, crossroads, green, links_of, net_of, phases_of, record, write_program

from optimiser.signals import GreenInterval, Junction, NetworkPlan, Right, canonical_json
from optimiser.timeline import controller_plan, sequence_start_s
from sumo_networks.bindings import CityModel
from sumo_networks.errors import NetworkError, PlanMismatchError
from sumo_networks.plan_phases import plan_from_phases
from sumo_networks.profiles import profile_named
from sumo_networks.programs import plan_from_states, read_plan, write_programs
from sumo_networks.read import read_network
from sumo_networks.recorded_states import signal_log
from sumo_networks.signal_states import signal_states


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crossroads(tmp_path_factory.mktemp("programs"), lanes=2, crossings=True)


@cache
def model_of(net: Path) -> CityModel:
    """North and south with a permissive left that is protected at the end, east and west, and a stage for walkers."""
    content = net_of(net)
    lefts = links_of(content, "nc", "l") + links_of(content, "sc", "l")
    through = [link for arm in "ns" for link in links_of(content, f"{arm}c", "sr")]
    across = [link for arm in "ew" for link in links_of(content, f"{arm}c")]
    shown = [
        *green(through, 0, 20),
        Shown(lefts, "g", 0, 23),
        *green(lefts, 23, 30, red_amber_s=0),
        *green(across, 36, 50),
        Shown(links_of(content, "ec", "l") + links_of(content, "wc", "l"), "g", 36, 50),
        *(Shown(crossing, "G", 56, 62) for crossing in crossings_of(content)),
    ]
    phases = phases_of(shown, max(content.links("C")) + 1, 70)
    program = write_program(net.parent / "three.add.xml", "C", phases)
    return read_network(net, (program,), profile_named("shipped"))


def junction_of(net: Path) -> Junction:
    return model_of(net).network.junction("C")


def plan_of(net: Path) -> NetworkPlan:
    junction = junction_of(net)
    controller = controller_plan(junction, junction.sequences[0], (22.0, 9.0, 17.0, 8.0), 31.0)
    digest = model_of(net).network.network_hash
    return NetworkPlan(network_hash=digest, profile="shipped", controllers=(controller,))


@given(
    st.lists(st.integers(4, 60), min_size=4, max_size=4),
    st.integers(0, 400),
)
def test_any_timing_of_the_stages_comes_back_from_its_phases(net: Path, lengths: list[int], offset_s: int) -> None:
    junction, binding = junction_of(net), model_of(net).bindings["C"]
    plan = controller_plan(junction, junction.sequences[0], tuple(float(s) for s in lengths), float(offset_s))
    phases = signal_states(plan, binding)
    assert sum(seconds for seconds, _ in phases) == plan.cycle_s
    assert all(before[1] != after[1] for before, after in pairwise(phases))
    assert plan_from_phases(phases, sequence_start_s(plan), plan, binding) == plan


def test_ambers_and_red_ambers_have_their_lengths_and_pedestrians_have_none(net: Path) -> None:
    model = model_of(net)
    binding = model.bindings["C"]
    letters = dict.fromkeys(binding.groups, "")
    for seconds, state in signal_states(plan_of(net).controllers[0], binding):
        for group, links in binding.groups.items():
            letters[group] += state[links[0]] * int(seconds)
    for group in junction_of(net).groups:
        walks = group.id.startswith(":")
        assert letters[group.id].count("y") == (0 if walks else 3)
        starts_with_red_amber = group.red_amber_s > 0
        assert letters[group.id].count("u") == (1 if starts_with_red_amber else 0)


def test_an_interval_may_have_an_amber_of_its_own(net: Path) -> None:
    model, plan = model_of(net), plan_of(net).controllers[0]
    group = next(group.id for group in plan.groups if group.amber_s == 3.0 and len(plan.greens[group.id]) == 1)
    (interval,) = plan.greens[group]
    longer = interval.model_copy(update={"amber_s": 4.0})
    changed = plan.model_copy(update={"greens": {**plan.greens, group: (longer,)}})
    link = model.bindings["C"].groups[group][0]
    shown = "".join(state[link] * int(seconds) for seconds, state in signal_states(changed, model.bindings["C"]))
    assert shown.count("y") == 4


def test_all_rights_have_their_letter(net: Path) -> None:
    model, plan = model_of(net), plan_of(net).controllers[0]
    group = plan.groups[0].id
    greens = (
        GreenInterval(start_s=0, end_s=10, right=Right.STOP_FIRST, amber_s=0.0),
        GreenInterval(start_s=20, end_s=25, right=Right.PERMISSIVE),
        GreenInterval(start_s=25, end_s=40, right=Right.PROTECTED),
    )
    changed = plan.model_copy(update={"greens": {**plan.greens, group: greens}})
    link = model.bindings["C"].groups[group][0]
    shown = "".join(state[link] * int(seconds) for seconds, state in signal_states(changed, model.bindings["C"]))
    assert shown.startswith("s" * 10 + "r" * 9 + "u" + "g" * 5 + "G" * 15 + "yyy" + "r")


def test_writing_twice_gives_the_same_bytes_and_a_fresh_program_id(net: Path, tmp_path: Path) -> None:
    model, plan = model_of(net), plan_of(net)
    for name in ("1.add.xml", "2.add.xml"):
        write_programs(plan, model.bindings, tmp_path / name)
    assert (tmp_path / "1.add.xml").read_bytes() == (tmp_path / "2.add.xml").read_bytes()
    taken = read_network(net, (net.parent / "three.add.xml", tmp_path / "1.add.xml"), profile_named("shipped"))
    write_programs(plan, taken.bindings, tmp_path / "3.add.xml")
    written = [ET.parse(tmp_path / name).find("tlLogic") for name in ("1.add.xml", "3.add.xml")]
    assert [logic.get("programID") for logic in written if logic is not None] == ["jasyl", "jasyl2"]


@pytest.mark.parametrize("begin_s", [0, 25_200, 77])
def test_the_reference_group_turns_green_at_the_offset_after_midnight(net: Path, tmp_path: Path, begin_s: int) -> None:
    model, plan = model_of(net), plan_of(net)
    controller = plan.controllers[0]
    write_programs(plan, model.bindings, tmp_path / "plan.add.xml")
    span = (begin_s, begin_s + 4 * int(controller.cycle_s))
    states = record(net, (tmp_path / "plan.add.xml",), ["C"], tmp_path, *span)
    reference = controller.offset.reference_group
    shown = [e for e in signal_log(states, model.bindings["C"]).entries if e.group == reference]
    starts = [e.time_s for e in shown[1:] if e.aspect in ("protected", "permissive")]
    assert len(starts) >= 2
    assert {time_s % controller.cycle_s for time_s in starts} == {controller.offset.seconds}


def test_a_plan_file_comes_back_whole(net: Path, tmp_path: Path) -> None:
    plan = plan_of(net)
    (tmp_path / "plan.json").write_text(canonical_json(plan))
    assert read_plan(tmp_path / "plan.json", model_of(net)) == plan


def test_an_additional_file_comes_back_as_the_same_greens_and_offset(net: Path, tmp_path: Path) -> None:
    model, plan = model_of(net), plan_of(net)
    write_programs(plan, model.bindings, tmp_path / "plan.add.xml")
    back = read_plan(tmp_path / "plan.add.xml", model)
    assert back.network_hash == plan.network_hash
    assert back.controllers[0].greens == plan.controllers[0].greens
    assert back.controllers[0].offset == plan.controllers[0].offset


def test_a_plan_for_another_network_is_refused(net: Path, tmp_path: Path) -> None:
    other = plan_of(net).model_copy(update={"network_hash": "0" * 32})
    (tmp_path / "plan.json").write_text(canonical_json(other))
    with pytest.raises(PlanMismatchError, match=r"plan\.json: made for network 0{32}, and this one is"):
        read_plan(tmp_path / "plan.json", model_of(net))


def test_an_unknown_junction_is_refused_at_every_door(net: Path, tmp_path: Path) -> None:
    model, plan = model_of(net), plan_of(net)
    stranger = plan.controllers[0].model_copy(update={"junction": "Z"})
    strange = plan.model_copy(update={"controllers": (stranger,)})
    (tmp_path / "plan.json").write_text(canonical_json(strange))
    with pytest.raises(PlanMismatchError, match="names junction Z, which the network does not have"):
        read_plan(tmp_path / "plan.json", model)
    with pytest.raises(PlanMismatchError, match="names junction Z"):
        write_programs(strange, model.bindings, tmp_path / "plan.add.xml")
    program = write_program(tmp_path / "z.add.xml", "Z", [(30.0, "GG")])
    with pytest.raises(PlanMismatchError, match="names junction Z"):
        read_plan(program, model)


def test_an_unknown_group_is_refused(net: Path, tmp_path: Path) -> None:
    model, plan = model_of(net), plan_of(net)
    controller = plan.controllers[0]
    greens = {**controller.greens, "nowhere:99": (GreenInterval(start_s=0, end_s=5),)}
    strange = plan.model_copy(update={"controllers": (controller.model_copy(update={"greens": greens}),)})
    with pytest.raises(PlanMismatchError, match="signal group nowhere:99"):
        write_programs(strange, model.bindings, tmp_path / "plan.add.xml")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("plan.json", "{", "not a plan"),
        ("plan.json", '{"profile": "x"}', "not a plan"),
        ("plan.add.xml", "<additional><tlLogic", "not a whole XML file"),
        ("plan.add.xml", "<additional/>", "no tlLogic"),
        (
            "plan.add.xml",
            '<additional><tlLogic id="C"><phase duration="9" state="GG"/></tlLogic></additional>',
            "signals",
        ),
        ("plan.add.xml", '<additional><tlLogic id="C"><phase state="GG"/></tlLogic></additional>', "'duration'"),
    ],
)
def test_a_broken_plan_is_refused_in_one_sentence(
    net: Path, tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(NetworkError, match=sentence) as error:
        read_plan(tmp_path / name, model_of(net))
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_program_that_splits_a_group_is_refused(net: Path, tmp_path: Path) -> None:
    model = model_of(net)
    links = next(links for links in model.bindings["C"].groups.values() if len(links) > 1)
    state = ["r"] * model.bindings["C"].link_count
    state[links[0]] = "G"
    program = write_program(tmp_path / "split.add.xml", "C", [(30.0, "".join(state)), (30.0, "r" * len(state))])
    with pytest.raises(PlanMismatchError, match="show different signals"):
        read_plan(program, model)


def test_a_record_too_short_to_repeat_is_refused(net: Path, tmp_path: Path) -> None:
    model, plan = model_of(net), plan_of(net)
    write_programs(plan, model.bindings, tmp_path / "plan.add.xml")
    states = record(net, (tmp_path / "plan.add.xml",), ["C"], tmp_path, 0, 100)
    with pytest.raises(PlanMismatchError, match="do not repeat"):
        plan_from_states(states, model.bindings["C"], plan.controllers[0])


def test_a_controller_that_runs_late_does_not_come_back_as_its_plan(net: Path, tmp_path: Path) -> None:
    model, plan = model_of(net), plan_of(net)
    write_programs(plan, model.bindings, tmp_path / "plan.add.xml")
    late = (tmp_path / "plan.add.xml").read_text().replace('offset="31"', 'offset="33"')
    (tmp_path / "late.add.xml").write_text(late)
    states = record(net, (tmp_path / "late.add.xml",), ["C"], tmp_path, 0, 300)
    assert plan_from_states(states, model.bindings["C"], plan.controllers[0]) != plan.controllers[0]
