"""Whether rows repeat, told by their hashes: to look at these is far cheaper than to look for each row among all."""

from __future__ import annotations

import numpy as np
import polars as pl


def may_repeat(rows: pl.DataFrame) -> bool:
    """Whether two of the rows can be the same: no where all hashes differ, as in most tables. Where it says yes, who
    must know has to look at the rows themselves."""
    if not rows.width:
        return False
    return rows.hash_rows().n_unique() < rows.height


def repeating(hashes: pl.Series, times: int = 2) -> pl.Series:
    """Which of the rows with these hashes may be one of `times` or more that are the same."""
    ranked = np.sort(hashes.to_numpy())
    last = ranked[times - 1 :]
    return hashes.is_in(pl.Series(np.unique(last[last == ranked[: len(last)]])).implode())


def numbered(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The different texts of a column without nulls, and of each row which of them it is."""
    hashes = texts.hash().to_numpy()
    order = np.argsort(hashes)
    ranked, told = hashes[order], texts.gather(order)
    begins = told.ne_missing(told.shift(1)).to_numpy()
    if (begins[1:] & (ranked[1:] == ranked[:-1])).any():
        # two texts have one hash
        distinct = texts.unique()
        return distinct, texts.cast(pl.Enum(distinct)).to_physical()
    number = np.empty(len(order), np.uint32)
    number[order] = np.cumsum(begins) - 1
    return told.filter(pl.Series(begins)), pl.Series(number)
