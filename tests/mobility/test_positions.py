"""Every position is on the path of its trip, or says why it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from mobility.geometry import Projection
from mobility.performed import assign_trips
from mobility.positions import off_paths, on_paths, place_positions, reasons
from mobility.sources.gtfs import Timetable

LENGTH_M = 4000.0
BEGIN = datetime(2025, 3, 3, 3, tzinfo=UTC)


def street() -> Timetable:
    """One line that drives 4 km east, with a stop each 500 m; trips t1 and t2."""
    places = [number * 500.0 for number in range(9)]
    trip = {"line": "1", "direction_id": 0, "block_id": None, "pattern_id": "p"}
    stops = pl.DataFrame(
        [(f"s{n}", "", x, 0.0) for n, x in enumerate(places)],
        schema=["stop_id", "stop_name", "x_m", "y_m"],
        orient="row",
    )
    order = [("p", n + 1, f"s{n}", x) for n, x in enumerate(places)]
    return Timetable(
        stops,
        pl.DataFrame([{"trip_id": name, **trip} for name in ("t1", "t2")], schema_overrides={"block_id": pl.String}),
        pl.DataFrame(schema={"trip_id": pl.String, "arrival_s": pl.Float64, "departure_s": pl.Float64}),
        pl.DataFrame(order, schema=["pattern_id", "trip_stop_sequence", "stop_id", "path_m"], orient="row"),
        pl.DataFrame({"pattern_id": ["p", "p"], "path_m": [0.0, LENGTH_M], "x_m": [0.0, LENGTH_M], "y_m": [0.0, 0.0]}),
        Projection(0.0, 0.0),
    )


def positions(*drive: tuple[str | None, float, float], vehicle: str = "bus", later_s: float = 0.0) -> pl.DataFrame:
    """Positions of one bus every 20 s: trip it names, x, y."""
    rows = [
        {
            "location_ping_id": f"{number:04d}",
            "event_timestamp": BEGIN + timedelta(seconds=20 * number + later_s),
            "vehicle_id": vehicle,
            "trip_id_performed": trip,
            "latitude": y / 1e5,
            "longitude": x / 1e5,
            "x_m": x,
            "y_m": y,
        }
        for number, (trip, x, y) in enumerate(drive)
    ]
    types = {"event_timestamp": pl.Datetime("ms", "UTC"), "trip_id_performed": pl.String}
    return pl.DataFrame(rows, schema_overrides=types)


def east(trip: str | None, y: float = 0.0) -> list[tuple[str | None, float, float]]:
    return [(trip, x * 160.0, y) for x in range(26)]


def test_a_trip_named_on_the_way_back_begins_where_the_bus_turns() -> None:
    back = [("t1", x, y) for _, x, y in reversed(east("t1"))]
    placed = place_positions(assign_trips(positions(*back, *east("t1")), street(), BEGIN.timestamp()), street().paths)
    before = off_paths(placed)
    assert before.height >= 24
    assert before["reason"].unique().to_list() == ["the vehicle names the trip but has not begun it"]
    assert on_paths(placed)["path_m"].is_sorted()


def test_each_position_astray_has_its_own_reason_and_none_is_lost() -> None:
    there = east("t1")
    there[5] = ("t1", 5 * 160.0, 300.0)
    there[10] = ("t1", 10 * 160.0 + 1500.0, 0.0)
    depot: list[tuple[str | None, float, float]] = [(None, LENGTH_M, 900.0)] * 3
    unknown = [("special", x, y + 5000.0) for _, x, y in east("special")]
    pings = positions(*there, *depot, *unknown)
    placed = place_positions(assign_trips(pings, street(), BEGIN.timestamp()), street().paths)
    assert on_paths(placed).height + off_paths(placed).height == pings.height
    assert reasons(placed) == {
        "further from the path of its trip than positions can be wrong": 1,
        "contradicts the positions before and after it": 1,
        "names no trip, and passed the stops of none in order": 3,
        "names a trip the timetable does not know, and passed the stops of none in order": 26,
    }


def test_a_blank_between_two_positions_of_a_trip_is_of_that_trip() -> None:
    there = east("t2")
    there[7] = (None, 7 * 160.0, 0.0)
    placed = place_positions(assign_trips(positions(*there), street(), BEGIN.timestamp()), street().paths)
    assert on_paths(placed).height == 26
    assert on_paths(placed)["trip_id_performed"].unique().to_list() == ["t2"]


def test_a_bus_that_names_no_trip_all_day_gets_the_pattern_whose_stops_it_passed() -> None:
    performed = assign_trips(
        positions(*[step for x in east(None) for step in (x, (None, x[1] + 60, 0.0))]), street(), BEGIN.timestamp()
    )
    assert performed.trips["pattern_id"].to_list() == ["p"]
    assert performed.by_pattern == 1


def test_no_positions_give_no_places() -> None:
    empty = positions(("t1", 0.0, 0.0)).clear()
    placed = place_positions(assign_trips(empty, street(), BEGIN.timestamp()), street().paths)
    assert on_paths(placed).is_empty() and off_paths(placed).is_empty()
    assert reasons(placed) == {}


def test_buses_that_name_a_repeated_trip_drive_its_repetitions() -> None:
    """Each the one that starts nearest, no two the same; one that none is near names no trip of the timetable."""
    names = ["t1@03:00:00", "t1@03:10:00"]
    once = street()
    repeated = replace(
        once,
        trips=pl.concat([once.trips.with_columns(pl.lit(name).alias("trip_id")).head(1) for name in names]),
        repetitions=pl.DataFrame({"repeats": ["t1"] * 2, "trip_id": names, "start_s": [10800.0, 11400.0]}),
    )
    buses = [
        positions(*east("t1"), vehicle=vehicle, later_s=later_s)
        for vehicle, later_s in (("a", 60.0), ("b", 100.0), ("c", 9000.0))
    ]
    performed = assign_trips(pl.concat(buses), repeated, BEGIN.timestamp() - 10800.0)
    given = performed.trips.select("vehicle_id", "trip_id", "trip_id_performed", "pattern_id").rows()
    assert given == [("a", names[0], names[0], "p"), ("b", names[1], names[1], "p")]
    assert performed.unmatched == 1
