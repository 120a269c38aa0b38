"""Consistency of a plan as data: numbers, names, the cycle, the intervals within it, the offset."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from optimiser.safety.findings import LONGEST_S, TOLERANCE_S, Finding, Rule, seconds
from optimiser.safety.history import interval_length_s
from optimiser.signals import SCHEMA_VERSION, ControllerPlan
from optimiser.zones import is_time_zone

LEAST_CYCLE_S = 1.0
"""What is shorter is no cycle, and would unroll into nothing."""

CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")


def unreadable(plan: ControllerPlan) -> Iterator[Finding]:
    """Faults that leave no timing to check: no groups, numbers that are none, no cycle."""
    if not plan.groups:
        yield _finding(plan, Rule.NO_GROUPS, (), "the plan has no signal groups")
    for place, value in _numbers(plan, ""):
        if not math.isfinite(value) or value < 0 or value > LONGEST_S:
            message = f"{place} is {value:g}, not a number from 0 to {LONGEST_S:g}"
            yield _finding(plan, Rule.INVALID_NUMBER, (place,), message)
    if math.isfinite(plan.cycle_s) and plan.cycle_s < LEAST_CYCLE_S:
        message = f"a cycle of {seconds(plan.cycle_s)} is not positive"
        yield _finding(plan, Rule.CYCLE, (), message, plan.cycle_s, LEAST_CYCLE_S)


def structure_rules(plan: ControllerPlan) -> Iterator[Finding]:
    """Findings on the plan as data, for a plan whose numbers can be read."""
    if plan.schema_version != SCHEMA_VERSION:
        message = f"the plan has schema version {plan.schema_version}, this checker knows {SCHEMA_VERSION}"
        yield _finding(plan, Rule.SCHEMA_VERSION, (), message)
    if plan.cycle_s > plan.max_cycle_s + TOLERANCE_S:
        message = f"a cycle of {seconds(plan.cycle_s)} is over the limit of {seconds(plan.max_cycle_s)}"
        yield _finding(plan, Rule.MAX_CYCLE, (), message, plan.cycle_s, plan.max_cycle_s)
    yield from _intervals(plan)
    yield from _names(plan)
    yield from _duplicates(plan)
    yield from _offset(plan)


def _intervals(plan: ControllerPlan) -> Iterator[Finding]:
    for group, intervals in sorted(plan.greens.items()):
        for interval in intervals:
            latest_s = max(interval.start_s + TOLERANCE_S, interval.end_s)
            if interval.start_s >= plan.cycle_s or latest_s > plan.cycle_s + TOLERANCE_S:
                message = (
                    f"a green of group {group} from {seconds(interval.start_s)} to {seconds(interval.end_s)} "
                    f"lies outside the cycle of {seconds(plan.cycle_s)}"
                )
                measured_s = max(interval.start_s, interval.end_s)
                yield _finding(plan, Rule.OUTSIDE_CYCLE, (group,), message, measured_s, plan.cycle_s, interval.start_s)
        ordered = sorted(intervals, key=lambda interval: interval.start_s)
        for i, interval in enumerate(ordered):
            following = ordered[(i + 1) % len(ordered)]
            to_next_s = (following.start_s - interval.start_s) % plan.cycle_s if len(ordered) > 1 else plan.cycle_s
            length_s = interval_length_s(interval.start_s, interval.end_s, plan.cycle_s)
            if length_s > to_next_s + TOLERANCE_S:
                message = f"greens of group {group} overlap at {seconds(following.start_s)}"
                at_s = following.start_s
                yield _finding(plan, Rule.OVERLAPPING_INTERVALS, (group,), message, length_s, to_next_s, at_s)


def _names(plan: ControllerPlan) -> Iterator[Finding]:
    groups = {group.id for group in plan.groups}
    used: list[tuple[str, Iterable[str]]] = [
        ("the greens", plan.greens),
        ("the conflicts", (name for c in plan.conflicts for name in (c.first, c.second))),
        ("the intergreens", (name for i in plan.intergreens for name in (i.clearing, i.entering))),
        ("the pedestrians", (rule.group for rule in plan.pedestrians)),
        ("the limits", plan.limits),
        ("the stages", (name for stage in plan.stages for name in stage.greens)),
        ("the interstages", (name for i in plan.interstages for name in (*i.off_s, *i.on_s, *i.amber_s, *i.greens))),
        ("the flashing groups", plan.modes.flashing_amber_groups),
    ]
    for place, names in used:
        for name in sorted(set(names) - groups):
            yield _finding(plan, Rule.UNKNOWN_GROUP, (name,), f"{place} name a group {name} that the plan has not")
    for conflict in plan.conflicts:
        pair = (conflict.first, conflict.second)
        if conflict.first == conflict.second:
            yield _finding(plan, Rule.DUPLICATE, pair, f"group {conflict.first} conflicts with itself")
        elif conflict.yields and conflict.yields not in pair:
            message = (
                f"{conflict.yields} gives way in the conflict of {pair[0]} and {pair[1]} without being one of them"
            )
            yield _finding(plan, Rule.UNKNOWN_GROUP, (conflict.yields, *pair), message)


def _duplicates(plan: ControllerPlan) -> Iterator[Finding]:
    tables: list[tuple[str, list[tuple[str, ...]]]] = [
        ("group", [(group.id,) for group in plan.groups]),
        ("stage", [(stage.id,) for stage in plan.stages]),
        ("conflict", [tuple(sorted((c.first, c.second))) for c in plan.conflicts]),
        ("intergreen", [(i.clearing, i.entering) for i in plan.intergreens]),
        ("pedestrian rule", [(rule.group,) for rule in plan.pedestrians]),
    ]
    for what, names in tables:
        for name, count in sorted(Counter(names).items()):
            if count > 1:
                message = f"{what} {' / '.join(name)} stands {count} times in the plan"
                yield _finding(plan, Rule.DUPLICATE, name, message, float(count), 1.0)


def _offset(plan: ControllerPlan) -> Iterator[Finding]:
    offset = plan.offset
    if offset.seconds >= plan.cycle_s:
        message = f"an offset of {seconds(offset.seconds)} is not within the cycle of {seconds(plan.cycle_s)}"
        yield _finding(plan, Rule.OFFSET, (), message, offset.seconds, plan.cycle_s)
    if not CLOCK_TIME.fullmatch(offset.epoch):
        yield _finding(plan, Rule.OFFSET, (), f"the epoch {offset.epoch} is not a clock time like 06:30:00")
    if not is_time_zone(offset.zone):
        yield _finding(plan, Rule.OFFSET, (), f"the zone {offset.zone!r} of the offset is none such as Asia/Almaty")
    if offset.reference_group and not plan.greens.get(offset.reference_group):
        message = f"the offset refers to group {offset.reference_group}, which has no green"
        yield _finding(plan, Rule.REFERENCE_GROUP, (offset.reference_group,), message)


def _numbers(value: object, place: str) -> Iterator[tuple[str, float]]:
    """Every number within a model, with the way to it."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _numbers(getattr(value, name), f"{place}.{name}" if place else name)
    elif isinstance(value, dict):
        for key, item in sorted(value.items()):
            yield from _numbers(item, f"{place}.{key}")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _numbers(item, f"{place}[{i}]")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield place, float(value)


def _finding(
    plan: ControllerPlan,
    rule: Rule,
    groups: tuple[str, ...],
    message: str,
    measured: float | None = None,
    required: float | None = None,
    at_s: float = 0.0,
) -> Finding:
    return Finding(plan.junction, rule, groups, at_s, measured, required, f"junction {plan.junction}: {message}")
