"""Sequences of the stages that a junction's conflicts allow, ranked by the share of the cycle that they need: Webster's
(1958) sum of critical flow ratios, and the time lost in interstages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, pairwise, permutations
from typing import Final

from optimiser.lane_flows import JunctionDemand
from optimiser.sequences import interstage
from optimiser.signals import Interstage, Junction, Right, Stage, StageSequence
from optimiser.webster import least_ratios

MOST_IN_SET: Final = 4
MOST_SETS: Final = 400
PERMISSIVE_SHARE: Final = 0.45
"""What a second of permissive green serves beside a protected one, for ranking alone; the model knows the gaps."""

_Pairs = dict[tuple[str, str], Interstage]


def derived_sequences(
    demand: JunctionDemand, forbidden: frozenset[tuple[str, str]], kept: Sequence[str], most: int
) -> tuple[StageSequence, ...]:
    """Up to `most` sequences with stages that the running one lacks, those first that need the least share of the
    running cycle. `forbidden` pairs do not follow each other, `kept` stages are in all."""
    junction = demand.junction
    running = {stage for sequence in junction.sequences for stage in sequence.stages}
    changes: _Pairs = {(i.from_stage, i.to_stage): i for s in junction.sequences for i in s.interstages}
    ranked = []
    for stages in islice(_covering(junction, running, frozenset(kept)), MOST_SETS):
        order = _shortest(junction, stages, forbidden, changes)
        if order is not None:
            lost_s = sum(changes[pair].duration_s for pair in pairwise((*order, order[0])))
            ranked.append((flow_ratio(demand, stages) + lost_s / junction.running.cycle_s, order))
    ranked.sort()
    return tuple(
        StageSequence(
            id="-".join(order),
            stages=order,
            interstages=tuple(changes[pair] for pair in pairwise((*order, order[0]))),
        )
        for _, order in ranked[:most]
    )


def flow_ratio(demand: JunctionDemand, stages: Sequence[Stage]) -> float:
    """Least sum of stage flow ratios that gives the classes of every lane theirs (`webster.py`, with a second of
    permissive green worth PERMISSIVE_SHARE of a protected one)."""
    needs: dict[tuple[float, ...], float] = {}
    for load in demand.lanes:
        for group in sorted({c.group for c in load.classes}):
            worth = tuple(_worth(stage, group) for stage in stages)
            flow = sum(c.nominal_veh_h for c in load.classes if c.group == group)
            needs[worth] = max(needs.get(worth, 0.0), flow / load.lane.saturation_veh_h)
    return sum(least_ratios(needs, len(stages)))


def _covering(junction: Junction, running: set[str], kept: frozenset[str]) -> Iterator[tuple[Stage, ...]]:
    """Sets of stages with a derived one in them that serve every group, none of them for nothing. A group that the
    running sequences let go unhindered at some time still does: what gaps grant a turner, a model hardly knows."""
    served = {
        (group, right) for stage in junction.stages if stage.id in running for group, right in _granted(stage.greens)
    }
    for size in range(2, MOST_IN_SET + 1):
        for stages in combinations(junction.stages, size):
            names = {stage.id for stage in stages}
            if names <= running or not kept <= names:
                continue
            counts = Counter(granted for stage in stages for granted in _granted(stage.greens))
            needed = (any(counts[granted] == 1 for granted in _granted(stage.greens)) for stage in stages)
            if served <= set(counts) and all(needed):
                yield stages


def _granted(greens: Mapping[str, Right]) -> Iterator[tuple[str, Right]]:
    """Each group as green at all, and as protected where it is."""
    for group, right in greens.items():
        yield group, Right.PERMISSIVE
        if right is Right.PROTECTED:
            yield group, right


def _shortest(
    junction: Junction, stages: Sequence[Stage], forbidden: frozenset[tuple[str, str]], changes: _Pairs
) -> tuple[str, ...] | None:
    """The order with the least time in interstages, which `changes` then holds; None where all are forbidden."""
    by_name: Mapping[str, Stage] = {stage.id: stage for stage in stages}
    for pair in permutations(by_name, 2):
        if pair not in changes:
            changes[pair] = interstage(junction, by_name[pair[0]], by_name[pair[1]])
    first, *rest = by_name
    orders = [
        order
        for order in ((first, *turned) for turned in permutations(rest))
        if not forbidden & set(pairwise((*order, first)))
    ]
    if not orders:
        return None
    return min(orders, key=lambda order: (sum(changes[p].duration_s for p in pairwise((*order, first))), order))


def _worth(stage: Stage, group: str) -> float:
    right = stage.greens.get(group)
    return 0.0 if right is None else 1.0 if right is Right.PROTECTED else PERMISSIVE_SHARE
