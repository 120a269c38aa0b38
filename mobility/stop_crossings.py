"""When a vehicle crossed the lines before and after each stop, compiled: one walk along places and stops together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mobility.path_viterbi import MATCHED, Floats, Ints, Places, Tracks


class StopLines(NamedTuple):
    """Stops of all patterns, those of pattern p from first_stop[p] to first_stop[p + 1], in the order of their places:
    the lines at which a vehicle comes to the stop and leaves it, metres along the path."""

    first_stop: Ints
    enter_m: Floats
    leave_m: Floats


class Crossings(NamedTuple):
    """What comes out, one entry a stop of a track, track by track: seconds as in Points, NaN where no position tells;
    `gap_s` is the longer of the silences that arrival and departure fell in."""

    arrival_s: Floats
    departure_s: Floats
    gap_s: Floats


@njit(cache=True, nogil=True)
def cross_stops(
    begin: int,
    end: int,
    tracks: Tracks,
    at_s: Floats,
    places: Places,
    lines: StopLines,
    first_call: Ints,
    crossings: Crossings,
) -> None:
    """Crossings of the tracks from `begin` to before `end`; the entries of track t start at first_call[t]. `at_s`: time
    of each position, epoch seconds.

    A line is crossed between the last position before it and the first after it, a position on it counting as after
    the line of arrival and before that of departure. Where a vehicle is seen first, or last, at the stop itself, that
    is its arrival, or departure."""
    longest = 0
    for track in range(begin, end):
        longest = max(longest, tracks.rows[tracks.first_run[track] : tracks.first_run[track + 1]].sum())
    drive_m, drive_s = np.empty(longest), np.empty(longest)
    for track in range(begin, end):
        seen = _drive(track, tracks, at_s, places, drive_m, drive_s)
        pattern, call, into, beyond = tracks.pattern[track], first_call[track], 0, 0
        for stop in range(lines.first_stop[pattern], lines.first_stop[pattern + 1]):
            while into < seen and drive_m[into] < lines.enter_m[stop]:
                into += 1
            while beyond < seen and drive_m[beyond] <= lines.leave_m[stop]:
                beyond += 1
            if into < seen and beyond > 0:
                arrival_s, departure_s, gap_s = drive_s[0], drive_s[seen - 1], 0.0
                if into > 0:
                    arrival_s, gap_s = _between(drive_m, drive_s, into, lines.enter_m[stop])
                if beyond < seen:
                    departure_s, left_gap_s = _between(drive_m, drive_s, beyond, lines.leave_m[stop])
                    gap_s = max(gap_s, left_gap_s)
                crossings.arrival_s[call], crossings.departure_s[call] = arrival_s, departure_s
                crossings.gap_s[call] = gap_s
            call += 1


@njit(cache=True, nogil=True)
def _drive(track: int, tracks: Tracks, at_s: Floats, places: Places, drive_m: Floats, drive_s: Floats) -> int:
    """Write the matched places of a track, never going back, and their times; returns how many there are."""
    seen, furthest = 0, -np.inf
    for run in range(tracks.first_run[track], tracks.first_run[track + 1]):
        for row in range(tracks.first_row[run], tracks.first_row[run] + tracks.rows[run]):
            if places.status[row] == MATCHED:
                furthest = max(furthest, places.path_m[row])
                drive_m[seen], drive_s[seen] = furthest, at_s[row]
                seen += 1
    return seen


@njit(cache=True, nogil=True)
def _between(at_m: Floats, at_s: Floats, after: int, line_m: float) -> tuple[float, float]:
    """Time at `line_m`, between the position `after` and the one before it; and how long it is between these."""
    gap_s = at_s[after] - at_s[after - 1]
    return at_s[after - 1] + gap_s * (line_m - at_m[after - 1]) / (at_m[after] - at_m[after - 1]), gap_s
