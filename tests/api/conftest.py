"""A service on a fresh SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from service_bench import Bench, TurnedClock, read_facts

from api.app import create_app
from api.settings import Settings


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    settings = Settings(folder=tmp_path / "service", scenarios_folder=tmp_path / "scenarios", job_workers=0)
    clock = TurnedClock()
    app = create_app(settings, read=read_facts, now=clock)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Bench(app, client, clock, settings)
