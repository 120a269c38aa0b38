"""A scenario is read from scenario.toml or any .sumocfg, and what is wrong with it is said in one sentence."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumo_networks.errors import ScenarioError
from sumo_networks.scenario import load_scenario
from sumo_networks.sumo_xml import time_s


@pytest.fixture
def town(grid_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(grid_folder, tmp_path / "town"))


def test_a_config_gives_its_files_period_and_options(town: Path) -> None:
    scenario = load_scenario(town / "run.sumocfg")
    assert scenario.name == "town"
    assert scenario.net == town / "grid.net.xml"
    assert scenario.routes == (town / "demand.rou.xml",)
    assert scenario.additionals == (town / "stops.add.xml",)
    assert (scenario.begin_s, scenario.end_s) == (0, 600)
    assert scenario.car_occupancy == 1.3
    assert scenario.bus_load_pax == 20


def test_options_keep_what_the_config_sets_but_outputs_seed_and_window(town: Path) -> None:
    assert load_scenario(town / "run.sumocfg").options == (("no-step-log", "true"), ("step-length", "0.5"))


def test_the_caller_s_period_goes_before_the_config_s(town: Path) -> None:
    scenario = load_scenario(town / "run.sumocfg", begin_s=100, end_s=400)
    assert (scenario.begin_s, scenario.end_s) == (100, 400)


def test_without_an_end_the_period_is_an_hour(town: Path) -> None:
    config = town / "open.sumocfg"
    config.write_text(
        (town / "run.sumocfg").read_text().replace('<end value="600"/>', "").replace("0:00:00", "7:00:00")
    )
    scenario = load_scenario(config)
    assert (scenario.begin_s, scenario.end_s) == (25200, 28800)


def test_a_begin_after_the_config_s_end_gives_an_hour_from_there(town: Path) -> None:
    assert load_scenario(town / "run.sumocfg", begin_s=700).end_s == 4300


def test_lists_of_files_may_be_separated_by_commas_or_blanks(town: Path) -> None:
    for name in ("one.add.xml", "two.add.xml", "a name with blanks.add.xml"):
        (town / name).write_text("<additional/>")
    text = (town / "run.sumocfg").read_text()
    config = town / "listed.sumocfg"
    config.write_text(text.replace('"stops.add.xml"', '"one.add.xml two.add.xml, a name with blanks.add.xml"'))
    names = [path.name for path in load_scenario(config).additionals]
    assert names == ["one.add.xml", "two.add.xml", "a name with blanks.add.xml"]


def test_input_files_among_the_options_become_absolute(town: Path) -> None:
    config = town / "weighted.sumocfg"
    text = (town / "run.sumocfg").read_text()
    config.write_text(text.replace("<processing>", '<processing><weights value="w.xml"/>'))
    assert ("weight-files", str(town / "w.xml")) in load_scenario(config).options


def test_a_scenario_file_names_files_and_figures(town: Path) -> None:
    (town / "taps.csv").write_text("transaction_id\n")
    (town / "scenario.toml").write_text(
        'name = "Town"\nnet = "grid.net.xml"\nroutes = ["demand.rou.xml"]\nadditional = "stops.add.xml"\n'
        'begin_s = 60\nend_s = 360\ncar_occupancy = 1.5\nbus_load_pax = 30\nzone = "Asia/Almaty"\n'
        'service_date = 2025-03-04\ntaps = "taps.csv"\n[options]\n"step-length" = 0.5\n'
    )
    scenario = load_scenario(town)
    assert scenario.name == "Town"
    assert (scenario.begin_s, scenario.end_s) == (60, 360)
    assert (scenario.car_occupancy, scenario.bus_load_pax) == (1.5, 30)
    assert (scenario.zone, scenario.service_date) == ("Asia/Almaty", "2025-03-04")
    assert scenario.taps == town / "taps.csv"
    assert scenario.gtfs is None
    assert scenario.options == (("step-length", "0.5"),)


def test_a_scenario_file_may_rest_on_a_config(town: Path) -> None:
    (town / "scenario.toml").write_text('config = "run.sumocfg"\nbus_load_pax = 25\n')
    scenario = load_scenario(town)
    assert scenario.config == town / "run.sumocfg"
    assert scenario.additionals == (town / "stops.add.xml",)
    assert (scenario.end_s, scenario.bus_load_pax) == (600, 25)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nets = 3\n", "unknown key 'nets'"),
        ('net = "grid.net.xml"\nend_s = "late"\n', "`end_s` is 'late'"),
        ('net = "grid.net.xml"\ncar_occupancy = -1\n', "`car_occupancy` is -1"),
        ('net = "grid.net.xml"\nbegin_s = nan\n', "`begin_s` is nan"),
        ('net = "grid.net.xml"\nend_s = inf\n', "`end_s` is inf"),
        ('net = "grid.net.xml"\nend_s = -inf\n', "`end_s` is -inf"),
        ('net = "grid.net.xml"\ncar_occupancy = nan\n', "`car_occupancy` is nan"),
        (f'net = "grid.net.xml"\nbus_load_pax = 1{"0" * 400}\n', "`bus_load_pax` is 1000"),
        ('net = "grid.net.xml"\nzone = "Mars/North"\n', "`zone` is 'Mars/North'"),
        ('net = "grid.net.xml"\nzone = "Asia"\n', "`zone` is 'Asia'"),
        ('net = "grid.net.xml"\nzone = "localtime"\n', "`zone` is 'localtime'"),
        ('net = "grid.net.xml"\nservice_date = "3.3.2025"\n', "`service_date` is '3.3.2025'"),
        ('net = "grid.net.xml"\ngtfs = "gtfs.zip"\n', "gtfs.zip: no such file"),
        ('net = "grid.net.xml"\nroutes = 5\n', "`routes` must be"),
        ('net = "grid.net.xml"\n[options]\n"fcd-output" = "x"\n', "'fcd-output' is set by every run"),
        ('net = "elsewhere.net.xml"\n', "elsewhere.net.xml: no such file"),
        ('net = "demand.rou.xml"\n', "root element is <routes>, not <net>"),
        ("name = \n", "not valid TOML"),
        ('name = "x"\n', "names no net"),
    ],
)
def test_a_wrong_scenario_file_is_refused_with_what_is_wrong(town: Path, text: str, told: str) -> None:
    (town / "scenario.toml").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(town)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_net_is_named(town: Path) -> None:
    net = town / "grid.net.xml"
    net.write_text(net.read_text()[:5000])
    with pytest.raises(ScenarioError, match=r"grid\.net\.xml: not a whole XML file .* truncated"):
        load_scenario(town / "run.sumocfg")


def test_a_byte_order_mark_before_the_scenario_is_no_matter(town: Path) -> None:
    (town / "scenario.toml").write_text('\ufeffnet = "grid.net.xml"\nname = "centre"\n', encoding="utf-8")
    assert load_scenario(town).name == "centre"


@pytest.mark.parametrize("encoding", ["gb2312", "foo"])
def test_a_net_in_another_encoding_is_named(town: Path, encoding: str) -> None:
    net = town / "grid.net.xml"
    net.write_text(net.read_text().replace("UTF-8", encoding, 1))
    with pytest.raises(ScenarioError, match=r"grid\.net\.xml: not a whole XML file .* not in UTF-8"):
        load_scenario(town / "run.sumocfg")


def test_a_damaged_gzip_net_is_named(town: Path) -> None:
    packed = bytearray(gzip.compress((town / "grid.net.xml").read_bytes()))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    (town / "grid.net.xml.gz").write_bytes(packed)
    (town / "scenario.toml").write_text('net = "grid.net.xml.gz"\n')
    with pytest.raises(ScenarioError, match=r"grid\.net\.xml\.gz: not a whole XML file"):
        load_scenario(town)


@pytest.mark.parametrize(("begin_s", "end_s"), [(float("nan"), 100.0), (0.0, float("inf")), (0.0, float("nan"))])
def test_a_period_that_is_no_number_is_refused(town: Path, begin_s: float, end_s: float) -> None:
    with pytest.raises(ScenarioError, match="give both in seconds"):
        load_scenario(town / "run.sumocfg", begin_s=begin_s, end_s=end_s)


def test_a_truncated_gzip_net_is_named(town: Path) -> None:
    packed = gzip.compress((town / "grid.net.xml").read_bytes())
    (town / "grid.net.xml.gz").write_bytes(packed[: len(packed) // 2])
    (town / "scenario.toml").write_text('net = "grid.net.xml.gz"\n')
    with pytest.raises(ScenarioError, match=r"grid\.net\.xml\.gz: not a whole XML file"):
        load_scenario(town)


def test_a_missing_route_file_is_named(town: Path) -> None:
    (town / "demand.rou.xml").unlink()
    with pytest.raises(ScenarioError, match=r"demand\.rou\.xml: no such file"):
        load_scenario(town / "run.sumocfg")


def test_a_folder_without_a_scenario_and_a_missing_path_are_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no scenario\.toml"):
        load_scenario(tmp_path)
    with pytest.raises(ScenarioError, match="no such scenario"):
        load_scenario(tmp_path / "nowhere.sumocfg")


def test_an_end_before_the_begin_is_refused(town: Path) -> None:
    with pytest.raises(ScenarioError, match="set an end after the begin"):
        load_scenario(town / "run.sumocfg", begin_s=500, end_s=400)


@given(st.integers(0, 9), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_times_may_be_clock_times(days: int, hours: int, minutes: int, seconds: int) -> None:
    clock_s = hours * 3600 + minutes * 60 + seconds
    assert time_s(f"{hours}:{minutes:02}:{seconds:02}") == clock_s
    assert time_s(f"{days}:{hours}:{minutes:02}:{seconds:02}") == days * 86400 + clock_s
    assert time_s(str(clock_s)) == clock_s


def test_real_configs_load_as_they_are(real_data: Path) -> None:
    configs = sorted((real_data / "signals").glob("*/*.sumocfg"))
    scenarios = {scenario.name: scenario for scenario in map(load_scenario, configs)}
    assert len(scenarios) == len(configs)
    bologna = scenarios["bologna_acosta_persontrips"]
    assert (bologna.begin_s, bologna.end_s) == (0, 3600)
    assert ("pedestrian.striping.reserve-oncoming", "0.34") in bologna.options
    assert (scenarios["cologne1"].begin_s, scenarios["cologne1"].end_s) == (25200, 28800)
