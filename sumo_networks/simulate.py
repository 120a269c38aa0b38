"""One run of SUMO in its own process, and many at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

import sumo

from sumo_networks.departures import Departures
from sumo_networks.errors import ScenarioError, SimulationError
from sumo_networks.recording import (
    redirect_devices,
    redirect_outputs,
    signalled_lanes,
    write_edge_recording,
    write_recording,
)
from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements, time_text

STATISTIC: Final = "statistic.xml"
LAST_STEP_S: Final = 1.0
# What programs need to start and to find their libraries, and our own process with SUMO in it its modules.
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")


class Record(Enum):
    """How much a run writes: trips alone (fast), trips and where delay arose, or all that a verdict needs."""

    TRIPS = "trips"
    DELAYS = "delays"
    FULL = "full"


@dataclass(frozen=True)
class Run:
    """Where one run left its outputs. With Record.TRIPS all but `tripinfo` are None; Record.DELAYS adds `edge_data`.

    `end_s` is when the run stopped; `due_s` the time before which a trip must be due to count."""

    folder: Path
    seed: int
    begin_s: float
    end_s: float
    due_s: float
    scale: float
    tripinfo: Path
    stops: Path | None = None
    statistic: Path | None = None
    tls_states: Path | None = None
    edge_data: Path | None = None
    emissions: Path | None = None
    queues: Path | None = None
    collisions: Path | None = None


@dataclass(frozen=True)
class Job:
    """What `simulate` is asked to do; the fields are its arguments. `departures`: buses that are not in the scenario,
    which the run lets depart by its seed."""

    scenario: Scenario
    seed: int
    folder: Path
    plan: Path | None = None
    scale: float = 1.0
    end_s: float | None = None
    additionals: tuple[Path, ...] = ()
    record: Record = Record.FULL
    priority: Path | None = None
    departures: Departures | None = None


class _StoppedError(SimulationError):
    """A run that was ended, or not begun, because another failed."""


@dataclass
class _Processes:
    """The SUMO processes under way, so that all can be ended together."""

    running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.lock:
            if self.stopped:
                raise _StoppedError(f"{folder}: run not started because another failed; see that error first")
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self.running.add(process)
            return process

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        with self.lock:
            self.running.discard(process)

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            for process in self.running:
                _kill(process)


def sumo_binary(name: str = "sumo") -> Path:
    """Path of a program of the installed SUMO. Raises SimulationError where it is not there."""
    path = Path(sumo.SUMO_HOME) / "bin" / name
    if not path.is_file():
        raise SimulationError(f"{path}: no such program; install the package eclipse-sumo")
    return path


def sumo_environment() -> dict[str, str]:
    """The environment that SUMO runs in: the same few variables whoever calls, for what a run gives depends on how many
    there are (docs/decisions/0007)."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "SUMO_HOME": str(sumo.SUMO_HOME)}


def simulate(
    scenario: Scenario,
    seed: int,
    folder: Path,
    *,
    plan: Path | None = None,
    scale: float = 1.0,
    end_s: float | None = None,
    additionals: tuple[Path, ...] = (),
    record: Record = Record.FULL,
    priority: Path | None = None,
) -> Run:
    """One run of the scenario from its begin to `end_s` (its own end where None), written into `folder`.

    `plan` is an additional file with tlLogics, loaded after the scenario's own; `additionals` are loaded last. `scale`
    multiplies the demand as SUMO's --scale does: vehicles and persons are left out or doubled. Nothing teleports.
    `priority` is a control file (`priority_control`): the controllers in it run bus priority in the loop.
    Raises SimulationError with SUMO's own error line, ScenarioError where an additional file is broken."""
    job = Job(scenario, seed, folder, plan, scale, end_s, additionals, record, priority)
    return _run(job, _Processes())


def simulate_many(jobs: Sequence[Job], workers: int, on_done: Callable[[Run], None] | None = None) -> list[Run]:
    """Runs of all jobs, `workers` at once, in the order of the jobs. `on_done` is called as each ends, one at a time.

    Where one fails, or the caller is interrupted, the others are ended and the first error (in job order) raised."""
    processes = _Processes()
    told = threading.Lock()

    def one(job: Job) -> Run:
        try:
            run = _run(job, processes)
            if on_done is not None:
                with told:
                    on_done(run)
        except Exception:
            processes.stop()
            raise
        return run

    with ThreadPoolExecutor(max(1, workers)) as pool:
        futures = [pool.submit(one, job) for job in jobs]
        try:
            for future in futures:
                future.exception()
        except BaseException:
            processes.stop()
            raise
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    if errors:
        raise min(errors, key=lambda error: isinstance(error, _StoppedError))
    return [future.result() for future in futures]


