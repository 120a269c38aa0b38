"""Card numbers become keyed pseudonyms.

Pseudonym: keyed BLAKE2b (RFC 7693, section 2.9: a message authentication code), 16 bytes. Without the key nobody can
try card numbers through. Each calendar month has a key of its own, derived from the operator's: who holds a month's key
learns nothing of other months, and the same card has another pseudonym in each.
"""

from __future__ import annotations

import hashlib
from datetime import date

import polars as pl

from mobility.errors import MobilityError
from mobility.repeats import read_once

DEFAULT_K = 5
MIN_KEY_BYTES = 16


def pseudonym(card_number: str, key: bytes) -> str:
    """Keyed pseudonym of one card number, 32 hexadecimal digits; the same for the same key, nothing without it."""
    return _pseudonyms_of([card_number], key)[0]


def month_key(key: bytes, service_date: date | None) -> bytes:
    """The key of the month of a service date; rows without a readable date have one of their own."""
    month = "undated" if service_date is None else f"{service_date:%Y-%m}"
    return hashlib.blake2b(month.encode(), key=_digest_key(key), digest_size=32).digest()


def pseudonyms(card_numbers: pl.Series, key: bytes) -> pl.Series:
    """Pseudonyms of a column of card numbers under one key (nulls stay null); hashes each different card once."""
    return read_once(card_numbers, lambda texts: pl.Series(_pseudonyms_of(texts.to_list(), key), dtype=pl.String))


def monthly_pseudonyms(card_numbers: pl.Series, service_dates: pl.Series, key: bytes) -> pl.Series:
    """Pseudonyms of card numbers, each under the key of its service date's month (nulls stay null); hashes each
    different card of a month once."""
    cards = pl.DataFrame({"card": card_numbers.cast(pl.String), "month": service_dates.dt.truncate("1mo")})
    told = [pl.DataFrame(schema={"row": pl.UInt32, "pseudonym": pl.String})]
    for month in cards.with_row_index("row").partition_by("month"):
        hidden = pseudonyms(month["card"], month_key(key, month["month"][0]))
        told.append(pl.DataFrame([month["row"], hidden.alias("pseudonym")]))
    return pl.concat(told).sort("row")["pseudonym"]


def _pseudonyms_of(card_numbers: list[str], key: bytes) -> list[str]:
    keyed = hashlib.blake2b(key=_digest_key(key), digest_size=16)
    found = []
    for number in card_numbers:
        # a copy of the keyed state spares hashing the key for every card
        hashed = keyed.copy()
        hashed.update(number.encode())
        found.append(hashed.hexdigest())
    return found


def _digest_key(key: bytes) -> bytes:
    if len(key) < MIN_KEY_BYTES:
        raise MobilityError(f"the key for card pseudonyms has {len(key)} bytes; give at least {MIN_KEY_BYTES}")
    return hashlib.blake2b(key, digest_size=64).digest()
