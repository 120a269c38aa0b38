"""What a person sees in the terminal: progress bars, the short table of a verdict, one line for an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sumo_networks.stress import Fallen
from sumo_networks.verdict import Estimate, Verdict

ROWS: Final = (
    ("Person delay", "s", "person_delay_s", 1),
    ("Bus delay", "s", "bus_delay_s", 1),
    ("Vehicle delay", "s", "vehicle_delay_s", 1),
    ("Pedestrian delay", "s", "pedestrian_delay_s", 1),
    ("Stops", "per vehicle", "stops_per_veh", 2),
    ("CO₂", "g per vehicle-km", "co2_g_per_veh_km", 0),
)
LONG_S: Final = 4 * 3600
KEPT_NAMED: Final = 5
FALLEN_TOLD: Final = 3

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Text as it is: names and paths may hold what looks like rich's markup."""
    console.print(message, soft_wrap=True, markup=False, emoji=False)


def print_note(message: str) -> None:
    """One line on what a person should know of a result."""
    console.print(Text.assemble(("note", "yellow"), f": {message}"), soft_wrap=True)


class StepBars:
    """One progress bar a step, in the order in which the steps begin."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}

    def __call__(self, step: str, share: float) -> None:
        """Tell that `share` (0 to 1) of a step is done. Where nobody watches, a line is written as a step begins and
        after each quarter of it, for whoever reads the log."""
        quarters = min(3, int(4 * share))
        if not self._progress.console.is_terminal and quarters > self._quarters.get(step, -1):
            line = f"{step} {25 * quarters} %" if step in self._tasks else step
            self._progress.console.print(line, markup=False, emoji=False)
            self._quarters[step] = quarters
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=1.0)
        self._progress.update(self._tasks[step], completed=min(1.0, share))


@contextmanager
def step_bars() -> Iterator[StepBars]:
    """Progress bars on the screen while the block runs; finished ones stay."""
    columns = (
        TextColumn("{task.description:<22}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as progress:
        yield StepBars(progress)


def print_verdict(verdict: Verdict) -> None:
    """The table of a verdict and whether the plan is accepted, with the reasons."""
    table = Table(title=f"{len(verdict.seeds)} seeds, means")
    for name in ("", "before", "after", "difference", "95 % interval"):
        table.add_column(name, justify="left" if not name else "right")
    for label, unit, name, decimals in ROWS:
        before, after = getattr(verdict.baseline, name), getattr(verdict.candidate, name)
        difference: Estimate | None = getattr(verdict.difference, name)
        if before is None or after is None or difference is None:
            continue
        relative: Estimate | None = getattr(verdict.relative, name)
        share = f" ({relative.mean:+.1%})" if relative is not None else ""
        table.add_row(
            f"{label} ({unit})",
            f"{before:.{decimals}f}",
            f"{after:.{decimals}f}",
            f"{difference.mean:+.{decimals}f}{share}",
            _interval(difference, decimals),
        )
    console.print(table)
    said = ("accepted", "green") if verdict.accepted else ("refused, the shipped programs stay", "yellow")
    console.print(Text.assemble(said, ": " + " ".join(verdict.reasons)))


def print_long(period_s: float) -> None:
    """A line where every simulation of a run will take long."""
    if period_s > LONG_S:
        errors.print(
            f"The period is {period_s / 3600:.1f} h, and a search simulates all of it hundreds of times; "
            "--begin and --end choose a part of it."
        )


def print_kept(kept: Mapping[str, str]) -> None:
    """A line for each reason why junctions keep their program, with the first of them."""
    by_reason: dict[str, list[str]] = {}
    for junction, reason in sorted(kept.items()):
        by_reason.setdefault(reason, []).append(junction)
    for reason, junctions in by_reason.items():
        more = f" and {len(junctions) - KEPT_NAMED} more" if len(junctions) > KEPT_NAMED else ""
        verb = "keeps its program" if len(junctions) == 1 else "keep their programs"
        console.print(f"{', '.join(junctions[:KEPT_NAMED])}{more} {verb}: {reason}", markup=False, emoji=False)


def print_fallen(fallen: Sequence[Fallen], held: bool) -> None:
    """The last plans that did better on the search's seeds and did not hold on others, a line each."""
    if len(fallen) > FALLEN_TOLD:
        console.print(f"let go before those below: {len(fallen) - FALLEN_TOLD} more, all in run.json")
    for one in fallen[-FALLEN_TOLD:]:
        say(f"let go: {one.words}")
    if not held:
        console.print("no plan that the rules allow held on other seeds; the one written is the best of them, unproved")


def print_error(message: str) -> None:
    """One line on standard error."""
    errors.print(Text.assemble(("error", "red"), f": {message}"), soft_wrap=True)


def _interval(estimate: Estimate, decimals: int) -> str:
    if estimate.low is None or estimate.high is None:
        return "one seed: none"
    return f"{estimate.low:+.{decimals}f} to {estimate.high:+.{decimals}f}"
