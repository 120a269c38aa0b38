"""What a lake says of its files: one entry each, `ledger/<table>/<digest>.json`, and one writer at a time.

A part counts while its entry stands (mobility.lake). `forgotten/<table>/<digest>-<number>.json` are files that left the
lake again: what each was, when it left, who made it leave and why. Such a record is written first, under the ending
`.pending`; then the entry leaves the ledger, which takes all rows of the file out of the lake at once; then its parts
are deleted, and the record loses the ending. Where a process was killed on the way, the next writer goes on from there.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from mobility import lake as lakes
from mobility.errors import LakeError
from mobility.schemas import FareTransaction, VehicleLocation

TABLES: Final[dict[str, type[FareTransaction] | type[VehicleLocation]]] = {
    "fare_transactions": FareTransaction,
    "vehicle_locations": VehicleLocation,
}
ODD_CARDS: Final = "odd_cards/fare_transactions"
FORGOTTEN: Final = "forgotten"
PENDING: Final = ".pending"
LEAST_DIGITS: Final = 6
BROUGHT_BY_ANOTHER: Final = "from another file"
"""How the reasons end for which a row is refused that the lake has already."""


@dataclass(frozen=True)
class FileReport:
    """What became of a file: read = accepted + quarantined. `already`: its content was in the lake before."""

    file: str
    table: str
    digest: str
    read: int
    accepted: int
    quarantined: int
    reasons: dict[str, int]
    service_dates: tuple[str, ...]
    already: bool = False


@dataclass(frozen=True)
class Leaving:
    """Who makes a file leave the lake, when (aware) and why."""

    at: datetime
    by: str
    reason: str


def file_reports(lake: Path, name: str) -> list[FileReport]:
    """What became of each file in a table of the lake, by file name."""
    reports = [report_in(entry) for entry in lakes.ledger(lake, name).glob("*.json")]
    return sorted(reports, key=lambda report: (report.file, report.digest))


def report_in(entry: Path) -> FileReport:
    """The report that an entry of the ledger holds. Raises LakeError where it is not whole."""
    try:
        content = json.loads(entry.read_text(encoding="utf-8"))
        content["service_dates"] = tuple(content["service_dates"])
        return FileReport(**content)
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(
            f"{entry} is no whole entry of the ledger: {error}; put back a copy of it, or remove it and take the file "
            "in again"
        ) from error


def forget(lake: Path, digest: str, leaving: Leaving) -> FileReport:
    """Take the file whose digest begins so out of the lake, rows and quarantine, and write down that it left.

    Raises LakeError where no file is called so or several are, fewer than LEAST_DIGITS hex digits are given, or another
    process writes into the lake."""
    if not re.fullmatch(rf"[0-9a-f]{{{LEAST_DIGITS},}}", digest):
        raise LakeError(f"'{digest}' is no digest of a file: give {LEAST_DIGITS} or more of its hex digits")
    with locked(lake):
        remove_leftovers(lake)
        entries = [entry for name in TABLES for entry in lakes.ledger(lake, name).glob("*.json")]
        found = [entry for entry in entries if entry.stem.startswith(digest)]
        if len(found) != 1:
            said = "no file whose" if not found else f"{len(found)} files whose"
            raise LakeError(f"{lake} has {said} digest begins with {digest}")
        report = report_in(found[0])
        folder = lake / FORGOTTEN / report.table
        number = sum(1 for _ in folder.glob(f"{report.digest}-*.json")) + 1
        record = asdict(report) | {"forgotten_at": leaving.at.isoformat(), "by": leaving.by, "reason": leaving.reason}
        write_json(folder / f"{report.digest}-{number}.json{PENDING}", record)
        remove_leftovers(lake)
    return report


def doubtful(lake: Path, gone: FileReport) -> list[str]:
    """Files of the lake, by name, of which rows were refused because another file had brought them: if that was the one
    that is `gone`, they have to be forgotten and taken in again."""
    return [
        report.file
        for report in file_reports(lake, gone.table)
        if any(reason.endswith(BROUGHT_BY_ANOTHER) for reason in report.reasons)
    ]


def arriving(lake: Path) -> Path:
    """Where parts are written before they enter the lake."""
    return lake.parent / f".{lake.name}.arriving"


def remove_leftovers(lake: Path) -> None:
    """Carry out what a killed process had begun: files it was making leave, and parts it had not yet entered."""
    shutil.rmtree(arriving(lake), ignore_errors=True)
    for partial in (lake / FORGOTTEN).glob("*/*.partial"):
        partial.unlink()
    pending = sorted((lake / FORGOTTEN).glob(f"*/*.json{PENDING}"))
    for record in pending:
        digest = record.name.rpartition("-")[0]
        (lakes.ledger(lake, record.parent.name) / f"{digest}.json").unlink(missing_ok=True)
    for name in TABLES:
        entries = lakes.ledger(lake, name)
        for table in (lake / name, lake / "quarantine" / name, lake / "odd_cards" / name):
            for part in table.rglob("*.parquet"):
                if not (entries / f"{part.stem}.json").exists():
                    part.unlink()
        for partial in entries.glob("*.partial"):
            partial.unlink()
        for table in (lake / name, lake / "odd_cards" / name):
            for folder in table.glob("service_date=*"):
                if not any(folder.iterdir()):
                    folder.rmdir()
    for record in pending:
        record.replace(record.with_suffix(""))


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """One writer at a time; the lock ends with its process, however that ends."""
    with (lake / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LakeError(f"another intake into {lake} is at work; wait until it has ended") from None
        yield


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write one JSON file through a neighbour and a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(path)
