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
from mobility.ride_options import Asked, CellDraws, CellStops, Day, Options, copy_entries, distinct, reachable
from mobility.ride_order import followed
from mobility.trip_times import TripTimes
from mobility.walking import walk_s

BATCH_RIDES = 200_000
BATCH_ENTRIES = 1_000_000


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
class WayRules:
    """`access_s`: a line whose nearest stop is so much further a walk is taken e times less often; `elsewhere`: who
    leaves at a stop and boards nowhere near it, as a share of what the boardings around a stop usually draw."""

    access_s: float = 150.0
    elsewhere: float = 1.0


@dataclass(frozen=True)
class Ways:
    """How riders go on. `share`: for each entry of Surroundings, of those who leave at the stop, for each rider who
    boards at the call; `boards_near`: of those who leave at each stop, who board near it."""

    share: Floats
    boards_near: Floats


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

    def ways(self, lines: LineStops, riders: Floats, rules: WayRules, logit_s: float) -> Ways:
        """How riders go on from each stop where `riders` of each call board.

        A rider takes a line that is near, and goes to its nearest stop (logits over the walk: Ben-Akiva & Lerman 1985,
        chapter 5): a call draws the less the nearer another stop of its line is. Those who leave at a stop are shared
        among all calls around it as these draw them, each boarding there counted once, and `elsewhere`."""
        stop = self.key // max(1, len(lines.stop))
        boards = self.call < lines.last[self.call]  # nobody boards at the last stop
        begins = np.r_[True, (np.diff(stop) != 0) | (np.diff(lines.pattern[self.call]) != 0)][: len(stop)]
        run, starts = np.cumsum(begins) - 1, np.flatnonzero(begins)
        nearest_s = np.minimum.reduceat(np.where(boards, self.walk_s, np.inf), starts)[run] if len(run) else self.walk_s
        least_s = np.minimum(nearest_s, self.walk_s)
        odds = np.exp((least_s - self.walk_s) / logit_s)
        sums = np.bincount(run, weights=odds * boards, minlength=len(starts))[run]
        drawn = odds / np.maximum(sums, odds) * np.exp(-least_s / rules.access_s)
        appeal = np.bincount(stop, weights=drawn * riders[self.call], minlength=len(lines.x_m))
        usual = appeal.sum() / max(1, np.count_nonzero(appeal))
        all_ways = np.maximum(appeal + rules.elsewhere * usual, 1.0)
        return Ways(drawn / all_ways[stop], appeal / all_ways)


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
    on are the calls of the pattern near that boarding, in order, with the walk there and the place of that `way` among
    the Surroundings."""

    start: Ints
    call: Ints
    walk_s: Floats
    way: Ints

    @classmethod
    def of(cls, pattern: Ints, boarded: Ints, ground: Ground) -> Cells:
        """Cells of pairs of a `pattern` ridden and a call `boarded` next."""
        lines, around = ground.lines, ground.around
        calls, first = len(lines.stop), lines.first
        cell, place = around.between(lines.stop[boarded], first[pattern], first[pattern + 1], calls)
        call = around.call[place]
        way = np.searchsorted(around.key, lines.stop[call] * calls + boarded[cell])
        return cls(np.searchsorted(cell, np.arange(len(pattern) + 1)), call, around.walk_s[place], way)


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

    def options(self, ways: Ways) -> Options:
        """With how likely each would draw its rider on; of the card's own rides nothing is known."""
        told = frozen(CellDraws(self.cells.call, ways.share[self.cells.way]))
        call, draw = np.empty(len(self.entry), np.int64), np.empty(len(self.entry))
        in_batches(copy_entries, self.first, BATCH_ENTRIES, self.first, self.entry, told, call, draw)
        return Options(self.ride, self.first, call, draw, np.zeros(0))
