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
SHAPES: Final = "shapes.txt"
OPTIONAL: Final = {
    "calendar.txt": ("service_id", *WEEKDAYS, "start_date", "end_date"),
    "calendar_dates.txt": ("service_id", "date", "exception_type"),
    "frequencies.txt": ("trip_id", "start_time", "end_time", "headway_secs"),
}
"""Files there may be, with the columns they must have then."""
NAMES: Final = {*REQUIRED, *OPTIONAL, SHAPES}
"""All files that are read."""
BOM: Final = b"\xef\xbb\xbf"
LINE: Final = "line of the file"
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
        table = self._with_lines(name)
        return None if table is None else table.drop(LINE)

    def _with_lines(self, name: str) -> pl.DataFrame | None:
        """The table of `optional` with each row's LINE. Blanks around values are no part of them: an id that had some
        in one file alone would name nothing in the others. Rows of nothing are left out."""
        content = self._bytes.get(name, b"").removeprefix(BOM)
        if not content.strip():
            return None
        if b"\n" not in content:
            content = content.replace(b"\r", b"\n")
        try:
            table = pl.read_csv(io.BytesIO(content), infer_schema=False, truncate_ragged_lines=True)
            table = table.rename({column: column.strip() for column in table.columns})
        except pl.exceptions.PolarsError as error:
            raise FeedError(
                f"{self.path}: {name} is no CSV in UTF-8: {str(error).splitlines()[0]}; is a quote not closed?"
            ) from error
        for column in (REQUIRED | OPTIONAL).get(name, ()):
            if column not in table.columns:
                raise FeedError(f"{self.path}: {name} lacks the column '{column}'")
        table = table.with_columns(pl.all().str.strip_chars()).with_row_index(LINE, offset=2)
        blank = (pl.all().exclude(LINE).is_null() | (pl.all().exclude(LINE) == "")).name.keep()
        return table.filter(~pl.all_horizontal(blank))

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
            places = self._lines(name, ids.name, twice[0])
            raise FeedError(
                f"{self.path}: {name}, lines {places[0]} and {places[1]}: {ids.name} '{twice[0]}' must be on one line "
                "only"
            )

    def _refused(self, name: str, column: str, text: str | None, needed: str) -> FeedError:
        # rows may have been left out of the table since, so the line is looked for in the whole file
        line = self._lines(name, column, text)[0]
        said = f"{column} is missing" if text is None or not text.strip() else f"{column} '{text}' is no {needed}"
        return FeedError(f"{self.path}: {name}, line {line}: {said}")

    def _lines(self, name: str, column: str, text: str | None) -> list[int]:
        """The lines of the file `name` that have this text in that column."""
        table = self._with_lines(name)
        assert table is not None
        return table.filter(pl.col(column).eq_missing(pl.lit(text)))[LINE].to_list()


def numbers(shown: pl.Series) -> pl.Series:
    """Finite numbers."""
    value = shown.cast(pl.Float64, strict=False)
    return pl.select(pl.when(value.is_finite()).then(value)).to_series()


def latitudes(shown: pl.Series) -> pl.Series:
    """Degrees north of the equator."""
    value = numbers(shown)
    return pl.select(pl.when(value.is_between(-90, 90)).then(value)).to_series()


def longitudes(shown: pl.Series) -> pl.Series:
    """Degrees east of Greenwich."""
    value = numbers(shown)
    return pl.select(pl.when(value.is_between(-180, 180)).then(value)).to_series()


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
    is_clock = (hours >= 0) & minutes.is_between(0, 60, "left") & rest.is_between(0, 60, "left")
    read = pl.when(value.is_finite() & is_clock).then(value).alias("seconds")
    return read_once(shown, lambda clocks: clocks.to_frame("clock").select(read).to_series())


def _files_of(path: Path) -> dict[str, bytes]:
    """The files of NAMES by their names. Raises FeedError where an archive holds one of them twice, in two folders."""
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.glob("*.txt") if file.name in NAMES}
    with zipfile.ZipFile(path) as archive:
        places: dict[str, str] = {}
        for place in archive.namelist():
            name = Path(place).name
            if name in NAMES and place != places.setdefault(name, place):
                raise FeedError(
                    f"{path} holds more than one timetable ({places[name]} and {place}): give each in a zip or folder "
                    "of its own"
                )
        return {name: archive.read(place) for name, place in places.items()}
