"""Boardings of the next day by stop and quarter-hour, from those of past weeks.

- Base: the mean of the same stop and quarter-hour on other days of the same kind (working day, Saturday, Sunday or
  holiday), near days weighing more, quarters with an event nearby left out.
- Ratio: what weekday and weather make of the base, learned by gradient boosting with a Poisson loss (scikit-learn's
  HistGradientBoostingRegressor): observed over base, weighed by the base, which is a Poisson regression with the base
  as exposure. Ratios carry over from stop to stop of one character, so a few weeks are enough to learn what rain does.
- Events: of those who come, the share that boarded at each time before and after the end of past events.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dataframely as dy
import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from mobility.errors import MobilityError
from mobility.schemas import UTC

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

QUARTERS = 96
LEAST_DAYS = 14
HALF_LIFE_DAYS = 28.0
FLOOR_PAX = 0.2
REACH_MIN = 120.0
MOST_LEARNED = 1_000_000
PARTS_OF_DAY_H = (0, 5, 9, 12, 16, 19, 22)


class QuarterBoardings(dy.Schema):
    """Passengers who boarded at a stop in a quarter-hour of local time (0 to 95), of one day; absent means none."""

    date = dy.Date(primary_key=True)
    stop_id = dy.String(primary_key=True)
    quarter = dy.Int64(primary_key=True, min=0, max=QUARTERS - 1)
    boardings_pax = dy.Float64(min=0)


class Weather(dy.Schema):
    """Weather of a local hour: measured for the past, forecast for the day to come."""

    date = dy.Date(primary_key=True)
    hour = dy.Int64(primary_key=True, min=0, max=23)
    temperature_c = dy.Float64()
    precipitation_mm = dy.Float64(min=0)


class Event(dy.Schema):
    """An event whose visitors use a stop: local minutes from midnight of its begin and end, and how many come."""

    date = dy.Date(primary_key=True)
    stop_id = dy.String(primary_key=True)
    begin_min = dy.Float64(primary_key=True, min=0)
    end_min = dy.Float64(min=0)
    attendance = dy.Float64(min=0)


class Forecast(dy.Schema):
    """Passengers expected to board at a stop in a quarter-hour (`quarter_start`, UTC). `base_pax`: the weighted mean of
    past days of that kind, before weekday, weather and events."""

    date = dy.Date(primary_key=True)
    quarter_start = dy.Datetime(time_zone=UTC, time_unit="ms", primary_key=True)
    stop_id = dy.String(primary_key=True)
    boardings_pax = dy.Float64(min=0)
    base_pax = dy.Float64(min=0)


@dataclass(frozen=True)
class Known:
    """What is known of all days, past and to come, besides boardings: Weather and Event rows, and public holidays."""

    weather: pl.DataFrame
    events: pl.DataFrame
    holidays: tuple[date, ...] = ()


NOTHING_KNOWN = Known(Weather.create_empty(), Event.create_empty())


def by_local_quarter(boardings: pl.DataFrame, zone: str) -> dy.DataFrame[QuarterBoardings]:
    """Rows of Boarding (all lines of a stop summed) as QuarterBoardings of the calendar day in `zone`."""
    local = pl.col("quarter_start").dt.convert_time_zone(zone)
    quarters = (
        boardings.group_by(
            local.dt.date().alias("date"),
            "stop_id",
            (local.dt.hour().cast(pl.Int64) * 4 + local.dt.minute().cast(pl.Int64) // 15).alias("quarter"),
        )
        .agg(pl.col("boardings_pax").sum())
        .sort("date", "stop_id", "quarter")
    )
    return QuarterBoardings.validate(quarters, cast=True)


def forecast(
    past: pl.DataFrame, day: date, zone: str, known: Known = NOTHING_KNOWN, *, seed: int = 0
) -> dy.DataFrame[Forecast]:
    """Boardings of `day`, sorted by stop and quarter. `past`: QuarterBoardings rows of the days before it.

    A day of which no boarding is known is taken as not recorded, not as empty. The same input and seed give the same
    forecast. Raises MobilityError for fewer than LEAST_DAYS days."""
    history = past.filter(pl.col("date") < day)
    days = history["date"].unique().sort().to_list()
    if len(days) < LEAST_DAYS:
        raise MobilityError(
            f"a forecast for {day} needs boardings of at least {LEAST_DAYS} days before it, and there are {len(days)}"
        )
    stops = history["stop_id"].unique().sort()
    all_days = [*days, day]
    observed = _observed(history, days, stops)
    events = _near_events(known.events, all_days, stops)
    has_event = events.attendance > 0
    base = _base(observed, has_event, all_days, known.holidays)
    features = _Features(_characters(base), _weather(known.weather, all_days), all_days)
    usual = _with_ratio(observed, base, has_event, features, seed)
    expected = usual[-1] + _visitors(observed, usual, events)
    cells = pl.DataFrame(
        {
            "date": [day] * expected.size,
            "stop_id": stops.gather(np.repeat(np.arange(len(stops)), QUARTERS)),
            "quarter_start": _quarters(day, zone) * len(stops),
            "boardings_pax": expected.ravel().round(4),
            "base_pax": base[-1].ravel().round(4),
        },
        schema_overrides={"quarter_start": pl.Datetime("ms", UTC)},
    )
    return Forecast.validate(cells.sort("stop_id", "quarter_start"), cast=True)


def same_weekday_mean(past: pl.DataFrame, day: date) -> pl.DataFrame:
    """The mean of all past days of the same weekday: stop_id, quarter, boardings_pax. What a forecast has to beat."""
    history = past.filter((pl.col("date") < day) & (pl.col("date").dt.weekday() == day.isoweekday()))
    days = history["date"].n_unique()
    return history.group_by("stop_id", "quarter").agg(pl.col("boardings_pax").sum() / days).sort("stop_id", "quarter")


@dataclass(frozen=True)
class _Events:
    """For each day, stop and quarter the largest event within REACH_MIN: minutes since it ended (negative: until it
    does) and how many come; NaN and 0 where there is none."""

    since_end_min: Floats
    attendance: Floats


@dataclass(frozen=True)
class _Features:
    """What a ratio is learned from, one row a cell (day, stop, quarter)."""

    characters: Floats
    weather: Floats
    days: list[date]

    def rows(self, cells: npt.NDArray[np.int64]) -> Floats:
        """Features of cells numbered day by day, stop by stop, quarter by quarter."""
        shape = (len(self.days), len(self.characters), QUARTERS)
        day, stop, quarter = np.unravel_index(cells, shape)
        temperature, rain = self.weather[day, quarter // 4].T
        measured = np.isfinite(self.weather[:-1, :, 0]).sum(axis=0)
        usual = (np.nansum(self.weather[:-1, :, 0], axis=0) / np.maximum(measured, 1))[quarter // 4]
        weekday = np.array([one.isoweekday() for one in self.days])[day]
        return np.column_stack([quarter, weekday, temperature, temperature - usual, rain, self.characters[stop]])


def _observed(history: pl.DataFrame, days: list[date], stops: pl.Series) -> Floats:
    """Boardings as an array of days, stops, quarters; zero where the table has no row."""
    numbered = history.join(pl.DataFrame({"date": days}).with_row_index("day"), on="date").join(
        pl.DataFrame({"stop_id": stops}).with_row_index("stop"), on="stop_id"
    )
    observed = np.zeros((len(days), len(stops), QUARTERS))
    at = tuple(numbered[name].to_numpy() for name in ("day", "stop", "quarter"))
    np.add.at(observed, at, numbered["boardings_pax"].to_numpy())
    return observed


def _base(observed: Floats, has_event: Bools, days: list[date], holidays: tuple[date, ...]) -> Floats:
    """Weighted mean of other days of the same kind for each day (the last is the one to come), stop and quarter; of all
    other days where there is none of its kind."""
    past = len(observed)
    kind = np.array([7 if one in holidays else max(5, one.isoweekday()) for one in days])
    apart = np.abs(np.arange(len(days))[:, None] - np.arange(past)[None, :])
    near = np.where(apart > 0, 0.5 ** (apart / HALF_LIFE_DAYS), 0.0)
    alike = near * (kind[:, None] == kind[None, :past])
    usable = np.where(has_event[:past], 0.0, 1.0).reshape(past, -1)
    seen = usable * observed.reshape(past, -1)
    weight, total = alike @ usable, alike @ seen
    any_weight, any_total = near @ usable, near @ seen
    fallback = np.divide(any_total, any_weight, out=np.zeros_like(any_total), where=any_weight > 0)
    base = np.where(weight > 0, np.divide(total, weight, out=np.zeros_like(total), where=weight > 0), fallback)
    return np.asarray(base.reshape(len(days), *observed.shape[1:]), dtype=np.float64)


def _characters(base: Floats) -> Floats:
    """What kind of place each stop is: the shares of its boardings in each part of the day (PARTS_OF_DAY_H)."""
    usual = base.mean(axis=0)
    edges = [hour * 4 for hour in PARTS_OF_DAY_H]
    parts = np.add.reduceat(usual, edges, axis=1)
    total = parts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(parts, total, out=np.zeros_like(parts), where=total > 0), dtype=np.float64)


def _with_ratio(observed: Floats, base: Floats, has_event: Bools, features: _Features, seed: int) -> Floats:
    """The base of every day times what weekday and weather make of it, learned from past cells without an event."""
    past = observed.size
    cells = np.flatnonzero((base.ravel()[:past] > FLOOR_PAX) & ~has_event.ravel()[:past])
    if not cells.size:
        return base
    if cells.size > MOST_LEARNED:
        cells = np.sort(np.random.default_rng(seed).choice(cells, MOST_LEARNED, replace=False))
    # few and large leaves: one cell is nearly all chance, and the base is a good answer already
    model = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=100,
        learning_rate=0.06,
        max_leaf_nodes=12,
        min_samples_leaf=200,
        l2_regularization=5.0,
        random_state=seed,
    )
    weights = base.ravel()[cells]
    # one thread: the trees are small, and threads that wait for each other on a busy machine cost more than they give
    with threadpool_limits(1, user_api="openmp"):
        model.fit(features.rows(cells), observed.ravel()[cells] / weights, sample_weight=weights)
        ratio: Floats = model.predict(features.rows(np.arange(base.size)))
    return base * ratio.reshape(base.shape)


def _visitors(observed: Floats, usual: Floats, events: _Events) -> Floats:
    """Boardings that events add on the last day: of those who come, the share that boarded (above what is usual)
    so many quarter-hours before or after the end of past events."""
    lag = np.floor(np.nan_to_num(events.since_end_min, nan=-1e6) / 15).astype(np.int64)
    past = len(observed)
    near = events.attendance[:past] > 0
    added: Floats = np.zeros_like(usual[-1])
    for one in np.unique(lag[-1][events.attendance[-1] > 0]):
        alike = near & (lag[:past] == one)
        came = events.attendance[:past][alike].sum()
        if came > 0:
            share = max(0.0, float((observed[alike] - usual[:past][alike]).sum() / came))
            added += np.where(lag[-1] == one, share * events.attendance[-1], 0.0)
    return added


def _near_events(events: pl.DataFrame, days: list[date], stops: pl.Series) -> _Events:
    shape = (len(days), len(stops), QUARTERS)
    since, attendance = np.full(shape, np.nan), np.zeros(shape)
    day_number, stop_number = {one: n for n, one in enumerate(days)}, {stop: n for n, stop in enumerate(stops)}
    middle = np.arange(QUARTERS) * 15.0 + 7.5
    # of several events at a stop the larger one is written last and stays
    for row in events.sort("attendance", "date", "stop_id", "begin_min").iter_rows(named=True):
        if row["date"] not in day_number or row["stop_id"] not in stop_number:
            continue
        at = (day_number[row["date"]], stop_number[row["stop_id"]])
        within = (middle >= row["begin_min"] - REACH_MIN) & (middle <= row["end_min"] + REACH_MIN)
        since[at] = np.where(within, middle - row["end_min"], since[at])
        attendance[at] = np.where(within, row["attendance"], attendance[at])
    return _Events(since, attendance)


def _weather(weather: pl.DataFrame, days: list[date]) -> Floats:
    """Temperature and precipitation as an array of days, hours and the two; NaN where nothing is known."""
    known = np.full((len(days), 24, 2), np.nan)
    number = {one: n for n, one in enumerate(days)}
    for row in weather.filter(pl.col("date").is_in(days)).iter_rows(named=True):
        known[number[row["date"]], row["hour"]] = row["temperature_c"], row["precipitation_mm"]
    # where the past tells nothing there is nothing to learn from
    return known if np.isfinite(known[:-1]).any() else np.zeros_like(known)


def _quarters(day: date, zone: str) -> list[datetime]:
    """The starts of the 96 quarter-hours of a local day, in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return [(midnight + timedelta(minutes=15 * number)).astimezone(UTC_ZONE) for number in range(QUARTERS)]
