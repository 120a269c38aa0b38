"""Rules on what groups show, the same for a plan and for a log: green times, intergreens, conflicts, pedestrians."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from optimiser.safety.findings import GREEN_FLOOR_S, TOLERANCE_S, Finding, Rule, seconds
from optimiser.safety.history import History, Part, Run
from optimiser.signals import Conflict, ControllerPlan, GroupKind, Pedestrians, Right, SignalGroup


def green_rules(shown: History, plan: ControllerPlan) -> Iterator[Finding]:
    """Findings on `shown` by the rules that `plan` carries."""
    for group in plan.groups:
        yield from _green_lengths(shown, plan, group)
        yield from _red_lengths(shown, plan, group)
    for conflict in plan.conflicts:
        yield from _conflicting_greens(shown, conflict)
    yield from _intergreens(shown, plan)
    for rule in plan.pedestrians:
        yield from _pedestrians(shown, plan, rule)


def _green_lengths(shown: History, plan: ControllerPlan, group: SignalGroup) -> Iterator[Finding]:
    limits = plan.limits.get(group.id)
    min_green_s = max(group.min_green_s, GREEN_FLOOR_S)
    for run in shown.runs.get(group.id, ()):
        length_s = run.end_s - run.start_s
        at_s = shown.at(run.start_s)
        if run.whole and length_s < min_green_s - TOLERANCE_S:
            message = f"group {group.id} is green for {seconds(length_s)}, less than its {seconds(min_green_s)}"
            yield _finding(shown, Rule.MIN_GREEN, (group.id,), at_s, length_s, min_green_s, message)
        if limits is None or limits.max_green_s is None:
            continue
        if length_s > limits.max_green_s + TOLERANCE_S:
            message = f"group {group.id} is green for {seconds(length_s)}, over its {seconds(limits.max_green_s)}"
            yield _finding(shown, Rule.MAX_GREEN, (group.id,), at_s, length_s, limits.max_green_s, message)


def _red_lengths(shown: History, plan: ControllerPlan, group: SignalGroup) -> Iterator[Finding]:
    """The time from green to green, amber included; where the history cuts it off, the part that was seen."""
    limits = plan.limits.get(group.id)
    max_red_s = None if limits is None else limits.max_red_s
    waits = [rule.max_wait_s for rule in plan.pedestrians if rule.group == group.id and not rule.on_demand]
    for start_s, end_s in _reds(shown, group.id):
        length_s = end_s - start_s
        at_s = shown.at(start_s)
        if max_red_s is not None and length_s > max_red_s + TOLERANCE_S:
            message = f"group {group.id} has no green for {seconds(length_s)}, over its {seconds(max_red_s)}"
            yield _finding(shown, Rule.MAX_RED, (group.id,), at_s, length_s, max_red_s, message)
        if waits and length_s > min(waits) + TOLERANCE_S:
            message = f"pedestrians at {group.id} wait {seconds(length_s)}, over the {seconds(min(waits))} allowed"
            yield _finding(shown, Rule.PEDESTRIAN_WAIT, (group.id,), at_s, length_s, min(waits), message)


def _reds(shown: History, group: str) -> list[tuple[float, float]]:
    runs = shown.runs.get(group, ())
    if not runs:
        return []
    edges = [shown.begin_s, *(edge for run in runs for edge in (run.start_s, run.end_s)), shown.end_s]
    return [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]


def _conflicting_greens(shown: History, conflict: Conflict) -> Iterator[Finding]:
    first, second = conflict.first, conflict.second
    worst_s, at_s = 0.0, 0.0
    for one, other in _overlapping(_parts(shown, first), _parts(shown, second)):
        overlap_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
        if overlap_s > worst_s and not _gives_way(conflict, one.right, other.right):
            worst_s, at_s = overlap_s, max(one.start_s, other.start_s)
    if worst_s:
        if conflict.yields:
            message = (
                f"groups {first} and {second} are green together for {seconds(worst_s)} "
                f"and {conflict.yields}, which gives way, is protected"
            )
        else:
            message = f"groups {first} and {second} conflict and are green together for {seconds(worst_s)}"
        yield _finding(shown, Rule.CONFLICTING_GREENS, (first, second), shown.at(at_s), worst_s, 0.0, message)


def _gives_way(conflict: Conflict, first: Right, second: Right) -> bool:
    """Whether the group that yields shows it: a permissive green, or a stop first."""
    if conflict.yields == conflict.first:
        return first is not Right.PROTECTED
    if conflict.yields == conflict.second:
        return second is not Right.PROTECTED
    return False


def _intergreens(shown: History, plan: ControllerPlan) -> Iterator[Finding]:
    conflicts = {frozenset((conflict.first, conflict.second)): conflict for conflict in plan.conflicts}
    for intergreen in plan.intergreens:
        clearing, entering, required_s = intergreen.clearing, intergreen.entering, intergreen.seconds
        if clearing == entering:
            continue
        conflict = conflicts.get(frozenset((clearing, entering)))
        gives_way = conflict is not None and conflict.yields == entering
        for end_s, start_s in _changes(shown, clearing, entering, gives_way):
            gap_s = start_s - end_s
            if gap_s < required_s - TOLERANCE_S:
                message = (
                    f"group {entering} starts {seconds(gap_s)} after the green of {clearing} ends, "
                    f"less than {seconds(required_s)}"
                )
                at_s = shown.at(end_s)
                yield _finding(shown, Rule.INTERGREEN, (clearing, entering), at_s, gap_s, required_s, message)
        if conflict is None and required_s > TOLERANCE_S:
            yield from _unlisted_overlap(shown, clearing, entering, required_s)


def _unlisted_overlap(shown: History, clearing: str, entering: str, required_s: float) -> Iterator[Finding]:
    """Groups with an intergreen between them but no conflict: greens together would leave the intergreen unjudged."""
    for one, other in _overlapping(_green_parts(shown, clearing), _green_parts(shown, entering)):
        overlap_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
        at_s = shown.at(max(one.start_s, other.start_s))
        message = f"groups {clearing} and {entering} have an intergreen and are green together for {seconds(overlap_s)}"
        yield _finding(shown, Rule.INTERGREEN, (clearing, entering), at_s, -overlap_s, required_s, message)


def _pedestrians(shown: History, plan: ControllerPlan, rule: Pedestrians) -> Iterator[Finding]:
    for run in shown.runs.get(rule.group, ()):
        walk_s = run.end_s - run.start_s
        if run.whole and walk_s < rule.walk_s - TOLERANCE_S:
            message = f"pedestrians at {rule.group} have {seconds(walk_s)} to walk, less than {seconds(rule.walk_s)}"
            at_s = shown.at(run.start_s)
            yield _finding(shown, Rule.PEDESTRIAN_WALK, (rule.group,), at_s, walk_s, rule.walk_s, message)
    kinds = {group.id: group.kind for group in plan.groups}
    for conflict in plan.conflicts:
        if rule.group not in (conflict.first, conflict.second) or conflict.first == conflict.second:
            continue
        other = conflict.second if conflict.first == rule.group else conflict.first
        if kinds.get(other) is GroupKind.PEDESTRIAN:
            continue
        for end_s, start_s in _changes(shown, rule.group, other, conflict.yields == other, conflict.yields == other):
            gap_s = start_s - end_s
            if gap_s < rule.clearance_s - TOLERANCE_S:
                message = (
                    f"group {other} starts {seconds(gap_s)} after the walk of {rule.group} ends, "
                    f"less than the {seconds(rule.clearance_s)} to clear"
                )
                at_s = shown.at(end_s)
                groups = (rule.group, other)
                yield _finding(shown, Rule.PEDESTRIAN_CLEARANCE, groups, at_s, gap_s, rule.clearance_s, message)


def _changes(
    shown: History, clearing: str, entering: str, gives_way: bool, protected_only: bool = False
) -> Iterator[tuple[float, float]]:
    """Each end of green of `clearing` with the next start of `entering`. Where `entering` otherwise gives way, the
    moment its permissive green becomes protected is a start too; with `protected_only` no permissive start counts."""
    starts = sorted(_starts(shown.runs.get(entering, ()), gives_way, protected_only))
    for run in shown.runs.get(clearing, ()):
        if not run.ends:
            continue
        i = bisect_left(starts, run.end_s - TOLERANCE_S)
        if i < len(starts):
            yield run.end_s, max(starts[i], run.end_s)


def _starts(runs: tuple[Run, ...], gives_way: bool, protected_only: bool) -> Iterator[float]:
    for run in runs:
        if run.starts and not (protected_only and run.parts[0].right is not Right.PROTECTED):
            yield run.start_s
        if gives_way:
            for before, after in pairwise(run.parts):
                if before.right is not Right.PROTECTED and after.right is Right.PROTECTED:
                    yield after.start_s


def _green_parts(shown: History, group: str) -> list[Part]:
    return [part for run in shown.runs.get(group, ()) for part in run.parts]


def _parts(shown: History, group: str) -> list[Part]:
    return [*_green_parts(shown, group), *shown.on_red.get(group, ())]


def _overlapping(ones: list[Part], others: list[Part]) -> Iterator[tuple[Part, Part]]:
    """Pairs that share time, by one sweep over both."""
    ones, others = sorted(ones, key=lambda p: p.start_s), sorted(others, key=lambda p: p.start_s)
    first = 0
    for one in ones:
        while first < len(others) and others[first].end_s <= one.start_s + TOLERANCE_S:
            first += 1
        for i in range(first, len(others)):
            if others[i].start_s >= one.end_s - TOLERANCE_S:
                break
            if others[i].end_s > one.start_s + TOLERANCE_S:
                yield one, others[i]


def _finding(
    shown: History,
    rule: Rule,
    groups: tuple[str, ...],
    at_s: float,
    measured: float,
    required: float,
    message: str,
) -> Finding:
    sentence = f"junction {shown.junction}: {message}"
    return Finding(shown.junction, rule, groups, at_s, round(measured, 6), round(required, 6), sentence)
