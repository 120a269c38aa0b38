"""Two programs side by side: runs of both on the same seeds into figures, differences and places that got worse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Final

from sumo_networks.approaches import ApproachKey
from sumo_networks.measure import DelayAt, RunMeasures
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.statistics import Bound, interval, surely_above
from sumo_networks.sumo_xml import time_text
from sumo_networks.verdict import ApproachDelay, Comparison, Estimate, Estimates, Figures, Place, Queue

# So many places of collisions are named.
MOST_TOLD: Final = 3


def figures(runs: Sequence[RunMeasures]) -> Figures:
    """Means over the runs; None where any run has no value."""
    rows = [asdict(run.measures) for run in runs]
    means: dict[str, float | None] = {}
    for name in Figures.model_fields:
        values = [row[name] for row in rows]
        means[name] = None if any(value is None for value in values) else fmean(values)
    return Figures(**means)


def compare(baseline: Sequence[RunMeasures], candidate: Sequence[RunMeasures], scale: float = 1.0) -> Comparison:
    """Candidate against baseline, run by run on the same seeds. Accepted where the interval of the difference in
    person delay lies below zero. Raises ValueError where the seeds differ."""
    if [run.seed for run in baseline] != [run.seed for run in candidate]:
        raise ValueError("baseline and candidate must run on the same seeds, in the same order")
    before = figures(baseline)
    differences: dict[str, Estimate | None] = {}
    relatives: dict[str, Estimate | None] = {}
    for name in Figures.model_fields:
        mean = getattr(before, name)
        pairs = [
            (getattr(a.measures, name), getattr(b.measures, name)) for a, b in zip(baseline, candidate, strict=True)
        ]
        if mean is None or any(b is None for _, b in pairs):
            differences[name] = relatives[name] = None
            continue
        differences[name] = estimate([float(b - a) for a, b in pairs])
        relatives[name] = None if mean == 0 else estimate([float(b - a) / mean for a, b in pairs])
    accepted, reason = _person_delay(differences["person_delay_s"], relatives["person_delay_s"], len(baseline))
    return Comparison(
        accepted=accepted,
        reasons=(reason,),
        seeds=tuple(run.seed for run in baseline),
        scale=scale,
        baseline=before,
        candidate=figures(candidate),
        difference=Estimates(**differences),
        relative=Estimates(**relatives),
    )


def estimate(differences: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of paired differences."""
    found = interval(differences)
    return Estimate(mean=found.mean, low=found.low, high=found.high)


def _person_delay(difference: Estimate | None, relative: Estimate | None, seeds: int) -> tuple[bool, str]:
    if difference is None:
        return False, "Person delay could not be compared: a run has nobody in it."
    if difference.low is None or difference.high is None:
        return False, "One seed gives no interval: verify on at least two seeds."
    share = f" ({100 * relative.mean:+.1f} %)" if relative is not None else ""
    told = (
        f"person delay changes by {difference.mean:+.1f} s{share}, "
        f"95 % interval {difference.low:+.1f} to {difference.high:+.1f} s over {seeds} seeds"
    )
    if difference.high < 0:
        return True, f"A sure gain: {told}."
    if difference.low > 0:
        return False, f"A sure loss: {told}."
    return False, f"No sure gain: {told}, which does not exclude zero."


@dataclass(frozen=True)
class _Pairs:
    """Delay at one place, run by run, with both programs."""

    baseline: tuple[DelayAt, ...]
    candidate: tuple[DelayAt, ...]
    limit_s: float

    @property
    def vehicles(self) -> int:
        return min(sum(at.vehicles for at in self.baseline), sum(at.vehicles for at in self.candidate))

    @property
    def differences_s(self) -> list[float]:
        return [b.per_vehicle_s - a.per_vehicle_s for a, b in zip(self.baseline, self.candidate, strict=True)]


