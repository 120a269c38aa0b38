"""A file that should not be in the lake leaves it again: all of it, written down, whenever the process is killed."""

from __future__ import annotations

import getpass
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from api import cli
from mobility import lake as lakes
from mobility.errors import LakeError
from mobility.intake import LakeDescription, open_lake, take_in
from mobility.ledger import FileReport, Leaving, doubtful, file_reports, forget
from mobility.schemas import FareTransaction
from mobility.sources.feed import form_named

WHY = Leaving(datetime(2025, 3, 9, 12, tzinfo=UTC), "aigerim", "test data")
ALL_DAYS = [f"t{n},2025-03-0{3 + n % 3}T08:{n:02d}:00,bus{n % 2},964300{n}" for n in range(12)]


def enter(lake: Path, name: str, *rows: str) -> FileReport:
    open_lake(lake, LakeDescription("almaty", "Asia/Almaty"))
    path = lake.parent / name
    path.write_text("\n".join(["transaction_id,event_timestamp,vehicle_id,fare_media_id", *rows]) + "\n")
    table, raw = form_named("tides").read(path, "Asia/Almaty")
    return take_in(lake, table, raw, key=b"a key for tests only")


def taps_of(lake: Path) -> pl.DataFrame:
    return lakes.read(lake, "fare_transactions", FareTransaction).sort("service_date", "transaction_id")


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "forgotten" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def records(lake: Path) -> dict[str, dict[str, object]]:
    return {path.name: json.loads(path.read_text()) for path in (lake / "forgotten").rglob("*") if path.is_file()}


