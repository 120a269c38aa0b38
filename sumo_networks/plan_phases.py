"""Plans read off phases: of a SUMO program, or of one cycle of recorded states."""

from __future__ import annotations

from collections.abc import Sequence

from optimiser.signals import ControllerPlan, GreenInterval, Offset
from sumo_networks.bindings import Binding
from sumo_networks.errors import PlanMismatchError
from sumo_networks.phases import AMBERS, RIGHTS

_PLACES = 3
"""SUMO keeps time in whole milliseconds."""


def plan_from_phases(
    phases: Sequence[tuple[float, str]], start_s: float, template: ControllerPlan, binding: Binding
) -> ControllerPlan:
    """A plan with the greens that one cycle of `phases` (s, state) shows, the first starting at `start_s` + k cycles.

    All but cycle, offset and greens comes from `template`; its stages stay only where the greens are the template's.
    Raises PlanMismatchError where links of one group differ."""
    cycle_s = round(sum(duration_s for duration_s, _ in phases), _PLACES)
    ambers_s = {group.id: group.amber_s for group in template.groups}
    greens = {
        group: _greens(_runs(phases, group, links, template.junction), ambers_s.get(group, 0.0), cycle_s)
        for group, links in binding.groups.items()
    }
    reference = template.offset.reference_group
    if not greens.get(reference):
        reference = next(
            (group for group in binding.groups if greens[group] and not _lasts(greens[group], cycle_s)), ""
        )
    first_s = greens[reference][0].start_s if reference else 0.0
    changed: dict[str, object] = {
        "cycle_s": cycle_s,
        "greens": greens,
        "offset": Offset(
            seconds=round((start_s + first_s) % cycle_s, _PLACES),
            reference_group=reference,
            epoch=template.offset.epoch,
            zone=template.offset.zone,
        ),
    }
    if cycle_s != template.cycle_s or greens != template.greens:
        changed |= {"stages": (), "windows": (), "interstages": ()}
    return template.model_copy(update=changed)


def _runs(
    phases: Sequence[tuple[float, str]], group: str, links: tuple[int, ...], junction: str
) -> list[tuple[float, float, str]]:
    """(start, end, letter) of each aspect of a group within the cycle; the last may run over its end."""
    runs: list[tuple[float, float, str]] = []
    clock = 0.0
    for duration_s, state in phases:
        if len({state[link] for link in links}) != 1:
            raise PlanMismatchError(
                f"junction {junction}: the links of signal group {group} show different signals; "
                "a plan for this network moves them together"
            )
        letter = state[links[0]]
        start_s, clock = clock, round(clock + duration_s, _PLACES)
        if runs and runs[-1][2] == letter:
            start_s = runs.pop()[0]
        runs.append((start_s, clock, letter))
    if len(runs) > 1 and runs[0][2] == runs[-1][2]:
        first, last = runs.pop(0), runs.pop()
        runs.append((last[0], first[1], first[2]))
    return runs


def _greens(
    runs: Sequence[tuple[float, float, str]], usual_amber_s: float, cycle_s: float
) -> tuple[GreenInterval, ...]:
    found = []
    for i, (start_s, end_s, letter) in enumerate(runs):
        if letter not in RIGHTS:
            continue
        begin_s, stop_s, following = runs[(i + 1) % len(runs)]
        amber_s = round((stop_s - begin_s) % cycle_s, _PLACES) if following in AMBERS else 0.0
        usual = following in RIGHTS or amber_s == usual_amber_s
        found.append(
            GreenInterval(start_s=start_s, end_s=end_s, right=RIGHTS[letter], amber_s=None if usual else amber_s)
        )
    return tuple(sorted(found, key=lambda green: green.start_s))


def _lasts(greens: tuple[GreenInterval, ...], cycle_s: float) -> bool:
    return len(greens) == 1 and greens[0].end_s - greens[0].start_s == cycle_s
