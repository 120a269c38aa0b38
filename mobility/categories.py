"""Columns that repeat few texts, kept as categories: a byte a row instead of sixteen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl


def category(name: str, place: npt.NDArray[Any], texts: Sequence[str]) -> pl.Series:
    """The column `name` of the text at each `place`."""
    return pl.Series(name, place.astype(np.uint32)).cat.to(pl.Enum(texts))
