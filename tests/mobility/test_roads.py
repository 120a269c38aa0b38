"""Road segments that lines share, and the speeds of their buses on them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from rides_by_hand import SPACING_M, START, trip

from mobility.geometry import Projection
from mobility.roads import SEGMENT_M, shared_roads
from mobility.run_times import run_times, stop_to_stop
from mobility.segment_speeds import segment_speeds
from mobility.service_schemas import RoadSegment, RunTime, SegmentSpeed

MIDNIGHT_S = START.timestamp() - 8 * 3600
PROJECTION = Projection(76.9, 43.2)


def path(pattern: str, *corners: tuple[float, float]) -> pl.DataFrame:
    x, y = np.array(corners, dtype=float).T
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    return pl.DataFrame({"pattern_id": [pattern] * len(x), "path_m": along, "x_m": x, "y_m": y})


def segments_of(roads_of: pl.DataFrame, pattern: str) -> list[str]:
    return roads_of.filter(pl.col("pattern_id") == pattern).sort("path_m")["segment_id"].to_list()


def test_lines_on_one_road_share_its_segments_and_those_apart_do_not() -> None:
    paths = pl.concat(
        [
            path("long", (0, 0), (2000, 0)),
            path("joins", (500, 600), (500, 6), (1500, 6)),
            path("crosses", (1000, -500), (1000, 500)),
            path("back", (1800, 8), (200, 8)),
        ]
    )
    roads = shared_roads(paths, PROJECTION)
    RoadSegment.validate(roads.segments.with_columns(pl.lit(START.date()).alias("service_date")))
    long = segments_of(roads.samples, "long")
    assert len(set(long)) == 2000 / SEGMENT_M
    joins = segments_of(roads.samples, "joins")
    shared = [segment for segment in joins if segment in set(long)]
    assert 940 <= 20 * len(shared) <= 1000
    assert not set(segments_of(roads.samples, "crosses")) & set(long)
    assert not set(segments_of(roads.samples, "back")) & set(long)


def test_a_road_driven_twice_by_one_path_is_one_road() -> None:
    paths = path("loop", (0, 0), (1000, 0), (1000, 300), (0, 300), (0, 0), (1000, 0))
    names = segments_of(shared_roads(paths, PROJECTION).samples, "loop")
    assert names[-50:] == names[:50]


def test_segments_keep_their_names_when_a_line_is_added() -> None:
    old = shared_roads(path("a", (0, 0), (1500, 200)), PROJECTION)
    new = shared_roads(pl.concat([path("a", (0, 0), (1500, 200)), path("b", (300, 40), (900, 120))]), PROJECTION)
    assert segments_of(new.samples, "a") == segments_of(old.samples, "a")


def street() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Paths and stops of a line along a street and of one that follows it with no stop in common."""
    paths = pl.concat([path("east", (0, 0), (5 * SPACING_M, 0)), path("west", (0, 5), (5 * SPACING_M, 5))])
    stops = pl.DataFrame(
        [(way, n + 1, f"{way}{n + 1}", n * SPACING_M) for way in ("east", "west") for n in range(6)],
        schema=["pattern_id", "trip_stop_sequence", "stop_id", "path_m"],
        orient="row",
    )
    return paths, stops


def test_speed_is_metres_over_seconds_of_all_lines_without_dwell() -> None:
    paths, stops = street()
    slow = trip("b", "west", 1, line="2").with_columns(
        pl.col("arrival", "departure") + pl.duration(seconds=100 * (pl.col("trip_stop_sequence") - 1))
    )
    runs = stop_to_stop(pl.concat([trip("a", "east", 0), slow]), stops)
    assert runs["run_s"].unique().sort().to_list() == [100.0, 200.0]
    speeds = segment_speeds(runs, shared_roads(paths, PROJECTION), stops, MIDNIGHT_S)
    SegmentSpeed.validate(speeds, cast=True)
    middle = speeds.filter(pl.col("lines") == "1,2")
    assert middle.height == speeds.height == 20
    assert middle["passages"].to_list() == [2] * 20
    assert middle["speed_m_s"].to_list() == pytest.approx([2 * 360 / 300] * 20, abs=1e-3)


def test_speeds_do_not_hang_on_how_many_segments_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, stops = street()
    runs = stop_to_stop(pl.concat([trip("a", "east", 0), trip("b", "west", 1, line="2")]), stops)
    whole = segment_speeds(runs, shared_roads(paths, PROJECTION), stops, MIDNIGHT_S)
    monkeypatch.setattr("mobility.segment_speeds.BATCH_SEGMENTS", 3)
    assert whole.height > 6
    assert segment_speeds(runs, shared_roads(paths, PROJECTION), stops, MIDNIGHT_S).equals(whole)


def test_runs_that_no_bus_could_drive_give_no_speed() -> None:
    paths, stops = street()
    hasty = trip("a", "east", 0).with_columns(
        pl.when(pl.col("trip_stop_sequence") == 3)
        .then(pl.col("arrival") - pl.duration(seconds=95))
        .otherwise("arrival")
        .alias("arrival")
    )
    speeds = segment_speeds(stop_to_stop(hasty, stops), shared_roads(paths, PROJECTION), stops, MIDNIGHT_S)
    assert speeds.height == 16
    assert speeds["speed_m_s"].max() == pytest.approx(3.6)


def test_run_times_are_those_from_departure_to_arrival_beside_the_plan() -> None:
    _, stops = street()
    runs = stop_to_stop(pl.concat([trip("a", "east", 0, name="t"), trip("b", "east", 9, name="u")]), stops)
    planned = pl.DataFrame(
        {
            "vehicle_id": ["a"] * 6,
            "trip_id_performed": ["t"] * 6,
            "trip_stop_sequence": list(range(1, 7)),
            "arrival_s": [n * 90.0 for n in range(6)],
            "departure_s": [n * 90.0 + 10 for n in range(6)],
        }
    )
    found = RunTime.validate(run_times(runs, planned, MIDNIGHT_S), cast=True)
    assert found.height == 5
    row = found.row(0, named=True)
    assert (row["runs"], row["median_run_s"], row["scheduled_run_s"], row["median_dwell_s"]) == (2, 100.0, 80.0, 20.0)
