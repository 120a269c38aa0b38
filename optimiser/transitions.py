"""From one controller plan to the next: when the old one is left, by which cycles, and when the new one is in step.

The old plan is left at the start of a stage that both plans have: all groups show the same there and all intergreens
into it are over, so the new plan's stages may follow as they would follow its own. Of those starts the one is taken
after which the new plan is in step soonest, of equal ones the last (least time out of step), and of which the whole
record, from a cycle of the old plan to one of the new, breaks no rule of `optimiser.safety`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimiser.errors import OptimiserError
from optimiser.safety import Aspect, AspectChange, SignalLog, check_log, check_plan
from optimiser.signals import (
    ControllerPlan,
    GreenInterval,
    Junction,
    Offset,
    Priority,
    Right,
    SignalGroup,
    StageSequence,
)
from optimiser.timeline import expand, sequence_start_s
from optimiser.transition_cycles import (
    Durations,
    Method,
    TimedStages,
    TransitionLimits,
    stage_bounds,
    timed_stages,
    transition_cycles,
)

OLD_CYCLES = 4
"""Within so many cycles of the old plan a safe start of a common stage must be found."""
_ASPECTS = {
    Right.PROTECTED: Aspect.PROTECTED,
    Right.PERMISSIVE: Aspect.PERMISSIVE,
    Right.STOP_FIRST: Aspect.STOP_FIRST,
}
_TINY_S = 1e-6


class TransitionError(OptimiserError):
    """There is no safe way from one plan to another within the limits of a transition."""


@dataclass(frozen=True)
class Transition:
    """The change of one junction from a plan to the next.

    The old plan is left at `leaves_s`, at the start of `sequence.stages[0]`; `cycles_s` holds the stage durations of
    the cycles between; from `in_step_s` on the new plan runs as it stands. Seconds after the epoch of the plans."""

    junction: str
    method: Method
    leaves_s: float
    in_step_s: float
    sequence: StageSequence
    cycles_s: tuple[Durations, ...]

    @property
    def seconds(self) -> float:
        """How long the junction is out of step."""
        return self.in_step_s - self.leaves_s


def transition(
    junction: Junction,
    before: ControllerPlan,
    after: ControllerPlan,
    at_s: float,
    method: Method | None = None,
    limits: TransitionLimits | None = None,
) -> Transition | None:
    """The change from `before` to `after` that begins at `at_s`, seconds after the epoch, or as soon after as it may.

    `method` is the new plan's own where None. None where both plans show the same at the same time. Raises
    TransitionError, naming the junction, where the plans share no stage or no safe way is found."""
    if same_signals(before, after):
        return None
    if not before.windows or not after.windows:
        raise TransitionError(
            f"junction {junction.id}: a plan without stages cannot be left or joined; make plans with stages"
        )
    how = method or after.transition
    known = {(f.rule, f.groups) for plan in (before, after) for f in check_plan(plan)}
    candidates = _candidates(junction, before, after, at_s, how, limits or TransitionLimits())
    for found in sorted(candidates, key=lambda t: (t.in_step_s, -t.leaves_s)):
        log = signal_log_of(junction, bridge(junction, before, after, found))
        if all((f.rule, f.groups) in known for f in check_log(log, after)):
            return found
    raise TransitionError(
        f"junction {junction.id}: no safe change from cycle {before.cycle_s:g} s to {after.cycle_s:g} s by "
        f"{how.replace('_', ' ')} within {OLD_CYCLES} cycles; allow another method or longer cycles"
    )


def bridge(junction: Junction, before: ControllerPlan, after: ControllerPlan, change: Transition) -> ControllerPlan:
    """One long cycle that holds a cycle of the old plan, the transition, and a cycle of the new plan.

    It shows what the old plan shows from a cycle before `leaves_s`, and what the new one shows for a cycle from
    `in_step_s` on: a controller may take it up and leave it anywhere there."""
    name = change.sequence.stages[0]
    old = _from_stage(before, name, change.leaves_s)
    new = _from_stage(after, name, change.in_step_s)
    parts = [old, *(TimedStages(change.sequence, d, 0.0, 0.0) for d in change.cycles_s), new]
    joined = StageSequence(
        id="bridge",
        stages=tuple(stage for part in parts for stage in part.sequence.stages),
        interstages=tuple(i for part in parts for i in part.sequence.interstages),
    )
    timeline = expand(junction, joined, tuple(d for part in parts for d in part.durations_s))
    starts_s = (change.leaves_s - before.cycle_s) % timeline.cycle_s
    return after.model_copy(
        update={
            "cycle_s": timeline.cycle_s,
            "greens": timeline.greens,
            "windows": timeline.windows,
            "interstages": joined.interstages,
            "offset": Offset(seconds=starts_s, epoch=after.offset.epoch, zone=after.offset.zone),
            # detours count the windows of the plan they were made for
            "priority": Priority(),
        }
    )


def same_signals(one: ControllerPlan, other: ControllerPlan) -> bool:
    """Whether two plans of a junction show the same at every moment."""
    if one.cycle_s != other.cycle_s:
        return False
    return _on_the_clock(one) == _on_the_clock(other)


def signal_log_of(junction: Junction, plan: ControllerPlan) -> SignalLog:
    """What the groups show in one cycle of a plan, from its second 0: greens with their ambers and red-ambers."""
    entries: list[AspectChange] = []
    for group in junction.groups:
        shown = sorted(_pieces(plan.greens.get(group.id, ()), plan.cycle_s))
        entries += _aspects(group, shown, plan.cycle_s)
    return SignalLog(plan.junction, 0.0, plan.cycle_s, tuple(entries))


def _candidates(
    junction: Junction,
    before: ControllerPlan,
    after: ControllerPlan,
    at_s: float,
    method: Method,
    limits: TransitionLimits,
) -> Iterator[Transition]:
    zero_s = sequence_start_s(before)
    old_stages = {window.stage for window in before.windows}
    if not old_stages & {window.stage for window in after.windows}:
        return
    of_plan = stage_bounds(junction, timed_stages(after, 0, 0.0), limits)
    for j, window in enumerate(after.windows):
        if window.stage not in old_stages:
            continue
        new = timed_stages(after, j, sequence_start_s(after))
        bounds = of_plan.from_stage(j)
        lost_s = new.cycle_s - sum(new.durations_s)
        for i, other in enumerate(before.windows):
            if other.stage != window.stage:
                continue
            old = timed_stages(before, i, zero_s)
            first_s = at_s + (old.starts_s - at_s) % old.cycle_s
            for leaves_s in (first_s + k * old.cycle_s for k in range(OLD_CYCLES)):
                cycles = transition_cycles(new, bounds, (new.starts_s - leaves_s) % new.cycle_s, method)
                if cycles is not None:
                    lasts_s = sum(map(sum, cycles)) + len(cycles) * lost_s
                    yield Transition(junction.id, method, leaves_s, leaves_s + lasts_s, new.sequence, cycles)


def _from_stage(plan: ControllerPlan, stage: str, at_s: float) -> TimedStages:
    """The stages of a plan from that window of `stage` on that starts at `at_s`, seconds after the epoch."""
    zero_s = sequence_start_s(plan)
    timed = [timed_stages(plan, i, zero_s) for i, window in enumerate(plan.windows) if window.stage == stage]
    return min(timed, key=lambda t: min((at_s - t.starts_s) % t.cycle_s, (t.starts_s - at_s) % t.cycle_s))


def _on_the_clock(plan: ControllerPlan) -> dict[str, set[tuple[float, float, Right]]]:
    zero_s = sequence_start_s(plan)
    return {
        group: {
            (
                round((zero_s + g.start_s) % plan.cycle_s, 3),
                round((g.end_s - g.start_s) % plan.cycle_s, 3),
                g.right,
            )
            for g in greens
        }
        for group, greens in plan.greens.items()
        if greens
    }


def _pieces(greens: tuple[GreenInterval, ...], cycle_s: float) -> Iterator[tuple[float, float, Right, float | None]]:
    """Greens as (start, end, right, amber), those over the cycle's end cut there."""
    for green in greens:
        if green.end_s > green.start_s:
            yield (green.start_s, green.end_s, green.right, green.amber_s)
        else:
            yield (green.start_s, cycle_s, green.right, green.amber_s)
            if green.end_s > _TINY_S:
                yield (0.0, green.end_s, green.right, green.amber_s)


def _aspects(
    group: SignalGroup, shown: list[tuple[float, float, Right, float | None]], cycle_s: float
) -> Iterator[AspectChange]:
    ends_s = 0.0
    for n, (start_s, end_s, right, amber_s) in enumerate(shown):
        touches = n > 0 and start_s - shown[n - 1][1] < _TINY_S
        if not touches and group.red_amber_s and start_s - group.red_amber_s >= ends_s:
            yield AspectChange(start_s - group.red_amber_s, group.id, Aspect.RED_AMBER)
        yield AspectChange(start_s, group.id, _ASPECTS[right])
        following_s = shown[n + 1][0] if n + 1 < len(shown) else cycle_s
        if following_s - end_s < _TINY_S:
            continue
        lasts_s = group.amber_s if amber_s is None else amber_s
        ends_s = min(end_s + lasts_s, following_s)
        if lasts_s > _TINY_S:
            yield AspectChange(end_s, group.id, Aspect.AMBER)
        if ends_s < following_s:
            yield AspectChange(ends_s, group.id, Aspect.RED)
    if not shown or shown[0][0] > _TINY_S:
        yield AspectChange(0.0, group.id, Aspect.RED)
