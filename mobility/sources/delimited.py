"""Delimited text (CSV) line by line: every line after the header is a row, or is kept with the reason why it is none.

A row is one line: a line break inside quotes is taken for broken quoting, so that a quote nobody closed costs its own
line and not the rest of the file. Quoting is that of RFC 4180, files may be packed by gzip.
"""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from mobility.errors import FeedError

MISSING: Final = ("", "NA", "NaN")
BROKEN: Final = {"line": pl.Int64, "reason": pl.String, "text": pl.String}
GZIP_MAGIC: Final = b"\x1f\x8b"
PARQUET_MAGIC: Final = b"PAR1"
ZIP_MAGIC: Final = b"PK\x03\x04"
BLOCK_CHARS: Final = 1 << 25
QUOTED: Final = "\ue000"
MADE_FOR_LOST_BYTES: Final = "\ufffd"


@dataclass(frozen=True)
class Records:
    """`rows`: the file's columns as strings (TIDES' marks of a missing value are null). `lines`: the line of each row,
    where the header is line 1. `broken`: lines that are no rows, with columns of BROKEN."""

    rows: pl.DataFrame
    lines: pl.Series
    broken: pl.DataFrame


def read_delimited(path: Path, separator: str = ",", encoding: str = "utf-8") -> Records:
    """Read a CSV file, plain or gzip. Raises FeedError where there is no header, one with a column twice, or
    no CSV at all."""
    try:
        return _records(path, separator, encoding)
    except FileNotFoundError:
        raise FeedError(f"{path} is missing") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FeedError(f"{path} cannot be read: {error}; is it whole?") from error


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a file begins with these bytes. Raises FeedError where it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except FileNotFoundError:
        raise FeedError(f"{path} is missing") from None


def _records(path: Path, separator: str, encoding: str) -> Records:
    if starts_with(path, ZIP_MAGIC):
        raise FeedError(f"{path} is a zip archive (or a spreadsheet): unpack it, or save it as CSV")
    blocks = _blocks(path, encoding)
    first = next(blocks, [])
    if not first or not first[0].strip():
        raise FeedError(f"{path} is empty: it needs at least a header line")
    header = _header(path, first[0], separator)
    rows, places, broken, line = [], [], [], 2
    for lines in itertools.chain([first[1:]], blocks):
        good, bad = _judged(lines, line, len(header), separator, encoding)
        rows.append(_fields(good, header, separator))
        places.append(good["line"])
        broken.append(bad)
        line += len(lines)
    return Records(pl.concat(rows), pl.concat(places), pl.concat(broken))


def _blocks(path: Path, encoding: str) -> Iterator[list[str]]:
    """Lines of a file, some ten megabytes at a time; the end of the last line may be missing."""
    packed = starts_with(path, GZIP_MAGIC)
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        # "replace" marks what is no text of the encoding, so that it costs its own line alone
        text = codecs.getreader(encoding)(stream, "replace")
        rest = ""
        while block := text.read(BLOCK_CHARS, BLOCK_CHARS):
            whole, found, rest = (rest + block).rpartition("\n")
            if found:
                yield whole.split("\n")
        if rest:
            yield [rest]


def _header(path: Path, line: str, separator: str) -> list[str]:
    text = line.removeprefix("\ufeff").rstrip("\r")
    if "\r" in text:
        raise FeedError(f"{path}: its lines end in carriage returns alone; save it with line feeds (LF or CR LF)")
    try:
        table = pl.read_csv(io.StringIO(text), separator=separator, has_header=False, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise FeedError(f"{path}, line 1: the header is no CSV: {error}") from error
    names = [str(name if name is not None else "").strip() for name in table.row(0)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FeedError(f"{path}, line 1: the column '{twice[0]}' stands in the header more than once; name each once")
    return names


def _judged(
    lines: list[str], first_line: int, width: int, separator: str, encoding: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines that are rows (line, text), and those that are not (BROKEN)."""
    frame = pl.DataFrame({"text": lines}, schema={"text": pl.String}).with_columns(
        pl.int_range(first_line, first_line + len(lines), dtype=pl.Int64).alias("line"),
        pl.col("text").str.strip_suffix("\r"),
    )
    text = pl.col("text")
    bare = pl.when(text.str.contains('"', literal=True)).then(text.str.replace_all('"[^"]*"', QUOTED)).otherwise(text)
    border = "[^" + _in_class(separator) + QUOTED + "]"
    misplaced = pl.col("bare").str.contains(f'"|{border}{QUOTED}|{QUOTED}{border}')
    fields = pl.col("bare").str.count_matches(separator, literal=True) + 1
    reasons = (
        (text.str.strip_chars() == "", pl.lit("the line is empty")),
        (text.str.contains("\x00", literal=True), pl.lit("the line has NUL bytes: part of the file was never written")),
        (text.str.contains(MADE_FOR_LOST_BYTES, literal=True), pl.lit(f"the line has bytes that are no {encoding}")),
        (misplaced, pl.lit("quoting is broken: a quote is not closed on its line, or opens within a field")),
        (fields < width, pl.lit("too few fields for the header")),
        (fields > width, pl.lit("too many fields for the header")),
    )
    judged = frame.with_columns(bare.alias("bare")).with_columns(
        pl.coalesce(*(pl.when(broken).then(reason) for broken, reason in reasons)).alias("reason")
    )
    good = judged.filter(pl.col("reason").is_null()).select("line", "text")
    return good, judged.filter(pl.col("reason").is_not_null()).select(list(BROKEN))


def _in_class(separator: str) -> str:
    return "\\" + separator if separator in "\\^]-[" else separator


def _fields(good: pl.DataFrame, header: list[str], separator: str) -> pl.DataFrame:
    if good.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    return pl.read_csv(
        io.BytesIO("\n".join(good["text"].to_list()).encode()),
        separator=separator,
        has_header=False,
        new_columns=header,
        infer_schema=False,
        null_values=list(MISSING),
    )
