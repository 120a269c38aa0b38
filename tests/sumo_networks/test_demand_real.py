"""Turning flows of real junctions against the truth that recording the feeds left beside them."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from sumo_networks.calibrate import calibrate
from sumo_networks.demand import build_demand
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.record import record_feeds
from sumo_networks.scenario import load_scenario

Ways = defaultdict[tuple[str, str], float]


def share_under_geh_5(estimated: Ways, truth: Ways) -> float:
    good = 0
    for way, counted in truth.items():
        both = estimated[way] + counted
        good += both == 0 or float(np.sqrt(2 * (estimated[way] - counted) ** 2 / both)) < 5
    return good / len(truth)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cologne1", "ingolstadt1", "cologne3", "ingolstadt7"])
def test_85_of_100_hourly_movements_are_within_geh_5_of_the_truth(real_data: Path, tmp_path: Path, name: str) -> None:
    scenario = load_scenario(real_data / "signals" / name / f"{name}.sumocfg")
    record_feeds(scenario, tmp_path, seed=1)
    model = read_network(scenario.net, scenario.additionals, profile_named("rilsa"))
    measured = build_demand(scenario, model, tmp_path, None)
    assert measured.faults == ()
    ways = {
        (junction.id, movement.id): (movement.approach, movement.exit)
        for junction in model.network.junctions
        for movement in junction.movements
    }
    estimated: Ways = defaultdict(float)
    for flow in measured.demand.turning_flows:
        assert flow.flow_veh_h >= flow.served_veh_h >= 0
        estimated[ways[flow.junction, flow.movement]] += flow.served_veh_h
    truth: Ways = defaultdict(float)
    with (tmp_path / "truth" / "turning_flows.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            truth[row["from_edge"], row["to_edge"]] += int(row["count_veh"])
    assert share_under_geh_5(estimated, truth) >= 0.85


@pytest.mark.slow
def test_real_lanes_are_calibrated_to_what_roads_carry(real_data: Path, tmp_path: Path) -> None:
    scenario = load_scenario(real_data / "signals" / "cologne1" / "cologne1.sumocfg")
    model = read_network(scenario.net, scenario.additionals, profile_named("rilsa"))
    result = calibrate(scenario, model, tmp_path, seed=1)
    assert any(lane.measured is not None for lane in result.lanes)
    for lane in result.lanes:
        assert 1400 < lane.calibrated.saturation_veh_h < 2400
        assert 0 <= lane.calibrated.start_up_loss_s < 5
        assert 0 <= lane.calibrated.end_gain_s < 4
