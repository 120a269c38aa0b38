"""Where the riders of a line may get off: the places it was boarded at, and its path where nobody boarded.

How much of the boarding happens at places not seen yet is Good's estimate (1953): the share of taps whose place was
seen once. Stations come out as stations, and a bus line with few taps as its path."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from scipy.spatial import cKDTree

from mobility.card_taps import Bools, CardTaps, Floats, Ints
from mobility.tally import tally

# Upper ends of the distance classes, in metres; what is further is one more class. Up to 500 m is one place for buses
# that stop on both sides of a street; further on a class is 1.5 to 2 times, or 1.4 times, as wide as the one before.
# Where the borders lie is arbitrary, so both layouts are used and their answers averaged.
LAYOUTS_M: Final = (
    (100.0, 300.0, 500.0, 800.0, 1200.0, 2000.0, 4000.0, 8000.0),
    (100.0, 300.0, 500.0, 700.0, 1000.0, 1400.0, 2000.0, 2800.0, 4000.0, 5600.0, 8000.0, 16000.0),
)
SAME_PLACE_M: Final = 400.0
# Another kind of tap counts this much where taps of one kind are too few to tell where they happen.
OTHER_KINDS: Final = 0.3
LEAST_BOARDINGS: Final = 0.3
CHUNK: Final = 400


@dataclass(frozen=True)
class LinePlaces:
    """Places of all lines, one after the other: those of line l are `start[l]` to `start[l + 1]`.

    `own`: the place each tap was made at. `pseudo`: boardings a place is given before any is counted. `line_share`,
    `all_share`: by kind of the following tap (continuing, fresh, first of the day), the share of the taps of the line,
    or of all, made at the place. `line_ring`, `all_ring`: the same within each class of distance around it. `edges_m`:
    upper ends of these classes."""

    xy: Floats
    degrees: Floats
    start: Ints
    own: Ints
    pseudo: Floats
    line_share: Floats
    all_share: Floats
    line_ring: Floats
    all_ring: Floats
    edges_m: tuple[float, ...]

    @property
    def classes(self) -> int:
        """How many classes of distance there are."""
        return len(self.edges_m) + 1

    def distance_class(self, distance_m: Floats) -> Ints:
        """Number of the class of distance, 0 for the nearest."""
        return _distance_class(distance_m, self.edges_m)

    def of(self, line: int) -> slice:
        """The places of one line."""
        return slice(int(self.start[line]), int(self.start[line + 1]))


def line_places(taps: CardTaps, shapes: pl.DataFrame, edges_m: tuple[float, ...] = LAYOUTS_M[0]) -> LinePlaces:
    """Places of every line. `shapes`: line, longitude, latitude, x_m, y_m: points along the paths."""
    path_of = {str(key[0]): part for key, part in shapes.group_by("line", maintain_order=True)}
    xy, where, pseudo = [], [], []
    own = np.zeros(taps.count, dtype=np.int64)
    start = [0]
    for line, name in enumerate(taps.lines):
        mine = np.flatnonzero(taps.line == line)
        seen, inverse, count = np.unique(taps.xy[mine], axis=0, return_inverse=True, return_counts=True)
        seen_at = np.zeros((len(seen), 2))
        seen_at[inverse.ravel()] = taps.degrees[mine]
        own[mine] = start[-1] + inverse.ravel()
        path, path_at = _unseen(path_of.get(name), seen)
        once = float((count == 1).sum()) / max(1, len(path))
        xy += [seen, path]
        where += [seen_at, path_at]
        pseudo += [np.full(len(seen), LEAST_BOARDINGS), np.full(len(path), min(LEAST_BOARDINGS, max(once, 1e-3)))]
        start.append(start[-1] + len(seen) + len(path))
    places = np.concatenate([np.zeros((0, 2)), *xy])
    starts = np.array(start, dtype=np.int64)
    kinds = [~taps.fresh, taps.fresh, taps.first]
    line_share, line_ring = _by_line(places, starts, own, kinds, edges_m)
    all_share, all_ring = _overall(places, own, kinds, edges_m)
    return LinePlaces(
        xy=places,
        degrees=np.concatenate([np.zeros((0, 2)), *where]),
        start=starts,
        own=own,
        pseudo=np.concatenate([np.zeros(0), *pseudo]),
        line_share=line_share,
        all_share=all_share,
        line_ring=line_ring,
        all_ring=all_ring,
        edges_m=edges_m,
    )


def _distance_class(distance_m: Floats, edges_m: tuple[float, ...]) -> Ints:
    return np.searchsorted(np.array(edges_m), distance_m, side="right").astype(np.int64)


def _unseen(path: pl.DataFrame | None, seen: Floats) -> tuple[Floats, Floats]:
    """Points of a path further than a place is wide from every place seen, and from each other."""
    if path is None or path.is_empty():
        return np.zeros((0, 2)), np.zeros((0, 2))
    points = path.select("x_m", "y_m").to_numpy()
    known = cKDTree(seen) if len(seen) else None
    kept: list[int] = []
    for index, point in enumerate(points):
        if known is not None and known.query(point)[0] <= SAME_PLACE_M:
            continue
        if kept and (np.hypot(*(points[kept] - point).T) <= SAME_PLACE_M).any():
            continue
        kept.append(index)
    return points[kept], path.select("longitude", "latitude").to_numpy()[kept]


def _by_line(
    places: Floats, start: Ints, own: Ints, kinds: list[Bools], edges_m: tuple[float, ...]
) -> tuple[Floats, Floats]:
    share = np.stack([tally(own, np.where(kind, 1.0 + OTHER_KINDS, OTHER_KINDS), len(places)) for kind in kinds])
    ring = np.zeros((len(kinds), len(places), len(edges_m) + 1))
    for begin, end in itertools.pairwise(start):
        part = slice(begin, end)
        share[:, part] /= np.maximum(share[:, part].sum(axis=1, keepdims=True), 1e-12)
        ring[:, part] = _rings(places[part], places[part], share[:, part], edges_m)
    return share, ring


def _overall(places: Floats, own: Ints, kinds: list[Bools], edges_m: tuple[float, ...]) -> tuple[Floats, Floats]:
    where, index = np.unique(places, axis=0, return_inverse=True)
    index = index.ravel()
    share = np.stack([tally(index[own], np.where(kind, 1.0 + OTHER_KINDS, OTHER_KINDS), len(where)) for kind in kinds])
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
    boarded = share.any(axis=0)
    ring = _rings(where, where[boarded], share[:, boarded], edges_m)
    return share[:, index], ring[:, index]


def _rings(centres: Floats, points: Floats, weights: Floats, edges_m: tuple[float, ...]) -> Floats:
    """Weight of the points in each class of distance around each centre: one layer a row of `weights`."""
    classes = len(edges_m) + 1
    rings = np.zeros((len(weights), len(centres), classes))
    for begin in range(0, len(centres), CHUNK):
        part = centres[begin : begin + CHUNK]
        away = np.hypot(part[:, None, 0] - points[None, :, 0], part[:, None, 1] - points[None, :, 1])
        cell = (np.arange(len(part))[:, None] * classes + _distance_class(away, edges_m)).ravel()
        for layer, weight in enumerate(weights):
            counted = tally(cell, np.tile(weight, len(part)), len(part) * classes)
            rings[layer, begin : begin + CHUNK] = counted.reshape(len(part), classes)
    return rings
