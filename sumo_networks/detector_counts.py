"""Detector counts of signalled junctions: `detectors.csv` of a feeds folder as arrays by lane and interval.

Columns: detector_id, kind (entry, exit or queue), tls, edge, lane, position_m, interval_begin_s, interval_end_s
(SUMO seconds), count_veh, occupancy_pct, jam_length_m_mean, jam_length_m_max. An entry loop lies at the stop line of an
incoming lane, an exit loop at the start of an outgoing lane, a queue detector covers an incoming lane.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sumo_networks.errors import NetworkError
from sumo_networks.net_file import NetFile

Series = NDArray[np.float64]

KINDS: Final = ("entry", "exit", "queue")
_VALUES: Final = ("count_veh", "occupancy_pct", "jam_length_m_mean", "jam_length_m_max")
_TIMES: Final = ("interval_begin_s", "interval_end_s")
_COLUMNS: Final = ("detector_id", "kind", "tls", "lane", *_TIMES, *_VALUES)
# SUMO's and many a recorder's word for "nothing measured".
_NOT_MEASURED: Final = -1.0


class DetectorError(NetworkError):
    """A table of detector counts cannot be read, or holds nothing for the period."""


@dataclass(frozen=True)
class Detector:
    """Series of one detector, one value an interval; NaN where it reported nothing."""

    detector_id: str
    kind: str
    tls: str
    lane: str
    count_veh: Series
    occupancy_pct: Series
    jam_mean_m: Series
    jam_max_m: Series


@dataclass(frozen=True)
class DetectorCounts:
    """All detectors of one period. `begins_s` and `durations_s` hold the intervals in order; detectors by lane."""

    begins_s: Series
    durations_s: Series
    entry: dict[str, Detector] = field(default_factory=dict)
    exit: dict[str, Detector] = field(default_factory=dict)
    queue: dict[str, Detector] = field(default_factory=dict)

    @property
    def hours(self) -> float:
        """Length of the period in hours."""
        return float(self.durations_s.sum()) / 3600.0

    def of_kind(self, kind: str) -> dict[str, Detector]:
        """Detectors of one kind by lane."""
        return {"entry": self.entry, "exit": self.exit, "queue": self.queue}[kind]


def read_detector_counts(path: Path, begin_s: float, end_s: float) -> DetectorCounts:
    """The whole intervals of `detectors.csv` that lie within [begin_s, end_s].

    Where several detectors of a kind lie in one lane the first by id is taken. Blanks and -1 become NaN.
    Raises DetectorError where the file is missing, a column is missing, a value is no number, or no interval lies in
    the period."""
    table = _read_table(path)
    inside = table.filter(
        (pl.col("interval_begin_s") >= begin_s - 1e-6)
        & (pl.col("interval_end_s") <= end_s + 1e-6)
        & (pl.col("interval_end_s") > pl.col("interval_begin_s"))
    )
    if inside.is_empty():
        raise DetectorError(
            f"{path}: no interval within {begin_s:g} to {end_s:g} s; choose a period that the detectors recorded"
        )
    spans = inside.select("interval_begin_s", "interval_end_s").unique("interval_begin_s", keep="first")
    spans = spans.sort("interval_begin_s")
    begins = spans["interval_begin_s"].to_numpy()
    durations = spans["interval_end_s"].to_numpy() - begins
    counts = DetectorCounts(begins, durations)
    for (kind, detector_id), rows in inside.sort("kind", "detector_id").group_by(
        "kind", "detector_id", maintain_order=True
    ):
        detector = _detector(rows, str(detector_id), str(kind), begins)
        counts.of_kind(str(kind)).setdefault(detector.lane, detector)
    return counts


def refuse_other_lanes(counts: DetectorCounts, net: NetFile, path: Path) -> None:
    """Raise DetectorError where a detector lies in a lane that `net` has not, or no loop counted anything."""
    for kind in KINDS:
        for lane, detector in counts.of_kind(kind).items():
            if lane not in net.lanes:
                raise DetectorError(
                    f"{path}: lane {lane} of detector {detector.detector_id} is not in {net.path}; are the counts of "
                    "another network?"
                )
    loops = (*counts.entry.values(), *counts.exit.values())
    if all(np.isnan(loop.count_veh).all() for loop in loops):
        begin_s, end_s = counts.begins_s[0], counts.begins_s[-1] + counts.durations_s[-1]
        raise DetectorError(
            f"{path}: no entry or exit loop counted anything from {begin_s:g} to {end_s:g} s; choose a period in "
            "which they did"
        )


def _read_table(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DetectorError(f"{path}: no such file; record the feeds or name the right folder")
    try:
        table = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise DetectorError(f"{path}: not a CSV table ({error}); record the feeds again") from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise DetectorError(f"{path}: column {missing[0]!r} is missing; give all of {', '.join(_COLUMNS)}")
    unknown = sorted(set(table["kind"].unique().to_list()) - set(KINDS), key=str)
    if unknown:
        raise DetectorError(f"{path}: kind {unknown[0]!r} is unknown; use one of {', '.join(KINDS)}")
    return table.with_columns(_numbers(path, table, name) for name in (*_TIMES, *_VALUES))


def _numbers(path: Path, table: pl.DataFrame, name: str) -> pl.Series:
    """A column as numbers. A value may be blank or not below 0, a time any number."""
    given = table[name].str.strip_chars()
    numbers = given.cast(pl.Float64, strict=False)
    wrong = ~numbers.is_finite().fill_null(False)
    if name in _VALUES:
        blank = given.fill_null("") == ""
        wrong = ~blank & (wrong | ((numbers < 0) & (numbers != _NOT_MEASURED)))
    rows = wrong.arg_true()
    if len(rows):
        row = int(rows[0])
        raise DetectorError(
            f"{path}: {name} in row {row + 2} is {table[name][row]!r}; give a number"
            f"{' that is not below 0, or leave it blank' if name in _VALUES else ''}"
        )
    return numbers


def _detector(rows: pl.DataFrame, detector_id: str, kind: str, begins: Series) -> Detector:
    at = np.searchsorted(begins, rows["interval_begin_s"].to_numpy())
    series: dict[str, Series] = {}
    for name in _VALUES:
        values = np.full(len(begins), np.nan)
        values[at] = rows[name].to_numpy()
        series[name] = np.where(values < 0, np.nan, values)
    return Detector(
        detector_id=detector_id,
        kind=kind,
        tls=str(rows["tls"][0]),
        lane=str(rows["lane"][0]),
        count_veh=series["count_veh"],
        occupancy_pct=series["occupancy_pct"],
        jam_mean_m=series["jam_length_m_mean"],
        jam_max_m=series["jam_length_m_max"],
    )
