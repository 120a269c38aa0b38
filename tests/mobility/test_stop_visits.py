"""Positions, noisy and with gaps, tell when a bus was at its stops; what they do not tell is marked so."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from synthetic_city import KEY, MIDNIGHT, City

from mobility import flows
from mobility.pipeline import build_flows


def visits_of(city: City, folder: Path) -> pl.DataFrame:
    build_flows(city.write(folder / "feeds"), folder / "flows", key=KEY)
    return flows.read_stop_visits(folder / "flows")


def test_riders_board_while_their_bus_is_at_the_stop(city: City, tmp_path: Path) -> None:
    visits = visits_of(city, tmp_path)
    rides = pl.DataFrame(
        {
            "trip_id_performed": [ride.trip for ride in city.rides],
            "stop_id": [ride.boarding for ride in city.rides],
            "boarded_s": [ride.boarded_s for ride in city.rides],
        }
    )
    start_s = MIDNIGHT.timestamp()
    there = rides.join(visits, on=["trip_id_performed", "stop_id"])
    off_s = pl.max_horizontal(
        pl.col("arrival").dt.epoch("ms") / 1000 - start_s - pl.col("boarded_s"),
        pl.col("boarded_s") - (pl.col("departure").dt.epoch("ms") / 1000 - start_s),
    ).clip(0.0)
    errors = there.select(off_s.alias("off_s"))["off_s"]
    assert there.height == rides.height
    assert errors.quantile(0.95) < 10


def test_every_stop_of_every_trip_is_visited_once_and_in_order(city: City, tmp_path: Path) -> None:
    visits = visits_of(city, tmp_path).sort("trip_id_performed", "trip_stop_sequence")
    per_trip = visits.group_by("trip_id_performed").agg(
        pl.len().alias("stops"),
        (pl.col("arrival").diff().dt.total_milliseconds().fill_null(0) >= 0).all().alias("in_order"),
    )
    assert per_trip["in_order"].all()
    assert per_trip.filter(pl.col("stops") == 8).height >= 0.95 * per_trip.height


def test_a_gap_is_filled_with_less_confidence(city: City, tmp_path: Path) -> None:
    trip = city.positions[40]["trip_id_performed"] or city.positions[41]["trip_id_performed"]
    rows = [row for row in city.positions if row["trip_id_performed"] == trip]
    silent = {row["location_ping_id"] for row in rows[12:28]}
    city.positions = [row for row in city.positions if row["location_ping_id"] not in silent]
    visits = visits_of(city, tmp_path).filter(pl.col("trip_id_performed") == trip)
    bridged = visits.filter(pl.col("method") == "gps_interpolated")
    assert visits.height == 8
    assert bridged.height >= 1
    assert bridged["confidence"].max() < visits.filter(pl.col("method") == "gps")["confidence"].max()


def test_stops_after_the_last_position_are_by_the_timetable_and_the_last_delay(city: City, tmp_path: Path) -> None:
    trip = next(row["trip_id_performed"] for row in city.positions if row["trip_id_performed"])
    rows = [row for row in city.positions if row["trip_id_performed"] == trip]
    silent = {row["location_ping_id"] for row in rows[20:]}
    first_silent = rows[20]["event_timestamp"]
    vehicle = rows[0]["vehicle_id"]
    city.positions = [
        row
        for row in city.positions
        if row["location_ping_id"] not in silent
        and not (row["vehicle_id"] == vehicle and row["event_timestamp"] >= first_silent)
    ]
    visits = visits_of(city, tmp_path).filter(pl.col("trip_id_performed") == trip).sort("trip_stop_sequence")
    assert visits["method"].to_list()[0] == "gps"
    assert visits["method"].to_list()[-1] == "timetable"
    assert visits["confidence"].to_list()[-1] < 0.5
