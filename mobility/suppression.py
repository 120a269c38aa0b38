"""Small cells stay out of what is published, and cannot be worked out from it and the totals of rows and columns.

k-anonymity (Sweeney 2002) on the number of different cards behind a cell, with complementary suppression (Cox 1980): a
cell is left out where fewer than k cards are behind it, and others with it until, for every total of a margin,

1. what is left out of it is nothing, or two cells or more that rest on k different cards or more together, or all of
   it; and
2. where there are two margins, no cell that is left out follows from their totals together.

By 1 a total less what is shown of it is never a cell or a group under k. By 1 and 2 nobody finds a cell by subtracting
again and again, or by adding totals up first. 2 is decided in a graph: totals are its vertices, each cell left out is
an edge between its two totals. A cell follows from the totals exactly where its edge is a bridge (Gusfield 1988). A
total of which nothing is shown is taken as unknown: who publishes it beside the table publishes what was left out. All
such totals are one vertex.

A card may be in many cells, so the `cards` of cells do not add up to different cards. `cards_once` does: it counts each
card in one cell alone of all that have a total in common, and its sum over some cells is at most their different cards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from mobility.errors import MobilityError
from mobility.privacy import DEFAULT_K

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
LABEL_SEED = 20


def publish(table: pl.DataFrame, *, k: int = DEFAULT_K, margins: Sequence[tuple[str, ...]] = ()) -> pl.DataFrame:
    """The rows of a table that may be published, without their numbers of cards.

    `margins`: none, one or two sets of columns; totals over rows that agree in such a set may be known from elsewhere.
    `table` has a column `cards`, and with margins `cards_once` (od_flows, boardings). Raises MobilityError where it has
    none or k < 1."""
    if k < 1:
        raise MobilityError(f"k = {k}: suppression needs k of at least 1")
    for column in ("cards", "cards_once")[: 1 + bool(margins)]:
        if column not in table.columns:
            raise MobilityError(f"a table is published by its column '{column}', and this one has none")
    if len(margins) > 2:
        raise MobilityError(f"suppression protects two margins at most, not {len(margins)}")
    shown = (table["cards"] >= k).to_numpy()
    if margins and not shown.all():
        shown = _protected(table["cards"].to_numpy(), table["cards_once"].to_numpy(), _totals(table, margins), k)
    return table.filter(pl.Series(shown)).drop("cards", "cards_once", strict=False)


def _totals(table: pl.DataFrame, margins: Sequence[tuple[str, ...]]) -> list[Ints]:
    """For each margin the number of the total each row counts in; no number stands for totals of two margins."""
    numbered: list[Ints] = []
    first = 0
    for margin in margins:
        numbers = table.select(pl.struct(margin).rank("dense").cast(pl.Int64)).to_series().to_numpy() - 1 + first
        numbered.append(numbers)
        first = int(numbers.max()) + 1
    return numbered


def _protected(cards: Ints, once: Ints, totals: list[Ints], k: int) -> Flags:
    """Which cells are shown. Each round leaves out one more cell of every total that gives something away."""
    shown = cards >= k
    unknown = ~shown & (cards > 0)
    count = int(totals[-1].max()) + 1
    while True:
        cells, people, left = (_per_total(totals, weight, count) for weight in (unknown, unknown * once, shown))
        short = (cells > 0) & ((cells == 1) | (people < k)) & (left > 0)
        if not short.any() and len(totals) == 2:
            told = _following(totals, np.flatnonzero(unknown), left > 0)
            for numbers in totals:
                short[numbers[told]] = True
            short &= left > 0
        if not short.any():
            return shown
        more = _next_left_out(cards, totals, shown, short, cells > 0)
        shown[more] = False
        unknown[more] = True


def _per_total(totals: list[Ints], weight: npt.NDArray[np.generic], count: int) -> Ints:
    return sum((np.bincount(n, weights=weight, minlength=count) for n in totals), np.zeros(count)).astype(np.int64)


def _next_left_out(cards: Ints, totals: list[Ints], shown: Flags, short: Flags, busy: Flags) -> Ints:
    """Of each total in `short` the shown cell with the fewest cards, first those that count in no other total of which
    nothing is left out yet (`busy`: something is): these would ask for one more cell there."""
    found = []
    for number, numbers in enumerate(totals):
        cells = np.flatnonzero(shown & short[numbers])
        alone = np.zeros(len(cells), np.bool_)
        for other in totals[:number] + totals[number + 1 :]:
            alone |= ~busy[other[cells]]
        order = cells[np.lexsort((cells, cards[cells], alone, numbers[cells]))]
        found.append(order[np.unique(numbers[order], return_index=True)[1]])
    return np.unique(np.concatenate(found))


def _following(totals: list[Ints], cells: Ints, known: Flags) -> Ints:
    """Those of the `cells` left out whose value follows from the `known` totals: the bridges of the graph."""
    vertex = np.where(known, np.arange(len(known)) + 1, 0)
    ends = np.sort(np.stack([vertex[numbers[cells]] for numbers in totals]), axis=0)
    cells, (low, high) = cells[ends[0] < ends[1]], ends[:, ends[0] < ends[1]]
    if not len(cells):
        return cells
    before, order = _forest(low, high, len(known) + 1)
    _, first = np.unique(low * (len(known) + 1) + high, return_index=True)
    in_forest = np.zeros(len(cells), np.bool_)
    in_forest[first] = (before[low[first]] == high[first]) | (before[high[first]] == low[first])
    # every edge outside the forest closes a circle and marks it with its label: an edge of the forest that no circle
    # crosses has the mark 0. Labels that cancel by chance would make a cell look told that is not, never the reverse.
    labels = np.random.default_rng(LABEL_SEED).integers(1, 2**62, int((~in_forest).sum()))
    mark = np.zeros(len(known) + 2, np.int64)
    np.bitwise_xor.at(mark, low[~in_forest], labels)
    np.bitwise_xor.at(mark, high[~in_forest], labels)
    for child, parent in zip(order[:0:-1], before[order[:0:-1]], strict=True):
        mark[parent] ^= mark[child]
    child = np.where(before[high] == low, high, low)
    uncrossed: Flags = in_forest & (mark[child] == 0)
    return cells[uncrossed]


def _forest(low: Ints, high: Ints, count: int) -> tuple[Ints, Ints]:
    """A spanning forest of a graph under one more vertex, which is the parent of its roots: the parent of every vertex,
    and the vertices from that root outwards."""
    graph = coo_array((np.ones(len(low)), (low, high)), shape=(count + 1, count + 1))
    _, part = connected_components(graph, directed=False)
    roots = np.unique(part[:count], return_index=True)[1]
    ends = np.concatenate([low, roots]), np.concatenate([high, np.full(len(roots), count)])
    rooted = coo_array((np.ones(len(ends[0])), ends), shape=(count + 1, count + 1)).tocsr()
    order, before = breadth_first_order(rooted, count, directed=False)
    return before.astype(np.int64), order.astype(np.int64)
