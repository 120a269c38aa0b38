"""Demand of one period at every stop line: turning flows, buses with the people aboard, pedestrians."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from optimiser.demand import Demand, PedestrianFlow
from optimiser.signals import GroupKind
from sumo_networks.bindings import CityModel
from sumo_networks.bus_flows import bus_flows
from sumo_networks.detector_counts import read_detector_counts, refuse_other_lanes
from sumo_networks.detector_faults import DetectorFault
from sumo_networks.lane_links import lane_links
from sumo_networks.net_file import read_net
from sumo_networks.scenario import Scenario
from sumo_networks.turning_flows import estimate_turning_flows

DETECTORS_FILE: Final = "detectors.csv"
PEDESTRIANS_PAX_H: Final = 100.0


@dataclass(frozen=True)
class MeasuredDemand:
    """Demand and what was wrong with the detectors behind it."""

    demand: Demand
    faults: tuple[DetectorFault, ...]


def build_demand(scenario: Scenario, model: CityModel, feeds: Path, flows: Path | None) -> MeasuredDemand:
    """Demand of the scenario's period from a feeds folder and, where there is one, the flows folder made from it.

    Cars: `detectors.csv` of the feeds, with the scenario's car occupancy. Buses: lines and headways from the feeds'
    GTFS, passengers aboard from `flows`, else the scenario's `bus_load_pax`; none without GTFS. Pedestrians: nothing in
    the feeds counts them, so each pedestrian group is taken to have PEDESTRIANS_PAX_H, whatever its crossing.
    Raises DetectorError where the counts cannot be read, are of another network, or there are none."""
    net = read_net(scenario.net)
    counts = read_detector_counts(feeds / DETECTORS_FILE, scenario.begin_s, scenario.end_s)
    refuse_other_lanes(counts, net, feeds / DETECTORS_FILE)
    estimate = estimate_turning_flows(model, lane_links(net), counts, scenario.car_occupancy)
    demand = Demand(
        begin_s=scenario.begin_s,
        end_s=scenario.end_s,
        turning_flows=estimate.flows,
        bus_flows=bus_flows(scenario, model, net, feeds, flows),
        pedestrian_flows=assumed_pedestrians(model),
    )
    return MeasuredDemand(demand, estimate.faults)


def assumed_pedestrians(model: CityModel, flow_pax_h: float = PEDESTRIANS_PAX_H) -> tuple[PedestrianFlow, ...]:
    """The same flow at every pedestrian group of the model, by junction and group."""
    return tuple(
        PedestrianFlow(junction=junction.id, group=group.id, flow_pax_h=flow_pax_h)
        for junction in sorted(model.network.junctions, key=lambda junction: junction.id)
        for group in sorted(junction.groups, key=lambda group: group.id)
        if group.kind is GroupKind.PEDESTRIAN
    )
