"""Check of a plan before it runs: its own consistency, then every rule on the greens it will show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from optimiser.safety.findings import AMBER_FLOOR_S, TOLERANCE_S, Finding, Rule, seconds, worst_findings
from optimiser.safety.greens import green_rules
from optimiser.safety.history import History, Run, unroll
from optimiser.safety.stages import stage_rules
from optimiser.safety.structure import structure_rules, unreadable
from optimiser.signals import ControllerPlan, NetworkPlan, SignalGroup


def check_plan(plan: ControllerPlan) -> tuple[Finding, ...]:
    """All rules that `plan` breaks, the worst case of each, sorted; empty where it is safe to run.

    The rules are those the plan carries (minimum greens, intergreen matrix, conflicts, pedestrians, limits) and floors
    that no plan may go under (4 s of green, 3 s of amber, 2 s for bicycles). Never raises: a plan whose numbers cannot
    be read yields the findings on these alone."""
    faults = list(unreadable(plan))
    if faults:
        return worst_findings(faults)
    shown = unroll(plan)
    return worst_findings(
        [
            *structure_rules(plan),
            *_never_green(plan),
            *_intergreens_listed(plan),
            *_changes_of_signal(plan, shown),
            *green_rules(shown, plan),
            *stage_rules(plan),
            *_priority_lines(plan),
        ]
    )


def check_network_plan(plan: NetworkPlan) -> tuple[Finding, ...]:
    """Findings of all controllers of `plan`, and of the whole: a junction twice, a plan for another network."""
    found = [finding for controller in plan.controllers for finding in check_plan(controller)]
    for junction, count in Counter(controller.junction for controller in plan.controllers).items():
        if count > 1:
            message = f"junction {junction} has {count} plans in one network plan"
            found.append(Finding(junction, Rule.DUPLICATE, (), 0.0, float(count), 1.0, message))
    for controller in plan.controllers:
        if controller.network_hash != plan.network_hash:
            message = (
                f"junction {controller.junction}: its plan is for network {controller.network_hash}, "
                f"the network plan for {plan.network_hash}"
            )
            found.append(Finding(controller.junction, Rule.OTHER_NETWORK, (), 0.0, None, None, message))
    return worst_findings(found)


def _never_green(plan: ControllerPlan) -> Iterator[Finding]:
    for group in plan.groups:
        if not group.unused and not plan.greens.get(group.id):
            message = f"junction {plan.junction}: group {group.id} never gets green"
            yield Finding(plan.junction, Rule.NEVER_GREEN, (group.id,), 0.0, 0.0, group.min_green_s, message)


def _priority_lines(plan: ControllerPlan) -> Iterator[Finding]:
    """Seconds given to no line are read as none by one controller and as any line's by another."""
    given_s = max(plan.priority.max_extension_s, plan.priority.max_early_green_s)
    if given_s > TOLERANCE_S and not plan.priority.lines:
        message = f"junction {plan.junction}: bus priority of {seconds(given_s)} names no line it is for"
        yield Finding(plan.junction, Rule.PRIORITY_WITHOUT_LINES, (), 0.0, given_s, 0.0, message)


def _intergreens_listed(plan: ControllerPlan) -> Iterator[Finding]:
    dark = {group.id for group in plan.groups if group.unused and not plan.greens.get(group.id)}
    listed = {(intergreen.clearing, intergreen.entering) for intergreen in plan.intergreens}
    for conflict in plan.conflicts:
        if conflict.yields or conflict.first == conflict.second or {conflict.first, conflict.second} & dark:
            continue
        for pair in ((conflict.first, conflict.second), (conflict.second, conflict.first)):
            if pair not in listed:
                message = f"junction {plan.junction}: no intergreen is given from {pair[0]} to {pair[1]}"
                yield Finding(plan.junction, Rule.INTERGREEN_MISSING, pair, 0.0, None, None, message)


def _changes_of_signal(plan: ControllerPlan, shown: History) -> Iterator[Finding]:
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
