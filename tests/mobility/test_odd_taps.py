"""Taps that are no ride are kept apart, each with its reason, and the rides beside them stay."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from mobility.odd_taps import TapRules, odd_cards, of_passengers, ridden
from mobility.sources.mapped_csv import SetApart

DAY = date(2025, 3, 3)
NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)


def taps(*rows: tuple[str | None, str, float, str]) -> pl.DataFrame:
    """Taps from (card, vehicle, second, fare_action)."""
    return pl.DataFrame(
        [
            {
                "transaction_id": f"t{number}",
                "card_id": card,
                "vehicle_id": vehicle,
                "service_date": DAY,
                "at": NOON + timedelta(seconds=second),
                "fare_action": action,
                "rider_category": "Staff" if card == "staff" else None,
            }
            for number, (card, vehicle, second, action) in enumerate(rows)
        ],
        schema_overrides={"card_id": pl.String, "at": pl.Datetime("ms", "UTC"), "rider_category": pl.String},
    )


def reasons_of(rows: pl.DataFrame, set_apart: tuple[SetApart, ...] = (), precision_s: float = 1.0) -> dict[str, str]:
    rides, odd = ridden(rows, set_apart, precision_s)
    assert rides.height + odd.height == rows.height
    return {name: reason.split(":")[0] for name, reason in odd.select("transaction_id", "reason").rows()}


def test_a_reversal_takes_back_the_tap_before_it_and_no_other() -> None:
    rows = taps(
        ("a", "bus", 0, "Enter vehicle"),
        ("a", "bus", 60, "Enter vehicle"),
        ("a", "bus", 90, "Void"),
        ("b", "bus", 80, "Enter vehicle"),
        ("a", "other", 70, "Enter vehicle"),
    )
    assert reasons_of(rows) == {"t1": "reversed tap", "t2": "reversal (Void) of the tap before it"}


def test_a_reversal_of_nothing_is_kept_as_such() -> None:
    rows = taps(("a", "bus", 0, "Enter vehicle"), ("a", "bus", 4000, "Void"), (None, "bus", 5, "Void"))
    assert set(reasons_of(rows).items()) == {("t1", NO_TAP), ("t2", NO_TAP)}


NO_TAP = "reversal (Void) of no tap we have"


def test_a_tap_after_a_reversal_is_no_repetition_of_it() -> None:
    rows = taps(("a", "bus", 0, "Enter vehicle"), ("a", "bus", 1, "Void"), ("a", "bus", 3, "Enter vehicle"))
    assert set(reasons_of(rows)) == {"t0", "t1"}


def test_repeated_taps_leave_one_and_companions_later_stay() -> None:
    rows = taps(
        ("a", "bus", 0, "Enter vehicle"),
        ("a", "bus", 2, "Enter vehicle"),
        ("a", "bus", 4, "Enter vehicle"),
        ("a", "bus", 30, "Enter vehicle"),
        (None, "bus", 0, "Enter vehicle"),
        (None, "bus", 1, "Enter vehicle"),
    )
    assert set(reasons_of(rows)) == {"t1", "t2"}
    assert reasons_of(rows, precision_s=3600.0) == {}


def test_a_card_is_set_apart_with_all_its_taps_where_the_mapping_says_so() -> None:
    rows = taps(("staff", "bus", 0, "Enter vehicle"), ("staff", "bus", 900, "Enter vehicle"), (None, "bus", 5, "Void"))
    rows = rows.with_columns(pl.when(pl.int_range(pl.len()) != 1).then("rider_category").alias("rider_category"))
    by_row = SetApart(reason="staff card", column="rider_category", words=("Staff",))
    by_card = by_row.model_copy(update={"whole_card": True})
    assert reasons_of(rows, (by_row,)) == {"t0": "staff card", "t2": NO_TAP}
    assert reasons_of(rows, (by_card,)) == {"t0": "staff card", "t1": "staff card", "t2": NO_TAP}
    _, apart = ridden(rows, (by_card,), 1.0)
    assert odd_cards(apart, (by_card,)).rows() == [(DAY, "staff", "staff card")]
    assert odd_cards(apart, (by_row,)).is_empty()


def test_cards_are_put_together_over_files() -> None:
    rows = [("many", "bus", 60.0 * number, "Enter vehicle") for number in range(TapRules().most_taps + 1)]
    day = taps(("a", "bus", 0, "Enter vehicle"), ("told", "bus", 0, "Enter vehicle"), *rows)
    known = pl.DataFrame({"service_date": [DAY] * 2, "card_id": ["told"] * 2, "reason": ["test card", "staff card"]})
    rides, apart = of_passengers(day, known)
    assert rides["card_id"].to_list() == ["a"]
    assert rides.columns == day.columns
    assert {card: reason.split(":")[0] for card, reason in apart.select("card_id", "reason").rows()} == {
        "told": "staff card",
        "many": "staff or test card",
    }


def test_cards_the_mapping_names_and_cards_no_passenger_could_tap_so_often_are_set_apart() -> None:
    staff = SetApart(reason="staff card", column="rider_category", words=("Staff",))
    test = SetApart(reason="test card", column="card_id", prefixes=("99",))
    often = [("often", "bus", 60.0 * number, "Enter vehicle") for number in range(TapRules().most_taps + 1)]
    busy = [("busy", "bus", 60.0 * number, "Enter vehicle") for number in range(TapRules().most_taps)]
    rows = taps(("staff", "bus", 0, "Enter vehicle"), ("9901", "bus", 0, "Enter vehicle"), *often, *busy)
    found = reasons_of(rows, (staff, test))
    assert (found.pop("t0"), found.pop("t1")) == ("staff card", "test card")
    assert set(found.values()) == {"staff or test card"} and len(found) == len(often)
