"""The feeds a run works on: recorded from the scenario, and in their place the real ones that the scenario names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sumo_networks.record import record_feeds
from sumo_networks.scenario import Scenario

FEEDS_SEED: Final = 2000
CONTROL_TOTALS: Final = "control_totals.csv"


def gather_feeds(scenario: Scenario, folder: Path, progress: Callable[[str, float], None] | None = None) -> Path:
    """The feeds folder of a run. What the scenario names (GTFS, taps, vehicle locations) stands in it as it came.

    Detector counts are recorded in SUMO always. Control totals go with the taps: those beside the named file, or none.
    The truth is that of the recorded run, so it is left out where any feed is another's.
    Raises ScenarioError and SimulationError as `record_feeds`."""
    record_feeds(scenario, folder, FEEDS_SEED, progress=progress)
    named = {
        "gtfs.zip": scenario.gtfs,
        "fare_transactions.csv": scenario.taps,
        "vehicle_locations.csv": scenario.vehicle_locations,
    }
    given = {name: path for name, path in named.items() if path is not None}
    for name, path in given.items():
        shutil.copyfile(path, folder / name)
    if scenario.taps is not None:
        _take_control_totals(scenario.taps.parent / CONTROL_TOTALS, folder / CONTROL_TOTALS)
    if given:
        shutil.rmtree(folder / "truth", ignore_errors=True)
    return folder


def _take_control_totals(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    if source.is_file():
        shutil.copyfile(source, target)
