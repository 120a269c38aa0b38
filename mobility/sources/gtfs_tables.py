"""The text files of a GTFS archive, a zip or a folder. What cannot be read in them is told by file and line."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from mobility.errors import FeedError
from mobility.repeats import read_once

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
REQUIRED: Final = {
    "stops.txt": ("stop_id", "stop_lat", "stop_lon"),
    "trips.txt": ("trip_id", "route_id", "service_id"),
    "stop_times.txt": ("trip_id", "stop_id", "stop_sequence"),
}
"""The files there must be, with the columns they must have."""
OPTIONAL: Final = {
    "calendar.txt": ("service_id", *WEEKDAYS, "start_date", "end_date"),
    "calendar_dates.txt": ("service_id", "date", "exception_type"),
    "frequencies.txt": ("trip_id",),
}
"""Files there may be, with the columns they must have then."""
# of an archive: not one, not whole, packed in a way that cannot be unpacked here, or locked by a password
UNREADABLE: Final = (zipfile.BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError, RuntimeError)


class Tables:
    """The text files of a GTFS archive, each read once as strings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._bytes = _files_of(path)
        except UNREADABLE as error:
            raise FeedError(f"{path} cannot be opened as a GTFS archive: {error}") from error

    def optional(self, name: str) -> pl.DataFrame | None:
        """The table with at least its columns of REQUIRED or OPTIONAL; nothing where the file is missing or empty."""
        content = self._bytes.get(name, b"").removeprefix(b"\xef\xbb\xbf")
        if not content.strip():
            return None
        try:
            table = pl.read_csv(io.BytesIO(content), infer_schema=False, truncate_ragged_lines=True)
            table = table.rename({column: column.strip() for column in table.columns})
        except pl.exceptions.PolarsError as error:
            raise FeedError(f"{self.path}: {name} is no CSV: {error}") from error
        for column in (REQUIRED | OPTIONAL).get(name, ()):
            if column not in table.columns:
                raise FeedError(f"{self.path}: {name} lacks the column '{column}'")
        return table

    def required(self, name: str) -> pl.DataFrame:
        """The table of a file that there must be."""
        table = self.optional(name)
        if table is None:
            raise FeedError(f"{self.path} lacks {name}")
        return table

    def typed(
        self,
        name: str,
        table: pl.DataFrame,
        columns: Sequence[str],
        read: Callable[[pl.Series], pl.Series],
        needed: str,
        *,
        may_be_blank: bool = True,
    ) -> pl.DataFrame:
        """Rows of the file `name` with `columns` read by `read`, which gives null for what it cannot read.

        Raises FeedError naming the line of the first value that is no `needed`. What may be blank is null then."""
        typed = []
        for column in columns:
            shown = table[column].str.strip_chars()
            value = read(shown)
            wrong = value.is_null() & (shown != "").fill_null(False) if may_be_blank else value.is_null()
            if wrong.any():
                raise self._refused(name, column, table[column].filter(wrong)[0], needed)
            typed.append(value.alias(column))
        return table.with_columns(typed)

    def assert_given(self, name: str, values: pl.Series) -> None:
        """Raise FeedError where one of the values, which are of the file `name`, is missing."""
        if values.null_count():
            raise self._refused(name, values.name, None, "value")

    def assert_each_once(self, name: str, ids: pl.Series) -> None:
        """Raise FeedError where one of the ids, which are of the file `name`, stands in it more than once."""
        twice = ids.filter(ids.is_duplicated())
        if not twice.is_empty():
            places = (self.required(name)[ids.name] == twice[0]).arg_true() + 2
            raise FeedError(
                f"{self.path}: {name}, lines {places[0]} and {places[1]}: {ids.name} '{twice[0]}' must be on one line "
                "only"
            )

    def _refused(self, name: str, column: str, text: str | None, needed: str) -> FeedError:
        # rows may have been left out of the table since, so the line is looked for in the whole file
        line = (self.required(name)[column].index_of(text) or 0) + 2
        said = f"{column} is missing" if text is None or not text.strip() else f"{column} '{text}' is no {needed}"
        return FeedError(f"{self.path}: {name}, line {line}: {said}")


def numbers(shown: pl.Series) -> pl.Series:
    """Finite numbers."""
    value = shown.cast(pl.Float64, strict=False)
    return pl.select(pl.when(value.is_finite()).then(value)).to_series()


def whole_numbers(shown: pl.Series) -> pl.Series:
    """Whole numbers, also such as spreadsheets write them (1.0)."""
    whole = shown.cast(pl.Int64, strict=False)
    if whole.null_count() == shown.null_count():
        return whole
    value = numbers(shown)
    return pl.select(pl.when(value == value.round()).then(value.cast(pl.Int64, strict=False))).to_series()


def dates(shown: pl.Series) -> pl.Series:
    """Dates such as 20250303."""
    return shown.str.to_date("%Y%m%d", strict=False)


def seconds(shown: pl.Series) -> pl.Series:
    """HH:MM:SS, hours may pass 24, as seconds. A day has few of them, so each is read once."""
    parts = pl.col("clock").str.split(":")
    hours, minutes, rest = (parts.list.get(i, null_on_oob=True).cast(pl.Float64, strict=False) for i in range(3))
    value = hours * 3600 + minutes * 60 + rest
    read = pl.when(value.is_finite()).then(value).alias("seconds")
    return read_once(shown, lambda clocks: clocks.to_frame("clock").select(read).to_series())


def _files_of(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.glob("*.txt")}
    with zipfile.ZipFile(path) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist() if name.endswith(".txt")}
