"""The recursion of map matching, compiled: the candidate places of every point, and the cheapest consistent chain.

A point has up to CANDIDATES places m: the local minima of its distance d to the path within `radius_m`. A chain takes
one place of some of the points, in their order. It costs the sum of

    d² / 2σ²                    for every point in it
    |Δm - straight| / detour    for every step forwards; impossible where Δm > speed · Δt + 2σ
    -Δm / backward              for every step backwards
    radius² / 2σ²               for every point left out: what one at the edge of reach would cost

The cheapest chain is exact: the recursion looks back over any number of points left out, and stops looking where
nothing further back can be cheaper.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]

CANDIDATES = 6
CELL_STRIDE = 1 << 20
MATCHED, FAR, BEFORE, AFTER, CONTRADICTS = range(5)


class Costs(NamedTuple):
    """Parameters of the module's formulas, in metres and m/s."""

    sigma_m: float
    detour_m: float
    backward_m: float
    radius_m: float
    speed_m_s: float


class Pieces(NamedTuple):
    """Straight pieces of all paths, pattern by pattern, and which of them are near each cell of the plane.

    Cells of pattern p: pattern_cell[p] to pattern_cell[p + 1], sorted by cell_key (column · CELL_STRIDE + row); pieces
    near cell c: cell_piece[cell_first[c]] to cell_piece[cell_first[c + 1]], rising. `line`: x0, y0, dx, dy, length and
    place of the start of each piece."""

    cell_m: float
    pattern_cell: Ints
    cell_key: Ints
    cell_first: Ints
    cell_piece: Ints
    line: Floats


class Tracks(NamedTuple):
    """Runs of rows: track t is the runs first_run[t] to first_run[t + 1], each `rows` rows from `first_row`."""

    pattern: Ints
    first_run: Ints
    first_row: Ints
    rows: Ints


class Points(NamedTuple):
    """One entry a row; `at_s` is NaN where time says nothing."""

    x_m: Floats
    y_m: Floats
    at_s: Floats


class Places(NamedTuple):
    """What comes out, one entry a row: place on the path, distance from it, and a status."""

    path_m: Floats
    offset_m: Floats
    status: Codes


class _Choices(NamedTuple):
    """Candidates of the points of one track that have any: their rows, how many each has, and where."""

    row: Ints
    candidates: Ints
    path_m: Floats
    offset_m: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def match_tracks(
    begin: int, end: int, tracks: Tracks, points: Points, pieces: Pieces, costs: Costs, places: Places
) -> None:
    """Match the tracks from `begin` to before `end`; writes the entries of their rows in `places`."""
    longest = 0
    for track in range(begin, end):
        longest = max(longest, tracks.rows[tracks.first_run[track] : tracks.first_run[track + 1]].sum())
    choices = _Choices(
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.int64),
        np.empty((longest, CANDIDATES)),
        np.empty((longest, CANDIDATES)),
    )
    for track in range(begin, end):
        near = 0
        for run in range(tracks.first_run[track], tracks.first_run[track + 1]):
            rows = tracks.first_row[run], tracks.first_row[run] + tracks.rows[run]
            near = _candidates(rows, tracks.pattern[track], points, pieces, costs.radius_m, near, choices, places)
        if near > 0:
            _cheapest_chain(near, choices, points, costs, places)


@njit(cache=True, nogil=True, error_model="numpy")
def _candidates(
    rows: tuple[int, int],
    pattern: int,
    points: Points,
    pieces: Pieces,
    radius_m: float,
    near: int,
    choices: _Choices,
    places: Places,
) -> int:
    """Write the candidates of the rows that have any to `choices`, from entry `near` on; returns the entry after."""
    first, last = pieces.pattern_cell[pattern], pieces.pattern_cell[pattern + 1]
    # arrays are taken out of the tuples once: in the loop, to count who holds them takes longer than to look into them
    all_x, all_y, keys, cell_first = points.x_m, points.y_m, pieces.cell_key, pieces.cell_first
    cell_piece, line, path_m, offset_m = pieces.cell_piece, pieces.line, choices.path_m, choices.offset_m
    near_row, candidates, status = choices.row, choices.candidates, places.status
    cell, key = last, np.int64(-1)
    for row in range(rows[0], rows[1]):
        x_m, y_m = all_x[row], all_y[row]
        here = np.int64(np.floor(x_m / pieces.cell_m)) * CELL_STRIDE + np.int64(np.floor(y_m / pieces.cell_m))
        # a bus is mostly where it was
        if here != key or row == rows[0]:
            cell, key = first + np.searchsorted(keys[first:last], here), here
        found = 0
        if cell < last and keys[cell] == key:
            begin, end = cell_first[cell], cell_first[cell + 1]
            found = _minima(x_m, y_m, begin, end, cell_piece, line, radius_m, near, path_m, offset_m)
        if found > 0:
            near_row[near], candidates[near] = row, found
            near += 1
        else:
            status[row] = FAR
    return near


