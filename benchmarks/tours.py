"""A synthetic overlay: single recorded rides become tours of synthetic cards, over days on which people come back.

Real are the rides (bus, stops, times). Made up is who made them. On the first day people are put together: a rider has
a home, some steps (`spread_m`) from the first boarding stop, and a goal, as far from the alighting stop, both such that
no other stop of that ride's pattern is nearer. The next ride of the card is one that was really made later, and that
starts at the stop of its pattern nearest to the goal and a walk (WALK_M) away: onwards with the first bus that does,
within WAIT_S (a transfer, after which both rides are at most DETOUR times as long as the way they lead), or back, after
at least STAY_S, ending at the stop of its pattern nearest to the home. So riders choose their stops from where they
are, which is not recorded, and not from where they got off. Of the rides left over so many are kept, for cards that tap
once, that MAY_RETURN of all cards have a second ride; the others were not made, and the true loads are without them. On
the other days the same people make the same rides where these were recorded again, but for their way back, which they
take by bus on RETURNS of the days. A share of the cards pays cash.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl

from mobility.sources.gtfs import Timetable, read_timetable
from mobility.sources.manifest import read_manifest

WALK_M = 300.0
WALK_M_S = 1.2
STAY_S = 240.0
WAIT_S = 600.0
TRANSFERS = 0.125
RETURNS = 0.75
MAY_RETURN = 0.8
DETOUR = 1.5


@dataclass(frozen=True)
class _Ride:
    number: int
    person: str
    pattern: str
    line: str
    boarding: str
    boarded_s: float
    alighting: str
    alighted_s: float


@dataclass(frozen=True)
class _Map:
    """Where stops lie and which of them a pattern serves."""

    place: dict[str, tuple[float, float]]
    stops: dict[str, list[str]]
    spread_m: float

    def nearest(self, pattern: str, point: tuple[float, float]) -> str:
        return min(self.stops[pattern], key=lambda stop: (math.dist(self.place[stop], point), stop))

    def apart_m(self, one: str, other: str) -> float:
        return math.dist(self.place[one], self.place[other])

    def ridden_m(self, ride: _Ride) -> float:
        return self.apart_m(ride.boarding, ride.alighting)

    def somewhere(self, random: Random, pattern: str, stop: str) -> tuple[float, float]:
        """A point whose nearest stop of the pattern is `stop`."""
        x, y = self.place[stop]
        while True:
            point = (random.gauss(x, self.spread_m), random.gauss(y, self.spread_m))
            if self.nearest(pattern, point) == stop:
                return point


def overlay_tours(days: Sequence[Path], cash_share: float, seed: int, spread_m: float) -> list[Counter[str]]:
    """Rewrite feeds folders recorded of the same people without cash: who rode, cards in taps and truth, true loads.

    Returns for each day its cards by number of taps ("1", "2")."""
    timetable = read_timetable(days[0] / "gtfs.zip", read_manifest(days[0]).service_date)
    rides = [_rides(feeds, timetable) for feeds in days]
    random = Random(seed)
    tours = _kept(_tours(rides[0], _map(timetable, spread_m), random), random)
    told: list[Counter[str]] = []
    for day, (feeds, made) in enumerate(zip(days, rides, strict=True)):
        cards = _cards_of_day(made, tours, cash_share, Random(f"{seed} {day}"))
        _rewrite(feeds, cards, cash_share)
        told.append(Counter(str(taps) for card, taps in Counter(cards.values()).items() if card))
    return told


def _kept(tours: list[tuple[str, list[str]]], random: Random) -> list[tuple[str, list[str]]]:
    """All tours of two rides, and some of one."""
    twice = [tour for tour in tours if len(tour[1]) == 2]
    once = [tour for tour in tours if len(tour[1]) == 1]
    return twice + random.sample(once, min(len(once), round(len(twice) * (1 / MAY_RETURN - 1))))


def _cards_of_day(
    rides: list[_Ride], tours: list[tuple[str, list[str]]], cash_share: float, random: Random
) -> dict[int, str]:
    """Card ("": cash) of each ride that is made today."""
    made = {ride.person: ride for ride in rides}
    cards: dict[int, str] = {}
    for number, (kind, people) in enumerate(tours):
        # who pays cash does so every day
        pays_cash = Random(f"cash {number}").random() < cash_share
        together = [made[person] for person in people if person in made]
        comes_back = kind != "return" or random.random() < RETURNS
        if len(together) == 2 and (together[1].boarded_s <= together[0].alighted_s or not comes_back):
            del together[1]
        cards |= {ride.number: "" if pays_cash else f"{number:016d}" for ride in together}
    return cards


def _map(timetable: Timetable, spread_m: float) -> _Map:
    place = {stop: (x, y) for stop, x, y in timetable.stops.select("stop_id", "x_m", "y_m").iter_rows()}
    in_order = timetable.pattern_stops.sort("pattern_id", "trip_stop_sequence")
    stops = in_order.group_by("pattern_id", maintain_order=True).agg("stop_id")
    return _Map(place, dict(stops.iter_rows()), spread_m)


def _rides(feeds: Path, timetable: Timetable) -> list[_Ride]:
    trips = {
        trip: (pattern, line)
        for trip, pattern, line in timetable.trips.select("trip_id", "pattern_id", "line").iter_rows()
    }
    with (feeds / "truth" / "rides.csv").open(encoding="utf-8") as stream:
        before: Counter[str] = Counter()
        rides = []
        for number, row in enumerate(csv.DictReader(stream)):
            # some ride more than once: each of their rides is taken for a person's only one
            before[row["person_id"]] += 1
            person = f"{row['person_id']} {before[row['person_id']]}"
            rides.append(_Ride(number, person, *trips[row["trip_id"]], *_stops_and_times(row)))
    return rides


def _stops_and_times(row: dict[str, str]) -> tuple[str, float, str, float]:
    return (
        row["boarding_stop_id"],
        float(row["boarded_at_s"]),
        row["alighting_stop_id"],
        float(row["alighted_at_s"] or "inf"),
    )


def _tours(rides: list[_Ride], city: _Map, random: Random) -> list[tuple[str, list[str]]]:
    """Kind and people of each tour, in order of its first boarding; each ride is in one."""
    free = {ride.number: ride for ride in sorted(rides, key=lambda ride: ride.boarded_s)}
    tours: list[tuple[str, list[str]]] = []
    while free:
        first = free.pop(next(iter(free)))
        people = [first.person]
        kind = "single"
        if first.alighting:
            home = city.somewhere(random, first.pattern, first.boarding)
            goal = city.somewhere(random, first.pattern, first.alighting)
            onward = random.random() < TRANSFERS
            found = [ride for ride in free.values() if _follows(first, ride, home, goal, onward, city)]
            if found:
                following = found[0 if onward else int(random.random() * min(5, len(found)))]
                people.append(free.pop(following.number).person)
                kind = "transfer" if onward else "return"
        tours.append((kind, people))
    return tours


def _follows(
    first: _Ride,
    ride: _Ride,
    home: tuple[float, float],
    goal: tuple[float, float],
    onward: bool,
    city: _Map,
) -> bool:
    walk_m = math.dist(city.place[ride.boarding], goal)
    waited_s = ride.boarded_s - first.alighted_s - walk_m / WALK_M_S
    if walk_m > WALK_M or ride.boarding != city.nearest(ride.pattern, goal):
        return False
    if onward:
        return (
            0 <= waited_s <= WAIT_S
            and ride.line != first.line
            and bool(ride.alighting)
            and city.ridden_m(first) + city.ridden_m(ride) <= DETOUR * city.apart_m(first.boarding, ride.alighting)
        )
    return (
        waited_s >= STAY_S
        and bool(ride.alighting)
        and ride.alighting == city.nearest(ride.pattern, home)
        and math.dist(city.place[ride.alighting], home) <= WALK_M
    )


def _rewrite(feeds: Path, cards: dict[int, str], cash_share: float) -> None:
    """Keep the rides of `cards`. Recorded without cash, every ride has a tap, and both files the same order."""
    kept = sorted(cards)
    new = pl.Series("fare_media_id", [cards[ride] for ride in kept])
    taps, truth = feeds / "fare_transactions.csv", feeds / "truth" / "rides.csv"
    rides = pl.read_csv(truth, infer_schema=False)
    gone = rides[[ride for ride in range(rides.height) if ride not in cards]]
    rides[kept].with_columns(new).write_csv(truth)
    pl.read_csv(taps, infer_schema=False)[kept].with_columns(new).filter(pl.col("fare_media_id") != "").write_csv(taps)
    _without(feeds, gone)
    manifest = feeds / "feeds.json"
    said = json.loads(manifest.read_text(encoding="utf-8")) | {"cash_share": cash_share}
    manifest.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _without(feeds: Path, gone: pl.DataFrame) -> None:
    """True loads and control totals without the rides that were not made."""
    path = feeds / "truth" / "bus_loads.csv"
    loads = pl.read_csv(path, schema_overrides={"load_pax": pl.Int64, "departed_at_s": pl.Float64})
    rides = gone.select(
        "vehicle_id", pl.col("boarded_at_s").cast(pl.Float64), pl.col("alighted_at_s").cast(pl.Float64, strict=False)
    )
    aboard = (
        loads.join(rides, on="vehicle_id")
        .filter(
            (pl.col("boarded_at_s") <= pl.col("departed_at_s"))
            & (pl.col("alighted_at_s").is_null() | (pl.col("alighted_at_s") > pl.col("departed_at_s")))
        )
        .group_by("vehicle_id", "stop_sequence")
        .agg(pl.len().cast(pl.Int64).alias("gone"))
    )
    fewer = loads.join(aboard, on=["vehicle_id", "stop_sequence"], how="left", maintain_order="left")
    fewer.with_columns(pl.col("load_pax") - pl.col("gone").fill_null(0)).drop("gone").write_csv(path)
    lines = loads.select("vehicle_id", "route_id").unique()
    left = gone.join(lines, on="vehicle_id").group_by("route_id").agg(pl.len().cast(pl.Int64).alias("gone"))
    path = feeds / "control_totals.csv"
    totals = pl.read_csv(path, schema_overrides={"route_id": pl.String, "boardings": pl.Int64})
    totals = totals.join(left.cast({"route_id": pl.String}), on="route_id", how="left", maintain_order="left")
    totals.with_columns(pl.col("boardings") - pl.col("gone").fill_null(0)).drop("gone").write_csv(path)
