"""Least and longest greens and reds of signal groups.

    gmin <= green_gj(d) <= gmax,   amber_g + red-amber_g <= red_gj(d) <= rmax      for each green j of group g (s)

green and red are affine in the stage durations; a green is whole whatever right it gives along its way. Reds count from
the end of green to the next start; one that the least stage lengths make long enough for the change needs no row. The
least green is never under GREEN_FLOOR_S (RiLSA 2015, 2.4: 5 s; MUTCD 2009, 4D.26: enough to see and start; the floor is
what any controller must hold).
"""

from __future__ import annotations

from collections.abc import Iterator

from optimiser.formulation.case import Requirement
from optimiser.signals import Junction, SignalGroup
from optimiser.stage_forms import SequenceForm

GREEN_FLOOR_S = 4.0


def green_requirements(junction: Junction, form: SequenceForm) -> Iterator[Requirement]:
    """Requirements on the greens and reds of every group; one that gets no green asks for one it cannot have."""
    for group in junction.groups:
        limits = junction.limits.get(group.id)
        greens, reds = form.greens(group.id), form.reds(group.id)
        if not greens and not group.unused:
            yield Requirement("green", (group.id,), form.zero, least_s=max(group.min_green_s, GREEN_FLOOR_S))
        if not reds:
            continue
        most_s = limits.max_green_s if limits else None
        for green in greens:
            least_s = max(group.min_green_s, GREEN_FLOOR_S)
            yield Requirement("minimum green", (group.id,), green.length, least_s=least_s)
            if most_s is not None:
                yield Requirement("maximum green", (group.id,), green.length, most_s=most_s)
        change_s = _change_s(form, group)
        for red in reds:
            if red.at(form.min_s) < change_s:
                yield Requirement("amber and red-amber", (group.id,), red, least_s=change_s)
        if limits and limits.max_red_s is not None:
            for red in reds:
                yield Requirement("maximum red", (group.id,), red, most_s=limits.max_red_s)


def _change_s(form: SequenceForm, group: SignalGroup) -> float:
    """Least time between two greens of a group: its longest amber under the sequence, and its red-amber."""
    changes = form.sequence.interstages if form.sequence is not None else ()
    return max([group.amber_s, *(c.amber_s.get(group.id, 0.0) for c in changes)]) + group.red_amber_s
