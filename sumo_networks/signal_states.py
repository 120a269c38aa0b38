"""A controller plan as the phases of a SUMO program."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from optimiser.signals import ControllerPlan, GreenInterval, Right, SignalGroup
from optimiser.timeline import sequence_start_s
from sumo_networks.bindings import Binding
from sumo_networks.errors import PlanMismatchError

LETTERS = {Right.PROTECTED: "G", Right.PERMISSIVE: "g", Right.STOP_FIRST: "s"}
_PLACES = 3
"""SUMO keeps time in whole milliseconds."""


@dataclass(frozen=True)
class _Shown:
    """An aspect of one group in [start, start + length), which may run over the end of the cycle."""

    start_s: float
    length_s: float
    letter: str


def signal_states(plan: ControllerPlan, binding: Binding) -> list[tuple[float, str]]:
    """Phases (duration in s, state) of one cycle, the first starting at second 0 of the plan's cycle.

    Amber follows every green that does not pass into another at once, for the interval's own time or the group's;
    red-amber comes before. Both are cut short where the group has less red. Links of no group show red. Raises
    PlanMismatchError where the plan has greens for a group that the binding does not know."""
    unknown = sorted(set(plan.greens) - set(binding.groups))
    if unknown:
        raise PlanMismatchError(
            f"junction {plan.junction}: the plan has signal group {unknown[0]}, the network has not; make the plan anew"
        )
    groups = {group.id: group for group in plan.groups}
    shown = {
        name: _aspects(greens, groups[name], plan.cycle_s) for name, greens in plan.greens.items() if name in groups
    }
    cuts = {0.0, round(plan.cycle_s, _PLACES)}
    for aspects in shown.values():
        for aspect in aspects:
            cuts.add(round(aspect.start_s % plan.cycle_s, _PLACES))
            cuts.add(round((aspect.start_s + aspect.length_s) % plan.cycle_s, _PLACES))
    phases: list[tuple[float, str]] = []
    for start_s, end_s in pairwise(sorted(cuts)):
        state = ["r"] * binding.link_count
        for name, aspects in shown.items():
            letter = _letter_at(aspects, (start_s + end_s) / 2, plan.cycle_s)
            for link in binding.groups[name]:
                state[link] = letter
        text, length_s = "".join(state), round(end_s - start_s, _PLACES)
        if phases and phases[-1][1] == text:
            phases[-1] = (round(phases[-1][0] + length_s, _PLACES), text)
        else:
            phases.append((length_s, text))
    return phases


def shown_at(plan: ControllerPlan, binding: Binding, time_s: float) -> str:
    """What a plan shows `time_s` after its epoch. Raises PlanMismatchError as `signal_states`."""
    second = (time_s - sequence_start_s(plan)) % plan.cycle_s
    phases = signal_states(plan, binding)
    for length_s, state in phases:
        if second < length_s:
            return state
        second -= length_s
    return phases[-1][1]


def _aspects(greens: tuple[GreenInterval, ...], group: SignalGroup, cycle_s: float) -> list[_Shown]:
    """Greens, ambers and red-ambers of one group; the first that covers a moment counts."""
    lengths = [(green.end_s - green.start_s) % cycle_s or cycle_s for green in greens]
    shown = [
        _Shown(green.start_s, length_s, LETTERS[green.right]) for green, length_s in zip(greens, lengths, strict=True)
    ]
    for i, green in enumerate(greens):
        following = greens[(i + 1) % len(greens)]
        red_s = round((following.start_s - green.start_s - lengths[i]) % cycle_s, 6) % cycle_s
        if red_s == 0:
            continue
        amber_s = min(group.amber_s if green.amber_s is None else green.amber_s, red_s)
        red_amber_s = min(group.red_amber_s, red_s - amber_s)
        shown.append(_Shown(green.start_s + lengths[i], amber_s, "y"))
        shown.append(_Shown(following.start_s - red_amber_s, red_amber_s, "u"))
    return [aspect for aspect in shown if aspect.length_s > 0]


def _letter_at(aspects: list[_Shown], at_s: float, cycle_s: float) -> str:
    for aspect in aspects:
        if (at_s - aspect.start_s) % cycle_s < aspect.length_s:
            return aspect.letter
    return "r"
