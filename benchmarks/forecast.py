"""The forecast of boardings on eight synthetic weeks, beside the mean of the same weekday.

The weeks are written here: stops of four characters, working days and weekends, growth, rain and cold, evening events
at venues, a public holiday, a level that varies from day to day, and Poisson counts. The last week is forecast, each
day from the days before it, with the weather as a forecast would give it. `oracle` is the error of the true expected
value: nothing that does not know the counts themselves can do better.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.forecast import QUARTERS, Event, Known, QuarterBoardings, Weather, forecast, same_weekday_mean

Floats = npt.NDArray[np.float64]

FIRST_DAY = date(2025, 2, 3)
WEEKS = 8
STOPS = 40
VENUES = (3, 17, 29)
HOLIDAY = date(2025, 3, 21)
ZONE = "Asia/Almaty"


@dataclass(frozen=True)
class Weeks:
    """Boardings and their true expected values (days, stops, quarters), and what is known of the days."""

    days: list[date]
    counts: Floats
    expected: Floats
    weather: pl.DataFrame
    weather_forecast: pl.DataFrame
    events: pl.DataFrame


def case(data: Path) -> dict[str, Any]:
    """Mean absolute errors in passengers a stop and quarter-hour of the last week: against the counts, which are mostly
    chance, and against their true expected values; `wape`: the former over the mean of the counts."""
    return {"case": "forecast", **errors(write_weeks(seed=5))}


def errors(weeks: Weeks) -> dict[str, Any]:
    past, days = boardings(weeks), weeks.days[-7:]
    told: dict[str, list[Floats]] = {"forecast": [], "same_weekday": []}
    for day in days:
        weather = pl.concat(
            [weeks.weather.filter(pl.col("date") < day), weeks.weather_forecast.filter(pl.col("date") == day)]
        )
        made = forecast(past, day, ZONE, Known(weather, weeks.events, (HOLIDAY,)))
        told["forecast"].append(made["boardings_pax"].to_numpy())
        told["same_weekday"].append(_grid(same_weekday_mean(past, day)))
    counts, truth = weeks.counts[-7:].ravel(), weeks.expected[-7:].ravel()
    values = {name: np.concatenate(rows) for name, rows in told.items()} | {"oracle": truth}
    error = {name: float(np.abs(value - counts).mean()) for name, value in values.items()}
    apart = {name: float(np.abs(value - truth).mean()) for name, value in values.items() if name in told}
    gap = error["same_weekday"] - error["oracle"]
    return {
        "stops": STOPS,
        "days_forecast": len(days),
        "mean_boardings": round(float(counts.mean()), 3),
        **{f"mae_{name}": round(value, 4) for name, value in error.items()},
        **{f"wape_{name}": round(value / float(counts.mean()), 4) for name, value in error.items()},
        **{f"mae_{name}_to_truth": round(value, 4) for name, value in apart.items()},
        "error_to_same_weekday": round(error["forecast"] / error["same_weekday"], 4),
        "error_to_truth_to_same_weekday": round(apart["forecast"] / apart["same_weekday"], 4),
        "avoidable_error_removed": round((error["same_weekday"] - error["forecast"]) / gap, 4),
    }


def boardings(weeks: Weeks) -> pl.DataFrame:
    """The counts as QuarterBoardings; quarters in which nobody boarded have no row."""
    day, stop, quarter = np.nonzero(weeks.counts)
    rows = pl.DataFrame(
        {
            "date": pl.Series(weeks.days).gather(day),
            "stop_id": [f"s{number:03d}" for number in stop],
            "quarter": quarter,
            "boardings_pax": weeks.counts[day, stop, quarter],
        }
    )
    return QuarterBoardings.validate(rows, cast=True)


def write_weeks(seed: int) -> Weeks:
    rng = np.random.default_rng(seed)
    days = [FIRST_DAY + timedelta(days=number) for number in range(7 * WEEKS)]
    temperature, rain = _weather(rng, len(days))
    character = rng.integers(0, 4, STOPS)
    size = rng.lognormal(1.2, 0.7, STOPS)
    usual = np.stack([_usual_day(day) for day in days])[:, character] * size[None, :, None]
    growth = 1.006 ** (np.arange(len(days)) / 7)
    # rain keeps people from leisure and brings walkers to the bus at home; cold does the latter everywhere
    wet = np.array([0.05, 0.02, -0.06, -0.14])[character]
    hours = np.repeat(np.arange(24), 4)
    weather_effect = np.exp(
        wet[None, :, None] * np.minimum(rain, 4.0)[:, None, hours]
        + 0.012 * np.maximum(0.0, -5.0 - temperature)[:, None, hours]
    )
    expected = usual * growth[:, None, None] * weather_effect
    events, visitors = _events(rng, days)
    expected = expected + visitors
    level = rng.lognormal(0.0, 0.03, len(days))
    counts = rng.poisson(expected * level[:, None, None]).astype(float)
    table = _weather_rows(days, temperature, rain)
    seen_before = _weather_rows(
        days, temperature + rng.normal(0, 1.0, temperature.shape), rain * rng.lognormal(0, 0.4, rain.shape)
    )
    return Weeks(days, counts, expected, table, seen_before, events)


def _usual_day(day: date) -> Floats:
    """Boardings by character of the stop (home, work, mixed, leisure) and quarter, for a stop of size 1."""
    hour = (np.arange(QUARTERS) + 0.5) / 4

    def peak(at: float, width: float) -> Floats:
        return np.asarray(np.exp(-0.5 * ((hour - at) / width) ** 2))

    open_hours = 1 / (1 + np.exp(-3 * (hour - 6))) / (1 + np.exp(2 * (hour - 23)))
    is_free = day.isoweekday() >= 6 or day == HOLIDAY
    if is_free:
        shopping = 0.55 if day.isoweekday() == 6 else 0.4
        shapes = [0.5 * peak(12, 2.5), 0.15 * peak(14, 4), 0.5 * peak(14, 3.5), 1.1 * shopping * 2 * peak(17, 3.0)]
    else:
        friday = 1.25 if day.isoweekday() == 5 else 1.0
        home = 1.6 * peak(7.8, 0.8) + 0.4 * peak(13, 3)
        work = 1.5 * peak(18.0 - 0.5 * (friday > 1), 0.9) + 0.3 * peak(13, 2)
        shapes = [home, work, 0.6 * (home + work), friday * (0.4 * peak(12, 3) + 0.8 * peak(20, 1.8))]
    return np.stack([open_hours * (0.06 + shape) for shape in shapes])


def _weather(rng: np.random.Generator, days: int) -> tuple[Floats, Floats]:
    """Temperature (°C) and rain (mm/h) by day and hour: slow swings with a daily course, and showers of some hours."""
    slow = np.zeros(days)
    for number in range(1, days):
        slow[number] = 0.85 * slow[number - 1] + rng.normal(0, 2.5)
    season = np.linspace(-8, 6, days)
    course = 4 * np.cos((np.arange(24) - 15) / 24 * 2 * np.pi)
    temperature = (season + slow)[:, None] + course[None, :]
    rain = np.zeros((days, 24)).ravel()
    for start in np.flatnonzero(rng.random(days * 24) < 0.025):
        rain[start : start + rng.integers(2, 9)] += rng.gamma(1.5, 1.0)
    return temperature, rain.reshape(days, 24)


def _events(rng: np.random.Generator, days: list[date]) -> tuple[pl.DataFrame, Floats]:
    """Events at the venues, and the visitors who board there on their way home."""
    rows, visitors = [], np.zeros((len(days), STOPS, QUARTERS))
    middle = np.arange(QUARTERS) * 15 + 7.5
    for number, day in enumerate(days):
        for venue in VENUES:
            if rng.random() >= (0.45 if day.isoweekday() >= 5 else 0.2):
                continue
            begin = float(rng.choice([1080, 1110, 1140]))
            end, attendance = begin + float(rng.choice([105, 120, 150])), float(rng.integers(5, 40) * 100)
            rows.append((day, f"s{venue:03d}", begin, end, attendance))
            since = middle - end
            leaving = np.where(since > 0, np.exp(-since / 25), 0.0)
            visitors[number, venue] += 0.04 * attendance * leaving / leaving.sum()
    schema = ["date", "stop_id", "begin_min", "end_min", "attendance"]
    return Event.validate(pl.DataFrame(rows, schema=schema, orient="row"), cast=True), visitors


def _weather_rows(days: list[date], temperature: Floats, rain: Floats) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "date": [day for day in days for _ in range(24)],
            "hour": list(range(24)) * len(days),
            "temperature_c": temperature.ravel().round(1),
            "precipitation_mm": rain.ravel().round(1),
        }
    )
    return Weather.validate(frame, cast=True)


def _grid(rows: pl.DataFrame) -> Floats:
    grid = np.zeros((STOPS, QUARTERS))
    stop = rows["stop_id"].str.slice(1).cast(pl.Int64).to_numpy()
    grid[stop, rows["quarter"].to_numpy()] = rows["boardings_pax"].to_numpy()
    return grid.ravel()
