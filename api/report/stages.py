"""Stage diagrams: the greens of every signal group over one cycle."""

from __future__ import annotations

from typing import Final

from api.report import svg
from optimiser.signals import ControllerPlan, GroupKind, Right

LABEL: Final = 150.0
WIDTH: Final = 560.0
ROW: Final = 17.0
FILLS: Final = {Right.PROTECTED: "#1b7f4b", Right.PERMISSIVE: "#86b99b", Right.STOP_FIRST: "#b9c98f"}
AMBER: Final = "#e0a21e"
RED: Final = "#e9d4d0"


def stage_diagram(plan: ControllerPlan) -> str:
    """One row a group: green, permissive green (pale), amber; stages named on top; seconds below."""
    scale = WIDTH / plan.cycle_s
    top = 20.0
    parts: list[str] = []
    for window in plan.windows:
        x = LABEL + window.start_s * scale
        parts.append(svg.element("line", x1=x, x2=x, y1=4, y2=top + ROW * len(plan.groups), stroke="#bbb"))
        parts.append(svg.text(window.stage, x=x + 2, y=14, font_size=11, fill="#555"))
    for row, group in enumerate(plan.groups):
        y = top + ROW * row
        name = group.id if len(group.id) <= 22 else group.id[:19] + "…"
        mark = "🚶 " if group.kind is GroupKind.PEDESTRIAN else ""
        parts.append(svg.text(mark + name, x=LABEL - 8, y=y + 12, text_anchor="end", font_size=11))
        parts.append(svg.element("rect", x=LABEL, y=y + 2, width=WIDTH, height=ROW - 4, fill=RED))
        for green in plan.greens.get(group.id, ()):
            amber_s = group.amber_s if green.amber_s is None else green.amber_s
            length_s = (green.end_s - green.start_s) % plan.cycle_s or plan.cycle_s
            tip = f"{group.id}: {green.start_s:g} to {green.end_s:g} s, {green.right.value}"
            parts += _bar(plan, green.start_s, length_s, y, FILLS[green.right], tip)
            if length_s < plan.cycle_s and not _continues(plan, group.id, green.end_s):
                parts += _bar(plan, green.end_s, amber_s, y, AMBER, "")
    bottom = top + ROW * len(plan.groups) + 14
    for second in range(0, int(plan.cycle_s) + 1, 10):
        parts.append(svg.text(str(second), x=LABEL + second * scale, y=bottom, font_size=10, text_anchor="middle"))
    label = f"Greens of junction {plan.junction} over a cycle of {plan.cycle_s:g} s"
    return svg.drawing(LABEL + WIDTH + 14, bottom + 6, parts, label)


def _bar(plan: ControllerPlan, start_s: float, length_s: float, y: float, fill: str, tip: str) -> list[str]:
    """A bar from start_s for length_s, cut where the cycle ends and going on at its start."""
    scale = WIDTH / plan.cycle_s
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
