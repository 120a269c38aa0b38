"""Columns that repeat few texts, kept as categories: a byte a row instead of sixteen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs


def category(name: str, place: npt.NDArray[Any], texts: Sequence[str]) -> pl.Series:
    """The column `name` of the text at each `place`."""
    return pl.Series(name, place.astype(np.uint32)).cat.to(pl.Enum(texts))


def enum_of(texts: pl.Series) -> pl.Enum:
    """The categories of one column, sorted; text, or categories of another kind."""
    return pl.Enum(texts.unique().drop_nulls().cast(pl.String).sort())


def categories_of(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> dict[str, pl.Enum]:
    """The categories of each column: all its values in any of the frames, sorted, so that rows sort as their texts."""
    found: dict[str, list[pl.Series]] = {column: [] for column in columns}
    for frame in frames:
        for column in columns:
            if column in frame.columns:
                found[column].append(frame[column].unique().cast(pl.String))
    return {column: pl.Enum(pl.concat(parts).drop_nulls().unique().sort()) for column, parts in found.items() if parts}


def in_categories(frame: pl.DataFrame, categories: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """`frame` with the columns that have categories in them."""
    return frame.with_columns(pl.col(column).cast(of) for column, of in categories.items() if column in frame.columns)


def in_text(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with its categories as text again."""
    return frame.with_columns(cs.by_dtype(pl.Enum, pl.Categorical).cast(pl.String))
