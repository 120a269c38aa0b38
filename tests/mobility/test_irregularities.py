"""What did not go as planned is recognised, counted, and told from what is only not known."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from rides_by_hand import DAY, SPACING_M, START, STOPS, at, pattern_stops, stops, taps, trip

from mobility.geometry import Projection
from mobility.irregularities import DayRecord, counts, irregularities
from mobility.schemas import Irregularity
from mobility.sources.gtfs import CALL, TRIP, Timetable, empty_timetable

LON, LAT = 71.43, 51.13
PLANE = Projection(LON, LAT)
METRES_A_DEGREE = 111_195.0


def timetable(*trips: tuple[str, str, float, str, str | None]) -> Timetable:
    """Trips from (trip_id, way, start minute, line, block)."""
    calls = [
        (name, n + 1, f"{way}{n + 1}", 60.0 * (start + 2 * n), 60.0 * (start + 2 * n) + 20.0, True)
        for name, way, start, _, _ in trips
        for n in range(STOPS)
    ]
    rows = [(name, line, int(way == "west"), block, way) for name, way, _, line, block in trips]
    bare = empty_timetable(PLANE)
    return Timetable(
        stops(),
        pl.DataFrame(rows, schema=TRIP, orient="row"),
        pl.DataFrame(calls, schema=CALL, orient="row"),
        pattern_stops(),
        bare.paths,
        PLANE,
    )


def positions(*rows: tuple[str, float, float, float]) -> pl.DataFrame:
    """Positions from (vehicle, minute, metres along the street, metres beside it)."""
    east = METRES_A_DEGREE * 0.6275
    return pl.DataFrame(
        [(vehicle, at(minute), LAT + y / METRES_A_DEGREE, LON + x / east) for vehicle, minute, x, y in rows],
        schema={
            "vehicle_id": pl.String,
            "event_timestamp": pl.Datetime("ms", "UTC"),
            "latitude": pl.Float64,
            "longitude": pl.Float64,
        },
        orient="row",
    )


def readings(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """Taps from (validator, vehicle, minute)."""
    read = taps(*((f"t{n}", "", vehicle, minute) for n, (_, vehicle, minute) in enumerate(rows)))
    return read.with_columns(pl.Series("device_id", [device for device, _, _ in rows], dtype=pl.String))


def found(
    visits: list[pl.DataFrame],
    planned: Timetable,
    locations: pl.DataFrame | None = None,
    tapped: pl.DataFrame | None = None,
    **more: pl.DataFrame,
) -> dict[str, list[tuple[str | None, ...]]]:
    """Irregularities by kind, as (line, vehicle_id, trip_id, device_id, detail)."""
    begin = START.timestamp()
    day = DayRecord(
        positions() if locations is None else locations,
        readings() if tapped is None else tapped,
        pl.concat(visits) if visits else trip("none", "east", 0).clear(),
        planned,
        begin,
        begin,
        begin + 4 * 3600,
        **more,
    )
    rows = irregularities(day)
    Irregularity.validate(rows.with_columns(pl.lit(DAY).alias("service_date")).select(Irregularity.column_names()))
    told: dict[str, list[tuple[str | None, ...]]] = {}
    for kind, *rest in rows.select("kind", "line", "vehicle_id", "trip_id", "device_id", "detail").rows():
        told.setdefault(kind, []).append(tuple(rest))
    assert {kind: len(some) for kind, some in told.items()} == counts(rows)
    return told


TWO = timetable(("a", "east", 0, "1", None), ("b", "west", 30, "1", None))


def unseen(run: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """A run whose visits from stop `first` to `last` are by the timetable."""
    hidden = pl.col("trip_stop_sequence").is_between(first, last)
    return run.with_columns(pl.when(hidden).then(pl.lit("timetable")).otherwise("method").alias("method"))


def drive(first: int, last: int, beside_m: float = 0.0) -> list[tuple[str, float, float, float]]:
    """Positions every half minute of a bus on its way from stop `first` to `last`."""
    steps = range(4 * (first - 1), 4 * (last - 1) + 1)
    return [("bus", step / 2, step * SPACING_M / 4, beside_m) for step in steps]


def test_a_day_that_goes_as_planned_has_none() -> None:
    assert found([trip("bus", "east", 0, name="a"), trip("bus", "west", 30, name="b")], TWO) == {}


def test_a_trip_nobody_drove_is_cancelled_and_one_nobody_planned_is_added() -> None:
    told = found([trip("bus", "east", 0, name="a"), trip("bus", "west", 60, name="x")], TWO)
    assert [row[2] for row in told.pop("trip_cancelled")] == ["b"]
    assert [row[1:3] for row in told.pop("trip_added")] == [("bus", "x")]
    assert told == {}


def test_a_run_nobody_named_stands_in_for_the_trip_of_its_pattern_at_that_time() -> None:
    assert found([trip("bus", "east", 0, name="a"), trip("bus", "west", 33, name="unnamed:bus")], TWO) == {}


def test_one_run_stands_in_for_one_trip() -> None:
    planned = timetable(("a", "east", 0, "1", None), ("b", "east", 8, "1", None))
    told = found([trip("bus", "east", 1, name="x")], planned)
    assert [row[2] for row in told["trip_cancelled"]] == ["b"]
    assert "trip_added" not in told


def test_trips_of_a_line_that_sent_nothing_are_unknown_and_not_cancelled() -> None:
    planned = timetable(("a", "east", 0, "1", None), ("c", "east", 0, "2", None))
    told = found([trip("bus", "east", 0, name="a"), unseen(trip("c", "east", 0, "2", "c"), 1, STOPS)], planned)
    assert told == {"line_silent": [("2", None, None, None, "1 scheduled trips, and no position of a vehicle on any")]}


def test_a_bus_that_turns_early_is_short_turned_where_it_was_tracked() -> None:
    run = [unseen(trip("bus", "east", 0, name="a"), 4, STOPS), trip("bus", "west", 30, name="b")]
    back = [("bus", 4 + step / 2, 2 * SPACING_M, 150.0 + 20 * step) for step in range(1, 14)]
    told = found(run, TWO, positions(*drive(1, 3), *back))
    assert told == {"trip_short_turned": [("1", "bus", "a", None, "stops 4 to 6 of 6 were not served")]}
    assert found(run, TWO, positions(*drive(1, 3))) == {}, "a receiver that fell silent proves nothing"
    assert found(run, TWO, positions(*drive(1, STOPS))) == {}, "it passed the stops, whatever was made of it"


def test_a_bus_that_leaves_its_path_and_comes_back_is_diverted() -> None:
    run = [unseen(trip("bus", "east", 0, name="a"), 3, 4), trip("bus", "west", 30, name="b")]
    around = positions(*drive(1, 2), *drive(3, 4, beside_m=300.0), *drive(5, STOPS))
    told = found(run, TWO, around)
    assert told == {"trip_diverted": [("1", "bus", "a", None, "stops 3 to 4 of 6 were not served")]}
    one = [unseen(trip("bus", "east", 0, name="a"), 3, 3), trip("bus", "west", 30, name="b")]
    assert found(one, TWO, around) == {}, "one stop alone may have been moved"


def test_a_bus_that_changes_line_is_told_unless_its_block_plans_it() -> None:
    runs = [trip("bus", "east", 0, "1", "a"), trip("bus", "west", 60, "2", "b")]
    planned = timetable(("a", "east", 0, "1", None), ("b", "west", 60, "2", None))
    assert found(runs, planned) == {"line_changed": [("2", "bus", "b", None, "from line 1 to line 2")]}
    block = timetable(("a", "east", 0, "1", "block"), ("b", "west", 60, "2", "block"))
    assert found(runs, block) == {}


def test_a_validator_that_moved_is_told_with_both_vehicles() -> None:
    runs = [trip("bus", "east", 0, name="a"), trip("bus", "west", 30, name="b")]
    today = readings(("v1", "bus", 0), ("v1", "bus", 5), ("v2", "bus", 6), ("v2", "other", 30), ("v3", "bus", 7))
    earlier = readings(("v1", "old", 0), ("v1", "older", -9), ("v3", "bus", 3))
    earlier = earlier.with_columns(pl.col("event_timestamp") - timedelta(days=1))
    told = found(runs, TWO, tapped=today, taps_before=earlier)
    assert told == {
        "validator_moved": [
            (None, "bus", None, "v1", "from vehicle old to bus, overnight"),
            (None, "other", None, "v2", "from vehicle bus to other, within the day"),
        ]
    }


def test_a_depot_none_of_whose_vehicles_sent_anything_is_told_by_feed() -> None:
    runs = [trip("bus", "east", 0, name="a"), trip("bus", "west", 30, name="b")]
    names = ["bus", "n1", "n2", "n3", "s1", "s2"]
    depots = pl.DataFrame({"vehicle_id": names, "depot": ["main", "north", "north", "north", "small", "small"]})
    told = found(runs, TWO, positions(*drive(1, 2)), readings(("v", "n1", 3)), depots=depots)
    assert told == {
        "depot_without_positions": [(None, None, None, None, "depot north: none of its 3 vehicles did")],
    }
