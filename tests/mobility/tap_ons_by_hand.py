"""Small networks with taps to the hour, made by hand for the tests of alightings by a posterior."""

from __future__ import annotations

from datetime import datetime

import polars as pl

STATIONS = {name: (-34.60 - 0.02 * number, -58.40) for number, name in enumerate("ABCDEF")}
BUS_AT = {name: (latitude + 0.002, longitude) for name, (latitude, longitude) in STATIONS.items()}
NO_SHAPES = pl.DataFrame(schema={"line": pl.String, "longitude": pl.Float64, "latitude": pl.Float64})


def tap(number: int, card: str | None, hour: int, line: str, stop: str, transfer: int | None = 0) -> dict[str, object]:
    """One boarding: of the railway `R` at a station, or of any bus beside one."""
    latitude, longitude = STATIONS[stop] if line == "R" else BUS_AT[stop]
    return {
        "transaction_id": str(number),
        "card_id": card,
        "event_timestamp": datetime(2024, 5, 6, hour),
        "line": line,
        "mode": "rail" if line == "R" else "bus",
        "vehicle_id": None,
        "transfer_number": transfer,
        "latitude": latitude,
        "longitude": longitude,
    }


def frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Taps as TapOn has them."""
    return pl.DataFrame(
        rows,
        schema={
            "transaction_id": pl.String,
            "card_id": pl.String,
            "event_timestamp": pl.Datetime("ms"),
            "line": pl.String,
            "mode": pl.String,
            "vehicle_id": pl.String,
            "transfer_number": pl.Int64,
            "latitude": pl.Float64,
            "longitude": pl.Float64,
        },
    )


def commuters() -> list[dict[str, object]]:
    """Twenty cards that ride the railway there and back, and change to a bus there."""
    rows: list[dict[str, object]] = []
    for number in range(20):
        home, work = "AB"[number % 2], "DEF"[number % 3]
        card = f"commuter {number}"
        rows += [
            tap(len(rows) + 1, card, 7, "R", home),
            tap(len(rows) + 2, card, 8, f"bus {work}", work, 1),
            tap(len(rows) + 3, card, 18, "R", work),
        ]
    return rows


def answers(legs: pl.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Latitude, longitude and confidence by transaction."""
    return {row[0]: (row[1], row[2], row[3]) for row in legs.rows()}
