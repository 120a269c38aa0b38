"""Which trip of the timetable each vehicle drove, which were added, and which nobody was seen to drive."""

from __future__ import annotations

import polars as pl
import pytest
from rides_by_hand import START, STOPS, pattern_stops, trip

from mobility.geometry import Projection
from mobility.service_schemas import TripPerformed
from mobility.sources.gtfs import CALL, TRIP, Timetable, empty_timetable
from mobility.trips_performed import trips_performed

MIDNIGHT_S = START.timestamp() - 8 * 3600
BEGIN_S, END_S = START.timestamp(), START.timestamp() + 2 * 3600


def timetable(*starts_min: float) -> Timetable:
    trips = [(f"t{n}", "1", 0, None, "east") for n in range(len(starts_min))]
    calls = [
        (
            f"t{n}",
            stop + 1,
            f"east{stop + 1}",
            28800 + start * 60 + stop * 120.0,
            28820 + start * 60 + stop * 120.0,
            True,
        )
        for n, start in enumerate(starts_min)
        for stop in range(STOPS)
    ]
    empty = empty_timetable(Projection(0, 0))
    return Timetable(
        empty.stops,
        pl.DataFrame(trips, schema=TRIP, orient="row"),
        pl.DataFrame(calls, schema=CALL, orient="row"),
        pattern_stops(),
        empty.paths,
        empty.projection,
    )


def performed(visits: pl.DataFrame, *starts_min: float) -> dict[str, dict[str, object]]:
    rows = trips_performed(visits, timetable(*starts_min), MIDNIGHT_S, BEGIN_S, END_S)
    checked = TripPerformed.validate(
        rows.with_columns(pl.lit(START.date()).alias("service_date")).select(TripPerformed.column_names()), cast=True
    )
    return {row["trip_id_performed"]: row for row in checked.iter_rows(named=True)}


def test_trips_by_name_by_start_added_and_unseen() -> None:
    visits = pl.concat(
        [
            trip("a", "east", 1, name="t0"),
            trip("b", "east", 12, name="unnamed:b"),
            trip("c", "east", 95, name="extra"),
        ]
    )
    found = performed(visits, 0, 10, 30)
    assert {name: row["schedule_relationship"] for name, row in found.items()} == {
        "t0": "Scheduled",
        "unnamed:b": "Scheduled",
        "extra": "Added",
        "t2": "Canceled",
    }
    assert found["t0"]["schedule_match"] == "name"
    assert (found["unnamed:b"]["trip_id_scheduled"], found["unnamed:b"]["schedule_match"]) == ("t1", "start_time")
    assert found["t2"]["vehicle_id"] is None and found["t2"]["stops"] == STOPS
    assert found["extra"]["trip_id_scheduled"] is None


def test_each_planned_trip_is_given_once_and_to_the_nearest() -> None:
    visits = pl.concat([trip("a", "east", 1, name="x"), trip("b", "east", 4, name="y")])
    found = performed(visits, 0)
    assert found["x"]["trip_id_scheduled"] == "t0"
    assert found["y"]["schedule_relationship"] == "Added"


def test_of_two_vehicles_on_one_trip_the_one_seen_more_drove_it() -> None:
    helper = trip("a", "east", 0, name="t0").with_columns(
        pl.when(pl.col("trip_stop_sequence") > 2).then(pl.lit("timetable")).otherwise("method").alias("method")
    )
    rows = trips_performed(
        pl.concat([helper, trip("b", "east", 2, name="t0")]), timetable(0), MIDNIGHT_S, BEGIN_S, END_S
    )
    by_vehicle = dict(rows.select("vehicle_id", "schedule_relationship").iter_rows())
    assert by_vehicle == {"a": "Added", "b": "Scheduled"}


@pytest.mark.parametrize(("last_seen", "start_min", "is_short"), [(6, 0, False), (4, 0, True), (4, 110, False)])
def test_a_trip_that_ends_early_is_short_unless_the_record_ended(
    last_seen: int, start_min: float, is_short: bool
) -> None:
    visits = trip("a", "east", start_min, name="t0").filter(pl.col("trip_stop_sequence") <= last_seen)
    assert performed(visits, start_min)["t0"]["is_short"] is is_short


def test_trips_due_after_the_record_are_not_missing() -> None:
    assert list(performed(trip("a", "east", 0, name="t0"), 0, 500)) == ["t0"]
