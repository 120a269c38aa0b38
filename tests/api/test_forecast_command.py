"""`jasyl mobility forecast` from flows folders, one a day."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from api.cli import main
from mobility import lake
from mobility.schemas import Boarding
from mobility.summary import SUMMARY, FlowsSummary

FIRST = date(2025, 3, 3)


def flows_of(folder: Path, day: date, zone: str = "Asia/Almaty") -> Path:
    """Eight boardings at one stop at 7:00 local time, of a day."""
    rows = pl.DataFrame(
        {
            "service_date": [day],
            "quarter_start": [datetime(day.year, day.month, day.day, 2, tzinfo=UTC)],
            "stop_id": ["s1"],
            "line": ["10"],
            "taps": [8],
            "boardings_pax": [8.0],
            "cards": [8],
            "cards_once": [8],
            "confidence": [1.0],
        }
    )
    lake.write(folder, "boardings", Boarding, rows, day)
    blank = {"dict": {}, "tuple": [], "None": None, "str": ""}
    summary: dict[str, object] = {
        field.name: next((value for word, value in blank.items() if word in str(field.type)), 0)
        for field in fields(FlowsSummary)
    }
    (folder / SUMMARY).write_text(json.dumps({**summary, "service_date": day.isoformat(), "zone": zone}))
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["jasyl", "mobility", "forecast", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code if isinstance(ended.value.code, int) else int(ended.value.code is not None)


def test_a_day_is_forecast_from_the_folders_of_days_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [flows_of(tmp_path / f"d{n}", FIRST + timedelta(days=n)) for n in range(14)]
    assert run(monkeypatch, *folders, "--date", "2025-03-17", "--out", tmp_path / "out.csv") == 0
    made = pl.read_csv(tmp_path / "out.csv")
    assert made.height == 96
    busiest = made.sort("boardings_pax").row(-1, named=True)
    assert busiest["quarter_start"] == "2025-03-17T02:00:00+00:00"
    assert busiest["boardings_pax"] == pytest.approx(8.0, rel=0.2)


@pytest.mark.parametrize(
    ("days", "zone", "said"), [(3, "Asia/Almaty", "at least 14 days"), (3, "Asia/Tokyo", "several")]
)
def test_what_cannot_be_forecast_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    days: int,
    zone: str,
    said: str,
) -> None:
    folders = [flows_of(tmp_path / f"d{n}", FIRST + timedelta(days=n)) for n in range(days)]
    other = flows_of(tmp_path / "other", FIRST + timedelta(days=days), zone)
    assert run(monkeypatch, *folders, other, "--date", "2025-03-17", "--out", tmp_path / "out.csv") == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, tmp_path, "--date", "2025-03-17", "--out", tmp_path / "out.csv") == 1
    assert "is it a flows folder?" in " ".join(capsys.readouterr().err.split())


def test_a_zone_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = flows_of(tmp_path / "d0", FIRST)
    asked = (folder, "--date", "2025-03-17", "--out", tmp_path / "out.csv", "--zone", "Mars")
    assert run(monkeypatch, *asked) == 1
    assert "zone 'Mars' is no IANA time zone" in " ".join(capsys.readouterr().err.split())


def test_a_summary_that_is_not_whole_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = flows_of(tmp_path / "d0", FIRST)
    (folder / SUMMARY).write_text((folder / SUMMARY).read_text()[:50])
    assert run(monkeypatch, folder, "--date", "2025-03-17", "--out", tmp_path / "out.csv") == 1
    assert "is no whole summary of flows" in " ".join(capsys.readouterr().err.split())
