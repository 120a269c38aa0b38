"""What the days of a lake tell of their cards (table card_rides), for the later days of the month.

A day's is inferred from that day alone, whatever came before it: else each day would have to wait for the one before.
It is kept under a digest of all it was made from, and made again where that has changed. It reaches no further than the
month, as the cards have other pseudonyms in the next. A day whose feeds cannot be brought together tells nothing, and
why is kept beside the empty table: the days after it go on without.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl

from mobility import lake as lakes
from mobility.day_order import DayOrder, days_before, describe
from mobility.errors import MobilityError
from mobility.habits import HABIT, habits
from mobility.intake import read_description
from mobility.ledger import ODD_CARDS, TABLES
from mobility.pipeline import card_rides
from mobility.schemas import CardRide, FareTransaction

CARD_RIDES: Final = "card_rides"
FAILED: Final = ".failed"
WORKING: Final = ".days"
NO_KEY: Final = b""  # the lake has pseudonyms already: no card number is left to hide

Stamp = tuple[tuple[str, int, int], ...]


def rides_of_day(order: DayOrder) -> Path:
    """The Parquet file with what one day tells of its cards (rows of CardRide); made where it is not there yet, or was
    made from other files. Where the day's feeds cannot be brought together it has no rows, and the file beside it that
    ends in FAILED says why."""
    part = _digest(order)
    folder = lakes.partition(order.out, CARD_RIDES, order.service_date)
    file = folder / f"{part}.parquet"
    if file.exists():
        return file
    try:
        rides = _inferred(order)
    except MobilityError as error:
        rides = pl.DataFrame(schema=HABIT)
        folder.mkdir(parents=True, exist_ok=True)
        file.with_suffix(FAILED).write_text(str(error), encoding="utf-8")
    rides = rides.with_columns(pl.lit(order.service_date).alias("service_date"))
    lakes.write(order.out, CARD_RIDES, CardRide, rides, order.service_date, part=part)
    for older in (*folder.glob("*.parquet"), *folder.glob(f"*{FAILED}")):
        if older.stem != part:
            older.unlink(missing_ok=True)
    return file


def habits_before(order: DayOrder) -> tuple[pl.DataFrame, list[str]]:
    """What the cards of a day did on the days of its month before it (habits()), and a sentence for each of these days
    that tells nothing because its feeds cannot be brought together."""
    before = days_before(order)
    if not before:
        return habits([]), []
    cards = lakes.scan(order.lake, "fare_transactions", FareTransaction, order.service_date).select("card_id")
    own = cards.drop_nulls().unique().collect()
    told, silent = [], []
    for earlier in before:
        rides, failure = _told(earlier, own)
        told.append(rides)
        if failure:
            silent.append(f"{earlier.service_date} tells nothing of what cards usually do: {failure}")
    return habits(told), silent


def _told(order: DayOrder, cards: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    while True:
        file = rides_of_day(order)
        failed = file.with_suffix(FAILED)
        try:
            rides = pl.scan_parquet(file).select(list(HABIT)).join(cards.lazy(), on="card_id", how="semi").collect()
        except FileNotFoundError:
            # another worker found more files of that day in the lake, and has put its own in place of this one
            continue
        return rides, failed.read_text(encoding="utf-8") if failed.exists() else ""


def _inferred(order: DayOrder) -> pl.DataFrame:
    (order.out / WORKING).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=order.out / WORKING) as working:
        feeds = Path(working) / "feeds"
        describe(order, feeds)
        return card_rides(feeds, key=NO_KEY)


def _digest(order: DayOrder) -> str:
    """Of all that a day's card_rides are made from: the parts the lake has of it, the timetable, the hours."""
    made_from: list[Any] = [asdict(read_description(order.lake)), order.begin_s, order.end_s]
    for name in (*sorted(TABLES), ODD_CARDS):
        made_from += [[path.name, path.stat().st_size] for path in lakes.parts(order.lake, name, order.service_date)]
    files = [order.timetable] if order.timetable.is_file() else sorted(order.timetable.glob("*.txt"))
    stamp = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    made_from.append(_timetable_digest(stamp))
    return hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=8)
def _timetable_digest(stamp: Stamp) -> str:
    """Of the files' contents; they are read again where size or time of change say that they are others."""
    digest = hashlib.blake2b(digest_size=16)
    for path, *_ in stamp:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()
