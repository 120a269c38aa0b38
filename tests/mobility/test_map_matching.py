"""Points find their place on a path they follow, also where it crosses or retraces itself."""

from __future__ import annotations

import itertools
import math
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.map_matching import GPS, match_to_paths, place_stops

OUT_AND_BACK = [(0.0, 0.0), (1000.0, 0.0), (0.0, 0.0)]
LOOP = [(0.0, 0.0), (600.0, 0.0), (600.0, 400.0), (0.0, 400.0), (0.0, 0.0)]
EIGHT = [(0.0, 0.0), (400.0, 400.0), (400.0, 0.0), (0.0, 400.0)]


def path(corners: list[tuple[float, float]]) -> pl.DataFrame:
    rows, at_m = [], 0.0
    for number, (x, y) in enumerate(corners):
        if number:
            before = corners[number - 1]
            at_m += ((x - before[0]) ** 2 + (y - before[1]) ** 2) ** 0.5
        rows.append(("p", at_m, x, y))
    return pl.DataFrame(rows, schema=["pattern_id", "path_m", "x_m", "y_m"], orient="row")


def point_at(corners: list[tuple[float, float]], place_m: float) -> tuple[float, float]:
    frame = path(corners)
    rows = list(frame.iter_rows())
    for (_, start_m, x0, y0), (_, end_m, x1, y1) in itertools.pairwise(rows):
        if place_m <= end_m:
            share = (place_m - start_m) / (end_m - start_m)
            return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
    return rows[-1][2], rows[-1][3]


def drive(corners: list[tuple[float, float]], step_m: float, seed: int, noise_m: float = 6.0) -> pl.DataFrame:
    rng = random.Random(seed)
    length = float(path(corners)["path_m"][-1])
    rows = []
    for number in range(int(length / step_m) + 1):
        x, y = point_at(corners, number * step_m)
        rows.append((1, number, "p", x + rng.gauss(0, noise_m), y + rng.gauss(0, noise_m), number * step_m / 8.0))
    return pl.DataFrame(rows, schema=["track", "order", "pattern_id", "x_m", "y_m", "at_s"], orient="row")


@settings(max_examples=20, deadline=None)
@given(
    corners=st.sampled_from([OUT_AND_BACK, LOOP, EIGHT]),
    step_m=st.sampled_from([40.0, 80.0, 240.0]),
    seed=st.integers(0, 1000),
)
def test_a_drive_is_found_again_along_its_path(corners: list[tuple[float, float]], step_m: float, seed: int) -> None:
    points = drive(corners, step_m, seed)
    matched = match_to_paths(points, path(corners))
    true_m = pl.Series([order * step_m for order in matched["order"].to_list()])
    wrong = ((matched["path_m"] - true_m).abs() > 60).sum()
    # at the turning point of an out-and-back path both ways are the same place
    assert wrong <= 2
    assert matched.height == points.height


def test_points_far_from_the_path_are_left_out() -> None:
    points = drive(LOOP, 50.0, seed=1).with_columns(
        pl.when(pl.col("order") == 4).then(500.0).otherwise(pl.col("y_m")).alias("y_m")
    )
    assert 4 not in match_to_paths(points, path(LOOP))["order"].to_list()


def test_no_point_near_any_path_gives_an_empty_typed_frame() -> None:
    points = drive(LOOP, 50.0, seed=1).with_columns(pl.col("x_m") + 10_000)
    empty = match_to_paths(points, path(LOOP))
    assert empty.is_empty()
    assert empty.columns == ["track", "order", "path_m", "offset_m"]


def test_stops_of_a_line_that_returns_on_itself_keep_their_order() -> None:
    places = [100.0, 500.0, 900.0, 1150.0, 1500.0, 1900.0]
    stops = pl.DataFrame(
        [("p", number + 1, f"s{number}", *point_at(OUT_AND_BACK, at)) for number, at in enumerate(places)],
        schema=["pattern_id", "trip_stop_sequence", "stop_id", "x_m", "y_m"],
        orient="row",
    )
    assert place_stops(stops, path(OUT_AND_BACK))["path_m"].to_list() == pytest.approx(places, abs=1)


def test_a_stop_far_from_the_path_is_put_between_its_neighbours() -> None:
    stops = pl.DataFrame(
        [("p", 1, "a", 100.0, 0.0), ("p", 2, "b", 300.0, 900.0), ("p", 3, "c", 500.0, 0.0)],
        schema=["pattern_id", "trip_stop_sequence", "stop_id", "x_m", "y_m"],
        orient="row",
    )
    assert place_stops(stops, path(LOOP))["path_m"].to_list() == pytest.approx([100, 300, 500], abs=1)


