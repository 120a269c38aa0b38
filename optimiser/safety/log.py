"""Check of what was really shown: the same rules on a record of aspects, and the order of aspects itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from optimiser.safety.findings import AMBER_FLOOR_S, TOLERANCE_S, Finding, Rule, seconds, worst_findings
from optimiser.safety.greens import green_rules
from optimiser.safety.history import Part, history
from optimiser.safety.structure import unreadable
from optimiser.signals import ControllerPlan, GroupKind, Right, SignalGroup


class Aspect(StrEnum):
    """What a signal group shows."""

    RED = "red"
    RED_AMBER = "red_amber"
    AMBER = "amber"
    PROTECTED = "protected"
    PERMISSIVE = "permissive"
    STOP_FIRST = "stop_first"
    DARK = "dark"


@dataclass(frozen=True)
class AspectChange:
    """From `time_s` on, `group` shows `aspect`."""

    time_s: float
    group: str
    aspect: Aspect


@dataclass(frozen=True)
class SignalLog:
    """What the groups of one junction showed from `begin_s` to `end_s`; the first entry of a group opens its record."""

    junction: str
    begin_s: float
    end_s: float
    entries: tuple[AspectChange, ...]


@dataclass(frozen=True)
class _Phase:
    """One aspect of one group for a time. `whole` is False where the log cuts it off."""

    aspect: Aspect
    start_s: float
    end_s: float
    whole: bool


GREEN = (Aspect.PROTECTED, Aspect.PERMISSIVE)

RIGHTS = {
    Aspect.PROTECTED: Right.PROTECTED,
    Aspect.PERMISSIVE: Right.PERMISSIVE,
    Aspect.STOP_FIRST: Right.STOP_FIRST,
}

FOLLOWS = {
    Aspect.RED: (Aspect.RED_AMBER, *GREEN, Aspect.STOP_FIRST, Aspect.DARK),
    Aspect.RED_AMBER: (*GREEN, Aspect.DARK),
    Aspect.AMBER: (Aspect.RED, Aspect.RED_AMBER, *GREEN, Aspect.STOP_FIRST, Aspect.DARK),
    Aspect.PROTECTED: (Aspect.PERMISSIVE, Aspect.AMBER, Aspect.DARK),
    Aspect.PERMISSIVE: (Aspect.PROTECTED, Aspect.AMBER, Aspect.DARK),
    Aspect.STOP_FIRST: (Aspect.RED, Aspect.RED_AMBER, Aspect.AMBER, *GREEN, Aspect.DARK),
    Aspect.DARK: tuple(Aspect),
}
"""Which aspect may follow which. Green right after amber is judged by the red-amber it lacks, as in a plan."""


def check_log(log: SignalLog, plan: ControllerPlan) -> tuple[Finding, ...]:
    """All rules of `plan` that the record breaks, the worst case of each, sorted; times are those of the log.

    Phases that the beginning or the end of the log cuts off are not found too short. The log is judged by the rules
    that `plan` carries (groups, minimum greens, conflicts, intergreens, pedestrians, limits) and by the floors of
    `check_plan`; not by whether it shows the plan's greens. Never raises."""
    faults = [*unreadable(plan), *_unreadable_log(log)]
    if faults:
        return worst_findings(faults)
    phases = {group.id: _phases(log, group.id) for group in plan.groups}
    parts = {
        group: [Part(p.start_s, p.end_s, RIGHTS[p.aspect]) for p in shown if p.aspect in RIGHTS]
        for group, shown in phases.items()
    }
    shown = history(log.junction, log.begin_s, log.end_s, parts)
    found = [*_record(log, plan, phases), *green_rules(shown, plan)]
    for group in plan.groups:
        found += _aspects(log, plan, group, phases[group.id])
    return worst_findings(found)


def _unreadable_log(log: SignalLog) -> Iterator[Finding]:
    times_s = [log.begin_s, log.end_s, *(entry.time_s for entry in log.entries)]
    if not all(math.isfinite(time_s) for time_s in times_s):
        yield _finding(log, Rule.LOG_TIMES, (), 0.0, "the log holds a time that is no number")
    elif log.end_s <= log.begin_s:
        yield _finding(log, Rule.LOG_TIMES, (), log.begin_s, "the log ends before it begins")
    elif min(times_s) < log.begin_s or max(times_s) > log.end_s:
        yield _finding(log, Rule.LOG_TIMES, (), log.begin_s, "the log holds a time before its begin or after its end")


def _phases(log: SignalLog, group: str) -> tuple[_Phase, ...]:
    """Aspects of one group in order; of several at one time the last counts."""
    changes: dict[float, Aspect] = {}
    for entry in sorted((e for e in log.entries if e.group == group), key=lambda e: e.time_s):
        changes[entry.time_s] = entry.aspect
    joined: list[tuple[float, Aspect]] = []
    for time_s, aspect in changes.items():
        if not joined or joined[-1][1] is not aspect:
            joined.append((time_s, aspect))
    ends = [time_s for time_s, _ in joined[1:]] + [log.end_s]
    return tuple(
        _Phase(aspect, start_s, ends[i], 0 < i < len(joined) - 1) for i, (start_s, aspect) in enumerate(joined)
    )


