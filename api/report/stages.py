"""Stage diagrams: the greens of every signal group over one cycle."""

from __future__ import annotations

from typing import Final

from api.report import svg
from api.report.colours import QUIET
from api.report.names import JunctionNames
from optimiser.signals import ControllerPlan, GroupKind, Right, SignalGroup

WIDTH: Final = 548.0
LABEL: Final = 142.0
PLOT: Final = WIDTH - LABEL - 12
ROW: Final = 17.0
TOP: Final = 20.0
FILLS: Final = {Right.PROTECTED: "#1b7f4b", Right.PERMISSIVE: "#8cc3a2", Right.STOP_FIRST: "#b9c98f"}
WALK: Final = "#2b6cb0"
AMBER: Final = "#e0a21e"
RED: Final = "#f0dfdc"
TICKS_S: Final = (5, 10, 20, 30, 60)
STAGE_WIDTH: Final = 7.0


def stage_diagram(plan: ControllerPlan, names: JunctionNames) -> str:
    """One row a group, vehicles first: green, permissive green (pale), walk (blue), amber; stages named on top, seconds
    below."""
    scale = PLOT / plan.cycle_s
    groups = sorted(plan.groups, key=lambda group: group.kind is GroupKind.PEDESTRIAN)
    bottom = TOP + ROW * len(groups)
    parts: list[str] = []
    for row, group in enumerate(groups):
        parts += _row(plan, group, names.groups.get(group.id, group.id), TOP + ROW * row)
    parts += _stages(plan, bottom)
    every = next((tick for tick in TICKS_S if tick * scale >= 24), TICKS_S[-1])
    for second in range(0, int(plan.cycle_s) + 1, every):
        x = LABEL + second * scale
        parts.append(svg.text(str(second), x=x, y=bottom + 13, font_size=10, text_anchor="middle", fill=QUIET))
    label = f"Greens of junction {plan.junction} over a cycle of {plan.cycle_s:g} s"
    return svg.drawing(WIDTH, bottom + 18, parts, label)


def legend() -> str:
    """What the fills mean."""
    entries = (
        (FILLS[Right.PROTECTED], "goes first"),
        (FILLS[Right.PERMISSIVE], "gives way"),
        (FILLS[Right.STOP_FIRST], "stops first"),
        (WALK, "walk"),
        (AMBER, "amber"),
        (RED, "red"),
    )
    parts: list[str] = []
    for i, (fill, told) in enumerate(entries):
        parts.append(svg.element("rect", x=92 * i, y=2, width=14, height=14, rx=2, fill=fill))
        parts.append(svg.text(told, x=92 * i + 20, y=14, font_size=12))
    return svg.drawing(92.0 * len(entries), 20, parts, "Colours of the stage diagrams")


def _row(plan: ControllerPlan, group: SignalGroup, name: str, y: float) -> list[str]:
    parts = [
        svg.text(name, group.id, x=LABEL - 8, y=y + 12, text_anchor="end", font_size=11),
        svg.element("rect", x=LABEL, y=y + 2, width=PLOT, height=ROW - 4, fill=RED),
    ]
    for green in plan.greens.get(group.id, ()):
        amber_s = group.amber_s if green.amber_s is None else green.amber_s
        length_s = (green.end_s - green.start_s) % plan.cycle_s or plan.cycle_s
        tip = f"{name} ({group.id}): {green.start_s:g} to {green.end_s:g} s, {length_s:g} s, {green.right.value}"
        fill = WALK if group.kind is GroupKind.PEDESTRIAN else FILLS[green.right]
        parts += _bar(plan, green.start_s, length_s, y, fill, tip)
        if amber_s > 0 and length_s < plan.cycle_s and not _continues(plan, group.id, green.end_s):
            parts += _bar(plan, green.end_s, amber_s, y, AMBER, f"{name}: amber {amber_s:g} s")
    return parts


def _stages(plan: ControllerPlan, bottom: float) -> list[str]:
    """A line where each stage starts, and its name where there is room for it."""
    scale = PLOT / plan.cycle_s
    parts: list[str] = []
    for window in plan.windows:
        x = LABEL + window.start_s * scale
        width = (window.end_s - window.start_s) % plan.cycle_s * scale
        tip = f"stage {window.stage}: {window.start_s:g} to {window.end_s:g} s"
        parts.append(svg.element("line", tip, x1=x, x2=x, y1=6, y2=bottom, stroke="#1d2329", stroke_opacity=0.35))
        for name in (f"stage {window.stage}", window.stage):
            if len(name) * STAGE_WIDTH <= max(width, STAGE_WIDTH):
                parts.append(svg.text(name, tip, x=x + 3, y=14, font_size=11, fill=QUIET))
                break
    return parts


def _bar(plan: ControllerPlan, start_s: float, length_s: float, y: float, fill: str, tip: str) -> list[str]:
    """A bar from start_s for length_s, cut where the cycle ends and going on at its start."""
    scale = PLOT / plan.cycle_s
    start_s %= plan.cycle_s
    first_s = min(length_s, plan.cycle_s - start_s)
    spans = [(start_s, first_s), (0.0, length_s - first_s)]
    return [
        svg.element("rect", tip, x=LABEL + at * scale, y=y + 2, width=span * scale, height=ROW - 4, fill=fill)
        for at, span in spans
        if span > 0
    ]


def _continues(plan: ControllerPlan, group: str, end_s: float) -> bool:
    return any(abs((other.start_s - end_s) % plan.cycle_s) < 1e-6 for other in plan.greens[group])