def compare_places(
    baseline: Sequence[RunMeasures], candidate: Sequence[RunMeasures], limits: RegressionLimits
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Junctions and bus lines that every run of both sides has, by name: who surely got worse, all tested together."""
    junctions = _pairs([run.junctions for run in baseline], [run.junctions for run in candidate], limits.junction_s)
    lines = _pairs([run.lines for run in baseline], [run.lines for run in candidate], limits.line_s)
    # A junction and a line may have the same name, so each family has its own key.
    together = {("junction", name): pairs for name, pairs in junctions.items()}
    together |= {("line", name): pairs for name, pairs in lines.items()}
    tested = {key: pairs for key, pairs in together.items() if pairs.vehicles >= limits.least_vehicles}
    bounds = surely_above(
        {key: pairs.differences_s for key, pairs in tested.items()},
        {key: pairs.limit_s for key, pairs in tested.items()},
    )
    return (
        tuple(_place(name, pairs, bounds.get(("junction", name))) for name, pairs in junctions.items()),
        tuple(_place(name, pairs, bounds.get(("line", name))) for name, pairs in lines.items()),
    )


def _pairs(
    baseline: Sequence[Mapping[str, DelayAt]],
    candidate: Sequence[Mapping[str, DelayAt]],
    limit_s: Callable[[str], float],
) -> dict[str, _Pairs]:
    names = sorted(set.intersection(*(set(run) for run in [*baseline, *candidate])))
    return {
        name: _Pairs(
            tuple(run[name] for run in baseline),
            tuple(run[name] for run in candidate),
            limit_s(name),
        )
        for name in names
    }


def _place(name: str, pairs: _Pairs, bound: Bound | None) -> Place:
    return Place(
        name=name,
        vehicles=pairs.vehicles,
        baseline_s=fmean(at.per_vehicle_s for at in pairs.baseline),
        candidate_s=fmean(at.per_vehicle_s for at in pairs.candidate),
        difference_s=estimate(pairs.differences_s),
        limit_s=pairs.limit_s,
        lower_bound_s=bound.lower if bound else None,
        tested=bound is not None,
        worse=bound is not None and bound.exceeded,
    )


def compare_collisions(
    baseline: Sequence[RunMeasures], candidate: Sequence[RunMeasures]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What speaks against a plan, one more collision at signals being enough, and what is only told: collisions
    at places that no signal governs, such as merges."""
    at_signals = [sum(len(run.collisions_at_signals or ()) for run in runs) for runs in (baseline, candidate)]
    in_all = [sum(run.measures.collisions or 0 for run in runs) for runs in (baseline, candidate)]
    elsewhere = [whole - part for whole, part in zip(in_all, at_signals, strict=True)]
    runs = len(candidate)
    against = f"{_collisions(at_signals[1])} at signals in {runs} runs instead of {at_signals[0]}: {_where(candidate)}."
    told = f"Away from signals {_collisions(elsewhere[1])} in {runs} runs instead of {elsewhere[0]}."
    return (
        (against,) if at_signals[1] > at_signals[0] else (),
        (told,) if elsewhere[1] > elsewhere[0] else (),
    )


def _collisions(number: int) -> str:
    return "1 collision" if number == 1 else f"{number} collisions"


def _where(runs: Sequence[RunMeasures]) -> str:
    """The first places of collisions at signals, and when each was in a run with which seed."""
    told = [
        f"junction {one.junction}, lane {one.lane} at {time_text(one.time_s)} s with seed {run.seed}"
        for run in runs
        for one in run.collisions_at_signals or ()
    ]
    return "; ".join(told[:MOST_TOLD]) + (f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else "")


def approach_delays(baseline: Sequence[RunMeasures], candidate: Sequence[RunMeasures]) -> tuple[ApproachDelay, ...]:
    """Delay by approach of both sides, means over the seeds, sorted by junction and edge."""
    keys: set[ApproachKey] = {key for run in [*baseline, *candidate] for key in run.approaches}
    return tuple(
        ApproachDelay(
            junction=key.junction,
            edge=key.edge,
            vehicles_baseline=_mean_vehicles(baseline, key),
            vehicles_candidate=_mean_vehicles(candidate, key),
            baseline_s=_mean_delay_s(baseline, key),
            candidate_s=_mean_delay_s(candidate, key),
        )
        for key in sorted(keys)
    )


def _mean_vehicles(runs: Sequence[RunMeasures], key: ApproachKey) -> float:
    return fmean(run.approaches.get(key, DelayAt(0.0, 0)).vehicles for run in runs)


def _mean_delay_s(runs: Sequence[RunMeasures], key: ApproachKey) -> float:
    return fmean(run.approaches.get(key, DelayAt(0.0, 0)).per_vehicle_s for run in runs)


def lane_queues(baseline: Sequence[RunMeasures], candidate: Sequence[RunMeasures]) -> tuple[Queue, ...]:
    """95th-percentile queue by incoming lane of both sides, means over the seeds, sorted by lane."""
    before, after = _mean_queues_m(baseline), _mean_queues_m(candidate)
    lengths = {queue.lane: queue.length_m for run in baseline for queue in run.queues}
    return tuple(
        Queue(lane=lane, baseline_m=before[lane], candidate_m=after[lane], length_m=lengths[lane])
        for lane in sorted(before.keys() & after.keys())
    )


def _mean_queues_m(runs: Sequence[RunMeasures]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for run in runs:
        for queue in run.queues:
            values.setdefault(queue.lane, []).append(queue.queue_m)
    return {lane: fmean(found) for lane, found in values.items()}
