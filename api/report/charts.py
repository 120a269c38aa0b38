"""Charts of a verdict: each figure's change with its 95 % interval, and places before and after."""

from __future__ import annotations

from typing import Final

from api.report import svg
from sumo_networks.verdict import Estimate, Place, Verdict

FIGURES: Final = (
    ("Person delay", "person_delay_s"),
    ("Vehicle delay", "vehicle_delay_s"),
    ("Bus delay", "bus_delay_s"),
    ("Pedestrian delay", "pedestrian_delay_s"),
    ("Stops per vehicle", "stops_per_veh"),
    ("CO₂ per vehicle-km", "co2_g_per_veh_km"),
)
BETTER: Final = "#1b7f4b"
WORSE: Final = "#b3341f"
UNSURE: Final = "#7a7a7a"
BEFORE: Final = "#9aa5b1"
ROW: Final = 30.0
LABEL: Final = 150.0
PLOT: Final = 520.0


def changes(verdict: Verdict) -> str:
    """Relative change of each figure as a dot with its interval; left of the middle is better."""
    rows: list[tuple[str, Estimate]] = []
    for label, name in FIGURES:
        estimate = getattr(verdict.relative, name)
        if estimate is not None:
            rows.append((label, estimate))
    if not rows:
        return ""
    reach = max(0.05, *(max(abs(e.mean), abs(e.low or 0.0), abs(e.high or 0.0)) for _, e in rows)) * 1.15
    height = ROW * (len(rows) + 1)
    middle = LABEL + PLOT / 2

    def x(value: float) -> float:
        return middle + value / reach * PLOT / 2

    parts = [svg.element("line", x1=middle, x2=middle, y1=4, y2=height - ROW, stroke="#444")]
    for i, (label, estimate) in enumerate(rows):
        y = ROW * (i + 0.5)
        sure = estimate.low is not None and estimate.high is not None and (estimate.low > 0) == (estimate.high > 0)
        colour = UNSURE if not sure else BETTER if estimate.mean < 0 else WORSE
        parts.append(svg.text(label, x=LABEL - 10, y=y + 4, text_anchor="end", font_size=13))
        if estimate.low is not None and estimate.high is not None:
            parts.append(
                svg.element("line", x1=x(estimate.low), x2=x(estimate.high), y1=y, y2=y, stroke=colour, stroke_width=4)
            )
        parts.append(svg.element("circle", cx=x(estimate.mean), cy=y, r=6, fill=colour))
        parts.append(svg.text(f"{estimate.mean:+.1%}", x=LABEL + PLOT + 8, y=y + 4, font_size=13, fill=colour))
    for tick in (-reach / 1.15, 0.0, reach / 1.15):
        parts.append(svg.text(f"{tick:+.0%}", x=x(tick), y=height - 8, text_anchor="middle", font_size=12))
    return svg.drawing(LABEL + PLOT + 70, height, parts, "Relative change of each figure with its 95 % interval")


def places(found: tuple[Place, ...], what: str) -> str:
    """Mean delay of a vehicle at each place, before and after, as bars."""
    if not found:
        return ""
    longest = max(max(place.baseline_s, place.candidate_s) for place in found) or 1.0
    height = (ROW + 10) * len(found) + 10
    parts: list[str] = []
    for i, place in enumerate(found):
        y = (ROW + 10) * i + 8
        colour = WORSE if place.worse else BETTER if place.candidate_s < place.baseline_s else UNSURE
        tip = f"{place.name}: {place.baseline_s:.1f} s before, {place.candidate_s:.1f} s after"
        name = place.name if len(place.name) <= 20 else place.name[:17] + "…"
        parts.append(svg.text(name, x=LABEL - 10, y=y + 19, text_anchor="end", font_size=13))
        for row, (value, fill) in enumerate(((place.baseline_s, BEFORE), (place.candidate_s, colour))):
            width = value / longest * PLOT
            parts.append(svg.element("rect", tip, x=LABEL, y=y + 13 * row, width=width, height=12, fill=fill))
            parts.append(svg.text(f"{value:.0f} s", x=LABEL + width + 5, y=y + 13 * row + 10, font_size=11))
    return svg.drawing(LABEL + PLOT + 60, height, parts, f"Mean delay of a vehicle at each {what}, before and after")
