"""The sample city is what its README says, is safe as shipped, and is rebuilt byte for byte."""

from __future__ import annotations

import csv
import filecmp
import gzip
import math
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

import sumo_networks.cities.esil
from optimiser.safety import check_network_plan
from sumo_networks.cities.esil.build import build
from sumo_networks.cities.esil.heads import read_heads
from sumo_networks.cities.esil.plans import CYCLE_S, STAGES, WALKING_MPS
from sumo_networks.cities.esil.population import day_of, residents
from sumo_networks.cities.esil.riders import courses, errands
from sumo_networks.cities.esil.streets import JOINTS, Control, blocks
from sumo_networks.profiles import profile_named
from sumo_networks.programs import read_plan
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Record, simulate

ESIL = Path(sumo_networks.cities.esil.__file__).parent
WRITTEN = ("*.xml", "*.gz", "*.sumocfg", "*.toml", "feeds/*.*", "feeds/truth/*.csv")


@pytest.fixture(scope="module")
def esil() -> Scenario:
    return load_scenario(ESIL)


@pytest.fixture(scope="module")
def net() -> ET.Element:
    return ET.parse(ESIL / "esil.net.xml").getroot()


def _rows(name: str) -> list[dict[str, str]]:
    with (ESIL / "feeds" / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def _files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for pattern in WRITTEN for path in folder.glob(pattern)}


def test_it_is_the_morning_hour_in_its_own_zone(esil: Scenario) -> None:
    assert (esil.begin_s, esil.end_s, esil.zone) == (27_000, 30_600, "Asia/Almaty")
    assert esil.gtfs is not None and esil.taps is not None and esil.vehicle_locations is not None


def test_files_are_small_enough_for_the_repository() -> None:
    sizes = {name: path.stat().st_size for name, path in _files(ESIL).items()}
    assert max(sizes.values()) < 2 * 2**20
    assert sum(size for name, size in sizes.items() if name.startswith("feeds")) < 3 * 2**20


def test_signals_are_of_varied_shape(net: ET.Element) -> None:
    programs = {logic.get("id", ""): logic for logic in net.iter("tlLogic")}
    assert set(programs) == set(STAGES)
    assert len(programs) >= 12
    legs = Counter(
        "crossing" if JOINTS[name].control is Control.CROSSING else sum(end == name for _, end in blocks())
        for name in programs
    )
    assert legs["crossing"] >= 2 and legs[3] >= 3 and legs[4] >= 6
    four_stages = [name for name, stages in STAGES.items() if len(stages) == 4]
    assert four_stages
    assert {sum(float(phase.get("duration", "0")) for phase in logic) for logic in programs.values()} == {CYCLE_S}


def test_one_arterial_has_a_bus_lane_and_all_arms_have_sidewalks(net: ET.Element) -> None:
    roads = [edge for edge in net.iter("edge") if edge.get("function") is None]
    bus_lanes = {edge.get("id") for edge in roads for lane in edge.iter("lane") if lane.get("allow") == "bus"}
    assert {"A2B2", "B2A2", "C2D2", "D2C2"} <= bus_lanes
    assert not {"C1C2", "C2C1"} & bus_lanes
    assert all(any(lane.get("allow") == "pedestrian" for lane in edge.iter("lane")) for edge in roads)


def test_five_lines_run_both_ways_every_five_to_eight_minutes() -> None:
    lines = {course.line.name: course.line for course in courses()}
    assert len(lines) == 5 and len(courses()) == 10
    assert all(300 <= line.headway_s <= 480 for line in lines.values())


@pytest.mark.parametrize("name,least,most", [("esil.rou.xml.gz", 3000, 5000), ("esil.persons.rou.xml.gz", 800, 1500)])
def test_demand_is_of_a_town_at_its_peak(name: str, least: int, most: int) -> None:
    with gzip.open(ESIL / name) as stream:
        root = ET.parse(stream).getroot()
    assert least <= len([*root.iter("vehicle"), *root.iter("person")]) <= most


def test_who_comes_back_rides_the_same_lines_the_other_way() -> None:
    people = errands(7, 300, 30)
    back = [errand for errand in people if errand.returns]
    assert 100 < len(back) < 250
    for errand in back:
        assert [hop.line for hop in errand.back] == [hop.line for hop in reversed(errand.out)]
        assert all(hop.board.edge != hop.alight.edge for hop in errand.back)


def test_shipped_programs_pass_the_checker(esil: Scenario) -> None:
    model = read_network(esil.net, esil.additionals, profile_named("shipped"), esil.zone)
    assert len(model.network.junctions) == len(STAGES)
    assert check_network_plan(read_plan(esil.net, model)) == ()


