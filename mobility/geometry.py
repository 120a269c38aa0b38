"""Degrees to metres for one city: an equirectangular projection about its middle (error under 0.1 % over 50 km)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

EARTH_RADIUS_M = 6_371_008.8


@dataclass(frozen=True)
class Projection:
    """Metres east and north of (`lon0`, `lat0`)."""

    lon0: float
    lat0: float

    @classmethod
    def around(cls, longitudes: pl.Series, latitudes: pl.Series) -> Projection:
        """Projection about the middle of the given points; about (0, 0) where there are none."""
        return cls(_middle(longitudes), _middle(latitudes))

    def metres_per_degree(self) -> tuple[float, float]:
        """Metres in a degree of longitude and in one of latitude."""
        north_m = math.radians(1.0) * EARTH_RADIUS_M
        return north_m * math.cos(math.radians(self.lat0)), north_m

    def project(self, frame: pl.DataFrame, longitude: str, latitude: str) -> pl.DataFrame:
        """`frame` with the columns x_m and y_m computed from two columns of degrees."""
        east_m, north_m = self.metres_per_degree()
        return frame.with_columns(
            ((pl.col(longitude) - self.lon0) * east_m).alias("x_m"),
            ((pl.col(latitude) - self.lat0) * north_m).alias("y_m"),
        )


def _middle(degrees: pl.Series) -> float:
    if degrees.is_empty():
        return 0.0
    ends = degrees.cast(pl.Float64)
    low, high = ends.min(), ends.max()
    assert isinstance(low, float) and isinstance(high, float)
    return (low + high) / 2
