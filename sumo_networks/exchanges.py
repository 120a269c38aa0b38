"""Changes of one junction to what other solutions have there: their timing, or their stages at its own cycle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from optimiser.signals import Junction
from sumo_networks.moves import Freedom, Move, allowed, least_s, of_others
from sumo_networks.timings import Timing


def exchanges(
    junction: Junction, timing: Timing, others: tuple[Mapping[str, Timing], ...], freedom: Freedom
) -> list[Move]:
    """Every safe change of one junction to the timing that another solution has for it, in the order of these, each
    with its stages at the cycle that the junction has, where order and cycle are others."""
    if junction.id in freedom.fixed_junctions:
        return []
    moves, orders = list[Move](), [_order(timing)]
    for move in of_others(junction, timing, others):
        moves.append(move)
        if _order(move.timing) not in orders and move.timing.cycle_s != timing.cycle_s:
            orders.append(_order(move.timing))
            fitted = at_cycle(junction, move.timing, timing)
            if fitted is not None:
                moves.append(Move(junction.id, fitted, "stages of another solution"))
    return [move for move in moves if allowed(junction, timing, move.timing, freedom)]


def at_cycle(junction: Junction, timing: Timing, kept: Timing) -> Timing | None:
    """A timing brought to the cycle of `kept`, so that what is timed to the junction's neighbours stays so: all stages
    grow or shrink by the same factor, none under its least, and the longest of those that both have starts when it does
    there. None where the cycle is too short for the stages, or is no whole number of seconds."""
    least = [least_s(junction, timing, i) for i in range(len(timing.durations_s))]
    green_s = kept.cycle_s - sum(change.duration_s for change in timing.sequence.interstages)
    if sum(least) > green_s or not green_s.is_integer():
        return None
    ends = list(accumulate(_scaled(timing.durations_s, least, green_s), initial=0.0))
    durations_s = tuple(float(math.floor(end + 0.5) - math.floor(begin + 0.5)) for begin, end in pairwise(ends))
    fitted = replace(timing, durations_s=durations_s)
    there, here = _starts_s(kept), _starts_s(fitted)
    both = [name for name in here if name in there]
    if not both:
        return replace(fitted, start_s=kept.start_s)
    longest = max(both, key=lambda name: dict(zip(fitted.sequence.stages, durations_s, strict=True))[name])
    return replace(fitted, start_s=(kept.start_s + there[longest] - here[longest]) % fitted.cycle_s)


def _scaled(durations_s: Sequence[float], least_s: Sequence[float], sum_s: float) -> list[float]:
    """Durations times the factor with which they sum up to `sum_s`, where none may be under its least."""
    held = set[int]()
    while True:
        free_s = sum_s - sum(least_s[i] for i in held)
        whole_s = sum(duration_s for i, duration_s in enumerate(durations_s) if i not in held)
        scaled = [
            least_s[i] if i in held else duration_s * free_s / whole_s for i, duration_s in enumerate(durations_s)
        ]
        short = {i for i, scaled_s in enumerate(scaled) if i not in held and scaled_s < least_s[i]}
        if not short:
            return scaled
        held |= short


def _order(timing: Timing) -> tuple[object, ...]:
    return timing.sequence.stages, timing.sequence.interstages


def _starts_s(timing: Timing) -> dict[str, float]:
    """When each stage starts first, after the start of the first stage of the timing."""
    starts: dict[str, float] = {}
    at_s = 0.0
    for name, duration_s, change in zip(
        timing.sequence.stages, timing.durations_s, timing.sequence.interstages, strict=True
    ):
        starts.setdefault(name, at_s)
        at_s += duration_s + change.duration_s
    return starts
