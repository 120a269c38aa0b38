"""Turners who give way to oncoming vehicles, and wait for them within the junction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optimiser.signals import Conflict, GroupKind, Right, SignalGroup


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
