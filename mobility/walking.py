"""How people walk between stops, the same wherever mobility needs it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

WALK_SPEED_M_S = 1.2
DETOUR = 1.3

Metres = TypeVar("Metres", pl.Expr, npt.NDArray[np.float64])


def walk_s(straight_m: Metres) -> Metres:
    """Seconds to walk between two points `straight_m` apart: streets are DETOUR as long (Munizaga & Palma 2012 use the
    straight line and 1 m/s, which is much the same)."""
    return straight_m * (DETOUR / WALK_SPEED_M_S)
