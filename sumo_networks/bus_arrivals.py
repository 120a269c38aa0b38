"""When a bus will be at a stop line, from its last report: free driving, and its usual dwell at each stop before it.

    due = measured + distance / v + sum over stops before the line of (what is left of the dwell + v/2a + v/2b)
    spread = sqrt((noise / v)^2 + (0.15 * driving)^2 + (0.35 * dwell)^2 + slip^2)                              (s)

with v the free speed, a and b the acceleration and braking of a bus in service. A queue is not forecast: a bus that is
due waits at the line until its group has been green for a while, and one that its last reports show to be slower than
forecast has its slip, by how much the forecast moved from one to the next, in the spread. Usual dwells are learnt from
the reports of buses that left each stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from optimiser.active_priority import Arrival
from optimiser.signals import Priority
from sumo_networks.bus_reports import LineAhead, Report

DRIVING_SPREAD: Final = 0.15
DWELL_SPREAD: Final = 0.35
USUAL_DWELL_S: Final = 20.0
PLANNED_COUNTS_AS: Final = 2
PASSES_WITHIN_S: Final = 5
"""Seconds of green after which a bus that was due is taken to be through."""
LEAST_SPEED_M_S: Final = 3.0
ACCELERATION_M_S2: Final = 1.2
BRAKING_M_S2: Final = 2.0
HORIZON_S: Final = 120.0


@dataclass
class UsualDwells:
    """Mean dwell by stop: the planned one, drawn to what buses reported since the begin."""

    _sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)

    def learn(self, report: Report) -> None:
        """Takes in the dwell at the stop that a bus has left since it was heard of last."""
        if report.last_stop and self._last.get(report.bus) != report.last_stop and report.last_dwell_s > 0:
            self._last[report.bus] = report.last_stop
            total_s, count = self._sums.get(report.last_stop, (0.0, 0))
            self._sums[report.last_stop] = total_s + report.last_dwell_s, count + 1

    def of(self, stop: str, planned_s: float) -> float:
        """Usual dwell at a stop, s."""
        total_s, count = self._sums.get(stop, (0.0, 0))
        first_s = planned_s or USUAL_DWELL_S
        return (PLANNED_COUNTS_AS * first_s + total_s) / (PLANNED_COUNTS_AS + count)


@dataclass(frozen=True)
class Due:
    """When a bus is due at a stop line, and by how much it may be earlier or later; `measured_s` is of its report."""

    bus: str
    group: str
    due_s: float
    spread_s: float
    load_pax: float
    measured_s: int


def due_at(report: Report, line: LineAhead, group: str, dwells: UsualDwells, noise_m: float) -> Due:
    """When the bus of a report is due at a stop line ahead of it."""
    speed_m_s = max(LEAST_SPEED_M_S, line.free_speed_m_s)
    driving_s = max(0.0, line.distance_m) / speed_m_s
    dwell_s = 0.0
    for stop in report.stops_ahead:
        if stop.distance_m < line.distance_m:
            stood_s = 0.0 if stop.since_s is None else report.measured_s - stop.since_s
            dwell_s += max(0.0, dwells.of(stop.stop, stop.planned_dwell_s) - stood_s)
            driving_s += speed_m_s / (2 * ACCELERATION_M_S2)
            driving_s += speed_m_s / (2 * BRAKING_M_S2) if stop.since_s is None else 0.0
    spread_s = math.hypot(noise_m / speed_m_s, DRIVING_SPREAD * driving_s, DWELL_SPREAD * dwell_s)
    return Due(report.bus, group, report.measured_s + driving_s + dwell_s, spread_s, report.load_pax, report.measured_s)


def served(report: Report, priority: Priority) -> bool:
    """Whether a bus may have priority: its line is named, it is late and full enough. Lateness that no timetable tells
    is no condition."""
    late = report.late_s is None or report.late_s >= priority.min_lateness_s
    return report.line in priority.lines and late and report.load_pax >= priority.min_load_pax


@dataclass
class Approaching:
    """The buses on their way to one controller's stop lines, as far as reports tell."""

    groups: Mapping[int, str]
    priority: Priority
    noise_m: float
    _due: dict[str, Due] = field(default_factory=dict)
    _green_s: dict[str, int] = field(default_factory=dict)

    def hear(self, report: Report, tls: str, dwells: UsualDwells) -> None:
        """Takes in a report: the bus is on its way here, or not (any more)."""
        ahead = next((line for line in report.lines_ahead if line.tls == tls), None)
        group = None if ahead is None else self.groups.get(ahead.link)
        if ahead is None or group is None or not served(report, self.priority):
            self._due.pop(report.bus, None)
            return
        due = due_at(report, ahead, group, dwells, self.noise_m)
        known = self._due.get(report.bus)
        standing = any(stop.since_s is not None for stop in report.stops_ahead)
        if known is not None and not standing:
            due = replace(due, spread_s=math.hypot(due.spread_s, max(0.0, due.due_s - known.due_s)))
        self._due[report.bus] = due
        self._green_s[report.bus] = 0

    def arrivals(self, time_s: int, green: Mapping[str, bool]) -> list[Arrival]:
        """Buses that are still to come, by `time_s`, with what their groups show in this second."""
        for bus, due in list(self._due.items()):
            if time_s >= due.due_s and green.get(due.group, False):
                self._green_s[bus] += 1
                if self._green_s[bus] > PASSES_WITHIN_S + due.spread_s:
                    del self._due[bus]
        return list(self._arrivals(time_s))

    def _arrivals(self, time_s: int) -> Iterator[Arrival]:
        for _, due in sorted(self._due.items()):
            expected_s = due.due_s - time_s
            if expected_s <= HORIZON_S:
                earliest_s, latest_s = max(0.0, expected_s - due.spread_s), max(0.0, expected_s + due.spread_s)
                yield Arrival(due.group, earliest_s, max(0.0, expected_s), latest_s, due.load_pax)
