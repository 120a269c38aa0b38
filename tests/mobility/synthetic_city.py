"""A small synthetic city whose riders and buses are known exactly, written as the feeds a city would have."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import zipfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

ZONE = timezone(timedelta(hours=5))
MIDNIGHT = datetime(2025, 3, 3, tzinfo=ZONE)
LAT0, LON0 = 51.13, 71.43
KEY = b"a key for tests only"
SPACING_M = 450.0
STOPS = 8
BEGIN_S, END_S = 6 * 3600, 34_200

Row = dict[str, str]


@dataclass
class Ride:
    """One true ride: seconds are of the service date."""

    card: str
    vehicle: str
    trip: str
    boarding: str
    boarded_s: float
    alighting: str
    alighted_s: float


@dataclass
class City:
    """The feeds as lists of rows, to be changed by a test before they are written."""

    taps: list[Row] = field(default_factory=list)
    positions: list[Row] = field(default_factory=list)
    rides: list[Ride] = field(default_factory=list)
    gtfs: dict[str, list[Row]] = field(default_factory=dict)
    totals: list[Row] = field(default_factory=list)
    zone: str = "Asia/Almaty"

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "agency_id": "synthetic",
            "service_date": "2025-03-03",
            "zone": self.zone,
            "begin_s": BEGIN_S,
            "end_s": END_S,
            "cash_share": 0.2,
            "bounds": [LON0 - 0.05, LAT0 - 0.05, LON0 + 0.05, LAT0 + 0.05],
            "seed": 1,
        }
        (folder / "feeds.json").write_text(json.dumps(manifest))
        (folder / "fare_transactions.csv").write_text(as_csv(self.taps))
        (folder / "vehicle_locations.csv").write_text(as_csv(self.positions))
        (folder / "control_totals.csv").write_text(as_csv(self.totals))
        with zipfile.ZipFile(folder / "gtfs.zip", "w") as archive:
            for name, rows in self.gtfs.items():
                archive.writestr(name, as_csv(rows))
        return folder


def as_csv(rows: list[Row]) -> str:
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def clock(seconds: float) -> str:
    return (MIDNIGHT + timedelta(seconds=round(seconds))).isoformat()


def degrees(x_m: float, y_m: float) -> tuple[float, float]:
    lat = LAT0 + y_m / 111_195.0
    return lat, LON0 + x_m / (111_195.0 * math.cos(math.radians(LAT0)))


def stop_id(line: str, direction: int, number: int) -> str:
    return f"{line}-{'AB'[direction]}{number}"


def stop_place(line: str, direction: int, number: int) -> tuple[float, float]:
    """Line 1 runs west to east, line 2 south to north; the stops of the way back lie across the street."""
    along = (number if direction == 0 else STOPS - 1 - number) * SPACING_M - SPACING_M * (STOPS - 1) / 2
    side = -6.0 if direction == 0 else 6.0
    return (along, side) if line == "1" else (-side, along)


def build_city(seed: int = 7, riders: int = 500) -> City:
    rng = random.Random(seed)
    city = City()
    runs = _drive(city, rng)
    _ride(city, runs, rng, riders)
    _timetable(city, runs)
    return city


Run = tuple[str, str, str, int, list[tuple[float, float]]]


def _drive(city: City, rng: random.Random) -> list[Run]:
    """Every trip: vehicle, trip, line, direction, (arrival, departure) at its stops; and its positions."""
    runs: list[Run] = []
    for line in ("1", "2"):
        for bus in range(6):
            vehicle, at = f"bus-{line}{bus}", BEGIN_S + bus * 600.0
            direction = bus % 2
            while at < END_S - 1200:
                trip = f"{line}-{direction}-{round(at)}"
                times: list[tuple[float, float]] = []
                for _ in range(STOPS):
                    dwell = rng.uniform(8, 25)
                    times.append((at, at + dwell))
                    at += dwell + SPACING_M / rng.uniform(6, 10)
                runs.append((vehicle, trip, line, direction, times))
                _positions(city, rng, vehicle, trip, line, direction, times)
                at += 240
                direction = 1 - direction
    return runs


def _positions(
    city: City, rng: random.Random, vehicle: str, trip: str, line: str, direction: int, times: list[tuple[float, float]]
) -> None:
    at = math.ceil(times[0][0] / 10) * 10.0
    while at <= times[-1][1]:
        number = max(n for n, (arrival, _) in enumerate(times) if arrival <= at)
        x, y = stop_place(line, direction, number)
        if at > times[number][1]:
            share = (at - times[number][1]) / (times[number + 1][0] - times[number][1])
            nx, ny = stop_place(line, direction, number + 1)
            x, y = x + share * (nx - x), y + share * (ny - y)
        lat, lon = degrees(x + rng.gauss(0, 5), y + rng.gauss(0, 5))
        city.positions.append(
            {
                "location_ping_id": f"p{len(city.positions)}",
                "service_date": "2025-03-03",
                "event_timestamp": clock(at),
                "vehicle_id": vehicle,
                "trip_id_performed": "" if rng.random() < 0.05 else trip,
                "latitude": f"{lat:.6f}",
                "longitude": f"{lon:.6f}",
                "speed": "",
                "heading": "",
            }
        )
        at += 10


def _ride(city: City, runs: list[Run], rng: random.Random, riders: int) -> None:
    """Two of three riders come back from where they went; one in five pays cash."""
    totals = {"1": 0, "2": 0}
    for number in range(riders):
        card, cash = f"96430{number:011d}", rng.random() < 0.2
        line, direction = rng.choice("12"), rng.randrange(2)
        start = rng.randrange(0, STOPS - 1)
        end = rng.randrange(start + 1, STOPS)
        early = BEGIN_S + rng.uniform(0, 4200)
        plan = [(direction, start, end, early)]
        if number % 3:
            plan.append((1 - direction, STOPS - 1 - end, STOPS - 1 - start, early + 5400))
        for way, first, last, ready in plan:
            coming = [run for run in runs if run[2] == line and run[3] == way and run[4][first][1] - 2 > ready]
            if not coming:
                continue
            vehicle, trip, _, _, times = min(coming, key=lambda run: run[4][first][0])
            boarded = max(times[first][0] + rng.uniform(2, 6), min(ready, times[first][1] - 1))
            totals[line] += 1
            ride = Ride("" if cash else card, vehicle, trip, stop_id(line, way, first), boarded, "", times[last][0] + 3)
            ride.alighting = stop_id(line, way, last)
            city.rides.append(ride)
            if not cash:
                city.taps.append(_tap(len(city.taps), card, vehicle, boarded))
    city.totals = [{"route_id": line, "boardings": str(count)} for line, count in totals.items()]


def _tap(number: int, card: str, vehicle: str, at_s: float) -> Row:
    return {
        "transaction_id": f"t{number}",
        "service_date": "2025-03-03",
        "event_timestamp": clock(at_s),
        "device_id": f"reader-{vehicle}",
        "vehicle_id": vehicle,
        "fare_action": "Enter vehicle",
        "fare_media_id": card,
        "amount": "",
        "group_size": "1",
    }


def _hms(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _timetable(city: City, runs: list[Run]) -> None:
    stops, shapes = [], []
    for line in ("1", "2"):
        for direction in (0, 1):
            for number in range(STOPS):
                lat, lon = degrees(*stop_place(line, direction, number))
                at = {"lat": f"{lat:.6f}", "lon": f"{lon:.6f}"}
                name = stop_id(line, direction, number)
                stops.append({"stop_id": name, "stop_name": name, "stop_lat": at["lat"], "stop_lon": at["lon"]})
                shapes.append(
                    {
                        "shape_id": f"{line}:{direction}",
                        "shape_pt_lat": at["lat"],
                        "shape_pt_lon": at["lon"],
                        "shape_pt_sequence": str(number + 1),
                    }
                )
    trips, calls = [], []
    for _, trip, line, direction, times in runs:
        trips.append(
            {
                "route_id": line,
                "service_id": "day",
                "trip_id": trip,
                "direction_id": str(direction),
                "shape_id": f"{line}:{direction}",
            }
        )
        for number in range(STOPS):
            planned = times[0][0] + number * 75.0
            calls.append(
                {
                    "trip_id": trip,
                    "arrival_time": _hms(planned),
                    "departure_time": _hms(planned + 15),
                    "stop_id": stop_id(line, direction, number),
                    "stop_sequence": str(number + 1),
                }
            )
    week = dict.fromkeys(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], "1")
    city.gtfs = {
        "stops.txt": stops,
        "routes.txt": [{"route_id": line, "route_short_name": line, "route_type": "3"} for line in ("1", "2")],
        "trips.txt": trips,
        "stop_times.txt": calls,
        "shapes.txt": shapes,
        "calendar.txt": [{"service_id": "day", **week, "start_date": "20250101", "end_date": "20251231"}],
    }
