"""Charts of a verdict: each figure's change with its 95 % interval, and places before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from api.report import svg
from api.report.colours import BEFORE, BETTER, QUIET, UNSURE, WORSE, colour_of_change
from api.report.names import shortened
from sumo_networks.verdict import Estimate, Place, Verdict

FIGURES: Final = (
    ("Person delay", "person_delay_s"),
    ("Vehicle delay", "vehicle_delay_s"),
    ("Bus delay", "bus_delay_s"),
    ("Pedestrian delay", "pedestrian_delay_s"),
    ("Stops per vehicle", "stops_per_veh"),
    ("CO₂ per vehicle-km", "co2_g_per_veh_km"),
)
WIDTH: Final = 548.0
LABEL: Final = 146.0
VALUE: Final = 92.0
ROW: Final = 30.0
BAR: Final = 12.0
STEPS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


def changes(verdict: Verdict) -> str:
    """Relative change of each figure as a dot with its interval; left of the middle is better."""
    rows: list[tuple[str, Estimate]] = []
    for label, name in FIGURES:
        estimate = getattr(verdict.relative, name)
        if estimate is not None:
            rows.append((label, estimate))
    if not rows:
        return ""
    furthest = max(max(abs(e.mean), abs(e.low or 0.0), abs(e.high or 0.0)) for _, e in rows)
    reach = next((step for step in STEPS if step >= furthest), furthest)
    half = (WIDTH - LABEL - VALUE) / 2 - 14
    middle = LABEL + 14 + half
    top, bottom = 22.0, 22.0 + ROW * len(rows)

    def x(value: float) -> float:
        return middle + value / reach * half

    parts = [
        svg.text("◂ less", x=middle - 10, y=12, text_anchor="end", font_size=12, fill=QUIET),
        svg.text("more ▸", x=middle + 10, y=12, font_size=12, fill=QUIET),
    ]
    for tick in (-reach, -reach / 2, 0.0, reach / 2, reach):
        colour = "#8a939c" if tick == 0 else "#e3e7ea"
        parts.append(svg.element("line", x1=x(tick), x2=x(tick), y1=top, y2=bottom, stroke=colour))
        told = "0" if tick == 0 else f"{tick:+.4g}" if reach > 1 else f"{100 * tick:+.3g} %"
        parts.append(svg.text(told, x=x(tick), y=bottom + 16, text_anchor="middle", font_size=11, fill=QUIET))
    for i, (label, estimate) in enumerate(rows):
        parts += _change(label, estimate, top + ROW * (i + 0.5), x)
    return svg.drawing(WIDTH, bottom + 24, parts, "Relative change of each figure with its 95 % interval")


def _change(label: str, estimate: Estimate, y: float, x: Callable[[float], float]) -> list[str]:
    colour = colour_of_change(estimate.mean, estimate.low, estimate.high)
    parts = [svg.text(label, x=LABEL - 6, y=y + 4, text_anchor="end", font_size=13)]
    if estimate.low is not None and estimate.high is not None:
        left, right = x(estimate.low), x(estimate.high)
        tip = f"{label}: {estimate.mean:+.1%}, 95 % interval {estimate.low:+.1%} to {estimate.high:+.1%}"
        parts.append(svg.element("line", tip, x1=left, x2=right, y1=y, y2=y, stroke=colour, stroke_width=3))
        parts += [svg.element("line", x1=at, x2=at, y1=y - 5, y2=y + 5, stroke=colour) for at in (left, right)]
    parts.append(svg.element("circle", cx=x(estimate.mean), cy=y, r=5, fill=colour))
    share = f"{estimate.mean:+.1%}"
    parts.append(svg.text(share, x=WIDTH - 4, y=y + 4, text_anchor="end", font_size=13, fill=colour))
    return parts


def places(found: tuple[Place, ...], what: str, names: Mapping[str, str] | None = None) -> str:
    """Mean delay of a vehicle at each place, before and after, as bars, in the order of `names`."""
    if not found:
        return ""
    named = names or {}
    order = {name: i for i, name in enumerate(named)}
    ordered = sorted(found, key=lambda place: (order.get(place.name, len(order)), place.name))
    longest = max(max(place.baseline_s, place.candidate_s) for place in ordered) or 1.0
    pitch = 2 * BAR + 10
    parts: list[str] = []
    for i, place in enumerate(ordered):
        y = pitch * i + 4
        sure = colour_of_change(place.difference_s.mean, place.difference_s.low, place.difference_s.high)
        colour = WORSE if place.worse else BETTER if sure == BETTER else UNSURE
        tip = (
            f"{place.name}: {place.baseline_s:.1f} s before, {place.candidate_s:.1f} s after, "
            f"{place.vehicles} vehicles" + ("" if place.tested else ": too few to be tested")
        )
        name = named.get(place.name, shortened(place.name, 20))
        parts.append(svg.text(name, tip, x=LABEL - 6, y=y + BAR + 4, text_anchor="end", font_size=12))
        for row, (value, fill) in enumerate(((place.baseline_s, BEFORE), (place.candidate_s, colour))):
            width = value / longest * (WIDTH - LABEL - VALUE)
            top = y + BAR * row
            parts.append(svg.element("rect", tip, x=LABEL, y=top, width=width, height=BAR - 1, fill=fill))
            parts.append(svg.text(f"{value:.0f} s", x=LABEL + width + 5, y=top + 10, font_size=11))
        change = f"{place.difference_s.mean:+.1f} s"
        parts.append(svg.text(change, x=WIDTH - 4, y=y + BAR + 4, text_anchor="end", font_size=12, fill=colour))
    label = f"Mean delay of a vehicle at each {what}, before and after"
    return svg.drawing(WIDTH, pitch * len(ordered) + 8, parts, label)