def test_vehicles_get_3_s_of_amber_and_then_2_s_or_more_of_red_before_others_go(net: ET.Element) -> None:
    for logic in net.iter("tlLogic"):
        phases = [(float(phase.get("duration", "0")), phase.get("state", "")) for phase in logic]
        ambers = [number for number, (_, state) in enumerate(phases) if "y" in state]
        assert len(ambers) == len(STAGES[logic.get("id", "")]) - (logic.get("id", "") in {"M1", "M2"})
        for number in ambers:
            clearing_s, cleared = phases[(number + 1) % len(phases)]
            assert phases[number][0] == 3 and clearing_s >= 2
            assert all(cleared[link] == "r" for link, light in enumerate(phases[number][1]) if light == "y")
            assert not {
                link for link, light in enumerate(cleared) if light in "Gg" and phases[number][1][link] not in "Gg"
            }


def test_pedestrians_can_clear_their_crossing_before_vehicles_go_over_it(net: ET.Element) -> None:
    for name, head in read_heads(ESIL / "esil.net.xml", STAGES).items():
        logic = next(logic for logic in net.iter("tlLogic") if logic.get("id") == name)
        shown = [
            state for phase in logic for state in [phase.get("state", "")] * round(float(phase.get("duration", "0")))
        ]
        for crossing, (_, length_m) in head.crossings.items():
            least_s = math.ceil(length_m / WALKING_MPS)
            protected = [
                link for link in head.vehicles if ((link, crossing) in head.yields or (crossing, link) in head.yields)
            ]
            ends = [now for now, state in enumerate(shown) if shown[now - 1][crossing] == "G" != state[crossing]]
            assert len(ends) == 1
            after = [shown[(ends[0] + wait) % len(shown)] for wait in range(least_s)]
            assert not [link for link in protected if any(state[link] == "G" for state in after)]


def test_shipped_feeds_hold_people_who_come_back_on_the_same_card() -> None:
    taps = Counter(tap["fare_media_id"] for tap in _rows("fare_transactions.csv"))
    assert sum(count >= 2 for count in taps.values()) >= 300


def test_shipped_control_totals_are_taps_and_cash() -> None:
    rides = _rows("truth/rides.csv")
    totals = sum(int(row["boardings"]) for row in _rows("control_totals.csv"))
    cash = sum(not ride["fare_media_id"] for ride in rides)
    assert totals == len(rides) == len(_rows("fare_transactions.csv")) + cash
    assert 0.10 < cash / len(rides) < 0.20


@pytest.mark.slow
def test_rebuilding_gives_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path)
    shipped, rebuilt = _files(ESIL), _files(tmp_path)
    assert shipped.keys() == rebuilt.keys()
    assert [name for name in shipped if not filecmp.cmp(shipped[name], rebuilt[name], shallow=False)] == []


@pytest.mark.slow
def test_the_hour_flows_without_teleports_and_collisions(esil: Scenario, tmp_path: Path) -> None:
    run = simulate(esil, 5, tmp_path, record=Record.FULL)
    assert run.statistic is not None
    statistic = ET.parse(run.statistic).getroot()
    safety, teleports, vehicles = (statistic.find(name) for name in ("safety", "teleports", "vehicles"))
    assert safety is not None and teleports is not None and vehicles is not None
    assert (safety.get("collisions"), teleports.get("total")) == ("0", "0")
    assert int(vehicles.get("waiting", "1")) < 5
    trips = list(ET.parse(run.tripinfo).getroot().iter("tripinfo"))
    delays = [float(trip.get("timeLoss", "0")) + max(0.0, float(trip.get("departDelay", "0"))) for trip in trips]
    assert 30 < sum(delays) / len(delays) < 110
    assert max(delays) < 900


def test_the_same_people_ride_day_after_day_and_not_all_of_them_or_alike() -> None:
    people = residents(7, 200, 20)
    one, two = day_of(people, 1), day_of(people, 2)
    assert day_of(people, 1) == one != two
    names = {person.habit.id for person in people}
    assert {errand.id for errand in one} <= names and len(one) < len(names)
    habit = {person.habit.id: person for person in people}
    kept = [errand for errand in one if errand.out == habit[errand.id].habit.out]
    assert 0.7 < len(kept) / len(one) < 1.0
    assert all(habit[errand.id].may_return for errand in one if errand.returns)
    assert any(errand.returns for errand in one)
