"""Roads that lines share, found from the paths of their patterns alone: no street network is needed.

Each path is sampled every STEP_M metres. A sample beside one of a longer path that goes the same way (LATERAL_M across,
half a step along, HEADING_DEG in direction) lies on that path's road; so every stretch of road belongs to the longest
path that takes it, and is cut into segments of SEGMENT_M there. A segment is named by its middle and its heading, so it
keeps its name from day to day as long as the longest path does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.geometry import Projection
from mobility.service_schemas import RoadSegment

STEP_M = 20.0
SEGMENT_M = 100.0
LATERAL_M = 15.0
HEADING_DEG = 30.0
CELL_STRIDE = 1 << 20
SEGMENT = [name for name in RoadSegment.column_names() if name != "service_date"]
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True)
class Roads:
    """`segments`: columns of RoadSegment, service_date apart. `samples`: pattern_id, path_m, segment_id: which segment
    each STEP_M of a pattern's path lies on."""

    segments: pl.DataFrame
    samples: pl.DataFrame


def shared_roads(paths: pl.DataFrame, projection: Projection) -> Roads:
    """The road segments under all paths. `paths`: pattern_id, path_m, x_m, y_m; `projection`: that of x_m and y_m."""
    samples = _sampled(paths)
    if samples.is_empty():
        nothing = samples.select("pattern_id", "path_m", pl.lit("").alias("segment_id"))
        return Roads(RoadSegment.create_empty().select(SEGMENT), nothing)
    owner = _owners(samples)
    owned = samples.select("pattern_id", "piece")[owner].rename({"pattern_id": "owner_id", "piece": "owner_piece"})
    numbered = pl.concat([samples, owned], how="horizontal")
    named = _named(samples, projection)
    placed = numbered.join(
        named.select(pl.col("pattern_id").alias("owner_id"), pl.col("piece").alias("owner_piece"), "segment_id"),
        on=["owner_id", "owner_piece"],
        maintain_order="left",
    )
    used = placed["segment_id"].unique()
    segments = named.filter(pl.col("segment_id").is_in(used.implode())).unique(
        "segment_id", keep="first", maintain_order=True
    )
    return Roads(
        segments.sort("segment_id").select(SEGMENT),
        placed.select("pattern_id", "path_m", "segment_id").sort("pattern_id", "path_m"),
    )


