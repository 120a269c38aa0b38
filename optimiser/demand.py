"""Demand at stop lines: turning flows, bus lines and pedestrians, by period."""

from __future__ import annotations

from optimiser.signals import Frozen


class TurningFlow(Frozen):
    """Vehicles that want to make one movement. `served_veh_h` crossed the stop line; `flow_veh_h` adds those that the
    queue kept back. `occupancy_pax` is the mean number of people in such a vehicle, buses apart."""

    junction: str
    movement: str
    flow_veh_h: float
    served_veh_h: float
    occupancy_pax: float = 1.3


class BusFlow(Frozen):
    """Buses of one line that make one movement, with the passengers they carry there."""

    junction: str
    movement: str
    line: str
    buses_h: float
    headway_s: float
    load_pax: float


class PedestrianFlow(Frozen):
    """People who want to cross under one pedestrian group."""

    junction: str
    group: str
    flow_pax_h: float


class Demand(Frozen):
    """Demand of one period."""

    begin_s: float
    end_s: float
    turning_flows: tuple[TurningFlow, ...]
    bus_flows: tuple[BusFlow, ...] = ()
    pedestrian_flows: tuple[PedestrianFlow, ...] = ()
