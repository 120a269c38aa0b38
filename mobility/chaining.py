"""Chains of a card's rides: which stop each ride probably ended at, and whether the rider changed there or stayed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mobility.alighting_shares import SharesRules, chance_told, learned_shares, untold_shares
from mobility.batches import frozen, in_batches
from mobility.habits import HabitRules, OwnRides
from mobility.journeys import TransferRules, transfers
from mobility.line_stops import Bools, Floats, Ints, LineStops
from mobility.ride_chain import Candidates, Ground, Rides, WayRules, Ways
from mobility.ride_options import Options, Rode, likeliest, riders_of_pairs, weigh
from mobility.tally import tally
from mobility.trip_times import TripTimes

BATCH_OPTIONS = 500_000


@dataclass(frozen=True)
class ChainingRules:
    """`walk_limit_m`: straight line from the stop left to the next boarding; `slack_s`: so much later the bus may reach
    the stop than the walk leaves time for, as clocks differ. `logits_s`: the one under which the next boardings are
    likeliest is taken (of two stops one of which is so much further, riders choose the nearer e times as often), where
    few rides tell little and each octave from `usual_logit_s` counts against it; `rounds` of expectation-maximisation;
    `sample`: rides enough to learn what holds for all; `least_far`: share of other cards' boardings that must lie
    beyond a distance for it to tell how many chains are broken; `trust`: share of chains thought to hold before any is
    seen, worth `trust_rides` rides."""

    walk_limit_m: float = 750.0
    slack_s: float = 60.0
    ways: WayRules = field(default_factory=WayRules)
    logits_s: tuple[float, ...] = (10.0, 20.0, 40.0, 80.0, 160.0)
    usual_logit_s: float = 20.0
    nats_an_octave: float = 5.0
    rounds: int = 3
    sample: int = 5_000
    least_far: float = 0.1
    trust: float = 0.95
    trust_rides: float = 100.0


@dataclass(frozen=True)
class Day:
    """A service day's rides and all that tells of where they ended. `party`: riders of each ride; `prior`: share of
    each pair of calls before any alighting is known."""

    rides: Rides
    lines: LineStops
    times: TripTimes
    own: OwnRides
    party: Floats
    prior: Floats

    @property
    def rode(self) -> Rode:
        """What compiled steps need of it."""
        return frozen(Rode(self.rides.call, self.party, self.lines.first_pair))


@dataclass(frozen=True)
class Told:
    """Where rides may have ended, with the `probability` of each option."""

    options: Options
    probability: Floats


@dataclass(frozen=True)
class Chain:
    """Rides told by other taps: by the card's next one (`onward`) or by its first of the day (`homeward`). `call`: the
    likeliest of each ride, or -1; `chance`: its probability, with that of a broken chain; `last`: told by the first
    boarding of the day; `changes`: ends in a transfer; `shares`: of each pair of calls, among riders whom no tap tells
    of."""

    onward: Told
    homeward: Told
    call: Ints
    chance: Floats
    last: Bools
    changes: Bools
    shares: Floats


def chain(
    day: Day,
    ground: Ground,
    rules: ChainingRules,
    sharing: SharesRules,
    habit: HabitRules,
    changing: TransferRules,
) -> Chain:
    """Chain the rides of a day."""
    rides, count = day.rides, len(day.rides.call)
    has_next = np.flatnonzero(rides.following >= 0)
    ways = _likeliest_ways(day, has_next, ground, rules)
    ahead = _options(day, Candidates.of(rides, has_next, rides.following[has_next], ground), ways)
    onward, believed = _believe(day, ahead, ways, rules, sharing, habit)
    call, chance = _likeliest(onward, count)
    changes = transfers(rides, call, day.lines, day.times, changing)
    stayed = np.zeros(count, dtype=np.bool_)
    stayed[rides.first[(rides.following >= 0) & ~changes]] = True
    is_last = np.flatnonzero((rides.card >= 0) & (rides.following < 0) & stayed[rides.first])
    back = _options(day, Candidates.of(rides, is_last, rides.first[is_last], ground), ways)
    homeward = _weighed(day, back, believed, habit)[0]
    home_call, home_chance = _likeliest(homeward, count)
    last = home_call >= 0
    made = _riders(day, onward, ~changes) + _riders(day, homeward, ~changes)
    staying = float(day.party[~changes].sum())
    seen = chance_told(made, staying, ways.boards_near, day.lines)
    shares = learned_shares(made, seen, day.prior, day.lines, sharing)
    return Chain(
        onward,
        homeward,
        np.where(last, home_call, call),
        np.where(
            last,
            home_chance * _trust(day, is_last, rides.first[is_last], ground, rules),
            chance * _trust(day, has_next, rides.following[has_next], ground, rules),
        ),
        last,
        changes,
        untold_shares(shares, seen, day.lines),
    )


def _options(day: Day, among: Candidates, ways: Ways) -> Options:
    """The candidates as options, with how often the card's rider left there on other days."""
    options = among.options(ways)
    if not len(day.own.key):
        return options
    return options._replace(own=day.own.rides_to(among.owner, day.lines.stop[options.call], len(day.lines.x_m)))


