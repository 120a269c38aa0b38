"""Tables with lines on the map: loads and speeds joined to their geometry, as GeoParquet and GeoJSON.

GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0): WKB in the column `geometry`, described in the file's metadata
`geo`; no `crs` there means longitude and latitude (OGC:CRS84). GeoJSON: RFC 7946.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import shapely

from mobility.errors import MobilityError

COORDINATES = ("longitudes", "latitudes")


def with_geometry(rows: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the columns of COORDINATES: of segment_speeds by RoadSegment rows, of line_loads by LineSegment rows.

    Rows on a segment that is not drawn are left out. Raises MobilityError where the two have no key in common."""
    keys = ["segment_id"] if "segment_id" in segments.columns else ["line", "from_stop", "to_stop"]
    if not set(keys) <= set(rows.columns):
        raise MobilityError("only segment_speeds and line_loads have a place on the map")
    drawn = segments.unique(keys, keep="first", maintain_order=True)
    return rows.join(drawn.select(*keys, *COORDINATES), on=keys, maintain_order="left")


def write_geoparquet(rows: pl.DataFrame, path: Path) -> None:
    """Write rows with COORDINATES; each becomes a LineString."""
    lines = _lines(rows)
    geometry: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": ["LineString"] if len(lines) else [],
    }
    if len(lines):
        geometry["bbox"] = [round(float(edge), 6) for edge in shapely.total_bounds(lines)]
    described = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    table = rows.drop(COORDINATES).with_columns(
        pl.Series("geometry", shapely.to_wkb(lines, byte_order=1).tolist(), dtype=pl.Binary)
    )
    partial = path.with_name(path.name + ".partial")
    table.write_parquet(partial, compression="zstd", metadata={"geo": json.dumps(described)})
    partial.replace(path)


def write_geojson(rows: pl.DataFrame, path: Path) -> None:
    """Write rows with COORDINATES as a FeatureCollection, one feature a line of the file; times are ISO 8601."""
    plain = rows.drop(COORDINATES).with_columns(
        pl.col(pl.Datetime).dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ"), pl.col(pl.Date).dt.to_string("%Y-%m-%d")
    )
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number, (properties, lon, lat) in enumerate(
            zip(plain.iter_rows(named=True), rows["longitudes"], rows["latitudes"], strict=True)
        ):
            feature = {
                "type": "Feature",
                "geometry": {"type": "LineString", "coordinates": list(zip(lon.to_list(), lat.to_list(), strict=True))},
                "properties": properties,
            }
            file.write(("," if number else "") + "\n" + json.dumps(feature, ensure_ascii=False))
        file.write("\n]}\n")
    partial.replace(path)


def _lines(rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    points = rows.select(COORDINATES).with_row_index("row").explode(COORDINATES)
    coordinates = points.select(COORDINATES).to_numpy()
    lines: np.ndarray[tuple[int], np.dtype[np.object_]] = shapely.linestrings(
        coordinates, indices=points["row"].to_numpy()
    )
    return lines
