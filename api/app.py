"""The HTTP service: `create_app` builds it from its settings, `serve` runs it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI

from api.body_limit import BodyLimit
from api.jobs import Clock, JobWorker, LineRunner
from api.line import run_order
from api.problems import FieldError, FindingOut, Problem, add_problem_handlers
from api.routes import audit, controllers, flows, health, jobs, keys, plans, published, scenarios, verdicts
from api.scenarios import ScenarioReader, read_scenario
from api.service import Service
from api.settings import Settings
from api.signing import open_signer
from api.store import Store
from api.texts import refuse_nul_in_url

_DESCRIPTION = """Fare taps and vehicle GPS become passenger flows and demand; these become signal plans, proved in
simulation; an engineer approves a plan, and each controller fetches its own part of it, signed.

Every request but `/v1/health` and `/v1/keys` carries an API key. Every refusal is `application/problem+json`
(RFC 9457).
"""


class _App(FastAPI):
    """FastAPI whose description also holds the schema of problems."""

    def openapi(self) -> dict[str, Any]:
        """OpenAPI 3.1 description of all operations."""
        described = super().openapi()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        for model in (Problem, FindingOut, FieldError):
            made = model.model_json_schema(ref_template="#/components/schemas/{model}")
            made.pop("$defs", None)
            schemas[model.__name__] = made
        return described


def utc_now() -> datetime:
    """The clock of the running service."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    run_line: LineRunner = run_order,
    read: ScenarioReader = read_scenario,
    now: Clock = utc_now,
) -> FastAPI:
    """The service as settings say; opens its database and its signing keys, making them where there are none.

    `run_line` does the jobs, `read` reads scenarios, `now` is the clock. Raises SettingsError."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    store = Store(settings.database)
    worker = JobWorker(
        store,
        run_line,
        now,
        workers=settings.job_workers,
        attempts=settings.job_attempts,
        poll_s=settings.job_poll_s,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            worker.stop()
            store.close()

    app = _App(
        title="jasyl",
        summary="Signal plans from fare taps, proved and signed.",
        description=_DESCRIPTION,
        version=version("jasyl"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url="/v1/openapi.json",
        # The built-in pages load their scripts from a CDN; nothing here needs the network at run time.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(refuse_nul_in_url)],
    )
    app.state.service = Service(settings, store, open_signer(settings.signing_keys, now()), worker, read, now)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    add_problem_handlers(app)
    for room in (health, keys, scenarios, jobs, flows, published, plans, verdicts, controllers, audit):
        app.include_router(room.router, prefix="/v1")
    return app


def serve(settings: Settings, *, run_line: LineRunner = run_order) -> None:
    """Run the service until it is told to stop. Raises SettingsError where it cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvicorn.run(create_app(settings, run_line=run_line), host=settings.host, port=settings.port, server_header=False)
