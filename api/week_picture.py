"""The week as a picture (SVG): for each type of day the demand over the day, its periods and the plans they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from optimiser.day_plans import TypedDay, WeekPlans
from optimiser.signals import NetworkPlan

# Okabe & Ito's colours, told apart by the colour-blind too.
COLOURS: Final = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#999999")
_WIDTH, _HEIGHT, _LEFT, _TOP, _PANEL = 960, 230, 70, 46, 140


def week_picture(week: WeekPlans) -> str:
    """The SVG text; the same for the same week."""
    colours = {plan: COLOURS[i % len(COLOURS)] for i, plan in enumerate(week.table.names)}
    cycles = {plan.id: _cycles(plan) for plan in week.plans}
    high = max(flow for day in week.days for _, _, flow in _flows(day)) or 1.0
    panels = [_panel(day, i * _HEIGHT, high, colours, week.table.names, cycles) for i, day in enumerate(week.days)]
    height = _HEIGHT * len(week.days)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" font-family="sans-serif" font-size="12">\n'
        "<title>Demand of each type of day, its periods and their plans</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(
    day: TypedDay,
    top: int,
    high: float,
    colours: Mapping[str, str],
    names: Mapping[str, str],
    cycles: Mapping[str, str],
) -> str:
    flows = _flows(day)
    begin_s, end_s = flows[0][0], flows[-1][1]

    def x(time_s: float) -> float:
        return _LEFT + (time_s - begin_s) / (end_s - begin_s) * (_WIDTH - _LEFT - 20)

    def y(flow: float) -> float:
        return top + _TOP + _PANEL * (1 - flow / (1.1 * high))

    base = y(0.0)
    parts = [f'<text x="{_LEFT}" y="{top + 18}" font-weight="bold">{escape(_title(day))}</text>']
    for period in day.periods:
        left, right = x(period.begin_s), x(period.end_s)
        name = names[period.plan]
        told = f"{name} from {_clock(period.begin_s)} to {_clock(period.end_s)}, {cycles[period.plan]}"
        parts.append(
            f'<g><title>{escape(told)}</title><rect x="{left:.1f}" y="{top + _TOP}" width="{right - left:.1f}" '
            f'height="{_PANEL}" fill="{colours[period.plan]}" fill-opacity="0.35"/>'
            f'<line x1="{left:.1f}" y1="{top + _TOP}" x2="{left:.1f}" y2="{base:.1f}" stroke="#333"/>'
            f'<text x="{left + 3:.1f}" y="{top + _TOP + 13}">{escape(_fitting(name, right - left))}</text>'
            f'<text x="{left + 3:.1f}" y="{top + _TOP - 5}" font-size="10">{_clock(period.begin_s)}</text></g>'
        )
    steps = " ".join(f"{x(at):.1f},{y(flow):.1f}" for start, end, flow in flows for at in (start, end))
    parts.append(f'<polyline points="{steps}" fill="none" stroke="#111" stroke-width="1.5"/>')
    parts.append(f'<line x1="{_LEFT}" y1="{base:.1f}" x2="{_WIDTH - 20}" y2="{base:.1f}" stroke="#333"/>')
    parts += [
        f'<text x="{x(hour * 3600):.1f}" y="{base + 15:.1f}" text-anchor="middle">{hour}</text>'
        for hour in _hours(begin_s, end_s)
    ]
    parts.append(f'<text x="{_LEFT - 6}" y="{y(high) + 4:.1f}" text-anchor="end">{high:.0f}</text>')
    parts.append(f'<text x="{_LEFT - 6}" y="{base:.1f}" text-anchor="end">0</text>')
    parts.append(f'<text x="6" y="{top + _TOP - 5}" font-size="10">veh/h</text>')
    parts.append(f'<text x="{_WIDTH - 20}" y="{base + 29:.1f}" font-size="10" text-anchor="end">hour of the day</text>')
    return "\n".join(parts)


def _title(day: TypedDay) -> str:
    days = ", ".join(name.capitalize() for name in day.type.days)
    return day.type.name.capitalize() if len(day.type.days) == 1 else f"{day.type.name.capitalize()} ({days})"


def _flows(day: TypedDay) -> list[tuple[float, float, float]]:
    """(begin, end, veh/h over all stop lines) of each interval."""
    return [(d.begin_s, d.end_s, sum(f.flow_veh_h for f in d.turning_flows)) for d in day.type.profile.intervals]


def _cycles(plan: NetworkPlan) -> str:
    cycles = sorted({controller.cycle_s for controller in plan.controllers})
    return "cycle " + ", ".join(f"{cycle_s:g}" for cycle_s in cycles) + " s" if cycles else "the running programs"


def _hours(begin_s: float, end_s: float) -> range:
    first, last = int(-(-begin_s // 3600)), int(end_s // 3600)
    return range(first, last + 1, 1 if last - first <= 26 else 2)


def _fitting(name: str, width: float) -> str:
    """The name, its number alone where the period is too narrow for it."""
    return name if width > 7 * len(name) else name.rsplit(" ", 1)[-1]


def _clock(time_s: float) -> str:
    return f"{int(time_s // 3600):02d}:{int(time_s % 3600 // 60):02d}"
