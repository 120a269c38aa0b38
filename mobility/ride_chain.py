"""Rides of one card after the other, as numbers: what follows each, and where riders may have left it.

Companions who tap the same card in the same trip ride together: all of them go on with the card's next ride in another
trip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mobility.line_stops import Floats, Ints, LineStops, near_stops, numbers, spread
from mobility.trip_times import TripTimes
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
    """Calls at which rides may have ended, those of one ride together. `ride`, `call`, `walk_s` of each; `draw`: how
    likely who left there would next be seen where the card was."""

    ride: Ints
    call: Ints
    walk_s: Floats
    draw: Floats

    @classmethod
    def joined(cls, one: Options, other: Options) -> Options:
        """Options of different rides in one."""
        names = ("ride", "call", "walk_s", "draw")
        return cls(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in names))

    def shares(self, weight: Floats) -> Floats:
        """`weight` of each option as a share of its ride's sum."""
        return weight / _sums(self.ride, weight)


def _sums(ride: Ints, weight: Floats) -> Floats:
    """Sum of each ride's weights, repeated for each of its options."""
    if len(ride) == 0:
        return weight
    starts = np.flatnonzero(np.concatenate([[True], ride[1:] != ride[:-1]]))
    counts = np.diff(np.append(starts, len(ride)))
    return np.repeat(np.add.reduceat(weight, starts), counts)


@dataclass(frozen=True)
class Surroundings:
    """For each stop the calls within the walk limit, nearest ways of going on: `start` of each stop in `call`,
    `walk_s`."""

    start: Ints
    call: Ints
    walk_s: Floats

    @classmethod
    def of(cls, lines: LineStops, walk_limit_m: float) -> Surroundings:
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
    differ; `access_s`: a line whose nearest stop is so much further a walk is taken e times less often."""

    lines: LineStops
    times: TripTimes
    around: Surroundings
    slack_s: float
    access_s: float


def options(rides: Rides, which: Ints, toward: Ints, ground: Ground, logit_s: float) -> Options:
    """Where the rides `which` may have ended, whose card was next seen on the rides `toward`.

    A stop ahead on the trip, within the walk limit of that boarding, and where `toward` comes later, reached in time to
    walk there. `logit_s`: see _cells."""
    lines, times = ground.lines, ground.times
    key, cell = np.unique(lines.pattern[rides.call[which]] * len(lines.stop) + rides.call[toward], return_inverse=True)
    entry_start, entry_call, entry_walk, entry_draw = _cells(key, ground, logit_s)
    owner, entry = spread(entry_start[cell], entry_start[cell + 1] - entry_start[cell])
    ahead = entry_call[entry] > rides.call[which][owner]
    owner, entry = owner[ahead], entry[ahead]
    ride, call, walk = which[owner], entry_call[entry], entry_walk[entry]
    leaves_ms = rides.at_ms[toward[owner]] - (walk - ground.slack_s) * 1000.0
    later = rides.at_ms[toward[owner]] > rides.at_ms[ride]
    arrives_ms = times.arrival_ms[times.slot[rides.trip[ride]] + call]
    in_time = np.where(later, arrives_ms <= leaves_ms, True)
    return Options(ride[in_time], call[in_time], walk[in_time], entry_draw[entry[in_time]])


def _cells(key: Ints, ground: Ground, logit_s: float) -> tuple[Ints, Ints, Floats, Floats]:
    """For each pattern ridden and call boarded next (key = pattern x calls + call): where its entries start, their
    calls, walks, and how likely who left there boards at that call.

    A rider takes a line that is near, and goes to its nearest stop (logits over the walk: Ben-Akiva & Lerman 1985,
    chapter 5): a stop left is the less likely the nearer to it another stop of the line boarded is."""
    lines, around = ground.lines, ground.around
    pattern, boarded = key // len(lines.stop), key % len(lines.stop)
    stop = lines.stop[boarded]
    cell, place = spread(around.start[stop], around.start[stop + 1] - around.start[stop])
    ridden = lines.pattern[around.call[place]] == pattern[cell]
    cell, place = cell[ridden], place[ridden]
    call, walk = around.call[place], around.walk_s[place]
    # every way on from each of these stops with the pattern boarded
    here = lines.stop[call]
    entry, way = spread(around.start[here], around.start[here + 1] - around.start[here])
    other = around.call[way]
    same = (lines.pattern[other] == lines.pattern[boarded[cell[entry]]]) & (other < lines.last[other])
    entry, ways_s = entry[same], around.walk_s[way[same]]
    least_s = walk.copy()
    np.minimum.at(least_s, entry, ways_s)
    reach = np.bincount(entry, weights=np.exp((least_s[entry] - ways_s) / logit_s), minlength=len(call))
    odds = np.exp((least_s - walk) / logit_s)
    draw = odds / np.maximum(reach, odds) * np.exp(-least_s / ground.access_s)
    return np.searchsorted(cell, np.arange(len(key) + 1)), call, walk, draw
