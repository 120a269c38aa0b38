"""Rows of a card together and in order of time, without comparing strings more than need be."""

from __future__ import annotations

import numpy as np
import polars as pl

from mobility.line_stops import Ints


def by_card(card: pl.Series, at: pl.Series, name: pl.Series) -> Ints:
    """Order of rows: those of one `card` together, by time `at`, then by `name`; those without a card last, by time.

    Cards follow each other by a hash of their names, of which as many bits stand before the time in one Int64 key as
    fit; the few rows whose key does not tell are then sorted by what they are."""
    count = len(card)
    if not count:
        return np.zeros(0, np.int64)
    ms = at.dt.epoch("ms").to_numpy()
    since = ms - ms.min()
    time_bits = int(since.max()).bit_length()
    named = card.is_not_null().to_numpy()
    mixed = card.hash(seed=1).to_numpy() >> np.uint64(time_bits + 2)
    key = np.where(named, mixed.astype(np.int64), 1 << (62 - time_bits)) * (1 << time_bits) + since
    order = np.argsort(key)
    told = key[order]
    bucket = told >> time_bits
    together = bucket[1:] == bucket[:-1]
    sorted_card = card[order]
    other = sorted_card.ne_missing(sorted_card.shift(1)).to_numpy()[1:]
    unclear = (told[1:] == told[:-1]) | (together & other)
    if unclear.any():
        mixed_up = np.unique(bucket[1:][unclear])
        rows = np.flatnonzero(np.isin(bucket, mixed_up))
        again = pl.DataFrame(
            {"bucket": bucket[rows], "card": card[order[rows]], "ms": told[rows], "name": name[order[rows]]}
        )
        order[rows] = order[rows][again.select(pl.arg_sort_by("bucket", "card", "ms", "name")).to_series().to_numpy()]
    return order
