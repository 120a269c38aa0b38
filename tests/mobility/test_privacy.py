"""No card number without the key."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.errors import MobilityError
from mobility.privacy import month_key, monthly_pseudonyms, pseudonym

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
