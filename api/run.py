"""The main job: a scenario in, a proved plan out. Composes the rooms in the order of the data, writes every result."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from api.card_key import card_key
from api.city import read_city
from api.feeds import FEEDS_SEED, gather_feeds
from api.priority import PriorityFound, add_priority
from api.proof import ProofEffort, prove
from api.report import write_report
from api.run_options import RunOptions
from api.search import earlier_plan, find_plan
from api.step_clock import Progress, StepClock
from mobility.errors import FeedError
from mobility.pipeline import build_flows
from mobility.summary import SUMMARY
from optimiser.evaluation import evaluate
from optimiser.result import OptimisationResult
from optimiser.signals import NetworkPlan, canonical_json, content_hash
from sumo_networks.bindings import CityModel
from sumo_networks.calibrate import calibrate
from sumo_networks.demand import MeasuredDemand, build_demand
from sumo_networks.journal import Journal
from sumo_networks.polish import Budget, Polished
from sumo_networks.programs import write_programs
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.verdict import Verdict

SIMULATED_CARDS_KEY: Final = b"cards of simulated people need no secret"
RESULTS: Final = ("demand.json", "plan.json", "plan.add.xml", "verdict.json", "run.json", "report.html")
PREVIOUS: Final = "previous"
JOURNAL: Final = "journal.jsonl"
VERSIONS_OF: Final = ("jasyl", "eclipse-sumo", "pyomo", "highspy", "polars")


@dataclass(frozen=True)
class Optimised:
    """The plan found; `kept`: by junction why it keeps its program."""

    polished: Polished
    kept: Mapping[str, str]


@dataclass(frozen=True)
class RunResult:
    """Where a run left its results, and what they say; `kept`: by junction why it keeps its program, `polished`: how
    the search went."""

    folder: Path
    plan: NetworkPlan
    verdict: Verdict
    report: Path
    kept: Mapping[str, str]
    polished: Polished


def run_line(scenario_path: Path, out: Path, options: RunOptions, progress: Progress | None = None) -> RunResult:
    """Taps, positions and counts of the scenario into flows, these into a plan, the plan into a verdict.

    Leaves in `out`: feeds/, flows/, demand.json, plan.json, plan.add.xml, verdict.json, run.json, report.html; what an
    earlier run left of these files goes to previous/.
    The same arguments give the same plan.json and verdict.json, byte for byte; a run that was killed goes on from the
    last simulation it had measured when it is started again.
    Raises the errors of the rooms, each a sentence for a person."""
    clock = StepClock(progress)
    scenario = load_scenario(scenario_path, options.begin_s, options.end_s)
    set_aside(out)
    with tempfile.TemporaryDirectory(prefix="jasyl-run-") as name:
        work = Path(name)
        model, demand = observe(scenario, out, work, options, clock)
        journal = journal_in(out, model)
        found = find_plan(scenario, model, demand.demand, options, work, clock, journal)
        polished, priority = priority_step(scenario, found.model, demand, found.polished, options, work, clock, journal)
        write_plan(polished.plan, model, out)
        verdict = prove_step(scenario, model, polished.plan, out / "plan.add.xml", options, work, clock, journal)
    (out / "verdict.json").write_text(verdict.to_json(), encoding="utf-8")
    _write_run(out / "run.json", scenario, options, found.result, polished, priority, clock)
    tell = clock.step("report")
    report = write_report(
        out / "report.html",
        scenario,
        model,
        verdict,
        found.result,
        polished,
        evaluate(found.model.network, demand.demand, polished.plan, options.rules, options.settings),
        tuple(fault.message for fault in demand.faults),
    )
    journal.close()
    tell(1.0)
    return RunResult(out, polished.plan, verdict, report, _kept(model), polished)


def optimise_scenario(
    scenario_path: Path,
    out: Path,
    options: RunOptions,
    feeds: Path | None,
    flows: Path | None,
    progress: Progress | None = None,
) -> Optimised:
    """A plan from the scenario's feeds and flows, made first where none are given: plan.json and plan.add.xml in `out`.

    Raises the errors of the rooms."""
    clock = StepClock(progress)
    scenario = load_scenario(scenario_path, options.begin_s, options.end_s)
    set_aside(out)
    with tempfile.TemporaryDirectory(prefix="jasyl-optimise-") as name:
        work = Path(name)
        model, demand = observe(scenario, out, work, options, clock, feeds, flows)
        journal = journal_in(out, model)
        found = find_plan(scenario, model, demand.demand, options, work, clock, journal)
        polished, priority = priority_step(scenario, found.model, demand, found.polished, options, work, clock, journal)
    write_plan(polished.plan, model, out)
    _write_run(out / "run.json", scenario, options, found.result, polished, priority, clock)
    journal.close()
    return Optimised(polished, _kept(model))


def _kept(model: CityModel) -> dict[str, str]:
    """By junction that keeps its program the reason why."""
    locked = {junction.id: junction.locked_reason for junction in model.network.junctions if junction.locked}
    return locked | model.left_out


def verify_plan(
    scenario_path: Path, plan_path: Path, out: Path, options: RunOptions, progress: Progress | None = None
) -> Verdict:
    """Verdict on a plan file, written to verdict.json in `out`.

    Raises PlanMismatchError where the plan is for another network, UnsafePlanError where it breaks a safety rule that
    the running plan keeps (it is then not even simulated), and the errors of the rooms."""
    clock = StepClock(progress)
    scenario = load_scenario(scenario_path, options.begin_s, options.end_s)
    model = read_city(scenario, options.rules)
    plan = earlier_plan(plan_path, model)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jasyl-verify-") as name:
        work = Path(name)
        programs = work / "plan.add.xml"
        write_programs(plan, model.bindings, programs)
        journal = journal_in(out, model)
        verdict = prove_step(scenario, model, plan, programs, options, work, clock, journal)
    (out / "verdict.json").write_text(verdict.to_json(), encoding="utf-8")
    journal.close()
    return verdict


def set_aside(out: Path) -> None:
    """Make the folder; results of an earlier run in it go to its folder `previous`, so that a run which fails midway
    never leaves its first results beside an older verdict."""
    earlier = [out / name for name in RESULTS if (out / name).is_file()]
    (out / PREVIOUS if earlier else out).mkdir(parents=True, exist_ok=True)
    for file in earlier:
        file.replace(out / PREVIOUS / file.name)


def journal_in(out: Path, model: CityModel) -> Journal:
    """The simulations that a killed run of the same command left measured in the folder."""
    return Journal(out / JOURNAL, content_hash(model.network))


def observe(
    scenario: Scenario,
    out: Path,
    work: Path,
    options: RunOptions,
    clock: StepClock,
    feeds: Path | None = None,
    flows: Path | None = None,
) -> tuple[CityModel, MeasuredDemand]:
    """Feeds, flows, the network with calibrated lanes and the rules in it, and the demand at its stop lines.

    Raises FeedError where `flows` is not a flows folder."""
    if feeds is None:
        tell = clock.step("record feeds")
        feeds = gather_feeds(scenario, out / "feeds", lambda _, share: tell(share))
    if flows is None:
        tell = clock.step("flows")
        flows = out / "flows"
        key = options.card_key or (SIMULATED_CARDS_KEY if scenario.taps is None else card_key())
        build_flows(feeds, flows, key=key, progress=lambda _, share: tell(share))
        tell(1.0)
    elif not (flows / SUMMARY).is_file():
        raise FeedError(f"{flows}: no flows folder, {SUMMARY} is not in it; make one with `jasyl flows`")
    tell = clock.step("network and demand")
    model = read_city(scenario, options.rules)
    model = calibrate(scenario, model, work / "calibration", FEEDS_SEED).model
    tell(0.7)
    demand = build_demand(scenario, model, feeds, flows)
    (out / "demand.json").write_text(canonical_json(demand.demand) + "\n", encoding="utf-8")
    tell(1.0)
    return model, demand


def priority_step(
    scenario: Scenario,
    model: CityModel,
    demand: MeasuredDemand,
    polished: Polished,
    options: RunOptions,
    work: Path,
    clock: StepClock,
    journal: Journal,
) -> tuple[Polished, PriorityFound | None]:
    """The plan with the bus priority that pays, by the model and then in SUMO; as it is where the rules ask for none.
    The search's seeds judge here too."""
    if options.rules.priority is None:
        return polished, None
    tell = clock.step("bus priority")
    seeds = Budget(seeds=options.rules.polish.seeds).seed_numbers()
    effort = ProofEffort(seeds=seeds, workers=options.workers)
    found = add_priority(
        scenario,
        model,
        demand.demand,
        polished.plan,
        options.rules,
        options.settings,
        effort,
        work / "priority",
        tell,
        journal,
    )
    return replace(polished, plan=found.trial.plan), found


