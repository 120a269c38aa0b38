"""The lake holds what fits its schemas, is read back as it was written, and is replaced entry by entry."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dataframely as dy
import duckdb
import polars as pl
import pytest

from mobility import lake, schemas, service_schemas
from mobility.errors import LakeError
from mobility.schemas import OdFlow

DAY = date(2025, 3, 3)
ROWS = pl.DataFrame(
    {
        "service_date": [DAY],
        "hour": [7],
        "origin_stop_id": ["a"],
        "destination_stop_id": ["b"],
        "pax": [2.5],
        "cards": [3],
        "cards_once": [3],
        "method": ["chained"],
        "confidence": [0.9],
    }
)


def test_a_table_is_read_as_it_was_written_by_date_or_whole(tmp_path: Path) -> None:
    other = date(2025, 3, 4)
    lake.write(tmp_path, "od_flows", OdFlow, ROWS, DAY)
    lake.write(tmp_path, "od_flows", OdFlow, ROWS.with_columns(pl.lit(other).alias("service_date")), other)
    assert lake.read(tmp_path, "od_flows", OdFlow, DAY).equals(ROWS)
    assert lake.read(tmp_path, "od_flows", OdFlow).height == 2
    assert lake.read(tmp_path, "nothing_here", OdFlow).is_empty()


TABLES = [
    schema
    for module in (schemas, service_schemas)
    for schema in vars(module).values()
    if isinstance(schema, type) and issubclass(schema, dy.Schema) and "service_date" in schema.column_names()
]


@pytest.mark.parametrize("schema", [schema for schema in TABLES if schema.primary_key()])
def test_days_can_be_put_together(schema: type[dy.Schema]) -> None:
    assert "service_date" in schema.primary_key()


def test_a_bus_that_drives_the_same_trip_every_day_is_read_for_all_days(tmp_path: Path) -> None:
    at = datetime(2025, 3, 3, 2, 0, tzinfo=UTC)
    for number in range(3):
        day = DAY + timedelta(days=number)
        visit = {"service_date": day, "vehicle_id": "bus", "trip_id_performed": "0700", "trip_stop_sequence": 1}
        visit |= {"line": "10", "direction_id": 0, "pattern_id": "p", "stop_id": "a", "is_last_stop": False}
        visit |= {"arrival": at, "departure": at, "dwell_s": 0.0, "delay_s": None, "method": "gps", "confidence": 1.0}
        lake.write(tmp_path, "stop_visits", schemas.StopVisit, pl.DataFrame([visit]), day)
    assert lake.read(tmp_path, "stop_visits", schemas.StopVisit).height == 3


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    path = lake.write(tmp_path, "od_flows", OdFlow, ROWS, DAY)
    before = path.read_bytes()
    lake.write(tmp_path, "od_flows", OdFlow, ROWS, DAY)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_rows_that_break_the_schema_do_not_enter(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="table od_flows, 2025-03-03"):
        lake.write(tmp_path, "od_flows", OdFlow, ROWS.with_columns(pax=pl.lit(-1.0)), DAY)
    assert lake.read(tmp_path, "od_flows", OdFlow).is_empty()


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    lake.write_parquet(pl.DataFrame({"x": [1]}), lake.partition(tmp_path, "od_flows", DAY) / "data.parquet")
    with pytest.raises(LakeError, match="not a table of OdFlow"):
        lake.read(tmp_path, "od_flows", OdFlow)


def test_entries_are_replaced_and_others_stay_also_after_a_crash_left_its_traces(tmp_path: Path) -> None:
    built, target = tmp_path / "built", tmp_path / "flows"
    for folder, text in ((built, "new"), (target, "old")):
        (folder / "table").mkdir(parents=True)
        (folder / "table" / "part").write_text(text)
        (folder / "summary.json").write_text(text)
    (target / "plan.json").write_text("mine")
    (target / ".table.old").mkdir()
    (target / ".table.old" / "part").write_text("older")
    lake.replace_entries(built, target)
    assert (target / "table" / "part").read_text() == "new"
    assert (target / "summary.json").read_text() == "new"
    assert (target / "plan.json").read_text() == "mine"
    assert sorted(path.name for path in target.iterdir()) == ["plan.json", "summary.json", "table"]
    assert not built.exists()


def test_columns_may_be_categories_and_are_text_to_whoever_reads_them(tmp_path: Path) -> None:
    stops = pl.Enum(["a", "b", "no stop of any row"])
    as_categories = ROWS.cast({"origin_stop_id": stops, "destination_stop_id": stops, "method": pl.Categorical})
    path = lake.write(tmp_path, "od_flows", OdFlow, as_categories, DAY)
    assert pl.read_parquet(path, hive_partitioning=False).equals(ROWS)
    assert pl.read_parquet(path, hive_partitioning=False).schema == ROWS.schema
    told = duckdb.sql(f"select origin_stop_id, destination_stop_id, method from '{path}'")
    assert told.dtypes == ["VARCHAR"] * 3
    assert told.fetchall() == ROWS.select("origin_stop_id", "destination_stop_id", "method").rows()


@pytest.mark.parametrize(
    "broken",
    [
        pl.concat([ROWS, ROWS]),
        pl.concat([ROWS, ROWS.with_columns(pax=pl.lit(9.0))]),
        ROWS.with_columns(origin_stop_id=pl.lit(None, dtype=pl.String)),
        ROWS.with_columns(confidence=pl.lit(1.5)),
        ROWS.with_columns(hour=pl.lit("seven")),
        ROWS.drop("cards"),
    ],
    ids=["a row twice", "a key twice", "no part of a key", "out of range", "no number", "no such column"],
)
@pytest.mark.parametrize("stop", [pl.String, pl.Categorical])
def test_what_breaks_the_schema_is_refused_as_text_or_categories(
    broken: pl.DataFrame, stop: pl.DataType, tmp_path: Path
) -> None:
    with pytest.raises(LakeError, match="rows do not fit its schema"):
        lake.write(tmp_path, "od_flows", OdFlow, broken.cast({"origin_stop_id": stop}), DAY)
    assert not lake.parts(tmp_path, "od_flows")


def test_rules_on_text_hold_for_categories(tmp_path: Path) -> None:
    day = pl.DataFrame({"service_date": [DAY], "card_id": ["c"], "reason": [""]})
    for rows in (day, day.cast({"reason": pl.Categorical})):
        with pytest.raises(LakeError, match="min_length"):
            lake.write(tmp_path, "odd_cards", schemas.OddCard, rows, DAY)


@pytest.mark.parametrize("schema", TABLES)
def test_every_rule_of_a_table_is_of_its_key_or_of_one_column(schema: type[dy.Schema]) -> None:
    assert all(rule == "primary_key" or "|" in rule for rule in schema._validation_rules(with_cast=True))
