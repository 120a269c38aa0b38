"""The edges a line drives, from the shape of its path.

Hidden Markov map matching (Newson & Krumm, "Hidden Markov map matching through noise and sparseness", ACM SIGSPATIAL
2009): points along the shape are seen with Gaussian error about edges that run its way, and steps that the net's
connections allow are likelier than jumps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from shapely import STRtree
from shapely.geometry import LineString, Point

from mobility.geometry import EARTH_RADIUS_M, Projection
from sumo_networks.georeference import Georeference
from sumo_networks.net_file import NetEdge, NetFile

Metres = NDArray[np.float64]

STEP_M: Final = 10.0
RADIUS_M: Final = 35.0
SIGMA_M: Final = 8.0
SHORT_EDGE_M: Final = 60.0
_AGAINST: Final = 20.0
_BACKWARD: Final = 50.0
_STEP: Final = 0.5
_HOP: Final = 3.0
_JUMP: Final = 200.0


@dataclass(frozen=True)
class DrivenEdge:
    """An edge on a path and the distances along it (m) at which the path reaches and leaves the edge."""

    edge: str
    from_m: float
    to_m: float


@dataclass(frozen=True)
class _Candidate:
    edge: str
    offset_m: float
    cost: float


class EdgeMatcher:
    """Edges of a net that one vehicle class may use, laid into a projection, ready to match paths on."""

    def __init__(self, net: NetFile, place: Georeference, projection: Projection, vehicle_class: str = "bus") -> None:
        self._names: list[str] = []
        self._lines: list[LineString] = []
        for edge in net.edges.values():
            shape = _shape(edge, vehicle_class)
            if len(shape) >= 2:
                self._names.append(edge.id)
                self._lines.append(LineString(_projected(shape, place, projection)))
        self._tree = STRtree(self._lines)
        self._length_m = {name: float(line.length) for name, line in zip(self._names, self._lines, strict=True)}
        self._after: dict[str, set[str]] = {}
        for connection in net.connections:
            if connection.from_edge in self._length_m and connection.to_edge in self._length_m:
                self._after.setdefault(connection.from_edge, set()).add(connection.to_edge)

    def match(
        self, path_m: NDArray[np.float64], x_m: NDArray[np.float64], y_m: NDArray[np.float64]
    ) -> list[DrivenEdge]:
        """Edges in driving order along a path given by its corners; empty where no edge runs near it.

        Edges that the path only touches within a node, short ones too, are put in where the connections need them."""
        if len(path_m) < 2 or path_m[-1] <= path_m[0]:
            return []
        at_m = np.linspace(path_m[0], path_m[-1], max(2, int((path_m[-1] - path_m[0]) / STEP_M) + 1))
        xs, ys = np.interp(at_m, path_m, x_m), np.interp(at_m, path_m, y_m)
        headings = np.unwrap(np.arctan2(np.gradient(ys), np.gradient(xs)))
        layers = [self._candidates(float(x), float(y), float(h)) for x, y, h in zip(xs, ys, headings, strict=True)]
        seen = [index for index, layer in enumerate(layers) if layer]
        if not seen:
            return []
        chosen = self._likeliest([layers[index] for index in seen])
        return self._joined([(one.edge, float(at_m[index])) for one, index in zip(chosen, seen, strict=True)])

    def _candidates(self, x: float, y: float, heading: float) -> list[_Candidate]:
        point = Point(x, y)
        found: list[_Candidate] = []
        for index in sorted(int(i) for i in self._tree.query(point, predicate="dwithin", distance=RADIUS_M)):
            line = self._lines[index]
            offset_m = float(line.project(point))
            ahead, behind = (
                line.interpolate(min(offset_m + 1.0, line.length)),
                line.interpolate(max(offset_m - 1.0, 0.0)),
            )
            way = np.arctan2(ahead.y - behind.y, ahead.x - behind.x)
            cost = (float(line.distance(point)) / SIGMA_M) ** 2 / 2 + _AGAINST * (1 - float(np.cos(way - heading))) / 2
            found.append(_Candidate(self._names[index], offset_m, cost))
        return found

    def _likeliest(self, layers: list[list[_Candidate]]) -> list[_Candidate]:
        costs = [one.cost for one in layers[0]]
        back: list[list[int]] = []
        for before, now in pairwise(layers):
            origins: list[int] = []
            totals: list[float] = []
            for one in now:
                ways = [cost + self._step_cost(other, one) for cost, other in zip(costs, before, strict=True)]
                origin = min(range(len(ways)), key=ways.__getitem__)
                origins.append(origin)
                totals.append(ways[origin] + one.cost)
            back.append(origins)
            costs = totals
        index = min(range(len(costs)), key=costs.__getitem__)
        chosen = [layers[-1][index]]
        for layer, origins in zip(reversed(layers[:-1]), reversed(back), strict=True):
            index = origins[index]
            chosen.append(layer[index])
        return chosen[::-1]

    def _step_cost(self, before: _Candidate, now: _Candidate) -> float:
        if before.edge == now.edge:
            return 0.0 if now.offset_m >= before.offset_m - 1.0 else _BACKWARD
        # Leaving an edge before its end, or joining one after its start, passes over road that was not driven.
        skipped_m = self._length_m[before.edge] - before.offset_m + now.offset_m
        slack = max(0.0, skipped_m - 2 * STEP_M) / STEP_M
        if now.edge in self._after.get(before.edge, ()):
            return _STEP + slack
        if self._between(before.edge, now.edge) is not None:
            return _HOP + slack
        return _JUMP

    def _between(self, before: str, now: str) -> str | None:
        """A short edge that joins two others; the first by name where there are several."""
        middle = (
            name
            for name in self._after.get(before, ())
            if now in self._after.get(name, ()) and self._length_m[name] <= SHORT_EDGE_M
        )
        return min(middle, default=None)

    def _joined(self, places: list[tuple[str, float]]) -> list[DrivenEdge]:
        driven: list[DrivenEdge] = []
        for edge, at_m in places:
            if driven and driven[-1].edge == edge:
                driven[-1] = DrivenEdge(edge, driven[-1].from_m, at_m)
                continue
            if driven and edge not in self._after.get(driven[-1].edge, ()):
                between = self._between(driven[-1].edge, edge)
                if between is not None:
                    driven.append(DrivenEdge(between, driven[-1].to_m, at_m))
            driven.append(DrivenEdge(edge, at_m, at_m))
        return driven


def _shape(edge: NetEdge, vehicle_class: str) -> tuple[tuple[float, float], ...]:
    if edge.function:
        return ()
    return next((lane.shape for lane in edge.lanes if lane.permits(vehicle_class)), ())


def _projected(
    shape: tuple[tuple[float, float], ...], place: Georeference, projection: Projection
) -> list[tuple[float, float]]:
    """Net coordinates in the metres of a feed's projection."""
    degree_m = np.radians(1.0) * EARTH_RADIUS_M
    east_m = degree_m * np.cos(np.radians(projection.lat0))
    points = (place.to_lon_lat(x, y) for x, y in shape)
    return [(float((lon - projection.lon0) * east_m), float((lat - projection.lat0) * degree_m)) for lon, lat in points]
