"""Pedestrians: time to walk, time to clear, and the wait.

    walk_pj(d) >= w_p,   gap_pv(d) >= c_p,   red_pj(d) <= W_p                       (s)
    wait per hour = q_p / (2 C) * sum_j red_pj^2                                    (persons * s / h)

c_p holds against each vehicle group v that crosses the crossing, except where v gives way to the walk. People arrive
evenly and go on green (HCM 2010, eq. 18-71). Walk and clearance: RiLSA 2015, 2.7; MUTCD 2009, 4E.06.
"""

from __future__ import annotations

from collections.abc import Iterator

from optimiser.formulation.case import Requirement
from optimiser.formulation.clearance import gaps
from optimiser.signals import GroupKind, Junction
from optimiser.stage_forms import SequenceForm


def pedestrian_requirements(junction: Junction, form: SequenceForm) -> Iterator[Requirement]:
    """Requirements on walk, clearance and wait of every pedestrian group."""
    kinds = {group.id: group.kind for group in junction.groups}
    for rule in junction.pedestrians:
        if not form.reds(rule.group):
            continue
        for green in form.greens(rule.group):
            yield Requirement("walk", (rule.group,), green.length, least_s=rule.walk_s)
        if not rule.on_demand:
            for red in form.reds(rule.group):
                yield Requirement("pedestrian wait", (rule.group,), red, most_s=rule.max_wait_s)
        for conflict in junction.conflicts:
            if rule.group not in (conflict.first, conflict.second):
                continue
            other = conflict.second if conflict.first == rule.group else conflict.first
            if kinds.get(other) is GroupKind.PEDESTRIAN:
                continue
            gives_way = conflict.yields == other
            for gap in gaps(form, rule.group, other, gives_way, gives_way):
                yield Requirement("pedestrian clearance", (rule.group, other), gap, least_s=rule.clearance_s)
