"""Turners who give way to oncoming vehicles, and wait for them within the junction.

Where their lane serves others too, a vehicle that goes straight on may stand behind them, past its stop line: it can
leave only after them, and blocks the next stage until then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from optimiser.signals import Conflict, GroupKind, Junction, Right, SignalGroup, Stage

SATURATION_HEADWAY_S: Final = 2.0
"""Time that one vehicle more of a queue takes (HCM 2010, chapter 31)."""


def turners_giving_way(
    greens: Mapping[str, Right], groups: Iterable[SignalGroup], conflicts: Iterable[Conflict]
) -> dict[str, set[str]]:
    """Groups that give way to vehicles under these greens (group: the right it has), and to which."""
    walkers = {group.id for group in groups if group.kind is GroupKind.PEDESTRIAN}
    found: dict[str, set[str]] = {}
    for conflict in conflicts:
        pair = {conflict.first, conflict.second}
        if greens.get(conflict.yields) is Right.PERMISSIVE and pair <= set(greens) and not pair & walkers:
            found.setdefault(conflict.yields, set()).update(pair - {conflict.yields})
    return found


def own_green_s(junction: Junction, group: str) -> float:
    """The shortest green in s in which the running program lets a group go unhindered, 0 where it never does."""
    cycle_s = junction.running.cycle_s
    greens = junction.running.greens.get(group, ())
    own_s = [(green.end_s - green.start_s) % cycle_s or cycle_s for green in greens if green.right is Right.PROTECTED]
    return min(own_s, default=0.0)


def times_to_leave_s(junction: Junction) -> dict[str, float]:
    """Time in s that turners take to leave who wait within the junction with others behind them, by group: a start-up
    loss and a headway for each that finds room, no longer than their own green in the running program. Groups without
    one, or in lanes of their own, are not in it."""
    giving_way = {
        g for stage in junction.stages for g in turners_giving_way(stage.greens, junction.groups, junction.conflicts)
    }
    loss_s = {group.id: group.start_up_loss_s for group in junction.groups}
    of = {movement.id: movement for movement in junction.movements}
    found: dict[str, float] = {}
    for lane in junction.lanes:
        movements = [of[name] for name in lane.movements]
        for one in movements:
            own_s = own_green_s(junction, one.group)
            if own_s and one.group in giving_way and any(other.group != one.group for other in movements):
                leaving_s = min(loss_s[one.group] + SATURATION_HEADWAY_S * one.waiting_places, own_s)
                found[one.group] = max(found.get(one.group, 0.0), leaving_s)
    return found


def least_arrow_s(
    greens: Mapping[str, Right], stages: Iterable[Stage], groups: Sequence[SignalGroup], conflicts: Sequence[Conflict]
) -> float:
    """Least green in s of those who go unhindered under `greens` and give way to vehicles in one of `stages`: an arrow
    is a green of its own. 0 where there are none."""
    return max((group.min_green_s for group in _under_arrow(greens, stages, groups, conflicts)), default=0.0)


def with_time_to_leave(junction: Junction) -> Junction:
    """The junction with arrows that last until all who find room have left, or as long as they do at least in the
    running program, and with changes of stages that wait for them (`turners_leave`). A locked one is as it was."""
    if junction.locked:
        return junction
    leaving_s = times_to_leave_s(junction)
    stages = []
    for stage in junction.stages:
        arrows = _under_arrow(stage.greens, junction.stages, junction.groups, junction.conflicts)
        wanted_s = float(math.ceil(max((leaving_s.get(group.id, 0.0) for group in arrows), default=0.0)))
        running_s = [
            (window.end_s - window.start_s) % junction.running.cycle_s
            for window in junction.running.windows
            if window.stage == stage.id
        ]
        most_s = [] if stage.max_s is None else [stage.max_s]
        stages.append(stage.model_copy(update={"min_s": max(stage.min_s, min([wanted_s, *running_s, *most_s]))}))
    return junction.model_copy(update={"stages": tuple(stages), "turners_leave": bool(leaving_s)})


def _under_arrow(
    greens: Mapping[str, Right], stages: Iterable[Stage], groups: Sequence[SignalGroup], conflicts: Sequence[Conflict]
) -> list[SignalGroup]:
    giving_way = {name for stage in stages for name in turners_giving_way(stage.greens, groups, conflicts)}
    return [group for group in groups if group.id in giving_way and greens.get(group.id) is Right.PROTECTED]