def _weighed(day: Day, options: Options, shares: Floats, habit: HabitRules) -> tuple[Told, Floats]:
    """How likely each option is for its rider, who follows `shares` and habits, given the next tap; and the riders of
    each pair of calls that go with it."""
    probability = np.empty(len(options.call))
    arguments = frozen(options), day.rode, shares, habit.strangers, probability
    made = in_batches(weigh, options.first, BATCH_OPTIONS, *arguments)
    return Told(options, probability), np.sum([np.zeros(len(shares)), *made], axis=0)


def _riders(day: Day, told: Told, counted: Bools) -> Floats:
    """Riders of each pair of calls, of the rides that are `counted`."""
    pairs = len(day.prior)
    arguments = frozen(told.options), day.rode, pairs, counted, told.probability
    made = in_batches(riders_of_pairs, told.options.first, BATCH_OPTIONS, *arguments)
    total: Floats = np.sum([np.zeros(pairs), *made], axis=0)
    return total


def _believe(
    day: Day, among: Options, ways: Ways, rules: ChainingRules, sharing: SharesRules, habit: HabitRules
) -> tuple[Told, Floats]:
    """Probability of each option, and the shares of pairs that go with it."""
    shares, riders = day.prior, float(day.party.sum())
    told, made = _weighed(day, among, shares, habit)
    for _ in range(rules.rounds):
        seen = chance_told(made, riders, ways.boards_near, day.lines)
        shares = learned_shares(made, seen, day.prior, day.lines, sharing)
        told, made = _weighed(day, among, shares, habit)
    return told, shares


def _likeliest(told: Told, count: int) -> tuple[Ints, Floats]:
    """Call and probability of each ride's likeliest option; -1 and 0 for rides without."""
    call, chance = np.full(count, -1), np.zeros(count)
    in_batches(likeliest, told.options.first, BATCH_OPTIONS, frozen(told.options), told.probability, call, chance)
    return call, chance


def _sampled(which: Ints, most: int) -> Ints:
    """Evenly spread places of at most `most` of them."""
    return np.unique(np.linspace(0, len(which) - 1, min(most, len(which))).astype(np.int64)) if len(which) else which


def _likeliest_ways(day: Day, which: Ints, ground: Ground, rules: ChainingRules) -> Ways:
    """Ways on with the scale of walks under which the boardings that followed are likeliest."""
    some = which[_sampled(which, rules.sample)]
    among = Candidates.of(day.rides, some, day.rides.following[some], ground)
    boarded = np.repeat(day.rides.call[among.ride], np.diff(among.first))
    riders = tally(day.rides.call, day.party, len(day.lines.stop))
    best, most = None, -np.inf
    for logit_s in rules.logits_s:
        ways = ground.around.ways(day.lines, riders, rules.ways, logit_s)
        options = among.options(ways)
        expected = options.draw * day.prior[day.lines.pair(boarded, options.call)]
        seen = np.add.reduceat(expected, among.first[:-1]) if len(expected) else expected
        unusual = abs(np.log2(logit_s / rules.usual_logit_s))
        likelihood = float(np.log(seen[seen > 0]).sum() - rules.nats_an_octave * unusual)
        if best is None or likelihood > most:
            best, most = ways, likelihood
    assert best is not None
    return best


def _trust(day: Day, which: Ints, toward: Ints, ground: Ground, rules: ChainingRules) -> float:
    """Share of the chained rides whose chain holds.

    Where something untapped happened in between, the next boarding is as far from the ride as that of any other card.
    So broken chains are at most so many that they would explain all far boardings, whatever is called far."""
    some = _sampled(which, rules.sample)
    if not len(some):
        return 1.0
    rides, seen = which[some], toward[some]
    own_s, others_s = (
        Candidates.of(day.rides, rides, next_seen, ground).nearest_s(rides)
        for next_seen in (seen, np.roll(seen, len(some) // 2))
    )
    far_s = np.linspace(0.0, rules.walk_limit_m, 26)
    own, others = ((walks[:, None] > far_s).mean(axis=0) for walks in (own_s, others_s))
    told = others >= rules.least_far
    broken = min(1.0, float((own[told] / others[told]).min())) if told.any() else 0.0
    within = 1.0 - own[-1]
    found = max(0.0, 1.0 - broken * (1.0 - others[-1]) / within) if within > 0 else 0.0
    told_by = len(some) / (len(some) + rules.trust_rides)
    return told_by * found + (1.0 - told_by) * rules.trust
