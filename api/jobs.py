"""Jobs: the main line on a scenario, run in the background, kept in the database, taken up again after a kill.

A job goes queued → running → done or failed; a queued one may be cancelled. Its output has a folder of its own, so a
line that keeps its finished steps there goes on from them. What the line left is taken into the store by content hash,
so doing it twice is doing it once.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.actors import Actor, Role
from api.audit import record
from api.errors import (
    ApiError,
    ConcurrentChangeError,
    ConflictError,
    IllegalMoveError,
    NotFoundError,
    OtherNetworkError,
    UnprocessableError,
)
from api.imports import Taken, import_line_output
from api.plans import Origin, PlanState, content_of, get_plan
from api.scenarios import get_scenario
from api.store import JobRow, Store
from mobility.errors import MobilityError
from optimiser.errors import OptimiserError
from optimiser.rules import Rules
from optimiser.signals import NetworkPlan, canonical_json
from sumo_networks.errors import NetworkError
from sumo_networks.verdict import SEEDS_BELOW

_log = logging.getLogger("jasyl.jobs")
SERVICE = Actor("service", Role.OPERATOR)
LINE_DONE = "line"
_LEAST_PROGRESS = 0.01
PLAN_FILE = "plan.json"
_TAKE_IN_ATTEMPTS = 10
_TAKE_IN_WAIT_S = 0.05


class JobKind(StrEnum):
    """What is ordered: the whole line, or the proof of a plan that is here already."""

    RUN = "run"
    VERIFY = "verify"


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class LineOrder:
    """What the line is to do. It leaves plan.json, verdict.json, run.json and, on a run, flows/ in `out`.

    With `plan` (a plan.json) it proves that plan instead of making one."""

    scenario: Path
    out: Path
    rules: Rules
    seeds: tuple[int, ...]
    begin_s: float | None = None
    end_s: float | None = None
    plan: Path | None = None


Progress = Callable[[float, str], None]
"""Takes the share of a step that is done (0 to 1) and the step's name."""

LineRunner = Callable[[LineOrder, Progress], None]
"""Runs the line; may find in `out` what an earlier, killed run of the same order left. Raises any of our errors."""

Clock = Callable[[], datetime]


class JobOrder(BaseModel):
    """An order as the job keeps it."""

    model_config = ConfigDict(frozen=True)

    kind: JobKind
    seeds: tuple[int, ...]
    begin_s: float | None = None
    end_s: float | None = None
    plan_id: str | None = None


def order_job(
    store: Store, scenario_id: str, order: JobOrder, *, jobs_folder: Path, actor: Actor, now: datetime
) -> JobRow:
    """Put an order into the queue.

    Raises NotFoundError (scenario, plan), UnprocessableError (a period, plan or seeds that do not fit), ConflictError
    (the plan was rejected), OtherNetworkError, ForbiddenError."""
    actor.require(Role.ENGINEER, Role.OPERATOR)
    if order.begin_s is not None and order.end_s is not None and order.end_s <= order.begin_s:
        raise UnprocessableError(f"The period ends at {order.end_s:g} s, not after its begin at {order.begin_s:g} s.")
    if (order.kind is JobKind.VERIFY) != (order.plan_id is not None):
        raise UnprocessableError("A job of kind verify names a plan, and a job of kind run names none.")
    if len(set(order.seeds)) != len(order.seeds):
        raise UnprocessableError("A seed stands twice; every seed counts once.")
    if max(order.seeds, default=0) >= SEEDS_BELOW:
        raise UnprocessableError(f"Seeds from {SEEDS_BELOW} up belong to the search for the plan; give others.")
    with store.write() as session:
        scenario = get_scenario(session, scenario_id)
        if order.plan_id is not None:
            plan = get_plan(session, order.plan_id)
            if plan.state == PlanState.REJECTED:
                raise ConflictError(f"Plan {plan.id} was rejected: {plan.reason}")
            if plan.network_hash != scenario.network_hash:
                raise OtherNetworkError(f"Plan {plan.id} is for another network than scenario {scenario.name} has.")
        job_id = secrets.token_hex(16)
        row = JobRow(
            id=job_id,
            scenario_id=scenario.id,
            order=order.model_dump_json(),
            state=JobState.QUEUED.value,
            folder=str((jobs_folder / job_id).resolve()),
            created_at=now,
            created_by=actor.name,
        )
        session.add(row)
        session.flush()
        record(
            session, now, actor, "order_job", ("job", job_id), ("", JobState.QUEUED), f"{order.kind} {scenario.name}"
        )
        return row


