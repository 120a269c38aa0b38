"""GTFS Schedule of the buses a recording saw: lines, trips, stops, times and shapes."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumo_networks.feeds_format import gtfs_time
from sumo_networks.feeds_net import FeedNet, Point, PublicStop
from sumo_networks.feeds_run import Bus
from sumo_networks.georeference import Georeference

Table = tuple[tuple[str, ...], list[tuple[str | int | float, ...]]]

_BUS_ROUTE_TYPE: Final = 3
_SERVICE: Final = "recorded"
_DWELL_S: Final = 20.0
_MONTH_DAY_ZIPPED: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Agency:
    """Who runs the lines, and on which day: `service_date` is YYYY-MM-DD."""

    id: str
    name: str
    zone: str
    service_date: str


def write_gtfs(
    path: Path,
    agency: Agency,
    buses: dict[str, Bus],
    stops: dict[str, PublicStop],
    net: FeedNet,
    place: Georeference,
) -> bool:
    """Write gtfs.zip: agency, stops, routes, trips, stop_times, calendar, shapes; False, and no file, without a stop
    that a bus was to serve.

    trip_id is the bus's vehicle id, route_id its line, stop_id the busStop's id. Scheduled times are `until`, else
    departure plus free-flow time and dwell. Buses that run the same edges and stops share a shape; of two patterns of
    one line those that head against its first have direction_id 1. Same input, same bytes."""
    served = {bus.id: bus for bus in buses.values() if any(visit.stop in stops for visit in bus.visits)}
    if not served:
        return False
    shapes = _shapes(served)
    tables = {
        "agency.txt": _agency(agency),
        "stops.txt": _stops(served, stops, place),
        "routes.txt": _routes(served, agency),
        "trips.txt": _trips(served, stops, shapes),
        "stop_times.txt": _stop_times(served, stops, net),
        "calendar.txt": _calendar(agency),
        "shapes.txt": _shape_points(shapes, net, place),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, (header, rows) in tables.items():
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
            # A fixed time stamp: the archive holds nothing but what follows from the recording.
            archive.writestr(zipfile.ZipInfo(name, _MONTH_DAY_ZIPPED), text.getvalue(), zipfile.ZIP_DEFLATED)
    return True


def _agency(agency: Agency) -> Table:
    header = ("agency_id", "agency_name", "agency_url", "agency_timezone")
    return header, [(agency.id, agency.name, "https://example.org/", agency.zone)]


def _stops(buses: dict[str, Bus], stops: dict[str, PublicStop], place: Georeference) -> Table:
    used = sorted({visit.stop for bus in buses.values() for visit in bus.visits} & stops.keys())
    rows: list[tuple[str | int | float, ...]] = []
    for ident in used:
        lon, lat = place.to_lon_lat(*stops[ident].position())
        rows.append((ident, stops[ident].name, round(lat, 6), round(lon, 6)))
    return ("stop_id", "stop_name", "stop_lat", "stop_lon"), rows


def _routes(buses: dict[str, Bus], agency: Agency) -> Table:
    header = ("route_id", "agency_id", "route_short_name", "route_type")
    lines = sorted({bus.line for bus in buses.values()})
    return header, [(line, agency.id, line, _BUS_ROUTE_TYPE) for line in lines]


def _shapes(buses: dict[str, Bus]) -> dict[tuple[str, tuple[str, ...]], str]:
    """(line, edges) → shape id, numbered within the line by first departure."""
    shapes: dict[tuple[str, tuple[str, ...]], str] = {}
    for bus in sorted(buses.values(), key=lambda bus: (bus.line, bus.depart_s, bus.id)):
        if (bus.line, bus.edges) not in shapes:
            number = sum(line == bus.line for line, _ in shapes)
            shapes[bus.line, bus.edges] = f"{bus.line}:{number}"
    return shapes


def _trips(
    buses: dict[str, Bus], stops: dict[str, PublicStop], shapes: dict[tuple[str, tuple[str, ...]], str]
) -> Table:
    header = ("route_id", "service_id", "trip_id", "trip_headsign", "direction_id", "shape_id")
    rows: list[tuple[str | int | float, ...]] = []
    first: dict[str, Point] = {}
    for bus in sorted(buses.values(), key=lambda bus: (bus.line, bus.depart_s, bus.id)):
        served = [stops[visit.stop] for visit in bus.visits if visit.stop in stops]
        heading = _heading(served)
        reference = first.setdefault(bus.line, heading)
        against = heading[0] * reference[0] + heading[1] * reference[1] < 0
        rows.append((bus.line, _SERVICE, bus.id, served[-1].name, int(against), shapes[bus.line, bus.edges]))
    return header, rows


def _heading(served: list[PublicStop]) -> Point:
    (x0, y0), (x1, y1) = served[0].position(), served[-1].position()
    return x1 - x0, y1 - y0


def _stop_times(buses: dict[str, Bus], stops: dict[str, PublicStop], net: FeedNet) -> Table:
    header = ("trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence")
    rows: list[tuple[str | int | float, ...]] = []
    for bus in sorted(buses.values(), key=lambda bus: (bus.line, bus.depart_s, bus.id)):
        for sequence, (visit, due_s) in enumerate(zip(bus.visits, scheduled_s(bus, stops, net), strict=True), start=1):
            if visit.stop in stops:
                rows.append((bus.id, gtfs_time(due_s), gtfs_time(due_s), visit.stop, sequence))
    return header, rows


def scheduled_s(bus: Bus, stops: dict[str, PublicStop], net: FeedNet) -> list[float]:
    """When the bus is due to leave each of its stops, in seconds, never falling: `until` where the scenario sets it,
    else the last due time, or its departure, plus the free-flow time and the dwell (20 s where none is set)."""
    due: list[float] = []
    now_s, at_edge, at_m = bus.depart_s, 0, 0.0
    for visit in bus.visits:
        stop = stops.get(visit.stop)
        if stop is not None and stop.lane.edge in bus.edges[at_edge:]:
            edge = bus.edges.index(stop.lane.edge, at_edge)
            now_s += _free_flow_s(bus, net, (at_edge, at_m), (edge, stop.to_m))
            at_edge, at_m = edge, stop.to_m
        if visit.until_s is not None:
            now_s = visit.until_s
        else:
            now_s += visit.duration_s or _DWELL_S
        now_s = max([now_s, *due[-1:]])
        due.append(now_s)
    return due


def _free_flow_s(bus: Bus, net: FeedNet, start: tuple[int, float], end: tuple[int, float]) -> float:
    seconds = 0.0
    for number in range(start[0], end[0] + 1):
        lane = net.driven_lane(bus.edges[number])
        if lane is not None:
            from_m = start[1] if number == start[0] else 0.0
            to_m = end[1] if number == end[0] else lane.length_m
            seconds += max(0.0, to_m - from_m) / lane.speed_mps
    return seconds


def _calendar(agency: Agency) -> Table:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    day = agency.service_date.replace("-", "")
    return ("service_id", *days, "start_date", "end_date"), [(_SERVICE, 1, 1, 1, 1, 1, 1, 1, day, day)]


def _shape_points(shapes: dict[tuple[str, tuple[str, ...]], str], net: FeedNet, place: Georeference) -> Table:
    header = ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence", "shape_dist_traveled")
    rows: list[tuple[str | int | float, ...]] = []
    for (_, edges), ident in sorted(shapes.items(), key=lambda item: item[1]):
        lanes = [lane for lane in map(net.driven_lane, edges) if lane is not None]
        points = [point for lane in lanes for point in lane.shape]
        gone_m = 0.0
        for number, point in enumerate(points):
            gone_m += math.dist(points[number - 1], point) if number else 0.0
            lon, lat = place.to_lon_lat(*point)
            rows.append((ident, round(lat, 6), round(lon, 6), number + 1, round(gone_m, 1)))
    return header, rows
