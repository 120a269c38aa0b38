"""Rows that are refused: the reasons, and the row kept with its file, line and reason (Quarantined)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from mobility.privacy import month_key, monthly_pseudonyms, pseudonym
from mobility.repeats import may_repeat
from mobility.schemas import Quarantined
from mobility.sources.tides import RawTable
from mobility.threads import of_each

LEFT_OUT: Final = "(left out)"
# a name that no file's own column has: a file may have a column "reason"
_REASON: Final = "\treason"


@dataclass(frozen=True)
class Rule:
    """A reason to keep a row out and the condition for it."""

    reason: str
    broken: pl.Expr


@dataclass(frozen=True)
class Repetition:
    """A reason to keep a row out that says the same in `columns` as a row before it, if it is `among` these."""

    reason: str
    columns: tuple[str, ...]
    among: pl.Expr | None = None

    def in_rows(self, rows: pl.DataFrame) -> Rule:
        """The rule for these rows."""
        if not may_repeat(rows.select(self.columns)):
            return Rule(self.reason, pl.lit(False))
        again = ~pl.struct(self.columns).is_first_distinct()
        return Rule(self.reason, again if self.among is None else again & self.among)


def screen(rows: pl.DataFrame, *stages: Sequence[Rule | Repetition]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that break no rule, and those that do with the first `reason` of the first stage they fail."""
    refused = [rows.clear().with_columns(pl.lit(None, dtype=pl.String).alias(_REASON))]
    for rules in stages:
        found = of_each(partial(_in_rows, rows), rules)
        broken = rows.select(pl.any_horizontal(pl.lit(False), *(rule.broken.fill_null(False) for rule in found)))
        if not broken.to_series().any():
            continue
        reason = pl.coalesce(pl.when(rule.broken.fill_null(False)).then(pl.lit(rule.reason)) for rule in found)
        judged = rows.with_columns(reason.alias(_REASON))
        refused.append(judged.filter(pl.col(_REASON).is_not_null()))
        rows = judged.filter(pl.col(_REASON).is_null()).drop(_REASON)
    return rows, pl.concat(refused).drop("reason", strict=False).rename({_REASON: "reason"})


def _in_rows(rows: pl.DataFrame, rule: Rule | Repetition) -> Rule:
    return rule.in_rows(rows) if isinstance(rule, Repetition) else rule


def quarantined(refused: pl.DataFrame, table: RawTable, key: bytes | None) -> pl.DataFrame:
    """The refused rows of a table and its broken lines (Quarantined), in the order of the file.

    `refused`: line, reason, raw, and service_date where there is a `key`. A card number becomes its pseudonym under the
    key of its month, and is left out without a key; of a broken line, where nobody knows which field it is, so is every
    field with a digit in it."""
    rows, broken = refused, table.broken
    if table.card_column is not None and rows.height:
        card = rows["raw"].struct.field(table.card_column).cast(pl.String).str.strip_chars()
        hidden = pl.lit(None, dtype=pl.String) if key is None else monthly_pseudonyms(card, rows["service_date"], key)
        rows = rows.with_columns(pl.col("raw").struct.with_fields(hidden.alias(table.card_column)))
    shown = rows.select("line", "reason", pl.col("raw").struct.json_encode().alias("row"))
    undated = None if key is None else month_key(key, None)
    texts = [
        json.dumps({"fields": _fields(line, table, undated)}, ensure_ascii=False) for line in broken["text"].to_list()
    ]
    broken = broken.select("line", "reason").with_columns(pl.Series("row", texts, dtype=pl.String))
    kept = pl.concat([shown, broken]).sort("line").with_columns(pl.lit(table.file).alias("file"))
    return Quarantined.validate(kept.select(Quarantined.column_names()), cast=True)


def reasons(kept: pl.DataFrame) -> dict[str, int]:
    """How many rows were refused for each reason."""
    counted = kept.group_by("reason").len().sort("reason")
    return dict(zip(counted["reason"].to_list(), counted["len"].to_list(), strict=True))


def _fields(line: str, table: RawTable, key: bytes | None) -> list[str]:
    fields = [field.strip().strip('"') for field in line.split(table.separator)]
    if table.card_column is None:
        return fields
    return [_hidden(field, key) if any(sign.isdigit() for sign in field) else field for field in fields]


def _hidden(field: str, key: bytes | None) -> str:
    return LEFT_OUT if key is None else pseudonym(field, key)
