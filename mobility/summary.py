"""What became of a day's feeds: the counts and warnings that a flows folder begins with (`summary.json`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from mobility.errors import MobilityError
from mobility.ingest import Ingested
from mobility.path_viterbi import FAR
from mobility.positions import REASONS
from mobility.sources.gtfs import Timetable

SUMMARY = "summary.json"
LOCATIONS_FILE, FARES_FILE = "vehicle_locations.csv", "fare_transactions.csv"


@dataclass(frozen=True)
class FileCount:
    """Rows of one file: read = accepted + quarantined; `reasons` counts the quarantined."""

    file: str
    read: int
    accepted: int
    quarantined: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class FlowsSummary:
    """What became of the feeds (also `summary.json`). Counts of taps by how their stops are known; `pax` = passengers
    after scaling; `warnings` = sentences an operator should read; `irregularities` by kind."""

    agency_id: str
    service_date: str
    zone: str
    begin_s: float
    end_s: float
    files: tuple[FileCount, ...]
    trips: int
    trips_by_pattern: int
    trips_unmatched: int
    stop_visits: int
    taps: int
    boarded: int
    unplaced: int
    pax: float
    boarding_methods: dict[str, int]
    alighting_methods: dict[str, int]
    journeys: int
    expansion_change: float | None
    lines_without_taps: tuple[str, ...]
    lines_without_total: tuple[str, ...]
    warnings: tuple[str, ...]
    irregularities: dict[str, int] = field(default_factory=dict)
    unmatched_positions: dict[str, int] = field(default_factory=dict)
    clocks_off: int = 0
    lines_below_taps: tuple[str, ...] = ()


def read_summary(flows_folder: Path) -> FlowsSummary:
    """The summary of a flows folder. Raises MobilityError where it is not whole."""
    path = flows_folder / SUMMARY
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["files"] = tuple(FileCount(**file) for file in content["files"])
        for name in ("lines_without_taps", "lines_without_total", "warnings"):
            content[name] = tuple(content[name])
        content["lines_below_taps"] = tuple(content.get("lines_below_taps", ()))
        return FlowsSummary(**content)
    except (ValueError, KeyError, TypeError) as error:
        raise MobilityError(f"{path} is no whole summary of flows: {error}; make these flows again") from error


def write_summary(flows_folder: Path, summary: FlowsSummary) -> None:
    """Write the summary of a flows folder."""
    content = json.dumps(asdict(summary), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    (flows_folder / SUMMARY).write_text(content, encoding="utf-8")


def file_count(file: str, ingested: Ingested) -> FileCount:
    """What became of the rows of one file."""
    reasons = ingested.quarantined.group_by("reason").len().sort("reason")
    return FileCount(
        file,
        ingested.read,
        ingested.accepted.height,
        ingested.quarantined.height,
        dict(zip(reasons["reason"].to_list(), reasons["len"].to_list(), strict=True)),
    )


def legs_by(legs: pl.DataFrame, column: str) -> dict[str, int]:
    """How many legs there are of each value of a column."""
    counted = legs.group_by(pl.col(column).cast(pl.String)).len().sort(column)
    return dict(zip(counted[column].to_list(), counted["len"].to_list(), strict=True))


def warnings(summary: FlowsSummary, timetable: Timetable, has_locations: bool, has_taps: bool) -> tuple[str, ...]:
    """Sentences an operator should read. `has_`: whether a feed has any row."""
    found: list[str] = []
    if timetable.trips.is_empty():
        found.append("There is no timetable for the service date: no stop can be named, so the flows are empty.")
    found += timetable.notes
    if not has_locations:
        found.append("There are no vehicle positions: stops come from the timetable alone.")
    if not has_taps:
        found.append("There are no taps: the flows are empty.")
    for file in summary.files:
        if file.quarantined:
            found.append(f"{file.file}: {file.quarantined} of {file.read} rows are in quarantine.")
    found += _of_far_positions(summary)
    if summary.trips_by_pattern:
        found.append(
            f"The timetable does not name {summary.trips_by_pattern} of the trips the vehicles reported; "
            "they were given the pattern whose stops they passed."
        )
    if summary.trips_unmatched:
        found.append(
            f"{summary.trips_unmatched} trips the vehicles reported fit neither a trip nor a pattern of the timetable; "
            "their taps have no stop."
        )
    if summary.clocks_off:
        found.append(
            f"The clocks of {summary.clocks_off} validators were off; their taps were set right before boarding."
        )
    if summary.unplaced:
        found.append(f"{summary.unplaced} of {summary.taps} taps could be given no stop (table unplaced_taps).")
    if summary.lines_without_taps:
        found.append(f"Lines {', '.join(summary.lines_without_taps)} have a control total but no tap to scale.")
    if summary.lines_below_taps:
        found.append(
            f"Lines {', '.join(summary.lines_below_taps)} have a control total below their tapped riders; their flows "
            "were scaled down to it: is the total of the same lines and hours, cash and taps together?"
        )
    return tuple(found)


def _of_far_positions(summary: FlowsSummary) -> list[str]:
    """A sentence where most positions lie on no path: then stops come from the timetable, though there is GPS."""
    positions = sum(file.accepted for file in summary.files if file.file == LOCATIONS_FILE)
    far = summary.unmatched_positions.get(REASONS[FAR], 0)
    if far <= positions / 2:
        return []
    return [
        f"{far} of {positions} vehicle positions are far from the path of their trip: are stops and shapes those of "
        "this city, with latitude and longitude in their columns?"
    ]
