"""Stops of all patterns, numbered: what inference computes with instead of ids.

A *call* is one stop of one pattern; calls of a pattern follow each other, so the stops ahead of call c on its pattern
are c + 1 up to `last[c]`. A *pair* is a call and one ahead of it; the pairs of a call follow each other too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LineStops:
    """`stop_ids`, `pattern_ids`: sorted; `x_m`, `y_m`: of each stop; `first`: call of each pattern's first stop, and
    one more; `pattern`, `stop`, `path_m`: of each call."""

    stop_ids: pl.Series
    pattern_ids: pl.Series
    x_m: Floats
    y_m: Floats
    first: Ints
    pattern: Ints
    stop: Ints
    path_m: Floats

    @classmethod
    def of(cls, pattern_stops: pl.DataFrame, stops: pl.DataFrame) -> LineStops:
        """From the frames of a Timetable, whose sequences count 1, 2, 3 along a pattern."""
        placed = stops.unique("stop_id", keep="first", maintain_order=True).sort("stop_id")
        calls = pattern_stops.sort("pattern_id", "trip_stop_sequence")
        patterns = calls["pattern_id"].unique().sort()
        pattern = numbers(calls["pattern_id"], patterns)
        return cls(
            placed["stop_id"],
            patterns,
            placed["x_m"].to_numpy(),
            placed["y_m"].to_numpy(),
            np.searchsorted(pattern, np.arange(len(patterns) + 1)),
            pattern,
            numbers(calls["stop_id"], placed["stop_id"]),
            calls["path_m"].to_numpy(),
        )

    @cached_property
    def last(self) -> Ints:
        """The last call of the pattern, for each call."""
        return self.first[self.pattern + 1] - 1

    @cached_property
    def first_pair(self) -> Ints:
        """Number of the pair with the next call, for each call, and the number of pairs."""
        return np.concatenate([[0], np.cumsum(self.last - np.arange(len(self.stop)))])

    def pair(self, boarding: Ints, alighting: Ints) -> Ints:
        """Numbers of pairs of calls."""
        return self.first_pair[boarding] + alighting - boarding - 1

    @cached_property
    def pair_calls(self) -> tuple[Ints, Ints]:
        """Boarding and alighting call of each pair."""
        ahead = self.last - np.arange(len(self.stop))
        boarding = np.repeat(np.arange(len(self.stop)), ahead)
        return boarding, boarding + 1 + np.arange(len(boarding)) - self.first_pair[boarding]

    def sequence(self, call: Ints) -> Ints:
        """Place of calls on their patterns, counted from 1."""
        return self._sequences[call]

    @cached_property
    def _sequences(self) -> Ints:
        return np.arange(len(self.stop)) - self.first[self.pattern] + 1

    def distance_m(self, one: Ints, other: Ints) -> Floats:
        """Straight line between stops."""
        return np.hypot(self.x_m[one] - self.x_m[other], self.y_m[one] - self.y_m[other])


def numbers(values: pl.Series, ids: pl.Series) -> Ints:
    """Place of each value among `ids` (different, and all values are among them)."""
    return values.cast(pl.Enum(ids.cast(pl.String))).to_physical().cast(pl.Int64).to_numpy()


def spread(starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """For ranges of numbers one after the other: which range each number is of, and the number."""
    owner = np.repeat(np.arange(len(counts)), counts)
    offset = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - offset[owner] + starts[owner]


def near_stops(lines: LineStops, limit_m: float) -> tuple[Ints, Ints]:
    """Pairs of stops (each with itself too) at most `limit_m` apart, sorted by the first, then the second."""
    cell = pl.DataFrame(
        {
            "stop": np.arange(len(lines.x_m)),
            "column": np.floor(lines.x_m / limit_m).astype(np.int64),
            "row": np.floor(lines.y_m / limit_m).astype(np.int64),
        }
    )
    steps = pl.DataFrame({"right": [-1, 0, 1]}).join(pl.DataFrame({"up": [-1, 0, 1]}), how="cross")
    around = cell.join(steps, how="cross").select(
        pl.col("stop").alias("one"), (pl.col("column") + pl.col("right")).alias("column"), pl.col("row") + pl.col("up")
    )
    pairs = around.join(cell, on=["column", "row"])
    one, other = pairs["one"].to_numpy(), pairs["stop"].to_numpy()
    near = (lines.x_m[one] - lines.x_m[other]) ** 2 + (lines.y_m[one] - lines.y_m[other]) ** 2 <= limit_m * limit_m
    key = np.sort(one[near] * len(lines.x_m) + other[near])
    first, second = np.divmod(key, max(1, len(lines.x_m)))
    return first, second
