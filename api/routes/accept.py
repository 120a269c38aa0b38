"""Choice of a media type by the Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def chosen_type(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered type that `accept` weighs highest, of equals the first; None where it takes none of them."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    weighed = [(_weight(kind, ranges), -place, kind) for place, kind in enumerate(offered)]
    best = max(weighed)
    return best[2] if best[0] > 0 else None


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                weight = min(max(float(value), 0.0), 1.0)
            except ValueError:
                weight = 0.0
    return name, weight


def _weight(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most exact range that holds `kind`."""
    for name in (kind, kind.split("/")[0] + "/*", "*/*"):
        weights = [weight for found, weight in ranges if found == name]
        if weights:
            return max(weights)
    return 0.0
