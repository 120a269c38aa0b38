"""Check of a plan before it runs: its own consistency, then every rule on the greens it will show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from optimiser.safety.changes import signal_changes
from optimiser.safety.detours import detour_rules
from optimiser.safety.findings import TOLERANCE_S, Finding, Rule, seconds, worst_findings
from optimiser.safety.greens import green_rules
from optimiser.safety.history import unroll
from optimiser.safety.stages import stage_rules
from optimiser.safety.structure import structure_rules, unreadable
from optimiser.signals import SCHEMA_VERSION, ControllerPlan, NetworkPlan


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
            *signal_changes(plan, shown),
            *green_rules(shown, plan),
            *stage_rules(plan),
            *_priority_lines(plan),
            *detour_rules(plan),
        ]
    )


def check_network_plan(plan: NetworkPlan) -> tuple[Finding, ...]:
    """Findings of all controllers of `plan`, and of the whole: another schema version, a junction twice, a plan for
    another network."""
    found = [finding for controller in plan.controllers for finding in check_plan(controller)]
    if plan.schema_version != SCHEMA_VERSION:
        message = f"the network plan has schema version {plan.schema_version}, this checker knows {SCHEMA_VERSION}"
        found.append(Finding("", Rule.SCHEMA_VERSION, (), 0.0, None, None, message))
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
    if (given_s > TOLERANCE_S or plan.priority.detours) and not plan.priority.lines:
        what = f"bus priority of {seconds(given_s)}" if given_s > TOLERANCE_S else "a detour for buses"
        message = f"junction {plan.junction}: {what} names no line it is for"
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
