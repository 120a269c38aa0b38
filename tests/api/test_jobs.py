"""Jobs run the line in the background, outlive a kill, and bring plan, verdict and flows into the store once."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_bench import Bench, TurnedClock, read_facts, write_run

from api import examples
from api.actors import Actor, Role
from api.app import create_app
from api.errors import ConcurrentChangeError, UnprocessableError
from api.jobs import JobKind, JobOrder, JobWorker, LineOrder, Progress, order_job, requeue_interrupted, run_next_job
from api.plans import record_verdict
from api.security import create_api_key
from api.settings import Settings
from api.store import JobRow, VerdictRow
from mobility import lake, schemas
from optimiser.errors import InfeasibleError, OptimiserError
from optimiser.signals import NetworkPlan
from sumo_networks.polish import FIRST_SEED
from sumo_networks.verdict import SEEDS_BELOW

PLAN = examples.network_plan(("a", "b"))
DANA = Actor("dana", Role.OPERATOR)


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


SERVICE_DATE = datetime(2025, 3, 3, tzinfo=UTC).date()


DIES_IN_THE_LINE = """
import os, sys
from datetime import UTC, datetime
from api.jobs import run_next_job
from api.store import Store

def line(order, progress):
    (order.out / "half").write_text("done so far")
    os._exit(9)

run_next_job(Store(sys.argv[1]), line, lambda: datetime(2026, 3, 2, 7, 0, tzinfo=UTC))
"""


def ordered(bench: Bench, kind: JobKind = JobKind.RUN, plan_id: str | None = None) -> str:
    row = order_job(
        bench.store,
        bench.scenario(),
        JobOrder(kind=kind, seeds=(1, 2), plan_id=plan_id),
        jobs_folder=bench.settings.jobs_folder,
        actor=DANA,
        now=bench.clock(),
    )
    return row.id


def test_a_verdict_on_seeds_of_the_search_is_not_ordered(bench: Bench) -> None:
    assert SEEDS_BELOW <= FIRST_SEED
    order = JobOrder(kind=JobKind.RUN, seeds=(1, FIRST_SEED))
    with pytest.raises(UnprocessableError, match="belong to the search"):
        order_job(
            bench.store,
            bench.scenario(),
            order,
            jobs_folder=bench.settings.jobs_folder,
            actor=DANA,
            now=bench.clock(),
        )


def job(bench: Bench, job_id: str) -> dict[str, object]:
    got: dict[str, object] = bench.client.get(f"/v1/jobs/{job_id}", headers=bench.headers()).json()
    return got


def test_a_job_ends_with_a_verified_plan_its_verdict_and_its_flows(bench: Bench) -> None:
    job_id = ordered(bench)
    seen: list[LineOrder] = []

    def line(order: LineOrder, progress: Progress) -> None:
        seen.append(order)
        progress(0.4, "optimise")
        assert (job(bench, job_id)["progress"], job(bench, job_id)["message"]) == (0.4, "optimise")
        write_run(order.out, PLAN)
        lake.write(order.out / "flows", "od_flows", schemas.OdFlow, schemas.OdFlow.create_empty(), SERVICE_DATE)

    assert run_next_job(bench.store, line, bench.clock)
    assert not run_next_job(bench.store, line, bench.clock)
    assert [(order.seeds, order.plan) for order in seen] == [((1, 2), None)]
    done = job(bench, job_id)
    assert (done["state"], done["progress"], done["plan_id"]) == ("done", 1.0, PLAN.id)
    plan = bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).json()
    assert (plan["state"], plan["origin"], plan["job_id"]) == ("verified", "job", job_id)
    assert plan["provenance"]["solver"]["gap"] == 0.01
    assert plan["provenance"]["demand_period"]["begin_s"] == 27000
    verdict = bench.client.get(f"/v1/verdicts/{done['verdict_id']}", headers=bench.headers()).json()
    assert verdict["accepted"] is True
    assert verdict["verdict"]["candidate"]["person_delay_s"] == 48.0
    assert [f["job_id"] for f in bench.client.get("/v1/flows", headers=bench.headers()).json()] == [job_id]


def test_a_job_whose_end_meets_another_writer_takes_its_results_in_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL two jobs that end in the same moment take the same number for their verdicts; one must yield."""
    job_id = ordered(bench)
    meetings = iter([True, True, False])

    def record(*given: Any, **more: Any) -> VerdictRow:
        if next(meetings):
            raise ConcurrentChangeError("Somebody else changed the same at the same time; look again and repeat.")
        return record_verdict(*given, **more)

    monkeypatch.setattr("api.imports.record_verdict", record)
    run_next_job(bench.store, lambda order, _: write_run(order.out, PLAN), bench.clock)
    done = job(bench, job_id)
    assert (done["state"], done["attempts"], done["plan_id"]) == ("done", 1, PLAN.id)
    assert bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).json()["state"] == "verified"


