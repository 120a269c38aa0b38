"""TIDES tables (https://tides-transit.github.io) and the raw table every source comes in as.

A raw table has TIDES names, each row with its line in the file; ingest.py types and screens it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
from polars.datatypes import DataTypeClass

from mobility.categories import distinct
from mobility.errors import FeedError
from mobility.sources.delimited import BROKEN, PARQUET_MAGIC, Records, read_delimited, starts_with
from mobility.sources.zones import offset_of, times_in_reach
from mobility.threads import of_each

FARE_TRANSACTIONS = ("transaction_id", "event_timestamp", "vehicle_id", "fare_media_id")
VEHICLE_LOCATIONS = ("location_ping_id", "event_timestamp", "vehicle_id", "latitude", "longitude")
REQUIRED: Final = {"fare_transactions": FARE_TRANSACTIONS, "vehicle_locations": VEHICLE_LOCATIONS}
REPEATED: Final = ("agency_id", "vehicle_id", "device_id", "trip_id_performed", "fare_action", "occupancy_status")
"""Columns of few texts: in categories they take a quarter of the room."""
EPOCHS: Final = {"epoch_s": 1000.0, "epoch_ms": 1.0}


@dataclass(frozen=True)
class RawTable:
    """Rows of one file. `rows` has TIDES names (strings, or what a Parquet file holds), `line` (the header is line 1)
    and `raw` (the row as it stood, a struct). `zone` is that of timestamps without offset (an IANA name or +05:00),
    `timestamp_format` a strptime format, epoch_s or epoch_ms where they are not ISO 8601, `precision_s` what they are
    rounded to, `card_column` the field of `raw` with the card number. `broken`: lines that are no rows, and the
    `separator` between their fields."""

    file: str
    digest: str
    rows: pl.DataFrame
    zone: str
    timestamp_format: str | None = None
    precision_s: float = 1.0
    card_column: str | None = "fare_media_id"
    broken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BROKEN))
    separator: str = ","

    def has(self, column: str) -> bool:
        """Whether the file gives this TIDES column."""
        return column in self.rows.columns

    @property
    def read(self) -> int:
        """How many rows the file has, broken ones too."""
        return self.rows.height + self.broken.height


def read_tides(path: Path, required: tuple[str, ...], zone: str) -> RawTable:
    """Read one TIDES table, CSV or Parquet. Raises FeedError naming the file and the column that is missing."""
    table = _as_tides(path, read_records(path, repeated=REPEATED), zone)
    for column in required:
        if not table.has(column):
            raise FeedError(f"{path} lacks the column '{column}' (it has {', '.join(_columns(table))})")
    return table


def read_any_tides(path: Path, zone: str) -> tuple[str, RawTable]:
    """Read a TIDES table of taps or of positions and say which, by its columns. Raises FeedError if it is neither."""
    table = _as_tides(path, read_records(path, repeated=REPEATED), zone)
    for name, required in REQUIRED.items():
        if all(table.has(column) for column in required):
            return name, table
    raise FeedError(
        f"{path} is no TIDES table of taps (it needs {', '.join(FARE_TRANSACTIONS)}) or of positions "
        f"({', '.join(VEHICLE_LOCATIONS)}); it has {', '.join(_columns(table))}"
    )


def _as_tides(path: Path, records: Records, zone: str) -> RawTable:
    card = "fare_media_id" if "fare_media_id" in records.rows.columns else None
    rows = under_tides_names(records, pl.all().exclude("line", "raw"))
    return RawTable(path.name, digest(path), rows, zone, card_column=card, broken=records.broken)


def _columns(table: RawTable) -> list[str]:
    return [column for column in table.rows.columns if column not in ("line", "raw")]


def read_records(path: Path, separator: str = ",", encoding: str = "utf-8", repeated: Collection[str] = ()) -> Records:
    """Rows of a CSV (plain or gzip) or Parquet file; of Parquet, row n counts as line n + 1, and columns of text that
    are called as `repeated` says come as categories. Raises FeedError."""
    if not starts_with(path, PARQUET_MAGIC):
        return read_delimited(path, separator, encoding)
    try:
        file = pl.scan_parquet(path, hive_partitioning=False)
        # each column in one piece: what is put beside them would else have all of them copied, and those in `raw` too
        schema = file.collect_schema()
        texts = {name for name in repeated if schema.get(name) == pl.String}
        read = [pl.col(name).cast(pl.Categorical) if name in texts else pl.col(name) for name in schema]
        columns = of_each(lambda column: file.select(column).collect().to_series().rechunk(), read)
        rows = pl.DataFrame([_without_bytes(column) for column in columns if not _holds_bytes(column.dtype)])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FeedError(f"{path} is no whole Parquet file: {error}") from error
    lines = pl.int_range(2, rows.height + 2, dtype=pl.Int64, eager=True).alias("line")
    return Records(rows, lines, pl.DataFrame(schema=BROKEN))


def _without_bytes(column: pl.Series) -> pl.Series:
    """A column of bytes as the text it is, or else in hexadecimal digits: no refused row could be kept with bytes."""
    if column.dtype != pl.Binary:
        return column
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        return column.bin.encode("hex")


def _holds_bytes(dtype: pl.DataType | DataTypeClass) -> bool:
    """Whether bytes are within lists or records, of which no column of a table can be made."""
    if isinstance(dtype, pl.Struct):
        return any(_holds_bytes(field.dtype) or field.dtype == pl.Binary for field in dtype.fields)
    if isinstance(dtype, (pl.List, pl.Array)):
        return dtype.inner == pl.Binary or _holds_bytes(dtype.inner)
    return False


def read_good(path: Path, separator: str = ",") -> Records:
    """A small CSV file every row of which must be good; lines may be empty. Raises FeedError naming the first line that
    is no row."""
    records = read_delimited(path, separator)
    bad = records.broken.filter(pl.col("text").str.strip_chars() != "")
    if not bad.is_empty():
        raise FeedError(f"{path}, line {bad['line'][0]}: {bad['reason'][0]}; mend or remove the line")
    return records


def read_strings(path: Path, separator: str = ",") -> pl.DataFrame:
    """The rows of `read_good`."""
    return read_good(path, separator).rows


def with_lines(strings: pl.DataFrame) -> pl.DataFrame:
    """The table with each row's line in its file and the row as it stood."""
    return strings.with_columns(
        pl.struct(pl.all()).alias("raw"), pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("line")
    )


