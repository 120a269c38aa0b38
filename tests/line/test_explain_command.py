"""`jasyl explain` on a plan that a run has left."""

from __future__ import annotations

import json
import re
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


def test_a_plan_edited_by_hand_is_explained_with_a_word_on_the_rules_it_breaks(
    town: Path,
    town_run: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan, edited = json.loads((town_run.folder / "plan.json").read_text()), tmp_path / "edited.json"
    given = (edited, "--net", town, "--demand", town_run.folder / "demand.json")
    edited.write_text(json.dumps(plan), encoding="utf-8-sig")
    code, said = _said(monkeypatch, capsys, *given)
    assert code == 0 and "the plan breaks" not in said
    plan["controllers"][0]["windows"].pop()
    edited.write_text(json.dumps(plan))
    code, said = _said(monkeypatch, capsys, *given)
    assert code == 0 and "the plan breaks 1 rules, first junction C: no interstage leads from" in said
    plan["controllers"] = []
    edited.write_text(json.dumps(plan))
    code, said = _said(monkeypatch, capsys, *given)
    assert code == 1 and "edited.json: holds no controller" in " ".join(said.split())


def test_a_scenario_stands_for_its_net_and_the_programs_it_puts_in_use(
    town: Path, town_run: RunResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = _said(monkeypatch, capsys, town_run.folder / "plan.json", "--net", town)
    assert code == 0 and "junction C: cycle" in said


def test_a_plan_made_for_other_programs_is_told_so_in_one_sentence(
    town: Path,
    town_run: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    net, other = town.parent / "town.net.xml", tmp_path / "other.add.xml"
    other.write_text(_with_every_link_apart(net.read_text()))
    plan = town_run.folder / "plan.json"
    code, said = _said(monkeypatch, capsys, plan, "--net", net, "--programs", other)
    assert code == 1
    assert "junction C: the plan was made for other" in said and "--programs" in said


def _with_every_link_apart(net: str) -> str:
    """An additional file with a program that gives every link of C a green of its own length."""
    first_state, *_ = re.findall(r'<tlLogic id="C"[^>]*>\s*<phase[^>]*state="(\w+)"', net)
    links = len(first_state)
    phases = [f'<phase duration="{5 + i}" state="{"r" * i}G{"r" * (links - i - 1)}"/>' for i in range(links)]
    ambers = [f'<phase duration="3" state="{"r" * i}y{"r" * (links - i - 1)}"/>' for i in range(links)]
    body = "".join(green + amber for green, amber in zip(phases, ambers, strict=True))
    return f'<additional><tlLogic id="C" type="static" programID="apart" offset="0">{body}</tlLogic></additional>'


FLOW = '{"junction": "%s", "movement": "m", "flow_veh_h": %s, "served_veh_h": 1}'
DEMAND = '{"begin_s": 0, "end_s": %s, "turning_flows": [' + FLOW + "]}"


@pytest.mark.parametrize(
    ("demand", "told"),
    [
        (DEMAND % (600, "elsewhere", 100), "the demand of another network"),
        (DEMAND % (600, "C", "NaN"), "turning_flows.0.flow_veh_h"),
        (DEMAND % (600, "C", -5), "turning_flows.0.flow_veh_h"),
        (DEMAND % (0, "C", 100), "ends at 0 s, not after its begin"),
    ],
)
def test_a_demand_of_another_network_or_of_figures_that_are_none_explains_nothing(
    town: Path,
    town_run: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    demand: str,
    told: str,
) -> None:
    (tmp_path / "demand.json").write_text(demand)
    plan, net = town_run.folder / "plan.json", town.parent / "town.net.xml"
    code, said = _said(monkeypatch, capsys, plan, "--net", net, "--demand", tmp_path / "demand.json")
    assert code == 1 and told in " ".join(said.split())


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
