"""How people walk between stops, the same wherever mobility needs it."""

from __future__ import annotations

import polars as pl

WALK_SPEED_M_S = 1.2
DETOUR = 1.3


def walk_s(straight_m: pl.Expr) -> pl.Expr:
    """Seconds to walk between two points `straight_m` apart: streets are DETOUR as long (Munizaga & Palma 2012 use the
    straight line and 1 m/s, which is much the same)."""
    return straight_m * (DETOUR / WALK_SPEED_M_S)
