"""Rows of a card together and in order of time, without comparing strings more than need be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from mobility.key_sort import Rows, sorted_keys
from mobility.line_stops import Bools


class CardOrder(NamedTuple):
    """Rows in order, and whether each is the first of its card (those without a card count as of one)."""

    row: Rows
    begins: Bools


def by_card(card: pl.Series, at: pl.Series, name: pl.Series) -> CardOrder:
    """Rows of one `card` together, by time `at`, then by `name`; those without a card last, by time.

    Cards follow each other by a hash of their names, of which as many bits stand before the time in one Int64 key as
    fit; the few rows whose key does not tell are then sorted by what they are."""
    count = len(card)
    if not count:
        return CardOrder(np.zeros(0, np.uint32), np.zeros(0, np.bool_))
    ms = at.dt.epoch("ms").to_numpy()
    since = ms - ms.min()
    time_bits = int(since.max()).bit_length()
    named = card.is_not_null().to_numpy()
    mixed = card.hash(seed=1).to_numpy() >> np.uint64(time_bits + 2)
    key = np.where(named, mixed.astype(np.int64), 1 << (62 - time_bits)) * (1 << time_bits) + since
    told, order = sorted_keys(key)
    bucket = told >> time_bits
    together = bucket[1:] == bucket[:-1]
    begins = _begins(card[order])
    unclear = (told[1:] == told[:-1]) | (together & begins[1:])
    if unclear.any():
        mixed_up = np.unique(bucket[1:][unclear])
        rows = np.flatnonzero(np.isin(bucket, mixed_up))
        again = pl.DataFrame(
            {"bucket": bucket[rows], "card": card[order[rows]], "ms": told[rows], "name": name[order[rows]]}
        )
        again = again.with_columns(pl.Series("row", order[rows])).sort("bucket", "card", "ms", "name")
        order[rows], begins[rows] = again["row"].to_numpy(), _begins(again["card"])
    return CardOrder(order, begins)


def _begins(card: pl.Series) -> Bools:
    begins: Bools = card.ne_missing(card.shift(1)).to_numpy().copy()
    begins[:1] = True
    return begins
