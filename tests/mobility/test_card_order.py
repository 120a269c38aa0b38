"""Rides of a card come together and in order of time, however the rows came."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from rides_by_hand import TIME

from mobility.card_order import by_card

rows = st.lists(st.tuples(st.sampled_from(["x", "y", "z", None]), st.integers(0, 5), st.integers(0, 9)), max_size=30)


@settings(deadline=None)
@given(rows)
def test_cards_follow_each_other_in_order_of_time_and_name(rows: list[tuple[str | None, int, int]]) -> None:
    named = pl.DataFrame(
        [(card, 1000 * at, f"t{name}{n}") for n, (card, at, name) in enumerate(rows)],
        schema={"card": pl.String, "at": TIME, "name": pl.String},
        orient="row",
    )
    order = by_card(*named.get_columns())
    ordered = named[order.row]
    assert ordered.sort("name").equals(named.sort("name"))
    cards = ordered["card"].to_list()
    assert cards[: len(cards) - cards.count(None)].count(None) == 0
    assert len(ordered["card"].rle()) == ordered["card"].n_unique()
    assert order.begins.tolist() == [n == 0 or cards[n] != cards[n - 1] for n in range(len(cards))]
    for _, own in ordered.group_by("card"):
        assert own.equals(own.sort("at", "name"))
    shuffled = named.reverse()
    assert shuffled[by_card(*shuffled.get_columns()).row].equals(ordered)
