"""Runs that are measured already, kept in a file, so that work which was killed goes on from its last finished run.

What a run gives follows from its inputs alone: it is kept under the hash of these, and whoever asks for the same run
again is answered from the file. So nobody has to note how far a search or a verdict had come.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from optimiser.safety import Finding
from sumo_networks.approaches import ApproachKey
from sumo_networks.measure import Collision, DelayAt, LaneQueue, Measures, PersonSeconds, RunMeasures
from sumo_networks.simulate import Job, Run, simulate_many

FORMAT: Final = "2"


@dataclass(frozen=True)
class Kept:
    """What is kept of one run: its measures, and what its recorded signal states break."""

    measures: RunMeasures
    findings: tuple[Finding, ...] = ()


class _Line(BaseModel):
    """One run as it stands in the file, a line of JSON."""

    model_config = ConfigDict(frozen=True)

    key: str
    seed: int
    measures: Measures
    junctions: dict[str, DelayAt]
    approaches: tuple[tuple[ApproachKey, DelayAt], ...]
    lines: dict[str, DelayAt]
    queues: tuple[LaneQueue, ...]
    collisions_at_signals: tuple[Collision, ...] | None
    lost: PersonSeconds
    findings: tuple[Finding, ...]


@dataclass
class Journal:
    """The runs kept in `path`; with None nothing outlives the process. A line cut short by a kill is passed over.

    `of` names what the runs are looked at with beside their own inputs (the network with its rules): others' runs in
    the same file are no answer."""

    path: Path | None = None
    of: str = ""
    kept: dict[str, Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what is there."""
        if self.path is None or not self.path.is_file():
            return
        for text in self.path.read_text(encoding="utf-8").splitlines():
            try:
                line = _Line.model_validate_json(text)
            except ValidationError:
                continue
            self.kept[line.key] = _read(line)

    def add(self, key: str, kept: Kept) -> None:
        """Keep a run, at once."""
        self.kept[key] = kept
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                # A line that a kill cut short must not swallow this one.
                file.write("\n" + _line(key, kept).model_dump_json() + "\n")

    def close(self) -> None:
        """Forget all: the work is done and its results are written."""
        self.kept.clear()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def run_measured(
    jobs: Sequence[Job],
    workers: int,
    journal: Journal,
    look: Callable[[Job, Run], Kept],
    on_done: Callable[[Job], None] | None = None,
    *,
    purpose: Callable[[Job], str] | None = None,
    keep_runs: bool = False,
) -> list[Kept]:
    """What is kept of each job's run, in the order of the jobs; only runs that the journal does not have are simulated.

    `look` measures a run, whose folder is then deleted unless `keep_runs`; where it looks at the same run in different
    ways, `purpose` names them. `on_done` is called after each, one at a time. Raises SimulationError, ScenarioError."""
    keys = [_key(job, journal.of, purpose(job) if purpose is not None else "") for job in jobs]
    missing: dict[Path, tuple[str, Job]] = {}
    for key, job in zip(keys, jobs, strict=True):
        if key not in journal.kept:
            missing[job.folder.absolute()] = key, job
        elif on_done is not None:
            on_done(job)

    def keep(run: Run) -> None:
        key, job = missing[run.folder]
        journal.add(key, look(job, run))
        if not keep_runs:
            shutil.rmtree(run.folder)
        if on_done is not None:
            on_done(job)

    simulate_many([job for _, job in missing.values()], workers, keep)
    return [journal.kept[key] for key in keys]


_CONTROLLER: Final = (
    "optimiser.active_detours",
    "optimiser.active_priority",
    "optimiser.detour_ways",
    "optimiser.detours",
    "optimiser.elastic_cycle",
    "optimiser.timeline",
    "sumo_networks.bus_arrivals",
    "sumo_networks.bus_reports",
    "sumo_networks.priority_run",
)


def _key(job: Job, of: str, purpose: str) -> str:
    """Hash of all that a run and its measures follow from."""
    scenario = job.scenario
    files = [scenario.net, *scenario.routes, *scenario.additionals, *job.additionals, *([job.plan] if job.plan else [])]
    files += [job.priority] if job.priority else []
    parts = [
        FORMAT,
        of,
        purpose,
        version("eclipse-sumo"),
        *([_controller_code()] if job.priority else []),
        *([job.departures.digest] if job.departures else []),
        *(_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files),
        repr((job.plan is not None, len(scenario.routes), len(scenario.additionals))),
        repr(sorted(scenario.options)),
        repr((scenario.begin_s, scenario.end_s, scenario.demand_scale, scenario.car_occupancy, scenario.bus_load_pax)),
        repr((job.seed, job.scale, job.end_s, job.record.value, job.priority is not None)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@lru_cache(maxsize=1)
def _controller_code() -> str:
    """With priority a run follows from our own controller too: what its modules say."""
    # found, not imported: libsumo belongs into the process of a run
    found = (find_spec(name) for name in _CONTROLLER)
    sources = (Path(spec.origin).read_bytes() for spec in found if spec is not None and spec.origin is not None)
    return hashlib.sha256(b"".join(sources)).hexdigest()


@lru_cache(maxsize=1024)
def _digest(file: Path, _changed_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _line(key: str, kept: Kept) -> _Line:
    found = kept.measures
    return _Line(
        key=key,
        seed=found.seed,
        measures=found.measures,
        junctions=found.junctions,
        approaches=tuple(found.approaches.items()),
        lines=found.lines,
        queues=found.queues,
        collisions_at_signals=found.collisions_at_signals,
        lost=found.lost,
        findings=kept.findings,
    )


def _read(line: _Line) -> Kept:
    measures = RunMeasures(
        line.seed,
        line.measures,
        line.junctions,
        dict(line.approaches),
        line.lines,
        line.queues,
        line.collisions_at_signals,
        line.lost,
    )
    return Kept(measures, line.findings)
