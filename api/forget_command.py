"""`jasyl mobility forget`: a file that should not have been taken into a lake leaves it again."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from api.app import utc_now
from api.errors import UnprocessableError
from api.person import person_at_console
from api.terminal import print_note, say
from mobility import lake as lakes
from mobility.day_order import dates_that_use
from mobility.intake import read_description
from mobility.ledger import TABLES, Leaving, doubtful, file_reports
from mobility.ledger import forget as forget_file


def forget(
    lake: Annotated[Path, typer.Option(help="Lake, as jasyl mobility ingest makes it.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; it is written down.", show_default=False)],
    file: Annotated[str | None, typer.Option(help="Name of the file, as ingest showed it.", show_default=False)] = None,
    digest: Annotated[str | None, typer.Option(help="Or its digest, or how that begins.", show_default=False)] = None,
    by: Annotated[str | None, typer.Option(help="Who says so.", show_default="the user of this computer")] = None,
) -> None:
    """Take a file out of the lake, its rows and its quarantine, and write down who did that, when and why."""
    read_description(lake)
    if not reason.strip():
        raise UnprocessableError("Give a --reason: it is all that tells later why the rows are gone.")
    gone = forget_file(lake, _digest(lake, file, digest), Leaving(utc_now(), by or person_at_console(), reason))
    say(f"{gone.file} left {lake}: {gone.accepted} rows of {gone.table}")
    changed = [date.fromisoformat(day) for day in gone.service_dates]
    left = {day for name in TABLES for day in lakes.service_dates(lake, name)}
    again = [day.isoformat() for day in dates_that_use(lake, changed)]
    empty = [day.isoformat() for day in changed if day not in left]
    if again:
        say(f"make the flows of these service dates again: {', '.join(again)}")
    if empty:
        say(f"the lake has nothing left of {', '.join(empty)}: delete these service dates from flows folders")
    others = doubtful(lake, gone)
    if others:
        print_note(
            f"rows of {', '.join(others)} were refused because another file had brought them; if that was {gone.file}, "
            "let these files be forgotten and take them in again"
        )


def _digest(lake: Path, file: str | None, digest: str | None) -> str:
    if (file is None) == (digest is None):
        raise UnprocessableError("Say which file: give --file or --digest, and not both.")
    if digest is not None:
        return digest
    found = [report for name in TABLES for report in file_reports(lake, name) if report.file == file]
    if len(found) == 1:
        return found[0].digest
    if not found:
        raise UnprocessableError(f"{lake} has no file {file}; jasyl mobility ingest shows the names.")
    digests = ", ".join(report.digest for report in found)
    raise UnprocessableError(f"{lake} has {len(found)} files named {file}; give one --digest of {digests}.")
