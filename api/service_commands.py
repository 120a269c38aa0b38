"""Commands that run and administer the service: serve, keys, import of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.actors import Actor, Role
from api.app import serve as serve_http
from api.app import utc_now
from api.imports import import_run
from api.person import person_at_console
from api.scenarios import read_scenario
from api.security import create_api_key, list_api_keys, revoke_api_key
from api.settings import settings_with
from api.store import Store
from api.terminal import say

service = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="API keys of the service.")
service.add_typer(keys, name="keys")

Folder = Annotated[
    Path | None, typer.Option(help="Folder of the service.", show_default="JASYL_FOLDER, or jasyl-service")
]


@service.command(epilog="Example: jasyl serve --port 8080")
def serve(
    folder: Folder = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="JASYL_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="Port.", show_default="JASYL_PORT, or 8080")] = None,
) -> None:
    """Serve scenarios, jobs, flows, plans and verdicts over HTTP, and signed plans to controllers."""
    serve_http(settings_with(folder=folder, host=host, port=port))


@service.command("import-run", epilog="Example: jasyl import-run out --scenario city/run.sumocfg --name centre")
def import_run_command(
    results: Annotated[Path, typer.Argument(help="Folder that `jasyl run` wrote.", show_default=False)],
    scenario: Annotated[Path, typer.Option(help="The scenario it was run on.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the scenario in the service.", show_default=False)],
    folder: Folder = None,
) -> None:
    """Take a finished run into the service's store."""
    taken = import_run(
        _store(folder), results, scenario, name=name, read=read_scenario, actor=_administrator(), now=utc_now()
    )
    say(f"plan {taken.plan_id}, verdict {taken.verdict_id}: {taken.said}")


@keys.command("create", epilog="Example: jasyl keys create 'Aigerim' --role engineer")
def create(
    name: Annotated[str, typer.Argument(help="Who uses the key.", show_default=False)],
    role: Annotated[Role, typer.Option(help="What the key may do.", show_default=False)],
    controller: Annotated[str | None, typer.Option(help="Junction id, for the role controller.")] = None,
    agency: Annotated[
        str | None, typer.Option(help="agency_id whose single legs an operator may read; each reading is audited.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Make a key and show it, once."""
    made = create_api_key(
        _store(folder), name=name, role=role, controller=controller, agency=agency, now=utc_now(), by=_administrator()
    )
    say(f"key {made.id}; keep this, it is not shown again:")
    say(made.key)


@keys.command("list", epilog="Example: jasyl keys list")
def list_keys(folder: Folder = None) -> None:
    """The keys there are, without their secrets."""
    with _store(folder).read() as session:
        for key in list_api_keys(session):
            state = "revoked" if key.revoked_at else "valid"
            say(f"{key.id}  {key.role:<10}  {key.controller or '-':<12}  {state}  {key.name}")


@keys.command("revoke", epilog="Example: jasyl keys revoke 1f2e3d4c")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.", show_default=False)],
    folder: Folder = None,
) -> None:
    """End a key at once."""
    revoke_api_key(_store(folder), key_id, now=utc_now(), by=_administrator())
    say(f"key {key_id} is revoked")


def _store(folder: Path | None) -> Store:
    settings = settings_with(folder=folder)
    settings.folder.mkdir(parents=True, exist_ok=True)
    return Store(settings.database)


def _administrator() -> Actor:
    return Actor(name=f"{person_at_console()} at the console", role=Role.ADMIN)
