"""The shipped programs made to keep the rules of a profile: what a plan's gain is also told against."""

from __future__ import annotations

from optimiser.signals import ControllerPlan, Junction, Network, NetworkPlan
from optimiser.timeline import Timeline, controller_plan, expand, sequence_start_s
from sumo_networks.gaps import Gap, conflict_gaps

_TINY_S = 1e-6


def repaired_network_plan(network: Network, profile: str) -> NetworkPlan:
    """The shipped programs of all junctions that are not locked, each with the least change that keeps the rules."""
    return NetworkPlan(
        network_hash=network.network_hash,
        profile=profile,
        controllers=tuple(repaired_plan(junction) for junction in network.junctions if not junction.locked),
    )


def repaired_plan(junction: Junction) -> ControllerPlan:
    """The running order with the junction's interstages and the running stage lengths, stages made longer where an
    intergreen or a pedestrian clearance spans one that is too short. Equal to the running plan where that keeps all."""
    least_s = {stage.id: stage.min_s for stage in junction.stages}
    durations = tuple(max(window.end_s - window.start_s, least_s[window.stage]) for window in junction.running.windows)
    start_s = sequence_start_s(junction.running)
    for _ in range(len(junction.intergreens) + 1):
        longer = _longer(junction, durations)
        if longer == durations:
            break
        durations = longer
    return controller_plan(junction, junction.sequences[0], durations, start_s)


def _longer(junction: Junction, durations: tuple[float, ...]) -> tuple[float, ...]:
    """Durations with the first gap that is too short made long enough by the first stage within it."""
    timeline = expand(junction, junction.sequences[0], durations)
    needed = {(i.clearing, i.entering): i.seconds for i in junction.intergreens}
    for gap in conflict_gaps(timeline, junction.conflicts):
        lack_s = needed.get((gap.clearing, gap.entering), 0.0) - gap.seconds
        stage = _stage_within(timeline, gap) if lack_s > _TINY_S else None
        if stage is not None:
            return tuple(s + lack_s if i == stage else s for i, s in enumerate(durations))
    return durations


def _stage_within(timeline: Timeline, gap: Gap) -> int | None:
    """The first stage that begins and ends between the end and the start of green."""
    found = []
    for i, window in enumerate(timeline.windows):
        from_end_s = (window.start_s - gap.end_s) % timeline.cycle_s
        if from_end_s + window.end_s - window.start_s <= gap.seconds + _TINY_S:
            found.append((from_end_s, i))
    return min(found)[1] if found else None
