"""What really happened, for scoring alone: rides, loads of buses, turning flows."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from sumo_networks.feeds_format import seconds_text, write_csv
from sumo_networks.feeds_net import FeedNet
from sumo_networks.feeds_run import Bus, Ride

RIDE_COLUMNS: Final = (
    "person_id",
    "fare_media_id",
    "vehicle_id",
    "trip_id",
    "boarding_stop_id",
    "boarded_at_s",
    "alighting_stop_id",
    "alighted_at_s",
)
LOAD_COLUMNS: Final = (
    "vehicle_id",
    "trip_id",
    "route_id",
    "stop_sequence",
    "stop_id",
    "departed_at_s",
    "load_pax",
)
TURNING_COLUMNS: Final = (
    "tls",
    "from_edge",
    "to_edge",
    "link_index",
    "interval_begin_s",
    "interval_end_s",
    "count_veh",
)


def write_rides(path: Path, buses: dict[str, Bus], rides: tuple[Ride, ...], cards: tuple[str, ...]) -> int:
    """Write rides.csv in order of boarding; alighting is blank for who is still aboard at the end. Returns the rows."""
    return write_csv(
        path,
        RIDE_COLUMNS,
        (
            (
                ride.person,
                card,
                ride.bus,
                ride.bus,
                buses[ride.bus].visits[ride.boarding_visit].stop,
                seconds_text(ride.boarded_s),
                "" if ride.alighting_visit is None else buses[ride.bus].visits[ride.alighting_visit].stop,
                "" if ride.alighted_s is None else seconds_text(ride.alighted_s),
            )
            for ride, card in zip(rides, cards, strict=True)
        ),
    )


def write_bus_loads(path: Path, buses: dict[str, Bus], rides: tuple[Ride, ...]) -> int:
    """Write bus_loads.csv: passengers aboard as each bus left each stop it left in the period; returns the rows."""
    change: defaultdict[tuple[str, int], int] = defaultdict(int)
    for ride in rides:
        change[ride.bus, ride.boarding_visit] += 1
        if ride.alighting_visit is not None:
            change[ride.bus, ride.alighting_visit] -= 1
    rows: list[tuple[str | int | float, ...]] = []
    for bus in buses.values():
        load = 0
        for number, visit in enumerate(bus.visits):
            load += change[bus.id, number]
            if visit.ended_s is not None:
                rows.append((bus.id, bus.id, bus.line, number + 1, visit.stop, seconds_text(visit.ended_s), load))
    return write_csv(path, LOAD_COLUMNS, rows)


def write_turning_flows(
    path: Path, net: FeedNet, crossings: Counter[tuple[str, str, int]], span_s: tuple[float, float], interval_s: int
) -> int:
    """Write turning_flows.csv: vehicles over the stop line by controller, way and interval of `span_s`, zeros too.

    A way that has several links names them all, joined by ";". Returns the rows."""
    ways: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for link in net.links:
        ways[link.tls, link.from_edge, link.to_edge].append(link.index)
    begin, end = round(span_s[0]), round(span_s[1])
    return write_csv(
        path,
        TURNING_COLUMNS,
        (
            (
                *way,
                ";".join(map(str, sorted(set(indices)))),
                start,
                min(start + interval_s, end),
                crossings[way[1], way[2], start],
            )
            for way, indices in sorted(ways.items())
            for start in range(begin, end, interval_s)
        ),
    )
