"""Least lengths of stages and service of pedestrians, as they follow from the running program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimiser.signals import Conflict, GreenInterval, GroupKind, Pedestrians, SignalGroup, Stage
from optimiser.timeline import Timeline
from optimiser.turners import least_arrow_s
from sumo_networks.profiles import Profile

MAX_WAIT_S = 120.0
_TINY_S = 1e-6


def whole_greens(timeline: Timeline, group: str) -> list[tuple[float, float]]:
    """(start, length) in s of each green of a group; intervals that touch and differ in right are one."""
    cycle_s = timeline.cycle_s
    merged: list[tuple[float, float]] = []
    for green in timeline.greens[group]:
        length_s = (green.end_s - green.start_s) % cycle_s or cycle_s
        if merged and abs(sum(merged[-1]) - green.start_s) < _TINY_S:
            merged[-1] = merged[-1][0], merged[-1][1] + length_s
        else:
            merged.append((green.start_s, length_s))
    if len(merged) > 1 and abs(sum(merged[-1]) - cycle_s - merged[0][0]) < _TINY_S:
        start_s, length_s = merged.pop()
        merged[0] = start_s, length_s + merged[0][1]
    return [(start_s, min(length_s, cycle_s)) for start_s, length_s in merged]


def limited_stages(
    stages: Sequence[Stage], timeline: Timeline, groups: Sequence[SignalGroup], conflicts: Sequence[Conflict]
) -> tuple[Stage, ...]:
    """Stages with the shortest length that leaves every group its least green where no other stage can give it.

    A stage whose groups are all green in a neighbour too may shrink to 1 s, as the groups' own least greens bound their
    sum; not so where it lets turners go who had to give way to vehicles: their arrow is a green of its own."""
    windows = {window.stage: window for window in timeline.windows}
    found = []
    for stage in stages:
        window = windows[stage.id]
        length_s = window.end_s - window.start_s
        least_s = max(1.0, least_arrow_s(stage.greens, stages, groups, conflicts))
        for group in groups:
            if group.id not in stage.greens:
                continue
            for start_s, green_s in whole_greens(timeline, group.id):
                held = [
                    other.stage
                    for other in timeline.windows
                    if (other.start_s - start_s) % timeline.cycle_s + (other.end_s - other.start_s) <= green_s + _TINY_S
                ]
                if held == [stage.id]:
                    least_s = max(least_s, group.min_green_s - (green_s - length_s))
        found.append(stage.model_copy(update={"min_s": min(least_s, length_s)}))
    return tuple(found)


def pedestrian_service(
    groups: Sequence[SignalGroup],
    timeline: Timeline,
    profile: Profile,
    running_s: Mapping[tuple[str, str], float],
) -> tuple[Pedestrians, ...]:
    """Walk, clearance and longest wait of each crossing that is ever green, every cycle.

    Clearance is the crossing's length at the profile's walking speed; where the profile takes the running program's
    times it is no longer than the shortest that the program grants before any vehicle that does not give way."""
    found = []
    for group in groups:
        greens = whole_greens(timeline, group.id)
        if group.kind is not GroupKind.PEDESTRIAN or not greens:
            continue
        clearance_s = group.clearing_distance_m / profile.pedestrian_speed_m_s
        if profile.method == "running":
            granted = [seconds for pair, seconds in running_s.items() if pair[0] == group.id]
            clearance_s = min([clearance_s, *granted])
        found.append(
            Pedestrians(
                group=group.id,
                walk_s=group.min_green_s,
                clearance_s=round(clearance_s, 2),
                max_wait_s=max(MAX_WAIT_S, longest_red_s(timeline.greens[group.id], timeline.cycle_s)),
            )
        )
    return tuple(found)


def longest_red_s(greens: Sequence[GreenInterval], cycle_s: float) -> float:
    """The longest time without green of a group that is green at times; greens in the order of their starts."""
    following = [*greens[1:], greens[0]]
    reds = [(after.start_s - green.end_s) % cycle_s for green, after in zip(greens, following, strict=True)]
    return max(reds)
