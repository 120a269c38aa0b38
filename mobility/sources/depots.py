"""Which depot a vehicle belongs to: `facility_name` of the TIDES table `vehicles`."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mobility.errors import FeedError
from mobility.sources.tides import read_strings

COLUMNS = ("vehicle_id", "facility_name")


def read_depots(path: Path) -> pl.DataFrame:
    """vehicle_id and depot of the vehicles whose depot is known. Raises FeedError on a missing column."""
    vehicles = read_strings(path)
    for column in COLUMNS:
        if column not in vehicles.columns:
            raise FeedError(f"{path} lacks the column '{column}' of TIDES vehicles")
    return vehicles.select("vehicle_id", pl.col("facility_name").alias("depot")).drop_nulls()
