"""Stages that a junction's conflicts allow and its program never had.

Groups that may be green together are the cliques of a graph; the largest of them are stages nobody can add a green to.
One graph joins groups without any conflict, the other also those of which one gives way to the other, where the running
program shows them so: what an engineer has not let happen here, no derived stage does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice
from typing import Final

import networkx as nx

from optimiser.signals import Junction, Right, Stage
from optimiser.turners import least_arrow_s

MOST_STAGES: Final = 12
"""Derived stages of a junction, those with most groups first: several nodes under one controller have thousands."""
MOST_CLIQUES: Final = 2000


def with_derived_stages(junction: Junction) -> Junction:
    """The junction with the stages of its sequences and those from its conflict graph, `derived1` and on; as it is
    where it is locked or has no sequence."""
    if junction.locked or not junction.sequences:
        return junction
    listed = {stage for sequence in junction.sequences for stage in sequence.stages}
    stages = tuple(stage for stage in junction.stages if stage.id in listed)
    junction = junction.model_copy(update={"stages": stages})
    return junction.model_copy(update={"stages": (*stages, *_derived(junction))})


def _derived(junction: Junction) -> tuple[Stage, ...]:
    known = {frozenset(stage.greens.items()) for stage in junction.stages}
    served = sorted({group for stage in junction.stages for group in stage.greens})
    found: dict[frozenset[tuple[str, Right]], None] = {}
    for permissive in (False, True):
        graph = _together(junction, served, permissive)
        for clique in islice(nx.find_cliques(graph), MOST_CLIQUES):
            greens = frozenset(_rights(junction, [served[i] for i in clique]).items())
            if greens not in known:
                found[greens] = None
    ranked = sorted((dict(sorted(greens)) for greens in found), key=lambda greens: (-len(greens), list(greens.items())))
    return tuple(
        Stage(
            id=f"derived{i + 1}",
            greens=greens,
            min_s=max(1.0, least_arrow_s(greens, junction.stages, junction.groups, junction.conflicts)),
        )
        for i, greens in enumerate(ranked[:MOST_STAGES])
    )


def _together(junction: Junction, groups: Sequence[str], permissive: bool) -> nx.Graph:
    """Groups by number, joined where both may be green at once: sets of numbers, unlike those of names, come in the
    same order in every process, and so do the first cliques."""
    shown = {
        frozenset((a, b)) for stage in junction.stages for a, b in combinations(sorted(stage.greens), 2) if permissive
    }
    apart = {frozenset((c.first, c.second)) for c in junction.conflicts}
    yielding = {frozenset((c.first, c.second)) for c in junction.conflicts if c.yields}
    graph = nx.Graph()
    graph.add_nodes_from(range(len(groups)))
    for a, b in combinations(range(len(groups)), 2):
        pair = frozenset((groups[a], groups[b]))
        if pair not in apart or (pair in yielding and pair in shown):
            graph.add_edge(a, b)
    return graph


def _rights(junction: Junction, groups: Sequence[str]) -> dict[str, Right]:
    """Each group's right among these: permissive where it gives way to one of them, or always does here."""
    inside = set(groups)
    gives_way = {c.yields for c in junction.conflicts if c.yields and {c.first, c.second} <= inside}
    protected = {g for stage in junction.stages for g, right in stage.greens.items() if right is Right.PROTECTED}
    return {
        group: Right.PERMISSIVE if group in gives_way or group not in protected else Right.PROTECTED
        for group in sorted(inside)
    }
