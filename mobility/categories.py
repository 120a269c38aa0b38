"""Columns that repeat few texts, kept as categories: a byte a row instead of sixteen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs
from numba import njit

CATEGORIES = (pl.Enum, pl.Categorical)


def category(name: str, place: npt.NDArray[Any], texts: Sequence[str]) -> pl.Series:
    """The column `name` of the text at each `place`."""
    return pl.Series(name, place.astype(np.uint32)).cat.to(pl.Enum(texts))


def distinct(column: pl.Series) -> pl.Series:
    """The different texts of a column of text or categories, nulls apart, in any order."""
    if column.dtype not in CATEGORIES:
        return column.unique().drop_nulls().cast(pl.String)
    # categories are small numbers: to count each takes a fifth of the time that finding them by hash does
    return _numbers(column).cat.to(column.dtype).cast(pl.String).alias(column.name)


def recoded(column: pl.Series, names: pl.DataType) -> pl.Series:
    """A column of text or categories in the categories `names`, which must have all of them, or as text."""
    if column.dtype not in CATEGORIES or column.dtype == names or not isinstance(names, pl.Enum):
        return column.cast(names)
    number = _numbers(column)
    if number.is_empty():
        return column.cast(names)
    # each category is looked up once, and not each row
    place = np.zeros(int(number[-1]) + 1, np.uint32)
    place[number.to_numpy()] = number.cat.to(column.dtype).cast(pl.String).cast(names).to_physical().to_numpy()
    return pl.Series(column.name, place).cat.to(names).gather(column.to_physical())


def _numbers(column: pl.Series) -> pl.Series:
    """The physical values of the categories that a column has, in order."""
    physical = column.to_physical().drop_nulls().to_numpy()
    size = 1 + int(physical.max()) if len(physical) else 0
    return pl.Series(np.flatnonzero(_there(physical, size)).astype(np.uint32))


@njit(cache=True, nogil=True)
def _there(numbers: npt.NDArray[Any], size: int) -> npt.NDArray[np.bool_]:
    """Which of the numbers from 0 to `size` - 1 are there."""
    there = np.zeros(size, np.bool_)
    for number in numbers:
        there[number] = True
    return there


def enum_of(texts: pl.Series) -> pl.Enum:
    """The categories of one column, sorted; text, or categories of another kind."""
    return pl.Enum(distinct(texts).sort())


def categories_of(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> dict[str, pl.Enum]:
    """The categories of each column: all its values in any of the frames, sorted, so that rows sort as their texts."""
    found: dict[str, list[pl.Series]] = {column: [] for column in columns}
    for frame in frames:
        for column in columns:
            if column in frame.columns:
                found[column].append(distinct(frame[column]))
    return {column: pl.Enum(pl.concat(parts).unique().sort()) for column, parts in found.items() if parts}


def in_categories(frame: pl.DataFrame, categories: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """`frame` with the columns that have categories in them."""
    return frame.with_columns(
        recoded(frame[column], of) for column, of in categories.items() if column in frame.columns
    )


def in_text(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with its categories as text again."""
    return frame.with_columns(cs.by_dtype(pl.Enum, pl.Categorical).cast(pl.String))
