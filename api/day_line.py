"""The line of a week: a scenario and its demand profile in, a week table with proved plans and changes out."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from api.city import PROFILE, read_city
from api.errors import UnsafePlanError
from api.explanation import read_demand
from api.proof import refuse_unsafe
from api.run import observe
from api.run_options import RunOptions
from api.step_clock import Progress, StepClock
from api.week_picture import week_picture
from optimiser.day_plans import DaySettings, TypedDay, WeekPlans, day_plans
from optimiser.demand import Demand
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import canonical_json
from sumo_networks.bindings import CityModel
from sumo_networks.day_programs import DayPeriod, write_day_programs
from sumo_networks.day_proof import ChangeProof, prove_changes
from sumo_networks.demand_profile import long_intervals, read_demand_profile
from sumo_networks.programs import write_programs
from sumo_networks.scenario import Scenario, load_scenario

WEEK_FILE: Final = "week.json"


@dataclass(frozen=True)
class WeekOptions:
    """What a person may choose of a week. `demand` is the base of the profile, a demand.json; without it the scenario
    is observed as `jasyl optimise` does, from `feeds` and `flows` where these are given."""

    profile: Path
    demand: Path | None = None
    feeds: Path | None = None
    flows: Path | None = None
    rules: Rules = field(default_factory=Rules)
    day: DaySettings = field(default_factory=DaySettings)
    settings: ModelSettings = field(default_factory=ModelSettings)


@dataclass(frozen=True)
class WeekResult:
    """Where the week table is, what it says, how many changes SUMO has shown, and what a person should know of the
    profile, a sentence each."""

    folder: Path
    week: WeekPlans
    proofs: dict[str, tuple[ChangeProof, ...]]
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> int:
        """Changes of plan in all types of day."""
        return sum(len(proofs) for proofs in self.proofs.values())


def run_week(scenario_path: Path, out: Path, options: WeekOptions, progress: Progress | None = None) -> WeekResult:
    """Day plans for the profile. Leaves in `out`: plans/ (plan-1.json, plan-1.add.xml, …), an additional file for each
    type of day, week.svg, week.run.json (what everything costs and how changes go), and last week.json.

    No week.json is written where a plan or a change breaks a rule that the running programs keep: UnsafePlanError.
    Raises the errors of the rooms, each a sentence for a person."""
    clock = StepClock(progress)
    scenario = load_scenario(scenario_path)
    out.mkdir(parents=True, exist_ok=True)
    (out / WEEK_FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="jasyl-week-") as name:
        work = Path(name)
        model, base = _observed(scenario, out, work, options, clock)
        profiles = read_demand_profile(options.profile, base, model, scenario.net)
        week = day_plans(
            model.network,
            profiles,
            options.rules,
            settings=options.settings,
            options=options.day,
            profile=options.rules.profile or PROFILE,
            progress=progress,
        )
        for plan in week.plans:
            refuse_unsafe(plan, model.network, out / WEEK_FILE)
        proofs = _proved(scenario, model, week, work, clock)
    _write(week, proofs, model, scenario, out)
    return WeekResult(out, week, proofs, long_intervals(profiles))


def _observed(
    scenario: Scenario, out: Path, work: Path, options: WeekOptions, clock: StepClock
) -> tuple[CityModel, Demand]:
    """The network and the base demand."""
    if options.demand is not None:
        model = read_city(scenario, options.rules)
        return model, read_demand(options.demand, model.network)
    observed = RunOptions(rules=options.rules)
    model, measured = observe(scenario, out, work, observed, clock, options.feeds, options.flows)
    return model, measured.demand


def day_periods(week: WeekPlans, day: TypedDay) -> tuple[DayPeriod, ...]:
    """The periods of a day as SUMO's side wants them."""
    plans = {plan.id: plan for plan in week.plans}
    return tuple(DayPeriod(plans[period.plan], period.begins_with) for period in day.periods)


def _proved(
    scenario: Scenario, model: CityModel, week: WeekPlans, work: Path, clock: StepClock
) -> dict[str, tuple[ChangeProof, ...]]:
    """Every change of every type of day in SUMO. Raises UnsafePlanError where one breaks a rule."""
    tell = clock.step("changes in SUMO")
    found = {}
    for number, day in enumerate(week.days):
        found[day.type.name] = prove_changes(scenario, model, day_periods(week, day), work / f"day_{number}")
        tell((number + 1) / len(week.days))
    for name, proofs in found.items():
        for proof in proofs:
            if proof.findings:
                first = proof.findings[0]
                raise UnsafePlanError(
                    f"{name}: the change of plan at {proof.begin_s:g} to {proof.end_s:g} s is unsafe in SUMO, "
                    f"{len(proof.findings)} findings, first: {first.message}",
                    list(proof.findings),
                )
    return found


def _write(
    week: WeekPlans, proofs: dict[str, tuple[ChangeProof, ...]], model: CityModel, scenario: Scenario, out: Path
) -> None:
    plans = out / "plans"
    plans.mkdir(exist_ok=True)
    for plan in week.plans:
        name = file_name(week.table.names[plan.id])
        (plans / f"{name}.json").write_text(canonical_json(plan) + "\n", encoding="utf-8")
        write_programs(plan, model.bindings, plans / f"{name}.add.xml")
    for day in week.days:
        programs = out / f"{file_name(day.type.name)}.add.xml"
        write_day_programs(model.network, model.bindings, day_periods(week, day), programs, scenario.begin_s)
    (out / "week.svg").write_text(week_picture(week), encoding="utf-8")
    content = {day.type.name: _told(day, week.table.names, proofs[day.type.name]) for day in week.days}
    text = json.dumps({"days": content}, indent=1, ensure_ascii=False)
    (out / "week.run.json").write_text(text + "\n", encoding="utf-8")
    (out / WEEK_FILE).write_text(canonical_json(week.table) + "\n", encoding="utf-8")


def _told(day: TypedDay, names: dict[str, str], proofs: tuple[ChangeProof, ...]) -> dict[str, object]:
    """What a day costs by the model, period by period, and how each junction changes."""
    return {
        "person_s": round(day.person_s),
        "one_plan_person_s": round(day.one_plan_person_s),
        "running_person_s": round(day.running_person_s),
        "found_s": day.found_s,
        "periods": [
            {
                "begin_s": period.begin_s,
                "end_s": period.end_s,
                "plan": names[period.plan],
                "person_s": round(period.person_s),
                "change_s": round(period.begins_with.seconds, 1),
                "change_person_s": round(period.begins_with.person_s),
                "changes": [
                    {
                        "junction": c.junction,
                        "leaves_s": c.leaves_s,
                        "in_step_s": c.in_step_s,
                        "cycles": len(c.cycles_s),
                    }
                    for c in period.begins_with.changes
                ],
            }
            for period in day.periods
        ],
        "proved_in_sumo": [{"begin_s": proof.begin_s, "end_s": proof.end_s} for proof in proofs],
    }


def file_name(name: str) -> str:
    """A name of a plan or type of day as that of a file."""
    return name.replace(" ", "-")