@njit(cache=True, nogil=True, error_model="numpy")
def _minima(
    x_m: float,
    y_m: float,
    begin: int,
    end: int,
    cell_piece: Ints,
    line: Floats,
    radius_m: float,
    slot: int,
    path_m: Floats,
    offset_m: Floats,
) -> int:
    """Write the local minima of the distance to the pieces from `begin` to before `end` of `cell_piece` into row `slot`
    of `path_m` and `offset_m`; returns how many there are."""
    reach = radius_m * radius_m
    found, before, t_before = 0, -2, 0.0
    # the end of a piece is a minimum only if the next piece does not lead on from there
    held, held_m, held_offset = False, 0.0, 0.0
    for at in range(begin, end):
        piece = cell_piece[at]
        east_m, north_m = x_m - line[piece, 0], y_m - line[piece, 1]
        dx, dy, length, m0 = line[piece, 2], line[piece, 3], line[piece, 4], line[piece, 5]
        along, whole = east_m * dx + north_m * dy, length * length
        # most pieces are nearest at an end, where there is nothing to divide
        t = 0.0 if along <= 0.0 else 1.0 if along >= whole else along / whole
        off_x, off_y = t * dx - east_m, t * dy - north_m
        squared = off_x * off_x + off_y * off_y
        follows = piece == before + 1
        if held and not follows:
            found = _insert(path_m, offset_m, slot, found, held_m, held_offset)
        held = False
        before, t_previous, t_before = piece, t_before, t
        if squared > reach:
            before = -2
        elif t >= 1.0:
            held, held_m, held_offset = True, m0 + length, math.sqrt(squared)
        elif t > 0.0 or not follows or t_previous >= 1.0:
            found = _insert(path_m, offset_m, slot, found, m0 + t * length, math.sqrt(squared))
    if held:
        found = _insert(path_m, offset_m, slot, found, held_m, held_offset)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _insert(path_m: Floats, offset_m: Floats, slot: int, found: int, place: float, offset: float) -> int:
    """Keep the candidates of a slot sorted by distance; of more than there is room for the furthest goes."""
    if found == CANDIDATES:
        if offset >= offset_m[slot, found - 1]:
            return found
        found -= 1
    at = found
    while at > 0 and offset_m[slot, at - 1] > offset:
        offset_m[slot, at], path_m[slot, at] = offset_m[slot, at - 1], path_m[slot, at - 1]
        at -= 1
    offset_m[slot, at], path_m[slot, at] = offset, place
    return found + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _cheapest_chain(near: int, choices: _Choices, points: Points, costs: Costs, places: Places) -> None:
    """Find the chain of least cost over the first `near` entries of `choices`, and write what became of each."""
    skip = 0.5 * (costs.radius_m / costs.sigma_m) ** 2
    rows, candidates, path_m, offset_m = choices.row, choices.candidates, choices.path_m, choices.offset_m
    x_m, y_m, at_s = points.x_m, points.y_m, points.at_s
    cost, cheapest = np.empty((near, CANDIDATES)), np.empty(near)
    came_from = np.empty((near, CANDIDATES), dtype=np.int64)
    # least cost up to a point, less one skip for every point up to it: what is left to pay grows alike for all
    bound = np.empty(near)
    for i in range(near):
        row = rows[i]
        cheapest[i] = np.inf
        for k in range(candidates[i]):
            best, source, j = skip * i, -1, i - 1
            while j >= 0 and bound[j] + skip * (i - 1) < best:
                left_out = skip * (i - j - 1)
                if cheapest[j] + left_out < best:
                    before = rows[j]
                    east_m, north_m = x_m[row] - x_m[before], y_m[row] - y_m[before]
                    straight_m = math.sqrt(east_m * east_m + north_m * north_m)
                    elapsed_s = at_s[row] - at_s[before]
                    for other in range(candidates[j]):
                        ahead_m = path_m[i, k] - path_m[j, other]
                        total = cost[j, other] + left_out + _move(ahead_m, straight_m, elapsed_s, costs)
                        if total < best:
                            best, source = total, j * CANDIDATES + other
                j -= 1
            cost[i, k] = best + 0.5 * (offset_m[i, k] / costs.sigma_m) ** 2
            came_from[i, k] = source
            cheapest[i] = min(cheapest[i], cost[i, k])
        bound[i] = cheapest[i] - skip * i
        if i > 0:
            bound[i] = min(bound[i], bound[i - 1])
    _write_chain(near, choices, cost, came_from, skip, places)


@njit(cache=True, nogil=True, error_model="numpy")
def _move(ahead_m: float, straight_m: float, elapsed_s: float, costs: Costs) -> float:
    if ahead_m < 0:
        return -ahead_m / costs.backward_m
    if ahead_m > elapsed_s * costs.speed_m_s + 2 * costs.sigma_m:
        return np.inf
    return abs(ahead_m - straight_m) / costs.detour_m


@njit(cache=True, nogil=True, error_model="numpy")
def _write_chain(near: int, choices: _Choices, cost: Floats, came_from: Ints, skip: float, places: Places) -> None:
    best, at = np.inf, -1
    for i in range(near):
        for k in range(choices.candidates[i]):
            total = cost[i, k] + skip * (near - 1 - i)
            if total < best:
                best, at = total, i * CANDIDATES + k
    later, status = near, AFTER
    while at >= 0:
        i, k = at // CANDIDATES, at % CANDIDATES
        for left_out in range(i + 1, later):
            places.status[choices.row[left_out]] = status
        row = choices.row[i]
        places.path_m[row], places.offset_m[row] = choices.path_m[i, k], choices.offset_m[i, k]
        places.status[row] = MATCHED
        at, later, status = came_from[i, k], i, CONTRADICTS
    for left_out in range(later):
        places.status[choices.row[left_out]] = BEFORE
