"""What else is known of days, as CSV: the weather by the hour and the events by the stop (mobility.forecast)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TypeVar

import dataframely as dy
import polars as pl

from mobility.errors import FeedError
from mobility.forecast import Event, Known, Weather
from mobility.sources.tides import read_good

S = TypeVar("S", bound=dy.Schema)


def read_known(weather: Path | None, events: Path | None, holidays: Iterable[date]) -> Known:
    """Weather (date, hour, temperature_c, precipitation_mm) and events (date, stop_id, begin_min, end_min, attendance),
    each from a CSV or nothing, and public holidays. Raises FeedError naming the file and the column or line."""
    return Known(
        Weather.create_empty() if weather is None else _checked(weather, Weather),
        Event.create_empty() if events is None else _checked(events, Event),
        tuple(holidays),
    )


def _checked(path: Path, schema: type[S]) -> dy.DataFrame[S]:
    records = read_good(path)
    strings = records.rows
    for column in schema.column_names():
        if column not in strings.columns:
            raise FeedError(f"{path.name} lacks the column '{column}'")
    typed = strings.select(_cast(name, column.dtype) for name, column in schema.columns().items())
    good, failures = schema.filter(typed)
    if good.height == typed.height:
        return good
    rows = typed.with_columns(records.lines.alias("line"))
    wrong = rows.join(failures.invalid(), on=schema.column_names(), how="semi", nulls_equal=True)
    reasons = ", ".join(sorted(failures.counts()))
    raise FeedError(f"{path.name}, line {wrong['line'][0]}: not as {schema.__name__} must be ({reasons})")


def _cast(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return text.str.to_date(strict=False) if dtype == pl.Date else text.cast(dtype, strict=False)
