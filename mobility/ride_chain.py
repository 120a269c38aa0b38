"""Rides of one card after the other, as numbers: what follows each, and where riders may have left it.

Companions who tap the same card in the same trip ride together: all of them go on with the card's next ride in another
trip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.line_stops import Floats, Ints, LineStops, near_stops, spread
from mobility.trip_times import NEVER_MS, TripTimes
from mobility.walking import walk_s


@dataclass(frozen=True)
class Rides:
    """Boardings in order of card, time and leg, those without a card (-1) last. `call`, `trip`: where boarded; `at_ms`;
    `following`: the card's next ride in another trip, `first`: its first of the day; -1 where there is none."""

    card: Ints
    call: Ints
    trip: Ints
    at_ms: Ints
    following: Ints
    first: Ints

    @classmethod
    def of(cls, boarded: pl.DataFrame, times: TripTimes) -> Rides:
        """`boarded`: boardings() with its rows sorted by card."""
        visit = boarded["visit"].to_numpy()
        called, trip = times.call[visit], times.trip[visit]
        named = boarded["card_id"]
        card = np.where(named.is_null().to_numpy(), -1, named.rle_id().cast(pl.Int64).to_numpy())
        count = len(card)
        place = np.arange(count)
        begins_card = np.concatenate([[True], card[1:] != card[:-1]]) if count else np.zeros(0, dtype=np.bool_)
        begins_run = begins_card | np.concatenate([[True], trip[1:] != trip[:-1]]) if count else begins_card
        first = np.maximum.accumulate(np.where(begins_card, place, 0))
        runs = np.append(np.flatnonzero(begins_run), count)
        after = runs[np.cumsum(begins_run)]
        same = (after < count) & (card >= 0)
        same[same] = card[after[same]] == card[same]
        following = np.where(same, after, -1)
        return cls(card, called, trip, boarded["boarded_at"].dt.epoch("ms").to_numpy(), following, first)


@dataclass(frozen=True)
class Options:
    """Calls at which rides may have ended, those of one ride together. `ride`, `call` of each; `draw`: how likely who
    left there would next be seen where the card was."""

    ride: Ints
    call: Ints
    draw: Floats

    @classmethod
    def joined(cls, one: Options, other: Options) -> Options:
        """Options of different rides in one."""
        return cls(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("ride", "call", "draw")))

    def shares(self, weight: Floats) -> Floats:
        """`weight` of each option as a share of its ride's sum."""
        if not len(weight):
            return weight
        starts = np.flatnonzero(np.concatenate([[True], self.ride[1:] != self.ride[:-1]]))
        counts = np.diff(np.append(starts, len(weight)))
        share: Floats = weight / np.repeat(np.add.reduceat(weight, starts), counts)
        return share


@dataclass(frozen=True)
class Surroundings:
    """For each stop the calls within the walk limit, nearest ways of going on: `start` of each stop in `call`,
    `walk_s`."""

    start: Ints
    call: Ints
    walk_s: Floats

    @classmethod
    def of(cls, lines: LineStops, walk_limit_m: float) -> Surroundings:
        """Of all stops."""
        one, other = near_stops(lines, walk_limit_m)
        by_stop = np.argsort(lines.stop, kind="stable")
        first = np.searchsorted(lines.stop[by_stop], np.arange(len(lines.x_m) + 1))
        pair, place = spread(first[other], first[other + 1] - first[other])
        call, stop = by_stop[place], one[pair]
        order = np.lexsort((call, stop))
        call, stop = call[order], stop[order]
        walk = walk_s(lines.distance_m(stop, lines.stop[call]))
        return cls(np.searchsorted(stop, np.arange(len(lines.x_m) + 1)), call, walk)


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
        stop = lines.stop[boarded]
        cell, place = spread(around.start[stop], around.start[stop + 1] - around.start[stop])
        ridden = lines.pattern[around.call[place]] == pattern[cell]
        cell, place = cell[ridden], place[ridden]
        call, walk = around.call[place], around.walk_s[place]
        # every way on from each of these stops with the pattern boarded
        here, wanted = lines.stop[call], lines.pattern[boarded[cell]]
        entry, way = spread(around.start[here], around.start[here + 1] - around.start[here])
        other = around.call[way]
        same = (lines.pattern[other] == wanted[entry]) & (other < lines.last[other])
        entry, ways_s = entry[same], around.walk_s[way[same]]
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
    """Possible ends of rides: `ride` and the `entry` of `cells` of each, those of one ride together."""

    cells: Cells
    ride: Ints
    entry: Ints

    @classmethod
    def of(cls, rides: Rides, which: Ints, toward: Ints, ground: Ground) -> Candidates:
        """Where the rides `which` may have ended, whose card was next seen on the rides `toward`: at a stop ahead on
        the trip, within the walk limit of that boarding, and where `toward` comes later, reached in time to walk."""
        lines, times = ground.lines, ground.times
        count = len(lines.stop)
        key, cell = np.unique(lines.pattern[rides.call[which]] * count + rides.call[toward], return_inverse=True)
        cells = Cells.of(key // count, key % count, ground)
        owner, entry = spread(cells.start[cell], cells.start[cell + 1] - cells.start[cell])
        ahead = cells.call[entry] > rides.call[which][owner]
        owner, entry = owner[ahead], entry[ahead]
        later = rides.at_ms[toward] > rides.at_ms[which]
        leaves_ms = np.where(later, rides.at_ms[toward] + round(ground.slack_s * 1000), NEVER_MS + 1)
        slot = times.slot[rides.trip[which]]
        arrives_ms = times.arrival_ms[slot[owner] + cells.call[entry]]
        in_time = arrives_ms + cells.walk_s[entry] * 1000.0 <= leaves_ms[owner]
        return cls(cells, which[owner[in_time]], entry[in_time])

    def options(self, logit_s: float, access_s: float) -> Options:
        """With how likely each would draw its rider on, see Cells.draw."""
        return Options(self.ride, self.cells.call[self.entry], self.cells.draw(logit_s, access_s)[self.entry])
