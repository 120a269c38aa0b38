"""Taps that are no ride of a passenger: staff and test cards, reversed taps and their reversals, repeated taps.

They are kept apart with their reason, never dropped: an operator may want to know them, the flows must not.

A card that is no passenger's is none in all files of a service date, whichever of them tells so. Files come one by one,
so what each tells of its cards is kept beside its taps (OddCard), and put together when the day is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from mobility.boardings import BOARDS
from mobility.quarantine import Rule, screen
from mobility.repeats import repeating
from mobility.schemas import OddCard
from mobility.sources.mapped_csv import SetApart

VOID: Final = "Void"
# names that no file's own columns have
_ROW, _PAIR = "\trow", "\tpair"


@dataclass(frozen=True)
class TapRules:
    """A reversal is of the card's last tap in the vehicle, no more than `reversal_s` before it. Taps of one card in one
    vehicle no more than `repeat_s` apart are one tap read twice. A card with more than `most_taps` boardings on a
    service date is no passenger's."""

    reversal_s: float = 900.0
    repeat_s: float = 5.0
    most_taps: int = 40


DEFAULT: Final = TapRules()


def odd_cards(apart: pl.DataFrame, set_apart: Sequence[SetApart], rules: TapRules = DEFAULT) -> pl.DataFrame:
    """Cards that are no passenger's, once a service date, sorted (columns of OddCard). `apart`: taps kept apart by
    `ridden`."""
    of_cards = [*(apart.reason for apart in set_apart if apart.whole_card), _busy_reason(rules)]
    return (
        apart.filter(pl.col("reason").is_in(of_cards) & pl.col("card_id").is_not_null())
        .select(OddCard.column_names())
        .unique(["service_date", "card_id"], keep="first", maintain_order=True)
        .sort("service_date", "card_id")
    )


def of_passengers(
    taps: pl.DataFrame, known: pl.DataFrame, rules: TapRules = DEFAULT
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Taps of a whole service date that may be passengers', and those of odd cards with their `reason`. `taps`: rows of
    FareTransaction that were `ridden` file by file; `known`: rows of OddCard."""
    busy = _busy_cards(taps, ["card_id"], rules).with_columns(pl.lit(_busy_reason(rules)).alias("reason"))
    odd = pl.concat([known.select("card_id", "reason").sort("card_id", "reason"), busy])
    odd = odd.unique("card_id", keep="first", maintain_order=True)
    if odd.is_empty():
        return taps, taps.clear().with_columns(pl.lit(None, dtype=pl.String).alias("reason"))
    told = taps.join(odd, on="card_id", how="left", maintain_order="left")
    return told.filter(pl.col("reason").is_null()).drop("reason"), told.filter(pl.col("reason").is_not_null())


def ridden(
    taps: pl.DataFrame, set_apart: Sequence[SetApart], precision_s: float, rules: TapRules = DEFAULT
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Taps that may be rides, and those kept apart with their `reason`.

    `taps`: card_id, vehicle_id, service_date, at, fare_action, transaction_id, and the columns `set_apart` names.
    Where times are coarser than `repeat_s`, a second tap is a companion's as likely as a repeated one and stays."""
    taps, apart = screen(taps, [*_set_apart_rules(set_apart), _busy_card_rule(taps, rules)])
    # a tap that is the card's only one in the vehicle has nothing to do with any other
    pair = taps.select("card_id", "vehicle_id").hash_rows()
    involved = repeating(pair) | (taps["fare_action"] == VOID)
    among = taps.with_row_index(_ROW).filter(involved).with_columns(pair.filter(involved).alias(_PAIR))
    among = among.sort(_PAIR, "card_id", "vehicle_id", "at", pl.col("fare_action") == VOID, "transaction_id")
    repeats = [_repeat_rule(rules)] if precision_s <= rules.repeat_s else []
    _, odd = screen(among.drop(_PAIR), _reversal_rules(rules), repeats)
    if odd.is_empty():
        return taps, apart
    rides = taps.with_row_index(_ROW).join(odd.select(_ROW), on=_ROW, how="anti", maintain_order="left").drop(_ROW)
    return rides, pl.concat([apart, odd.drop(_ROW)])


def _set_apart_rules(set_apart: Sequence[SetApart]) -> list[Rule]:
    """What the operator's mapping says is no passenger's: staff cards, test cards, depots' readers."""
    rules = []
    for apart in set_apart:
        word = pl.col(apart.column).cast(pl.String)
        begins = [word.str.starts_with(prefix) for prefix in apart.prefixes]
        found = pl.any_horizontal(word.is_in(apart.words), *begins).fill_null(False)
        if apart.whole_card:
            found |= found.any().over("card_id", "service_date") & pl.col("card_id").is_not_null()
        rules.append(Rule(apart.reason, found))
    return rules


def _busy_card_rule(taps: pl.DataFrame, rules: TapRules) -> Rule:
    day = ["card_id", "service_date"]
    busy = _busy_cards(taps, day, rules).with_columns(pl.lit(True).alias("busy"))
    return Rule(
        _busy_reason(rules), pl.lit(taps.select(day).join(busy, on=day, how="left", maintain_order="left")["busy"])
    )


def _busy_cards(taps: pl.DataFrame, of: list[str], rules: TapRules) -> pl.DataFrame:
    """Cards tapped more often than any passenger could, as validators are tested and staff cards are used: columns
    `of`, card_id among them."""
    boards = taps.filter(pl.col("card_id").is_not_null() & pl.col("fare_action").is_in(BOARDS)).select(of)
    # to hash cards is far cheaper than to count them by name, and such cards are few
    boards = boards.filter(repeating(boards["card_id"].hash(), rules.most_taps + 1))
    return boards.group_by(of, maintain_order=True).len().filter(pl.col("len") > rules.most_taps).select(of)


def _busy_reason(rules: TapRules) -> str:
    return f"staff or test card: more than {rules.most_taps} taps of the card on the service date"


def _reversal_rules(rules: TapRules) -> list[Rule]:
    """Reversals (Void) and the taps they take back. The taps stand in the order of cards."""
    void, boards = pl.col("fare_action") == VOID, pl.col("fare_action").is_in(BOARDS)
    soon = pl.duration(milliseconds=round(rules.reversal_s * 1000), time_unit="ms")
    takes_back = void & boards.shift(1) & _same(1) & (pl.col("at") - pl.col("at").shift(1) <= soon)
    taken_back = boards & void.shift(-1) & _same(-1) & (pl.col("at").shift(-1) - pl.col("at") <= soon)
    return [
        Rule("reversal (Void) of the tap before it", takes_back),
        Rule("reversal (Void) of no tap we have", void),
        Rule("reversed tap: the card's next row in the vehicle takes it back (Void)", taken_back),
    ]


def _repeat_rule(rules: TapRules) -> Rule:
    """One tap read twice. Reversals are gone before."""
    boards = pl.col("fare_action").is_in(BOARDS)
    soon = pl.duration(milliseconds=round(rules.repeat_s * 1000), time_unit="ms")
    again = boards & boards.shift(1) & _same(1) & (pl.col("at") - pl.col("at").shift(1) <= soon)
    return Rule(f"repeated tap: same card and vehicle within {rules.repeat_s:g} s of the tap before", again)


def _same(step: int) -> pl.Expr:
    card, vehicle = pl.col("card_id"), pl.col("vehicle_id")
    return (card == card.shift(step)) & (vehicle == vehicle.shift(step))
