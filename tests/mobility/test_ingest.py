"""Nothing is lost at the door: each row is accepted, or kept aside with its file, line and reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_city import KEY, LAT0, LON0, MIDNIGHT, City, as_csv, build_city, clock

from mobility.errors import FeedError, WrongZoneError
from mobility.ingest import Ingested, ingest_fares, ingest_locations
from mobility.pipeline import build_flows
from mobility.privacy import month_key, pseudonym
from mobility.schemas import FareTransaction, VehicleLocation
from mobility.service_days import ServiceDay, ServiceDays
from mobility.sources.tides import FARE_TRANSACTIONS, VEHICLE_LOCATIONS, read_tides

SMALL = build_city(riders=60)


def service_day() -> ServiceDay:
    bounds = (LON0 - 0.05, LAT0 - 0.05, LON0 + 0.05, LAT0 + 0.05)
    return ServiceDay("synthetic", date(2025, 3, 3), MIDNIGHT, bounds)


def taps_in(city: City, folder: Path) -> Ingested:
    path = folder / "fare_transactions.csv"
    path.write_text(as_csv(city.taps))
    vehicles = {position["vehicle_id"] for position in city.positions}
    return ingest_fares(read_tides(path, FARE_TRANSACTIONS, city.zone), service_day(), sorted(vehicles), KEY)


def positions_in(city: City, folder: Path) -> Ingested:
    path = folder / "vehicle_locations.csv"
    path.write_text(as_csv(city.positions))
    return ingest_locations(read_tides(path, VEHICLE_LOCATIONS, city.zone), service_day())


def set_field(name: str, value: str) -> Callable[[City], None]:
    def change(city: City) -> None:
        city.taps[5][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_field("transaction_id", ""), "transaction_id is missing"),
        (set_field("transaction_id", "t4"), "transaction_id came before"),
        (set_field("event_timestamp", ""), "event_timestamp is missing"),
        (set_field("event_timestamp", "yesterday at noon"), "cannot be read as a time"),
        (set_field("event_timestamp", "2025-03-05T08:00:00+05:00"), "outside the service day (wrong zone?)"),
        (set_field("service_date", "2025-03-02"), "service_date is another"),
        (set_field("vehicle_id", ""), "vehicle_id is missing"),
        (set_field("vehicle_id", "tram-9"), "unknown vehicle"),
        (set_field("group_size", "0"), "group_size is not a positive number"),
        (set_field("group_size", "2.5"), "group_size is no whole number up to 1000"),
        (set_field("group_size", "1e30"), "group_size is no whole number up to 1000"),
        (set_field("group_size", "inf"), "group_size is not a positive number"),
        (set_field("event_timestamp", "9999-12-31T23:59:59-05:00"), "cannot be read as a time"),
        (set_field("event_timestamp", "0001-01-01T00:00:00"), "cannot be read as a time"),
        (set_field("service_date", "0001-01-01"), "service_date is no date"),
        (set_field("fare_action", "Teleported"), "fare_action is no word of TIDES"),
    ],
)
def test_a_broken_tap_is_kept_with_line_and_reason(tmp_path: Path, change: Callable[[City], None], reason: str) -> None:
    city = copy.deepcopy(SMALL)
    change(city)
    ingested = taps_in(city, tmp_path)
    kept = ingested.quarantined
    assert kept.height == 1
    assert kept["file"][0] == "fare_transactions.csv"
    assert kept["line"][0] == 7
    assert reason in kept["reason"][0]
    assert ingested.accepted.height == len(city.taps) - 1


def test_a_tap_written_twice_under_a_new_id_counts_once(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    city.taps.append({**city.taps[3], "transaction_id": "again"})
    kept = taps_in(city, tmp_path).quarantined
    assert kept["reason"].to_list() == ["duplicated tap: same card, vehicle and time as a row before"]


def test_a_broken_row_does_not_make_the_good_row_after_it_a_duplicate(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    city.taps.insert(0, {**city.taps[0], "event_timestamp": "broken"})
    ingested = taps_in(city, tmp_path)
    assert ingested.quarantined["line"].to_list() == [2]
    assert ingested.accepted.height == len(SMALL.taps)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("latitude", "0.0", "outside the city's bounds"),
        ("longitude", "not a number", "latitude or longitude is missing or no number"),
        ("location_ping_id", "p0", "location_ping_id came before"),
        ("event_timestamp", "", "event_timestamp is missing"),
    ],
)
def test_a_broken_position_is_kept_with_its_reason(tmp_path: Path, field: str, value: str, reason: str) -> None:
    city = copy.deepcopy(SMALL)
    city.positions[9][field] = value
    kept = positions_in(city, tmp_path).quarantined
    assert kept["line"].to_list() == [11]
    assert reason in kept["reason"][0]


def test_card_numbers_are_nowhere_in_the_flows_folder(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    city.taps[2]["event_timestamp"] = "broken"
    build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)
    kept = pl.read_parquet(tmp_path / "flows" / "quarantine" / "fare_transactions.parquet")
    row = json.loads(kept["row"][0])
    assert row["vehicle_id"] == city.taps[2]["vehicle_id"]
    assert row["fare_media_id"] == pseudonym(city.taps[2]["fare_media_id"], month_key(KEY, date(2025, 3, 3)))
    for file in (tmp_path / "flows").rglob("*.parquet"):
        for column in pl.read_parquet(file).select(pl.selectors.string()).iter_columns():
            assert not column.fill_null("").str.contains(r"96430\d{11}").any(), (file.name, column.name)


def test_taps_in_another_zone_are_refused_with_the_hours_they_are_off(tmp_path: Path) -> None:
    city = build_city(riders=150)
    for tap, ride in zip(city.taps, [ride for ride in city.rides if ride.card], strict=True):
        tap["event_timestamp"] = clock(ride.boarded_s - 2 * 3600)
    with pytest.raises(WrongZoneError, match=r"fare_transactions.csv runs 2 h behind .*Asia/Almaty"):
        build_flows(city.write(tmp_path / "feeds"), tmp_path / "flows", key=KEY)


def test_a_time_without_offset_is_local_time_of_the_feeds(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    for tap in city.taps:
        tap["event_timestamp"] = tap["event_timestamp"].removesuffix("+05:00").replace("T", " ")
    assert taps_in(city, tmp_path).accepted.equals(taps_in(SMALL, tmp_path).accepted)


def test_utc_marked_z_is_read_as_utc(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    for tap in city.taps:
        local = datetime.fromisoformat(tap["event_timestamp"])
        tap["event_timestamp"] = local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert taps_in(city, tmp_path).accepted.equals(taps_in(SMALL, tmp_path).accepted)


def test_a_missing_column_is_named_with_its_file(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    for tap in city.taps:
        del tap["fare_media_id"]
    with pytest.raises(FeedError, match=r"fare_transactions\.csv lacks the column 'fare_media_id'"):
        taps_in(city, tmp_path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vehicle_locations.csv"
    path.write_text("")
    with pytest.raises(FeedError, match=r"vehicle_locations\.csv is empty"):
        read_tides(path, VEHICLE_LOCATIONS, "UTC")


fields = st.sampled_from(list(SMALL.taps[0]))
values = st.sampled_from(["", "x", "t1", "bus-11", "1", "-3", "2025-03-03T08:00:00+05:00", "2025-03-03", "∅\t"])


@settings(max_examples=25, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(SMALL.taps) - 1), fields, values), max_size=25))
def test_rows_read_are_rows_accepted_and_quarantined(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str, str]]
) -> None:
    city = copy.deepcopy(SMALL)
    for row, name, value in changes:
        city.taps[row][name] = value
    taps = taps_in(city, tmp_path_factory.mktemp("rows"))
    assert taps.read == len(city.taps) == taps.accepted.height + taps.quarantined.height
    assert taps.quarantined["line"].n_unique() == taps.quarantined.height
    assert taps.accepted["transaction_id"].n_unique() == taps.accepted.height
    FareTransaction.validate(taps.accepted, cast=True)


@pytest.mark.parametrize(
    "column", ["at", "row", "pair", "skipped", "no_date", "other_date", "outside", "own_date", "reason", "known_id"]
)
def test_a_file_may_have_more_columns_of_any_name(tmp_path: Path, column: str) -> None:
    city = copy.deepcopy(SMALL)
    for tap in city.taps:
        tap[column] = "x"
    for position in city.positions:
        position[column] = "x"
    assert taps_in(city, tmp_path).accepted.equals(taps_in(SMALL, tmp_path).accepted)
    assert positions_in(city, tmp_path).accepted.equals(positions_in(SMALL, tmp_path).accepted)


@pytest.mark.parametrize("column", ["reason", "known_event"])
def test_odd_and_broken_rows_beside_a_column_of_any_name_keep_their_reason(tmp_path: Path, column: str) -> None:
    city = copy.deepcopy(SMALL)
    city.taps.append({**city.taps[3], "transaction_id": "again"})
    city.taps[5]["vehicle_id"], city.taps[6]["fare_action"] = "tram-9", "Void"
    expected = taps_in(city, tmp_path).quarantined.drop("row")
    for tap in city.taps:
        tap[column] = "x"
    kept = taps_in(city, tmp_path).quarantined
    assert kept.height == 3
    assert kept.drop("row").equals(expected)
    assert all(json.loads(row)[column] == "x" for row in kept["row"])


def test_numbers_that_nobody_needs_and_that_are_not_finite_cost_no_row(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    city.taps[3]["amount"], city.taps[4]["amount"], city.taps[5]["amount"] = "nan", "inf", "1.5"
    city.positions[3]["speed"], city.positions[4]["heading"] = "nan", "-inf"
    taps, positions = taps_in(city, tmp_path), positions_in(city, tmp_path)
    assert taps.quarantined.is_empty() and positions.quarantined.is_empty()
    assert taps.accepted["amount"].drop_nulls().to_list() == [1.5]
    FareTransaction.validate(taps.accepted, cast=True)
    VehicleLocation.validate(positions.accepted, cast=True)


def parquet_of(city: City, folder: Path, **columns: pl.Series) -> Path:
    path = folder / "fare_transactions.parquet"
    pl.DataFrame(city.taps).with_columns(**columns).write_parquet(path)
    return path


def test_bytes_in_parquet_are_read_as_text_or_kept_in_digits(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    city.taps[5]["vehicle_id"] = "tram-9"
    count = len(city.taps)
    named = pl.Series([tap["transaction_id"].encode() for tap in city.taps])
    raw, nested = pl.Series([b"\xff\x01"] * count), pl.Series([[b"\xff"]] * count)
    table = read_tides(
        parquet_of(city, tmp_path, transaction_id=named, blob=raw, blobs=nested), FARE_TRANSACTIONS, city.zone
    )
    vehicles = {position["vehicle_id"] for position in city.positions}
    taken = ingest_fares(table, service_day(), sorted(vehicles), KEY)
    assert taken.accepted["transaction_id"].to_list() == taps_in(city, tmp_path).accepted["transaction_id"].to_list()
    (row,) = (json.loads(row) for row in taken.quarantined["row"])
    assert (row["transaction_id"], row["blob"]) == ("t5", "ff01")


@pytest.mark.parametrize("column", ["transaction_id", "vehicle_id", "event_timestamp", "amount"])
def test_a_column_of_lists_is_refused_by_its_name(tmp_path: Path, column: str) -> None:
    lists = pl.Series([[tap[column]] for tap in SMALL.taps])
    table = read_tides(parquet_of(SMALL, tmp_path, **{column: lists}), FARE_TRANSACTIONS, SMALL.zone)
    with pytest.raises(FeedError, match=rf"parquet: the column '{column}' must hold one value a row, and holds List"):
        ingest_fares(table, service_day(), None, KEY)


@pytest.mark.parametrize("seconds", [1_740_970_800_000, 1e18, -1e12])
def test_milliseconds_taken_for_seconds_are_quarantined(tmp_path: Path, seconds: float) -> None:
    city = copy.deepcopy(SMALL)
    for tap in city.taps:
        tap["event_timestamp"], tap["service_date"] = f"{seconds:.0f}", ""
    path = tmp_path / "fare_transactions.csv"
    path.write_text(as_csv(city.taps))
    table = replace(read_tides(path, FARE_TRANSACTIONS, city.zone), timestamp_format="epoch_s")
    taken = ingest_fares(table, ServiceDays("synthetic", city.zone), None, KEY)
    assert taken.accepted.is_empty()
    assert set(taken.quarantined["reason"]) == {"event_timestamp cannot be read as a time"}


def test_times_of_parquet_that_no_calendar_has_are_quarantined(tmp_path: Path) -> None:
    for zone in (None, "UTC"):
        times = pl.Series([10**15] * len(SMALL.taps)).cast(pl.Datetime("ms", zone))
        table = read_tides(parquet_of(SMALL, tmp_path, event_timestamp=times), FARE_TRANSACTIONS, SMALL.zone)
        taken = ingest_fares(table, ServiceDays("synthetic", SMALL.zone), None, KEY)
        assert set(taken.quarantined["reason"]) == {"event_timestamp cannot be read as a time"}


def test_a_day_that_does_not_begin_on_a_minute_is_refused() -> None:
    with pytest.raises(FeedError, match=r"03:00:30 is no whole minute; write 03:00"):
        ServiceDays("synthetic", "Asia/Almaty", time(3, 0, 30))


def test_two_taps_of_one_minute_may_be_of_two_service_days(tmp_path: Path) -> None:
    city = copy.deepcopy(SMALL)
    for tap, clock_time in zip(city.taps, ("02:59:50", "02:59:59", "03:00:00", "03:00:10"), strict=False):
        tap["event_timestamp"], tap["service_date"] = f"2025-03-03T{clock_time}+05:00", ""
    path = tmp_path / "fare_transactions.csv"
    path.write_text(as_csv(city.taps[:4]))
    days = ServiceDays("synthetic", city.zone, time(3))
    taken = ingest_fares(read_tides(path, FARE_TRANSACTIONS, city.zone), days, None, KEY)
    dated = {row["transaction_id"]: row["service_date"] for row in taken.accepted.iter_rows(named=True)}
    assert [dated[tap["transaction_id"]].day for tap in city.taps[:4]] == [2, 2, 3, 3]
