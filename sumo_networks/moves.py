"""Small changes of a network's timings that a search tries, drawn towards where delay is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimiser.signals import ControllerPlan, Junction, Network
from sumo_networks.timings import Timing, plan_of

STEPS_S: Final = (1, 2, 3, 4, 6, 8, 12)
OFFSET_STEPS_S: Final = (2, 4, 7, 12, 20)
EXPLORE: Final = 0.25
# With each turn that finds nothing, up to so many, the chance of a step falls with a higher power of its length.
CALM_A_TURN: Final = 0.5
MOST_CALM_TURNS: Final = 3


@dataclass(frozen=True)
class Freedom:
    """What the search may change: `fixed_stages` keep their length, `fixed_cycle` junctions keep their cycle,
    `fixed_junctions` keep everything. `safe` says whether a plan may be tried at all."""

    safe: Callable[[ControllerPlan], bool]
    fixed_junctions: frozenset[str] = frozenset()
    fixed_stages: frozenset[tuple[str, str]] = frozenset()
    fixed_cycle: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dice:
    """Chance of a search that has found nothing for so many turns: the longer, the smaller the steps, for what is left
    to change of a good plan is small (evolution strategies shrink their steps so, Rechenberg 1973)."""

    rng: np.random.Generator
    idle_turns: int = 0

    def step_s(self, steps_s: tuple[int, ...]) -> int:
        """A length in s, with a chance of one over a power of it."""
        power = 1 + CALM_A_TURN * min(self.idle_turns, MOST_CALM_TURNS)
        chances = 1 / np.array(steps_s, float) ** power
        return int(self.rng.choice(steps_s, p=chances / chances.sum()))

    def moves(self, most: int) -> int:
        """How many changes to make at once."""
        return 1 + int(self.rng.integers(max(1, most // (1 + min(self.idle_turns, MOST_CALM_TURNS)))))


@dataclass(frozen=True)
class Move:
    """A change of one junction: its new timing, and in words what was done."""

    junction: str
    timing: Timing
    what: str


@dataclass(frozen=True)
class Pressure:
    """Person-seconds lost per approach edge of each junction in the last simulation of the incumbent."""

    delay_s: Mapping[tuple[str, str], float]

    def of_junction(self, junction: Junction) -> float:
        """Delay on all approaches of a junction."""
        return sum(self.delay_s.get((junction.id, approach.id), 0.0) for approach in junction.approaches) + (
            self.delay_s.get((junction.id, ""), 0.0)
        )

    def of_stages(self, junction: Junction, timing: Timing) -> np.ndarray:
        """Delay on the approaches that each stage of the timing serves, shared out over the stages that serve them."""
        stages = {stage.id: stage for stage in junction.stages}
        served: list[set[str]] = []
        for stage in timing.sequence.stages:
            greens = stages[stage].greens
            served.append({m.approach for m in junction.movements if m.group in greens})
        pressures = np.zeros(len(served))
        for approach in junction.approaches:
            by = [i for i, approaches in enumerate(served) if approach.id in approaches]
            for i in by:
                pressures[i] += self.delay_s.get((junction.id, approach.id), 0.0) / len(by)
        return pressures


def draw_move(
    network: Network,
    timings: Mapping[str, Timing],
    others: tuple[Mapping[str, Timing], ...],
    pressure: Pressure,
    freedom: Freedom,
    dice: Dice,
) -> Move | None:
    """A random safe change of one junction, or None where a few draws found none.

    Junctions and the stages that gain are drawn by the delay they cause, the stages that lose by how little they serve.
    `others` are whole solutions from which a junction's timing may be taken over."""
    junctions = [j for j in network.junctions if j.id in timings and j.id not in freedom.fixed_junctions]
    if not junctions:
        return None
    weights = _mixed(np.array([pressure.of_junction(junction) for junction in junctions]))
    for _ in range(20):
        junction = junctions[int(dice.rng.choice(len(junctions), p=weights))]
        move = _drawn(junction, timings[junction.id], others, pressure, freedom, dice)
        if move is not None and allowed(junction, timings[junction.id], move.timing, freedom):
            return move
    return None


