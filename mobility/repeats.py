"""Whether rows repeat, told by their hashes: to look at these is far cheaper than to look for each row among all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from mobility.hash_table import any_twice, first_rows


def may_repeat(rows: pl.DataFrame) -> bool:
    """Whether two of the rows can be the same: no where all hashes differ, as in most tables. Where it says yes, who
    must know has to look at the rows themselves."""
    if not rows.width:
        return False
    return bool(any_twice(rows.hash_rows().to_numpy()))


def repeating(hashes: pl.Series, times: int = 2) -> pl.Series:
    """Which of the rows with these hashes may be one of `times` or more that are the same."""
    first = first_rows(hashes.to_numpy())
    return pl.Series(np.bincount(first, minlength=len(first))[first] >= times)


def first_distinct(hashes: pl.Series) -> pl.Series:
    """Which of the hashes are there for the first time."""
    return pl.Series(first_rows(hashes.to_numpy()) == np.arange(len(hashes), dtype=np.uint32))


def persons(legs: pl.DataFrame) -> pl.Series:
    """The card of each leg, or the tap where there is none, as a number: compared much faster than the pseudonym."""
    card = pl.col("card_id")
    if legs["card_id"].null_count():
        card = pl.coalesce("card_id", pl.concat_str(pl.lit("tap:"), "leg_id"))
    return legs.select(card.hash().alias("person")).to_series()


def read_once(texts: pl.Series, read: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """What `read` makes of each text of a column (nulls stay null); it is given each different text once."""
    there = texts.is_not_null()
    distinct, number = numbered(texts.drop_nulls())
    told = read(distinct).rename(texts.name)
    if there.all():
        return told.gather(number)
    place = (there.cum_sum() - 1).cast(pl.Int64)
    return told.gather(number.gather(place.set(~there, None)))


def numbered(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The different texts of a column without nulls as they first come, and of each row which of them it is."""
    first = first_rows(texts.hash().to_numpy())
    if (texts.gather(first) != texts).any():
        # two texts have one hash
        distinct = texts.unique(maintain_order=True)
        return distinct, texts.cast(pl.Enum(distinct)).to_physical()
    begins = first == np.arange(len(first), dtype=np.uint32)
    number = (np.cumsum(begins) - 1).astype(np.uint32)
    return texts.filter(pl.Series(begins)), pl.Series(number[first])
