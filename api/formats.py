"""In what tables are given out: the formats, their media types, and rows as the bytes of one."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from mobility.geo import COORDINATES, write_geojson, write_geoparquet
from mobility.omx import write_omx


class Format(StrEnum):
    """In what a table is given out."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    GEOJSON = "geojson"
    OMX = "omx"


ROWS = (Format.JSON, Format.CSV, Format.PARQUET)

# Registered names first. Deprecated ones are still what most clients ask by: application/x-hdf5 for what IANA has
# called vnd.hdfgroup.hdf5 since March 2026 (OMX is HDF5 and has no name of its own), x-protobuf for protobuf.
MEDIA_TYPES: dict[Format, tuple[str, ...]] = {
    Format.JSON: ("application/json",),
    Format.CSV: ("text/csv",),
    Format.PARQUET: ("application/vnd.apache.parquet",),
    Format.GEOJSON: ("application/geo+json",),
    Format.OMX: ("application/vnd.hdfgroup.hdf5", "application/x-hdf5"),
}
PROTOBUF = ("application/protobuf", "application/x-protobuf")

# PyTables, which writes OMX, is not safe to use from two threads at once, and requests are answered in several.
_ONE_MATRIX_AT_A_TIME = threading.Lock()


def encoded(rows: pl.DataFrame, form: Format) -> bytes:
    """The rows as a file of that format; times as ISO 8601 with their zone in text. Rows with the columns COORDINATES
    become GeoParquet where Parquet is asked for. Raises MobilityError where OMX cannot hold the rows."""
    if form is Format.OMX:
        with _ONE_MATRIX_AT_A_TIME:
            return _written(rows, write_omx)
    if form is Format.GEOJSON:
        return _written(rows, write_geojson)
    if form is Format.PARQUET and set(COORDINATES) <= set(rows.columns):
        return _written(rows, write_geoparquet)
    out = io.BytesIO()
    if form is Format.CSV:
        rows.write_csv(out, datetime_format="%Y-%m-%dT%H:%M:%S%.3f%:z")
    elif form is Format.PARQUET:
        rows.write_parquet(out)
    else:
        rows.write_json(out)
    return out.getvalue()


def _written(rows: pl.DataFrame, write: Callable[[pl.DataFrame, Path], object]) -> bytes:
    with TemporaryDirectory(prefix="jasyl-answer-") as folder:
        file = Path(folder) / "answer"
        write(rows, file)
        return file.read_bytes()
