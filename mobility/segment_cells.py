"""Runs over road segments by segment and hour, compiled: a city day has millions of them, each with several lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.uint32]


class Ways(NamedTuple):
    """The segments from a stop to the next: way w has the rows first[w] to first[w + 1] of `segment` and `metres`."""

    first: Ints
    segment: Ints
    metres: Floats


class Runs(NamedTuple):
    """Of each run its way (-1: none), the hour from nought on, the line's number, the speed and the confidence."""

    way: Ints
    hour: Ints
    line: Ints
    speed_m_s: Floats
    confidence: Floats


class SegmentHours(NamedTuple):
    """Of each segment and hour with runs, sorted: `segment`, `hour`, metres driven, space-mean speed, a low quantile of
    speeds, mean confidence; its lines, sorted, are `line` from first_line[i] to first_line[i + 1]."""

    segment: Ints
    hour: Ints
    driven_m: Floats
    speed_m_s: Floats
    low_speed_m_s: Floats
    confidence: Floats
    first_line: Ints
    line: Numbers


@njit(cache=True, nogil=True)
def summed_up(begin: int, end: int, hours: int, runs: Runs, ways: Ways, low_share: float) -> SegmentHours:
    """The hours of the segments from `begin` to before `end`. `low_share`: of the low quantile."""
    # arrays are taken out of the tuples once: in the loop, to count who holds them takes longer than to look into them
    metres, line_of, speed_m_s, trusted = ways.metres, runs.line, runs.speed_m_s, runs.confidence
    first, run, row = _by_cell(begin, end, hours, runs, ways)
    cells = np.flatnonzero(np.diff(first))
    driven_m, mean = np.zeros(len(cells)), np.empty(len(cells))
    low, confidence = np.empty(len(cells)), np.zeros(len(cells))
    speeds, seen = np.empty(len(run)), np.full(runs.line.max() + 1, -1)
    first_line, line = np.zeros(len(cells) + 1, np.int64), np.empty(len(run), np.uint32)
    for number in range(len(cells)):
        begins, ends, lines, driven_s = first[cells[number]], first[cells[number] + 1], first_line[number], 0.0
        for at in range(begins, ends):
            driven_m[number] += metres[row[at]]
            driven_s += metres[row[at]] / speed_m_s[run[at]]
            confidence[number] += trusted[run[at]]
            speeds[at] = speed_m_s[run[at]]
            if seen[line_of[run[at]]] != number:
                seen[line_of[run[at]]] = number
                line[lines] = line_of[run[at]]
                lines += 1
        mean[number] = driven_m[number] / driven_s
        confidence[number] /= ends - begins
        low[number] = _quantile(speeds[begins:ends], low_share)
        line[first_line[number] : lines].sort()
        first_line[number + 1] = lines
    last = first_line[-1]
    return SegmentHours(
        begin + cells // hours, cells % hours, driven_m, mean, low, confidence, first_line, line[:last].copy()
    )


@njit(cache=True, nogil=True)
def _by_cell(begin: int, end: int, hours: int, runs: Runs, ways: Ways) -> tuple[Ints, Numbers, Numbers]:
    """Run and row of its way of every run over a segment, those of a segment and hour together as the runs come, and
    where each of these begins."""
    way, hour_of, first_way, segment = runs.way, runs.hour, ways.first, ways.segment
    first = np.zeros((end - begin) * hours + 1, np.int64)
    for run in range(len(way)):
        if way[run] >= 0:
            for row in range(first_way[way[run]], first_way[way[run] + 1]):
                if begin <= segment[row] < end:
                    first[(segment[row] - begin) * hours + hour_of[run] + 1] += 1
    first = first.cumsum()
    at = first[:-1].copy()
    of_run, of_row = np.empty(first[-1], np.uint32), np.empty(first[-1], np.uint32)
    for run in range(len(way)):
        if way[run] >= 0:
            for row in range(first_way[way[run]], first_way[way[run] + 1]):
                if begin <= segment[row] < end:
                    cell = (segment[row] - begin) * hours + hour_of[run]
                    of_run[at[cell]], of_row[at[cell]] = run, row
                    at[cell] += 1
    return first, of_run, of_row


@njit(cache=True, nogil=True)
def _quantile(values: Floats, share: float) -> float:
    """Between two values in proportion; brings the values in order."""
    values.sort()
    place = share * (len(values) - 1)
    below = int(place)
    if place == below:
        return float(values[below])
    return float(values[below] + (place - below) * (values[below + 1] - values[below]))