def cheapest_by_trying_all(points: pl.DataFrame, corners: list[tuple[float, float]]) -> float:
    """Least cost over every subset of the points and every place each may have, by plain enumeration."""
    places = [
        [(m, d) for m, d in candidates((x, y), corners) if d <= GPS.radius_m]
        for x, y in points.select("x_m", "y_m").iter_rows()
    ]
    skip = 0.5 * (GPS.radius_m / GPS.sigma_m) ** 2
    best = float("inf")
    for chain in itertools.product(*[[None, *options] for options in places]):
        kept = [(number, place) for number, place in enumerate(chain) if place is not None]
        left_out = sum(1 for place, options in zip(chain, places, strict=True) if place is None and options)
        total = skip * left_out + sum(0.5 * (d / GPS.sigma_m) ** 2 for _, (_, d) in kept)
        total += sum(move(points, *step) for step in itertools.pairwise(kept))
        best = min(best, total)
    return best


def candidates(point: tuple[float, float], corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Local minima of the distance to the path, found by walking along it in steps of a metre."""
    length = float(path(corners)["path_m"][-1])
    # the end stands there once: twice, it would be a minimum beside itself
    walk = [*range(math.ceil(length)), length]
    distances = [math.dist(point, point_at(corners, m)) for m in walk]
    padded = [math.inf, *distances, math.inf]
    return [(walk[i], d) for i, d in enumerate(distances) if padded[i] >= d < padded[i + 2]]


def move(
    points: pl.DataFrame, before: tuple[int, tuple[float, float]], after: tuple[int, tuple[float, float]]
) -> float:
    (first, (start_m, _)), (second, (end_m, _)) = before, after
    rows = points.select("x_m", "y_m", "at_s").rows()
    ahead, elapsed_s = end_m - start_m, rows[second][2] - rows[first][2]
    if ahead < 0:
        return -ahead / GPS.backward_m
    if ahead > elapsed_s * GPS.speed_m_s + 2 * GPS.sigma_m:
        return math.inf
    return abs(ahead - math.dist(rows[first][:2], rows[second][:2])) / GPS.detour_m


@settings(max_examples=15, deadline=None)
@given(
    corners=st.sampled_from(
        [[(0.0, 0.0), (300.0, 0.0), (0.0, 0.0)], [(0.0, 0.0), (200.0, 200.0), (200.0, 0.0), (0.0, 200.0)]]
    ),
    places=st.lists(st.tuples(st.integers(-40, 340), st.integers(-60, 260)), min_size=2, max_size=5),
)
def test_no_chain_is_cheaper_than_the_one_that_is_found(
    corners: list[tuple[float, float]], places: list[tuple[int, int]]
) -> None:
    rows = [(1, number, "p", float(x), float(y), number * 10.0) for number, (x, y) in enumerate(places)]
    points = pl.DataFrame(rows, schema=["track", "order", "pattern_id", "x_m", "y_m", "at_s"], orient="row")
    matched = match_to_paths(points, path(corners))
    kept = [(order, (m, d)) for order, m, d in matched.select("order", "path_m", "offset_m").iter_rows()]
    reachable = sum(1 for x, y in places if any(d <= GPS.radius_m for _, d in candidates((x, y), corners)))
    found = 0.5 * (GPS.radius_m / GPS.sigma_m) ** 2 * (reachable - len(kept))
    found += sum(0.5 * (d / GPS.sigma_m) ** 2 for _, (_, d) in kept)
    found += sum(move(points, *step) for step in itertools.pairwise(kept))
    # the enumeration knows places to the metre
    assert found <= cheapest_by_trying_all(points, corners) + 1.0


def test_a_jump_no_bus_can_make_is_left_out_and_the_drive_goes_on() -> None:
    straight = [(0.0, 0.0), (4000.0, 0.0)]
    points = drive(straight, 100.0, seed=3).with_columns(
        pl.when(pl.col("order").is_between(10, 12)).then(pl.col("x_m") + 1500).otherwise("x_m").alias("x_m")
    )
    matched = match_to_paths(points, path(straight))
    assert set(range(41)) - set(matched["order"].to_list()) == {10, 11, 12}


def test_a_vehicle_that_names_its_next_trip_while_it_still_drives_the_other_way_begins_where_it_turns() -> None:
    straight = [(0.0, 0.0), (2000.0, 0.0)]
    back = drive(straight, 100.0, seed=4).reverse().with_columns(pl.int_range(pl.len()).alias("order"))
    there = drive(straight, 100.0, seed=5).with_columns(pl.col("order") + 21)
    both = pl.concat([back, there]).with_columns((pl.col("order") * 12.5).alias("at_s"))
    kept = match_to_paths(both, path(straight))
    assert kept.filter(pl.col("order") < 18).is_empty()
    assert kept.filter(pl.col("order") >= 22).height == 20
