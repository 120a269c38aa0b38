"""Points of a track to places on the path it follows, right on loops and out-and-back paths.

Hidden Markov map matching (Newson & Krumm 2009, sections 3 and 4) on a path that is known: the candidates of a point
are the local minima of its distance to the path, the emission is Gaussian in that distance, the transition exponential
in the difference between the distance along the path and the straight line, and dear when it goes backwards.
The Viterbi recursion runs over the points of all tracks at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PIECE_M = 100.0
CANDIDATES = 6
MAX_SPEED_M_S = 35.0
CELL_STRIDE = 1 << 20
PATTERN_STRIDE = 1 << 41
BATCH_POINTS = 250_000


@dataclass(frozen=True)
class MatchingModel:
    """Spread of points about the path, scale of detours and of backward steps, and how far to look, in metres."""

    sigma_m: float = 12.0
    detour_m: float = 30.0
    backward_m: float = 10.0
    radius_m: float = 75.0


GPS = MatchingModel()
STOPS = MatchingModel(sigma_m=25.0, detour_m=60.0, backward_m=0.5, radius_m=150.0)


def match_to_paths(points: pl.DataFrame, paths: pl.DataFrame, model: MatchingModel = GPS) -> pl.DataFrame:
    """Place of every point on its pattern's path.

    `points`: track, order (Int64, rising along a track), pattern_id, x_m, y_m, at_s (seconds; null where time says
    nothing). `paths`: pattern_id, path_m, x_m, y_m. Returns track, order, path_m, offset_m for the points within
    `radius_m` of their path, sorted by track and order; the others are left out."""
    ordered = points.sort("track", "order")
    pieces = _indexed_pieces(paths, model)
    numbered = ordered.join(pieces.patterns, on="pattern_id", how="left", maintain_order="left")
    batches = [_match_batch(batch, pieces.by_cell, model) for batch in _batches(numbered)]
    return pl.concat([batch.select("track", "order", "path_m", "offset_m") for batch in batches])


def place_stops(order: pl.DataFrame, paths: pl.DataFrame) -> pl.DataFrame:
    """Place of every stop of a pattern on its path, never before the stop ahead of it.

    `order`: pattern_id, trip_stop_sequence, stop_id, x_m, y_m; comes back with path_m. A stop far from its path is
    placed evenly between its neighbours."""
    points = order.select(
        pl.col("pattern_id").alias("track"),
        pl.col("trip_stop_sequence").alias("order"),
        "pattern_id",
        "x_m",
        "y_m",
        pl.lit(None, dtype=pl.Float64).alias("at_s"),
    )
    placed = match_to_paths(points, paths, STOPS)
    length = paths.group_by("pattern_id").agg(pl.col("path_m").max().alias("length_m"))
    last = pl.col("trip_stop_sequence") == pl.col("trip_stop_sequence").max().over("pattern_id")
    first = pl.col("trip_stop_sequence") == 1
    known = (
        order.join(
            placed.rename({"track": "pattern_id", "order": "trip_stop_sequence"}),
            on=["pattern_id", "trip_stop_sequence"],
            how="left",
        )
        .join(length, on="pattern_id", how="left")
        .sort("pattern_id", "trip_stop_sequence")
    )
    ends = pl.when(pl.col("path_m").is_null() & first).then(0.0).when(pl.col("path_m").is_null() & last)
    return known.with_columns(ends.then("length_m").otherwise("path_m").alias("path_m")).with_columns(
        pl.col("path_m").interpolate().cum_max().over("pattern_id")
    )


@dataclass(frozen=True)
class _IndexedPieces:
    """`by_cell`: pieces of path under each cell from which they may be in reach (key: pattern and cell); `patterns`:
    pattern_id, pattern_number."""

    by_cell: pl.DataFrame
    patterns: pl.DataFrame


def _indexed_pieces(paths: pl.DataFrame, model: MatchingModel) -> _IndexedPieces:
    cell_m = model.radius_m + PIECE_M / 2
    patterns = paths.select(pl.col("pattern_id").unique().sort()).with_row_index("pattern_number")
    around = pl.DataFrame({"i": [-1, 0, 1]}).join(pl.DataFrame({"j": [-1, 0, 1]}), how="cross")
    by_cell = (
        _pieces(paths)
        .join(patterns, on="pattern_id")
        .join(around, how="cross")
        .with_columns(
            _cell_key(
                ((pl.col("x0") + pl.col("dx") / 2) / cell_m).floor() + pl.col("i"),
                ((pl.col("y0") + pl.col("dy") / 2) / cell_m).floor() + pl.col("j"),
            )
        )
        .select("key", "piece", "x0", "y0", "dx", "dy", "length_m", "m0")
    )
    return _IndexedPieces(by_cell, patterns)


def _cell_key(column: pl.Expr, row: pl.Expr) -> pl.Expr:
    """Pattern and cell of the plane as one Int64, so that the join needs one plain key."""
    cell = column.cast(pl.Int64) * CELL_STRIDE + row.cast(pl.Int64)
    return (pl.col("pattern_number").cast(pl.Int64) * PATTERN_STRIDE + cell).alias("key")


def _batches(points: pl.DataFrame) -> list[pl.DataFrame]:
    """Whole tracks, about BATCH_POINTS points at once: memory does not grow with the day."""
    starts, lengths = _tracks(points["track"])
    edges, begin = [0], 0
    for start, length in sorted(zip(starts.tolist(), lengths.tolist(), strict=True)):
        if start + length - begin > BATCH_POINTS and start > begin:
            edges.append(start)
            begin = start
    return [points.slice(a, b - a) for a, b in pairwise([*edges, points.height])]


def _match_batch(points: pl.DataFrame, by_cell: pl.DataFrame, model: MatchingModel) -> pl.DataFrame:
    """The points of a batch that are near their path, with path_m and offset_m; sorted as they came."""
    numbered = points.with_row_index("point")
    candidates = _candidates(numbered, by_cell, model)
    near = numbered.filter(pl.col("point").is_in(candidates["point"].unique().implode()))
    if near.is_empty():
        nothing = pl.lit(None, dtype=pl.Float64)
        return near.with_columns(nothing.alias("path_m"), nothing.alias("offset_m"))
    rank = candidates.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).over("point").alias("rank"), pl.col("point").rle_id().alias("row")
    ).filter(pl.col("rank") < CANDIDATES)
    cells = (rank["row"].to_numpy(), rank["rank"].to_numpy())
    place = np.full((near.height, CANDIDATES), np.nan)
    offset = np.full((near.height, CANDIDATES), np.nan)
    place[cells], offset[cells] = rank["path_m"].to_numpy(), rank["offset_m"].to_numpy()
    chosen_m, chosen_offset = _viterbi(near, place, offset, model)
    return near.with_columns(pl.Series("path_m", chosen_m), pl.Series("offset_m", chosen_offset))


def _candidates(points: pl.DataFrame, by_cell: pl.DataFrame, model: MatchingModel) -> pl.DataFrame:
    """Local minima of the distance from each point to its path, nearest first: point, path_m, offset_m."""
    cell_m = model.radius_m + PIECE_M / 2
    along = ((pl.col("x_m") - pl.col("x0")) * pl.col("dx") + (pl.col("y_m") - pl.col("y0")) * pl.col("dy")) / (
        pl.col("length_m") ** 2
    )
    t = along.clip(0.0, 1.0)
    off_x = pl.col("x0") + t * pl.col("dx") - pl.col("x_m")
    off_y = pl.col("y0") + t * pl.col("dy") - pl.col("y_m")
    near = (
        points.lazy()
        .select("point", "x_m", "y_m", _cell_key((pl.col("x_m") / cell_m).floor(), (pl.col("y_m") / cell_m).floor()))
        .join(by_cell.lazy(), on="key")
        .select(
            "point",
            "piece",
            t.alias("t"),
            (off_x**2 + off_y**2).sqrt().alias("offset_m"),
            (pl.col("m0") + t * pl.col("length_m")).alias("path_m"),
        )
        .filter(pl.col("offset_m") <= model.radius_m)
        .sort("point", "piece")
        .collect()
    )
    before, after = pl.col("point").shift(1), pl.col("point").shift(-1)
    follows = (before == pl.col("point")) & (pl.col("piece") - pl.col("piece").shift(1) == 1)
    leads = (after == pl.col("point")) & (pl.col("piece").shift(-1) - pl.col("piece") == 1)
    inside = (pl.col("t") > 0) & (pl.col("t") < 1)
    # nearest at a corner: a minimum if both pieces that meet there are, kept once; or at an end of the path
    at_corner = (pl.col("t") <= 0) & (~follows.fill_null(False) | (pl.col("t").shift(1) >= 1))
    at_end = (pl.col("t") >= 1) & ~leads.fill_null(False)
    lowest = inside | at_corner | at_end
    return near.filter(lowest).select("point", "path_m", "offset_m").sort("point", "offset_m", "path_m")


def _pieces(paths: pl.DataFrame) -> pl.DataFrame:
    """Paths cut into straight pieces of at most PIECE_M: pattern_id, piece, x0, y0, dx, dy, length_m, m0."""
    segments = (
        paths.sort("pattern_id", "path_m", maintain_order=True)
        .with_columns(pl.col("x_m", "y_m", "path_m").shift(-1).over("pattern_id").name.suffix("_next"))
        .with_columns((pl.col("path_m_next") - pl.col("path_m")).alias("segment_m"))
        .filter(pl.col("segment_m") > 0)
        .with_columns((pl.col("segment_m") / PIECE_M).ceil().cast(pl.Int64).alias("parts"))
        .with_columns(pl.int_ranges(0, pl.col("parts")).alias("part"))
        .explode("part")
    )
    share = pl.col("part") / pl.col("parts")
    dx, dy = pl.col("x_m_next") - pl.col("x_m"), pl.col("y_m_next") - pl.col("y_m")
    return segments.select(
        "pattern_id",
        pl.int_range(pl.len(), dtype=pl.Int64).over("pattern_id").alias("piece"),
        (pl.col("x_m") + share * dx).alias("x0"),
        (pl.col("y_m") + share * dy).alias("y0"),
        (dx / pl.col("parts")).alias("dx"),
        (dy / pl.col("parts")).alias("dy"),
        (pl.col("segment_m") / pl.col("parts")).alias("length_m"),
        (pl.col("path_m") + share * pl.col("segment_m")).alias("m0"),
    )


def _viterbi(points: pl.DataFrame, place: Floats, offset: Floats, model: MatchingModel) -> tuple[Floats, Floats]:
    """Cheapest candidate of every point; one step of the recursion serves all tracks.

    `place`, `offset`: (points, CANDIDATES), NaN where a point has fewer."""
    x, y, at = (points[name].cast(pl.Float64).to_numpy() for name in ("x_m", "y_m", "at_s"))
    cost = 0.5 * (offset / model.sigma_m) ** 2
    cost[np.isnan(cost)] = np.inf
    starts, lengths = _tracks(points["track"])
    best = np.zeros(place.shape, dtype=np.int64)
    for step in range(1, int(lengths.max())):
        now = starts[lengths > step] + step
        move = _move_cost(place, x, y, at, now, model)
        total = cost[now - 1][:, :, None] + move
        best[now] = total.argmin(axis=1)
        cost[now] += total.min(axis=1)
    chosen = np.zeros(len(place), dtype=np.int64)
    ends = starts + lengths - 1
    chosen[ends] = cost[ends].argmin(axis=1)
    for step in range(int(lengths.max()) - 1, 0, -1):
        now = starts[lengths > step] + step
        chosen[now - 1] = best[now, chosen[now]]
    rows = np.arange(len(place))
    return place[rows, chosen], offset[rows, chosen]


def _move_cost(place: Floats, x: Floats, y: Floats, at: Floats, now: Ints, model: MatchingModel) -> Floats:
    """Cost of going from each candidate of the point before (axis 1) to each of this one (axis 2)."""
    ahead = place[now][:, None, :] - place[now - 1][:, :, None]
    straight = np.hypot(x[now] - x[now - 1], y[now] - y[now - 1])[:, None, None]
    reach = (np.nan_to_num(at[now] - at[now - 1], nan=np.inf) * MAX_SPEED_M_S)[:, None, None]
    move = np.where(ahead >= 0, np.abs(ahead - straight) / model.detour_m, -ahead / model.backward_m)
    move = move + np.maximum(0.0, ahead - np.maximum(reach, 2 * model.sigma_m)) / model.backward_m
    return np.where(np.isnan(move), np.inf, move)


def _tracks(track: pl.Series) -> tuple[Ints, Ints]:
    """First row and number of rows of every track, longest first; rows are sorted by track."""
    runs = (
        pl.DataFrame({"track": track})
        .with_row_index("row")
        .group_by("track")
        .agg(pl.col("row").min(), pl.len().alias("rows"))
        .sort(["rows", "row"], descending=[True, False])
    )
    return runs["row"].cast(pl.Int64).to_numpy(), runs["rows"].cast(pl.Int64).to_numpy()
