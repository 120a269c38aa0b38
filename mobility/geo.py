"""Tables with lines on the map: loads and speeds joined to their geometry, as GeoParquet and GeoJSON.

GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0): WKB in the column `geometry`, described in the file's metadata
`geo`; no `crs` there means longitude and latitude (OGC:CRS84). GeoJSON: RFC 7946.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import shapely

from mobility import lake
from mobility.errors import MobilityError
from mobility.service_schemas import LineSegment, RoadSegment

COORDINATES = ("longitudes", "latitudes")
ON_THE_MAP: dict[str, tuple[str, type[LineSegment] | type[RoadSegment]]] = {
    "line_loads": ("line_segments", LineSegment),
    "segment_speeds": ("road_segments", RoadSegment),
}
"""Tables that can be drawn, and the table of a flows folder that says where their rows lie."""


def drawn(flows: Path, table: str, rows: pl.DataFrame, service_date: date | None = None) -> pl.DataFrame:
    """Rows of `table` with the columns of COORDINATES, from the same flows folder. Raises MobilityError for a table
    that is not ON_THE_MAP, LakeError where the segments cannot be read."""
    if table not in ON_THE_MAP:
        raise MobilityError(f"table {table} has no place on the map; those are {', '.join(ON_THE_MAP)}")
    name, schema = ON_THE_MAP[table]
    return with_geometry(rows, lake.read(flows, name, schema, service_date))


def with_geometry(rows: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the columns of COORDINATES: of segment_speeds by RoadSegment rows, of line_loads by LineSegment rows.

    Rows on a segment that is not drawn have none (null). Of several service dates each has its own segments."""
    keys = ["segment_id"] if "segment_id" in segments.columns else ["line", "from_stop", "to_stop"]
    keys.append("service_date")
    return rows.join(segments.select(*keys, *COORDINATES), on=keys, how="left", maintain_order="left")


def write_geoparquet(rows: pl.DataFrame, path: Path) -> None:
    """Write rows with COORDINATES; each becomes a LineString, or null where it has no place."""
    lines = _lines(rows)
    placed = rows["longitudes"].null_count() < rows.height
    geometry: dict[str, object] = {"encoding": "WKB", "geometry_types": ["LineString"] if placed else []}
    if placed:
        geometry["bbox"] = [round(float(edge), 6) for edge in shapely.total_bounds(lines)]
    described = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    table = rows.drop(COORDINATES).with_columns(
        pl.Series("geometry", shapely.to_wkb(lines, byte_order=1).tolist(), dtype=pl.Binary)
    )
    partial = path.with_name(path.name + ".partial")
    table.write_parquet(partial, compression="zstd", metadata={"geo": json.dumps(described)})
    partial.replace(path)


def write_geojson(rows: pl.DataFrame, path: Path) -> None:
    """Write rows with COORDINATES as a FeatureCollection, one feature a line of the file; times are ISO 8601. A row
    that has no place is a feature whose geometry is null (RFC 7946, section 3.2)."""
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
                "geometry": None
                if lon is None
                else {"type": "LineString", "coordinates": list(zip(lon, lat, strict=True))},
                "properties": properties,
            }
            file.write(("," if number else "") + "\n" + json.dumps(feature, ensure_ascii=False))
        file.write("\n]}\n")
    partial.replace(path)


def _lines(rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    lines: np.ndarray[tuple[int], np.dtype[np.object_]] = np.full(rows.height, None, dtype=object)
    points = rows.select(COORDINATES).with_row_index("row").drop_nulls().explode(COORDINATES)
    if points.height:
        shapely.linestrings(points.select(COORDINATES).to_numpy(), indices=points["row"].to_numpy(), out=lines)
    return lines