def draw_group_shift(
    network: Network,
    timings: Mapping[str, Timing],
    near: Mapping[str, frozenset[str]],
    pressure: Pressure,
    freedom: Freedom,
    dice: Dice,
) -> tuple[Move, ...]:
    """Two to half of all junctions that hang together, all earlier or later by the same; none where a draw finds none.

    What is timed to each other within the group stays so: the cycle of one junction alone earlier or later, on a street
    that is timed well, gains on one side what it loses on the other. The group grows from a junction drawn by the delay
    it causes, away from one of its neighbours (`near`, by junction)."""
    movable = [j.id for j in network.junctions if j.id in timings and j.id not in freedom.fixed_junctions]
    if len(movable) <= 2:
        return ()
    weights = _mixed(np.array([pressure.of_junction(network.junction(name)) for name in movable]))
    group = [movable[int(dice.rng.choice(len(movable), p=weights))]]
    beside = sorted(near[group[0]] - {group[0]})
    apart = beside[int(dice.rng.integers(len(beside)))] if beside else ""
    size = int(dice.rng.integers(2, max(2, len(movable) // 2) + 1))
    while len(group) < size:
        edge = sorted(frozenset[str]().union(*(near[name] for name in group)).intersection(movable) - {*group, apart})
        if not edge:
            break
        group.append(edge[int(dice.rng.integers(len(edge)))])
    step_s = _offset_step(dice)
    moves = [_shifted(network.junction(name), timings[name], step_s) for name in sorted(group)]
    permitted = all(allowed(network.junction(m.junction), timings[m.junction], m.timing, freedom) for m in moves)
    return tuple(moves) if permitted and len(moves) > 1 else ()


def _drawn(
    junction: Junction,
    timing: Timing,
    others: tuple[Mapping[str, Timing], ...],
    pressure: Pressure,
    freedom: Freedom,
    dice: Dice,
) -> Move | None:
    kind = dice.rng.random()
    if kind < 0.42:
        return _shift(junction, timing, pressure, dice)
    if kind < 0.55:
        return _shift_to_neighbour(junction, timing, dice)
    if kind < 0.75:
        return _offset(junction, timing, dice)
    if kind < 0.92 and junction.id not in freedom.fixed_cycle:
        return _stretch(junction, timing, pressure, dice)
    return _take_over(junction, timing, others, dice)


def _shift(junction: Junction, timing: Timing, pressure: Pressure, dice: Dice) -> Move | None:
    """Seconds from one stage to another."""
    if len(timing.durations_s) < 2:
        return None
    pressures = pressure.of_stages(junction, timing)
    gains = int(dice.rng.choice(len(pressures), p=_mixed(pressures)))
    relief = np.array([timing.durations_s[i] / (1.0 + pressures[i]) for i in range(len(pressures))])
    relief[gains] = 0.0
    loses = int(dice.rng.choice(len(pressures), p=_mixed(relief, without=gains)))
    return _moved(junction, timing, loses, gains, dice.step_s(STEPS_S))


def _shift_to_neighbour(junction: Junction, timing: Timing, dice: Dice) -> Move | None:
    """Seconds between a stage and the one after it: shortens or lengthens what ends between them."""
    count = len(timing.durations_s)
    if count < 2:
        return None
    first = int(dice.rng.integers(count))
    pair = (first, (first + 1) % count)
    loses, gains = pair if dice.rng.random() < 0.5 else pair[::-1]
    return _moved(junction, timing, loses, gains, dice.step_s(STEPS_S))


def _moved(junction: Junction, timing: Timing, loses: int, gains: int, step_s: int) -> Move | None:
    durations = list(timing.durations_s)
    step = min(float(step_s), durations[loses] - least_s(junction, timing, loses))
    if step < 1:
        return None
    durations[loses] -= step
    durations[gains] += step
    stages = timing.sequence.stages
    return Move(
        junction.id,
        replace(timing, durations_s=tuple(durations)),
        f"{step:g} s from stage {stages[loses]} to {stages[gains]}",
    )


def _offset(junction: Junction, timing: Timing, dice: Dice) -> Move:
    """The whole cycle earlier or later."""
    return _shifted(junction, timing, _offset_step(dice))


def _offset_step(dice: Dice) -> int:
    return dice.step_s(OFFSET_STEPS_S) * (1 if dice.rng.random() < 0.5 else -1)


def _shifted(junction: Junction, timing: Timing, step_s: int) -> Move:
    return Move(
        junction.id, replace(timing, start_s=(timing.start_s + step_s) % timing.cycle_s), f"offset {step_s:+d} s"
    )


def _stretch(junction: Junction, timing: Timing, pressure: Pressure, dice: Dice) -> Move | None:
    """One stage longer or shorter, and the cycle with it."""
    pressures = pressure.of_stages(junction, timing)
    longer = dice.rng.random() < 0.5
    step = float(dice.step_s(STEPS_S))
    durations = list(timing.durations_s)
    if longer:
        stage = int(dice.rng.choice(len(durations), p=_mixed(pressures)))
    else:
        stage = int(dice.rng.choice(len(durations), p=_mixed(np.array(durations) / (1.0 + pressures))))
        step = -min(step, durations[stage] - least_s(junction, timing, stage))
    if abs(step) < 1:
        return None
    durations[stage] += step
    changed = replace(timing, durations_s=tuple(durations))
    if not longer and changed.cycle_s < junction.min_cycle_s:
        return None
    if longer and changed.cycle_s > junction.max_cycle_s:
        return None
    return Move(
        junction.id,
        replace(changed, start_s=changed.start_s % changed.cycle_s),
        f"stage {timing.sequence.stages[stage]} {step:+g} s",
    )


def _take_over(junction: Junction, timing: Timing, others: tuple[Mapping[str, Timing], ...], dice: Dice) -> Move | None:
    """The timing that another solution has for this junction."""
    choices = of_others(junction, timing, others)
    return choices[int(dice.rng.integers(len(choices)))] if choices else None


def again(junction: Junction, before: Timing, after: Timing, freedom: Freedom) -> Move | None:
    """The change from `before` to `after` once more, where that is a safe change of times alone."""
    if junction.id in freedom.fixed_junctions or before == after or before.sequence != after.sequence:
        return None
    durations = tuple(2 * now - then for then, now in zip(before.durations_s, after.durations_s, strict=True))
    if any(duration < least_s(junction, after, i) for i, duration in enumerate(durations)):
        return None
    further = replace(after, durations_s=durations)
    if not junction.min_cycle_s <= further.cycle_s <= junction.max_cycle_s:
        return None
    moved_s = (after.start_s - before.start_s + after.cycle_s / 2) % after.cycle_s - after.cycle_s / 2
    further = replace(further, start_s=(after.start_s + moved_s) % further.cycle_s)
    return Move(junction.id, further, "the same again") if allowed(junction, after, further, freedom) else None


def of_others(junction: Junction, timing: Timing, others: tuple[Mapping[str, Timing], ...]) -> list[Move]:
    """Every change of a junction to the timing that another solution has for it, in the order of these."""
    found: list[Timing] = []
    for other in others:
        if junction.id in other and other[junction.id] != timing and other[junction.id] not in found:
            found.append(other[junction.id])
    return [Move(junction.id, one, "timing of another solution") for one in found]


def allowed(junction: Junction, before: Timing, after: Timing, freedom: Freedom) -> bool:
    """Whether the search may change a junction's timing so."""
    if junction.id in freedom.fixed_cycle and after.cycle_s != before.cycle_s:
        return False
    kept = [stage for at, stage in freedom.fixed_stages if at == junction.id]
    if any(_length(before, stage) != _length(after, stage) for stage in kept):
        return False
    return freedom.safe(plan_of(junction, after))


def _length(timing: Timing, stage: str) -> tuple[float, ...]:
    pairs = zip(timing.sequence.stages, timing.durations_s, strict=True)
    return tuple(duration for name, duration in pairs if name == stage)


def least_s(junction: Junction, timing: Timing, index: int) -> float:
    """The least that the stage at a place of the timing may last, s."""
    stage = timing.sequence.stages[index]
    return next((known.min_s for known in junction.stages if known.id == stage), 1.0)


def _mixed(weights: np.ndarray, without: int | None = None) -> np.ndarray:
    """Probabilities in proportion to the weights, with a share EXPLORE spread evenly."""
    even = np.ones(len(weights))
    if without is not None:
        even[without] = 0.0
    even /= even.sum()
    total = float(weights.sum())
    if total <= 0:
        return even
    mixed = (1 - EXPLORE) * weights / total + EXPLORE * even
    probabilities: np.ndarray = mixed / float(mixed.sum())
    return probabilities
