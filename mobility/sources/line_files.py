"""Files about lines: a CSV with their modes, a GeoJSON (RFC 7946) with their paths."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any, Final

import polars as pl

from mobility.errors import FeedError, MappingError
from mobility.sources.mapped_csv import LineColumns, Mapping
from mobility.sources.tides import read_strings

# Points along a path are no further apart than this, so that none of it lies further than half of it from a point.
SPACING_M: Final = 400.0
METRES_A_DEGREE: Final = 111_195.0
SHAPES: Final = {"line": pl.String, "longitude": pl.Float64, "latitude": pl.Float64}


def line_name(column: pl.Expr) -> pl.Expr:
    """The name of a line, numbers without the point that spreadsheets put behind them (402.0 is 402)."""
    return column.str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")


def read_modes(path: Path | None, mapping: Mapping) -> pl.DataFrame:
    """Mode of every line: line, mode. Empty without a file. Raises FeedError naming the column that is missing."""
    columns = _columns(path, mapping)
    if path is None or columns.mode is None:
        return pl.DataFrame(schema={"line": pl.String, "mode": pl.String})
    table = read_strings(path, mapping.separator)
    for column in (columns.line, columns.mode):
        if column not in table.columns:
            raise FeedError(f"{path} lacks the column '{column}' its mapping names (it has {', '.join(table.columns)})")
    mode = pl.col(columns.mode).str.strip_chars().replace(mapping.enumerations.get("mode", {}))
    return (
        table.select(line_name(pl.col(columns.line)).alias("line"), mode.alias("mode"))
        .drop_nulls()
        .sort("line", "mode")
        .unique("line", keep="first", maintain_order=True)
    )


def read_line_shapes(path: Path | None, mapping: Mapping) -> pl.DataFrame:
    """Points along the path of every line, 400 m apart or less: line, longitude, latitude. Empty without a file.

    Raises FeedError where the file is no GeoJSON of lines or a feature does not name its line."""
    columns = _columns(path, mapping)
    if path is None:
        return pl.DataFrame(schema=SHAPES)
    try:
        features = json.loads(path.read_text(encoding="utf-8-sig"))["features"]
    except FileNotFoundError:
        raise FeedError(f"{path} is missing") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise FeedError(f"{path} is no GeoJSON with features: {error}; give the lines' paths as GeoJSON") from error
    rows: list[tuple[str, float, float]] = []
    for number, feature in enumerate(features, 1):
        try:
            name = str(feature["properties"][columns.shape_line])
            for part in _parts(feature["geometry"]):
                rows += [(name, longitude, latitude) for longitude, latitude in _densified(part)]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FeedError(
                f"{path}, feature {number}: needs the property '{columns.shape_line}' and a LineString of "
                f"longitudes and latitudes ({type(error).__name__}: {error})"
            ) from error
    return pl.DataFrame(rows, schema=SHAPES, orient="row").with_columns(line_name(pl.col("line")))


def _columns(path: Path | None, mapping: Mapping) -> LineColumns:
    if mapping.lines is None:
        if path is None:
            return LineColumns(line="", shape_line="")
        raise MappingError(f"the mapping has no [lines], so nothing says which line {path} is about; add it")
    return mapping.lines


def _parts(geometry: dict[str, Any] | None) -> list[list[tuple[float, float]]]:
    if geometry is None:
        return []
    lines = {"LineString": [geometry["coordinates"]], "MultiLineString": geometry["coordinates"]}.get(geometry["type"])
    if lines is None:
        raise ValueError(f"it is a {geometry['type']}")
    return [[(float(point[0]), float(point[1])) for point in line] for line in lines]


def _densified(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    points = line[:1]
    for (lon0, lat0), (lon1, lat1) in itertools.pairwise(line):
        east = (lon1 - lon0) * math.cos(math.radians(lat0))
        steps = max(1, math.ceil(math.hypot(east, lat1 - lat0) * METRES_A_DEGREE / SPACING_M))
        points += [
            (lon0 + (lon1 - lon0) * step / steps, lat0 + (lat1 - lat0) * step / steps) for step in range(1, steps + 1)
        ]
    return points