def _record(log: SignalLog, plan: ControllerPlan, phases: dict[str, tuple[_Phase, ...]]) -> Iterator[Finding]:
    """Groups the log should tell of and does not, or tells of and should not; groups that never get green."""
    if log.junction != plan.junction:
        message = f"the log is of this junction, the plan is for junction {plan.junction}"
        yield _finding(log, Rule.OTHER_JUNCTION, (), log.begin_s, message)
    for name in sorted({entry.group for entry in log.entries} - set(phases)):
        yield _finding(log, Rule.UNKNOWN_GROUP, (name,), log.begin_s, f"the log names an unknown group {name}")
    on_demand = {rule.group for rule in plan.pedestrians if rule.on_demand}
    for group in plan.groups:
        shown = phases[group.id]
        if group.unused:
            continue
        if not shown:
            yield _finding(log, Rule.NOT_RECORDED, (group.id,), log.begin_s, f"the log has nothing of group {group.id}")
        elif (
            log.end_s - log.begin_s >= 2 * plan.cycle_s
            and group.id not in on_demand
            and not any(phase.aspect in RIGHTS for phase in shown)
        ):
            message = f"group {group.id} never gets green in {seconds(log.end_s - log.begin_s)}"
            yield _finding(log, Rule.NEVER_GREEN, (group.id,), log.begin_s, message, 0.0, group.min_green_s)


def _aspects(log: SignalLog, plan: ControllerPlan, group: SignalGroup, phases: tuple[_Phase, ...]) -> Iterator[Finding]:
    """The order of aspects and the lengths of amber and red-amber."""
    names = (group.id,)
    amber_s = _least_amber_s(plan, group)
    for phase in phases:
        length_s = phase.end_s - phase.start_s
        if phase.aspect is Aspect.DARK and not group.unused:
            message = f"group {group.id} is dark for {seconds(length_s)}"
            yield _finding(log, Rule.DARK, names, phase.start_s, message, length_s, 0.0)
        if phase.aspect is Aspect.AMBER and phase.whole and length_s < amber_s - TOLERANCE_S:
            message = f"group {group.id} shows amber for {seconds(length_s)}, less than {seconds(amber_s)}"
            yield _finding(log, Rule.AMBER_TOO_SHORT, names, phase.start_s, message, length_s, amber_s)
        if phase.aspect is Aspect.RED_AMBER and phase.whole and length_s < group.red_amber_s - TOLERANCE_S:
            message = (
                f"group {group.id} shows red-amber for {seconds(length_s)}, less than {seconds(group.red_amber_s)}"
            )
            yield _finding(log, Rule.RED_AMBER_TOO_SHORT, names, phase.start_s, message, length_s, group.red_amber_s)
    for before, after in pairwise(phases):
        yield from _transition(log, group, before, after, amber_s)


def _transition(log: SignalLog, group: SignalGroup, before: _Phase, after: _Phase, amber_s: float) -> Iterator[Finding]:
    names, at_s = (group.id,), after.start_s
    leaves_green = before.aspect in GREEN and after.aspect in (Aspect.RED, Aspect.RED_AMBER, Aspect.STOP_FIRST)
    if leaves_green:
        if group.kind is not GroupKind.PEDESTRIAN:
            message = f"group {group.id} goes from green to {after.aspect} without amber"
            yield _finding(log, Rule.AMBER_MISSING, names, at_s, message, 0.0, amber_s)
        return
    waits = before.aspect in (Aspect.RED, Aspect.AMBER)
    if waits and after.aspect in GREEN and group.red_amber_s > TOLERANCE_S:
        message = f"group {group.id} goes from {before.aspect} to green without red-amber"
        yield _finding(log, Rule.RED_AMBER_TOO_SHORT, names, at_s, message, 0.0, group.red_amber_s)
    elif after.aspect not in FOLLOWS[before.aspect]:
        message = f"group {group.id} goes from {before.aspect} to {after.aspect}"
        yield _finding(log, Rule.ILLEGAL_TRANSITION, names, at_s, message)


def _least_amber_s(plan: ControllerPlan, group: SignalGroup) -> float:
    """The shortest amber that the plan shows for the group, never under the floor."""
    shown = [group.amber_s if i.amber_s is None else i.amber_s for i in plan.greens.get(group.id, ())]
    return max(AMBER_FLOOR_S[group.kind], min(shown, default=group.amber_s))


def _finding(
    log: SignalLog,
    rule: Rule,
    names: tuple[str, ...],
    at_s: float,
    message: str,
    measured: float | None = None,
    required: float | None = None,
) -> Finding:
    return Finding(log.junction, rule, names, at_s, measured, required, f"junction {log.junction}: {message}")
