"""Parquet on disk: one folder a table, one folder a service date, rows clustered as the reader needs them.

A part is written beside its place and renamed into it, so a reader or a crash never sees half a part. Its name is
given by the caller from what it was made of: the same input written twice is the same file.

Tables that grow file by file have a ledger, `ledger/<table>/<part>.json`. A part of such a table counts from the moment
its entry stands there, so a file whose rows fall on many service dates enters all of them at once or none.
"""

from __future__ import annotations

import io
import os
import shutil
from datetime import date
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import TypeVar

import dataframely as dy
import polars as pl

from mobility.categories import CATEGORIES, distinct, in_text
from mobility.errors import LakeError
from mobility.repeats import may_repeat
from mobility.threads import both

S = TypeVar("S", bound=dy.Schema)
DESCRIPTION = "lake.json"
WHOLE = "data"
ROW_GROUP = 262_144
ARROW_SCHEMA = "ARROW:schema"


def partition(lake: Path, table: str, service_date: date) -> Path:
    """Folder of one table's rows of one service date."""
    return lake / table / f"service_date={service_date.isoformat()}"


def write(
    lake: Path, table: str, schema: type[S], rows: pl.DataFrame, service_date: date, *, part: str = WHOLE
) -> Path:
    """Write `rows` of one service date, checked against `schema`, as one part of `table`; returns its path. Columns of
    text may be categories here.

    A part of the same name is replaced. Raises LakeError where the rows break the schema; then nothing is written."""
    path = partition(lake, table, service_date) / f"{part}.parquet"
    partial = _neighbour(path)
    try:
        typed = _typed(schema, rows.select(schema.column_names()))
        both(lambda: _assert_kept(schema, typed), lambda: _sink(typed, partial))
    except (dy.exc.SchemaError, dy.exc.ValidationError, pl.exceptions.PolarsError) as error:
        partial.unlink(missing_ok=True)
        raise LakeError(f"table {table}, {service_date}: rows do not fit its schema: {error}") from error
    partial.replace(path)
    return path


def ledger(lake: Path, table: str) -> Path:
    """Folder with an entry for each file that was taken into `table` (or into its quarantine)."""
    return lake / "ledger" / Path(table).name


def service_dates(lake: Path, table: str) -> list[date]:
    """The service dates `table` has a folder for, in order. Raises LakeError where a folder is called after none."""
    return [_date_of(folder) for folder in sorted((lake / table).glob("service_date=*"))]


def _date_of(folder: Path) -> date:
    try:
        return date.fromisoformat(folder.name.removeprefix("service_date="))
    except ValueError:
        raise LakeError(f"{folder} is called after no date such as 2025-03-03; move it out of the table") from None


def write_parquet(rows: pl.DataFrame, path: Path) -> None:
    """Write one Parquet file through a neighbour and a rename; whoever reads it finds text where categories were."""
    partial = _neighbour(path)
    _sink(rows, partial)
    partial.replace(path)


def parts(lake: Path, table: str, service_date: date | None = None) -> list[Path]:
    """The files of `table` that count, of one service date or of all, in the order of their names."""
    folder = lake / table if service_date is None else partition(lake, table, service_date)
    files = sorted(folder.rglob("*.parquet"))
    entries = ledger(lake, table)
    if entries.is_dir():
        files = [file for file in files if (entries / f"{file.stem}.json").exists()]
    return files


def scan(lake: Path, table: str, schema: type[S], service_date: date | None = None) -> pl.LazyFrame:
    """The rows of `table`, of one service date or of all, lazily; empty and typed where there are none."""
    files = parts(lake, table, service_date)
    if not files:
        return schema.create_empty().lazy()
    return pl.scan_parquet(files, hive_partitioning=False)


def read(lake: Path, table: str, schema: type[S], service_date: date | None = None) -> dy.DataFrame[S]:
    """The rows of `table` as a checked frame. Raises LakeError where they are not what `schema` says."""
    try:
        return schema.validate(scan(lake, table, schema, service_date).collect())
    except (dy.exc.SchemaError, dy.exc.ValidationError, pl.exceptions.PolarsError) as error:
        raise LakeError(f"{lake / table}: not a table of {schema.__name__}: {error}") from error


def replace_entries(built: Path, target: Path) -> None:
    """Move every entry of folder `built` into `target`, each replacing what stands there, then remove `built`.

    Each entry is renamed, so one entry is never half there; entries of `target` that `built` lacks stay."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(built.iterdir()):
        place = target / entry.name
        old = target / f".{entry.name}.old"
        if place.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            place.rename(old)
        entry.replace(place)
        shutil.rmtree(old, ignore_errors=True)
    built.rmdir()


def _neighbour(path: Path) -> Path:
    """Where a file is written before it takes its place: two workers may write the same one, each beside it."""
    return path.with_name(f"{path.stem}.{os.getpid()}-{get_ident()}.partial")


def _sink(rows: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # one chunk and fixed row groups: how many threads read the input must not show in the bytes
    rows.rechunk().lazy().sink_parquet(
        path,
        compression="lz4",
        statistics=True,
        row_group_size=ROW_GROUP,
        # categories are the dictionaries of columns that readers are to take as text
        metadata={ARROW_SCHEMA: _schema_in_text(rows.clear())},
    )


def _schema_in_text(empty: pl.DataFrame) -> str:
    """The Arrow schema in a Parquet file of such rows without categories."""
    file = io.BytesIO()
    in_text(empty).write_parquet(file)
    file.seek(0)
    return pl.read_parquet_metadata(file)[ARROW_SCHEMA]


def _typed(schema: type[S], rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the types of `schema`, categories as they are. Raises PolarsError where one cannot be cast."""
    return rows.select(
        pl.col(name)
        if rows.schema[name] == column.dtype or (rows.schema[name] in CATEGORIES and column.dtype == pl.String)
        else pl.col(name).cast(column.dtype)
        for name, column in schema.columns().items()
    )


def _assert_kept(schema: type[S], typed: pl.DataFrame) -> None:
    """Raise as schema.validate does where rows break `schema`.

    To find each key among all others costs more than all other rules together, and hashes nearly always tell that none
    comes twice. The other rules are of one column each."""
    kept = all(_is_kept(schema, column) for column in typed.iter_columns())
    # a file is of one service date, which tells no two of its rows apart
    key = [name for name in schema.primary_key() if name != "service_date"] or schema.primary_key()
    if not kept or may_repeat(typed.select(key)):
        schema.validate(typed, cast=True)


def _is_kept(schema: type[dy.Schema], column: pl.Series) -> bool:
    """Whether a column keeps the rules of its name in `schema`; of categories each is looked at once."""
    rules = schema.columns()[column.name].validation_rules(pl.col(column.name)).keys()
    if column.null_count() and "nullability" in rules:
        return False
    if rules <= {"nullability"}:
        return True
    values = distinct(column) if column.dtype in CATEGORIES else column
    return _of_column(schema, column.name).is_valid(values.to_frame(), cast=True)


@cache
def _of_column(schema: type[dy.Schema], name: str) -> type[dy.Schema]:
    """What `schema` asks of one column alone."""
    return type(schema.__name__, (dy.Schema,), {name: schema.columns()[name].with_properties(primary_key=False)})
