"""No small cell in what is published, and none that follows from it and the totals of the margins."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.errors import MobilityError
from mobility.suppression import publish

ROW, COLUMN = ("hour", "origin"), ("hour", "destination")
People = frozenset[int]
Cells = list[tuple[int, str, str, People]]


def table_of(cells: Cells) -> pl.DataFrame:
    """A cell's `cards` are its different people, `cards_once` those whom no cell before it in its hour has."""
    counted: set[tuple[int, int]] = set()
    rows = []
    for number, (hour, origin, destination, people) in enumerate(cells):
        new = {(hour, person) for person in people} - counted
        counted |= new
        rows.append((number, hour, origin, destination, len(people), len(new)))
    names = pl.Schema({"cell": pl.Int64(), "hour": pl.Int64(), "origin": pl.String(), "destination": pl.String()})
    return pl.DataFrame(rows, schema={**names, "cards": pl.Int64, "cards_once": pl.Int64}, orient="row")


def strangers(cards: int, number: int) -> People:
    """As many people as the cell of this number has, who are in no other cell."""
    return frozenset(range(1000 * number, 1000 * number + cards))


def shown_of(table: pl.DataFrame, k: int, *margins: tuple[str, ...]) -> pl.DataFrame:
    """The table with `shown`: whether a cell is published."""
    published = publish(table, k=k, margins=margins)
    assert not {"cards", "cards_once"} & set(published.columns)
    return table.with_columns(pl.col("cell").is_in(published["cell"].implode()).alias("shown"))


def equations(table: pl.DataFrame, *margins: tuple[str, ...]) -> tuple[np.ndarray, list[int]]:
    """What a reader who knows all totals of which something is shown can write down: a row a total, a column a cell
    with people that is left out, 1 where it counts in it."""
    left_out = table.filter(~pl.col("shown") & (pl.col("cards") > 0))["cell"].to_list()
    rows = []
    for margin in margins:
        for _, part in table.group_by(margin, maintain_order=True):
            if part["shown"].any():
                inside = set(part["cell"])
                rows.append([float(cell in inside) for cell in left_out])
    return np.array(rows).reshape(len(rows), len(left_out)), left_out


@given(st.lists(st.integers(0, 20)), st.integers(1, 10))
def test_cells_under_k_cards_are_not_published(cards: list[int], k: int) -> None:
    table = table_of([(7, "a", str(number), strangers(count, number)) for number, count in enumerate(cards)])
    assert publish(table, k=k)["cell"].to_list() == [number for number, count in enumerate(cards) if count >= k]


def test_a_table_without_its_count_of_cards_is_not_published() -> None:
    with pytest.raises(MobilityError, match="'cards'"):
        publish(pl.DataFrame({"stop_id": ["a"]}))
    with pytest.raises(MobilityError, match="'cards_once'"):
        publish(pl.DataFrame({"stop_id": ["a"], "cards": [9]}), margins=[("stop_id",)])
    with pytest.raises(MobilityError, match="k of at least 1"):
        publish(pl.DataFrame({"cards": [9]}), k=0)
    with pytest.raises(MobilityError, match="two margins at most"):
        publish(table_of([(7, "a", "b", strangers(9, 0))]), margins=[ROW, COLUMN, ("hour",)])


PEOPLE = st.frozensets(st.integers(0, 12), max_size=3) | st.frozensets(st.integers(0, 40), max_size=25)
CELLS = st.tuples(st.integers(7, 8), st.sampled_from("abcde"), st.sampled_from("uvwxy"), PEOPLE)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(CELLS, max_size=30), st.integers(2, 6), st.sampled_from([(ROW,), (COLUMN,), (ROW, COLUMN)]), st.booleans()
)
def test_nothing_left_out_follows_from_totals(
    cells: Cells, k: int, margins: tuple[tuple[str, ...], ...], is_matrix: bool
) -> None:
    """Several cells may share both totals (boardings: quarter-hours); in a matrix none do. People are in many cells."""
    table = table_of(cells)
    if is_matrix:
        table = table.unique(["hour", "origin", "destination"], keep="first", maintain_order=True)
    told = shown_of(table, k, *margins)
    assert told.filter(pl.col("shown") & (pl.col("cards") < k)).is_empty()
    known, left_out = equations(told, *margins)
    for total in known:
        inside = [cell for cell, counts in zip(left_out, total, strict=True) if counts]
        together = frozenset().union(*(cells[cell][3] for cell in inside))
        assert not inside or (len(inside) >= 2 and len(together) >= k)
    rank = np.linalg.matrix_rank(known) if known.size else 0
    for place in range(len(left_out)):
        one = np.eye(len(left_out))[place]
        assert np.linalg.matrix_rank(np.vstack([known, one])) == rank + 1, f"cell {left_out[place]} follows"


def grid(*rows: str) -> Cells:
    """Cards by origin (letters from a) and destination (from u); 0 where a dot stands."""
    return [
        (7, origin, destination, strangers(int(cards), 6 * line + place))
        for line, (origin, row) in enumerate(zip("abcdef", rows, strict=False))
        for place, (destination, cards) in enumerate(zip("uvwxyz", row.split(), strict=False))
        if cards != "."
    ]


def left_out(cells: Cells, *margins: tuple[str, ...]) -> set[str]:
    told = shown_of(table_of(cells), 5, *margins).filter(~pl.col("shown"))
    return set(told.select(pl.concat_str("origin", "destination")).to_series())


def test_one_small_cell_takes_the_cheapest_way_back_with_it() -> None:
    cells = grid("2 9 30 30", "8 7 30 30", "30 30 30 30")
    assert left_out(cells, ROW) == {"au", "av"}
    assert left_out(cells, ROW, COLUMN) == {"au", "av", "bu", "bv"}


def test_a_cell_that_joins_two_circles_is_found_out_by_adding_rows() -> None:
    # each total leaves out two cells or more, and yet a + b - u - v tells bw
    cells = grid("3 3 30 30 30 30", "3 3 3 30 30 30", "30 30 3 3 3 30", "30 30 30 3 3 30", "30 30 30 30 30 30")
    small = {"au", "av", "bu", "bv", "bw", "cw", "cx", "cy", "dx", "dy"}
    found = left_out(cells, ROW, COLUMN)
    assert small < found


def test_of_a_total_that_is_all_left_out_nothing_more_is_asked() -> None:
    assert left_out(grid("2 . .", ". 9 9"), ROW, COLUMN) == {"au"}
    assert left_out(grid("9 9 9", "9 9 9"), ROW, COLUMN) == set()


def test_one_card_in_many_cells_hides_none_of_them() -> None:
    """Three cells of two cards each rest on two people, not on six: a fourth has to go with them."""
    two = strangers(2, 0)
    same = [(7, "a", place, two) for place in "uvw"] + [(7, "a", "x", strangers(9, 1)), (7, "a", "y", strangers(30, 2))]
    different = [(7, "a", place, strangers(2, n)) for n, place in enumerate("uvw")] + same[3:]
    assert left_out(same, ROW) == {"au", "av", "aw", "ax"}
    assert left_out(different, ROW) == {"au", "av", "aw"}
