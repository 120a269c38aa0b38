"""`jasyl explain` on a plan that a run has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import cli
from api.run import RunResult


def _said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: str | Path) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["jasyl", "explain", *map(str, given)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out + told.err


def test_the_plan_of_a_run_is_explained_from_its_folder(
    town: Path, town_run: RunResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, net = town_run.folder / "plan.json", town.parent / "town.net.xml"
    code, said = _said(monkeypatch, capsys, plan, "--net", net)
    assert code == 0
    (controller,) = town_run.plan.controllers
    assert f"junction C: cycle {controller.cycle_s:g} s" in said
    assert "Webster's cycle" in said and "person-seconds an hour" in said


@pytest.mark.parametrize("content", [None, "{", "[]", '{"begin_s": 0}'])
def test_a_demand_that_is_none_is_named(
    town: Path,
    town_run: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
) -> None:
    demand = tmp_path / "demand.json"
    if content is not None:
        demand.write_text(content)
    plan, net = town_run.folder / "plan.json", town.parent / "town.net.xml"
    code, said = _said(monkeypatch, capsys, plan, "--net", net, "--demand", demand)
    assert code == 1
    assert "demand.json" in said and "--demand" in said
