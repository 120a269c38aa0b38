"""Rides of one card after the other, as numbers: what follows each, and where riders may have left it.

Companions who tap the same card in the same trip ride together: all of them go on with the card's next ride in another
trip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.batches import frozen, in_batches
from mobility.card_order import CardOrder
from mobility.line_stops import Floats, Ints, LineStops, near_stops, spread
from mobility.ride_options import Asked, CellStops, Day, Options, distinct, reachable
from mobility.ride_order import followed
from mobility.trip_times import TripTimes
from mobility.walking import walk_s

BATCH_RIDES = 200_000


@dataclass(frozen=True)
class Rides:
    """Boardings in order of card, time and leg, those without a card (-1) last. `call`, `trip`: where boarded; `at_ms`;
    `following`: the card's next ride in another trip, -1 where there is none, `first`: its first of the day."""

    card: Ints
    call: Ints
    trip: Ints
    at_ms: Ints
    following: Ints
    first: Ints

    @classmethod
    def of(cls, boarded: pl.DataFrame, order: CardOrder, times: TripTimes) -> Rides:
        """`boarded`: boardings() with its rows in `order`."""
        visit = boarded["visit"].to_numpy()
        called, trip = times.call[visit], times.trip[visit]
        card = np.cumsum(order.begins) - 1
        if boarded["card_id"].null_count():
            card[boarded["card_id"].is_null().to_numpy()] = -1
        following, first = followed(card, trip)
        return cls(card, called, trip, boarded["boarded_at"].dt.epoch("ms").to_numpy(), following, first)


@dataclass(frozen=True)
class Surroundings:
    """For each stop the calls within the walk limit: `key` (stop x calls + call, sorted), `call`, `walk_s`."""

    key: Ints
    call: Ints
    walk_s: Floats

    @classmethod
    def of(cls, lines: LineStops, walk_limit_m: float) -> Surroundings:
        """Of all stops."""
        one, other = near_stops(lines, walk_limit_m)
        by_stop = np.argsort(lines.stop, kind="stable")
        first = np.searchsorted(lines.stop[by_stop], np.arange(len(lines.x_m) + 1))
        pair, place = spread(first[other], first[other + 1] - first[other])
        key = np.sort(one[pair] * len(lines.stop) + by_stop[place])
        stop, call = np.divmod(key, max(1, len(lines.stop)))
        return cls(key, call, walk_s(lines.distance_m(stop, lines.stop[call])))

    def between(self, stop: Ints, first: Ints, last: Ints, calls: int) -> tuple[Ints, Ints]:
        """The places in `call` of those from `first` to before `last` around each `stop`, of `calls` in all: which of
        the stops each is around, and the place."""
        begin = np.searchsorted(self.key, stop * calls + first)
        return spread(begin, np.searchsorted(self.key, stop * calls + last) - begin)


@dataclass(frozen=True)
class Ground:
    """What riders walk on. `slack_s`: so much later the bus may reach a stop than the walk leaves time for, as clocks
    differ."""

    lines: LineStops
    times: TripTimes
    around: Surroundings
    slack_s: float


@dataclass(frozen=True)
class Cells:
    """What all rides on one pattern have in common whose card next boards at one call: the entries from `start[cell]`
    on are the calls of the pattern near that boarding, in order, with the walk there. `least_s`: the shortest walk from
    there to any stop of the line boarded; `way_entry`, `way_s`: all of these walks."""

    start: Ints
    call: Ints
    walk_s: Floats
    least_s: Floats
    way_entry: Ints
    way_s: Floats

    @classmethod
    def of(cls, pattern: Ints, boarded: Ints, ground: Ground) -> Cells:
        """Cells of pairs of a `pattern` ridden and a call `boarded` next."""
        lines, around = ground.lines, ground.around
        calls, first = len(lines.stop), lines.first
        cell, place = around.between(lines.stop[boarded], first[pattern], first[pattern + 1], calls)
        call, walk = around.call[place], around.walk_s[place]
        # every way on from each of these stops with the pattern boarded, which nobody boards at its last stop
        wanted = lines.pattern[boarded[cell]]
        entry, way = around.between(lines.stop[call], first[wanted], first[wanted + 1] - 1, calls)
        ways_s = around.walk_s[way]
        least_s = walk.copy()
        np.minimum.at(least_s, entry, ways_s)
        return cls(np.searchsorted(cell, np.arange(len(pattern) + 1)), call, walk, least_s, entry, ways_s)

    def draw(self, logit_s: float, access_s: float) -> Floats:
        """How likely who left at each entry boards there.

        A rider takes a line that is near, and goes to its nearest stop (logits over the walk: Ben-Akiva & Lerman 1985,
        chapter 5): a stop left is the less likely the nearer to it another stop of the line boarded is."""
        reach = np.exp((self.least_s[self.way_entry] - self.way_s) / logit_s)
        odds = np.exp((self.least_s - self.walk_s) / logit_s)
        sums = np.bincount(self.way_entry, weights=reach, minlength=len(self.call))
        return odds / np.maximum(sums, odds) * np.exp(-self.least_s / access_s)


@dataclass(frozen=True)
class Candidates:
    """Possible ends of rides: the rides that have any (`ride`, rising), and from first[i] to first[i + 1] the `entry`
    of each in `cells`."""

    cells: Cells
    ride: Ints
    first: Ints
    entry: npt.NDArray[np.int32]

    @classmethod
    def of(cls, rides: Rides, which: Ints, toward: Ints, ground: Ground) -> Candidates:
        """Where the rides `which` may have ended, whose card was next seen on the rides `toward`: at a stop ahead on
        the trip, within the walk limit of that boarding, and where `toward` comes later, reached in time to walk."""
        lines, times = ground.lines, ground.times
        count = len(lines.stop)
        key, cell = distinct(lines.pattern[rides.call[which]] * count + rides.call[toward])
        cells = Cells.of(key // count, key % count, ground)
        stops = frozen(CellStops(cells.start, cells.call, cells.walk_s * 1000.0))
        slack_ms = round(ground.slack_s * 1000)
        day = frozen(Day(rides.call, rides.trip, rides.at_ms, times.slot, times.arrival_ms, slack_ms))
        asked = frozen(Asked(which, toward, cell))
        found = in_batches(reachable, np.arange(len(which) + 1), BATCH_RIDES, asked, stops, day)
        counts = np.concatenate([np.zeros(0, np.int64), *(counts for counts, _ in found)])
        entry = np.concatenate([np.zeros(0, np.int32), *(entry for _, entry in found)])
        some = counts > 0
        return cls(cells, which[some], np.r_[0, counts[some].cumsum()], entry)

    @property
    def owner(self) -> Ints:
        """The ride of each entry."""
        return np.repeat(self.ride, np.diff(self.first))

    def nearest_s(self, rides: Ints) -> Floats:
        """The shortest walk of each of `rides` (rising), infinite where a ride has no candidates."""
        nearest = np.full(len(rides), np.inf)
        if len(self.ride):
            place = np.searchsorted(rides, self.ride)
            nearest[place] = np.minimum.reduceat(self.cells.walk_s[self.entry], self.first[:-1])
        return nearest

    def options(self, logit_s: float, access_s: float) -> Options:
        """With how likely each would draw its rider on, see Cells.draw; of the card's own rides nothing is known."""
        draw = self.cells.draw(logit_s, access_s)
        return Options(self.ride, self.first, self.cells.call[self.entry], draw[self.entry], np.zeros(0))
