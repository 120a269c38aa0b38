"""Stage orders a junction could run beside its own: permutations, and orders that leave stages out.

Interstages come from the intergreen matrix, staggered as in RiLSA 2015, 2.6: every group ends as late and starts as
early as its intergreens to the others allow. Where the running program already leads from one stage to the next, its
own interstage is kept.

Turners who have given way wait within the junction when their green ends. Where the running program gives them a green
of their own, a change that it does not know has to let them leave before others come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise, permutations

from optimiser.signals import Interstage, Junction, Right, Stage, StageSequence
from optimiser.turners import SATURATION_HEADWAY_S, own_green_s, times_to_leave_s, turners_giving_way

MOST_PERMUTED = 5
"""More stages than this keep their order."""
MOST_CHOSEN = 10
"""Of more stages than this only one or two may be left out."""


def stage_orders(
    junction: Junction,
    forbidden: frozenset[tuple[str, str]] = frozenset(),
    kept: tuple[str, ...] = (),
    most: int = 24,
) -> tuple[StageSequence, ...]:
    """Up to `most` sequences that the junction does not list yet, those with the shortest interstages first.

    `forbidden` are pairs of stages that must not follow each other, `kept` stages that no order may leave out. Whether
    all limits can be kept is not checked."""
    known = {_turned(sequence.stages) for sequence in junction.sequences}
    found: dict[tuple[str, ...], StageSequence] = {}
    for order in _orders(junction):
        if not set(kept) <= set(order):
            continue
        turned = _turned(order)
        if turned in known or turned in found or forbidden & set(pairwise((*order, order[0]))):
            continue
        found[turned] = _sequence(junction, order)
    ranked = sorted(found.values(), key=lambda s: (sum(i.duration_s for i in s.interstages), s.id))
    return tuple(ranked[:most])


def interstage(junction: Junction, from_stage: Stage, to_stage: Stage) -> Interstage:
    """The shortest change between two stages that keeps the intergreens between groups that end and groups that start.

    A group that goes on and becomes protected waits for the intergreens as a start does; one that becomes permissive
    does so at once. Who may turn on red after a stop has red: a green that ends so has its amber first."""
    before, after = _green(from_stage), _green(to_stage)
    amber_s = {group.id: group.amber_s for group in junction.groups}
    needed = _with_time_to_leave(junction, before, _needed(junction))
    red_amber_s = {group.id: group.red_amber_s for group in junction.groups}
    ending = [g for g in sorted(before) if g not in after]
    entering = [g for g in sorted(after) if g not in before or _rises(before[g], after[g])]
    on_s = {
        g: max([needed.get((c, g), 0.0) for c in ending], default=0.0) if g in before
        else max([needed.get((c, g), 0.0) for c in ending] + [red_amber_s[g]])
        for g in entering
    }  # fmt: skip
    off_s = {}
    for c in ending:
        slack = [on_s[g] - needed[c, g] for g in entering if (c, g) in needed]
        off_s[c] = max(0.0, min(slack, default=0.0))
    on_s |= {g: 0.0 for g in sorted(before) if g in after and before[g] is not after[g] and g not in on_s}
    on_s |= {g: off_s[g] + amber_s[g] for g in ending if g in to_stage.greens}
    off_s |= {g: on_s[g] - red_amber_s[g] for g in entering if g not in before and g in from_stage.greens}
    duration_s = max([*on_s.values(), *off_s.values()], default=0.0)
    return Interstage(from_stage=from_stage.id, to_stage=to_stage.id, duration_s=duration_s, off_s=off_s, on_s=on_s)


def _green(stage: Stage) -> dict[str, Right]:
    """The groups that are green in a stage, those apart that may go on red after a stop."""
    return {group: right for group, right in stage.greens.items() if right is not Right.STOP_FIRST}


def _served(stage: Stage) -> set[tuple[str, bool]]:
    """Each group that may go in a stage, and once more, marked, where it is green."""
    return {(group, False) for group in stage.greens} | {(group, True) for group in _green(stage)}


def _orders(junction: Junction) -> Iterator[tuple[str, ...]]:
    """Cyclic orders of subsets of the stages, each starting with its first stage, in which every group gets green."""
    running = junction.sequences[0].stages if junction.sequences else tuple(stage.id for stage in junction.stages)
    names = list(dict.fromkeys(running))
    served = {stage.id: _served(stage) for stage in junction.stages}
    wanted = set().union(*(served[name] for name in names)) if names else set()
    smallest = 2 if len(names) <= MOST_CHOSEN else max(2, len(names) - 2)
    for size in range(len(names), smallest - 1, -1):
        for kept in combinations(names, size):
            if set().union(*(served[name] for name in kept)) != wanted:
                continue
            yield kept
            if len(names) <= MOST_PERMUTED:
                yield from ((kept[0], *rest) for rest in permutations(kept[1:]) if rest != kept[1:])


def _turned(order: tuple[str, ...]) -> tuple[str, ...]:
    """The same cyclic order, starting with its least stage."""
    return min(order[i:] + order[:i] for i in range(len(order)))


def _sequence(junction: Junction, order: tuple[str, ...]) -> StageSequence:
    stages = {stage.id: stage for stage in junction.stages}
    running = {(i.from_stage, i.to_stage): i for s in junction.sequences for i in s.interstages}
    changes = []
    for first, second in pairwise((*order, order[0])):
        known = running.get((first, second))
        changes.append(known if known is not None else interstage(junction, stages[first], stages[second]))
    return StageSequence(id="-".join(order), stages=order, interstages=tuple(changes))


def _needed(junction: Junction) -> dict[tuple[str, str], float]:
    """Least time from the end of one group to the start of another, by (clearing, entering), s.

    Conflicts without an intergreen take the clearing group's amber."""
    needed = {(i.clearing, i.entering): i.seconds for i in junction.intergreens}
    amber_s = {group.id: group.amber_s for group in junction.groups}
    clearance_s = {rule.group: rule.clearance_s for rule in junction.pedestrians}
    for conflict in junction.conflicts:
        for clearing, entering in ((conflict.first, conflict.second), (conflict.second, conflict.first)):
            least_s = 0.0 if conflict.yields == entering else clearance_s.get(clearing, 0.0)
            known_s = needed.get((clearing, entering), amber_s.get(clearing, 0.0))
            needed[clearing, entering] = max(known_s, least_s)
    return {pair: float(-(-seconds // 1)) for pair, seconds in needed.items()}


def _with_time_to_leave(
    junction: Junction, before: Mapping[str, Right], needed: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], float]:
    """Least times from the end of one group to the start of another when turners who gave way under the greens before
    and have a green of their own in the running program have to leave between.

    They need a headway after their green. With others behind them, and where the junction waits for these
    (`turners_leave`), they leave once the oncoming vehicles have had their amber, one after the other."""
    amber_s = {group.id: group.amber_s for group in junction.groups}
    leaving_s = times_to_leave_s(junction) if junction.turners_leave else {}
    found = dict(needed)
    for turner, oncoming in turners_giving_way(before, junction.groups, junction.conflicts).items():
        if not own_green_s(junction, turner):
            continue
        for (clearing, entering), seconds in needed.items():
            if clearing != turner:
                continue
            found[turner, entering] = max(found[turner, entering], seconds + SATURATION_HEADWAY_S)
            for ending in sorted(oncoming) if turner in leaving_s else ():
                least_s = float(math.ceil(amber_s[ending] + leaving_s[turner] + seconds))
                found[ending, entering] = max(found.get((ending, entering), 0.0), least_s)
    return found


def _rises(before: Right, after: Right) -> bool:
    return after is Right.PROTECTED and before is not Right.PROTECTED
