"""Colours of the report: better, worse and unsure; levels of service."""

from __future__ import annotations

from typing import Final

BETTER: Final = "#1b7f4b"
WORSE: Final = "#b3341f"
UNSURE: Final = "#6b7580"
BEFORE: Final = "#b4bdc7"
INK: Final = "#1d2329"
QUIET: Final = "#66707a"
GRADES: Final = (
    (10.0, "#1b7f4b"),
    (20.0, "#77ad3b"),
    (35.0, "#d3b71b"),
    (55.0, "#e8892b"),
    (80.0, "#d1431f"),
    (float("inf"), "#7d1010"),
)


def level_of_service(delay_s: float) -> str:
    """Level of service A to F by mean control delay (HCM 2010, exhibit 18-4)."""
    return next(letter for letter, (limit_s, _) in zip("ABCDEF", GRADES, strict=True) if delay_s <= limit_s)


def colour_of(delay_s: float) -> str:
    """Colour of a mean delay."""
    return next(colour for limit_s, colour in GRADES if delay_s <= limit_s)


def colour_of_change(mean: float, low: float | None, high: float | None) -> str:
    """Colour of a change whose interval may hold zero; less is better."""
    if low is None or high is None or low <= 0.0 <= high:
        return UNSURE
    return BETTER if mean < 0 else WORSE
