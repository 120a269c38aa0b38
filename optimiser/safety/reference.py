"""Check that a plan from outside carries rules no weaker than the junction it is for.

`check_plan` believes the rules a plan carries. A plan that comes by file or HTTP may have had them loosened, so that
door asks both `check_plan` and `check_against`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from optimiser.safety.findings import TOLERANCE_S, Finding, Rule, seconds, worst_findings
from optimiser.signals import (
    Conflict,
    ControllerPlan,
    GreenInterval,
    GroupLimits,
    Intergreen,
    Interstage,
    Junction,
    Network,
    NetworkPlan,
    Pedestrians,
    SignalGroup,
)


@dataclass(frozen=True)
class _Rules:
    """What a plan must not weaken; `ambers_s` is the shortest amber each group shows in the reference."""

    junction: str
    network_hash: str
    groups: dict[str, SignalGroup]
    ambers_s: dict[str, float]
    conflicts: tuple[Conflict, ...]
    intergreens: tuple[Intergreen, ...]
    pedestrians: tuple[Pedestrians, ...]
    limits: dict[str, GroupLimits]
    max_cycle_s: float


def check_against(plan: ControllerPlan, reference: Junction | ControllerPlan) -> tuple[Finding, ...]:
    """Rules of `reference` that `plan` lacks or carries weaker: groups, minimum greens, ambers, conflicts, intergreens,
    pedestrian times, longest reds, longest cycle; sorted, empty where none. Never raises.

    `reference` is the junction as read from the net (after the engineer's rules, where they widen limits), or a plan
    that is known to be right. Stricter rules and further ones are allowed. The greens themselves are judged by
    `check_plan`."""
    rules = _rules(reference)
    if plan.junction != rules.junction:
        message = f"a plan for junction {plan.junction} cannot run at junction {rules.junction}"
        return (Finding(rules.junction, Rule.OTHER_JUNCTION, (), 0.0, None, None, message),)
    found: list[Finding] = []
    if plan.network_hash != rules.network_hash:
        message = f"the plan is for network {plan.network_hash}, the junction is of network {rules.network_hash}"
        found.append(_finding(plan, Rule.OTHER_NETWORK, (), message))
    found += _groups(plan, rules)
    found += _ambers(plan, rules)
    found += _conflicts(plan, rules)
    found += _intergreens(plan, rules)
    found += _pedestrians(plan, rules)
    found += _limits(plan, rules)
    return worst_findings(found)


def check_network_against(plan: NetworkPlan, network: Network) -> tuple[Finding, ...]:
    """`check_against` for every controller of `plan`; one of a junction that `network` has not is a finding."""
    junctions = {junction.id: junction for junction in network.junctions}
    found: list[Finding] = []
    for controller in plan.controllers:
        if controller.junction in junctions:
            found += check_against(controller, junctions[controller.junction])
        else:
            message = f"the plan has a junction {controller.junction} that the network has not"
            found.append(Finding(controller.junction, Rule.OTHER_JUNCTION, (), 0.0, None, None, message))
    return worst_findings(found)


def _rules(reference: Junction | ControllerPlan) -> _Rules:
    running = reference.running if isinstance(reference, Junction) else reference
    changes = list(running.interstages)
    if isinstance(reference, Junction):
        changes += [change for sequence in reference.sequences for change in sequence.interstages]
    return _Rules(
        junction=reference.id if isinstance(reference, Junction) else reference.junction,
        network_hash=running.network_hash,
        groups={group.id: group for group in reference.groups},
        ambers_s=_least_ambers_s(reference.groups, running.greens, changes),
        conflicts=reference.conflicts,
        intergreens=reference.intergreens,
        pedestrians=reference.pedestrians,
        limits=reference.limits,
        max_cycle_s=max(reference.max_cycle_s, running.cycle_s),
    )


def _least_ambers_s(
    groups: Iterable[SignalGroup], greens: dict[str, tuple[GreenInterval, ...]], changes: Iterable[Interstage]
) -> dict[str, float]:
    ambers_s = {group.id: [group.amber_s] for group in groups}
    for group, intervals in greens.items():
        ambers_s.setdefault(group, []).extend(i.amber_s for i in intervals if i.amber_s is not None)
    for change in changes:
        for group, amber_s in change.amber_s.items():
            ambers_s.setdefault(group, []).append(amber_s)
        for group, intervals in change.greens.items():
            ambers_s.setdefault(group, []).extend(i.amber_s for i in intervals if i.amber_s is not None)
    return {group: min(shown) for group, shown in ambers_s.items() if shown}


def _groups(plan: ControllerPlan, rules: _Rules) -> Iterator[Finding]:
    carried = {group.id for group in plan.groups}
    for name in sorted(set(rules.groups) - carried):
        yield _finding(plan, Rule.OTHER_GROUPS, (name,), f"the plan lacks group {name} of the junction")
    for group in plan.groups:
        known = rules.groups.get(group.id)
        if known is None:
            yield _finding(
                plan, Rule.OTHER_GROUPS, (group.id,), f"the plan has a group {group.id} the junction has not"
            )
            continue
        if group.kind is not known.kind:
            message = f"the plan makes group {group.id} a {group.kind} group, it is a {known.kind} group"
            yield _finding(plan, Rule.OTHER_GROUPS, (group.id,), message)
        if group.unused and not known.unused:
            message = f"the plan gives group {group.id} out as unused, traffic moves under it"
            yield _finding(plan, Rule.OTHER_GROUPS, (group.id,), message)
        yield from _less(
            plan, Rule.WEAKER_MIN_GREEN, (group.id,), "the minimum green", group.min_green_s, known.min_green_s
        )


def _ambers(plan: ControllerPlan, rules: _Rules) -> Iterator[Finding]:
    of_detours = (change for detour in plan.priority.detours for change in detour.interstages)
    shown_s = _least_ambers_s(plan.groups, plan.greens, [*plan.interstages, *of_detours])
    for group in plan.groups:
        known = rules.groups.get(group.id)
        if known is None:
            continue
        names = (group.id,)
        least_s = rules.ambers_s[group.id]
        yield from _less(plan, Rule.WEAKER_AMBER, names, "the amber", shown_s[group.id], least_s)
        yield from _less(plan, Rule.WEAKER_AMBER, names, "the red-amber", group.red_amber_s, known.red_amber_s)
        flashing_s, known_s = group.flashing_green_s, known.flashing_green_s
        yield from _less(plan, Rule.WEAKER_AMBER, names, "the flashing green", flashing_s, known_s)


def _conflicts(plan: ControllerPlan, rules: _Rules) -> Iterator[Finding]:
    carried: dict[frozenset[str], set[str]] = {}
    for conflict in plan.conflicts:
        carried.setdefault(frozenset((conflict.first, conflict.second)), set()).add(conflict.yields)
    for known in rules.conflicts:
        pair = (known.first, known.second)
        yields = carried.get(frozenset(pair))
        if yields is None:
            message = f"the plan leaves out the conflict of groups {pair[0]} and {pair[1]}"
            yield _finding(plan, Rule.WEAKER_CONFLICT, pair, message)
        elif yields - {"", known.yields}:
            message = (
                f"the plan lets {' and '.join(sorted(yields - {''}))} give way between groups {pair[0]} and {pair[1]}, "
                + (f"where {known.yields} gives way" if known.yields else "which must never be green together")
            )
            yield _finding(plan, Rule.WEAKER_CONFLICT, pair, message)


def _intergreens(plan: ControllerPlan, rules: _Rules) -> Iterator[Finding]:
    carried: dict[tuple[str, str], float] = {}
    for intergreen in plan.intergreens:
        pair = (intergreen.clearing, intergreen.entering)
        carried[pair] = max(intergreen.seconds, carried.get(pair, 0.0))
    for known in rules.intergreens:
        pair = (known.clearing, known.entering)
        what = "the intergreen"
        yield from _less(plan, Rule.WEAKER_INTERGREEN, pair, what, carried.get(pair, 0.0), known.seconds)


def _pedestrians(plan: ControllerPlan, rules: _Rules) -> Iterator[Finding]:
    carried = {rule.group: rule for rule in plan.pedestrians}
    for known in rules.pedestrians:
        names = (known.group,)
        rule = carried.get(known.group)
        if rule is None:
            message = f"the plan leaves out the pedestrian times of group {known.group}"
            yield _finding(plan, Rule.WEAKER_PEDESTRIANS, names, message)
            continue
        yield from _less(plan, Rule.WEAKER_PEDESTRIANS, names, "the walk time", rule.walk_s, known.walk_s)
        yield from _less(
            plan, Rule.WEAKER_PEDESTRIANS, names, "the clearance time", rule.clearance_s, known.clearance_s
        )
        if not rule.max_wait_s <= known.max_wait_s + TOLERANCE_S:
            message = (
                f"the plan lets pedestrians at {known.group} wait {seconds(rule.max_wait_s)}, "
                f"the junction {seconds(known.max_wait_s)}"
            )
            yield _finding(plan, Rule.WEAKER_PEDESTRIANS, names, message, rule.max_wait_s, known.max_wait_s)
        if rule.on_demand and not known.on_demand:
            message = f"the plan serves pedestrians at {known.group} on demand alone, the junction every cycle"
            yield _finding(plan, Rule.WEAKER_PEDESTRIANS, names, message)


def _limits(plan: ControllerPlan, rules: _Rules) -> Iterator[Finding]:
    for group, known in sorted(rules.limits.items()):
        if known.max_red_s is None:
            continue
        carried = plan.limits.get(group)
        max_red_s = None if carried is None else carried.max_red_s
        if max_red_s is None or not max_red_s <= known.max_red_s + TOLERANCE_S:
            allowed = "without limit" if max_red_s is None else f"for {seconds(max_red_s)}"
            message = f"the plan lets group {group} be red {allowed}, the junction for {seconds(known.max_red_s)}"
            yield _finding(plan, Rule.WEAKER_LIMITS, (group,), message, max_red_s, known.max_red_s)
    if not plan.cycle_s <= rules.max_cycle_s + TOLERANCE_S:
        message = f"a cycle of {seconds(plan.cycle_s)} is over the {seconds(rules.max_cycle_s)} of the junction"
        yield _finding(plan, Rule.MAX_CYCLE, (), message, plan.cycle_s, rules.max_cycle_s)


def _less(
    plan: ControllerPlan, rule: Rule, groups: tuple[str, ...], what: str, carried_s: float, required_s: float
) -> Iterator[Finding]:
    """A finding where the plan carries less than the reference; a value that is no number is less."""
    if not carried_s >= required_s - TOLERANCE_S:
        message = (
            f"{what} of {', '.join(groups)} is {seconds(carried_s)} in the plan, {seconds(required_s)} at the junction"
        )
        yield _finding(plan, rule, groups, message, carried_s, required_s)


def _finding(
    plan: ControllerPlan,
    rule: Rule,
    groups: tuple[str, ...],
    message: str,
    measured: float | None = None,
    required: float | None = None,
) -> Finding:
    return Finding(plan.junction, rule, groups, 0.0, measured, required, f"junction {plan.junction}: {message}")
