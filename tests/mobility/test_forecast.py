"""The forecast of boardings where what the day brings is known exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mobility.errors import FeedError, MobilityError
from mobility.forecast import (
    NOTHING_KNOWN,
    Event,
    Forecast,
    Known,
    QuarterBoardings,
    Weather,
    by_local_quarter,
    forecast,
    same_weekday_mean,
)
from mobility.sources.day_knowledge import read_known

ZONE = "Asia/Almaty"
FIRST = date(2025, 2, 3)
NEXT = FIRST + timedelta(days=28)


def weeks(days: int = 28, rain_factor: float = 1.0, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Six stops with the same day (busy from 8 to 20, half of it at weekends); on every third day it rains."""
    rng = np.random.default_rng(seed)
    rows, weather = [], []
    for number in range(days + 1):
        day = FIRST + timedelta(days=number)
        wet = number % 3 == 1
        weather += [(day, hour, 5.0, 2.0 if wet else 0.0) for hour in range(24)]
        level = (10.0 if day.isoweekday() < 6 else 5.0) * (rain_factor if wet else 1.0)
        for stop in range(6):
            counts = rng.poisson(level, 48)
            rows += [(day, f"s{stop}", 32 + n, float(count)) for n, count in enumerate(counts)]
    boardings = pl.DataFrame(rows, schema=["date", "stop_id", "quarter", "boardings_pax"], orient="row")
    hours = pl.DataFrame(weather, schema=Weather.column_names(), orient="row")
    return QuarterBoardings.validate(boardings, cast=True), Weather.validate(hours, cast=True)


def busy_mean(made: pl.DataFrame) -> float:
    local_hour = pl.col("quarter_start").dt.convert_time_zone(ZONE).dt.hour()
    mean = made.filter(local_hour.is_between(8, 19))["boardings_pax"].mean()
    assert isinstance(mean, float)
    return mean


def test_a_plain_week_goes_on_and_nothing_is_expected_at_night() -> None:
    past, _ = weeks()
    made = forecast(past, NEXT, ZONE)
    assert made.height == 6 * 96
    assert busy_mean(made) == pytest.approx(10.0, rel=0.05)
    assert made["boardings_pax"].sum() == pytest.approx(6 * 48 * 10.0, rel=0.05)
    assert made["quarter_start"][0] == datetime(2025, 3, 2, 19, 0, tzinfo=UTC)
    assert made.equals(forecast(past, NEXT, ZONE))
    Forecast.validate(made)


def test_what_is_known_of_the_day_itself_is_not_used() -> None:
    past, _ = weeks()
    told = past.with_columns(
        pl.when(pl.col("date") == NEXT).then(99.0).otherwise("boardings_pax").alias("boardings_pax")
    )
    assert forecast(told, NEXT, ZONE).equals(forecast(past, NEXT, ZONE))


def test_rain_and_holidays_do_what_they_did() -> None:
    past, weather = weeks(rain_factor=0.6)
    assert (NEXT - FIRST).days % 3 == 1
    wet = forecast(past, NEXT, ZONE, Known(weather, Event.create_empty()))
    assert busy_mean(wet) == pytest.approx(6.0, rel=0.1)
    dry = forecast(past, NEXT, ZONE, Known(weather.with_columns(precipitation_mm=0.0), Event.create_empty()))
    assert busy_mean(dry) > busy_mean(wet)
    holiday = forecast(past, NEXT, ZONE, Known(weather, Event.create_empty(), (NEXT,)))
    assert busy_mean(holiday) < 0.7 * busy_mean(wet)


def test_an_event_brings_the_share_of_its_visitors_that_past_ones_brought() -> None:
    past, _ = weeks()
    days = [FIRST + timedelta(days=number) for number in (4, 11, 18, 28)]
    events = pl.DataFrame(
        [(day, "s2", 1140.0, 1260.0, 1000.0 * (number + 1)) for number, day in enumerate(days)],
        schema=Event.column_names(),
        orient="row",
    )
    leaving = pl.DataFrame(
        [(day, "s2", 84, 50.0 * (number + 1)) for number, day in enumerate(days[:3])],
        schema=QuarterBoardings.column_names(),
        orient="row",
    )
    known = Known(Weather.create_empty(), Event.validate(events, cast=True))
    made = forecast(pl.concat([past, leaving.cast(past.schema)]), NEXT, ZONE, known)
    after = made.filter((pl.col("stop_id") == "s2") & (pl.col("quarter_start") == datetime(2025, 3, 3, 16, tzinfo=UTC)))
    assert after["boardings_pax"].item() == pytest.approx(200.0, rel=0.05)
    elsewhere = made.filter(pl.col("stop_id") != "s2")["boardings_pax"].max()
    assert isinstance(elsewhere, float) and elsewhere < 15


def test_too_few_days_are_told() -> None:
    past, _ = weeks(days=10)
    with pytest.raises(MobilityError, match="at least 14 days before it, and there are 10"):
        forecast(past, FIRST + timedelta(days=10), ZONE, NOTHING_KNOWN)


def test_the_same_weekday_counts_days_without_a_boarding() -> None:
    rows = [(FIRST, "s", 40, 4.0), (FIRST + timedelta(days=7), "t", 40, 1.0)]
    past = pl.DataFrame(rows, schema=QuarterBoardings.column_names(), orient="row")
    mean = same_weekday_mean(past, FIRST + timedelta(days=14))
    assert dict(mean.select("stop_id", "boardings_pax").iter_rows()) == {"s": 2.0, "t": 0.5}


def test_quarters_are_those_of_the_local_day() -> None:
    boardings = pl.DataFrame(
        {
            "quarter_start": [datetime(2025, 3, 2, 19, 15, tzinfo=UTC), datetime(2025, 3, 2, 18, 45, tzinfo=UTC)],
            "stop_id": ["s", "s"],
            "boardings_pax": [2.0, 1.0],
        }
    )
    found = by_local_quarter(pl.concat([boardings, boardings]), ZONE)
    assert found.rows() == [(date(2025, 3, 2), "s", 95, 2.0), (date(2025, 3, 3), "s", 1, 4.0)]


def test_weather_and_events_come_from_csv_and_errors_name_the_line(tmp_path: Path) -> None:
    weather, events = tmp_path / "weather.csv", tmp_path / "events.csv"
    weather.write_text("date,hour,temperature_c,precipitation_mm\n2025-03-03,7,-2.5,0\n")
    events.write_text("date,stop_id,begin_min,end_min,attendance\n2025-03-03,s2,1140,1260,5000\n")
    known = read_known(weather, events, [NEXT])
    assert known.weather.row(0) == (date(2025, 3, 3), 7, -2.5, 0.0)
    assert (known.events.height, known.holidays) == (1, (NEXT,))
    weather.write_text("date,hour,temperature_c,precipitation_mm\n\n2025-03-03,7,-2.5,0\n2025-03-03,25,1,0\n")
    with pytest.raises(FeedError, match=r"weather\.csv, line 4"):
        read_known(weather, None, ())
    events.write_text("date,stop_id\n")
    with pytest.raises(FeedError, match=r"events\.csv lacks the column 'begin_min'"):
        read_known(None, events, ())
