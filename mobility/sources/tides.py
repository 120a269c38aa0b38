"""TIDES CSV files (https://tides-transit.github.io) and the raw table every CSV source comes in as.

A raw table is all strings under TIDES names, each row with its line in the file; ingest.py types and screens it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mobility.errors import FeedError

MISSING = ("", "NA", "NaN")
FARE_TRANSACTIONS = ("transaction_id", "event_timestamp", "vehicle_id", "fare_media_id")
VEHICLE_LOCATIONS = ("location_ping_id", "event_timestamp", "vehicle_id", "latitude", "longitude")


@dataclass(frozen=True)
class RawTable:
    """Rows of one file as strings. `rows` has TIDES names, `line` (the header is line 1) and `raw` (the row as it
    stood, a struct). `zone` is that of timestamps without offset, `timestamp_format` a strptime format where they are
    not ISO 8601, `precision_s` what they are rounded to, `card_column` the field of `raw` with the card number."""

    file: str
    digest: str
    rows: pl.DataFrame
    zone: str
    timestamp_format: str | None = None
    precision_s: float = 1.0
    card_column: str | None = "fare_media_id"

    def has(self, column: str) -> bool:
        """Whether the file gives this TIDES column."""
        return column in self.rows.columns


def read_tides(path: Path, required: tuple[str, ...], zone: str) -> RawTable:
    """Read one TIDES table as strings. Raises FeedError naming the file and the column that is missing."""
    strings = read_strings(path)
    for column in required:
        if column not in strings.columns:
            raise FeedError(f"{path} lacks the column '{column}' (it has {', '.join(strings.columns)})")
    card = "fare_media_id" if "fare_media_id" in strings.columns else None
    return RawTable(path.name, digest(path), with_lines(strings), zone, card_column=card)


def read_strings(path: Path, separator: str = ",") -> pl.DataFrame:
    """A CSV file as strings under its own header; TIDES' marks of a missing value become null."""
    try:
        table = pl.read_csv(
            path,
            separator=separator,
            infer_schema=False,
            truncate_ragged_lines=True,
            null_values=list(MISSING),
            encoding="utf8-lossy",
        )
    except FileNotFoundError:
        raise FeedError(f"{path} is missing") from None
    except pl.exceptions.NoDataError:
        raise FeedError(f"{path} is empty: it needs at least a header line") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FeedError(f"{path} is no CSV: {error}") from error
    return table.rename({column: column.strip().removeprefix("\ufeff") for column in table.columns})


def with_lines(strings: pl.DataFrame) -> pl.DataFrame:
    """The table with each row's line in its file and the row as it stood."""
    return strings.with_columns(
        pl.struct(pl.all()).alias("raw"), pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("line")
    )


def digest(path: Path) -> str:
    """Name of a file's content: the same bytes, the same name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def timestamps(table: RawTable, column: str = "event_timestamp") -> pl.Expr:
    """A column of times as UTC; null where it cannot be read.

    ISO 8601 with an offset is taken as it says, without one as local time of the table's zone; the earlier of two
    readings where the clock is set back, null where it is set forward."""
    text = pl.col(column).str.strip_chars()
    local = "%Y-%m-%dT%H:%M:%S%.f" if table.timestamp_format is None else table.timestamp_format
    if "%H" in local and "%M" not in local:
        # times to the hour: a clock needs its minutes to be read
        text, local = text + pl.lit(" :00"), local + " :%M"
    if table.timestamp_format is None:
        text = text.str.replace(r"[zZ]$", "+00:00").str.replace(" ", "T", literal=True)
    zoned = text.str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%z" if table.timestamp_format is None else local, strict=False, time_unit="ms"
    )
    if table.timestamp_format is not None and "%z" in table.timestamp_format:
        return zoned
    naive = (
        text.str.to_datetime(local, strict=False, time_unit="ms")
        .dt.replace_time_zone(table.zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
    )
    return naive if table.timestamp_format is not None else pl.coalesce(zoned, naive)
