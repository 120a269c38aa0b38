"""One synthetic city day as the feeds a city would have: timetable, vehicle positions, taps; and the truth beside them.

Lines walk a street grid (with turns, crossings, loops and out-and-back spurs), buses hold at stops and at signals, GPS
is noisy and has gaps, and riders make tours: 60 to 70 % of the cards tap at least twice. The same arguments give the
same files.
"""

from __future__ import annotations

import argparse
import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ZONE, OFFSET = "Asia/Almaty", timedelta(hours=5)
LAT0, LON0 = 51.13, 71.43
METRES = math.radians(1.0) * 6_371_008.8
BLOCK_M, EDGES = 500.0, 30
POINTS_A_VEHICLE, VEHICLES_A_LINE = 5_000, 20
BEGIN_S, PING_S = 5.5 * 3600, 12
END_S = BEGIN_S + POINTS_A_VEHICLE * PING_S
TRIPS = 20
TAPS_A_CARD = 2.1
DAY = date(2025, 3, 3)


@dataclass(frozen=True)
class Network:
    """Patterns (two a line: there and back) flattened: their stops one after the other, and the corners of their paths.

    `first_stop`, `stops`: of each pattern; `place_m`, `x`, `y`, `pattern`: of each stop; `corner_*`: of each path."""

    first_stop: Ints
    stops: Ints
    pattern: Ints
    place_m: Floats
    x: Floats
    y: Floats
    corner_pattern: Ints
    corner_m: Floats
    corner_x: Floats
    corner_y: Floats


@dataclass(frozen=True)
class Runs:
    """Trips and their calls. `vehicle`, `pattern`, `planned_s`, `first_call`: of each trip; the rest of each call."""

    vehicle: Ints
    pattern: Ints
    planned_s: Floats
    planned_call_s: Floats
    first_call: Ints
    trip: Ints
    stop: Ints
    arrival_s: Floats
    departure_s: Floats
    hold_m: Floats
    hold_begin_s: Floats
    hold_end_s: Floats


