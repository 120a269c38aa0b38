"""Bad input through the command line: one sentence for a person, exit code 1, no traceback, nothing half done."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from api import cli
from api.run import RunResult
from optimiser.signals import NetworkPlan
from sumo_networks.net_file import read_net
from sumo_networks.network_hash import network_hash

Jasyl = Callable[..., tuple[int, str]]


@pytest.fixture
def jasyl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jasyl:
    """Runs the command line; returns its exit code and what it said on standard error."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["jasyl", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return int(ended.value.code or 0), " ".join(said.err.split())

    return run


@pytest.fixture
def copied(town: Path, tmp_path: Path) -> Path:
    """The town's .sumocfg in a folder of the test's own."""
    shutil.copytree(town.parent, tmp_path / "town")
    return tmp_path / "town" / town.name


@pytest.fixture
def feeds(town_run: RunResult, tmp_path: Path) -> Path:
    """The town's feeds in a folder of the test's own."""
    shutil.copytree(town_run.folder / "feeds", tmp_path / "feeds")
    return tmp_path / "feeds"


def _error(said: str) -> str:
    """The one sentence after the word error; progress bars may stand before it."""
    _, found, sentence = said.partition("error: ")
    assert found, said
    return sentence


def _rewrite_taps(feeds: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    file = feeds / "fare_transactions.csv"
    with file.open(newline="") as stream:
        rows = [change(row) for row in csv.DictReader(stream)]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_scenario_that_is_not_there(jasyl: Jasyl, tmp_path: Path) -> None:
    code, said = jasyl("run", tmp_path / "nowhere.sumocfg", "--out", tmp_path / "out")
    assert code == 1 and "nowhere.sumocfg" in _error(said)


def test_a_truncated_net(jasyl: Jasyl, copied: Path, tmp_path: Path) -> None:
    net = copied.parent / "town.net.xml"
    net.write_bytes(net.read_bytes()[: net.stat().st_size // 2])
    code, said = jasyl("run", copied, "--out", tmp_path / "out")
    assert code == 1 and "town.net.xml" in _error(said)


def test_a_truncated_net_in_check_plan(jasyl: Jasyl, copied: Path, town_run: RunResult) -> None:
    net = copied.parent / "town.net.xml"
    net.write_bytes(net.read_bytes()[: net.stat().st_size // 2])
    code, said = jasyl("check-plan", town_run.folder / "plan.json", "--net", net)
    assert code == 1 and "town.net.xml" in _error(said)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("tls.all-off", "tls.all-off switches all signals off, so no program runs; remove it"),
        ("mesosim", "mesosim runs traffic as queues, which tell little of what signals do; remove it"),
    ],
)
def test_a_config_under_which_no_run_shows_what_signals_do(
    jasyl: Jasyl, copied: Path, town_run: RunResult, option: str, told: str
) -> None:
    copied.write_text(copied.read_text().replace("</configuration>", f'<{option} value="true"/></configuration>'))
    code, said = jasyl("check-plan", town_run.folder / "plan.json", "--net", copied)
    assert code == 1
    assert f"{copied}: {told}" in _error(said)


def test_a_plan_for_another_network(jasyl: Jasyl, town: Path, town_run: RunResult, tmp_path: Path) -> None:
    plan = json.loads((town_run.folder / "plan.json").read_text())
    plan["network_hash"] = "0" * 32
    other = tmp_path / "other.json"
    other.write_text(json.dumps(plan))
    code, said = jasyl("verify", town, "--plan", other, "--out", tmp_path / "out")
    assert code == 1 and "network" in _error(said)
    assert not (tmp_path / "out" / "verdict.json").exists()


def test_an_additional_file_for_another_network(jasyl: Jasyl, town: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.add.xml"
    phases = '<phase duration="30" state="G"/><phase duration="3" state="y"/><phase duration="30" state="r"/>'
    other.write_text(f'<additional><tlLogic id="X" programID="1" type="static">{phases}</tlLogic></additional>')
    code, said = jasyl("verify", town, "--plan", other, "--out", tmp_path / "out")
    assert code == 1 and "junction X" in _error(said)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"controllers": 3}', "<additional>", "\x00\x01"])
def test_a_plan_file_that_is_none(jasyl: Jasyl, town: Path, tmp_path: Path, content: str) -> None:
    for name in ("plan.json", "plan.add.xml"):
        file = tmp_path / name
        file.write_text(content)
        code, said = jasyl("verify", town, "--plan", file, "--out", tmp_path / "out")
        assert code == 1 and name in _error(said)


def test_an_unsafe_plan_is_not_even_simulated(jasyl: Jasyl, town: Path, town_run: RunResult, tmp_path: Path) -> None:
    plan = json.loads((town_run.folder / "plan.json").read_text())
    for greens in plan["controllers"][0]["greens"].values():
        for green in greens:
            green["start_s"], green["end_s"] = 0, 30
    unsafe = tmp_path / "unsafe.json"
    unsafe.write_text(json.dumps(plan))
    code, said = jasyl("verify", town, "--plan", unsafe, "--out", tmp_path / "out")
    assert code == 1 and "unsafe" in _error(said)
    assert not (tmp_path / "out").exists()
    code, _ = jasyl("check-plan", unsafe, "--net", town.parent / "town.net.xml")
    assert code == cli.REFUSED


def test_a_plan_without_controllers_is_not_said_to_be_safe(jasyl: Jasyl, town: Path, tmp_path: Path) -> None:
    net = town.parent / "town.net.xml"
    plan = tmp_path / "empty.json"
    empty = NetworkPlan(network_hash=network_hash(read_net(net)), profile="", controllers=())
    plan.write_text(empty.model_dump_json())
    code, said = jasyl("check-plan", plan, "--net", net)
    assert code == 1 and "empty.json: holds no controller" in _error(said)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("[junctions.Q]\nlocked = true", "Q"),
        ('[junctions.C.groups."nobody"]\nmin_green_s = 9', "nobody"),
        ("[junctions.C]\nloked = true", "loked"),
        ("cycle = 90", "cycle"),
        ("cycle_s = 'long'", "cycle_s"),
        ("cycle_s = [", "TOML"),
        ('profile = "atlantis"', "atlantis"),
    ],
)
def test_rules_that_do_not_fit(jasyl: Jasyl, town: Path, tmp_path: Path, rules: str, told: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(rules)
    code, said = jasyl("run", town, "--out", tmp_path / "out", "--rules", file)
    assert code == 1 and told in _error(said)


def test_a_rules_file_that_is_not_there(jasyl: Jasyl, town: Path, tmp_path: Path) -> None:
    code, said = jasyl("run", town, "--out", tmp_path / "out", "--rules", tmp_path / "none.toml")
    assert code == 1 and "none.toml" in _error(said)


def test_rules_that_leave_no_plan_name_the_junction_and_the_limits(
    jasyl: Jasyl, town: Path, town_run: RunResult, tmp_path: Path
) -> None:
    groups = [group.id for group in town_run.plan.controllers[0].groups]
    least = "".join(f'[junctions.C.groups."{group}"]\nmin_green_s = 38\n' for group in groups)
    file = tmp_path / "rules.toml"
    file.write_text(f"cycle_s = 40\n{least}")
    code, said = jasyl("run", town, "--out", tmp_path / "out", "--rules", file)
    assert code == 1
    assert "junction C" in _error(said) and "38 s" in _error(said)


def test_a_degree_of_saturation_that_cannot_be_kept_is_named(jasyl: Jasyl, town: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("cycle_s = 40\n[junctions.C]\nmax_degree_of_saturation = 0.05\n")
    code, said = jasyl("run", town, "--out", tmp_path / "out", "--rules", file)
    assert code == 1
    assert "junction C: the degree of saturation" in _error(said)


def test_a_simulator_that_stops_tells_its_own_words(jasyl: Jasyl, copied: Path, tmp_path: Path) -> None:
    routes = copied.parent / "town.rou.xml"
    routes.write_text(routes.read_text().replace('to="C_south"', 'to="moon"'))
    code, said = jasyl("record-feeds", copied, "--out", tmp_path / "feeds")
    assert code == 1 and "moon" in _error(said)


def test_a_truncated_route_file(jasyl: Jasyl, copied: Path, tmp_path: Path) -> None:
    routes = copied.parent / "town.rou.xml"
    routes.write_text(routes.read_text()[:400])
    code, said = jasyl("run", copied, "--out", tmp_path / "out")
    assert code == 1 and "town.rou.xml" in _error(said)


@pytest.mark.parametrize("command", ["run", "record-feeds", "optimise"])
def test_results_cannot_go_into_a_file(jasyl: Jasyl, town: Path, tmp_path: Path, command: str) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    code, said = jasyl(command, town, "--out", taken)
    assert code == 1 and "taken" in _error(said)
    assert taken.read_text() == "mine"


def test_flows_of_feeds_that_are_not_there(jasyl: Jasyl, tmp_path: Path) -> None:
    key = tmp_path / "card.key"
    code, said = jasyl("flows", tmp_path / "none", "--out", tmp_path / "flows", "--card-key-file", key)
    assert code == 1 and "none" in _error(said)


def test_flows_into_a_file(jasyl: Jasyl, feeds: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    code, said = jasyl("flows", feeds, "--out", taken, "--card-key-file", tmp_path / "card.key")
    assert code == 1 and "taken" in _error(said)
    assert taken.read_text() == "mine"


def test_a_key_of_cards_that_is_too_short(jasyl: Jasyl, feeds: Path, tmp_path: Path) -> None:
    key = tmp_path / "card.key"
    key.write_text("short")
    code, said = jasyl("flows", feeds, "--out", tmp_path / "flows", "--card-key-file", key)
    assert code == 1 and "card.key" in _error(said)


def test_taps_without_a_column(jasyl: Jasyl, feeds: Path, tmp_path: Path) -> None:
    _rewrite_taps(feeds, lambda row: {name: value for name, value in row.items() if name != "fare_media_id"})
    code, said = jasyl("flows", feeds, "--out", tmp_path / "flows", "--card-key-file", tmp_path / "card.key")
    assert code == 1 and "fare_media_id" in _error(said)


def test_taps_in_another_zone_than_the_buses(jasyl: Jasyl, feeds: Path, tmp_path: Path) -> None:
    # The clock shows five hours more while the offset still says the agency's zone.
    def shifted(row: dict[str, str]) -> dict[str, str]:
        date, _, clock = row["event_timestamp"].partition("T")
        return row | {"event_timestamp": f"{date}T{int(clock[:2]) + 5:02d}{clock[2:]}"}

    _rewrite_taps(feeds, shifted)
    code, said = jasyl("flows", feeds, "--out", tmp_path / "flows", "--card-key-file", tmp_path / "card.key")
    assert code == 1 and "zone" in _error(said)


def test_feeds_without_detectors(jasyl: Jasyl, town: Path, feeds: Path, tmp_path: Path) -> None:
    (feeds / "detectors.csv").unlink()
    code, said = jasyl("optimise", town, "--feeds", feeds, "--out", tmp_path / "out")
    assert code == 1 and "detectors.csv" in _error(said)


def test_flows_that_are_not_there(jasyl: Jasyl, town: Path, feeds: Path, tmp_path: Path) -> None:
    code, said = jasyl("optimise", town, "--feeds", feeds, "--flows", tmp_path / "none", "--out", tmp_path / "out")
    assert code == 1 and "none" in _error(said)


@pytest.mark.parametrize("seeds", ["1000", "1,x", "", "-1"])
def test_seeds_that_are_none_or_belong_to_the_search(jasyl: Jasyl, town: Path, tmp_path: Path, seeds: str) -> None:
    code, said = jasyl("run", town, "--out", tmp_path / "out", "--seeds", seeds)
    assert code == 2 and "seeds" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--polish-runs=-5", "--polish-runs=100001", "--workers=0", "--workers=-3"])
def test_an_effort_that_is_none(jasyl: Jasyl, town: Path, tmp_path: Path, option: str) -> None:
    code, said = jasyl("run", town, "--out", tmp_path / "out", option)
    assert code == 2 and option.partition("=")[0] in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("begin", "end", "told"), [("600", "600", "end"), ("900", "300", "end"), ("-5", "9", "begin")])
def test_a_period_that_is_none(jasyl: Jasyl, town: Path, tmp_path: Path, begin: str, end: str, told: str) -> None:
    code, said = jasyl("run", town, "--out", tmp_path / "out", f"--begin={begin}", f"--end={end}")
    assert code == 1 and told in _error(said)


def test_a_seed_of_a_recording_that_is_none(jasyl: Jasyl, town: Path, tmp_path: Path) -> None:
    for seed in ("-1", str(2**31)):
        code, said = jasyl("record-feeds", town, "--out", tmp_path / "feeds", f"--seed={seed}")
        assert code == 2 and "--seed" in said
    assert not (tmp_path / "feeds").exists()


def test_a_command_that_is_none(jasyl: Jasyl) -> None:
    code, said = jasyl("optimize-all")
    assert code == 2 and "optimize-all" in said


def test_an_unknown_profile_in_check_plan(jasyl: Jasyl, town: Path, town_run: RunResult) -> None:
    plan, net = town_run.folder / "plan.json", town.parent / "town.net.xml"
    code, said = jasyl("check-plan", plan, "--net", net, "--profile", "atlantis")
    assert code == 1 and "atlantis" in _error(said)


def test_a_person_who_stops_the_run(jasyl: Jasyl, town: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_line", interrupted)
    code, said = jasyl("run", town, "--out", tmp_path / "out")
    assert code == 130 and "stopped" in said