def test_a_refused_plan_stays_a_draft_and_the_job_says_why(bench: Bench) -> None:
    job_id = ordered(bench)
    run_next_job(bench.store, lambda order, _: write_run(order.out, PLAN, accepted=False), bench.clock)
    assert "Person delay may not fall" in str(job(bench, job_id)["message"])
    assert bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).json()["state"] == "draft"


def test_an_unsafe_plan_of_the_line_is_refused_and_kept(bench: Bench) -> None:
    unsafe = examples.network_plan(("a",), main_green_s=2.0)
    job_id = ordered(bench)
    run_next_job(bench.store, lambda order, _: write_run(order.out, unsafe), bench.clock)
    assert job(bench, job_id)["state"] == "failed"
    assert "unsafe" in str(job(bench, job_id)["message"])
    assert bench.client.get(f"/v1/plans/{unsafe.id}", headers=bench.headers()).json()["state"] == "rejected"


def test_a_plan_that_is_here_is_proved_by_a_job_of_its_own(bench: Bench) -> None:
    bench.offer(PLAN)
    ordered(bench, JobKind.VERIFY, PLAN.id)

    def line(order: LineOrder, progress: Progress) -> None:
        assert order.plan is not None
        assert NetworkPlan.model_validate_json(order.plan.read_text()) == PLAN
        write_run(order.out, PLAN)
        (order.out / "plan.json").unlink()

    run_next_job(bench.store, line, bench.clock)
    plan = bench.client.get(f"/v1/plans/{PLAN.id}", headers=bench.headers()).json()
    assert (plan["state"], plan["origin"]) == ("verified", "upload")


def test_a_rejected_plan_is_not_proved(bench: Bench) -> None:
    bench.offer(PLAN)
    bench.client.post(f"/v1/plans/{PLAN.id}/reject", json={"reason": "no"}, headers=bench.headers())
    body = {"kind": "verify", "scenario_id": bench.scenario(), "plan_id": PLAN.id}
    answer = bench.client.post("/v1/jobs", json=body, headers=bench.headers())
    assert (answer.status_code, answer.json()["detail"]) == (409, f"Plan {PLAN.id} was rejected: no")


def test_what_breaks_while_the_service_stops_is_left_to_its_next_start(bench: Bench) -> None:
    job_id = ordered(bench)

    def line(order: LineOrder, progress: Progress) -> None:
        raise OptimiserError("a process of the optimiser ended before its answer")

    assert run_next_job(bench.store, line, bench.clock, lambda: True)
    assert job(bench, job_id)["state"] == "running"
    assert requeue_interrupted(bench.store, attempts=3, now=bench.clock()) == [job_id]
    run_next_job(bench.store, line, bench.clock)
    assert job(bench, job_id)["state"] == "failed"


def test_a_job_killed_in_the_line_is_taken_up_again(bench: Bench) -> None:
    job_id = ordered(bench)

    arguments = [sys.executable, "-c", DIES_IN_THE_LINE, bench.settings.database]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    assert job(bench, job_id)["state"] == "running"
    assert requeue_interrupted(bench.store, attempts=3, now=bench.clock()) == [job_id]

    def goes_on(order: LineOrder, progress: Progress) -> None:
        assert (order.out / "half").read_text() == "done so far"
        write_run(order.out, PLAN)

    run_next_job(bench.store, goes_on, bench.clock)
    assert (job(bench, job_id)["state"], job(bench, job_id)["attempts"]) == ("done", 2)