def write_city_day(
    folder: Path, points: int = 10_000_000, taps: int = 2_000_000, day: date = DAY, seed: int = 1
) -> None:
    """Write feeds.json, gtfs.zip, vehicle_locations.parquet, fare_transactions.parquet (TIDES names) and, for checks,
    truth_visits.parquet and truth_legs.parquet. About `points` positions, at most `taps` taps; the city's lines depend
    on the size and `seed` alone, what happens in it on `day` too."""
    folder.mkdir(parents=True, exist_ok=True)
    vehicles = max(4, points // POINTS_A_VEHICLE)
    lines = max(2, vehicles // VEHICLES_A_LINE)
    network = _network(np.random.default_rng(seed), lines)
    rng = np.random.default_rng([seed, day.toordinal()])
    runs = _runs(rng, network, vehicles)
    _write_positions(folder, rng, network, runs, day, points)
    _write_taps(folder, rng, network, runs, day, taps)
    _write_timetable(folder, network, runs, day)
    corners = network.corner_x, network.corner_y
    (west, south), (east, north) = (_degrees(*(edge(c) for c in corners)) for edge in (np.min, np.max))
    bounds = [float(value) for value in (west, south, east, north)]
    manifest = {"agency_id": "synthetic", "service_date": day.isoformat(), "zone": ZONE, "begin_s": BEGIN_S}
    (folder / "feeds.json").write_text(json.dumps({**manifest, "end_s": END_S, "cash_share": 0.1, "bounds": bounds}))


def _degrees(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return LON0 + x / (METRES * math.cos(math.radians(LAT0))), LAT0 + y / METRES


def _walk(rng: np.random.Generator, size: int) -> Floats:
    """Corners of one line through the grid; one line in ten has a spur it drives into and out of."""
    at, heading = rng.integers(-size, size + 1, 2), int(rng.integers(4))
    steps = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    spur = int(rng.integers(8, EDGES - 8)) if rng.random() < 0.1 else -1
    corners = [at]
    for edge in range(EDGES):
        if edge == spur:
            corners += [at + steps[heading], at + 2 * steps[heading], at + steps[heading], at]
            heading = (heading + 1) % 4
        turn = rng.choice((0, 1, 3), p=(0.78, 0.11, 0.11))
        ways = [h % 4 for h in (heading + turn, heading, heading + 1, heading + 3)]
        heading = next(h for h in ways if np.abs(at + steps[h]).max() <= size)
        at = at + steps[heading]
        corners.append(at)
    return np.array(corners, dtype=np.float64) * BLOCK_M


def _network(rng: np.random.Generator, lines: int) -> Network:
    size = max(4, round(2 * math.sqrt(lines)))
    stops: list[tuple[Ints, Floats, Floats, Floats]] = []
    corners: list[tuple[Ints, Floats, Floats, Floats]] = []
    for line in range(lines):
        there = _walk(rng, size)
        length_m = float(np.hypot(*np.diff(there, axis=0).T).sum())
        count = round(length_m / 430)
        places = np.linspace(20, length_m - 20, count) + np.r_[0, rng.uniform(-60, 60, count - 2), 0]
        for direction, path, along in ((0, there, places), (1, there[::-1], length_m - places[::-1])):
            at_m = np.r_[0, np.hypot(*np.diff(path, axis=0).T).cumsum()]
            x, y = np.interp(along, at_m, path[:, 0]), np.interp(along, at_m, path[:, 1])
            edge = np.searchsorted(at_m, along, side="right") - 1
            ahead = (path[edge + 1] - path[edge]) / BLOCK_M
            number = np.full(count, 2 * line + direction)
            stops.append((number, along, x + 8 * ahead[:, 1], y - 8 * ahead[:, 0]))
            corners.append((np.full(len(path), 2 * line + direction), at_m, path[:, 0], path[:, 1]))
    pattern, place_m, x, y = (np.concatenate(column) for column in zip(*stops, strict=True))
    number = np.bincount(pattern)
    corner = (np.concatenate(column) for column in zip(*corners, strict=True))
    return Network(np.r_[0, number.cumsum()[:-1]], number, pattern, place_m, x, y, *corner)


def _runs(rng: np.random.Generator, network: Network, vehicles: int) -> Runs:
    """Every vehicle goes back and forth on its line from about BEGIN_S on, with a layover at each end."""
    line = np.arange(vehicles) % (len(network.stops) // 2)
    vehicle = np.repeat(np.arange(vehicles), TRIPS)
    order = np.tile(np.arange(TRIPS), vehicles)
    pattern = 2 * line[vehicle] + (order + vehicle // len(network.stops)) % 2
    count = network.stops[pattern]
    first = np.r_[0, count.cumsum()[:-1]]
    trip = np.repeat(np.arange(len(vehicle)), count)
    within = np.arange(count.sum()) - first[trip]
    stop = network.first_stop[pattern[trip]] + within
    step_m = np.where(within > 0, network.place_m[stop] - network.place_m[stop - (within > 0)], 0.0)
    planned_s = np.where(within > 0, step_m / 7.0 + 20.0, 0.0)
    hold_s = np.where((within > 0) & (rng.random(len(stop)) < 0.5), rng.exponential(15, len(stop)), 0.0)
    drive_s = step_m / np.clip(rng.normal(8.5, 1.2, len(stop)), 5, 13)
    dwell_s = np.where(rng.random(len(stop)) < 0.1, 0.0, 5 + rng.exponential(8, len(stop)))
    planned_run_s = np.add.reduceat(planned_s, first).reshape(vehicles, TRIPS)
    starts = (BEGIN_S + rng.uniform(0, 1800, vehicles))[:, None] + np.c_[
        np.zeros(vehicles), (planned_run_s + 300).cumsum(axis=1)[:, :-1]
    ]
    spent_s = drive_s + hold_s + dwell_s
    run_s = np.add.reduceat(spent_s, first).reshape(vehicles, TRIPS)
    begun = starts.copy()
    for number in range(1, TRIPS):
        begun[:, number] = np.maximum(starts[:, number], begun[:, number - 1] + run_s[:, number - 1] + 60)
    elapsed = spent_s.cumsum()
    departure_s = begun.ravel()[trip] + elapsed - np.r_[0.0, elapsed][first][trip]
    arrival_s = departure_s - dwell_s
    share = rng.uniform(0.3, 0.95, len(stop))
    hold_begin_s = arrival_s - hold_s - (1 - share) * drive_s
    planned_call_s = starts.ravel()[trip] + planned_s.cumsum() - np.r_[0.0, planned_s.cumsum()][first][trip]
    hold_m = network.place_m[stop] - (1 - share) * step_m
    return Runs(
        *(vehicle, pattern, starts.ravel(), planned_call_s, first, trip, stop, arrival_s, departure_s),
        *(hold_m, hold_begin_s, hold_begin_s + hold_s),
    )


def _vehicle_id(number: Ints) -> pl.Series:
    return pl.Series(number).cast(pl.String).str.zfill(4)


def _trip_id(number: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit("T"), number.cast(pl.String).str.zfill(6))


def _time(seconds: str, day: date) -> pl.Expr:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - OFFSET
    milliseconds = (pl.col(seconds) * 1000).round().cast(pl.Int64) + round(midnight.timestamp() * 1000)
    return pl.from_epoch(milliseconds, time_unit="ms").dt.replace_time_zone("UTC")


def _write_positions(
    folder: Path, rng: np.random.Generator, network: Network, runs: Runs, day: date, points: int
) -> None:
    vehicles = int(runs.vehicle[-1]) + 1
    each = points // vehicles
    vehicle = np.repeat(np.arange(vehicles), each)
    at_s = np.round(BEGIN_S + rng.uniform(0, PING_S, vehicles)[vehicle] + np.tile(np.arange(each) * PING_S, vehicles))
    call_vehicle = runs.vehicle[runs.trip]
    knots = np.c_[runs.hold_begin_s, runs.hold_end_s, runs.arrival_s, runs.departure_s] + call_vehicle[:, None] * 1e6
    place_m = network.place_m[runs.stop]
    path_of_call = runs.pattern[runs.trip] * 1e6
    places = np.c_[runs.hold_m, runs.hold_m, place_m, place_m] + path_of_call[:, None]
    asked = at_s + vehicle * 1e6
    call = np.searchsorted(knots[:, 3], asked, side="left").clip(0, len(place_m) - 1)
    trip = runs.trip[call]
    begun = asked >= knots[:, 2][runs.first_call][trip]
    driving = begun & (runs.vehicle[trip] == vehicle)
    # before the first trip, in a layover and after the last trip a bus stands at the end of its line
    resting = np.where(runs.vehicle[trip] == vehicle, runs.first_call[trip], runs.first_call[trip] - 1)
    along = np.interp(asked, knots.ravel(), places.ravel())
    along = np.where(driving, along, places[resting, 3])
    corner = network.corner_pattern * 1e6 + network.corner_m
    # a bus that hands in wrong places for a moment, and one that is silent for minutes
    wrong = np.where(rng.random(len(vehicle)) < 0.002, 150.0, 5.0)
    x = np.interp(along, corner, network.corner_x) + rng.normal(0, 1, len(vehicle)) * wrong
    y = np.interp(along, corner, network.corner_y) + rng.normal(0, 1, len(vehicle)) * wrong
    silent = rng.random(len(vehicle)) < 0.0005
    quiet = np.convolve(silent, np.ones(20), mode="full")[: len(vehicle)] > 0
    lon, lat = _degrees(x, y)
    frame = pl.DataFrame(
        {"vehicle": vehicle, "at_s": at_s, "trip": np.where(driving, trip, -1), "lat": lat, "lon": lon}
    ).filter(pl.Series(~quiet))
    (
        frame.sort("at_s", "vehicle")
        .with_columns(
            _vehicle_id(np.arange(vehicles))[pl.Series(frame.sort("at_s", "vehicle")["vehicle"])].alias("vehicle_id")
        )
        .with_row_index("ping")
        .select(
            pl.concat_str(pl.lit("p"), pl.col("ping").cast(pl.String).str.zfill(9)).alias("location_ping_id"),
            _time("at_s", day).alias("event_timestamp"),
            "vehicle_id",
            pl.when(pl.col("trip") >= 0).then(_trip_id(pl.col("trip"))).alias("trip_id_performed"),
            pl.col("lat").round(6).alias("latitude"),
            pl.col("lon").round(6).alias("longitude"),
        )
        .write_parquet(folder / "vehicle_locations.parquet", compression="zstd", row_group_size=1 << 19)
    )


@dataclass(frozen=True)
class _Ride:
    """Rides of many cards: `card`, the call boarded and the call left; `ready_s` when the rider is free again."""

    card: Ints
    board: Ints
    alight: Ints
    ready_s: Floats


def _ride(runs: Runs, by_stop: Ints, keys: Floats, card: Ints, ask: Floats, hops: Ints) -> _Ride:
    """The next bus of the stop and time in `ask` (stop · 10⁶ + second) for each card, left `hops` stops later."""
    found = np.searchsorted(keys, ask).clip(0, len(keys) - 1)
    board = by_stop[found]
    caught = (runs.stop[board] == ask // 1e6) & (keys[found] >= ask)
    alight = np.where(caught, board + hops, board)
    caught &= runs.arrival_s[alight] < END_S
    return _Ride(card[caught], board[caught], alight[caught], runs.arrival_s[alight[caught]])


def _tours(rng: np.random.Generator, network: Network, runs: Runs, cards: int) -> Iterator[_Ride]:
    """Rides of all cards: a first ride, for some a transfer, and for seven in ten the whole way back later."""
    by_stop = np.lexsort((runs.departure_s, runs.stop))
    keys = runs.stop[by_stop] * 1e6 + runs.departure_s[by_stop]
    seq = np.arange(len(network.pattern)) - network.first_stop[network.pattern]
    left = network.stops[network.pattern] - 1 - seq
    mirror = network.first_stop[network.pattern ^ 1] + left
    near, starts, counts = _changes(network, left)

    def ride(card: Ints, stop: Ints, at_s: Floats, hops: Ints) -> _Ride:
        return _ride(runs, by_stop, keys, card, stop * 1e6 + at_s, hops)

    origin = rng.choice(np.flatnonzero(left > 0), cards)
    hops = 1 + (rng.beta(1.6, 2.2, cards) * left[origin]).astype(np.int64).clip(0, left[origin] - 1)
    peak = rng.choice(3, cards, p=(0.5, 0.3, 0.2))
    start_s = np.where(
        peak == 0, rng.normal(8, 1, cards), np.where(peak == 1, rng.normal(13, 3, cards), rng.normal(18, 1.5, cards))
    )
    start_s = (start_s * 3600).clip(BEGIN_S, 20 * 3600)
    first = ride(np.arange(cards), origin, start_s, hops)
    yield first
    end = runs.stop[first.alight]
    changing = (rng.random(len(end)) < 0.3) & (counts[end] > 0)
    change = near[(starts[end] + (rng.random(len(end)) * counts[end]).astype(np.int64)).clip(0, len(near) - 1)]
    second_hops = 1 + (rng.beta(1.6, 2.2, len(end)) * left[change]).astype(np.int64).clip(0, left[change] - 1)
    second = ride(first.card[changing], change[changing], first.ready_s[changing] + 90, second_hops[changing])
    yield second
    stay_s = np.where(rng.random(cards) < 0.6, rng.normal(8.5, 0.7, cards), rng.uniform(1, 4, cards)) * 3600
    returns = rng.random(cards) < 0.7
    back = returns[second.card]
    onward = ride(
        second.card[back],
        mirror[runs.stop[second.alight[back]]],
        second.ready_s[back] + stay_s[second.card[back]],
        (second.alight - second.board)[back],
    )
    yield onward
    # the way back on the first line: at once for those who did not change, after the change for the others
    ready_s = np.full(cards, np.nan)
    ready_s[first.card] = first.ready_s + stay_s[first.card]
    ready_s[second.card] = np.nan
    ready_s[onward.card] = onward.ready_s + 90
    home = returns[first.card] & np.isfinite(ready_s[first.card])
    yield ride(first.card[home], mirror[end[home]], ready_s[first.card[home]], (first.alight - first.board)[home])


def _changes(network: Network, left: Ints) -> tuple[Ints, Ints, Ints]:
    """Stops of other lines within 200 m of each stop, from which one can go on: all of them, start, how many."""
    pairs = cKDTree(np.c_[network.x, network.y]).query_pairs(200.0, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    other_line = network.pattern[pairs[:, 0]] // 2 != network.pattern[pairs[:, 1]] // 2
    pairs = pairs[other_line & (left[pairs[:, 1]] > 0)]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    counts = np.bincount(pairs[:, 0], minlength=len(left))
    return pairs[:, 1], np.r_[0, counts.cumsum()[:-1]], counts


def _write_taps(folder: Path, rng: np.random.Generator, network: Network, runs: Runs, day: date, taps: int) -> None:
    rides = list(_tours(rng, network, runs, int(taps / TAPS_A_CARD * 1.25) + 10))
    card, board, alight = (np.concatenate([getattr(r, name) for r in rides]) for name in ("card", "board", "alight"))
    kept = np.flatnonzero(np.bincount(card).cumsum() <= taps)
    inside = card <= kept[-1]
    card, board, alight = card[inside], board[inside], alight[inside]
    dwell_s = runs.departure_s[board] - runs.arrival_s[board]
    at_s = runs.arrival_s[board] + rng.uniform(0, 1, len(board)) * np.maximum(dwell_s, 2)
    late = rng.random(len(board)) < 0.03
    at_s = np.round(np.where(late, runs.departure_s[board] + rng.uniform(2, 30, len(board)), at_s))
    frame = (
        pl.DataFrame({"card": card, "at_s": at_s, "trip": runs.trip[board], "board": board, "alight": alight})
        .with_columns(
            _vehicle_id(runs.vehicle[runs.trip[board]]).alias("vehicle_id"),
            pl.Series("boarding_stop", runs.stop[board]),
            pl.Series("alighting_stop", runs.stop[alight]),
        )
        .sort("at_s", "card")
        .with_row_index("tap")
        .with_columns(pl.concat_str(pl.lit("t"), pl.col("tap").cast(pl.String).str.zfill(9)).alias("transaction_id"))
    )
    frame.select(
        "transaction_id",
        _time("at_s", day).alias("event_timestamp"),
        "vehicle_id",
        pl.concat_str(pl.lit("96430"), pl.col("card").cast(pl.String).str.zfill(11)).alias("fare_media_id"),
        pl.lit("Enter vehicle").alias("fare_action"),
    ).write_parquet(folder / "fare_transactions.parquet", compression="zstd", row_group_size=1 << 19)
    frame.select(
        "transaction_id",
        _trip_id(pl.col("trip")).alias("trip_id"),
        _stop_id(pl.col("boarding_stop")).alias("boarding_stop_id"),
        _stop_id(pl.col("alighting_stop")).alias("alighting_stop_id"),
    ).write_parquet(folder / "truth_legs.parquet", compression="zstd")


def _stop_id(number: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit("S"), number.cast(pl.String).str.zfill(5))


def _clock(seconds: str) -> pl.Expr:
    whole = pl.col(seconds).round().cast(pl.Int64)
    parts = [whole // 3600, whole // 60 % 60, whole % 60]
    return pl.concat_str(*(part.cast(pl.String).str.zfill(2) for part in parts), separator=":")


def _write_timetable(folder: Path, network: Network, runs: Runs, day: date) -> None:
    lon, lat = _degrees(network.x, network.y)
    line = pl.concat_str(pl.lit("L"), (pl.col("pattern") // 2).cast(pl.String).str.zfill(3)).alias("route_id")
    shape = pl.concat_str(pl.lit("P"), pl.col("pattern").cast(pl.String)).alias("shape_id")
    place = pl.DataFrame({"stop_lat": lat.round(6), "stop_lon": lon.round(6)}).with_row_index("stop")
    trips = pl.DataFrame({"pattern": runs.pattern, "vehicle": runs.vehicle}).with_row_index("trip")
    calls = pl.DataFrame(
        {
            "trip": runs.trip,
            "stop": runs.stop,
            "planned_s": runs.planned_call_s,
            "arrival_s": runs.arrival_s,
            "departure_s": runs.departure_s,
        }
    ).with_columns(pl.Series("stop_sequence", np.arange(len(runs.trip)) - runs.first_call[runs.trip] + 1))
    corner_lon, corner_lat = _degrees(network.corner_x, network.corner_y)
    corners = pl.DataFrame(
        {"pattern": network.corner_pattern, "shape_pt_lat": corner_lat.round(6), "shape_pt_lon": corner_lon.round(6)}
    ).with_row_index("shape_pt_sequence")
    week = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    calendar = {"service_id": ["day"], **{name: [1] for name in week}}
    calendar |= {"start_date": [20250101], "end_date": [20301231]}
    tables = {
        "stops.txt": place.select(
            _stop_id(pl.col("stop")).alias("stop_id"),
            _stop_id(pl.col("stop")).alias("stop_name"),
            "stop_lat",
            "stop_lon",
        ),
        "routes.txt": trips.select(line)
        .unique()
        .sort("route_id")
        .select("route_id", pl.col("route_id").alias("route_short_name"), pl.lit(3).alias("route_type")),
        "trips.txt": trips.select(
            line,
            pl.lit("day").alias("service_id"),
            _trip_id(pl.col("trip")).alias("trip_id"),
            (pl.col("pattern") % 2).alias("direction_id"),
            pl.concat_str(pl.lit("B"), pl.col("vehicle").cast(pl.String)).alias("block_id"),
            shape,
        ),
        "stop_times.txt": calls.select(
            _trip_id(pl.col("trip")).alias("trip_id"),
            _clock("planned_s").alias("arrival_time"),
            _clock("planned_s").alias("departure_time"),
            _stop_id(pl.col("stop")).alias("stop_id"),
            "stop_sequence",
        ),
        "shapes.txt": corners.select(shape, "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"),
        "calendar.txt": pl.DataFrame(calendar),
    }
    with zipfile.ZipFile(folder / "gtfs.zip", "w", compression=zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, table in tables.items():
            archive.writestr(zipfile.ZipInfo(name), table.write_csv(), compress_type=zipfile.ZIP_DEFLATED)
    calls.select(
        _trip_id(pl.col("trip")).alias("trip_id"),
        "stop_sequence",
        _time("arrival_s", day).alias("arrival"),
        _time("departure_s", day).alias("departure"),
    ).write_parquet(folder / "truth_visits.parquet", compression="zstd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--taps", type=int, default=2_000_000)
    parser.add_argument("--day", type=date.fromisoformat, default=DAY)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    write_city_day(given.folder, given.points, given.taps, given.day, given.seed)


if __name__ == "__main__":
    main()
