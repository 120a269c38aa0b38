"""No card number without the key, no small cell in what is published."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.errors import MobilityError
from mobility.privacy import month_key, monthly_pseudonyms, pseudonym, publish

KEY = b"sixteen bytes ok"


@given(st.text(min_size=1), st.text(min_size=1))
def test_pseudonyms_differ_exactly_when_cards_do(one: str, other: str) -> None:
    assert (pseudonym(one, KEY) == pseudonym(other, KEY)) == (one == other)
    assert pseudonym(one, KEY) != pseudonym(one, KEY + b"2")


def test_a_column_is_pseudonymised_month_by_month_and_keeps_its_gaps() -> None:
    march, april = date(2025, 3, 31), date(2025, 4, 1)
    cards, dates = pl.Series(["7", None, "9", "7", "7"]), pl.Series([march, march, march, april, None])
    named = monthly_pseudonyms(cards, dates, KEY).to_list()
    assert named == [
        pseudonym("7", month_key(KEY, march)),
        None,
        pseudonym("9", month_key(KEY, date(2025, 3, 1))),
        pseudonym("7", month_key(KEY, april)),
        pseudonym("7", month_key(KEY, None)),
    ]
    assert len(set(named)) == 5
    assert monthly_pseudonyms(cards.clear(), dates.clear(), KEY).is_empty()


def test_a_short_key_is_refused() -> None:
    with pytest.raises(MobilityError, match="at least 16"):
        pseudonym("7", b"short")


@given(st.lists(st.integers(0, 20)), st.integers(1, 10))
def test_cells_under_k_cards_are_not_published(cards: list[int], k: int) -> None:
    names = [str(number) for number in range(len(cards))]
    table = pl.DataFrame({"stop_id": names, "cards": cards}, schema={"stop_id": pl.String, "cards": pl.Int64})
    shown = publish(table, k=k)
    assert shown["stop_id"].to_list() == [str(n) for n, count in enumerate(cards) if count >= k]
    assert "cards" not in shown.columns


def test_a_table_without_its_count_of_cards_is_not_published() -> None:
    with pytest.raises(MobilityError, match="'cards'"):
        publish(pl.DataFrame({"stop_id": ["a"]}))
    with pytest.raises(MobilityError, match="k of at least 1"):
        publish(pl.DataFrame({"cards": [9]}), k=0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), max_size=12), st.integers(2, 6))
def test_a_known_total_does_not_give_a_small_cell_away(cells: list[tuple[str, int]], k: int) -> None:
    table = pl.DataFrame(
        [(origin, str(number), cards) for number, (origin, cards) in enumerate(cells)],
        schema={"origin": pl.String, "name": pl.String, "cards": pl.Int64},
        orient="row",
    )
    shown = publish(table, k=k, margin=("origin",))
    plain = publish(table, k=k)
    assert set(shown["name"]) <= set(plain["name"])
    for origin in "ab":
        rows = table.filter(pl.col("origin") == origin)
        left_out = rows.filter(~pl.col("name").is_in(shown["name"].implode()))["cards"]
        total = left_out.sum()
        assert total == 0 or total >= k or shown.filter(pl.col("origin") == origin).is_empty()
        assert plain.filter(pl.col("origin") == origin).height - shown.filter(pl.col("origin") == origin).height <= 1
