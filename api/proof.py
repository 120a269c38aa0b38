"""The proof of a plan: what it may break at all, and its verdict in SUMO with every recorded signal state checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from api.errors import UnsafePlanError
from optimiser.demand import Demand
from optimiser.lane_flows import junction_demand
from optimiser.rules import Rules
from optimiser.safety import Finding, check_log, check_network_against, check_network_plan, check_plan
from optimiser.saturation import keeps_saturation, limits_saturation
from optimiser.settings import ModelSettings
from optimiser.signals import ControllerPlan, Network, NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.journal import Journal
from sumo_networks.moves import Freedom
from sumo_networks.priority_control import write_priority
from sumo_networks.programs import write_programs
from sumo_networks.recorded_states import signal_logs
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.repaired import repaired_network_plan
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Run
from sumo_networks.verdict import Side, Verdict
from sumo_networks.verify import verify


@dataclass(frozen=True)
class ProofEffort:
    """How much a verdict simulates: its seeds, factors on the demand, whether runs go on until all have left, and how
    many simulations run at once."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    robustness: tuple[float, ...] = (0.9, 1.1)
    cleared: bool = True
    workers: int = 1


def prove(
    scenario: Scenario,
    model: CityModel,
    plan: NetworkPlan,
    programs: Path,
    rules: Rules,
    effort: ProofEffort,
    work: Path,
    tell: Callable[[float], None],
    journal: Journal | None = None,
) -> Verdict:
    """The plan against the shipped programs on the verdict's seeds, every recorded signal state checked; the bus
    priority of its controllers runs in the loop."""
    planned = {controller.junction: controller for controller in plan.controllers}

    def check(side: Side, run: Run) -> list[Finding]:
        if run.tls_states is None:
            return []
        found: list[Finding] = []
        for name, log in signal_logs(run.tls_states, model.bindings).items():
            running = model.network.junction(name).running
            found += check_log(log, planned.get(name, running) if side is Side.CANDIDATE else running)
        return found

    return verify(
        scenario,
        programs,
        plan_id=plan.id,
        network_hash=plan.network_hash,
        seeds=effort.seeds,
        folder=work,
        check=check,
        limits=regression_limits(rules),
        workers=effort.workers,
        progress=lambda done, total: tell(done / max(1, total)),
        robustness=effort.robustness,
        repaired=_repaired_programs(model, rules, work),
        priority=write_priority(plan, model, scenario, work / "priority.json"),
        cleared=effort.cleared,
        journal=journal,
    )


def regression_limits(rules: Rules) -> RegressionLimits:
    """How much worse a place may surely get, as the engineer has it."""
    return RegressionLimits(
        default_s=rules.verdict.regression_limit_s,
        junctions=rules.junction_regression_limits_s(),
        lines=rules.line_regression_limits_s(),
    )


def _repaired_programs(model: CityModel, rules: Rules, work: Path) -> Path | None:
    """The shipped programs made to keep the profile, as a file; None where they keep it already."""
    repaired = repaired_network_plan(model.network, rules.profile or "")
    if all(plan == model.network.junction(plan.junction).running for plan in repaired.controllers):
        return None
    work.mkdir(parents=True, exist_ok=True)
    write_programs(repaired, model.bindings, work / "repaired.add.xml")
    return work / "repaired.add.xml"


def refuse_unsafe(plan: NetworkPlan, network: Network, source: Path) -> None:
    """Raise UnsafePlanError where a controller's plan breaks a rule that the junction's running plan does not break."""
    known = {junction.id: _broken(junction.running) for junction in network.junctions}
    found = [
        finding
        for finding in (*check_network_plan(plan), *check_network_against(plan, network))
        if (finding.rule.value, finding.groups) not in known.get(finding.junction, frozenset())
    ]
    if found:
        first = found[0]
        raise UnsafePlanError(
            f"{source}: unsafe, {len(found)} findings, first at {first.junction or 'the whole plan'}: {first.message}",
            found,
        )


def freedom_of(network: Network, rules: Rules, demand: Demand, settings: ModelSettings) -> Freedom:
    """What the search may change: no rule of the engineer, and nothing that the running plan does not break already."""
    known = {junction.id: _broken(junction.running) for junction in network.junctions}
    cycles_s = rules.cycles_s
    limited = {j.id: junction_demand(j, demand, rules) for j in network.junctions if limits_saturation(j)}

    def safe(plan: ControllerPlan) -> bool:
        return (
            (not cycles_s or plan.cycle_s in cycles_s)
            and _broken(plan) <= known[plan.junction]
            and (plan.junction not in limited or keeps_saturation(limited[plan.junction], plan, settings))
        )

    return Freedom(
        safe=safe,
        fixed_junctions=frozenset(junction.id for junction in network.junctions if junction.locked),
        fixed_stages=frozenset(
            (name, stage) for name, junction in rules.junctions.items() for stage in junction.locked_stages
        ),
        fixed_cycle=frozenset(junction.id for junction in network.junctions) if rules.cycle_s else frozenset(),
    )


def _broken(plan: ControllerPlan) -> frozenset[tuple[str, tuple[str, ...]]]:
    return frozenset((finding.rule.value, finding.groups) for finding in check_plan(plan))
