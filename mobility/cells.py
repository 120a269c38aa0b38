"""Rows by cell (a line, a stop and an hour, say) and what is told of each cell: counts, sums, means, quantiles.

A city day has a million visits in a hundred thousand cells. Rows are brought in order by one column after the other
from the last on (counting sort; Knuth, TAOCP 3, section 5.2), and each cell is looked at once, compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from mobility.categories import CATEGORIES, enum_of, recoded
from mobility.counting_sort import Rows, order_by_digit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
DIGIT_BITS = 16


@dataclass(frozen=True)
class Cells:
    """`order`: rows cell by cell, sorted by the key, those of one cell as they came; `first`: where each cell begins
    in it, and where the last one ends."""

    order: Rows
    first: Ints

    @classmethod
    def of(cls, key: pl.DataFrame) -> Cells:
        """The cells of rows that are the same in all columns of `key` (text, categories, dates, whole numbers)."""
        numbers = [_numbers(column) for column in key.iter_columns()]
        order = _sorted(numbers, key.height)
        begins = np.zeros(key.height, np.bool_)
        begins[:1] = True
        for number in numbers:
            _mark_changes(number, order, begins)
        return cls(order, np.r_[np.flatnonzero(begins), key.height])

    def firsts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The first of the rows of each cell."""
        return rows[self.order[self.first[:-1]]]

    def lasts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The last of the rows of each cell."""
        return rows[self.order[self.first[1:] - 1]]

    def counts(self) -> pl.Series:
        """How many rows each cell has."""
        return pl.Series(np.diff(self.first))

    def sums(self, values: pl.Series) -> pl.Series:
        """Sum of the values of each cell, nulls left out."""
        return pl.Series(_sums(self._ordered(values), self.first)[0])

    def means(self, values: pl.Series) -> pl.Series:
        """Mean of the values of each cell, nulls left out; null where all are."""
        total, count = _sums(self._ordered(values), self.first)
        return pl.Series(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0), nan_to_null=True)

    def least(self, values: pl.Series) -> pl.Series:
        """The least of the values of each cell: whole numbers or times, nulls left out, null where all are; or floats,
        which has no nulls."""
        if values.dtype == pl.Float64:
            return pl.Series(np.minimum.reduceat(values.to_numpy()[self.order], self.first[:-1]))
        return self._extreme(values, np.minimum, np.iinfo(np.int64).max)

    def most(self, values: pl.Series) -> pl.Series:
        """The largest of the values of each cell (whole numbers, times), nulls left out; null where all are."""
        return self._extreme(values, np.maximum, np.iinfo(np.int64).min)

    def different(self, values: pl.Series) -> pl.Series:
        """How many different values each cell has, which has no nulls."""
        return pl.Series(_different(values.to_numpy()[self.order], self.first))

    def deviations(self, values: pl.Series) -> pl.Series:
        """Standard deviation of the values of each cell, which has no nulls; null where it has but one."""
        return pl.Series(_deviations(self._ordered(values), self.first), nan_to_null=True)

    def quantiles(self, values: pl.Series, *shares: float) -> list[pl.Series]:
        """The quantile of each share, between two values in proportion. The values have no nulls."""
        found = _quantiles(self._ordered(values), self.first, np.array(shares))
        return [pl.Series(column) for column in found]

    def _extreme(self, values: pl.Series, of: np.ufunc, beyond: int) -> pl.Series:
        numbers = values.to_physical().cast(pl.Int64).fill_null(beyond).to_numpy()[self.order]
        found = pl.Series(of.reduceat(numbers, self.first[:-1]))
        if values.null_count():
            found = found.set(found == beyond, None)
        return found.cast(values.dtype)

    def _ordered(self, values: pl.Series) -> Floats:
        floats: Floats = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()[self.order]
        return floats


def sorted_by(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """`rows` in the order of `columns` (text, categories, times, numbers), nulls first; equal ones as they come."""
    return rows[_sorted([_numbers(rows[name]) for name in columns], rows.height)]


def _numbers(column: pl.Series) -> Ints:
    """A column as whole numbers from nought on that sort as its values; nulls come first."""
    named = column.dtype == pl.String or column.dtype in CATEGORIES
    if named and not (isinstance(column.dtype, pl.Enum) and column.dtype.categories.is_sorted()):
        column = recoded(column, enum_of(column))
    physical = column.to_physical()
    if physical.dtype == pl.Float64:
        physical = _as_whole(physical)
    least = physical.min()
    if not isinstance(least, int):
        return np.zeros(len(column), np.int64)
    physical = physical.cast(pl.Int64) - least
    if physical.null_count():
        physical = (physical + 1).fill_null(0)
    numbers: Ints = physical.to_numpy()
    return numbers


def _as_whole(floats: pl.Series) -> pl.Series:
    """Whole numbers that sort as the floats."""
    values = floats.fill_null(0.0).to_numpy()
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if (whole != values).any():
        whole = np.unique(values, return_inverse=True)[1]
    numbers = pl.Series(whole)
    return numbers.set(floats.is_null(), None) if floats.null_count() else numbers


def _sorted(numbers: Sequence[Ints], height: int) -> Rows:
    order = np.arange(height, dtype=np.uint32)
    for number in reversed(numbers):
        bits = int(number.max()).bit_length() if height else 0
        for shift in range(0, bits, DIGIT_BITS):
            order = order_by_digit(number, order, shift, min(DIGIT_BITS, bits - shift))
    return order


@njit(cache=True, nogil=True)
def _mark_changes(number: Ints, order: Rows, begins: Bools) -> None:
    """Mark where `number` is another than in the row before, in that order."""
    for place in range(1, len(order)):
        if number[order[place]] != number[order[place - 1]]:
            begins[place] = True


@njit(cache=True, nogil=True)
def _sums(values: Floats, first: Ints) -> tuple[Floats, Ints]:
    """Sum and number of the values of each cell; what is no number is left out. What a sum loses to rounding is kept
    (Kahan 1965), so that means of milliseconds are rounded as they should be."""
    cells = len(first) - 1
    total, count = np.zeros(cells), np.zeros(cells, np.int64)
    for cell in range(cells):
        sum_, lost = 0.0, 0.0
        for value in values[first[cell] : first[cell + 1]]:
            if not np.isnan(value):
                added = value - lost
                more = sum_ + added
                lost = (more - sum_) - added
                sum_ = more
                count[cell] += 1
        total[cell] = sum_
    return total, count


@njit(cache=True, nogil=True)
def _different(values: npt.NDArray[Any], first: Ints) -> Ints:
    """How many different values each cell has; brings them in order within it."""
    count = np.zeros(len(first) - 1, np.int64)
    for cell in range(len(count)):
        own = values[first[cell] : first[cell + 1]]
        own.sort()
        for place in range(len(own)):
            count[cell] += place == 0 or own[place] != own[place - 1]
    return count


@njit(cache=True, nogil=True)
def _deviations(values: Floats, first: Ints) -> Floats:
    found = np.full(len(first) - 1, np.nan)
    for cell in range(len(found)):
        count = first[cell + 1] - first[cell]
        if count < 2:
            continue
        own = values[first[cell] : first[cell + 1]]
        mean = own.sum() / count
        squares = 0.0
        for value in own:
            squares += (value - mean) ** 2
        found[cell] = np.sqrt(squares / (count - 1))
    return found


@njit(cache=True, nogil=True)
def _quantiles(values: Floats, first: Ints, shares: Floats) -> Floats:
    """Of each share the quantile of each cell; `values` are brought in order within each cell."""
    found = np.empty((len(shares), len(first) - 1))
    for cell in range(len(first) - 1):
        own = values[first[cell] : first[cell + 1]]
        own.sort()
        for number in range(len(shares)):
            place = shares[number] * (len(own) - 1)
            below = int(place)
            found[number, cell] = own[below]
            if place > below:
                found[number, cell] += (place - below) * (own[below + 1] - own[below])
    return found
