"""The delay that buses meet at signals, from GPS and planned stop lines, held against the same simulated run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

import sumo_networks.cities.esil
from mobility.pipeline import build_flows
from mobility.service import read_service_table
from mobility.service_schemas import SignalPassage
from mobility.sources.manifest import read_manifest
from sumo_networks.approaches import read_approaches
from sumo_networks.bus_signal_delay import POSITIONS, bus_crossings, recording_buses
from sumo_networks.net_file import read_net
from sumo_networks.record import record_feeds
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import simulate
from sumo_networks.trips import read_demand

SEED = 7


def true_crossings(scenario: Scenario, folder: Path) -> pl.DataFrame:
    run = simulate(recording_buses(scenario), SEED, folder)
    assert run.stops is not None
    speeds_m_s = {name: lane.speed_m_s for name, lane in read_net(scenario.net).lanes.items()}
    found = bus_crossings(
        folder / POSITIONS, run.stops, read_demand(scenario), read_approaches(scenario.net), speeds_m_s
    )
    rows = [
        (one.bus, f"{one.approach.junction}:{one.approach.edge}", one.crossed_s, one.delay_s)
        for one in found
        if one.crossed_s is not None
    ]
    return pl.DataFrame(rows, schema=["vehicle_id", "approach_id", "true_crossed_s", "true_delay_s"], orient="row")


def test_crossings_and_delays_are_those_of_the_run(tmp_path: Path) -> None:
    """Delay is counted a little otherwise: over 200 m in the truth, and from full speed to full speed around stops."""
    esil = load_scenario(Path(sumo_networks.cities.esil.__file__).parent)
    scenario = replace(esil, end_s=esil.begin_s + 1800)
    feeds = record_feeds(scenario, tmp_path / "feeds", SEED).folder
    build_flows(feeds, tmp_path / "flows", key=b"simulated cards are nobody's")
    truth = true_crossings(scenario, tmp_path)
    midnight_s = read_manifest(feeds).midnight().timestamp()
    told = read_service_table(tmp_path / "flows", SignalPassage).join(truth, on=["vehicle_id", "approach_id"])
    assert told.height >= 0.9 * truth.height > 100
    late_s = told["crossing"].dt.epoch("ms") / 1000 - midnight_s - told["true_crossed_s"]
    assert late_s.abs().quantile(0.9) < 4.0
    assert abs(late_s.median()) < 2.0
    approaches = told.group_by("approach_id").agg(pl.len(), pl.col("true_delay_s", "delay_s").mean())
    often = approaches.filter(pl.col("len") >= 4)
    assert often.height >= 15
    assert often.select(pl.corr("true_delay_s", "delay_s")).item() > 0.9
    assert 0.55 * told["true_delay_s"].mean() < told["delay_s"].mean() < 1.05 * told["true_delay_s"].mean()
