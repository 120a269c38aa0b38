"""A month of service days in a lake: each day by itself, in one process or two, with the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from synthetic_city import BEGIN_S, END_S, KEY, City, as_csv, build_city
from typer.testing import CliRunner

from api import cli
from mobility import card_rides, flows, lake
from mobility.card_rides import FAILED, habits_before, rides_of_day
from mobility.day_order import DayOrder, dates_that_use, days_before, lake_dates
from mobility.errors import FeedError, LakeError, MobilityError
from mobility.intake import LakeDescription, open_lake, take_in
from mobility.month import flows_of_day, flows_of_days
from mobility.pipeline import build_flows
from mobility.privacy import month_key, pseudonym
from mobility.schemas import CardRide, Irregularity
from mobility.sources.feed import form_named
from mobility.sources.mapped_csv import Mapping, SetApart, read_mapped

FIRST = date(2025, 3, 30)
DAYS = [FIRST + timedelta(days=number) for number in range(4)]


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def on(day: date, rows: list[dict[str, str]]) -> str:
    return as_csv(rows).replace("2025-03-03", day.isoformat())


def city_of(day: date) -> City:
    """The same buses every day, and each day more riders than the day before. On every other day nobody comes back."""
    number = (day - FIRST).days
    city = build_city(riders=40 + 10 * number)
    if number % 2:
        first = {tap["fare_media_id"]: tap["transaction_id"] for tap in reversed(city.taps)}
        city.taps = [tap for tap in city.taps if first[tap["fare_media_id"]] == tap["transaction_id"]]
    return city


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of four days, two of each of two months, and the timetable."""
    folder = tmp_path_factory.mktemp("month")
    open_lake(folder / "lake", LakeDescription("synthetic", "Asia/Almaty"))
    for day in DAYS:
        city = city_of(day)
        city.write(folder / "feeds")
        for name, rows in (("taps", city.taps), ("positions", city.positions)):
            path = folder / f"{name}-{day}.csv"
            path.write_text(on(day, rows))
            table, raw = form_named("tides").read(path, "Asia/Almaty")
            take_in(folder / "lake", table, raw, key=KEY)
    return folder


def orders(month: Path, out: Path) -> list[DayOrder]:
    return [
        DayOrder(month / "lake", month / "feeds" / "gtfs.zip", out, day, BEGIN_S, END_S, 0.2)
        for day in lake_dates(month / "lake")
    ]


def test_two_processes_give_the_bytes_of_one(month: Path, tmp_path: Path) -> None:
    before = content(month / "lake")
    one = flows_of_days(orders(month, tmp_path / "one"), 1)
    two = flows_of_days(list(reversed(orders(month, tmp_path / "two"))), 2)
    assert one == list(reversed(two))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert content(month / "lake") == before
    assert lake.service_dates(tmp_path / "one", "journey_legs") == DAYS
    assert [summary.boarded for summary in one] == [len(city_of(day).taps) for day in DAYS]
    assert not (tmp_path / "one" / ".days").exists()
    told = json.loads((tmp_path / "one" / "summaries" / f"{FIRST}.json").read_text())
    assert told["boarded"] == one[0].boarded


def test_a_day_of_the_lake_gives_the_flows_of_its_files(month: Path, tmp_path: Path) -> None:
    feeds = city_of(FIRST).write(tmp_path / "feeds")
    for name in ("fare_transactions.csv", "vehicle_locations.csv", "feeds.json"):
        (feeds / name).write_text((feeds / name).read_text().replace("2025-03-03", FIRST.isoformat()))
    (feeds / "control_totals.csv").unlink()
    build_flows(feeds, tmp_path / "files", key=KEY)
    flows_of_day(orders(month, tmp_path / "lake")[0])
    for read in (flows.read_journey_legs, flows.read_od_flows, flows.read_link_loads, flows.read_stop_visits):
        assert read(tmp_path / "files").equals(read(tmp_path / "lake"))


