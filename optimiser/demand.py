"""Demand at stop lines: turning flows, bus lines and pedestrians, by period."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field, model_validator

from optimiser.signals import Frozen

MOST_FLOW_H: Final = 1e6
"""No street carries so many vehicles or people an hour; a flow beyond is a slip of the pen."""

Flow = Annotated[float, Field(ge=0, le=MOST_FLOW_H)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Time = Annotated[float, Field(allow_inf_nan=False)]


class TurningFlow(Frozen):
    """Vehicles that want to make one movement. `served_veh_h` crossed the stop line; `flow_veh_h` adds those that the
    queue kept back. `occupancy_pax` is the mean number of people in such a vehicle, buses apart."""

    junction: str
    movement: str
    flow_veh_h: Flow
    served_veh_h: Flow
    occupancy_pax: Amount = 1.3


class BusFlow(Frozen):
    """Buses of one line that make one movement, with the passengers they carry there."""

    junction: str
    movement: str
    line: str
    buses_h: Flow
    headway_s: Amount
    load_pax: Amount


class PedestrianFlow(Frozen):
    """People who want to cross under one pedestrian group."""

    junction: str
    group: str
    flow_pax_h: Flow


class Demand(Frozen):
    """Demand of one period."""

    begin_s: Time
    end_s: Time
    turning_flows: tuple[TurningFlow, ...]
    bus_flows: tuple[BusFlow, ...] = ()
    pedestrian_flows: tuple[PedestrianFlow, ...] = ()

    @model_validator(mode="after")
    def _ends_after_its_begin(self) -> Demand:
        if self.end_s <= self.begin_s:
            raise ValueError(f"the period ends at {self.end_s:g} s, not after its begin at {self.begin_s:g} s")
        return self


class DemandProfile(Frozen):
    """Demand of a day, interval by interval without a gap. `day` is what the profile is of: a day of the week, or a
    type of day."""

    day: str
    intervals: tuple[Demand, ...]

    @model_validator(mode="after")
    def _without_gaps(self) -> DemandProfile:
        if not self.intervals:
            raise ValueError(f"the profile of {self.day} has no interval")
        for before, after in pairwise(self.intervals):
            if before.end_s != after.begin_s:
                raise ValueError(
                    f"{self.day}: an interval ends at {before.end_s:g} s and the next begins at {after.begin_s:g} s"
                )
        return self


def mean_demand(demands: Sequence[Demand]) -> Demand:
    """The mean of some intervals, weighed by their lengths, from the begin of the first to the end of the last.

    Of a flow that one interval does not name it takes 0; occupancies and loads are means over the vehicles."""
    shares = _shares(demands)
    turning: dict[tuple[str, str], list[float]] = {}
    buses: dict[tuple[str, str, str], list[float]] = {}
    walks: dict[tuple[str, str], float] = {}
    for share, demand in zip(shares, demands, strict=True):
        for flow in demand.turning_flows:
            sums = turning.setdefault((flow.junction, flow.movement), [0.0, 0.0, 0.0, flow.occupancy_pax])
            sums[0] += share * flow.flow_veh_h
            sums[1] += share * flow.served_veh_h
            sums[2] += share * flow.flow_veh_h * flow.occupancy_pax
        for bus in demand.bus_flows:
            sums = buses.setdefault((bus.junction, bus.movement, bus.line), [0.0, 0.0])
            sums[0] += share * bus.buses_h
            sums[1] += share * bus.buses_h * bus.load_pax
        for walk in demand.pedestrian_flows:
            key = (walk.junction, walk.group)
            walks[key] = walks.get(key, 0.0) + share * walk.flow_pax_h
    return Demand(
        begin_s=demands[0].begin_s,
        end_s=demands[-1].end_s,
        turning_flows=tuple(
            TurningFlow(
                junction=junction,
                movement=movement,
                flow_veh_h=flow,
                served_veh_h=served,
                occupancy_pax=persons / flow if flow else usual,
            )
            for (junction, movement), (flow, served, persons, usual) in turning.items()
        ),
        bus_flows=tuple(
            BusFlow(
                junction=junction,
                movement=movement,
                line=line,
                buses_h=buses_h,
                headway_s=3600 / buses_h,
                load_pax=aboard_h / buses_h,
            )
            for (junction, movement, line), (buses_h, aboard_h) in buses.items()
            if buses_h
        ),
        pedestrian_flows=tuple(
            PedestrianFlow(junction=junction, group=group, flow_pax_h=flow) for (junction, group), flow in walks.items()
        ),
    )


def _shares(demands: Sequence[Demand]) -> list[float]:
    lengths_s = [demand.end_s - demand.begin_s for demand in demands]
    return [length_s / sum(lengths_s) for length_s in lengths_s]
