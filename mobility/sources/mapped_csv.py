"""Any CSV export by a mapping file: which column is which TIDES field, in what format, zone, unit and with what words.

A mapping is TOML:

    table = "fare_transactions"            # or "vehicle_locations"
    separator = ";"                        # default ","
    zone = "Asia/Almaty"                   # of times without an offset; default: the feeds' zone
    timestamp_format = "%d.%m.%Y %H:%M:%S" # strptime; default ISO 8601; one without %M has only the hour
    precision_s = 1.0                      # what times are rounded to; default 1
    [columns]                              # TIDES name = column of the file, or several joined by a blank
    event_timestamp = ["Date", "Time"]
    [constants]                            # TIDES name = the same for every row
    fare_action = "Enter vehicle"
    [factors]                              # TIDES name = factor to the TIDES unit (km/h to m/s: 0.277778)
    [enumerations.fare_action]             # word of the file = word of TIDES; other words stay, and are refused later
    "Entry" = "Enter vehicle"
    [lines]                                # columns of files about lines, for taps that name their line (route_id)
    line = "id"                            # in the CSV about lines
    mode = "mode"                          # the same; its words are translated as [enumerations.mode] says
    shape_line = "id"                      # property of the features of the GeoJSON with their paths

Columns of taps beyond TIDES, for systems that place taps themselves: route_id (GTFS), mode, transfer_number (how many
boardings of the journey came before), latitude, longitude.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mobility.errors import FeedError, MappingError
from mobility.sources.tides import FARE_TRANSACTIONS, VEHICLE_LOCATIONS, RawTable, digest, read_strings, with_lines

REQUIRED = {"fare_transactions": FARE_TRANSACTIONS, "vehicle_locations": VEHICLE_LOCATIONS}


class LineColumns(BaseModel):
    """Where files about lines name the line and its mode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    mode: str | None = None
    shape_line: str


class Mapping(BaseModel):
    """A mapping file, checked; fields as in the module's docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    separator: str = Field(default=",", min_length=1, max_length=1)
    zone: str | None = None
    timestamp_format: str | None = None
    precision_s: float = Field(default=1.0, gt=0)
    columns: dict[str, str | list[str]]
    constants: dict[str, str] = Field(default_factory=dict)
    factors: dict[str, float] = Field(default_factory=dict)
    enumerations: dict[str, dict[str, str]] = Field(default_factory=dict)
    lines: LineColumns | None = None


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises MappingError naming the file and what is wrong in it."""
    try:
        mapping = Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError(f"{path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise MappingError(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    if mapping.table not in REQUIRED:
        raise MappingError(f"{path}: table '{mapping.table}' must be one of {', '.join(sorted(REQUIRED))}")
    given = {*mapping.columns, *mapping.constants}
    for name in REQUIRED[mapping.table]:
        if name not in given:
            raise MappingError(f"{path} maps nothing to '{name}', which {mapping.table} needs")
    for name in (*mapping.factors, *mapping.enumerations):
        if name not in given:
            raise MappingError(f"{path} converts '{name}', but maps no column to it")
    return mapping


def mapping_named(name: str) -> Mapping:
    """A mapping that comes with jasyl: `onay` (an Onay-like export of card taps), `sube` (Buenos Aires: taps with line
    and position). Raises MappingError if unknown."""
    path = Path(__file__).with_name(f"{name}.toml")
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.toml")))
        raise MappingError(f"there is no mapping '{name}'; there are: {known}")
    return read_mapping(path)


def mapping_of(name: str) -> Mapping:
    """The mapping of a name that comes with jasyl, or of the TOML file at a path. Raises MappingError."""
    return read_mapping(Path(name)) if name.endswith(".toml") or "/" in name else mapping_named(name)


def read_mapped(path: Path, mapping: Mapping, zone: str) -> RawTable:
    """Read a CSV by its mapping, as a raw table under TIDES names. Raises FeedError naming a column that is missing."""
    strings = read_strings(path, mapping.separator)
    for source in mapping.columns.values():
        for column in [source] if isinstance(source, str) else source:
            if column not in strings.columns:
                raise FeedError(f"{path} lacks the column '{column}' its mapping names")
    expressions = [_converted(mapping, name).alias(name) for name in mapping.columns]
    constants = [pl.lit(value).alias(name) for name, value in mapping.constants.items()]
    rows = with_lines(strings).select("line", "raw", *expressions, *constants)
    card = mapping.columns.get("fare_media_id")
    return RawTable(
        path.name,
        digest(path),
        rows,
        mapping.zone or zone,
        mapping.timestamp_format,
        mapping.precision_s,
        card if isinstance(card, str) else None,
    )


def _converted(mapping: Mapping, name: str) -> pl.Expr:
    source = mapping.columns[name]
    value = pl.col(source) if isinstance(source, str) else pl.concat_str(*source, separator=" ")
    value = value.str.strip_chars()
    words = mapping.enumerations.get(name)
    if words:
        value = value.replace(words)
    factor = mapping.factors.get(name)
    if factor is not None:
        number = value.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False) * factor
        value = number.cast(pl.String)
    return value
