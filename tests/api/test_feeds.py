"""Which feeds a run works on."""

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from api.feeds import gather_feeds
from sumo_networks.scenario import Scenario, load_scenario


@pytest.fixture(scope="module")
def city() -> Scenario:
    with as_file(files("sumo_networks.cities") / "esil") as folder:
        scenario = load_scenario(folder)
    return replace(scenario, end_s=scenario.begin_s + 120)


def test_feeds_that_the_scenario_names_stand_as_they_came(city: Scenario, tmp_path: Path) -> None:
    feeds = gather_feeds(city, tmp_path / "feeds")
    assert city.taps is not None and city.gtfs is not None and city.vehicle_locations is not None
    assert (feeds / "fare_transactions.csv").read_bytes() == city.taps.read_bytes()
    assert (feeds / "gtfs.zip").read_bytes() == city.gtfs.read_bytes()
    assert (feeds / "vehicle_locations.csv").read_bytes() == city.vehicle_locations.read_bytes()
    assert (feeds / "control_totals.csv").read_bytes() == (city.taps.parent / "control_totals.csv").read_bytes()
    assert not (feeds / "truth").exists()


def test_control_totals_of_another_run_are_not_kept(city: Scenario, tmp_path: Path) -> None:
    assert city.taps is not None
    lone = tmp_path / "taps.csv"
    lone.write_bytes(city.taps.read_bytes())
    feeds = gather_feeds(replace(city, taps=lone), tmp_path / "feeds")
    assert not (feeds / "control_totals.csv").exists()


def test_a_scenario_without_feeds_gets_recorded_ones_with_their_truth(city: Scenario, tmp_path: Path) -> None:
    bare = replace(city, gtfs=None, taps=None, vehicle_locations=None)
    feeds = gather_feeds(bare, tmp_path / "feeds")
    assert (feeds / "truth" / "turning_flows.csv").is_file()
    assert (feeds / "fare_transactions.csv").is_file()
