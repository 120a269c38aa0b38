"""The network drawn with the delay of each approach, before or after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from api.report import svg
from api.report.colours import GRADES, INK, QUIET, colour_of, level_of_service
from api.report.names import JunctionNames
from optimiser.signals import Network
from sumo_networks.approaches import Approaches, ApproachKey
from sumo_networks.bindings import Binding
from sumo_networks.net_file import NetEdge, NetFile, Point
from sumo_networks.verdict import ApproachDelay, Place

WIDTH: Final = 548.0
LEAST_HEIGHT: Final = 260.0
MOST_HEIGHT: Final = 520.0
MARGIN: Final = 18.0
ROAD: Final = "#dde1e5"
NEAR_M: Final = 350.0
FEWEST_VEHICLES: Final = 1.0
ON_FOOT: Final = frozenset({"crossing", "walkingarea"})


@dataclass(frozen=True)
class Ground:
    """What both maps show: the roads of a net around the signals, and where each junction stands."""

    net: NetFile
    approaches: Approaches
    junctions: dict[str, Point]
    names: Mapping[str, JunctionNames]


def ground(
    net: NetFile,
    approaches: Approaches,
    network: Network,
    bindings: Mapping[str, Binding],
    names: Mapping[str, JunctionNames],
) -> Ground:
    """The roads, and each junction in the middle of its nodes."""
    where: dict[str, Point] = {}
    for junction in network.junctions:
        nodes = [net.nodes[node] for node in bindings[junction.id].nodes if node in net.nodes]
        if nodes:
            where[junction.id] = fmean(node.x for node in nodes), fmean(node.y for node in nodes)
    return Ground(net, approaches, where, names)


@dataclass(frozen=True)
class _Frame:
    """From metres to the drawing: the part of the net that holds the signals fills it."""

    west: float
    north: float
    scale: float
    left: float
    top: float
    height: float

    def place(self, point: Point) -> Point:
        return self.left + (point[0] - self.west) * self.scale, self.top + (self.north - point[1]) * self.scale

    def shows(self, points: list[Point]) -> bool:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return max(xs) >= 0 and min(xs) <= WIDTH and max(ys) >= 0 and min(ys) <= self.height


def city_map(on: Ground, delays: tuple[ApproachDelay, ...], places: tuple[Place, ...], after: bool) -> str:
    """All roads in grey, the ways to signalled approaches in the colour of their mean delay, junctions by number."""
    frame = _frame(on)
    if frame is None:
        return ""
    by_key = {ApproachKey(delay.junction, delay.edge): delay for delay in delays}
    grey: list[str] = []
    coloured: list[str] = []
    for edge in sorted(on.net.edges.values(), key=lambda edge: edge.id):
        shape = [frame.place(point) for point in _middle(edge)]
        if len(shape) < 2 or edge.function in ON_FOOT or not frame.shows(shape):
            continue
        width = max(1.4, min(7.0, sum(lane.width_m for lane in edge.lanes) * frame.scale))
        grey.append(svg.polyline(shape, stroke=ROAD, stroke_width=width))
        key = on.approaches.of_edge.get(edge.id)
        delay = by_key.get(key) if key is not None else None
        vehicles = 0.0 if delay is None else delay.vehicles_candidate if after else delay.vehicles_baseline
        if delay is None or edge.function or vehicles < FEWEST_VEHICLES:
            continue
        delay_s = delay.candidate_s if after else delay.baseline_s
        tip = _tip(on, delay, delay_s)
        coloured.append(svg.polyline(shape, tip, stroke=colour_of(delay_s), stroke_width=max(3.0, width)))
    marks = _marks(on, frame, places)
    label = f"Delay by approach {'after' if after else 'before'}"
    return svg.drawing(WIDTH, frame.height, [*grey, *coloured, *marks, *_scale_bar(frame)], label)


def legend() -> str:
    """What the colours mean."""
    parts: list[str] = []
    for i, (letter, (limit_s, colour)) in enumerate(zip("ABCDEF", GRADES, strict=True)):
        until = f"≤ {limit_s:.0f} s" if math.isfinite(limit_s) else f"> {GRADES[-2][0]:.0f} s"
        parts.append(svg.element("rect", x=84 * i, y=2, width=14, height=14, rx=2, fill=colour))
        parts.append(svg.text(f"{letter} {until}", x=84 * i + 20, y=14, font_size=12))
    return svg.drawing(510, 20, parts, "Level of service by delay")


def _tip(on: Ground, delay: ApproachDelay, delay_s: float) -> str:
    names = on.names.get(delay.junction)
    side = names.approaches.get(delay.edge, "") if names else ""
    told = f"from {side} ({delay.edge})" if side else delay.edge or "several approaches"
    return (
        f"junction {names.number if names else ''} {delay.junction}, {told}: {delay.baseline_s:.0f} s before, "
        f"{delay.candidate_s:.0f} s after, level {level_of_service(delay_s)}"
    )


def _middle(edge: NetEdge) -> tuple[Point, ...]:
    return edge.lanes[len(edge.lanes) // 2].shape if edge.lanes else ()


def _frame(on: Ground) -> _Frame | None:
    """The box around the junctions and what of the ways to them is near; around all roads without junctions."""
    points = list(on.junctions.values())
    for name, key in sorted(on.approaches.of_edge.items()):
        if key.junction in on.junctions and name in on.net.edges:
            junction = on.junctions[key.junction]
            points += [point for point in _middle(on.net.edges[name]) if math.dist(point, junction) <= NEAR_M]
    if not points:
        points = [point for edge in on.net.edges.values() for point in _middle(edge)]
    if not points:
        return None
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    across, up = max(east - west, 1.0), max(north - south, 1.0)
    scale = min((WIDTH - 2 * MARGIN) / across, (MOST_HEIGHT - 2 * MARGIN) / up)
    height = min(MOST_HEIGHT, max(LEAST_HEIGHT, up * scale + 2 * MARGIN))
    return _Frame(west, north, scale, (WIDTH - across * scale) / 2, (height - up * scale) / 2, height)


def _marks(on: Ground, frame: _Frame, places: tuple[Place, ...]) -> list[str]:
    delays = {place.name: place for place in places}
    parts: list[str] = []
    for junction, point in on.junctions.items():
        x, y = frame.place(point)
        place = delays.get(junction)
        told = f": {place.baseline_s:.0f} s before, {place.candidate_s:.0f} s after" if place else ""
        parts.append(svg.element("circle", junction + told, cx=x, cy=y, r=9, fill="#fff", stroke=INK))
        number = str(on.names[junction].number)
        parts.append(
            svg.text(number, junction + told, x=x, y=y + 4, font_size=11, font_weight="600", text_anchor="middle")
        )
    return parts


def _scale_bar(frame: _Frame) -> list[str]:
    most_m = WIDTH / 4 / frame.scale
    power = 10.0 ** math.floor(math.log10(most_m))
    length_m = max(step * power for step in (1, 2, 5) if step * power <= most_m)
    width, y = length_m * frame.scale, frame.height - 8
    x = WIDTH - width - 10
    told = f"{length_m:g} m" if length_m < 1000 else f"{length_m / 1000:g} km"
    return [
        svg.element("rect", x=x - 6, y=y - 18, width=width + 12, height=24, fill="#fff", fill_opacity=0.85),
        svg.element("line", x1=x, x2=x + width, y1=y, y2=y, stroke=QUIET, stroke_width=2),
        svg.text(told, x=x + width / 2, y=y - 5, font_size=11, text_anchor="middle", fill=QUIET),
    ]