def write_plan(plan: NetworkPlan, model: CityModel, out: Path) -> Path:
    """plan.json and plan.add.xml in `out`; returns the additional file."""
    (out / "plan.json").write_text(canonical_json(plan) + "\n", encoding="utf-8")
    write_programs(plan, model.bindings, out / "plan.add.xml")
    return out / "plan.add.xml"


def prove_step(
    scenario: Scenario,
    model: CityModel,
    plan: NetworkPlan,
    programs: Path,
    options: RunOptions,
    work: Path,
    clock: StepClock,
    journal: Journal,
) -> Verdict:
    """The plan against the shipped programs on the verdict's seeds."""
    tell = clock.step("verify in SUMO")
    effort = ProofEffort(seeds=options.seeds, workers=options.workers)
    return prove(scenario, model, plan, programs, options.rules, effort, work / "verify", tell, journal)


def _write_run(
    path: Path,
    scenario: Scenario,
    options: RunOptions,
    result: OptimisationResult,
    polished: Polished,
    priority: PriorityFound | None,
    clock: StepClock,
) -> None:
    """run.json: what differs from run to run (times, versions) and how plan and verdict came about."""
    content = {
        "scenario": scenario.name,
        "begin_s": scenario.begin_s,
        "end_s": scenario.end_s,
        "zone": scenario.zone,
        "service_date": scenario.service_date,
        "seeds": options.seeds,
        "rules": options.rules.model_dump(mode="json"),
        "seconds": clock.seconds,
        "versions": {name: version(name) for name in VERSIONS_OF} | {"python": platform.python_version()},
        "optimiser": {
            "formulation": result.formulation,
            "status": result.status,
            "objective": result.objective,
            "bound": result.bound,
            "gap": result.gap,
            "nodes": result.nodes,
            "cycles_s": result.cycles_s,
            "running_objective": result.running.objective,
            "notes": result.notes,
            "build_s": round(result.build_s, 2),
            "solve_s": round(result.solve_s, 2),
            "solves": [asdict(entry) for entry in result.log],
        },
        "polish": {
            "start": polished.start,
            "score": polished.score,
            "runs": polished.runs,
            "seeds": polished.seeds,
            "steps": [asdict(step) for step in polished.steps],
            "held": polished.held,
            "fallen": [asdict(one) for one in polished.fallen],
        },
        "priority": None if priority is None else priority.told(),
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