def _sampled(paths: pl.DataFrame) -> pl.DataFrame:
    """Every path in even steps, the longest path first: pattern_id, path_m, x_m, y_m, heading_x, heading_y, piece."""
    lengths = paths.group_by("pattern_id").agg(pl.col("path_m").max().alias("length_m"))
    parts: list[pl.DataFrame] = []
    points = {str(key[0]): rows for key, rows in paths.sort("pattern_id", "path_m").group_by("pattern_id")}
    for pattern, length_m in lengths.sort(["length_m", "pattern_id"], descending=[True, False]).iter_rows():
        along, x, y = (points[pattern][name].to_numpy() for name in ("path_m", "x_m", "y_m"))
        steps = int(length_m // STEP_M)
        if steps < 1:
            continue
        edges = np.arange(steps + 1) * STEP_M
        edge_x, edge_y = np.interp(edges, along, x), np.interp(edges, along, y)
        span = np.hypot(np.diff(edge_x), np.diff(edge_y))
        span[span == 0] = 1.0
        middles = edges[:-1] + STEP_M / 2
        parts.append(
            pl.DataFrame(
                {
                    "pattern_id": [pattern] * steps,
                    "path_m": middles,
                    "x_m": np.interp(middles, along, x),
                    "y_m": np.interp(middles, along, y),
                    "heading_x": np.diff(edge_x) / span,
                    "heading_y": np.diff(edge_y) / span,
                    "piece": (middles // SEGMENT_M).astype(np.int64),
                }
            )
        )
    return pl.concat(parts) if parts else pl.DataFrame(schema=_SAMPLE)


def _owners(samples: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Row of the sample that each sample lies on: itself, or one of an earlier (longer) path beside it."""
    cell_m = LATERAL_M + STEP_M
    rows = samples.with_row_index("row").with_columns(
        pl.col("row").cast(pl.Int64), pl.col("pattern_id").rle_id().alias("rank")
    )
    column, line = (pl.col("x_m") / cell_m).floor().cast(pl.Int64), (pl.col("y_m") / cell_m).floor().cast(pl.Int64)
    around = pl.DataFrame({"i": [-1, 0, 1]}).join(pl.DataFrame({"j": [-1, 0, 1]}), how="cross")
    indexed = (
        _longest_of_each_spot(rows, cell_m)
        .join(around, how="cross")
        .with_columns(((column + pl.col("i")) * CELL_STRIDE + line + pl.col("j")).alias("cell"))
    )
    off_x, off_y = pl.col("x_m") - pl.col("x_m_right"), pl.col("y_m") - pl.col("y_m_right")
    along = (off_x * pl.col("heading_x_right") + off_y * pl.col("heading_y_right")).abs()
    across = (off_x * pl.col("heading_y_right") - off_y * pl.col("heading_x_right")).abs()
    same_way = pl.col("heading_x") * pl.col("heading_x_right") + pl.col("heading_y") * pl.col("heading_y_right")
    elsewhere = (pl.col("rank_right") < pl.col("rank")) | (
        (pl.col("rank_right") == pl.col("rank")) & (pl.col("path_m") - pl.col("path_m_right") > SEGMENT_M)
    )
    beside = (
        rows.lazy()
        .with_columns((column * CELL_STRIDE + line).alias("cell"))
        .join(indexed.lazy(), on="cell")
        .filter(
            elsewhere
            & (along <= STEP_M / 2 + 1e-6)
            & (across <= LATERAL_M)
            & (same_way >= np.cos(np.radians(HEADING_DEG)))
        )
        .select("row", "row_right", "rank_right", along.alias("along"))
        .sort("row", "rank_right", "along", "row_right")
        .unique("row", keep="first", maintain_order=True)
        .collect()
    )
    owner = np.arange(samples.height)
    owner[beside["row"].to_numpy()] = beside["row_right"].to_numpy()
    # the owner of an owner: rows only ever point to earlier ones, so this ends
    while not np.array_equal(owner, owner[owner]):
        owner = owner[owner]
    return owner


def _longest_of_each_spot(rows: pl.DataFrame, cell_m: float) -> pl.DataFrame:
    """One sample (of the longest path) for each spot of a few metres and each direction: many lines on one road would
    otherwise be compared each with each."""
    spot = [
        (pl.col("x_m") / 4).floor().alias("spot_x"),
        (pl.col("y_m") / 4).floor().alias("spot_y"),
        (pl.arctan2(pl.col("heading_y"), pl.col("heading_x")) / np.radians(HEADING_DEG / 2)).floor().alias("spot_way"),
    ]
    return rows.with_columns(spot).unique(["spot_x", "spot_y", "spot_way"], keep="first", maintain_order=True)


def _named(samples: pl.DataFrame, projection: Projection) -> pl.DataFrame:
    """The pieces of all paths: pattern_id, piece and the columns of RoadSegment, in the order of the samples."""
    half = STEP_M / 2
    pieces = samples.group_by("pattern_id", "piece", maintain_order=True).agg(
        (pl.len() * STEP_M).alias("length_m"),
        (pl.col("x_m").first() - half * pl.col("heading_x").first()).alias("start_x"),
        (pl.col("y_m").first() - half * pl.col("heading_y").first()).alias("start_y"),
        "x_m",
        "y_m",
        (pl.col("x_m").last() + half * pl.col("heading_x").last()).alias("end_x"),
        (pl.col("y_m").last() + half * pl.col("heading_y").last()).alias("end_y"),
    )
    longitudes = pl.concat_list("start_x", "x_m", "end_x")
    latitudes = pl.concat_list("start_y", "y_m", "end_y")
    middle_x = (pl.col("start_x") + pl.col("end_x")) / 2
    middle_y = (pl.col("start_y") + pl.col("end_y")) / 2
    bearing = pl.arctan2(pl.col("end_x") - pl.col("start_x"), pl.col("end_y") - pl.col("start_y")).degrees()
    sector = ((bearing / 45).round().cast(pl.Int64) + 8) % 8
    direction = sector.replace_strict(dict(enumerate(COMPASS)), return_dtype=pl.String)
    lon, lat = projection.longitude(middle_x), projection.latitude(middle_y)
    return pieces.with_columns(
        pl.concat_str(_degrees(lat), _degrees(lon), direction, separator=" ").alias("segment_id"),
        longitudes.list.eval(projection.longitude(pl.element()).round(6)).alias("longitudes"),
        latitudes.list.eval(projection.latitude(pl.element()).round(6)).alias("latitudes"),
    )


def _degrees(value: pl.Expr) -> pl.Expr:
    """Degrees with four decimals, about ten metres, as text."""
    return value.round(4).cast(pl.String)


_SAMPLE = {
    "pattern_id": pl.String,
    "path_m": pl.Float64,
    "x_m": pl.Float64,
    "y_m": pl.Float64,
    "heading_x": pl.Float64,
    "heading_y": pl.Float64,
    "piece": pl.Int64,
}
