"""`jasyl mobility alightings` from the command line, and on a real day of SUBE whose check-outs only the judge sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from api import cli

HEADER = "id,id_tarjeta,modo,lat,lon,interno_bus,tipo_trx_tren,etapa_red_sube,id_linea,hora,fecha"
TAPS = [
    "1,7,TRE,-34.628,-58.38,,CHECK IN,0,16,8,27/11/2019",
    "2,7,TRE,-34.708,-58.39,,CHECK IN,0,16,18,27/11/2019",
    "3,8,COL,,,11,,0,98,9,27/11/2019",
]


def write_taps(folder: Path, *rows: str) -> Path:
    path = folder / "taps.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_the_command_answers_for_every_boarding(tmp_path: Path) -> None:
    out = tmp_path / "legs.csv"
    arguments = ["mobility", "alightings", str(write_taps(tmp_path, *TAPS)), "--mapping", "sube", "--out", str(out)]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    header, *rows = out.read_text().splitlines()
    assert header == "transaction_id,alighting_lat,alighting_lon,confidence"
    assert [row.split(",")[:3] for row in rows[:2]] == [
        ["1", "-34.708000", "-58.390000"],
        ["2", "-34.628000", "-58.380000"],
    ]
    assert len(rows) == 3


def test_an_unreadable_row_goes_to_a_quarantine_beside_the_answers(tmp_path: Path) -> None:
    out = tmp_path / "legs.csv"
    taps = write_taps(tmp_path, *TAPS, TAPS[0].replace("1,7,", "4,7,").replace("-34.628", "x"), "5,7")
    result = CliRunner().invoke(cli.app, ["mobility", "alightings", str(taps), "--mapping", "sube", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert len(out.read_text().splitlines()) == 1 + len(TAPS)
    kept = pl.read_parquet(tmp_path / "legs.quarantine.parquet")
    assert kept["line"].to_list() == [5, 6]
    assert "2 of 5 rows" in result.output.replace("\n", " ")


def test_the_answers_do_not_replace_the_taps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taps = write_taps(tmp_path, *TAPS)
    before = taps.read_text()
    beside = tmp_path / "link.csv"
    beside.symlink_to(taps)
    monkeypatch.setattr(
        sys, "argv", ["jasyl", "mobility", "alightings", str(taps), "--mapping", "sube", "--out", str(beside)]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1 and taps.read_text() == before


def test_help_shows_an_example() -> None:
    result = CliRunner().invoke(cli.app, ["mobility", "alightings", "--help"])
    assert result.exit_code == 0
    assert "Example: jasyl mobility alightings taps.csv --mapping sube" in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("mapping", "rows", "said"),
    [
        ("sube", [TAPS[0].replace("-34.628", "x")], "has no boarding with a position"),
        ("oyster", TAPS, "there is no mapping 'oyster'; there are: cts, onay, sube"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mapping: str,
    rows: list[str],
    said: str,
) -> None:
    arguments = [str(write_taps(tmp_path, *rows)), "--mapping", mapping, "--out", str(tmp_path / "legs.csv")]
    monkeypatch.setattr(sys, "argv", ["jasyl", "mobility", "alightings", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "legs.csv").exists()


def test_on_a_real_day_the_judge_finds_them_right_and_their_confidence_true(real_data: Path, tmp_path: Path) -> None:
    sube, judge = real_data / "mobility" / "amba_sube", real_data.parent / "judges" / "alightings.py"
    trx = sube / "trx_2019-11-27.csv"
    if not (trx.is_file() and judge.is_file()):
        pytest.skip(f"needs {trx} and {judge}")
    stripped, legs = tmp_path / "stripped.csv", tmp_path / "legs.csv"
    subprocess.run([sys.executable, judge, "strip", trx, stripped], check=True)
    arguments = ["--mapping", "sube", "--metadata", str(sube / "metadata_amba_2019_m1.csv"), "--out", str(legs)]
    arguments += ["--lines", str(sube / "recorridos_2019_linea_unica_m1.geojson")]
    result = CliRunner().invoke(cli.app, ["mobility", "alightings", str(stripped), *arguments])
    assert result.exit_code == 0, result.output
    said = subprocess.run(
        [sys.executable, judge, "score", trx, legs], check=True, capture_output=True, text=True
    ).stdout
    score = json.loads(said)
    assert score["inferred_share"] == 1.0
    assert score["right_share"] >= 0.82
    assert score["right_of_surest_80"] >= 0.94
    assert score["calibration_error"] <= 0.04
