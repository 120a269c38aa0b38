"""Any CSV export by a mapping file: which column is which TIDES field, in what format, zone, unit and with what words.

A mapping is TOML:

    table = "fare_transactions"            # or "vehicle_locations"
    separator = ";"                        # default ","
    encoding = "cp1251"                    # default "utf-8"
    decimal = ","                          # the sign before decimals, default "."
    zone = "Asia/Almaty"                   # of times without an offset, or +05:00; default: the agency's zone
    timestamp_format = "%d.%m.%Y %H:%M:%S" # strptime, epoch_s or epoch_ms; default ISO 8601; without %M: the hour only
    precision_s = 1.0                      # what times are rounded to; default 1
    service_day_start = "03:00"            # when a service day begins, where rows have no service_date; default 00:00
    service_date_format = "%Y%m%d"         # strptime of service_date; default 2025-03-03 or 20250303
    [columns]                              # TIDES name = column of the file, or several joined by a blank
    event_timestamp = ["Date", "Time"]
    [constants]                            # TIDES name = the same for every row
    fare_action = "Enter vehicle"
    [factors]                              # TIDES name = factor to the TIDES unit (km/h to m/s: 0.277778)
    [enumerations.fare_action]             # word of the file = word of TIDES; other words stay, and are refused later
    "Entry" = "Enter vehicle"
    [[set_apart]]                          # rows kept apart with this reason: staff cards, test cards, ...
    reason = "staff card"
    column = "fare_media_id"               # a TIDES name mapped above
    words = ["0000000001"]                 # the words that make it one, or
    prefixes = ["9999"]                    # what such a word begins with
    whole_card = true                      # all taps of the card on that service date go with them, in other files too
    [lines]                                # columns of files about lines, for taps that name their line (route_id)
    line = "id"                            # in the CSV about lines
    mode = "mode"                          # the same; its words are translated as [enumerations.mode] says
    shape_line = "id"                      # property of the features of the GeoJSON with their paths

Columns of taps beyond TIDES, for systems that place taps themselves: route_id (GTFS), mode, transfer_number (how many
boardings of the journey came before), latitude, longitude.
"""

from __future__ import annotations

import codecs
import tomllib
from contextlib import suppress
from datetime import time
from pathlib import Path
from typing import Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from mobility.errors import FeedError, MappingError
from mobility.sources.tides import (
    REQUIRED,
    RawTable,
    assert_one_value,
    clock_times,
    digest,
    read_records,
    under_tides_names,
)
from mobility.sources.zones import is_iana_zone, offset_of

NUMBERS: Final = ("latitude", "longitude", "speed", "heading", "amount", "group_size", "transfer_number")


class LineColumns(BaseModel):
    """Where files about lines name the line and its mode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    mode: str | None = None
    shape_line: str


class SetApart(BaseModel):
    """Rows to keep apart: those whose `column` is one of `words` or begins with one of `prefixes`; with `whole_card`
    all taps of such a card on the service date."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(min_length=1)
    column: str
    words: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    whole_card: bool = False


class Mapping(BaseModel):
    """A mapping file, checked; fields as in the module's docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    separator: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    zone: str | None = None
    timestamp_format: str | None = None
    precision_s: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    service_day_start: time = time(0)
    service_date_format: str | None = None
    columns: dict[str, str | list[str]]
    constants: dict[str, str] = Field(default_factory=dict)
    factors: dict[str, FiniteFloat] = Field(default_factory=dict)
    enumerations: dict[str, dict[str, str]] = Field(default_factory=dict)
    set_apart: tuple[SetApart, ...] = ()
    lines: LineColumns | None = None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and offset_of(zone) is None and not is_iana_zone(zone):
            raise ValueError(f"'{zone}' is neither an IANA time zone such as Asia/Almaty nor an offset such as +05:00")
        return zone

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            # Python knows codecs of bytes too (hex, zip), and they cannot do this
            "".encode(encoding)
            return codecs.lookup(encoding).name
        except (LookupError, UnicodeError):
            raise ValueError(f"'{encoding}' is no encoding such as utf-8, cp1251 or utf-16") from None

    @field_validator("separator")
    @classmethod
    def _one_byte(cls, separator: str) -> str:
        if not separator.isascii() or separator in '"\r\n':
            raise ValueError(f"{separator!r} cannot stand between fields: give an ASCII sign such as , ; or \\t")
        return separator

    @field_validator("timestamp_format")
    @classmethod
    def _time_format(cls, form: str | None) -> str | None:
        table = RawTable("", "", pl.DataFrame(schema={"event_timestamp": pl.String}), "UTC", form)
        return _readable(form, table.rows, clock_times(table))

    @field_validator("service_date_format")
    @classmethod
    def _date_format(cls, form: str | None) -> str | None:
        return _readable(form, pl.DataFrame(schema={"text": pl.String}), pl.col("text").str.to_date(form, strict=False))

    @field_validator("service_day_start", mode="before")
    @classmethod
    def _clock_time(cls, start: object) -> object:
        # a number would be taken for seconds
        read = start
        if isinstance(start, str):
            with suppress(ValueError):
                read = time.fromisoformat(start)
        if not isinstance(read, time) or read.second or read.microsecond or read.tzinfo:
            raise ValueError(f"{start} is no whole minute of a day such as 03:00")
        return read

    @field_validator("columns")
    @classmethod
    def _some_column(cls, columns: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        empty = [name for name, source in columns.items() if not source]
        if empty:
            raise ValueError(f"'{empty[0]}' names no column of the file")
        return columns


def _readable(form: str | None, rows: pl.DataFrame, read: pl.Expr) -> str | None:
    """The format, if polars can read by it at all."""
    try:
        rows.select(read)
    except pl.exceptions.ComputeError as error:
        reason = str(error).partition("\n")[0].partition(": ")[2]
        raise ValueError(f"'{form}' is no format: {reason}") from None
    return form


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises MappingError naming the file and what is wrong in it."""
    try:
        mapping = Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError(f"{path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise MappingError(
            f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg'].removeprefix('Value error, ')}"
        ) from error
    _assert_whole(mapping, path)
    return mapping


