"""A plan against the program as shipped, in SUMO, on common seeds: the verdict that no plan goes out without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from optimiser.safety import Finding, Rule
from sumo_networks.approaches import Approaches, read_approaches
from sumo_networks.compare import (
    approach_delays,
    compare,
    compare_collisions,
    compare_places,
    lane_queues,
)
from sumo_networks.errors import PlanMismatchError, ScenarioError
from sumo_networks.journal import Journal, Kept, run_measured
from sumo_networks.measure import RunMeasures, measure
from sumo_networks.priority_control import read_priority
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Job, Run
from sumo_networks.sumo_xml import check_well_formed, elements, time_text
from sumo_networks.trips import Demand, read_demand
from sumo_networks.verdict import PRIORITY_NOTE, SEEDS_NOTE, Comparison, Place, RecordedFinding, Side, Verdict
from sumo_networks.verdict_runs import Asked, Design, Programs, Series, verdict_runs

MOST_RISE_AT_OTHER_DEMAND: Final = 0.05

Check = Callable[[Side, Run], Sequence[Finding]]
"""Reads the recorded signal states of a run (`Run.tls_states`) and says what they break."""

Progress = Callable[[int, int], None]
"""Told after each run: how many are done, of how many."""

# Of these a shorter time than the shipped program's is a new danger, not the same finding again.
_GRADED: Final = frozenset(
    {
        Rule.INTERGREEN,
        Rule.AMBER_TOO_SHORT,
        Rule.RED_AMBER_TOO_SHORT,
        Rule.MIN_GREEN,
        Rule.PEDESTRIAN_WALK,
        Rule.PEDESTRIAN_CLEARANCE,
    }
)
_TOLERANCE_S: Final = 1e-3


@dataclass
class _Records:
    """What is kept of the runs: measures by series and seed, and the findings of each side."""

    measures: dict[tuple[str, int], RunMeasures] = field(default_factory=dict)
    findings: dict[Side, dict[tuple[str, str, tuple[str, ...]], Finding]] = field(default_factory=dict)
    done: int = 0

    def of(self, series: Series) -> list[RunMeasures]:
        return [self.measures[series.name, seed] for seed in series.seeds]

    def add_findings(self, side: Side, found: Sequence[Finding]) -> None:
        worst = self.findings.setdefault(side, {})
        for finding in found:
            key = (finding.junction, finding.rule.value, finding.groups)
            known = worst.get(key)
            if known is None or _badness(finding) > _badness(known):
                worst[key] = finding


def _badness(finding: Finding) -> tuple[float, float, str]:
    """Order by which the worst finding does not depend on the order in which runs end."""
    return (finding.deviation, -finding.at_s, finding.message)


def check_plan_fits(plan: Path, approaches: Approaches) -> None:
    """Raise PlanMismatchError where the additional file names a controller that the net does not have, holds a state
    with fewer signals than the controller, or holds something but no program; ScenarioError where it is
    missing or truncated. An empty additional file fits: it keeps all programs as they are."""
    check_well_formed(plan)
    others = programs = 0
    for program in elements(plan):
        if program.tag != "tlLogic":
            others += 1
            continue
        programs += 1
        controller = program.get("id", "")
        links = approaches.link_counts.get(controller)
        if links is None:
            raise PlanMismatchError(
                f"{plan}: controller {controller!r} is not in this network; make a plan for this network"
            )
        for phase in program.iter("phase"):
            state = phase.get("state", "")
            if len(state) < links:
                raise PlanMismatchError(
                    f"{plan}: a state of controller {controller!r} has {len(state)} signals and the network {links}; "
                    "make a plan for this network"
                )
    if others and not programs:
        raise PlanMismatchError(f"{plan}: no tlLogic in it; write the plan as an additional file with programs")


def verify(
    scenario: Scenario,
    plan: Path,
    *,
    plan_id: str,
    network_hash: str,
    seeds: Sequence[int],
    folder: Path,
    check: Check | None = None,
    limits: RegressionLimits | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    robustness: Sequence[float] = (0.9, 1.1),
    extra_seeds: Sequence[int] | None = None,
    cleared: bool = True,
    repaired: Path | None = None,
    priority: Path | None = None,
    keep_runs: bool = False,
    journal: Journal | None = None,
) -> Verdict:
    """Verdict on the additional file `plan` against the scenario as it is, on the same seeds.

    Accepted only if the recorded states of its runs break no rule that the baseline's do not break, it causes no more
    collisions at signals, the interval of the difference in person delay lies below zero, no junction or bus line
    surely gets worse (see RegressionLimits), and at a demand of `robustness` person delay rises neither surely nor by
    over 5 % in the mean.
    `cleared`: a second figure, of runs that go on, at most 1,800 s, until all due before the end have left.
    `repaired`: the shipped program made to keep the profile; the gain is told against it too.
    `priority`: the control file of the plan's bus priority, which then runs in all runs of the plan, and in no other.
    `extra_seeds` (else `seeds`) are those of the runs at other demand and of those that go on.

    Runs are written under `folder` and deleted once measured unless `keep_runs`; `workers` run at once. A verdict that
    was killed goes on from the runs in its `journal`.
    Raises ScenarioError, PlanMismatchError, SimulationError."""
    if not seeds:
        raise ScenarioError(f"{scenario.name}: no seeds to verify on; give at least two")
    approaches, demand = read_approaches(scenario.net), read_demand(scenario)
    for file in [plan] if repaired is None else [plan, repaired]:
        check_plan_fits(file, approaches)
    common = tuple(dict.fromkeys(seeds))
    extra = tuple(dict.fromkeys(extra_seeds or common))
    asked = Asked(scenario, demand, Programs(plan, priority), repaired, common, extra, tuple(robustness), cleared)
    design = verdict_runs(asked, folder)
    records = _run_all(design, folder, demand, approaches, check, workers, progress, journal or Journal(), keep_runs)
    return _verdict(records, design, limits or RegressionLimits(), plan_id, network_hash)


def _run_all(
    design: Design,
    folder: Path,
    demand: Demand,
    approaches: Approaches,
    check: Check | None,
    workers: int,
    progress: Progress | None,
    journal: Journal,
    keep_runs: bool,
) -> _Records:
    of_folder: dict[Path, tuple[Series, int]] = {}
    jobs: list[Job] = []
    for one in design.series:
        for seed in one.seeds:
            jobs.append(one.job(seed, folder))
            of_folder[jobs[-1].folder] = (one, seed)
    records = _Records()

    def look(job: Job, run: Run) -> Kept:
        one, _ = of_folder[job.folder]
        findings = check(one.side, run) if check is not None else ()
        return Kept(measure(run, one.service.scenario, demand, approaches), tuple(findings))

    def count(_: Job) -> None:
        records.done += 1
        if progress is not None:
            progress(records.done, len(jobs))

    def purpose(job: Job) -> str:
        return of_folder[job.folder][0].side.value

    found = run_measured(jobs, workers, journal, look, count, purpose=purpose, keep_runs=keep_runs)
    for job, kept in zip(jobs, found, strict=True):
        one, seed = of_folder[job.folder]
        records.measures[one.name, seed] = kept.measures
        records.add_findings(one.side, kept.findings)
    return records


def _compared(records: _Records, pair: tuple[Series, Series]) -> Comparison:
    return compare(records.of(pair[0]), records.of(pair[1]), pair[0].scale)


def _with_priority(control: Path | None) -> tuple[str, ...]:
    return () if control is None else tuple(sorted(one.plan.junction for one in read_priority(control).junctions))


def _verdict(records: _Records, design: Design, limits: RegressionLimits, plan_id: str, network_hash: str) -> Verdict:
    before, after = records.of(design.main[0]), records.of(design.main[1])
    compared = _compared(records, design.main)
    robustness = tuple(_compared(records, pair) for pair in design.varied)
    junctions, lines = compare_places(before, after, limits)
    findings = _recorded(records)
    against = [
        *_unsafe(findings, before, after),
        *_without_trips(design.main[0].service.scenario, before),
        *(() if compared.accepted else compared.reasons),
        *_worse("Junction", junctions),
        *_worse("Bus line", lines),
        *_worse_at_other_demand(robustness),
    ]
    return Verdict(
        accepted=not against,
        reasons=tuple(against) or compared.reasons,
        seeds=design.main[0].seeds,
        plan_id=plan_id,
        network_hash=network_hash,
        findings=findings,
        baseline=compared.baseline,
        candidate=compared.candidate,
        difference=compared.difference,
        relative=compared.relative,
        junctions=junctions,
        lines=lines,
        approaches=approach_delays(before, after),
        queues=lane_queues(before, after),
        robustness=robustness,
        cleared=_compared(records, design.cleared) if design.cleared else None,
        repaired=_compared(records, (design.repaired, design.main[1])) if design.repaired else None,
        priority_junctions=_with_priority(design.main[1].priority),
        notes=(
            SEEDS_NOTE,
            *((PRIORITY_NOTE,) if design.main[1].priority is not None else ()),
            *compare_collisions(before, after)[1],
        ),
    )


def _recorded(records: _Records) -> tuple[RecordedFinding, ...]:
    shipped = records.findings.get(Side.BASELINE, {})
    told: list[RecordedFinding] = []
    for side in Side:
        for key, finding in sorted(records.findings.get(side, {}).items()):
            known = shipped.get(key)
            worse = known is None or (finding.rule in _GRADED and finding.deviation > known.deviation + _TOLERANCE_S)
            told.append(
                RecordedFinding(
                    side=side,
                    new=side is not Side.BASELINE and worse,
                    junction=finding.junction,
                    rule=finding.rule.value,
                    groups=finding.groups,
                    at_s=finding.at_s,
                    measured=finding.measured,
                    required=finding.required,
                    message=finding.message,
                )
            )
    return tuple(told)


def _unsafe(
    findings: Sequence[RecordedFinding], before: Sequence[RunMeasures], after: Sequence[RunMeasures]
) -> list[str]:
    reasons: list[str] = []
    new = [finding for finding in findings if finding.side is Side.CANDIDATE and finding.new]
    if new:
        first = f"{new[0].junction}: {new[0].message}" if new[0].junction not in new[0].message else new[0].message
        count = "a safety finding" if len(new) == 1 else f"{len(new)} safety findings"
        reasons.append(f"Unsafe: {count} that the shipped program does not have, first {first}")
    at_signals, _ = compare_collisions(before, after)
    return reasons + [f"Unsafe: {told}" for told in at_signals]


def _without_trips(scenario: Scenario, before: Sequence[RunMeasures]) -> list[str]:
    """That nobody was under way, where it is so: then all figures are 0 and say nothing of the plan."""
    measures = [run.measures for run in before]
    if any(m.stops_per_veh is not None or m.not_inserted_veh or m.pedestrian_delay_s is not None for m in measures):
        return []
    span = f"{time_text(scenario.begin_s)} to {time_text(scenario.end_s)} s"
    return [f"Nobody is due from {span}, so nothing tells what the plan does; choose a period with traffic."]


def _worse(kind: str, found: Sequence[Place]) -> list[str]:
    return [
        f"{kind} {place.name} surely gets worse: {place.difference_s.mean:+.1f} s a vehicle, lower bound "
        f"{place.lower_bound_s:+.1f} s over the limit of {place.limit_s:g} s."
        for place in found
        if place.worse
    ]


def _worse_at_other_demand(robustness: Sequence[Comparison]) -> list[str]:
    reasons: list[str] = []
    for compared in robustness:
        difference, relative = compared.difference.person_delay_s, compared.relative.person_delay_s
        surely = difference is not None and difference.low is not None and difference.low > 0
        if surely or (relative is not None and relative.mean > MOST_RISE_AT_OTHER_DEMAND):
            reasons.append(f"At demand × {compared.scale:g}: {compared.reasons[0]}")
    return reasons
