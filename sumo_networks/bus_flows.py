"""Buses at stop lines: which movements each line makes, how often, and with how many people aboard."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from mobility.flows import read_line_loads
from mobility.sources.gtfs import Timetable, read_timetable
from optimiser.demand import BusFlow
from optimiser.signals import GroupKind
from sumo_networks.bindings import CityModel
from sumo_networks.georeference import georeference
from sumo_networks.net_file import NetFile
from sumo_networks.scenario import Scenario
from sumo_networks.shape_matching import EdgeMatcher

GTFS_FILE: Final = "gtfs.zip"
BEYOND_STOPS_M_S: Final = 7.0


@dataclass(frozen=True)
class _Pass:
    """A movement on a pattern's path, with the stops it lies between (empty beyond the first or last)."""

    junction: str
    movement: str
    path_m: float
    from_stop: str
    to_stop: str


@dataclass(frozen=True)
class _Crossing:
    """One bus making one movement."""

    line: str
    at_s: float
    load_pax: float


class _Loads:
    """Mean passengers aboard by line and pair of stops in a period; `default_pax` where nothing was measured."""

    def __init__(self, flows: Path | None, begin_s: float, end_s: float, default_pax: float) -> None:
        self._default_pax = default_pax
        self._by_segment: dict[tuple[str, str, str], float] = {}
        if flows is None:
            return
        loads = read_line_loads(flows).filter(
            (pl.col("hour") >= int(begin_s // 3600)) & (pl.col("hour") * 3600 < end_s)
        )
        # Without a single passenger in any bus nothing counted them: taps are missing, not people.
        if loads.is_empty() or float(loads["load_pax"].sum()) <= 0:
            return
        by_segment = loads.group_by("line", "from_stop", "to_stop", maintain_order=True).agg(
            (pl.col("load_pax") * pl.col("buses")).sum() / pl.col("buses").sum()
        )
        for line, from_stop, to_stop, load_pax in by_segment.iter_rows():
            self._by_segment[str(line), str(from_stop), str(to_stop)] = float(load_pax)

    def of(self, line: str, from_stop: str, to_stop: str) -> float:
        """Load between two stops; none beyond a line's ends where loads are measured at all."""
        if self._by_segment and not (from_stop and to_stop):
            return 0.0
        return self._by_segment.get((line, from_stop, to_stop), self._default_pax)


def bus_flows(
    scenario: Scenario, model: CityModel, net: NetFile, feeds: Path, flows: Path | None
) -> tuple[BusFlow, ...]:
    """Buses by movement and line in the scenario's period, sorted by junction, movement and line.

    Lines, paths and times come from the feeds' `gtfs.zip` (else the scenario's GTFS); each path is matched to the edges
    it drives. `load_pax` is the mean of `line_loads` in the flows folder between the stops around the movement, the
    scenario's `bus_load_pax` where there are no flows or nobody was counted in them. Headway: mean time between
    buses, the period where there is one bus. Empty without GTFS. Raises FeedError for a broken GTFS."""
    feed = feeds / GTFS_FILE if (feeds / GTFS_FILE).is_file() else scenario.gtfs
    if feed is None:
        return ()
    timetable = read_timetable(feed, date.fromisoformat(scenario.service_date))
    loads = _Loads(flows, scenario.begin_s, scenario.end_s, scenario.bus_load_pax)
    passes = _passes(scenario, model, net, timetable)
    crossings: dict[tuple[str, str, str], list[_Crossing]] = {}
    for place, crossing in _crossings(timetable, passes, loads):
        if scenario.begin_s <= crossing.at_s < scenario.end_s:
            crossings.setdefault((place.junction, place.movement, crossing.line), []).append(crossing)
    hours = (scenario.end_s - scenario.begin_s) / 3600.0
    return tuple(_flow(key, sorted(found, key=lambda one: one.at_s), hours) for key, found in sorted(crossings.items()))


def _flow(key: tuple[str, str, str], crossings: list[_Crossing], hours: float) -> BusFlow:
    count = len(crossings)
    span_s = crossings[-1].at_s - crossings[0].at_s
    headway_s = span_s / (count - 1) if count > 1 and span_s > 0 else hours * 3600.0 / count
    return BusFlow(
        junction=key[0],
        movement=key[1],
        line=key[2],
        buses_h=round(count / hours, 3),
        headway_s=round(headway_s, 1),
        load_pax=round(sum(one.load_pax for one in crossings) / count, 3),
    )


def _crossings(
    timetable: Timetable, passes: dict[str, list[_Pass]], loads: _Loads
) -> Iterator[tuple[_Pass, _Crossing]]:
    """Every bus at every movement of its pattern, timed between its stops by distance."""
    trips = timetable.trips.filter(pl.col("pattern_id").is_in(sorted(passes)))
    stops_m = {str(key[0]): rows["path_m"].to_numpy() for key, rows in timetable.pattern_stops.group_by("pattern_id")}
    calls = {str(key[0]): rows for key, rows in timetable.calls.group_by("trip_id", maintain_order=True)}
    for trip, line, pattern in trips.select("trip_id", "line", "pattern_id").iter_rows():
        stop_m, rows = stops_m[pattern], calls[trip]
        arrival_s, departure_s = rows["arrival_s"].to_numpy(), rows["departure_s"].to_numpy()
        if len(stop_m) != len(arrival_s) or np.isnan(arrival_s).any() or np.isnan(departure_s).any():
            continue
        for place in passes[pattern]:
            at_s = _time_at(place.path_m, stop_m.tolist(), arrival_s.tolist(), departure_s.tolist())
            yield place, _Crossing(line, at_s, loads.of(line, place.from_stop, place.to_stop))


def _time_at(path_m: float, stops_m: list[float], arrivals_s: list[float], departures_s: list[float]) -> float:
    behind = bisect_right(stops_m, path_m)
    if behind == 0:
        return arrivals_s[0] - (stops_m[0] - path_m) / BEYOND_STOPS_M_S
    if behind == len(stops_m):
        return departures_s[-1] + (path_m - stops_m[-1]) / BEYOND_STOPS_M_S
    gap_m = stops_m[behind] - stops_m[behind - 1]
    share = (path_m - stops_m[behind - 1]) / gap_m if gap_m > 0 else 0.0
    return departures_s[behind - 1] + share * (arrivals_s[behind] - departures_s[behind - 1])


def _passes(scenario: Scenario, model: CityModel, net: NetFile, timetable: Timetable) -> dict[str, list[_Pass]]:
    """Movements in driving order by pattern; patterns that make none are left out."""
    matcher = EdgeMatcher(net, georeference(scenario.net), timetable.projection)
    movements = _movements(model, net)
    found: dict[str, list[_Pass]] = {}
    for key, rows in timetable.paths.sort("pattern_id", "path_m").group_by("pattern_id", maintain_order=True):
        pattern = str(key[0])
        stops = timetable.pattern_stops.filter(pl.col("pattern_id") == pattern).sort("trip_stop_sequence")
        stops_m, names = stops["path_m"].to_list(), ["", *stops["stop_id"].to_list(), ""]
        driven = matcher.match(rows["path_m"].to_numpy(), rows["x_m"].to_numpy(), rows["y_m"].to_numpy())
        for before, behind in pairwise(driven):
            for junction, movement in movements.get((before.edge, behind.edge), ()):
                at_m = (before.to_m + behind.from_m) / 2
                index = bisect_right(stops_m, at_m)
                place = _Pass(junction, movement, at_m, names[index], names[index + 1])
                found.setdefault(pattern, []).append(place)
    return found


def _movements(model: CityModel, net: NetFile) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By (edge before, edge behind) the movement that a bus makes at each junction there: that of a bus signal where
    there is one, else the first with a lane that buses may use."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for junction in model.network.junctions:
        kinds = {group.id: group.kind for group in junction.groups}
        best: dict[tuple[str, str], tuple[bool, str]] = {}
        for movement in junction.movements:
            if not any(lane in net.lanes and net.lanes[lane].permits("bus") for lane in movement.lanes):
                continue
            rank = (kinds[movement.group] is not GroupKind.BUS, movement.id)
            way = movement.approach, movement.exit
            best[way] = min(best.get(way, rank), rank)
        for way, (_, name) in best.items():
            found.setdefault(way, []).append((junction.id, name))
    return found
