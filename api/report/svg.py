"""Small pieces of SVG as text."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]


def attributes(values: dict[str, str | float]) -> str:
    """Attributes of an element; `_` in a name stands for `-`, numbers get two decimals at most."""
    return " ".join(f"{name.replace('_', '-')}={quoteattr(number(value))}" for name, value in values.items())


def number(value: str | float) -> str:
    """A number with two decimals at most, never "-0"; text as it is."""
    if isinstance(value, str):
        return value
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def element(name: str, title: str = "", **values: str | float) -> str:
    """An element without children but a tooltip."""
    tooltip = f"<title>{escape(title)}</title>" if title else ""
    return f"<{name} {attributes(values)}>{tooltip}</{name}>"


def text(content: str, title: str = "", **values: str | float) -> str:
    """A text element; `title` is its tooltip."""
    tooltip = f"<title>{escape(title)}</title>" if title else ""
    return f"<text {attributes(values)}>{tooltip}{escape(content)}</text>"


def polyline(points: Sequence[Point], title: str = "", **values: str | float) -> str:
    """A line through points."""
    path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return element("polyline", title, points=path, fill="none", stroke_linecap="round", **values)


def drawing(width: float, height: float, content: Sequence[str], label: str) -> str:
    """A whole drawing that shrinks with the page and never grows; `label` is read out to those who do not see it."""
    return (
        f'<svg viewBox="0 0 {number(width)} {number(height)}" role="img" aria-label={quoteattr(label)} '
        f'style="max-width:{number(width)}px">' + "".join(content) + "</svg>"
    )
