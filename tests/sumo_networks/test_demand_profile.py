"""Demand of a week from a CSV table: each form read, each fault named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimiser.demand import Demand, PedestrianFlow, TurningFlow
from sumo_networks.bindings import CityModel
from sumo_networks.demand_profile import DemandProfileError, long_intervals, read_demand_profile
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.record import record_feeds
from sumo_networks.scenario import Scenario


@pytest.fixture(scope="module")
def town(grid_scenario: Scenario) -> CityModel:
    return read_network(grid_scenario.net, grid_scenario.additionals, profile_named("shipped"))


@pytest.fixture(scope="module")
def base(town: CityModel) -> Demand:
    """100 veh/h on every movement, 50 people an hour on one crossing."""
    flows = tuple(
        TurningFlow(junction=j.id, movement=m.id, flow_veh_h=100.0, served_veh_h=100.0)
        for j in town.network.junctions
        for m in j.movements
    )
    walks = (PedestrianFlow(junction="A", group=":A_c0:12", flow_pax_h=50.0),)
    return Demand(begin_s=0, end_s=3600, turning_flows=flows, pedestrian_flows=walks)


def table(folder: Path, text: str) -> Path:
    path = folder / "profile.csv"
    path.write_text(text)
    return path


def test_a_scale_multiplies_the_base_and_a_day_goes_before_its_group(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path
) -> None:
    path = table(tmp_path, "day,begin_s,scale\nweekday,0,1\nweekday,900,2\nfriday,0,0.5\nfriday,900,1.5\nsunday,0,0\n")
    found = read_demand_profile(path, base, town, grid_scenario.net)
    assert list(found) == ["monday", "tuesday", "wednesday", "thursday", "friday", "sunday"]
    assert found["monday"] is found["thursday"]
    assert [(d.begin_s, d.end_s) for d in found["monday"].intervals] == [(0, 900), (900, 1800)]
    assert {f.flow_veh_h for f in found["monday"].intervals[1].turning_flows} == {200.0}
    assert {f.flow_veh_h for f in found["friday"].intervals[0].turning_flows} == {50.0}
    assert [f.flow_pax_h for f in found["friday"].intervals[1].pedestrian_flows] == [75.0]


def test_counts_of_an_approach_are_shared_out_as_in_the_base_and_the_others_follow(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path
) -> None:
    path = table(tmp_path, "begin_s,approach,count_veh\n0,middle_A,150\n900,middle_A,75\n")
    found = read_demand_profile(path, base, town, grid_scenario.net)
    assert len(found) == 7
    movements = [m.id for m in town.network.junction("A").movements if m.approach == "middle_A"]
    first = {(f.junction, f.movement): f.flow_veh_h for f in found["sunday"].intervals[0].turning_flows}
    assert sum(first["A", m] for m in movements) == pytest.approx(600, abs=0.01)
    assert first["A", movements[0]] == pytest.approx(600 / len(movements), abs=0.01)
    others = {flow for key, flow in first.items() if key[1] not in movements or key[0] != "A"}
    assert all(flow == pytest.approx(600 / len(movements), abs=0.01) for flow in others)


def test_blanks_and_lines_of_nothing_are_no_part_of_the_table(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path
) -> None:
    bare = "day,begin_s,scale\nweekday,0,1\nweekday,900,2\n"
    expected = read_demand_profile(table(tmp_path, bare), base, town, grid_scenario.net)
    spaced = table(tmp_path, "\ufeff" + bare.replace(",", " , ").replace("\n", "\r\n") + "\r\n,,\r\n")
    assert read_demand_profile(spaced, base, town, grid_scenario.net) == expected


def test_an_interval_far_longer_than_the_others_is_told(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path
) -> None:
    even = "begin_s,approach,count_veh\n" + "".join(f"{900 * i},middle_A,100\n" for i in range(4))
    assert long_intervals(read_demand_profile(table(tmp_path, even), base, town, grid_scenario.net)) == ()
    gap = table(tmp_path, even + "28800,middle_A,100\n29700,middle_A,100\n")
    assert long_intervals(read_demand_profile(gap, base, town, grid_scenario.net)) == (
        "every_day: the interval from 2700 to 28800 s is taken as one, where most last 900 s; if rows are missing, add "
        "them",
    )


def test_turning_counts_become_flows_of_their_movements(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path
) -> None:
    movement = town.network.junction("B").movements[0].id
    path = table(tmp_path, f"begin_s,junction,movement,count_veh\n0,B,{movement},30\n1800,B,{movement},60\n")
    found = read_demand_profile(path, base, town, grid_scenario.net)
    flows = [
        next(f.flow_veh_h for f in demand.turning_flows if (f.junction, f.movement) == ("B", movement))
        for demand in found["monday"].intervals
    ]
    assert flows == [60.0, 120.0]


def test_detector_counts_of_a_feeds_folder_are_a_profile(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path
) -> None:
    record_feeds(replace(grid_scenario, end_s=900.0), tmp_path / "feeds", 1)
    found = read_demand_profile(tmp_path / "feeds" / "detectors.csv", base, town, grid_scenario.net)
    (interval,) = found["monday"].intervals
    flows = {(f.junction, f.movement): f.flow_veh_h for f in interval.turning_flows}
    through = next(m for m in town.network.junction("A").movements if m.approach == "middle_A" and m.turn == "through")
    assert 400 < flows["A", through.id] < 900


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("day,begin_s,scale\n", "no row"),
        ("day,scale\nmonday,1\n", "'begin_s' is missing"),
        ("day,begin_s\nmonday,1\n", "'scale'"),
        ("day,begin_s,scale\nmoonday,0,1\n", "'moonday' is unknown"),
        ("day,begin_s,scale\nmonday,0,1\nmonday,900,much\n", "scale in row 3 is 'much'"),
        ("day,begin_s,scale\nmonday,0,-1\n", "not below 0"),
        ("day,begin_s,scale\nmonday,0,1e300\n", "monday that begins at 0 s makes a flow over 1e+06 an hour"),
        ("begin_s,approach,count_veh\n0,middle_A,1e308\n", "makes a flow over"),
        ("day,begin_s,scale\nmonday,0,1\nmonday,0,2\n", "2 rows of monday begin at 0 s"),
        ("begin_s,scale\n0,1\n43200,1\n86400,1\n", "over 24 hours"),
        ("begin_s,scale\n900000,1\n900900,1\n", "begins at 900900 s; give begin_s in seconds of the day"),
        ("begin_s,approach,count_veh\n0,midle_A,4\n", "did you mean 'middle_A'"),
        (
            "begin_s,approach,count_veh\n0,middle_A,4\n900,middle_A,5\n\n0,middle_A,4\n",
            "rows 2 and 5 both count middle_A at 0 s; keep one",
        ),
        ("begin_s,scale\n7,1\n8,1.5\n", "lasts under 60 s; give begin_s in seconds of the day"),
        ("begin_s;scale\n0;1\n", "'begin_s' is missing (it has begin_s;scale)"),
        ("begin_s,scale\n0,1\n\n900,many\n", "scale in row 4 is 'many'"),
        ("begin_s,junction,movement,count_veh\n0,A,nowhere,4\n", "no signalled junction and movement"),
    ],
)
def test_a_profile_that_cannot_be_read_is_refused_in_one_sentence(
    town: CityModel, base: Demand, grid_scenario: Scenario, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "profile.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DemandProfileError) as refused:
        read_demand_profile(path, base, town, grid_scenario.net)
    assert said in str(refused.value) and "profile.csv" in str(refused.value)
    assert "\n" not in str(refused.value)
