"""The timing of one junction as a search sees it: stage order, stage durations and when the first stage starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optimiser.signals import ControllerPlan, GroupKind, Junction, Network, NetworkPlan, StageSequence
from optimiser.timeline import controller_plan, sequence_start_s


@dataclass(frozen=True)
class Timing:
    """Stages in order with the interstages between them, whole seconds each stage lasts, start of the first stage
    after the epoch within the cycle."""

    sequence: StageSequence
    durations_s: tuple[float, ...]
    start_s: float

    @property
    def cycle_s(self) -> float:
        """Durations and interstages summed."""
        return sum(self.durations_s) + sum(change.duration_s for change in self.sequence.interstages)


def timing_of(plan: ControllerPlan) -> Timing:
    """Timing of a plan that names its stages.

    Raises ValueError for a plan without stage windows, or with another number of interstages."""
    if not plan.windows or len(plan.windows) != len(plan.interstages):
        raise ValueError(f"junction {plan.junction}: the plan does not name its stages and interstages")
    sequence = StageSequence(
        id="as planned", stages=tuple(window.stage for window in plan.windows), interstages=plan.interstages
    )
    durations_s = tuple((window.end_s - window.start_s) % plan.cycle_s for window in plan.windows)
    return Timing(sequence, durations_s, (sequence_start_s(plan) + plan.windows[0].start_s) % plan.cycle_s)


def plan_of(junction: Junction, timing: Timing) -> ControllerPlan:
    """The plan that runs a timing."""
    return controller_plan(junction, timing.sequence, timing.durations_s, timing.start_s)


def with_short_walks(junction: Junction, timing: Timing, walk_s: float) -> Timing:
    """The timing with walks of `walk_s` (no shorter than a stage's least) where a stage goes on without its walkers.

    Where a stage is followed at once by one that differs from it in that pedestrian groups have ended, time moves from
    the first to the second: the greens of vehicles stay as they are, and turners give way for less of them."""
    stages = {stage.id: stage for stage in junction.stages}
    walkers = {group.id for group in junction.groups if group.kind is GroupKind.PEDESTRIAN}
    durations = list(timing.durations_s)
    for i, name in enumerate(timing.sequence.stages):
        following = (i + 1) % len(durations)
        now, then = stages[name].greens, stages[timing.sequence.stages[following]].greens
        ended = set(now) - set(then)
        if timing.sequence.interstages[i].duration_s > 0 or not ended or not ended <= walkers or set(then) - set(now):
            continue
        spare_s = durations[i] - max(walk_s, stages[name].min_s)
        if spare_s > 0:
            durations[i] -= spare_s
            durations[following] += spare_s
    return replace(timing, durations_s=tuple(durations))


def running_timings(network: Network) -> dict[str, Timing]:
    """Timings of the programs in use at all junctions that may be retimed."""
    return {
        junction.id: timing_of(junction.running)
        for junction in network.junctions
        if not junction.locked and junction.running.windows
    }


def network_plan(network: Network, timings: Mapping[str, Timing], profile: str) -> NetworkPlan:
    """The plans of all junctions that have a timing, in the order of the network."""
    return NetworkPlan(
        network_hash=network.network_hash,
        profile=profile,
        controllers=tuple(
            plan_of(junction, timings[junction.id]) for junction in network.junctions if junction.id in timings
        ),
    )