def test_a_job_killed_after_the_line_does_not_run_the_line_again(bench: Bench) -> None:
    job_id = ordered(bench)
    run_next_job(bench.store, lambda order, _: write_run(order.out, PLAN), bench.clock)
    with bench.store.write() as session:
        row = session.get(JobRow, job_id)
        assert row is not None
        row.state, row.plan_id, row.verdict_id = "running", None, None
    requeue_interrupted(bench.store, attempts=3, now=bench.clock())

    def not_again(order: LineOrder, progress: Progress) -> None:
        raise AssertionError("the line ran again")

    run_next_job(bench.store, not_again, bench.clock)
    assert (job(bench, job_id)["state"], job(bench, job_id)["plan_id"]) == ("done", PLAN.id)
    assert len(bench.client.get("/v1/verdicts", headers=bench.headers()).json()) == 1


def test_a_job_that_ends_the_service_each_time_is_given_up(bench: Bench) -> None:
    job_id = ordered(bench)

    def killed(order: LineOrder, progress: Progress) -> None:
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            run_next_job(bench.store, killed, bench.clock)
        requeue_interrupted(bench.store, attempts=2, now=bench.clock())
    assert job(bench, job_id)["state"] == "failed"
    assert "2 times" in str(job(bench, job_id)["message"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InfeasibleError("Junction a: 40 s of green do not fit a cycle of 30 s."), "Junction a: 40 s of green"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError"),
    ],
)
def test_a_line_that_fails_fails_its_job_and_not_the_service(bench: Bench, error: Exception, said: str) -> None:
    job_id = ordered(bench)

    def fails(order: LineOrder, progress: Progress) -> None:
        raise error

    assert run_next_job(bench.store, fails, bench.clock)
    assert job(bench, job_id)["state"] == "failed"
    assert said in str(job(bench, job_id)["message"])


def test_a_line_that_leaves_no_verdict_fails_its_job(bench: Bench) -> None:
    job_id = ordered(bench)
    run_next_job(bench.store, lambda order, _: None, bench.clock)
    assert "verdict.json" in str(job(bench, job_id)["message"])


def test_a_queued_job_can_be_cancelled_and_a_finished_one_cannot(bench: Bench) -> None:
    job_id = ordered(bench)
    assert bench.client.post(f"/v1/jobs/{job_id}/cancel", headers=bench.headers()).json()["state"] == "cancelled"
    assert not run_next_job(bench.store, lambda order, _: write_run(order.out, PLAN), bench.clock)
    assert bench.client.post(f"/v1/jobs/{job_id}/cancel", headers=bench.headers()).status_code == 409


def test_the_running_service_does_what_is_ordered_over_http(tmp_path: Path) -> None:
    ran = threading.Event()

    def line(order: LineOrder, progress: Progress) -> None:
        write_run(order.out, PLAN)
        ran.set()

    (tmp_path / "scenarios" / "small").mkdir(parents=True)
    settings = Settings(
        folder=tmp_path / "service", scenarios_folder=tmp_path / "scenarios", job_workers=1, job_poll_s=0.05
    )
    app = create_app(settings, run_line=line, read=read_facts, now=TurnedClock())
    with TestClient(app) as client:
        store = app.state.service.store
        made = create_api_key(store, name="dana", role=Role.ENGINEER, now=TurnedClock()(), by=DANA)
        headers = {"Authorization": f"Bearer {made.key}"}
        scenario = client.post("/v1/scenarios", json={"name": "small", "path": "small"}, headers=headers).json()
        job_id = client.post("/v1/jobs", json={"scenario_id": scenario["id"]}, headers=headers).json()["id"]
        assert ran.wait(30)
        app.state.service.worker.stop()
        assert client.get(f"/v1/jobs/{job_id}", headers=headers).json()["state"] == "done"


def test_a_worker_goes_on_after_the_queue_could_not_be_read(bench: Bench) -> None:
    ordered(bench)
    failures = [OSError("the disk is away for a moment")]
    done = threading.Event()

    def clock() -> datetime:
        if threading.current_thread() is not threading.main_thread() and failures:
            raise failures.pop()
        return bench.clock()

    def line(order: LineOrder, progress: Progress) -> None:
        write_run(order.out, PLAN)
        done.set()

    worker = JobWorker(bench.store, line, clock, workers=1, attempts=3, poll_s=0.01)
    worker.start()
    assert done.wait(30)
    worker.stop()
    assert not failures
