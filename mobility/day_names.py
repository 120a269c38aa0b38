"""The names of a service day as categories that all its tables share, so that millions of rows are sorted, joined and
grouped as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from mobility.categories import categories_of, in_categories
from mobility.positions import PlacedPositions
from mobility.sources.gtfs import Timetable

NAMES = ("vehicle_id", "trip_id_performed", "line", "pattern_id", "stop_id")


def day_names(timetable: Timetable, performed: pl.DataFrame, vehicles: pl.Series) -> dict[str, pl.Enum]:
    """The categories of each column of NAMES and of trip_id. `performed`: trips that vehicles drove (PERFORMED);
    `vehicles`: ids of those with taps."""
    planned = timetable.trips.select("line", "pattern_id", pl.col("trip_id").alias("trip_id_performed"))
    tapped = pl.DataFrame([vehicles.alias("vehicle_id")])
    found = categories_of((planned, performed, tapped, timetable.stops, timetable.pattern_stops), NAMES)
    return found | {"trip_id": found["trip_id_performed"]}


def timetable_in(names: Mapping[str, pl.Enum], timetable: Timetable) -> Timetable:
    """The timetable with its names in categories, paths apart."""
    return replace(
        timetable,
        stops=in_categories(timetable.stops, names),
        trips=in_categories(timetable.trips, names),
        calls=in_categories(timetable.calls, names),
        pattern_stops=in_categories(timetable.pattern_stops, names),
    )


def placed_in(names: Mapping[str, pl.Enum], placed: PlacedPositions) -> PlacedPositions:
    """Placed positions, with the names of trips and patterns in categories; positions keep theirs."""
    performed = replace(placed.performed, trips=in_categories(placed.performed.trips, names))
    return replace(placed, performed=performed, patterns=in_categories(placed.patterns, names))
