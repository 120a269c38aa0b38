"""Intergreens and conflicting greens.

    start_b(d) - end_a(d) >= I_ab     for each end of green of a and the next start of green of b (s)

Where b gives way to a while both are green, the moment b becomes protected is a start as well. Also across short
stages: the gap may hold whole stages, so it is affine in their durations. Source: RiLSA 2015, 2.5 (intergreen matrix).
"""

from __future__ import annotations

from collections.abc import Iterator

from optimiser.formulation.case import Requirement
from optimiser.signals import Conflict, Junction, Right
from optimiser.stage_forms import Affine, SequenceForm


def intergreen_requirements(junction: Junction, form: SequenceForm) -> Iterator[Requirement]:
    """Requirements of the intergreen matrix, and of conflicts whose greens must not overlap."""
    conflicts = {frozenset((c.first, c.second)): c for c in junction.conflicts}
    for intergreen in junction.intergreens:
        clearing, entering = intergreen.clearing, intergreen.entering
        if clearing == entering:
            continue
        conflict = conflicts.get(frozenset((clearing, entering)))
        gives_way = conflict is not None and conflict.yields == entering
        for gap in gaps(form, clearing, entering, gives_way):
            yield Requirement("intergreen", (clearing, entering), gap, least_s=intergreen.seconds)
        if conflict is None and intergreen.seconds > 0:
            overlap = _overlap(form, clearing, entering, None)
            yield Requirement("conflicting greens", (clearing, entering), overlap, most_s=0.0)
    for conflict in junction.conflicts:
        overlap = _overlap(form, conflict.first, conflict.second, conflict)
        yield Requirement("conflicting greens", (conflict.first, conflict.second), overlap, most_s=0.0)


def gaps(
    form: SequenceForm, clearing: str, entering: str, gives_way: bool, protected_only: bool = False
) -> tuple[Affine, ...]:
    """Time from each end of green of `clearing` to the next start of `entering`, s.

    With `gives_way` the change of `entering` from another right to protected is a start; with `protected_only` a start
    with another right is none."""
    n = len(form.segments)
    starts = []
    for i in range(n):
        before = form.segments[i - 1].rights.get(entering)
        now = form.segments[i].rights.get(entering)
        begins = now is not None and before is None and not (protected_only and now is not Right.PROTECTED)
        becomes = gives_way and now is Right.PROTECTED and before is not None and before is not Right.PROTECTED
        if begins or becomes:
            starts.append(i)
    ends = [i for i in range(n) if clearing in form.segments[i - 1].rights and clearing not in form.segments[i].rights]
    if not starts:
        return ()
    return tuple(form.span(end, min((start - end) % n for start in starts)) for end in ends)


def _overlap(form: SequenceForm, first: str, second: str, conflict: Conflict | None) -> Affine:
    total = form.zero
    for segment in form.segments:
        rights = segment.rights
        if first not in rights or second not in rights:
            continue
        yields = conflict.yields if conflict is not None else ""
        if not yields or rights[yields] is Right.PROTECTED:
            total = total + segment.length
    return total