def test_a_day_knows_what_cards_did_earlier_in_its_month_whichever_days_are_asked_for(
    month: Path, tmp_path: Path
) -> None:
    whole, alone, without = tmp_path / "whole", tmp_path / "alone", tmp_path / "without"
    flows_of_days(orders(month, whole))
    _, second, first_of_april, _ = orders(month, alone)
    flows_of_day(second)
    flows_of_days([replace(order, habits=False) for order in orders(month, without)])
    assert content(alone / "journey_legs") == {
        name: digest for name, digest in content(whole / "journey_legs").items() if str(DAYS[1]) in name
    }
    told = [
        [(flows.read_journey_legs(out).filter(service_date=day)["method"] == "habit").sum() for day in DAYS]
        for out in (whole, without)
    ]
    assert [count > 0 for count in told[0]] == [False, True, False, True]
    assert told[1] == [0, 0, 0, 0]
    assert not (without / "card_rides").exists()
    assert days_before(first_of_april) == []


def test_what_a_day_tells_is_inferred_again_when_the_lake_has_more_of_it(month: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(month / "lake", tmp_path / "lake")
    order = replace(orders(month, tmp_path / "out")[0], lake=copy)
    before = rides_of_day(order)
    again = before.stat().st_mtime_ns
    assert rides_of_day(order) == before and before.stat().st_mtime_ns == again
    late = tmp_path / "late.csv"
    late.write_text(
        on(
            FIRST,
            [
                {**tap, "transaction_id": f"x{tap['transaction_id']}", "fare_media_id": "late"}
                for tap in city_of(FIRST).taps[:40]
            ],
        )
    )
    table, raw = form_named("tides").read(late, "Asia/Almaty")
    take_in(copy, table, raw, key=KEY)
    after = rides_of_day(order)
    assert after != before and not before.exists()
    assert lake.read(order.out, "card_rides", CardRide, FIRST).height > 0


@pytest.mark.parametrize("order_of_files", [(0, 1), (1, 0)])
def test_a_card_that_one_file_tells_is_staff_is_staff_in_all(
    month: Path, tmp_path: Path, order_of_files: tuple[int, int]
) -> None:
    taps = city_of(FIRST).taps
    by_card = Counter(tap["fare_media_id"] for tap in taps)
    (staff, _), (other, _) = by_card.most_common(2)
    assert by_card[staff] > 1
    told = next(tap for tap in taps if tap["fare_media_id"] == staff)
    halves = [
        [{**told, "kind": "staff"}, *({**tap, "kind": ""} for tap in taps[::2] if tap["fare_media_id"] != staff)],
        [{**tap, "kind": ""} for tap in taps if tap != told and (tap["fare_media_id"] == staff or tap in taps[1::2])],
    ]
    mapping = Mapping(
        table="fare_transactions",
        columns={name: name for name in (*taps[0], "kind")},
        set_apart=(SetApart(reason="staff card", column="kind", words=("staff",), whole_card=True),),
    )
    open_lake(tmp_path / "lake", LakeDescription("synthetic", "Asia/Almaty"))
    table, raw = form_named("tides").read(month / f"positions-{FIRST}.csv", "Asia/Almaty")
    take_in(tmp_path / "lake", table, raw, key=KEY)
    for number in order_of_files:
        path = tmp_path / f"taps{number}.csv"
        path.write_text(on(FIRST, halves[number]))
        take_in(
            tmp_path / "lake",
            "fare_transactions",
            read_mapped(path, mapping, "Asia/Almaty"),
            key=KEY,
            set_apart=mapping.set_apart,
        )
    order = replace(orders(month, tmp_path / "out")[0], lake=tmp_path / "lake")
    summary = flows_of_day(order)
    cards = flows.read_journey_legs(tmp_path / "out")["card_id"].to_list()
    named = {card: pseudonym(card, month_key(KEY, FIRST)) for card in (staff, other)}
    assert named[staff] not in cards and named[other] in cards
    (counted,) = (file.reasons for file in summary.files if file.file == "fare_transactions.csv")
    assert counted == {"staff card": by_card[staff] - 1}


def test_a_day_made_again_replaces_its_own_partitions_alone(month: Path, tmp_path: Path) -> None:
    all_days = orders(month, tmp_path)
    flows_of_days(all_days[:2])
    before = content(tmp_path)
    first_legs = lake.partition(tmp_path, "journey_legs", DAYS[0])
    (first_legs / "data.parquet").write_bytes(b"broken")
    flows_of_days(all_days[:1])
    assert content(tmp_path) == before


def test_a_validator_that_changed_buses_overnight_is_seen_from_the_day_before(month: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.csv"
    taps = [
        {**tap, "device_id": "reader-bus-12", "transaction_id": f"moved{number}"}
        for number, tap in enumerate(tap for tap in city_of(FIRST).taps if tap["vehicle_id"] == "bus-11")
    ]
    next_day = DAYS[-1] + timedelta(days=1)
    moved.write_text(on(next_day, taps))
    copy = shutil.copytree(month / "lake", tmp_path / "lake")
    table, raw = form_named("tides").read(moved, "Asia/Almaty")
    take_in(copy, table, raw, key=KEY)
    order = DayOrder(copy, month / "feeds" / "gtfs.zip", tmp_path / "out", next_day, BEGIN_S, END_S)
    summary = flows_of_day(order)
    found = lake.read(tmp_path / "out", "irregularities", Irregularity).filter(pl.col("kind") == "validator_moved")
    assert found["detail"].to_list() == ["from vehicle bus-12 to bus-11, overnight"]
    assert summary.irregularities["validator_moved"] == 1


def test_a_worker_that_fails_says_why(month: Path, tmp_path: Path) -> None:
    broken = tmp_path / "gtfs.zip"
    broken.write_bytes(b"PK broken")
    order = DayOrder(month / "lake", broken, tmp_path / "out", FIRST)
    for processes in (1, 2):
        with pytest.raises(MobilityError, match=r"1 of 1 service dates .* 2025-03-30: .*gtfs\.zip cannot be opened"):
            flows_of_days([order], processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_day_that_cannot_be_made_keeps_no_other_from_being_made(month: Path, tmp_path: Path, processes: int) -> None:
    """All taps of its first day are nine hours off. The second goes on without what the first would have told it."""
    broken = shutil.copytree(month / "lake", tmp_path / "lake")
    (taps,) = lake.parts(broken, "fare_transactions", DAYS[0])
    shifted = pl.read_parquet(taps).with_columns(pl.col("event_timestamp") - timedelta(hours=9))
    lake.write_parquet(shifted, taps)
    ordered = [replace(order, lake=broken) for order in orders(month, tmp_path / "out")]
    with pytest.raises(
        MobilityError, match=r"1 of 4 service dates have no flows, the others have: 2025-03-30: "
    ) as told:
        flows_of_days(ordered, processes)
    assert lake.service_dates(tmp_path / "out", "journey_legs") == DAYS[1:]
    (failed,) = (tmp_path / "out" / "card_rides").rglob(f"*{FAILED}")
    assert failed.read_text() in str(told.value)
    second = json.loads((tmp_path / "out" / "summaries" / f"{DAYS[1]}.json").read_text())
    assert any(
        warning.startswith("2025-03-30 tells nothing of what cards usually do: ") for warning in second["warnings"]
    )


def test_a_workers_file_that_another_has_replaced_is_looked_for_again(
    month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, order, *_ = orders(month, tmp_path / "out")
    expected, _ = habits_before(order)
    real, asked = card_rides.rides_of_day, []

    def gone_at_first(asked_for: DayOrder) -> Path:
        file = real(asked_for)
        asked.append(asked_for)
        if len(asked) == 1:
            file.unlink()
        return file

    monkeypatch.setattr(card_rides, "rides_of_day", gone_at_first)
    found, silent = habits_before(order)
    assert asked == [before, before]
    assert found.equals(expected) and not silent and found.height > 0


def test_a_timetable_that_is_not_there_leaves_earlier_flows_as_they_were(month: Path, tmp_path: Path) -> None:
    order = replace(orders(month, tmp_path)[0], habits=False)
    flows_of_days([order])
    before = content(tmp_path)
    with pytest.raises(MobilityError, match=r"gtfs2\.zip is missing"):
        flows_of_days([replace(order, timetable=month / "feeds" / "gtfs2.zip")])
    assert content(tmp_path) == before


def test_errors_in_files_of_an_order_name_the_users_file(month: Path, tmp_path: Path) -> None:
    order = replace(orders(month, tmp_path / "out")[0], habits=False)
    totals, depots = tmp_path / "ct.csv", tmp_path / "v.csv"
    totals.write_text("route_id,boardings\n\n1,many\n")
    depots.write_text("vehicle_id\nbus-11\n")
    with pytest.raises(FeedError, match=r"^ct\.csv, line 3: needs"):
        flows_of_day(replace(order, control_totals=totals))
    with pytest.raises(FeedError, match=rf"^{depots} lacks the column 'facility_name'"):
        flows_of_day(replace(order, vehicles=depots))


def test_feeds_that_name_a_lake_that_is_none_are_refused(month: Path, tmp_path: Path) -> None:
    feeds = city_of(FIRST).write(tmp_path / "feeds")
    told = json.loads((feeds / "feeds.json").read_text())
    for lake_named, said in (("../laek", r"feeds\.json: lake '\.\./laek' is no lake"), (5, "lake must be the path")):
        (feeds / "feeds.json").write_text(json.dumps({**told, "lake": lake_named}))
        with pytest.raises(FeedError, match=said):
            build_flows(feeds, tmp_path / "flows", key=KEY)
    assert not (tmp_path / "flows").exists()


def test_what_rests_on_a_changed_day_is_the_next_and_the_later_ones_of_its_month(month: Path) -> None:
    assert dates_that_use(month / "lake", [DAYS[0]]) == DAYS[:2]
    assert dates_that_use(month / "lake", [DAYS[1]]) == DAYS[1:3]
    assert dates_that_use(month / "lake", [DAYS[2]]) == DAYS[2:]
    assert dates_that_use(month / "lake", [DAYS[2] - timedelta(days=90)]) == []


def test_dates_the_lake_lacks_and_folders_that_are_none_are_told(month: Path, tmp_path: Path) -> None:
    assert lake_dates(month / "lake", DAYS[1], DAYS[2]) == DAYS[1:3]
    with pytest.raises(LakeError, match="has no service date from 2026-01-01"):
        lake_dates(month / "lake", date(2026, 1, 1))
    with pytest.raises(LakeError, match="is no lake"):
        lake_dates(tmp_path)


def command(month: Path, out: Path, *more: str, timetable: str = "gtfs.zip") -> list[str]:
    lake_there, archive = str(month / "lake"), str(month / "feeds" / timetable)
    return ["mobility", "flows", "--lake", lake_there, "--timetable", archive, "--out", str(out), *more]


def test_the_command_makes_the_dates_asked_for(month: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, command(month, tmp_path, "--dates", "2025-03-31..2025-04-01"))
    assert result.exit_code == 0, result.output
    assert lake.service_dates(tmp_path, "od_flows") == DAYS[1:3]
    assert "2 service dates" in result.output


def test_a_timetable_that_is_not_there_stops_the_command(month: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, command(month, tmp_path, timetable="gtfs2.zip"))
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dates", ["2025-03-31..", "..2025-03-31"])
def test_a_span_of_dates_has_both_its_ends(month: Path, tmp_path: Path, dates: str) -> None:
    result = CliRunner().invoke(cli.app, command(month, tmp_path, "--dates", dates))
    assert "give FIRST..LAST with both dates" in str(result.exception)
