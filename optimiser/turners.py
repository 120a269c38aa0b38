"""Turners who give way to oncoming vehicles, and wait for them within the junction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optimiser.signals import Conflict, GroupKind, Right, SignalGroup, Stage


def turners_giving_way(
    greens: Mapping[str, Right], groups: Iterable[SignalGroup], conflicts: Iterable[Conflict]
) -> set[str]:
    """Groups that give way to vehicles under these greens (group: the right it has)."""
    walkers = {group.id for group in groups if group.kind is GroupKind.PEDESTRIAN}
    return {
        conflict.yields
        for conflict in conflicts
        if greens.get(conflict.yields) is Right.PERMISSIVE
        and all(one in greens and one not in walkers for one in (conflict.first, conflict.second))
    }


def least_arrow_s(
    greens: Mapping[str, Right], stages: Iterable[Stage], groups: Sequence[SignalGroup], conflicts: Sequence[Conflict]
) -> float:
    """Least green in s of those who go unhindered under `greens` and give way to vehicles in one of `stages`: an arrow
    is a green of its own. 0 where there are none."""
    giving_way = {name for stage in stages for name in turners_giving_way(stage.greens, groups, conflicts)}
    arrows = (g for g in groups if g.id in giving_way and greens.get(g.id) is Right.PROTECTED)
    return max((group.min_green_s for group in arrows), default=0.0)
