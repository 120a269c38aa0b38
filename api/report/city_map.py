"""The network drawn with the delay of each approach, before or after."""

from __future__ import annotations

from typing import Final

from api.report import svg
from sumo_networks.net_file import NetFile
from sumo_networks.verdict import ApproachDelay

WIDTH: Final = 640.0
MARGIN: Final = 16.0
ROAD: Final = "#d5d9de"
GRADES: Final = (
    (10.0, "#1b7f4b"),
    (20.0, "#6fae3d"),
    (35.0, "#c9b21c"),
    (55.0, "#e08a1e"),
    (80.0, "#cf4a24"),
    (float("inf"), "#8c1515"),
)


def level_of_service(delay_s: float) -> str:
    """Level of service A to F by mean control delay (HCM 2010, exhibit 18-4)."""
    return next(letter for letter, (limit_s, _) in zip("ABCDEF", GRADES, strict=True) if delay_s <= limit_s)


def colour_of(delay_s: float) -> str:
    """Colour of a mean delay."""
    return next(colour for limit_s, colour in GRADES if delay_s <= limit_s)


def city_map(net: NetFile, approaches: tuple[ApproachDelay, ...], after: bool) -> str:
    """All roads in grey, signalled approaches in the colour of their mean delay a vehicle."""
    roads = {edge.id: edge for edge in net.edges.values() if not edge.function and edge.lanes and edge.lanes[0].shape}
    points = [point for edge in roads.values() for lane in edge.lanes for point in lane.shape]
    if not points:
        return ""
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    scale = (WIDTH - 2 * MARGIN) / max(east - west, north - south, 1.0)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return MARGIN + (point[0] - west) * scale, MARGIN + (north - point[1]) * scale

    delays = {approach.edge: approach for approach in approaches if approach.edge}
    parts: list[str] = []
    coloured: list[str] = []
    for edge in sorted(roads.values(), key=lambda edge: edge.id):
        shape = [place(point) for point in edge.lanes[len(edge.lanes) // 2].shape]
        width = max(1.2, min(6.0, 1.1 * len(edge.lanes)))
        found = delays.get(edge.id)
        if found is None:
            parts.append(svg.polyline(shape, stroke=ROAD, stroke_width=width))
            continue
        delay_s = found.candidate_s if after else found.baseline_s
        tip = (
            f"{edge.id} to {found.junction}: {found.baseline_s:.0f} s before, {found.candidate_s:.0f} s after, "
            f"level {level_of_service(delay_s)}"
        )
        coloured.append(svg.polyline(shape, tip, stroke=colour_of(delay_s), stroke_width=width + 1.5))
    height = 2 * MARGIN + (north - south) * scale
    return svg.drawing(WIDTH, height, [*parts, *coloured], f"Delay by approach {'after' if after else 'before'}")


def legend() -> str:
    """What the colours mean."""
    parts: list[str] = []
    for i, (letter, (limit_s, colour)) in enumerate(zip("ABCDEF", GRADES, strict=True)):
        until = f"≤ {limit_s:.0f} s" if limit_s < 1000 else "more"
        parts.append(svg.element("rect", x=100 * i, y=2, width=14, height=14, fill=colour))
        parts.append(svg.text(f"{letter} {until}", x=100 * i + 20, y=14, font_size=12))
    return svg.drawing(600, 20, parts, "Level of service by delay")
