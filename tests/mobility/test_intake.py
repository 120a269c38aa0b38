"""A file enters the lake once, whole or not at all, whenever its process is killed; every row is accounted for."""

from __future__ import annotations

import fcntl
import hashlib
import json
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility import lake as lakes
from mobility.errors import FeedError, LakeError
from mobility.intake import LakeDescription, open_lake, take_in
from mobility.ledger import FileReport, file_reports
from mobility.schemas import FareTransaction, Quarantined, VehicleLocation
from mobility.sources.feed import form_named
from mobility.sources.mapped_csv import Mapping, SetApart, read_mapped

KEY = b"a key for tests only"
ALMATY = LakeDescription("almaty", "Asia/Almaty", "03:00")
HEADER = "transaction_id,event_timestamp,vehicle_id,fare_media_id"
COLUMNS = {name: name for name in HEADER.split(",")}


def taps_file(folder: Path, *rows: str, name: str = "taps.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def three_days(folder: Path, name: str = "taps.csv", first: int = 0) -> Path:
    rows = [f"t{n},2025-03-0{3 + n % 3}T{8 + n % 9:02d}:00:{n % 60:02d},bus{n % 2},964300{n}" for n in range(first, 60)]
    return taps_file(folder, *rows, name=name)


def enter(lake: Path, path: Path, form: str = "tides", description: LakeDescription = ALMATY) -> FileReport:
    open_lake(lake, description)
    name, table = form_named(form).read(path, description.zone)
    return take_in(lake, name, table, key=KEY)


def enter_mapped(lake: Path, path: Path, mapping: Mapping) -> FileReport:
    open_lake(lake, ALMATY)
    return take_in(lake, mapping.table, read_mapped(path, mapping, ALMATY.zone), key=KEY, set_apart=mapping.set_apart)


def taps_of(lake: Path, day: date | None = None) -> pl.DataFrame:
    return lakes.read(lake, "fare_transactions", FareTransaction, day).sort("transaction_id")


def kept(lake: Path) -> pl.DataFrame:
    return lakes.read(lake, "quarantine/fare_transactions", Quarantined).sort("file", "line")


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_file_of_several_service_dates_is_split_over_their_partitions(tmp_path: Path) -> None:
    report = enter(tmp_path / "lake", three_days(tmp_path))
    assert report.service_dates == ("2025-03-03", "2025-03-04", "2025-03-05")
    assert lakes.service_dates(tmp_path / "lake", "fare_transactions") == [date(2025, 3, day) for day in (3, 4, 5)]
    assert [taps_of(tmp_path / "lake", date(2025, 3, day)).height for day in (3, 4, 5)] == [20, 20, 20]


def test_a_file_that_only_tells_which_cards_are_odd_has_a_say_in_that_service_date(tmp_path: Path) -> None:
    path = tmp_path / "staff.csv"
    path.write_text("transaction_id,event_timestamp,vehicle_id,fare_media_id,kind\ns,2025-03-04T08:00:00,bus,7,staff\n")
    columns = ("transaction_id", "event_timestamp", "vehicle_id", "fare_media_id", "kind")
    staff = SetApart(reason="staff card", column="kind", words=("staff",), whole_card=True)
    mapping = Mapping(table="fare_transactions", columns={name: name for name in columns}, set_apart=(staff,))
    open_lake(tmp_path / "lake", ALMATY)
    report = enter_mapped(tmp_path / "lake", path, mapping)
    assert (report.accepted, report.service_dates) == (0, ("2025-03-04",))


def test_a_tap_after_midnight_is_of_the_day_before_until_the_agencys_day_ends(tmp_path: Path) -> None:
    night = taps_file(tmp_path, "a,2025-03-04T01:30:00,bus,7", "b,2025-03-04T03:00:00,bus,8")
    enter(tmp_path / "lake", night)
    assert taps_of(tmp_path / "lake")["service_date"].to_list() == [date(2025, 3, 3), date(2025, 3, 4)]
    enter(tmp_path / "midnight", night, description=LakeDescription("almaty", "Asia/Almaty"))
    assert set(taps_of(tmp_path / "midnight")["service_date"]) == {date(2025, 3, 4)}


def test_the_same_file_again_changes_nothing_whatever_it_is_called(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = enter(lake, three_days(tmp_path))
    before = content(lake)
    again = enter(lake, three_days(tmp_path, "copy.csv"))
    assert again.already and (again.read, again.accepted) == (first.read, first.accepted)
    assert content(lake) == before


def test_an_entry_of_the_ledger_that_is_not_whole_is_named(tmp_path: Path) -> None:
    report = enter(tmp_path / "lake", three_days(tmp_path))
    entry = lakes.ledger(tmp_path / "lake", report.table) / f"{report.digest}.json"
    entry.write_text(entry.read_text()[:40])
    with pytest.raises(LakeError, match=rf"{entry.name} is no whole entry of the ledger"):
        file_reports(tmp_path / "lake", report.table)


def test_a_folder_of_no_date_in_a_table_is_named(tmp_path: Path) -> None:
    enter(tmp_path / "lake", three_days(tmp_path))
    (tmp_path / "lake" / "fare_transactions" / "service_date=junk").mkdir()
    with pytest.raises(LakeError, match=r"service_date=junk is called after no date"):
        lakes.service_dates(tmp_path / "lake", "fare_transactions")


def test_rows_that_another_file_brought_are_quarantined(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    enter(lake, three_days(tmp_path, "one.csv", first=30))
    report = enter(lake, three_days(tmp_path, "two.csv"))
    assert (report.read, report.accepted) == (60, 30)
    assert report.reasons == {"transaction_id is in the lake already, from another file": 30}
    renamed = taps_file(tmp_path, "new id,2025-03-03T08:00:00,bus0,9643000", name="three.csv")
    assert enter(lake, renamed).reasons == {"duplicated tap: the lake has it already, from another file": 1}
    assert taps_of(lake)["transaction_id"].to_list() == sorted(f"t{n}" for n in range(60))
    assert [report.file for report in file_reports(lake, "fare_transactions")] == ["one.csv", "three.csv", "two.csv"]


def test_positions_enter_once_and_without_a_fix_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    rows = [
        "p1,2025-03-03T08:00:00Z,bus,43.2,76.9",
        "p2,2025-03-03T08:00:10Z,bus,0,0",
        "p3,2025-03-03T08:00:20Z,bus,99,1",
    ]
    path.write_text("\n".join(["location_ping_id,event_timestamp,vehicle_id,latitude,longitude", *rows]))
    report = enter(tmp_path / "lake", path)
    assert report.table == "vehicle_locations"
    assert sorted(report.reasons) == [
        "latitude and longitude are 0: the receiver had no fix",
        "latitude or longitude is no place on earth",
    ]
    path.write_text(path.read_text().replace("p1,", "p9,") + "\n")
    assert (
        "the lake has a position of the vehicle at this time, from another file"
        in enter(tmp_path / "lake", path).reasons
    )
    assert lakes.read(tmp_path / "lake", "vehicle_locations", VehicleLocation).height == 1


def test_realtime_positions_enter_with_their_own_dates_and_a_broken_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    columns = "vehicle.timestamp,vehicle.vehicle.id,vehicle.position.latitude,vehicle.position.longitude"
    rows = ["1709247600,bus,43.2,76.9,20240229", "1709249400,bus,43.2,76.9,20240229", "1709249401,bus,43.2,76.9"]
    path.write_text("\n".join([columns + ",vehicle.trip.start_date", *rows]))
    report = enter(tmp_path / "lake", path, "gtfs-rt")
    assert (report.read, report.accepted, report.service_dates) == (3, 2, ("2024-02-29",))
    assert report.reasons == {"too few fields for the header": 1}


TWO_DAYS = ("a,2025-03-03T08:00:00,bus,7", "b,2025-03-03T09:00:00,bus,8", "c,2025-03-04T08:00:00,bus,7")
KILLED_AT_A_RENAME = """
import os, signal, sys
from pathlib import Path
from mobility.intake import take_in
from mobility.sources.feed import form_named
lake, taps, left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rename = Path.replace
def dying(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.replace = dying
name, table = form_named("tides").read(taps, "Asia/Almaty")
take_in(lake, name, table, key=b"a key for tests only")
"""


def test_a_kill_at_any_step_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    earlier, taps = TWO_DAYS[:1], taps_file(tmp_path, *TWO_DAYS, name="two.csv")
    lake = tmp_path / "lake"
    enter(lake, taps_file(tmp_path, *earlier, name="one.csv"))
    before = taps_of(lake)
    for step in range(20):
        run = subprocess.run([sys.executable, "-c", KILLED_AT_A_RENAME, lake, taps, str(step)], check=False)
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL
        assert taps_of(lake).equals(before)
        assert kept(lake).is_empty()
    assert step > 4, "each part is renamed twice and the ledger's entry once, so there are many steps to die at"
    straight = tmp_path / "straight" / "lake"
    enter(straight, taps_file(tmp_path, *earlier, name="one.csv"))
    enter(straight, taps)
    assert content(lake) == content(straight)
    assert not (tmp_path / ".lake.arriving").exists()


def test_what_a_killed_intake_left_is_removed_by_the_next(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    enter(lake, three_days(tmp_path, "one.csv", first=40))
    before = content(lake)
    orphan = lakes.partition(lake, "fare_transactions", date(2025, 4, 1)) / "0123456789abcdef.parquet"
    lakes.write_parquet(taps_of(lake), orphan)
    enter(lake, three_days(tmp_path, "one.csv", first=40))
    assert content(lake) == before
    assert not orphan.parent.exists()


def test_a_second_intake_at_the_same_time_is_told_to_wait(tmp_path: Path) -> None:
    open_lake(tmp_path / "lake", ALMATY)
    with (tmp_path / "lake" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LakeError, match=r"another intake into .* is at work"):
            enter(tmp_path / "lake", three_days(tmp_path))


@pytest.mark.parametrize(
    ("zone", "shown", "utc"),
    [
        ("Asia/Almaty", "2024-02-29 12:00:00", datetime(2024, 2, 29, 6, tzinfo=UTC)),
        ("Asia/Almaty", "2024-03-01 12:00:00", datetime(2024, 3, 1, 7, tzinfo=UTC)),
        ("Asia/Qyzylorda", "2024-02-29 12:00:00", datetime(2024, 2, 29, 7, tzinfo=UTC)),
        ("Asia/Qyzylorda", "2024-03-01 12:00:00", datetime(2024, 3, 1, 7, tzinfo=UTC)),
        ("Asia/Almaty", "2024-02-29 23:59:59", datetime(2024, 2, 29, 17, 59, 59, tzinfo=UTC)),
        ("Europe/Rome", "2025-10-26 02:30:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
    ],
)
def test_local_times_follow_the_rules_their_zone_had_that_day(
    tmp_path: Path, zone: str, shown: str, utc: datetime
) -> None:
    enter(tmp_path / "lake", taps_file(tmp_path, f"a,{shown},bus,7"), description=LakeDescription("a", zone))
    assert taps_of(tmp_path / "lake")["event_timestamp"].to_list() == [utc]


def test_an_hour_the_clock_skipped_is_no_time(tmp_path: Path) -> None:
    rows = ["a,2025-03-30 02:30:00,bus,7", "b,2025-03-30 25:30:00,bus,7", "c,2025-03-30 03:30:00,bus,7"]
    report = enter(tmp_path / "lake", taps_file(tmp_path, *rows), description=LakeDescription("a", "Europe/Rome"))
    assert report.reasons == {
        "event_timestamp is no time of its zone: the clock was set forward over it": 1,
        "event_timestamp cannot be read as a time": 1,
    }


def test_a_fixed_offset_is_held_against_the_zones_rules_of_each_day(tmp_path: Path) -> None:
    before = Mapping(table="fare_transactions", columns=COLUMNS, zone="+06:00")
    enter_mapped(tmp_path / "lake", taps_file(tmp_path, "a,2024-02-29 12:00:00,bus,7"), before)
    assert taps_of(tmp_path / "lake")["event_timestamp"].to_list() == [datetime(2024, 2, 29, 6, tzinfo=UTC)]
    after = taps_file(tmp_path, "a,2024-02-29 12:00:00,bus,7", "b,2024-03-01 12:00:00,bus,7")
    with pytest.raises(FeedError, match=r"line 3: the mapping says \+06:00, and on 2024-03-01 .*Asia/Almaty"):
        enter_mapped(tmp_path / "lake", after, before)


@pytest.mark.parametrize(("form", "shown"), [("epoch_s", "1709190000.5"), ("epoch_ms", "1709190000500")])
def test_seconds_and_milliseconds_since_1970_are_read(tmp_path: Path, form: str, shown: str) -> None:
    mapping = Mapping(table="fare_transactions", columns=COLUMNS, timestamp_format=form)
    report = enter_mapped(tmp_path / "lake", taps_file(tmp_path, f"a,{shown},bus,7", "b,soon,bus,7"), mapping)
    assert report.reasons == {"event_timestamp cannot be read as a time": 1}
    assert taps_of(tmp_path / "lake")["event_timestamp"].to_list() == [
        datetime(2024, 2, 29, 7, 0, 0, 500_000, tzinfo=UTC)
    ]


def test_times_to_the_hour_say_so_and_keep_companions(tmp_path: Path) -> None:
    mapping = Mapping(table="fare_transactions", columns=COLUMNS, timestamp_format="%d/%m/%Y %H", precision_s=3600.0)
    enter_mapped(tmp_path / "lake", taps_file(tmp_path, "a,29/02/2024 8,bus,7", "b,29/02/2024 9,bus,7"), mapping)
    assert taps_of(tmp_path / "lake")["event_precision_s"].to_list() == [3600.0, 3600.0]


def test_no_card_number_and_no_key_is_anywhere_in_the_lake(tmp_path: Path) -> None:
    rows = ["a,2025-03-03T08:00:00,bus,9643000000000001", "b,soon,bus,9643000000000002"]
    rows += ["c,2025-03-03T08:00:00,bus,9643000000000003,more", 'd,2025-03-03T08:00:00,bus,"9643000000000004', ""]
    enter(tmp_path / "lake", taps_file(tmp_path, *rows))
    assert kept(tmp_path / "lake")["line"].to_list() == [3, 4, 5, 6]
    for path in (tmp_path / "lake").rglob("*"):
        if path.suffix == ".parquet":
            text = pl.read_parquet(path).write_json()
        elif path.is_file():
            text = path.read_text()
        else:
            continue
        assert "96430" not in text and KEY.decode() not in text, path


def test_a_card_has_another_pseudonym_in_each_month(tmp_path: Path) -> None:
    rows = [f"t{n},{day}T08:00:00,bus{n},77" for n, day in enumerate(("2025-03-03", "2025-03-31", "2025-04-01"))]
    enter(tmp_path / "lake", taps_file(tmp_path, *rows))
    march, also_march, april = taps_of(tmp_path / "lake")["card_id"].to_list()
    assert march == also_march != april


def test_a_lake_of_another_zone_or_agency_is_refused(tmp_path: Path) -> None:
    open_lake(tmp_path / "lake", ALMATY)
    with pytest.raises(LakeError, match="is a lake of agency almaty in Asia/Almaty"):
        open_lake(tmp_path / "lake", LakeDescription("almaty", "Asia/Qyzylorda", "03:00"))
    (tmp_path / "lake" / "lake.json").write_text("[]")
    with pytest.raises(LakeError, match="no description of a lake"):
        open_lake(tmp_path / "lake", ALMATY)


DIRT = (
    *("", "   ", '"', "a,b", "a,b,c,d,e", "\x00,,,", "\ufffd,1,2,3", "t1,soon,bus,7", "t2,2025-03-03T08:00:00,bus,7"),
    *("t3,2025-03-03T08:00:00,bus,7", 't4,2025-03-03T08:00:00,"bus",8', ",,,", "t5,2025-03-03T08:00:02,bus,7"),
)


@settings(max_examples=12, deadline=None)
@given(files=st.lists(st.lists(st.sampled_from(DIRT), max_size=12), min_size=1, max_size=3))
def test_read_is_accepted_and_quarantined_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("dirt")
    open_lake(folder / "lake", ALMATY)
    read = 0
    for number, rows in enumerate(files):
        report = enter(folder / "lake", taps_file(folder, *rows, name=f"{number}.csv"))
        assert report.read == len(rows) == report.accepted + report.quarantined
        assert sum(report.reasons.values()) == report.quarantined
        read += 0 if report.already else len(rows)
    assert taps_of(folder / "lake").height + kept(folder / "lake").height == read
    assert taps_of(folder / "lake")["transaction_id"].is_unique().all()


def test_the_ledger_says_of_each_file_what_became_of_it(tmp_path: Path) -> None:
    report = enter(tmp_path / "lake", taps_file(tmp_path, "a,2025-03-03T08:00:00,bus,7", "b,soon,bus,7"))
    entry = tmp_path / "lake" / "ledger" / "fare_transactions" / f"{report.digest}.json"
    assert json.loads(entry.read_text())["reasons"] == {"event_timestamp cannot be read as a time": 1}
