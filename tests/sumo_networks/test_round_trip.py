"""The plan contract: plan -> plan.add.xml -> SUMO -> recorded states -> safety -> the same plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from net_builders import (
    Shown,
    crossings_of,
    crossroads,
    green,
    links_of,
    net_of,
    phases_of,
    real_map,
    record,
    write_program,
)

from optimiser.safety import check_log, check_network_plan
from optimiser.signals import ControllerPlan, GroupKind, Junction, NetworkPlan
from optimiser.timeline import controller_plan
from sumo_networks.bindings import CityModel
from sumo_networks.profiles import profile_named
from sumo_networks.programs import plan_from_states, read_plan, write_programs
from sumo_networks.read import read_network
from sumo_networks.recorded_states import recorded_states, signal_log, signal_logs


def round_trip(
    model: CityModel, plans: list[ControllerPlan], net: Path, additionals: tuple[Path, ...], folder: Path, begin_s: int
) -> None:
    """Assert that each plan comes back from SUMO as it went in, and that what SUMO showed is safe."""
    plan = NetworkPlan(network_hash=model.network.network_hash, profile="shipped", controllers=tuple(plans))
    assert check_network_plan(plan) == ()
    written = folder / "plan.add.xml"
    write_programs(plan, model.bindings, written)
    longest_s = int(max(controller.cycle_s for controller in plans))
    end_s = begin_s + 3 * longest_s + 7
    states = record(net, (*additionals, written), model.bindings, folder, begin_s, end_s)
    for controller in plans:
        binding = model.bindings[controller.junction]
        assert recorded_states(states)[binding.tls].programs == ("jasyl",)
        assert check_log(signal_log(states, binding), controller) == ()
        assert plan_from_states(states, binding, controller) == controller
    from_file = read_plan(written, model)
    assert [plan.greens for plan in from_file.controllers] == [
        plan.greens for plan in sorted(plans, key=lambda plan: plan.junction)
    ]


def only_junction(model: CityModel) -> Junction:
    (junction,) = model.network.junctions
    return junction


def rilsa_model(folder: Path) -> tuple[CityModel, Path]:
    """North and south end and start staggered, east and west follow, then all crossings at once in a stage of their
    own; red-amber 1 s, intergreens of 5 to 7 s."""
    net = crossroads(folder, lanes=2, crossings=True)
    content = net_of(net)
    north, south = links_of(content, "nc"), links_of(content, "sc")
    east, west = links_of(content, "ec"), links_of(content, "wc")
    left = {arm: links_of(content, f"{arm}c", "l") for arm in "nesw"}
    shown = [
        *green(north, 0, 22),
        *green(south, 1, 25),
        *green(east, 31, 50),
        *green(west, 30, 47),
        Shown(left["n"], "g", 0, 22),
        Shown(left["s"], "g", 1, 25),
        Shown(left["e"], "g", 31, 50),
        Shown(left["w"], "g", 30, 47),
        *(Shown(crossing, "G", 56, 64) for crossing in crossings_of(content)),
    ]
    phases = phases_of(shown, max(content.links("C")) + 1, 76)
    program = write_program(folder / "rilsa.add.xml", "C", phases)
    return read_network(net, (program,), profile_named("shipped")), net


def test_a_rilsa_junction_with_staggered_interstages_and_a_pedestrian_stage_comes_back_retimed(tmp_path: Path) -> None:
    model, net = rilsa_model(tmp_path)
    junction = only_junction(model)
    sequence = junction.sequences[0]
    walks = {group.id for group in junction.groups if group.kind is GroupKind.PEDESTRIAN}
    assert [set(stage.greens) == walks for stage in junction.stages] == [False, False, True]
    assert len({time_s for change in sequence.interstages for time_s in change.off_s.values()}) > 1
    assert len({time_s for change in sequence.interstages for time_s in change.on_s.values()}) > 2
    assert {group.red_amber_s for group in junction.groups if group.id not in walks} == {1.0}
    retimed = controller_plan(junction, sequence, (31.0, 12.0, 9.0), 17.0)
    round_trip(model, [retimed], net, (), tmp_path, 25_200)


def test_a_nema_dual_ring_with_overlaps_comes_back(tmp_path: Path) -> None:
    """Rings 1 (phases 1 to 4) and 2 (5 to 8) end their lefts at different seconds, and meet at both barriers; the
    rights of north and south overlap the lefts of west and east."""
    net = crossroads(tmp_path, lanes=3)
    content = net_of(net)
    turn = {(arm, way): links_of(content, f"{arm}c", way) for arm in "nesw" for way in "lsr"}
    shown = [
        *green(turn["e", "l"], 0, 10, red_amber_s=0),
        *green(turn["w", "s"] + turn["w", "r"], 14, 40, red_amber_s=0),
        *green(turn["w", "l"], 0, 18, red_amber_s=0),
        *green(turn["e", "s"] + turn["e", "r"], 22, 40, red_amber_s=0),
        *green(turn["n", "l"], 45, 59, red_amber_s=0),
        *green(turn["s", "s"], 63, 85, red_amber_s=0),
        *green(turn["s", "l"], 45, 53, red_amber_s=0),
        *green(turn["n", "s"], 57, 85, red_amber_s=0),
        *green(turn["s", "r"], 63, 10, red_amber_s=0),
        *green(turn["n", "r"], 57, 18, red_amber_s=0),
    ]
    phases = phases_of(shown, max(content.links("C")) + 1, 90)
    program = write_program(tmp_path / "nema.add.xml", "C", phases)
    model = read_network(net, (program,), profile_named("shipped"))
    running = only_junction(model).running
    overlaps = [greens for greens in running.greens.values() if any(g.end_s < g.start_s for g in greens)]
    assert len(overlaps) == 2
    assert model.notes == ()
    round_trip(model, [running], net, (), tmp_path, 0)


@pytest.mark.parametrize("junction", ["210", "221"])
def test_bologna_as_shipped_comes_back(real_data: Path, tmp_path: Path, junction: str) -> None:
    net, additionals = real_map(real_data, "bologna_acosta")
    model = read_network(net, additionals, profile_named("shipped"))
    round_trip(model, [model.network.junction(junction).running], net, additionals[1:], tmp_path, 0)


def test_controllers_over_several_nodes_with_crossings_come_back(real_data: Path, tmp_path: Path) -> None:
    net, additionals = real_map(real_data, "bologna_acosta_persontrips")
    model = read_network(net, additionals, profile_named("shipped"))
    several = [junction for junction in model.network.junctions if len(model.bindings[junction.id].nodes) > 1]
    assert sum(len(model.bindings[junction.id].nodes) for junction in several) == 14
    assert all(any(group.kind is GroupKind.PEDESTRIAN for group in junction.groups) for junction in several)
    plans = []
    for number, junction in enumerate(several):
        lengths_s = [window.end_s - window.start_s for window in junction.running.windows]
        longest = lengths_s.index(max(lengths_s))
        lengths_s[longest] -= 2.0
        lengths_s[longest - 1] += 2.0
        plans.append(controller_plan(junction, junction.sequences[0], tuple(lengths_s), 13.0 * number))
    round_trip(model, plans, net, additionals[1:], tmp_path, 25_211)


def test_the_checker_tells_from_its_log_what_a_shipped_program_breaks(real_data: Path, tmp_path: Path) -> None:
    net, additionals = real_map(real_data, "ingolstadt7")
    model = read_network(net, additionals, profile_named("shipped"))
    states = record(net, additionals, model.bindings, tmp_path, 57_600, 57_900)
    logs = signal_logs(states, model.bindings)
    found = {
        junction.id: [
            (finding.rule.value, finding.measured) for finding in check_log(logs[junction.id], junction.running)
        ]
        for junction in model.network.junctions
    }
    assert found.pop("gneJ210") == [("conflicting_greens", 37.0)]
    assert all(findings == [] for findings in found.values())
