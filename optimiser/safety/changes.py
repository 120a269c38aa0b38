"""What surrounds each green: amber after it, red-amber before the next, flashing green within it."""

from __future__ import annotations

from collections.abc import Iterator

from optimiser.safety.findings import AMBER_FLOOR_S, TOLERANCE_S, Finding, Rule, seconds
from optimiser.safety.history import History, Run
from optimiser.signals import ControllerPlan, SignalGroup


def signal_changes(plan: ControllerPlan, shown: History) -> Iterator[Finding]:
    """Amber after, red-amber before and flashing green within each green."""
    for group in plan.groups:
        for i, run in enumerate(shown.runs.get(group.id, ())):
            if not run.ends:
                continue
            following = shown.runs[group.id][i + 1] if i + 1 < len(shown.runs[group.id]) else None
            yield from _amber(plan, shown, group, run, following)
            length_s = run.end_s - run.start_s
            if run.whole and group.flashing_green_s > length_s + TOLERANCE_S:
                message = (
                    f"junction {plan.junction}: group {group.id} flashes for {seconds(group.flashing_green_s)} "
                    f"of a green of {seconds(length_s)}"
                )
                at_s = shown.at(run.start_s)
                required_s = group.flashing_green_s
                yield Finding(
                    plan.junction, Rule.FLASHING_GREEN, (group.id,), at_s, round(length_s, 6), required_s, message
                )


def _amber(
    plan: ControllerPlan, shown: History, group: SignalGroup, run: Run, following: Run | None
) -> Iterator[Finding]:
    amber_s = run.parts[-1].amber_s
    floor_s = AMBER_FLOOR_S[group.kind]
    at_s = shown.at(run.end_s)
    if amber_s < floor_s - TOLERANCE_S:
        message = (
            f"junction {plan.junction}: group {group.id} has {seconds(amber_s)} of amber, less than {seconds(floor_s)}"
        )
        yield Finding(plan.junction, Rule.AMBER_TOO_SHORT, (group.id,), at_s, amber_s, floor_s, message)
    on_red = [part.start_s for part in shown.on_red.get(group.id, ()) if part.start_s >= run.end_s - TOLERANCE_S]
    next_s = min([*on_red[:1], *([following.start_s] if following else [])], default=shown.end_s)
    gap_s = round(next_s - run.end_s, 6)
    if next_s < shown.end_s and gap_s < amber_s - TOLERANCE_S:
        message = (
            f"junction {plan.junction}: {seconds(gap_s)} between two greens of group {group.id} "
            f"do not hold its amber of {seconds(amber_s)}"
        )
        yield Finding(plan.junction, Rule.AMBER_DOES_NOT_FIT, (group.id,), at_s, gap_s, amber_s, message)
        return
    if following is None:
        return
    red_s = round(following.start_s - run.end_s, 6)
    required_s = amber_s + group.red_amber_s
    if red_s < required_s - TOLERANCE_S:
        message = (
            f"junction {plan.junction}: {seconds(red_s)} between two greens of group {group.id} "
            f"do not hold amber and red-amber of {seconds(required_s)}"
        )
        yield Finding(plan.junction, Rule.RED_AMBER_DOES_NOT_FIT, (group.id,), at_s, red_s, required_s, message)
