"""Feeds of a scenario: what a city's systems would have recorded of one run, and apart from that the truth."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sumo_networks.errors import ScenarioError
from sumo_networks.feeds_detectors import DETECTOR_INTERVAL_S, Detector, place_detectors, write_detector_counts
from sumo_networks.feeds_format import FeedClock
from sumo_networks.feeds_gtfs import Agency, write_gtfs
from sumo_networks.feeds_net import FeedNet, PublicStop, read_feed_net, read_public_stops
from sumo_networks.feeds_positions import GpsQuality, write_vehicle_locations
from sumo_networks.feeds_run import Recording, run_scenario
from sumo_networks.feeds_stop_lines import write_stop_lines
from sumo_networks.feeds_taps import (
    card_holders,
    cards_of_rides,
    check_cash_share,
    write_control_totals,
    write_taps,
)
from sumo_networks.feeds_truth import write_bus_loads, write_rides, write_turning_flows
from sumo_networks.georeference import Georeference, georeference
from sumo_networks.scenario import Scenario

Progress = Callable[[str, float], None]

AGENCY_ID: Final = "jasyl"


@dataclass(frozen=True)
class Feeds:
    """A feeds folder and how much it holds. `gtfs` is None for a scenario without public stops."""

    folder: Path
    gtfs: Path | None
    buses: int
    rides: int
    taps: int
    pings: int

    @property
    def fare_transactions(self) -> Path:
        """Taps."""
        return self.folder / "fare_transactions.csv"

    @property
    def vehicle_locations(self) -> Path:
        """Pings of the buses' GPS."""
        return self.folder / "vehicle_locations.csv"

    @property
    def control_totals(self) -> Path:
        """Boardings of each line."""
        return self.folder / "control_totals.csv"

    @property
    def detectors(self) -> Path:
        """Counts and queues at signals."""
        return self.folder / "detectors.csv"

    @property
    def stop_lines(self) -> Path:
        """Stop lines of signalised approaches."""
        return self.folder / "stop_lines.csv"

    @property
    def truth(self) -> Path:
        """Folder of what is for scoring alone."""
        return self.folder / "truth"


@dataclass(frozen=True)
class _Surroundings:
    """What a scenario's files say before anything runs."""

    net: FeedNet
    stops: dict[str, PublicStop]
    place: Georeference
    clock: FeedClock
    detectors: tuple[Detector, ...]


def record_feeds(
    scenario: Scenario,
    out: Path,
    seed: int,
    *,
    cash_share: float = 0.15,
    gps_interval_s: int = 10,
    gps_noise_m: float = 5.0,
    gps_gap_share: float = 0.03,
    cards_seed: int | None = None,
    progress: Progress | None = None,
) -> Feeds:
    """Run the scenario once as it is and write its feeds into the folder `out` (made where it is not there).

    fare_transactions.csv and vehicle_locations.csv (columns of TIDES), gtfs.zip, control_totals.csv, detectors.csv,
    stop_lines.csv, feeds.json; in truth/ rides.csv, bus_loads.csv, turning_flows.csv. A scenario without buses gets
    empty tables and no gtfs.zip. `seed` drives SUMO, who pays cash, and the GPS errors: same seed, same bytes. Days
    recorded with the same `cards_seed` share their people's cards. `progress` is told the step under way and the share
    done. Raises ScenarioError for shares or a GPS that cannot be and for an `out` that cannot be written;
    SimulationError when SUMO fails."""
    tell = progress or _silent
    quality = GpsQuality(gps_interval_s, gps_noise_m, gps_gap_share)
    check_cash_share(cash_share)
    _make_folder(out)
    gps_random = np.random.default_rng(seed)
    tell("reading the network", 0.0)
    around = _surroundings(scenario)
    with tempfile.TemporaryDirectory(prefix="jasyl-feeds-") as name:
        tell("simulating", 0.05)
        recording = run_scenario(scenario, around.net, around.detectors, Path(name), seed, quality.interval_s)
        tell("writing positions", 0.8)
        pings = write_vehicle_locations(
            out / "vehicle_locations.csv", recording, quality, around.place, around.clock, gps_random
        )
        tell("writing detector counts", 0.9)
        write_detector_counts(around.detectors, recording.detectors, out / "detectors.csv")
    salt = f"{seed if cards_seed is None else cards_seed}"
    cards = cards_of_rides(recording.rides, card_holders(scenario), cash_share, salt)
    taps = write_taps(out / "fare_transactions.csv", recording.rides, cards, around.clock)
    write_control_totals(out / "control_totals.csv", recording.buses, recording.rides)
    agency = Agency(AGENCY_ID, scenario.name, scenario.zone, scenario.service_date)
    (out / "gtfs.zip").unlink(missing_ok=True)
    has_gtfs = write_gtfs(out / "gtfs.zip", agency, recording.buses, around.stops, around.net, around.place)
    write_stop_lines(out / "stop_lines.csv", around.net, around.place)
    _write_truth(out / "truth", scenario, around.net, recording, cards)
    _write_description(out / "feeds.json", scenario, around.place, cash_share, seed)
    tell("done", 1.0)
    gtfs = out / "gtfs.zip" if has_gtfs else None
    return Feeds(out, gtfs, len(recording.buses), len(recording.rides), taps, pings)


def _surroundings(scenario: Scenario) -> _Surroundings:
    net = read_feed_net(scenario.net)
    stops = read_public_stops(scenario.additionals, net)
    return _Surroundings(net, stops, georeference(scenario.net), FeedClock.of(scenario), place_detectors(net))


def _write_truth(folder: Path, scenario: Scenario, net: FeedNet, recording: Recording, cards: tuple[str, ...]) -> None:
    write_rides(folder / "rides.csv", recording.buses, recording.rides, cards)
    write_bus_loads(folder / "bus_loads.csv", recording.buses, recording.rides)
    span_s = (scenario.begin_s, scenario.end_s)
    write_turning_flows(folder / "turning_flows.csv", net, recording.crossings, span_s, DETECTOR_INTERVAL_S)


def _make_folder(out: Path) -> None:
    try:
        (out / "truth").mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ScenarioError(f"{out}: is a file or lies under one; name a folder for the feeds") from error
    except OSError as error:
        raise ScenarioError(f"{out}: cannot be written ({error.strerror}); name another folder") from error


def _silent(_step: str, _done: float) -> None:
    return None


def _write_description(path: Path, scenario: Scenario, place: Georeference, cash_share: float, seed: int) -> None:
    description = {
        "agency_id": AGENCY_ID,
        "service_date": scenario.service_date,
        "zone": scenario.zone,
        "begin_s": scenario.begin_s,
        "end_s": scenario.end_s,
        "cash_share": cash_share,
        "geo_reference": {"lat0": round(place.lat0, 6), "lon0": round(place.lon0, 6), "made_up": place.made_up},
        "bounds": [round(degree, 6) for degree in place.bounds()],
        "seed": seed,
    }
    path.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
