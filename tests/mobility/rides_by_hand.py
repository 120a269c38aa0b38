"""One street, a bus there and a bus back, and the frames the rooms of mobility hand each other, made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

START = datetime(2025, 3, 3, 3, 0, tzinfo=UTC)
DAY = date(2025, 3, 3)
SPACING_M = 400.0
STOPS = 6
TIME = pl.Datetime("ms", "UTC")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def stops() -> pl.DataFrame:
    """east1 to east6 along the street, west1 to west6 back on its other side (west1 faces east6)."""
    rows = [(f"east{n + 1}", "", n * SPACING_M, 0.0) for n in range(STOPS)]
    rows += [(f"west{n + 1}", "", (STOPS - 1 - n) * SPACING_M, 15.0) for n in range(STOPS)]
    return pl.DataFrame(rows, schema=["stop_id", "stop_name", "x_m", "y_m"], orient="row")


def pattern_stops() -> pl.DataFrame:
    rows = [(way, n + 1, f"{way}{n + 1}", n * SPACING_M) for way in ("east", "west") for n in range(STOPS)]
    return pl.DataFrame(rows, schema=["pattern_id", "trip_stop_sequence", "stop_id", "path_m"], orient="row")


def trip(vehicle: str, way: str, start_min: float, line: str = "1", name: str = "") -> pl.DataFrame:
    """A trip of one vehicle: two minutes from stop to stop, 20 s at each."""
    rows = []
    for n in range(STOPS):
        arrival = at(start_min + 2 * n)
        rows.append(
            {
                "service_date": DAY,
                "vehicle_id": vehicle,
                "trip_id_performed": name or f"{vehicle}-{way}-{start_min:g}",
                "trip_stop_sequence": n + 1,
                "line": line,
                "direction_id": int(way == "west"),
                "pattern_id": way,
                "stop_id": f"{way}{n + 1}",
                "is_last_stop": n == STOPS - 1,
                "arrival": arrival,
                "departure": arrival + timedelta(seconds=20),
                "dwell_s": 20.0,
                "delay_s": 0.0,
                "method": "gps",
                "confidence": 1.0,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"arrival": TIME, "departure": TIME})


def taps(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    """Taps from (transaction, card or "", vehicle, minute)."""
    return pl.DataFrame(
        [
            {
                "transaction_id": transaction,
                "event_timestamp": at(minute),
                "vehicle_id": vehicle,
                "fare_action": "Enter vehicle",
                "card_id": card or None,
                "group_size": 1,
            }
            for transaction, card, vehicle, minute in rows
        ],
        schema={
            "transaction_id": pl.String,
            "event_timestamp": TIME,
            "vehicle_id": pl.String,
            "fare_action": pl.String,
            "card_id": pl.String,
            "group_size": pl.Int64,
        },
    )
