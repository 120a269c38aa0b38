"""Delay at stop lines from positions on a path, where the truth is known."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from rides_by_hand import START, TIME, trip

from mobility.errors import FeedError
from mobility.geometry import Projection
from mobility.service_schemas import SignalDelay, SignalPassage, StopLine
from mobility.signal_delays import signal_delays, signal_passages
from mobility.sources.gtfs import empty_timetable
from mobility.stop_lines import place_stop_lines, read_stop_lines

MIDNIGHT_S = START.timestamp() - 8 * 3600
LINES = pl.DataFrame({"pattern_id": ["east"], "approach_id": ["j1:west"], "stop_line_m": [600.0]}).with_columns(
    pl.lit(2000.0).alias("path_end_m")
)
SPEED_M_S = 10.0


def drive(vehicle: str, start_min: float, wait_s: float, step_s: float = 5.0) -> pl.DataFrame:
    """Positions of a bus that drives 10 m/s and waits at the stop line, as a GPS that reports every `step_s`."""
    rows = []
    seconds = 0.0
    while seconds <= 200 + wait_s:
        before = min(seconds, 59.9)
        after = max(0.0, seconds - 59.9 - wait_s)
        rows.append(
            (
                vehicle,
                f"{vehicle}-t",
                "east",
                START + timedelta(minutes=start_min, seconds=seconds),
                SPEED_M_S * (before + after),
            )
        )
        seconds += step_s
    schema = ["vehicle_id", "trip_id_performed", "pattern_id", "event_timestamp", "path_m"]
    return pl.DataFrame(rows, schema=schema, orient="row").cast({"event_timestamp": TIME})


def visits(*vehicles: str) -> pl.DataFrame:
    """The trips of these buses; their stops are far from the stop line."""
    return pl.concat([trip(vehicle, "east", 30, name=f"{vehicle}-t") for vehicle in vehicles])


def test_the_delay_is_the_wait_at_the_line() -> None:
    waits = {f"v{n:02d}": 0.0 if n < 8 else 5.0 * (n - 7) for n in range(24)}
    positions = pl.concat([drive(vehicle, n, wait) for n, (vehicle, wait) in enumerate(waits.items())])
    found = SignalPassage.validate(signal_passages(positions, LINES, visits(*waits)), cast=True)
    assert found.height == len(waits)
    measured = dict(found.select("vehicle_id", "delay_s").iter_rows())
    for vehicle, wait in waits.items():
        assert measured[vehicle] == pytest.approx(wait, abs=5.0)
    assert sum(measured.values()) / len(waits) == pytest.approx(sum(waits.values()) / len(waits), abs=1.5)
    delays = SignalDelay.validate(signal_delays(found, MIDNIGHT_S), cast=True)
    assert delays["buses"].to_list() == [24]
    assert delays["stopped_share"].item() == pytest.approx(15 / 24, abs=0.1)


def test_a_bus_that_waits_at_the_line_has_not_crossed_it_because_gps_says_so() -> None:
    off_m = [0.0, 9.0, -8.0, 11.0, -3.0, 6.0]
    steady = drive("a", 0, 60)
    noisy = steady.with_columns(
        (pl.col("path_m") + pl.Series([off_m[number % 6] for number in range(steady.height)])).clip(lower_bound=0)
    )
    straight, astray = (
        signal_passages(positions, LINES, visits("a")).row(0, named=True) for positions in (steady, noisy)
    )
    assert straight["delay_s"] == pytest.approx(60.0, abs=3.0)
    assert astray["delay_s"] == pytest.approx(60.0, abs=5.0)
    assert abs((astray["crossing"] - straight["crossing"]).total_seconds()) < 4.0


def test_dwell_at_a_stop_before_the_line_is_no_delay_of_the_signal() -> None:
    positions = drive("a", 0, 40)
    stop = (
        trip("a", "east", 0, name="a-t")
        .head(1)
        .with_columns(
            (pl.lit(START) + pl.duration(seconds=60)).cast(TIME).alias("arrival"),
            (pl.lit(START) + pl.duration(seconds=85)).cast(TIME).alias("departure"),
        )
    )
    with_stop = signal_passages(positions, LINES, stop).row(0, named=True)
    without = signal_passages(positions, LINES, visits("a")).row(0, named=True)
    assert with_stop["dwell_s"] == pytest.approx(25.0, abs=0.1)
    assert without["delay_s"] - with_stop["delay_s"] == pytest.approx(25.0, abs=0.1)


def test_gaps_cost_confidence_and_too_long_ones_tell_nothing() -> None:
    often, seldom = (signal_passages(drive("a", 0, 0, step), LINES, visits("a")) for step in (5.0, 30.0))
    assert often["confidence"].item() == 1.0 > seldom["confidence"].item()
    assert signal_passages(drive("a", 0, 0, 90.0), LINES, visits("a")).is_empty()


def test_a_bus_that_ends_before_the_line_did_not_cross_it() -> None:
    assert signal_passages(drive("a", 0, 0).filter(pl.col("path_m") < 590), LINES, visits("a")).is_empty()


def test_a_zone_ends_at_the_stop_line_before() -> None:
    lines = pl.concat(
        [LINES, LINES.with_columns(pl.lit("j0:west").alias("approach_id"), pl.lit(520.0).alias("stop_line_m"))]
    )
    found = signal_passages(drive("a", 0, 0), lines, visits("a"))
    assert dict(found.select("approach_id", "zone_m").iter_rows()) == {"j0:west": 165.0, "j1:west": 80.0}


def other_line(place_m: float) -> pl.DataFrame:
    return LINES.with_columns(pl.lit("j0:west").alias("approach_id"), pl.lit(place_m).alias("stop_line_m"))


@pytest.mark.parametrize("apart_m", [6.0, 14.0, 25.0])
def test_stop_lines_close_behind_each_other_share_the_way_between_them(apart_m: float) -> None:
    """The bus waits at the second; none of the wait is told of the first, and no line is left out."""
    lines = pl.concat([LINES, other_line(600.0 - apart_m)])
    found = signal_passages(drive("a", 0, 40, 1.0), lines, visits("a"))
    delays = dict(found.select("approach_id", "delay_s").iter_rows())
    assert delays == {"j0:west": pytest.approx(0.0, abs=3.0), "j1:west": pytest.approx(40.0, abs=3.0)}
    first, second = found.sort("crossing")["crossing"]
    assert (second - first).total_seconds() == pytest.approx(40.0 + apart_m / SPEED_M_S, abs=1.5)


def test_a_line_at_the_end_of_the_path_is_crossed_where_the_path_ends() -> None:
    lines = LINES.with_columns(pl.lit(605.0).alias("path_end_m"))
    positions = drive("a", 0, 40, 1.0).with_columns(pl.col("path_m").clip(upper_bound=605.0))
    (delay_s,) = signal_passages(positions, lines, visits("a"))["delay_s"]
    assert delay_s == pytest.approx(40.0, abs=4.0)


def test_stop_lines_are_placed_on_each_pass_of_their_own_direction(tmp_path: Path) -> None:
    projection = Projection(76.9, 43.2)
    timetable = empty_timetable(projection)
    points = [
        ("loop", 0.0, 0.0, 0.0),
        ("loop", 1000.0, 1000.0, 0.0),
        ("loop", 2010.0, 0.0, 10.0),
        ("loop", 3010.0, 1000.0, 0.0),
    ]
    paths = pl.DataFrame(points, schema=["pattern_id", "path_m", "x_m", "y_m"], orient="row")
    timetable = type(timetable)(
        timetable.stops, timetable.trips, timetable.calls, timetable.pattern_stops, paths, projection
    )
    place = pl.DataFrame({"x": [600.0], "y": [3.0]}).select(
        projection.longitude(pl.col("x")), projection.latitude(pl.col("y"))
    )
    file = tmp_path / "stop_lines.csv"
    file.write_text(f"approach_id,latitude,longitude,heading\nj1:west,{place['y'][0]:.7f},{place['x'][0]:.7f},90\n")
    found = StopLine.validate(place_stop_lines(read_stop_lines(file), timetable), cast=True)
    assert found["stop_line_m"].to_list() == pytest.approx([600.0, 2610.0], abs=2.0)
    assert found["path_end_m"].unique().to_list() == [timetable.paths["path_m"].max()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("approach_id,latitude,longitude\na,1,2\n", r"stop_lines\.csv lacks the column 'heading'"),
        ("approach_id,latitude,longitude,heading\na,43,76,90\nb,north,76,90\n", r"line 3: needs an approach_id"),
        ("approach_id,latitude,longitude,heading\n\na,43,76,90\n\nb,43,76,nan\n", r"line 5: needs an approach_id"),
    ],
)
def test_a_broken_file_of_stop_lines_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "stop_lines.csv"
    file.write_text(text)
    with pytest.raises(FeedError, match=said):
        read_stop_lines(file)
