"""Points of a track to places on the path it follows, right on loops and out-and-back paths.

Hidden Markov map matching (Newson & Krumm 2009, sections 3 and 4) on a path that is known: the candidates of a point
are the local minima of its distance to the path, the emission is Gaussian in that distance, the transition exponential
in the difference between the distance along the path and the straight line, and dear when it goes backwards. Points
that fit no consistent drive are left out, each at the price of a point at the edge of reach (path_viterbi).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.batches import frozen, in_batches
from mobility.path_viterbi import CELL_STRIDE, MATCHED, Costs, Pieces, Places, Points, Tracks, match_tracks

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PIECE_M = 100.0
BATCH_POINTS = 250_000
HALF_DIAGONAL = 0.7072
MAX_SPEED_M_S = 35.0


@dataclass(frozen=True)
class MatchingModel:
    """Spread of points about the path, scale of detours and of backward steps, how far to look, in metres; and the
    speed no vehicle exceeds."""

    sigma_m: float = 12.0
    detour_m: float = 30.0
    backward_m: float = 4.0
    radius_m: float = 75.0
    speed_m_s: float = MAX_SPEED_M_S


GPS = MatchingModel()
STOPS = MatchingModel(sigma_m=25.0, detour_m=60.0, backward_m=0.5, radius_m=150.0)


def match_to_paths(points: pl.DataFrame, paths: pl.DataFrame, model: MatchingModel = GPS) -> pl.DataFrame:
    """Place of every point on its pattern's path.

    `points`: track, order (Int64, rising along a track), pattern_id, x_m, y_m, at_s (seconds; null where time says
    nothing). `paths`: pattern_id, path_m, x_m, y_m. Returns track, order, path_m, offset_m, sorted by track and order,
    of the points within `radius_m` of their path that are consistent with the others; the rest is left out."""
    known = points.join(pattern_numbers(paths), on="pattern_id").sort("track", "order")
    first_row = np.flatnonzero(known["track"].rle_id().diff().fill_null(1).to_numpy()).astype(np.int64)
    tracks = Tracks(
        known["pattern_number"].to_numpy()[first_row],
        np.arange(len(first_row) + 1),
        first_row,
        np.diff(first_row, append=known.height),
    )
    columns = (known[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in ("x_m", "y_m", "at_s"))
    places = match_rows(Points(*columns), tracks, paths, model)
    return (
        known.select("track", "order")
        .with_columns(pl.Series("path_m", places.path_m), pl.Series("offset_m", places.offset_m))
        .filter(pl.Series(places.status == MATCHED))
    )


def match_rows(points: Points, tracks: Tracks, paths: pl.DataFrame, model: MatchingModel = GPS) -> Places:
    """Place and status of every row; rows of no track keep status -1, and only those MATCHED have a place.
    `tracks.pattern` counts as pattern_numbers."""
    pieces = _pieces_by_cell(paths, model)
    costs = Costs(model.sigma_m, model.detour_m, model.backward_m, model.radius_m, model.speed_m_s)
    rows = len(points.x_m)
    places = Places(np.empty(rows), np.empty(rows), np.full(rows, -1, dtype=np.int8))
    over_tracks(match_tracks, tracks, frozen(points), frozen(pieces), costs, places)
    return places


def pattern_numbers(paths: pl.DataFrame) -> pl.DataFrame:
    """pattern_id and pattern_number (Int64) of the patterns that have a path, from 0 in the order of their ids."""
    numbered = paths.select(pl.col("pattern_id").unique().sort()).with_row_index("pattern_number")
    return numbered.with_columns(pl.col("pattern_number").cast(pl.Int64))


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


def over_tracks(step: Callable[..., None], tracks: Tracks, *arguments: object) -> None:
    """Run a compiled step(begin, end, tracks, *arguments) over all tracks, which know nothing of each other."""
    tracks = frozen(tracks)
    in_batches(step, np.r_[0, tracks.rows.cumsum()][tracks.first_run], BATCH_POINTS, tracks, *arguments)


def _pieces_by_cell(paths: pl.DataFrame, model: MatchingModel) -> Pieces:
    """Pieces of path, and under each cell of the plane those from which some point of it may be in reach."""
    cell_m = model.radius_m + PIECE_M / 2
    pieces = straight_pieces(paths)
    around = pl.DataFrame({"i": [-1, 0, 1]}).join(pl.DataFrame({"j": [-1, 0, 1]}), how="cross")
    column = ((pl.col("x0") + pl.col("dx") / 2) / cell_m).floor() + pl.col("i")
    row = ((pl.col("y0") + pl.col("dy") / 2) / cell_m).floor() + pl.col("j")
    # from the middle of the cell to the piece
    east_m, north_m = (column + 0.5) * cell_m - pl.col("x0"), (row + 0.5) * cell_m - pl.col("y0")
    share = ((east_m * pl.col("dx") + north_m * pl.col("dy")) / pl.col("length_m") ** 2).clip(0.0, 1.0)
    apart_m = ((east_m - share * pl.col("dx")) ** 2 + (north_m - share * pl.col("dy")) ** 2).sqrt()
    key = (column.cast(pl.Int64) * CELL_STRIDE + row.cast(pl.Int64)).alias("key")
    near = (
        pieces.with_row_index("piece")
        .join(around, how="cross")
        .filter(apart_m <= model.radius_m + cell_m * HALF_DIAGONAL)
        .select("pattern_number", key, "piece")
        .sort(pl.all())
    )
    cells = near.group_by("pattern_number", "key", maintain_order=True).agg(pl.len().cast(pl.Int64).alias("pieces"))
    patterns = paths["pattern_id"].n_unique()
    return Pieces(
        cell_m,
        np.searchsorted(cells["pattern_number"].to_numpy(), np.arange(patterns + 1)),
        cells["key"].to_numpy(),
        np.r_[0, cells["pieces"].to_numpy().cumsum()],
        near["piece"].cast(pl.Int64).to_numpy(),
        np.ascontiguousarray(pieces.select("x0", "y0", "dx", "dy", "length_m", "m0").to_numpy()),
    )


def straight_pieces(paths: pl.DataFrame) -> pl.DataFrame:
    """Paths cut into straight pieces of at most PIECE_M: pattern_number, x0, y0, dx, dy, length_m, m0, as driven."""
    segments = (
        paths.join(pattern_numbers(paths), on="pattern_id")
        .sort("pattern_number", "path_m", maintain_order=True)
        .with_columns(pl.col("x_m", "y_m", "path_m").shift(-1).over("pattern_number").name.suffix("_next"))
        .with_columns((pl.col("path_m_next") - pl.col("path_m")).alias("segment_m"))
        .filter(pl.col("segment_m") > 0)
        .with_columns((pl.col("segment_m") / PIECE_M).ceil().cast(pl.Int64).alias("parts"))
        .with_columns(pl.int_ranges(0, pl.col("parts")).alias("part"))
        .explode("part")
    )
    share = pl.col("part") / pl.col("parts")
    dx, dy = pl.col("x_m_next") - pl.col("x_m"), pl.col("y_m_next") - pl.col("y_m")
    return segments.select(
        "pattern_number",
        (pl.col("x_m") + share * dx).alias("x0"),
        (pl.col("y_m") + share * dy).alias("y0"),
        (dx / pl.col("parts")).alias("dx"),
        (dy / pl.col("parts")).alias("dy"),
        (pl.col("segment_m") / pl.col("parts")).alias("length_m"),
        (pl.col("path_m") + share * pl.col("segment_m")).alias("m0"),
    )
