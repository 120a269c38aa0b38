"""The boardings of every card as arrays, in an order that depends on nothing but what they are.

Cards are sorted by the content of their taps, so neither the order of rows nor the names of cards change a result. Taps
of one card in one vehicle or at one gate at the same recorded time are companions who ride together: one boarding.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.geometry import Projection

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# A counter of transfers runs for two hours in SUBE and in most systems that have one; where there is no counter, a tap
# this soon after another one of the card continues a journey.
JOURNEY_H: Final = 2.0
UNKNOWN: Final = -1


@dataclass(frozen=True)
class CardTaps:
    """One entry a boarding with a position. `xy` metres; `degrees` longitude, latitude; `at_h` hours; `transfer` the
    card's counter, -1 unknown; `fresh`: begins a journey. `cards`: start of each card's taps (and one past the last);
    `lines`, `modes`: names. `rows`: transaction_id, tap (index into these arrays, null where the boarding has no
    position), line."""

    xy: Floats
    degrees: Floats
    line: Ints
    mode: Ints
    at_h: Floats
    transfer: Ints
    fresh: Bools
    first: Bools
    cards: Ints
    lines: list[str]
    modes: list[str]
    rows: pl.DataFrame

    @property
    def count(self) -> int:
        """How many boardings there are."""
        return len(self.line)


def card_taps(boardings: pl.DataFrame, projection: Projection) -> CardTaps:
    """Arrays of the boardings of each card and day. `boardings`: TapOn."""
    same = ["_card", "event_timestamp", "line", "longitude", "latitude", "vehicle_id"]
    content = pl.concat_str(
        *(pl.col(name).cast(pl.String).fill_null("") for name in [*same[1:], "mode", "transfer_number"]), separator="|"
    )
    cardless = pl.concat_str(pl.lit("no card "), pl.col("transaction_id"))
    placed = boardings.with_columns(
        pl.struct(pl.coalesce("card_id", cardless), pl.col("event_timestamp").dt.date()).alias("_card"),
        content.alias("_content"),
    ).filter(pl.col("latitude").is_not_null())
    taps = (
        placed.group_by(same)
        .agg(pl.col("transaction_id"), pl.col("mode").min(), pl.col("transfer_number").min(), pl.col("_content").min())
        .sort("_content")
        .with_columns(pl.col("_content").str.join("\n").over("_card").alias("_day"))
        # cards of the same content are alike: which of them comes first changes nothing
        .sort("_day", "_card", "_content")
        .with_row_index("tap")
    )
    taps = projection.project(taps, "longitude", "latitude")
    lines = boardings["line"].unique().sort().to_list()
    modes = taps["mode"].unique().sort().to_list()
    starts = taps["_card"].rle_id().to_numpy()
    cards = np.append(np.flatnonzero(np.diff(starts, prepend=-1)), taps.height).astype(np.int64)
    at_h = taps["event_timestamp"].dt.epoch("ms").to_numpy() / 3_600_000.0
    transfer = taps["transfer_number"].fill_null(UNKNOWN).to_numpy().astype(np.int64)
    rows = boardings.select("transaction_id", "line").join(
        taps.select("tap", "transaction_id").explode("transaction_id"), on="transaction_id", how="left"
    )
    return CardTaps(
        xy=taps.select("x_m", "y_m").to_numpy().astype(np.float64),
        degrees=taps.select("longitude", "latitude").to_numpy().astype(np.float64),
        line=_positions(taps["line"], lines),
        mode=_positions(taps["mode"], modes),
        at_h=at_h,
        transfer=transfer,
        fresh=_fresh(at_h, transfer, cards),
        first=_first(at_h, transfer, cards),
        cards=cards,
        lines=lines,
        modes=modes,
        rows=rows,
    )


def _positions(column: pl.Series, names: list[str]) -> Ints:
    where = {name: place for place, name in enumerate(names)}
    return np.array([where[name] for name in column.to_list()], dtype=np.int64)


def _fresh(at_h: Floats, transfer: Ints, cards: Ints) -> Bools:
    fresh: Bools = transfer == 0
    for begin, end in itertools.pairwise(cards):
        times = at_h[begin:end]
        for tap in np.flatnonzero(transfer[begin:end] == UNKNOWN):
            before = times[tap] - times
            fresh[begin + tap] = not ((before > 0) & (before <= JOURNEY_H)).any()
    return fresh


def _first(at_h: Floats, transfer: Ints, cards: Ints) -> Bools:
    first = np.zeros(len(at_h), dtype=bool)
    for begin, end in itertools.pairwise(cards):
        earliest = at_h[begin:end] == at_h[begin:end].min()
        counter = np.where(earliest, transfer[begin:end], np.iinfo(np.int64).max)
        first[begin:end] = counter == counter.min()
    return first
