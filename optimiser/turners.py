"""Turners who give way to oncoming vehicles, and wait for them within the junction.

Where their lane serves others too, a vehicle that goes straight on may stand behind them, past its stop line: it can
leave only after them, and blocks the next stage until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from optimiser.signals import Conflict, GroupKind, Lane, Movement, Right, SignalGroup, Stage

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


def times_to_leave_s(
    groups: Iterable[SignalGroup], movements: Iterable[Movement], lanes: Iterable[Lane]
) -> dict[str, float]:
    """Time in s that those of a group take to leave who wait within the junction with others behind them, by group:
    a start-up loss and a headway for each that finds room. Groups with lanes of their own are not in it."""
    loss_s = {group.id: group.start_up_loss_s for group in groups}
    of = {movement.id: movement for movement in movements}
    shared = {one for lane in lanes if len({of[one].group for one in lane.movements}) > 1 for one in lane.movements}
    found: dict[str, float] = {}
    for one in sorted(shared):
        group = of[one].group
        leaving_s = loss_s[group] + SATURATION_HEADWAY_S * of[one].waiting_places
        found[group] = max(found.get(group, 0.0), leaving_s)
    return found


def least_arrow_s(
    greens: Mapping[str, Right],
    stages: Iterable[Stage],
    groups: Sequence[SignalGroup],
    conflicts: Sequence[Conflict],
    leaving_s: Mapping[str, float],
) -> float:
    """Least green in s of those who go unhindered under `greens` and give way to vehicles in one of `stages`: an arrow
    is a green of its own, and lasts until those who wait have left (`leaving_s` by group). 0 where there are none."""
    giving_way = {name for stage in stages for name in turners_giving_way(stage.greens, groups, conflicts)}
    arrows = (g for g in groups if g.id in giving_way and greens.get(g.id) is Right.PROTECTED)
    return max((max(group.min_green_s, leaving_s.get(group.id, 0.0)) for group in arrows), default=0.0)
