"""Where a rider who only taps on gets off: chaining a card's taps, habits, and for what is left the shares of the line.

Chaining (Barry et al. 2002; Munizaga & Palma 2012, section 3.2): a rider leaves the bus at a stop of the trip ridden,
after the boarding stop, within a walk of the card's next boarding and reached in time for it. Of these stops each has a
probability: how likely who left there would have boarded next where the card was seen (ride_chain), times the share of
riders who leave there, believed before and learned from all chained rides together by expectation-maximisation
(Dempster et al. 1977), with the card's own habits (habits). The likeliest is named.
The day's last ride ends near its first boarding, if the rider was somewhere in between: a ride that only continues a
transfer does not lead back to where the journey began.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility.alighting_shares import SharesRules, prior_shares
from mobility.batches import frozen
from mobility.card_order import by_card
from mobility.categories import category
from mobility.chaining import Chain, ChainingRules, Day, chain
from mobility.habits import HabitRules, OwnRides, no_habits
from mobility.journeys import TransferRules
from mobility.line_stops import Bools, Floats, Ints, LineStops, spread
from mobility.ride_chain import Ground, Rides, Surroundings
from mobility.ride_options import likely
from mobility.ride_order import journeys_of
from mobility.tally import tally
from mobility.trip_times import NEVER_MS, TripTimes

CHAINED, CHAINED_LAST, HABIT, PROBABLE, NONE = range(5)
METHODS = ("chained", "chained_last", "habit", "probable", "none")
# options rarer than this say little and cost rows
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class AlightingRules:
    """The rules of each step."""

    chaining: ChainingRules = field(default_factory=ChainingRules)
    sharing: SharesRules = field(default_factory=SharesRules)
    habit: HabitRules = field(default_factory=HabitRules)
    changing: TransferRules = field(default_factory=TransferRules)


DEFAULT = AlightingRules()


@dataclass(frozen=True)
class Inferred:
    """The legs as numbers, in their order. `card`: -1 without one; `boarding`, `end`: calls (-1: no end); `method`:
    place in METHODS; `journey`: row of the journey's first leg; `number`: place in the journey; `shares` of all pairs
    of calls; `habit_ride` (sorted), `habit_call`, `habit_chance`: where legs told by habits may end."""

    lines: LineStops
    card: Ints
    boarding: Ints
    end: Ints
    method: Ints
    journey: Ints
    number: Ints
    shares: Floats
    habit_ride: Ints
    habit_call: Ints
    habit_chance: Floats


@dataclass(frozen=True)
class Alightings:
    """`legs`: boardings with the alighting and journey columns of JourneyLeg. `options`: leg (its row), leg_id,
    alighting_stop_sequence, alighting_stop_id, probability: where legs that the card's taps or habits tell of may end,
    summing to 1 for each. `shares`: where the others may: pattern_id, boarding_stop_sequence,
    alighting_stop_sequence, stop_id, share. `inferred`: the same as numbers."""

    legs: pl.DataFrame
    options: pl.DataFrame
    shares: pl.DataFrame
    inferred: Inferred


@dataclass(frozen=True)
class _Ends:
    """Of each ride the call it most likely ended at (-1: none), how that is known, and the probability."""

    call: Ints
    method: Ints
    confidence: Floats


def alightings(
    boarded: pl.DataFrame,
    visits: pl.DataFrame,
    pattern_stops: pl.DataFrame,
    stops: pl.DataFrame,
    rules: AlightingRules = DEFAULT,
    known: pl.DataFrame | None = None,
) -> Alightings:
    """Alighting of every boarding, the legs of a card together and in order of time. `boarded`: boardings(); `visits`:
    the StopVisit rows it was given; `pattern_stops`, `stops`: Timetable; `known`: habits() of other days."""
    with ThreadPoolExecutor() as threads:
        # neither needs the other, and both let go of the interpreter
        served = threads.submit(_served, visits, pattern_stops, stops, rules.chaining)
        order = by_card(boarded["card_id"], boarded["boarded_at"], boarded["leg_id"])
        boarded = boarded[order.row]
        ground = served.result()
        lines, times = ground.lines, ground.times
        rides = Rides.of(boarded, order, times)
        party = boarded["riders"].to_numpy().astype(np.float64)
        own = OwnRides.of(boarded, rides.call, lines, no_habits() if known is None else known)
        prior = prior_shares(tally(rides.call, party, len(lines.stop)), lines, rules.sharing)
        day = Day(rides, lines, times, own, party, prior)
        chained = chain(day, ground, rules.chaining, rules.sharing, rules.habit, rules.changing)
        habitual = _habitual(day, chained, rules.habit)
        options = threads.submit(_options_frame, boarded["leg_id"], lines, chained, habitual)
        ends = _ends(day, chained, *habitual)
        journey, number = journeys_of(rides.card, rides.trip, rides.following, chained.changes)
        found = Inferred(
            lines, rides.card, rides.call, ends.call, ends.method, journey, number, chained.shares, *habitual
        )
        legs = _legs(boarded, day, chained, ends, found)
        return Alightings(legs, options.result(), _shares_frame(lines, chained.shares), found)


def _served(visits: pl.DataFrame, pattern_stops: pl.DataFrame, stops: pl.DataFrame, rules: ChainingRules) -> Ground:
    """What all riders find: stops, buses, and ways to walk."""
    lines = LineStops.of(pattern_stops, stops)
    return Ground(lines, TripTimes.of(visits, lines), Surroundings.of(lines, rules.walk_limit_m), rules.slack_s)


def _habitual(day: Day, chained: Chain, rules: HabitRules) -> tuple[Ints, Ints, Floats]:
    """Ride, call and probability of every stop ahead for the rides no other tap tells of, but other days do."""
    lines = day.lines
    rides = np.flatnonzero((chained.call < 0) & (day.own.total > 0))
    boarded = day.rides.call[rides]
    owner, call = spread(boarded + 1, lines.last[boarded] - boarded)
    share = chained.shares[lines.pair(boarded[owner], call)]
    own = day.own.rides_to(rides[owner], lines.stop[call], len(lines.x_m))
    chance = own + rules.strangers * share
    # a stop served twice has its habit counted at both of its calls
    return rides[owner], call, chance / tally(owner, chance, len(rides))[owner]


def _ends(day: Day, chained: Chain, habit_ride: Ints, habit_call: Ints, habit_chance: Floats) -> _Ends:
    lines = day.lines
    boarding, alighting = lines.pair_calls
    likeliest, most = np.full(len(lines.stop), -1), np.zeros(len(lines.stop))
    np.maximum.at(most, boarding, chained.shares)
    best = np.flatnonzero(chained.shares >= most[boarding])[::-1]
    likeliest[boarding[best]] = alighting[best]
    call = np.where(chained.call >= 0, chained.call, likeliest[day.rides.call])
    method = np.where(
        chained.call >= 0, np.where(chained.last, CHAINED_LAST, CHAINED), np.where(call >= 0, PROBABLE, NONE)
    )
    pair = lines.pair(day.rides.call, np.maximum(call, day.rides.call + 1))
    share = chained.shares[np.minimum(pair, len(chained.shares) - 1)] if len(chained.shares) else np.zeros(len(call))
    confidence = np.where(chained.call >= 0, chained.chance, np.where(call >= 0, share, 0.0))
    order = np.lexsort((-habit_call, habit_chance, habit_ride))
    named = habit_ride[order]
    call[named], confidence[named], method[named] = habit_call[order], habit_chance[order], HABIT
    return _Ends(call, method, confidence)


def _legs(boarded: pl.DataFrame, day: Day, chained: Chain, ends: _Ends, found: Inferred) -> pl.DataFrame:
    lines, ended = day.lines, ends.method != NONE
    call = np.where(ended, ends.call, 0)
    arrived = day.times.arrival_ms[np.where(ended, day.times.slot[day.rides.trip] + call, 0)]
    ends_in = np.where(chained.changes, 0, np.where(ends.method <= CHAINED_LAST, 1, 2))
    leg_id = boarded["leg_id"]
    return boarded.drop("visit").with_columns(
        _where(ended, lines.sequence(call)).alias("alighting_stop_sequence"),
        lines.stop_ids.gather(_where(ended, lines.stop[call].astype(np.uint32))).alias("alighting_stop_id"),
        _where(ended & (arrived < NEVER_MS), arrived).cast(pl.Datetime("ms", "UTC")).alias("alighted_at"),
        category("method", ends.method, METHODS),
        pl.Series("confidence", ends.confidence * boarded["boarding_confidence"].to_numpy()).clip(0.0, 1.0),
        leg_id.gather(found.journey).alias("journey_id"),
        pl.Series("leg_number", found.number),
        category("ends_in", ends_in, ("transfer", "destination", "unknown")),
    )


def _where(kept: Bools, values: npt.NDArray[Any]) -> pl.Series:
    """`values`, null where not `kept`."""
    series = pl.Series(values)
    return series if kept.all() else series.set(pl.Series(~kept), None)


def _options_frame(
    leg_id: pl.Series, lines: LineStops, chained: Chain, habitual: tuple[Ints, Ints, Floats]
) -> pl.DataFrame:
    parts = [likely(frozen(told.options), told.probability, LEAST_SHARE) for told in (chained.onward, chained.homeward)]
    kept = habitual[2] >= LEAST_SHARE
    habit_ride, habit_chance = habitual[0][kept], habitual[2][kept]
    total = tally(habit_ride, habit_chance, len(leg_id) if len(habit_ride) else 0)
    parts.append((habit_ride.astype(np.uint32), habitual[1][kept], habit_chance / total[habit_ride]))
    ride, call, chance = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pl.DataFrame(
        {
            "leg": ride,
            "leg_id": leg_id.gather(ride),
            "alighting_stop_sequence": lines.sequence(call),
            "alighting_stop_id": lines.stop_ids.gather(lines.stop[call]),
            "probability": chance,
        }
    )


def _shares_frame(lines: LineStops, shares: Floats) -> pl.DataFrame:
    boarding, alighting = lines.pair_calls
    return pl.DataFrame(
        {
            "pattern_id": lines.pattern_ids.gather(lines.pattern[boarding]),
            "boarding_stop_sequence": lines.sequence(boarding),
            "alighting_stop_sequence": lines.sequence(alighting),
            "stop_id": lines.stop_ids.gather(lines.stop[alighting]),
            "share": shares,
        }
    )
