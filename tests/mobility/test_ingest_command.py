"""`jasyl mobility ingest` from the command line: reports, and one sentence for what cannot work."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api import cli
from mobility import lake as lakes
from mobility.schemas import FareTransaction

HEADER = (
    "ID транзакции;Дата и время;Бортовой номер;Номер валидатора;Маршрут;Номер карты;Вид операции;Категория;"
    "Стоимость, тенге"
)
TAPS = [
    "1;2024-02-29 23:30:00;bus1;v1;10;9643000001;Оплата проезда;Общая;90,00",
    "2;2024-03-01 01:30:00;bus1;v1;10;9643000002;Оплата проезда;Общая;1 090,50",
    "3;2024-03-01 08:30:00;bus1;v1;10;9643000003;Оплата проезда;Служебная;0,00",
    "4;2024-03-01 08:40:00;bus1;v1;10;9643000004;Оплата проезда;Общая;0,00",
    "5;2024-03-01 08:41:00;bus1;v1;10;9643000004;Отмена;Общая;0,00",
    "6;soon;bus1;v1;10;9643000005;Оплата проезда;Общая;0,00",
]


def export(folder: Path, *rows: str) -> Path:
    path = folder / "cts.csv"
    path.write_bytes("\r\n".join([HEADER, *rows]).encode("cp1251"))
    return path


def arguments(folder: Path, *more: str) -> list[str]:
    key, lake = str(folder / "card.key"), str(folder / "lake")
    return ["mobility", "ingest", "--mapping", "cts", "--lake", lake, "--card-key-file", key, *more]


def test_a_cts_like_export_enters_the_lake_and_each_row_is_accounted_for(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, arguments(tmp_path, str(export(tmp_path, *TAPS)), "--json"))
    assert result.exit_code == 0, result.output
    (report,) = json.loads(result.stdout)
    assert (report["read"], report["accepted"], report["quarantined"]) == (6, 2, 4)
    assert sorted(reason.split(":")[0] for reason in report["reasons"]) == [
        "event_timestamp cannot be read as a time",
        "reversal (Void) of the tap before it",
        "reversed tap",
        "staff card",
    ]
    taps = lakes.read(tmp_path / "lake", "fare_transactions", FareTransaction).sort("transaction_id")
    assert taps.select("service_date", "amount").rows() == [
        (taps["service_date"][0], 90.0),
        (taps["service_date"][0], 1090.5),
    ]
    assert str(taps["service_date"][0]) == "2024-02-29"


def test_a_file_is_shown_by_the_name_it_has_whatever_brackets_are_in_it(tmp_path: Path) -> None:
    path = export(tmp_path, *TAPS).rename(tmp_path / "t[copy].csv")
    result = CliRunner().invoke(cli.app, arguments(tmp_path, str(path)))
    assert result.exit_code == 0, result.output
    assert "t[copy].csv" in result.output


def test_the_terminal_shows_counts_by_reason_and_a_second_time_nothing_changes(tmp_path: Path) -> None:
    path = str(export(tmp_path, *TAPS))
    first = CliRunner().invoke(cli.app, arguments(tmp_path, path))
    assert "staff card" in first.output and "in quarantine: 4 rows" in first.output
    again = CliRunner().invoke(cli.app, arguments(tmp_path, path))
    assert again.exit_code == 0
    assert "in the lake already" in again.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["none.csv"], "none.csv is missing"),
        (["cts.csv", "--zone", "Mars/Olympus"], "zone 'Mars/Olympus' is no IANA time zone"),
        (["cts.csv", "--day-start", "late"], "--day-start late: give a time such as 03:00"),
        (["cts.csv", "--day-start", "03:00:30"], "03:00:30 is no whole minute"),
        (["cts.csv", "--service-date", "today"], "--service-date today: give a date"),
        (["cts.csv", "--service-date", "0001-01-01"], "--service-date 0001-01-01: give a date"),
        (["cts.csv", "--zone", "localtime"], "zone 'localtime' is no IANA time zone"),
        (["cts.csv", "--mapping", "onay"], "lacks the column"),
        (["cts.csv", "--mapping", "tides"], "say the agency's zone"),
        (["cts.csv", "--card-key-file", "lake/card.key"], "lies in the lake"),
    ],
)
def test_what_cannot_work_ends_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    export(tmp_path, *TAPS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["jasyl", *arguments(tmp_path, *more)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_day_that_begins_at_no_whole_minute_makes_no_lake(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, arguments(tmp_path, str(export(tmp_path, *TAPS)), "--day-start", "03:00:30"))
    assert result.exit_code == 1
    assert not (tmp_path / "lake").exists()