def cancel_job(store: Store, job_id: str, *, actor: Actor, now: datetime) -> JobRow:
    """Take a job out of the queue. Raises NotFoundError, and IllegalMoveError where it is not waiting there."""
    actor.require(Role.ENGINEER, Role.OPERATOR)
    with store.write() as session:
        row = get_job(session, job_id)
        if row.state != JobState.QUEUED:
            raise IllegalMoveError(f"Job {job_id} is {row.state}; only a queued job can be cancelled.")
        _set_state(session, row, JobState.CANCELLED, actor, now, "cancel_job", "")
        return row


def get_job(session: Session, job_id: str) -> JobRow:
    """One job. Raises NotFoundError."""
    row = session.get(JobRow, job_id)
    if row is None:
        raise NotFoundError(f"There is no job {job_id}.")
    return row


def list_jobs(session: Session, *, state: JobState | None, limit: int, offset: int) -> list[JobRow]:
    """Jobs, the newest first."""
    query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(limit).offset(offset)
    if state is not None:
        query = query.where(JobRow.state == state.value)
    return list(session.scalars(query))


class JobWorker:
    """Threads of the service that take jobs from the queue, one each at a time."""

    def __init__(
        self, store: Store, run_line: LineRunner, clock: Clock, *, workers: int, attempts: int, poll_s: float
    ) -> None:
        self._store = store
        self._run_line = run_line
        self._clock = clock
        self._attempts = attempts
        self._poll_s = poll_s
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"job-{i}", daemon=True) for i in range(workers)]

    def start(self) -> None:
        """Put jobs that a killed service left running back into the queue, then begin to work."""
        if self._threads:
            requeue_interrupted(self._store, attempts=self._attempts, now=self._clock())
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def stop(self, wait_s: float = 5.0) -> None:
        """Take no further job. One that runs is left to the next start, as if the service had been killed."""
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(wait_s)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                idle = not run_next_job(self._store, self._run_line, self._clock, self._stopping.is_set)
            except Exception:  # a database out of reach for a moment must not end the worker
                _log.exception("the queue of jobs cannot be worked on; trying again")
                idle = True
            if idle:
                self._wake.wait(self._poll_s)
                self._wake.clear()


def requeue_interrupted(store: Store, *, attempts: int, now: datetime) -> list[str]:
    """Put all running jobs back into the queue; one that was begun `attempts` times fails. Returns their ids."""
    with store.write() as session:
        rows = list(session.scalars(select(JobRow).where(JobRow.state == JobState.RUNNING.value).order_by(JobRow.id)))
        for row in rows:
            if row.attempts >= attempts:
                said = f"The service ended {row.attempts} times while this job ran; look at its folder and the log."
                _set_state(session, row, JobState.FAILED, SERVICE, now, "give_up_job", said)
                row.finished_at = now
            else:
                said = "The service ended while this job ran; it is taken up again."
                _set_state(session, row, JobState.QUEUED, SERVICE, now, "requeue_job", said)
        return [row.id for row in rows]


def run_next_job(
    store: Store, run_line: LineRunner, clock: Clock, stopping: Callable[[], bool] = lambda: False
) -> bool:
    """Do the oldest queued job to its end; False where there is none. An error of the job is the job's, not raised.

    What breaks while the service is `stopping` is nobody's fault: the job is left to the next start."""
    job_id = _claim(store, clock())
    if job_id is None:
        return False
    try:
        _run(store, job_id, run_line, clock)
    except Exception as error:
        if stopping():
            _log.warning("job %s is left to the next start of the service", job_id, exc_info=True)
        else:
            _fail(store, job_id, error, clock())
    return True


def _fail(store: Store, job_id: str, error: Exception, now: datetime) -> None:
    """A job that breaks must not take the worker with it."""
    if isinstance(error, ApiError | MobilityError | OptimiserError | NetworkError):
        _finish(store, job_id, JobState.FAILED, str(error), now)
    else:
        _log.error("job %s broke", job_id, exc_info=error)
        said = f"The line broke with {type(error).__name__}: {error}. The service's log has the details."
        _finish(store, job_id, JobState.FAILED, said, now)