def test_what_a_file_brought_leaves_and_its_record_stays(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    enter(lake, "one.csv", *ALL_DAYS[:4])
    before = content(lake)
    wrong = enter(lake, "two.csv", *ALL_DAYS[4:], "bad,never,bus,1")
    assert wrong.quarantined == 1
    assert forget(lake, wrong.digest[:9], WHY) == wrong
    assert content(lake) == before
    ((name, record),) = records(lake).items()
    assert name == f"{wrong.digest}-1.json"
    assert (record["file"], record["by"], record["reason"], record["accepted"]) == (
        "two.csv",
        "aigerim",
        "test data",
        8,
    )
    assert record["forgotten_at"] == "2025-03-09T12:00:00+00:00"


def test_a_forgotten_file_can_come_and_go_again(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = enter(lake, "one.csv", *ALL_DAYS)
    forget(lake, first.digest, WHY)
    assert taps_of(lake).is_empty()
    again = enter(lake, "one.csv", *ALL_DAYS)
    assert not again.already and taps_of(lake).height == 12
    forget(lake, again.digest, WHY)
    assert taps_of(lake).is_empty()
    assert sorted(records(lake)) == [f"{first.digest}-1.json", f"{first.digest}-2.json"]


class Killed(BaseException):
    """The process ends here."""


def test_a_kill_at_any_step_leaves_all_of_the_file_or_nothing_and_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    enter(lake, "one.csv", *ALL_DAYS[:4])
    without = content(lake)
    outcomes = []
    for step in range(30):
        wrong = enter(lake, "two.csv", *ALL_DAYS[4:])
        left = step
        with monkeypatch.context() as patch:
            for change in ("replace", "unlink", "rmdir"):
                real: Callable[..., object] = getattr(Path, change)

                def dying(
                    path: Path, *arguments: object, real: Callable[..., object] = real, **options: object
                ) -> object:
                    nonlocal left
                    if left == 0:
                        raise Killed
                    left -= 1
                    return real(path, *arguments, **options)

                patch.setattr(Path, change, dying)
            try:
                forget(lake, wrong.digest, WHY)
                killed = False
            except Killed:
                killed = True
        outcomes.append(taps_of(lake).height)
        assert outcomes[-1] in (4, 12)
        enter(lake, "one.csv", *ALL_DAYS[:4])
        assert not any(name.endswith((".pending", ".partial")) for name in records(lake))
        if step:  # killed before its record was there, the file stays
            assert content(lake) == without
        if not killed:
            break
    assert outcomes[:3] == [12, 12, 4] and step > 5


def test_who_was_refused_for_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = enter(lake, "one.csv", *ALL_DAYS[:6])
    enter(lake, "two.csv", *ALL_DAYS[3:])
    enter(lake, "three.csv", "other,2025-03-03T08:00:00,bus,5")
    assert doubtful(lake, forget(lake, first.digest, WHY)) == ["two.csv"]
    assert [report.file for report in file_reports(lake, "fare_transactions")] == ["three.csv", "two.csv"]


def test_the_command_names_who_was_refused_for_the_file_in_a_note(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    enter(lake, "one[1].csv", *ALL_DAYS[:6])
    enter(lake, "two.csv", *ALL_DAYS[3:])
    asked = ["mobility", "forget", "--lake", str(lake), "--reason", "x", "--by", "a", "--file", "one[1].csv"]
    result = CliRunner().invoke(cli.app, asked)
    assert "\nnote: rows of two.csv were refused because another file" in result.output
    assert "if that was one[1].csv" in result.output


def test_a_digest_of_no_file_or_of_several_is_told(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    one = enter(lake, "one.csv", *ALL_DAYS)
    with pytest.raises(LakeError, match="no file whose digest begins with 000000"):
        forget(lake, "000000", WHY)
    for unclear in ("", "*", "??????", one.digest[:5]):
        with pytest.raises(LakeError, match="no digest of a file: give 6 or more of its hex digits"):
            forget(lake, unclear, WHY)
    entry = lakes.ledger(lake, one.table) / f"{one.digest}.json"
    entry.with_stem(one.digest[:7] + "0" * 9).write_bytes(entry.read_bytes())
    with pytest.raises(LakeError, match="2 files whose digest begins with"):
        forget(lake, one.digest[:7], WHY)
    assert taps_of(lake).height == 12


def test_the_command_names_all_flows_that_the_file_had_a_say_in(tmp_path: Path) -> None:
    """Those of its own dates, of the next day (validators that moved), of the rest of the month (habits)."""
    lake = tmp_path / "lake"
    enter(lake, "one.csv", "a,2025-03-04T09:00:00,bus,5")
    enter(lake, "two.csv", *(f"b{day},2025-{day}T09:00:00,bus,6" for day in ("03-03", "03-04", "03-09", "04-01")))
    asked = ["mobility", "forget", "--lake", str(lake), "--reason", "x", "--by", "a", "--file", "one.csv"]
    result = CliRunner().invoke(cli.app, asked)
    assert "make the flows of these service dates again: 2025-03-04, 2025-03-09\n" in result.output


def test_a_computer_that_knows_no_user_asks_for_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    lake = tmp_path / "lake"
    enter(lake, "one.csv", *ALL_DAYS)
    monkeypatch.setattr(getpass, "getuser", nobody)
    asked = ["mobility", "forget", "--lake", str(lake), "--reason", "x", "--file", "one.csv"]
    monkeypatch.setattr(sys, "argv", ["jasyl", *asked])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "does not know who you are" in capsys.readouterr().err
    assert taps_of(lake).height == 12


def test_the_command_says_what_left_and_what_to_do(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    enter(lake, "one.csv", *ALL_DAYS)
    enter(lake, "two.csv", "other,2025-03-04T09:00:00,bus,5")
    asked = [
        "mobility",
        "forget",
        "--lake",
        str(lake),
        "--reason",
        "wrong depot",
        "--by",
        "aigerim",
        "--file",
        "one.csv",
    ]
    result = CliRunner().invoke(cli.app, asked)
    assert result.exit_code == 0, result.output
    assert "12 rows of fare_transactions" in result.output
    assert "make the flows of these service dates again: 2025-03-04" in result.output
    assert "nothing left of 2025-03-03, 2025-03-05" in result.output
    ((_, record),) = records(lake).items()
    assert (record["by"], record["reason"]) == ("aigerim", "wrong depot")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--reason", "x"], "give --file or --digest"),
        (["--reason", "x", "--file", "a.csv", "--digest", "ab"], "give --file or --digest"),
        (["--reason", " ", "--file", "one.csv"], "Give a --reason"),
        (["--reason", "x", "--file", "none.csv"], "has no file none.csv"),
        (["--reason", "x", "--file", "one.csv"], "has 2 files named one.csv; give one --digest of"),
    ],
)
def test_what_cannot_be_forgotten_is_told_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    lake = tmp_path / "lake"
    enter(lake, "one.csv", *ALL_DAYS[:4])
    enter(lake, "one.csv", *ALL_DAYS[4:])
    monkeypatch.setattr(sys, "argv", ["jasyl", "mobility", "forget", "--lake", str(lake), *more])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert taps_of(lake).height == 12
