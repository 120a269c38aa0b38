"""The service's commands: settings that are none are named in one sentence, and names are shown as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.cli import main


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: str | Path
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["jasyl", *map(str, given)])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("JASYL_PORT", "abc", "port is 'abc'"),
        ("JASYL_MAX_BODY_BYTES", "16MB", "max_body_bytes is '16MB'"),
        ("JASYL_DATABASE_URL", "postgresql://h:port/x", "JASYL_DATABASE_URL"),
    ],
)
def test_a_setting_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, value)
    code, _, error = said(monkeypatch, capsys, "serve", "--folder", tmp_path / "service")
    assert code == 1 and error.startswith("error: ") and told in error and name in error
    assert error.count("\n") == 1


def test_a_port_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, error = said(monkeypatch, capsys, "serve", "--folder", tmp_path / "service", "--port", "99999")
    assert code == 1 and "error: port is 99999" in error


def test_names_that_look_like_markup_are_shown_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ["x [/ops]", "cabinet [red]7[/]", "night :moon:"]
    for name in names:
        given = ("keys", "create", name, "--role", "engineer", "--folder", tmp_path)
        assert said(monkeypatch, capsys, *given)[0] == 0
    code, listed, _ = said(monkeypatch, capsys, "keys", "list", "--folder", tmp_path)
    assert code == 0 and [line.split("  ")[-1] for line in listed.splitlines()] == names


def test_a_file_whose_name_looks_like_markup_is_named_in_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = tmp_path / "plan[copy].json"
    plan.write_text(json.dumps([]))
    code, _, error = said(monkeypatch, capsys, "check-plan", plan, "--net", tmp_path / "city [/x].net.xml")
    assert code == 1 and "city [/x].net.xml" in error