def _assert_whole(mapping: Mapping, path: Path) -> None:
    """Raise MappingError where the parts of a mapping do not fit together."""
    if mapping.table not in REQUIRED:
        raise MappingError(f"{path}: table '{mapping.table}' must be one of {', '.join(sorted(REQUIRED))}")
    given = {*mapping.columns, *mapping.constants}
    for name in mapping.columns:
        if name in mapping.constants:
            raise MappingError(f"{path} gives '{name}' in [columns] and in [constants]; leave out one of them")
    for name in REQUIRED[mapping.table]:
        if name not in given:
            raise MappingError(f"{path} maps nothing to '{name}', which {mapping.table} needs")
    for name in (*mapping.factors, *mapping.enumerations):
        if name not in given:
            raise MappingError(f"{path} converts '{name}', but maps no column to it")
    for apart in mapping.set_apart:
        if apart.column not in given:
            raise MappingError(f"{path} sets rows apart by '{apart.column}', but maps no column to it")
    if isinstance(mapping.columns.get("fare_media_id"), list):
        raise MappingError(
            f"{path}: fare_media_id is one column: the card number must be found and hidden in every row"
        )


def mapping_named(name: str) -> Mapping:
    """A mapping that comes with jasyl: `onay`, `cts` (likenesses of the exports of Almaty and Astana), `sube`
    (Buenos Aires: taps with line and position). Raises MappingError if unknown."""
    path = Path(__file__).with_name(f"{name}.toml")
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.toml")))
        raise MappingError(f"there is no mapping '{name}'; there are: {known}")
    return read_mapping(path)


def mapping_of(name: str) -> Mapping:
    """The mapping of a name that comes with jasyl, or of the TOML file at a path. Raises MappingError."""
    return read_mapping(Path(name)) if name.endswith(".toml") or "/" in name else mapping_named(name)


def read_mapped(path: Path, mapping: Mapping, zone: str) -> RawTable:
    """Read a CSV or Parquet file by its mapping, as a raw table under TIDES names.

    Raises FeedError naming a column that is missing."""
    records = read_records(path, mapping.separator, mapping.encoding)
    schema = records.rows.schema
    for source in mapping.columns.values():
        for column in [source] if isinstance(source, str) else source:
            if column not in schema:
                raise FeedError(f"{path} lacks the column '{column}' its mapping names")
            assert_one_value(path, column, schema[column])
    expressions = [_converted(mapping, name, schema).alias(name) for name in mapping.columns]
    constants = [pl.lit(value).alias(name) for name, value in mapping.constants.items()]
    card = mapping.columns.get("fare_media_id")
    return RawTable(
        path.name,
        digest(path),
        under_tides_names(records, *expressions, *constants),
        mapping.zone or zone,
        mapping.timestamp_format,
        mapping.precision_s,
        card if isinstance(card, str) else None,
        records.broken,
        mapping.separator,
    )


def _converted(mapping: Mapping, name: str, schema: pl.Schema) -> pl.Expr:
    source = mapping.columns[name]
    if isinstance(source, list):
        value = pl.concat_str(*(pl.col(column).cast(pl.String).str.strip_chars() for column in source), separator=" ")
    elif schema[source] == pl.String:
        value = pl.col(source).str.strip_chars()
    elif name in mapping.enumerations:
        value = pl.col(source).cast(pl.String)
    else:
        value = pl.col(source)
    words = mapping.enumerations.get(name)
    if words:
        value = value.replace(words)
    if isinstance(source, str) and schema[source] == pl.String and mapping.decimal != "." and name in NUMBERS:
        value = value.str.replace_all(r"[\s\u00a0\u202f]", "").str.replace(mapping.decimal, ".", literal=True)
    if name == "service_date" and mapping.service_date_format is not None:
        text = value.cast(pl.String)
        # what is no date stays as it is, and is refused later
        value = pl.coalesce(text.str.to_date(mapping.service_date_format, strict=False).cast(pl.String), text)
    factor = mapping.factors.get(name)
    return value if factor is None else value.cast(pl.Float64, strict=False) * factor