def under_tides_names(records: Records, *columns: pl.Expr) -> pl.DataFrame:
    """Columns made of the records, each row with its line in its file and as it stood."""
    return records.rows.select(*columns).with_columns(records.rows.to_struct("raw"), records.lines.alias("line"))


def digest(path: Path) -> str:
    """Name of a file's content: the same bytes, the same name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def text(table: RawTable, column: str) -> pl.Expr:
    """A column as text without blanks around it; null where the file does not give it."""
    if not table.has(column):
        return pl.lit(None, dtype=pl.String).alias(column)
    return _shown(table, column).replace("", None).alias(column)


def _shown(table: RawTable, column: str) -> pl.Expr:
    assert_one_value(table.file, column, table.rows.schema[column])
    return pl.col(column).cast(pl.String).str.strip_chars()


def assert_one_value(file: str | Path, column: str, dtype: pl.DataType) -> None:
    """Raise FeedError where a column that a table is to be made of holds lists or records."""
    if dtype.is_nested():
        raise FeedError(f"{file}: the column '{column}' must hold one value a row, and holds {dtype}")


def own_text(table: RawTable, column: str) -> pl.Series:
    """As `text`, a column of many texts: no second one is made where nothing is to be taken off any."""
    same = pl.col(column).eq_missing(text(table, column)).all()
    if table.rows.schema[column] == pl.String and table.rows.lazy().select(same).collect(engine="streaming").item():
        return table.rows[column]
    return table.rows.select(text(table, column)).to_series()


def repeated_text(table: RawTable, column: str) -> pl.Series:
    """As `text`, a column that repeats few texts, in categories: each text is looked at once."""
    if not table.has(column):
        return pl.Series(column, [None], dtype=pl.Categorical).new_from_index(0, table.rows.height)
    bare = text(table, column)
    named = table.rows[column]
    if named.dtype != pl.Categorical:
        named = named.cast(pl.String).cast(pl.Categorical)
    shown = distinct(named).to_frame()
    if shown.equals(shown.select(bare)):
        return named
    return table.rows.select(bare.cast(pl.Categorical)).to_series()


def number(table: RawTable, column: str) -> pl.Expr:
    """A column as finite numbers; null where it is none or the file does not give it."""
    typed = table.has(column) and table.rows.schema[column].is_numeric()
    read = (pl.col(column) if typed else text(table, column)).cast(pl.Float64, strict=False)
    return pl.when(read.is_finite()).then(read).alias(column)


def timestamps(table: RawTable, column: str = "event_timestamp") -> pl.Expr:
    """A column of times as UTC; null where it cannot be read.

    ISO 8601 with an offset is taken as it says, without one as local time of the table's zone; the earlier of two
    readings where the clock is set back, null where it is set forward."""
    dtype = table.rows.schema[column]
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return times_in_reach(pl.col(column).dt.cast_time_unit("ms").dt.convert_time_zone("UTC"))
    if table.timestamp_format in EPOCHS:
        milliseconds = (number(table, column) * EPOCHS[table.timestamp_format]).round().cast(pl.Int64, strict=False)
        return times_in_reach(milliseconds.cast(pl.Datetime("ms", "UTC")))
    naive = _in_utc(clock_times(table, column), table.zone)
    if isinstance(dtype, pl.Datetime) or table.timestamp_format is not None:
        return naive
    zoned = _iso(table, column).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", strict=False, time_unit="ms")
    return pl.coalesce(times_in_reach(zoned), naive)


def clock_times(table: RawTable, column: str = "event_timestamp") -> pl.Expr:
    """A column of times without offset as the clock showed them; null where they have one or cannot be read."""
    return times_in_reach(_clock_times(table, column))


def _clock_times(table: RawTable, column: str) -> pl.Expr:
    if isinstance(table.rows.schema[column], pl.Datetime):
        return pl.col(column).dt.cast_time_unit("ms").dt.replace_time_zone(None)
    if table.timestamp_format in EPOCHS:
        return pl.lit(None, dtype=pl.Datetime("ms"))
    if table.timestamp_format is None:
        return _iso(table, column).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="ms")
    shown, form = _shown(table, column), table.timestamp_format
    if "%H" in form and "%M" not in form:
        # times to the hour: a clock needs its minutes to be read
        shown, form = shown + pl.lit(" :00"), form + " :%M"
    return shown.str.to_datetime(form, strict=False, time_unit="ms")


def _iso(table: RawTable, column: str) -> pl.Expr:
    return _shown(table, column).str.replace(r"[zZ]$", "+00:00").str.replace(" ", "T", literal=True)


def _in_utc(clock: pl.Expr, zone: str) -> pl.Expr:
    offset = offset_of(zone)
    if offset is not None:
        return (clock - offset).dt.replace_time_zone("UTC")
    return clock.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
