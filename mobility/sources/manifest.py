"""feeds.json: what a folder of feeds is of: agency, service date, zone, period, bounds."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from mobility.errors import FeedError
from mobility.lake import DESCRIPTION
from mobility.sources.zones import is_iana_zone, midnight, read_date


@dataclass(frozen=True)
class Manifest:
    """What the feeds of one folder share. `begin_s` and `end_s` count from local midnight of the service date;
    `bounds` are min longitude, min latitude, max longitude, max latitude. Where there is a `lake`, taps and positions
    are its rows of the service date."""

    agency_id: str
    service_date: date
    zone: str
    begin_s: float
    end_s: float
    cash_share: float
    bounds: tuple[float, float, float, float] | None
    lake: Path | None = None

    def midnight(self) -> datetime:
        """Start of the service date's clock in UTC: noon minus 12 h in local time, as in GTFS."""
        return midnight(self.service_date, self.zone)


def read_manifest(folder: Path) -> Manifest:
    """Read `feeds.json` of a feeds folder. Raises FeedError naming what is missing or wrong."""
    path = folder / "feeds.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FeedError(f"{path} is missing: a feeds folder needs it for zone and service date") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FeedError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise FeedError(f"{path} must hold one JSON object")
    return _manifest(content, path)


def file_of(feeds: Path, name: str) -> Path | None:
    """A file or folder of a feeds folder; of a link what it is a link to, so that messages name what the user gave.
    Nothing where it is not there."""
    path = feeds / name
    if not path.exists():
        return None
    return feeds / path.readlink() if path.is_symlink() else path


def _manifest(content: dict[str, object], path: Path) -> Manifest:
    missing = [name for name in ("agency_id", "service_date", "zone", "begin_s", "end_s") if name not in content]
    if missing:
        raise FeedError(f"{path} lacks {', '.join(missing)}")
    try:
        service_date = read_date(str(content["service_date"]))
    except ValueError as error:
        raise FeedError(f"{path}: service_date {content['service_date']!r}: {error}; write it as 2025-03-03") from error
    begin_s, end_s = (_number(name, content[name], path) for name in ("begin_s", "end_s"))
    cash_share = _number("cash_share", content.get("cash_share") or 0.0, path)
    agency_id, zone = content["agency_id"], str(content["zone"])
    if not isinstance(agency_id, str) or not agency_id.strip():
        raise FeedError(f"{path}: agency_id is {agency_id!r}; name the agency")
    if not is_iana_zone(zone):
        raise FeedError(f"{path}: zone '{zone}' is no IANA time zone such as Asia/Almaty")
    if end_s <= begin_s:
        raise FeedError(f"{path}: end_s {end_s:g} is not after begin_s {begin_s:g}")
    if not 0 <= cash_share < 1:
        raise FeedError(f"{path}: cash_share {cash_share:g} must be at least 0 and under 1")
    return Manifest(
        agency_id,
        service_date,
        zone,
        begin_s,
        end_s,
        cash_share,
        _bounds(content.get("bounds"), path),
        _lake(content.get("lake"), path),
    )


def _number(name: str, given: object, path: Path) -> float:
    try:
        number = float(str(given))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FeedError(f"{path}: {name} is {given!r}; give a number")
    return number


def _lake(value: object, path: Path) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise FeedError(f"{path}: lake must be the path of a lake from the folder of feeds.json, not {value!r}")
    if not (path.parent / value / DESCRIPTION).is_file():
        raise FeedError(f"{path}: lake '{value}' is no lake: {path.parent / value / DESCRIPTION} is missing")
    return path.parent / value


def _bounds(value: object, path: Path) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4:
        raise FeedError(f"{path}: bounds must be [min_lon, min_lat, max_lon, max_lat]")
    west, south, east, north = (_number("one of bounds", edge, path) for edge in value)
    if west > east or south > north:
        raise FeedError(f"{path}: bounds must be [min_lon, min_lat, max_lon, max_lat], and a least is over its most")
    return west, south, east, north
