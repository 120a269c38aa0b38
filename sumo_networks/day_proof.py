"""The proof that a day of plans may run: SUMO shows every change of it, and every state it showed is checked.

Fixed-time signals show the same whatever drives, so the runs are without traffic and only as long as the changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from optimiser.safety import Finding, check_log, check_plan
from optimiser.signals import ControllerPlan
from optimiser.transition_costs import plans_of
from optimiser.transitions import Transition
from sumo_networks.bindings import CityModel
from sumo_networks.day_programs import DayPeriod, write_day_programs
from sumo_networks.errors import SimulationError
from sumo_networks.recorded_states import recorded_states, signal_logs
from sumo_networks.scenario import Scenario
from sumo_networks.signal_states import shown_at
from sumo_networks.simulate import simulate

CYCLES_AROUND = 2
"""A run shows so many cycles of the plan before a change and of the plan after."""


@dataclass(frozen=True)
class ChangeProof:
    """One change of a day as SUMO showed it from `begin_s` to `end_s`: what it breaks that neither plan does."""

    begin_s: float
    end_s: float
    junctions: int
    findings: tuple[Finding, ...]


def prove_changes(
    scenario: Scenario, model: CityModel, periods: Sequence[DayPeriod], folder: Path
) -> tuple[ChangeProof, ...]:
    """Every change of a day in SUMO, each in a run of its own under `folder`.

    Raises SimulationError, also where SUMO did not show the old plan before a change and the new one after it, and
    PlanMismatchError where changes overlap."""
    return tuple(
        _prove(scenario, model, periods, i, folder / f"change_{i}")
        for i, period in enumerate(periods)
        if period.begins_with.changes
    )


def _prove(scenario: Scenario, model: CityModel, periods: Sequence[DayPeriod], i: int, folder: Path) -> ChangeProof:
    changes = periods[i].begins_with.changes
    before, after = (plans_of(model.network, periods[k].plan) for k in (i - 1, i))
    longest_s = max(plan.cycle_s for plans in (before, after) for plan in plans.values())
    begin_s = max(0.0, float(int(min(c.leaves_s for c in changes) - CYCLES_AROUND * longest_s)))
    end_s = float(int(max(c.in_step_s for c in changes) + CYCLES_AROUND * longest_s) + 1)
    folder.mkdir(parents=True, exist_ok=True)
    programs = folder / "day.add.xml"
    write_day_programs(model.network, model.bindings, periods, programs, begin_s)
    empty = replace(scenario, routes=(), begin_s=begin_s, end_s=end_s)
    run = simulate(empty, 0, folder, plan=programs)
    assert run.tls_states is not None
    findings: list[Finding] = []
    for junction, log in signal_logs(run.tls_states, model.bindings).items():
        known = _broken(before[junction]) | _broken(after[junction])
        findings += [f for f in check_log(log, after[junction]) if (f.rule.value, f.groups) not in known]
    if not findings:
        _check_shown(run.tls_states, model, before, after, changes)
    return ChangeProof(begin_s, end_s, len(changes), tuple(findings))


def _check_shown(
    states: Path,
    model: CityModel,
    before: Mapping[str, ControllerPlan],
    after: Mapping[str, ControllerPlan],
    changes: Sequence[Transition],
) -> None:
    """A proof is one of the programs that are to run, whatever SUMO made of the switches."""
    recorded = recorded_states(states)
    for change in changes:
        binding = model.bindings[change.junction]
        record = recorded[binding.tls]
        for time_s, state in zip(record.times_s, record.states, strict=True):
            if change.leaves_s <= time_s < change.in_step_s:
                continue
            plan = (before if time_s < change.leaves_s else after)[change.junction]
            if state != shown_at(plan, binding, time_s):
                raise SimulationError(
                    f"junction {change.junction}: {time_s:.0f} s into the day SUMO did not show the plan that is to "
                    "run then; the programs of the day do not do what they say"
                )


def _broken(plan: ControllerPlan) -> set[tuple[str, tuple[str, ...]]]:
    return {(finding.rule.value, finding.groups) for finding in check_plan(plan)}