def _claim(store: Store, now: datetime) -> str | None:
    waiting = select(JobRow).where(JobRow.state == JobState.QUEUED.value)
    with store.read() as session:
        if session.scalars(waiting.limit(1)).first() is None:
            return None
    with store.write() as session:
        oldest = waiting.order_by(JobRow.created_at, JobRow.id).limit(1).with_for_update(skip_locked=True)
        row = session.scalars(oldest).first()
        if row is None:
            return None
        row.attempts += 1
        row.started_at = row.started_at or now
        _set_state(session, row, JobState.RUNNING, SERVICE, now, "start_job", f"attempt {row.attempts}")
        return row.id


def _run(store: Store, job_id: str, run_line: LineRunner, clock: Clock) -> None:
    with store.read() as session:
        job = get_job(session, job_id)
        scenario = get_scenario(session, job.scenario_id)
        order = JobOrder.model_validate_json(job.order)
        plan = None if order.plan_id is None else content_of(get_plan(session, order.plan_id))
    out = Path(job.folder)
    out.mkdir(parents=True, exist_ok=True)
    asked: Path | None = None
    if plan is not None:
        asked = out / "asked" / PLAN_FILE
        asked.parent.mkdir(exist_ok=True)
        asked.write_text(canonical_json(plan) + "\n")
    if job.step != LINE_DONE:
        rules = Rules.model_validate_json(scenario.rules)
        wanted = LineOrder(Path(scenario.path), out, rules, order.seeds, order.begin_s, order.end_s, asked)
        run_line(wanted, _ProgressNotes(store, job_id))
        with store.write() as session:
            get_job(session, job_id).step = LINE_DONE
    taken = _taken_in(store, job, out, clock, plan)
    with store.write() as session:
        job = get_job(session, job_id)
        job.plan_id, job.verdict_id = taken.plan_id, taken.verdict_id
    _finish(store, job_id, JobState.DONE, taken.said, clock())


def _taken_in(store: Store, job: JobRow, out: Path, clock: Clock, plan: NetworkPlan | None) -> Taken:
    """What the line left, in the store. Jobs that end in the same moment are in each other's way on PostgreSQL (each
    verdict takes the next number). Hours of simulation are not to fail for that; taking in twice is taking in once."""
    for attempt in range(1, _TAKE_IN_ATTEMPTS):
        try:
            return _import(store, job, out, clock, plan)
        except ConcurrentChangeError:
            _log.info("job %s: another writer was at the store, attempt %d", job.id, attempt)
            time.sleep(attempt * _TAKE_IN_WAIT_S)
    return _import(store, job, out, clock, plan)


def _import(store: Store, job: JobRow, out: Path, clock: Clock, plan: NetworkPlan | None) -> Taken:
    return import_line_output(
        store, out, scenario_id=job.scenario_id, origin=Origin.JOB, actor=SERVICE, now=clock(), job_id=job.id, plan=plan
    )


class _ProgressNotes:
    """Writes progress down where it changed by a percent or more: the line tells it far more often."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store = store
        self._job_id = job_id
        self._noted = (-1.0, "")

    def __call__(self, share: float, step: str) -> None:
        share = min(max(share, 0.0), 1.0)
        if step == self._noted[1] and abs(share - self._noted[0]) < _LEAST_PROGRESS:
            return
        self._noted = (share, step)
        with self._store.write() as session:
            row = get_job(session, self._job_id)
            row.progress, row.message = share, step


def _finish(store: Store, job_id: str, state: JobState, message: str, now: datetime) -> None:
    with store.write() as session:
        row = get_job(session, job_id)
        row.finished_at = now
        row.progress = 1.0 if state is JobState.DONE else row.progress
        _set_state(session, row, state, SERVICE, now, "finish_job", message)


def _set_state(
    session: Session, row: JobRow, to: JobState, actor: Actor, now: datetime, action: str, message: str
) -> None:
    before = row.state
    row.state, row.message = to.value, message
    session.flush()
    record(session, now, actor, action, ("job", row.id), (before, to), message)
