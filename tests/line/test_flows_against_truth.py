"""Flows of recorded feeds held against what the simulated riders and buses really did."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobility import flows
from mobility.pipeline import build_flows
from mobility.score import FlowScore, judge, read_truth, score_flows
from mobility.service import read_service_table
from mobility.service_schemas import SignalDelay
from mobility.sources.manifest import read_manifest
from mobility.stop_lines import read_stop_lines
from sumo_networks.record import record_feeds
from sumo_networks.scenario import load_scenario

KEY = b"simulated cards are nobody's"
ESIL = Path(__file__).resolve().parents[2] / "sumo_networks" / "cities" / "esil" / "feeds"


def score_of(feeds: Path, out: Path) -> FlowScore:
    build_flows(feeds, out, key=KEY)
    midnight_s = read_manifest(feeds).midnight().timestamp()
    judged = judge(
        flows.read_journey_legs(out),
        flows.read_link_loads(out),
        flows.read_stop_visits(out),
        read_truth(feeds / "truth", KEY),
        midnight_s,
    )
    score = score_flows([judged])
    print(score)
    return score


def test_the_sample_city_where_riders_come_back(tmp_path: Path) -> None:
    if not ESIL.is_dir():
        pytest.skip(f"no recorded feeds at {ESIL}")
    score = score_of(ESIL, tmp_path / "flows")
    assert score.boarding_exact >= 0.99
    assert score.chained >= 0.5 * score.legs
    assert score.chained_choice_exact >= 0.92
    assert score.load_mae_pax <= 1.5 * score.oracle_mae_pax
    assert score.load_mae_pax <= 0.2 * score.mean_load_pax
    delays = read_service_table(tmp_path / "flows", SignalDelay)
    approaches = read_stop_lines(ESIL / "stop_lines.csv")["approach_id"]
    assert set(delays["approach_id"]) <= set(approaches)
    assert delays["approach_id"].n_unique() >= 15
    assert 2 < (delays["mean_delay_s"] * delays["buses"]).sum() / delays["buses"].sum() < 60


@pytest.mark.slow
def test_bologna_whose_riders_ride_once(real_data: Path, tmp_path: Path) -> None:
    scenario = load_scenario(real_data / "signals" / "bologna_acosta_persontrips" / "run.sumocfg")
    feeds = tmp_path / "feeds"
    record_feeds(scenario, feeds, seed=1)
    score = score_of(feeds, tmp_path / "flows")
    assert score.legs > 1500
    assert score.boarding_exact >= 0.99
    assert score.load_mae_pax <= 0.2 * score.mean_load_pax
