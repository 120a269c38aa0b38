"""Detours that a junction's plan could offer buses: past stages that the engineer lets be skipped, or by their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from optimiser.detour_ways import ways
from optimiser.errors import PriorityError
from optimiser.safety import check_plan
from optimiser.sequences import interstage
from optimiser.signals import ControllerPlan, Detour, Interstage, Junction, Priority, Right

SPREAD_S: Final = 5.0
"""An inserted stage is so much longer than it must be, where it may: nobody knows to the second when a bus is there."""


def detour_candidates(
    junction: Junction,
    plan: ControllerPlan,
    groups: frozenset[str],
    allowed: Priority,
    most_insertion_s: float,
    forbidden: frozenset[tuple[str, str]] = frozenset(),
) -> tuple[Detour, ...]:
    """Detours for buses of `groups`: each skippable stage left out, and each stage that serves such a group shown once
    more, for at most `most_insertion_s`, where it is not shown. Interstages are those that the junction runs, else the
    shortest that keep the intergreens. Only such that a controller can take which is `allowed` so much beside, and that
    the checker finds nothing on.

    `forbidden` are pairs of stages that must not follow each other."""
    if len(plan.windows) != len(plan.interstages):
        return ()
    found = [*_skips(junction, plan, groups), *_insertions(junction, plan, groups, most_insertion_s)]
    return tuple(detour for detour in found if not forbidden & _pairs(detour) and _offered(plan, detour, allowed))


def _skips(junction: Junction, plan: ControllerPlan, groups: frozenset[str]) -> Iterator[Detour]:
    count = len(plan.windows)
    skippable = {stage.id: set(stage.greens) for stage in plan.stages if stage.skippable}
    for number, window in enumerate(plan.windows):
        leaves, joins = (number - 1) % count, (number + 1) % count
        pair = plan.windows[leaves].stage, plan.windows[joins].stage
        if count > 2 and window.stage in skippable and pair[0] != pair[1] and groups - skippable[window.stage]:
            yield Detour(leaves=leaves, joins=joins, interstages=(_change(junction, plan, *pair),))


def _insertions(junction: Junction, plan: ControllerPlan, groups: frozenset[str], most_s: float) -> Iterator[Detour]:
    greens = {stage.id: set(stage.greens) for stage in plan.stages}
    for name in sorted({window.stage for window in plan.windows}):
        least_s = _least_s(plan, name)
        length_s = min(float(int(most_s)), least_s + SPREAD_S, _most_s(plan, name))
        if not groups & greens[name] or length_s < least_s:
            continue
        for leaves, window in enumerate(plan.windows):
            joins = (leaves + 1) % len(plan.windows)
            around = window.stage, plan.windows[joins].stage
            if name in around or groups & greens[name] & (greens[around[0]] | greens[around[1]]):
                continue
            changes = _change(junction, plan, around[0], name), _change(junction, plan, name, around[1])
            yield Detour(leaves=leaves, joins=joins, stages=((name, length_s),), interstages=changes)


def _least_s(plan: ControllerPlan, name: str) -> float:
    """Least length of a stage that all its groups start in."""
    stage = next(stage for stage in plan.stages if stage.id == name)
    walks_s = {rule.group: rule.walk_s for rule in plan.pedestrians}
    starting = [g for g in plan.groups if stage.greens.get(g.id, Right.STOP_FIRST) is not Right.STOP_FIRST]
    return float(-(-max([stage.min_s, *(max(g.min_green_s, walks_s.get(g.id, 0.0)) for g in starting)]) // 1))


def _most_s(plan: ControllerPlan, name: str) -> float:
    most_s = next(stage.max_s for stage in plan.stages if stage.id == name)
    return math.inf if most_s is None else float(int(most_s))


def _change(junction: Junction, plan: ControllerPlan, from_stage: str, to_stage: str) -> Interstage:
    """The interstage that the plan or the running order has between two stages, else the shortest."""
    known = (*plan.interstages, *(change for sequence in junction.sequences[:1] for change in sequence.interstages))
    for change in known:
        if (change.from_stage, change.to_stage) == (from_stage, to_stage):
            return change
    stages = {stage.id: stage for stage in plan.stages}
    return interstage(junction, stages[from_stage], stages[to_stage])


def _pairs(detour: Detour) -> set[tuple[str, str]]:
    return {(change.from_stage, change.to_stage) for change in detour.interstages}


def _offered(plan: ControllerPlan, detour: Detour, allowed: Priority) -> bool:
    """Whether a controller can take it, and the checker finds nothing that it does not find on the plan itself, and
    nothing worse."""
    bare = plan.model_copy(update={"priority": allowed})
    offering = plan.model_copy(update={"priority": allowed.model_copy(update={"detours": (detour,)})})
    known = {(finding.rule, finding.groups): finding.deviation for finding in check_plan(bare)}
    try:
        ways(offering)
    except PriorityError:
        return False
    return all(f.deviation <= known.get((f.rule, f.groups), -1.0) for f in check_plan(offering))
