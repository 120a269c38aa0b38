"""The service tables of a whole flows folder, and the stop lines beside the feeds."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from synthetic_city import KEY, SPACING_M, City, degrees, stop_place

from mobility.pipeline import build_flows
from mobility.service import TABLES, read_service_table
from mobility.service_schemas import (
    LineSegment,
    Punctuality,
    RoadSegment,
    RunTime,
    SegmentSpeed,
    SignalDelay,
    SignalPassage,
    TripPerformed,
    WaitTime,
)


@pytest.fixture
def flows_folder(city: City, tmp_path: Path) -> Path:
    feeds = city.write(tmp_path / "feeds")
    x, y = stop_place("1", 0, 3)
    lat, lon = degrees(x + SPACING_M / 2, y)
    (feeds / "stop_lines.csv").write_text(f"approach_id,latitude,longitude,heading\nj:west,{lat},{lon},90\n")
    build_flows(feeds, tmp_path / "flows", key=KEY)
    return tmp_path / "flows"


def test_every_table_is_there_and_holds_what_was_run(city: City, flows_folder: Path) -> None:
    for schema in TABLES.values():
        assert not read_service_table(flows_folder, schema).is_empty(), schema
    trips = read_service_table(flows_folder, TripPerformed)
    assert (trips["schedule_relationship"] == "Scheduled").mean() >= 0.9
    speeds = read_service_table(flows_folder, SegmentSpeed)
    assert speeds["speed_m_s"].is_between(4, 12).all()
    waits = read_service_table(flows_folder, WaitTime)
    assert (waits["actual_wait_s"] >= waits["mean_headway_s"] / 2 - 1e-3).all()
    runs = read_service_table(flows_folder, RunTime)
    assert runs["length_m"].is_between(SPACING_M - 30, SPACING_M + 30).all()
    assert read_service_table(flows_folder, Punctuality)["visits"].sum() > 500
    drawn = read_service_table(flows_folder, RoadSegment)
    assert set(speeds["segment_id"]) <= set(drawn["segment_id"])
    ways = read_service_table(flows_folder, LineSegment)
    assert set(runs.select("line", "from_stop", "to_stop").iter_rows()) <= set(
        ways.select("line", "from_stop", "to_stop").iter_rows()
    )


def test_only_buses_of_the_direction_of_the_stop_line_meet_it(flows_folder: Path) -> None:
    passages = read_service_table(flows_folder, SignalPassage)
    trips = read_service_table(flows_folder, TripPerformed).filter(pl.col("line") == "1", pl.col("direction_id") == 0)
    assert set(passages["trip_id_performed"]) <= set(trips["trip_id_performed"])
    assert passages.height >= 0.9 * trips.filter(pl.col("stops_seen") == pl.col("stops")).height
    delays = read_service_table(flows_folder, SignalDelay)
    assert delays["buses"].sum() == passages.height
    assert delays["mean_delay_s"].max() < 15