def _run(job: Job, processes: _Processes) -> Run:
    folder = job.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    end_s = job.scenario.end_s if job.end_s is None else job.end_s
    full = job.record is Record.FULL
    run = Run(
        folder=folder,
        seed=job.seed,
        begin_s=job.scenario.begin_s,
        end_s=end_s,
        due_s=min(end_s, job.scenario.end_s),
        scale=job.scale,
        tripinfo=folder / "tripinfo.xml",
        stops=folder / "stops.xml" if full else None,
        statistic=folder / STATISTIC if full else None,
        tls_states=folder / "tls_states.xml" if full else None,
        edge_data=folder / "edge_data.xml" if job.record is not Record.TRIPS else None,
        emissions=folder / "emissions.xml" if full else None,
        queues=folder / "queues.xml" if full else None,
        collisions=folder / "collisions.xml" if full else None,
    )
    command = _program(job, run)
    for name, value in _options(job, run).items():
        command += [f"--{name}", value]
    process = processes.start(command, folder, sumo_environment())
    try:
        _, stderr = process.communicate()
    except BaseException:
        _kill(process)
        process.wait()
        raise
    finally:
        processes.ended(process)
    if process.returncode != 0:
        if processes.stopped:
            raise _StoppedError(f"{folder}: run ended because another failed; see that error first")
        raise SimulationError(_reason(job, process.returncode, stderr.decode(errors="replace")))
    reached_s = _reached_s(folder / STATISTIC)
    if reached_s < end_s - LAST_STEP_S:
        raise SimulationError(
            f"{_run_name(job)}: SUMO was ended from outside at {reached_s:g} s, before {end_s:g} s; run it again"
        )
    return run


def _program(job: Job, run: Run) -> list[str]:
    """What is run before SUMO's options: SUMO itself, or the process that holds it and runs priority in the loop.

    Raises ScenarioError where priority is asked for within parts of a second."""
    if job.priority is None:
        return [str(sumo_binary())]
    if not (run.begin_s.is_integer() and run.end_s.is_integer()):
        raise ScenarioError(
            f"{job.scenario.name}: bus priority runs from whole second to whole second, not from {run.begin_s:g} to "
            f"{run.end_s:g} s; round the period"
        )
    told = (job.priority.absolute(), job.seed, round(run.begin_s), round(run.end_s))
    return [sys.executable, "-m", "sumo_networks.priority_run", *map(str, told)]


def _reached_s(statistic: Path) -> float:
    """When a run ended, by its statistics: SUMO asked to terminate writes whole files and leaves with exit code 0.

    Raises SimulationError where there are none."""
    try:
        ends = [float(found.get("end", "0")) for found in elements(statistic, "performance")]
    except ScenarioError as error:
        raise SimulationError(f"{statistic}: SUMO left no whole file; run the simulation again") from error
    return max(ends, default=0.0)


def _options(job: Job, run: Run) -> dict[str, str]:
    scenario, folder = job.scenario, run.folder
    files = list(redirect_outputs(scenario.additionals, folder))
    if job.plan is not None:
        if not job.plan.is_file():
            raise ScenarioError(f"{job.plan}: no such plan; name an additional file with tlLogics")
        files.append(job.plan.absolute())
    files += redirect_outputs(tuple(path.absolute() for path in job.additionals), folder)
    options = dict(scenario.options)
    options |= {
        "net-file": str(scenario.net),
        "begin": time_text(run.begin_s),
        "end": time_text(run.end_s),
        "seed": str(job.seed),
        "scale": f"{scenario.demand_scale * job.scale:g}",
        "time-to-teleport": "-1",
        "statistic-output": str(folder / STATISTIC),
        "tripinfo-output": str(run.tripinfo),
        "tripinfo-output.write-unfinished": "true",
        "tripinfo-output.write-undeparted": "true",
        "no-step-log": "true",
        "no-warnings": "true",
        "duration-log.disable": "true",
        "verbose": "false",
    }
    routes = list(redirect_devices(scenario.routes, folder))
    if job.departures is not None and job.departures.buses:
        routes.append(folder / "departures.rou.xml")
        job.departures.write(job.seed, routes[-1])
    if routes:
        options["route-files"] = ",".join(map(str, routes))
    if job.record is Record.FULL:
        recording = folder / "recording.add.xml"
        write_recording(signalled_lanes(scenario.net), recording, run.begin_s, run.end_s)
        files.append(recording)
    elif run.edge_data is not None:
        files.append(folder / "recording.add.xml")
        write_edge_recording(folder / "recording.add.xml", run.begin_s, run.end_s)
    if job.record is Record.FULL:
        options |= {
            "stop-output": str(run.stops),
            "collision-output": str(run.collisions),
        }
    if files:
        options["additional-files"] = ",".join(map(str, files))
    return options


def _reason(job: Job, code: int, stderr: str) -> str:
    errors = [line.strip() for line in stderr.splitlines() if line.startswith("Error")]
    if errors:
        # The first is the cause; those after it follow from it.
        said = errors[0].removeprefix("Error:").strip()
    elif code < 0:
        said = f"ended by signal {-code}"
    else:
        said = f"exit code {code} without a word"
    return f"{_run_name(job)}: SUMO failed: {said}"


def _run_name(job: Job) -> str:
    plan = f" with plan {job.plan.name}" if job.plan is not None else ""
    return f"{job.scenario.name}, seed {job.seed}{plan}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
