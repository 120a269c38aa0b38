"""`jasyl day-plan` on the town of one crossing: from a profile to a week table whose changes SUMO has shown."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from api import cli
from optimiser.demand import Demand, TurningFlow
from optimiser.safety import check_network_plan
from optimiser.signals import NetworkPlan, WeekTable, canonical_json
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import load_scenario

QUIET, BUSY = 0.3, 1.9
SCALES = [QUIET] * 4 + [BUSY] * 4 + [QUIET] * 4


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: str | Path) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["jasyl", "day-plan", *map(str, given)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out + told.err


@pytest.fixture
def demand(town: Path, tmp_path: Path) -> Path:
    """Main street 500 veh/h a way, side streets 120, turns a tenth of that."""
    scenario = load_scenario(town)
    model = read_network(scenario.net, scenario.additionals, profile_named("shipped"))
    flows = []
    for movement in model.network.junction("C").movements:
        flow = 500.0 if movement.approach in ("west_C", "east_C") else 120.0
        flow = flow if movement.turn == "through" else flow / 10
        flows.append(TurningFlow(junction="C", movement=movement.id, flow_veh_h=flow, served_veh_h=flow))
    path = tmp_path / "demand.json"
    path.write_text(canonical_json(Demand(begin_s=0, end_s=3600, turning_flows=tuple(flows))))
    return path


def week_csv(folder: Path) -> Path:
    rows = [f"weekday,{25200 + 900 * i},{scale}" for i, scale in enumerate(SCALES)]
    rows += [f"weekend,{25200 + 900 * i},{QUIET}" for i in range(len(SCALES))]
    (folder / "week.csv").write_text("\n".join(["day,begin_s,scale", *rows]) + "\n")
    return folder / "week.csv"


def test_a_peak_gets_a_plan_of_its_own_and_the_changes_are_shown_in_sumo(
    town: Path, demand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "week"
    (tmp_path / "rules.toml").write_text("candidate_cycles_s = [50, 70, 90]\n")
    given = (town, "--profile", week_csv(tmp_path), "--demand", demand, "--rules", tmp_path / "rules.toml")
    code, told = said(monkeypatch, capsys, *given, "--least-period", "30", "--out", out)
    assert code == 0, told
    table = WeekTable.model_validate_json((out / "week.json").read_text())
    assert table.days["monday"] == "weekday" and table.days["sunday"] == "weekend"
    assert table.plan_at("monday", 25200 + 4.5 * 900) != table.plan_at("monday", 25200.0)
    # What is as quiet as before the peak runs what ran before it; before the first period the last one runs on.
    assert table.plan_at("monday", 25200.0) == table.plan_at("monday", 25200 + 11 * 900) == table.plan_at("friday", 0)
    assert set(table.names.values()) == {"plan 1", "plan 2"}
    for plan_id, name in table.names.items():
        plan = NetworkPlan.model_validate_json((out / "plans" / f"{name.replace(' ', '-')}.json").read_text())
        assert plan.id == plan_id and check_network_plan(plan) == ()
    assert "2 changes shown in SUMO" in told and "with these plans" in told
    days = json.loads((out / "week.run.json").read_text())["days"]
    assert days["weekday"]["person_s"] < days["weekday"]["one_plan_person_s"] < days["weekday"]["running_person_s"]
    assert len(days["weekday"]["proved_in_sumo"]) == 2
    switched = ET.parse(out / "weekday.add.xml").findall(".//wautSwitch")
    assert len(switched) == 4
    picture = ET.parse(out / "week.svg").getroot()
    assert picture.tag.endswith("svg") and "plan 2" in "".join(picture.itertext())


@pytest.mark.parametrize(
    ("profile", "more", "said_so"),
    [
        (None, (), "no such file"),
        ("begin_s\n0\n", (), "'scale'"),
        ("begin_s,scale\n0,1\n900,1\n", (), "shorter periods"),
        ("begin_s,scale\n0,1\n", ("--feeds", "feeds"), "--feeds"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    town: Path,
    demand: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    profile: str | None,
    more: tuple[str, ...],
    said_so: str,
) -> None:
    path = tmp_path / "profile.csv"
    if profile is not None:
        path.write_text(profile)
    given = (town, "--profile", path, "--demand", demand, "--out", tmp_path / "week", *more)
    code, told = said(monkeypatch, capsys, *given)
    assert code == 1
    assert said_so in told and "Traceback" not in told
    assert not (tmp_path / "week" / "week.json").exists()


def test_the_help_gives_an_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = said(monkeypatch, capsys, "--help")
    assert code == 0 and "jasyl day-plan city/run.sumocfg --profile week.csv" in " ".join(told.split())
