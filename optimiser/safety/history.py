"""Greens on an axis that does not wrap: the common ground of a plan (unrolled) and of a recorded log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optimiser.safety.findings import TOLERANCE_S
from optimiser.signals import ControllerPlan, GreenInterval, Right

UNROLLED_CYCLES = 3
"""With three cycles every green, every gap and every pair over the cycle's end lies whole within the history."""


@dataclass(frozen=True)
class Part:
    """Time for which a group shows a green of one right; `amber_s` is what the plan shows after it."""

    start_s: float
    end_s: float
    right: Right
    amber_s: float = 0.0


@dataclass(frozen=True)
class Run:
    """A green without a break. `starts` and `ends` are False where the history cuts it off."""

    parts: tuple[Part, ...]
    starts: bool
    ends: bool

    @property
    def start_s(self) -> float:
        """When it starts."""
        return self.parts[0].start_s

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.parts[-1].end_s

    @property
    def whole(self) -> bool:
        """Whether both ends lie within the history."""
        return self.starts and self.ends


@dataclass(frozen=True)
class History:
    """What every group showed from `begin_s` to `end_s`. `runs` holds protected and permissive greens; `on_red` the
    times of "stop first, then go" (turn on red), which is a red that conflicting streams must still be safe from."""

    junction: str
    begin_s: float
    end_s: float
    runs: dict[str, tuple[Run, ...]]
    on_red: dict[str, tuple[Part, ...]]
    cycle_s: float | None = None

    def at(self, time_s: float) -> float:
        """Time to name in a finding: the second of the cycle for a plan."""
        return time_s if self.cycle_s is None else round(time_s % self.cycle_s, 6)


def interval_length_s(start_s: float, end_s: float, cycle_s: float) -> float:
    """Length of a green interval that runs over the cycle's end if its end is not after its start."""
    return end_s - start_s if end_s > start_s else end_s - start_s + cycle_s


def history(
    junction: str, begin_s: float, end_s: float, parts: dict[str, list[Part]], cycle_s: float | None = None
) -> History:
    """History of the parts of each group; touching parts become one run."""
    runs: dict[str, tuple[Run, ...]] = {}
    on_red: dict[str, tuple[Part, ...]] = {}
    for group, shown in parts.items():
        clipped = sorted(_clipped(shown, begin_s, end_s), key=lambda part: (part.start_s, part.end_s))
        green = [part for part in clipped if part.right is not Right.STOP_FIRST]
        runs[group] = tuple(
            Run(tuple(joined), joined[0].start_s > begin_s + TOLERANCE_S, joined[-1].end_s < end_s - TOLERANCE_S)
            for joined in _joined(green)
        )
        on_red[group] = tuple(part for part in clipped if part.right is Right.STOP_FIRST)
    return History(junction, begin_s, end_s, runs, on_red, cycle_s)


def unroll(plan: ControllerPlan) -> History:
    """The plan run for three cycles. The plan's numbers must be finite and its cycle positive."""
    ambers = {group.id: group.amber_s for group in plan.groups}
    parts: dict[str, list[Part]] = {group.id: [] for group in plan.groups}
    for group, intervals in plan.greens.items():
        if group not in parts:
            continue
        for interval in intervals:
            parts[group] += _repeated(interval, plan.cycle_s, ambers[group])
    return history(plan.junction, 0.0, UNROLLED_CYCLES * plan.cycle_s, parts, plan.cycle_s)


def _repeated(interval: GreenInterval, cycle_s: float, amber_s: float) -> list[Part]:
    length_s = interval_length_s(interval.start_s, interval.end_s, cycle_s)
    shown_amber_s = amber_s if interval.amber_s is None else interval.amber_s
    starts = [interval.start_s + k * cycle_s for k in range(-1, UNROLLED_CYCLES)]
    return [Part(start_s, start_s + length_s, interval.right, shown_amber_s) for start_s in starts]


def _clipped(parts: Iterable[Part], begin_s: float, end_s: float) -> list[Part]:
    cut = [Part(max(p.start_s, begin_s), min(p.end_s, end_s), p.right, p.amber_s) for p in parts]
    return [part for part in cut if part.end_s - part.start_s > TOLERANCE_S]


def _joined(parts: list[Part]) -> list[list[Part]]:
    runs: list[list[Part]] = []
    reach_s = float("-inf")
    for part in parts:
        if runs and part.start_s <= reach_s + TOLERANCE_S:
            runs[-1].append(part)
        else:
            runs.append([part])
        reach_s = max(reach_s, part.end_s)
    return [_last_at_end(run) for run in runs]


def _last_at_end(run: list[Part]) -> list[Part]:
    """Overlapping parts (a fault found elsewhere) must not hide the end of the run."""
    last = max(run, key=lambda part: part.end_s)
    return [part for part in run if part is not last] + [last]
