"""Chains of a card's rides: which stop each ride probably ended at, and whether the rider changed there or stayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobility.alighting_shares import SharesRules, learned_shares
from mobility.habits import HabitRules, OwnRides
from mobility.journeys import TransferRules, transfers
from mobility.line_stops import Bools, Floats, Ints, LineStops
from mobility.ride_chain import Candidates, Ground, Options, Rides, Surroundings
from mobility.tally import tally
from mobility.trip_times import TripTimes


@dataclass(frozen=True)
class ChainingRules:
    """`walk_limit_m`: straight line from the stop left to the next boarding; `slack_s`: so much later the bus may reach
    the stop than the walk leaves time for, as clocks differ; `access_s`: a line whose nearest stop is so much further a
    walk is taken e times less often. `logits_s`: the one under which the next boardings are likeliest is taken (of two
    stops one of which is so much further, riders choose the nearer e times as often), where few rides tell little and
    each octave from `usual_logit_s` counts against it; `rounds` of expectation-maximisation; `sample`: rides enough to
    learn what holds for all; `least_far`: share of other cards' boardings that must lie beyond a distance for it to
    tell how many chains are broken; `trust`: share of chains thought to hold before any is seen, worth `trust_rides`
    rides."""

    walk_limit_m: float = 750.0
    slack_s: float = 60.0
    access_s: float = 150.0
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


@dataclass(frozen=True)
class Chain:
    """Rides told by other taps. `options` with the `probability` of each; `call`: the likeliest of each ride, or -1;
    `chance`: its probability, with that of a broken chain; `last`: told by the day's first boarding; `changes`: ends in
    a transfer; `shares`: of each pair of calls, among rides that end at a destination."""

    options: Options
    probability: Floats
    call: Ints
    chance: Floats
    last: Bools
    changes: Bools
    shares: Floats


def chain(day: Day, rules: ChainingRules, sharing: SharesRules, habit: HabitRules, changing: TransferRules) -> Chain:
    """Chain the rides of a day."""
    rides, count = day.rides, len(day.rides.call)
    around = Surroundings.of(day.lines, rules.walk_limit_m)
    ground = Ground(day.lines, day.times, around, rules.slack_s)
    has_next = np.flatnonzero(rides.following >= 0)
    logit_s = _likeliest_logit(day, has_next, ground, rules)
    ahead = Candidates.of(rides, has_next, rides.following[has_next], ground)
    following = ahead.options(logit_s, rules.access_s)
    probability, believed = _believe(day, following, rules, sharing, habit)
    call, chance = _likeliest(following, probability, count)
    changes = transfers(rides, call, day.lines, day.times, changing)
    stayed = np.zeros(count, dtype=np.bool_)
    stayed[rides.first[(rides.following >= 0) & ~changes]] = True
    is_last = np.flatnonzero((rides.card >= 0) & (rides.following < 0) & stayed[rides.first])
    back = Candidates.of(rides, is_last, rides.first[is_last], ground)
    homeward = back.options(logit_s, rules.access_s)
    home = homeward.shares(homeward.draw * _expected(day, homeward, believed, habit))
    home_call, home_chance = _likeliest(homeward, home, count)
    last = home_call >= 0
    both = Options.joined(following, homeward)
    all_probability = np.concatenate([probability, home])
    arrived = ~changes[both.ride]
    return Chain(
        both,
        all_probability,
        np.where(last, home_call, call),
        np.where(
            last,
            home_chance * _trust(day, is_last, rides.first[is_last], ground, rules),
            chance * _trust(day, has_next, rides.following[has_next], ground, rules),
        ),
        last,
        changes,
        _learn(day, both, np.where(arrived, all_probability, 0.0), sharing),
    )


def _pairs(day: Day, among: Options) -> Ints:
    return day.lines.pair(day.rides.call[among.ride], among.call)


def _expected(day: Day, among: Options, shares: Floats, habit: HabitRules) -> Floats:
    """How likely each option is for its rider, whatever the next tap says."""
    share = shares[_pairs(day, among)]
    return day.own.posterior(among.ride, day.lines.stop[among.call], share, len(day.lines.x_m), habit)


def _learn(day: Day, among: Options, probability: Floats, sharing: SharesRules) -> Floats:
    made = tally(_pairs(day, among), probability * day.party[among.ride], len(day.prior))
    return learned_shares(made, day.prior, day.lines, sharing)


def _believe(
    day: Day, among: Options, rules: ChainingRules, sharing: SharesRules, habit: HabitRules
) -> tuple[Floats, Floats]:
    """Probability of each option, and the shares of pairs that go with it."""
    shares = day.prior
    probability = among.shares(among.draw * _expected(day, among, shares, habit))
    for _ in range(rules.rounds):
        shares = _learn(day, among, probability, sharing)
        probability = among.shares(among.draw * _expected(day, among, shares, habit))
    return probability, shares


def _likeliest(among: Options, probability: Floats, count: int) -> tuple[Ints, Floats]:
    """Call and probability of each ride's likeliest option (the earliest of equals); -1 and 0 for rides without."""
    call, chance = np.full(count, -1), np.zeros(count)
    np.maximum.at(chance, among.ride, probability)
    best = np.flatnonzero(probability >= chance[among.ride])[::-1]
    call[among.ride[best]] = among.call[best]
    return call, chance


def _sampled(which: Ints, most: int) -> Ints:
    """Evenly spread places of at most `most` of them."""
    return np.unique(np.linspace(0, len(which) - 1, min(most, len(which))).astype(np.int64)) if len(which) else which


def _likeliest_logit(day: Day, which: Ints, ground: Ground, rules: ChainingRules) -> float:
    """The scale of walks under which the boardings that followed are likeliest."""
    some = which[_sampled(which, rules.sample)]
    among = Candidates.of(day.rides, some, day.rides.following[some], ground)
    likelihoods = []
    for logit_s in rules.logits_s:
        options = among.options(logit_s, rules.access_s)
        expected = options.draw * day.prior[_pairs(day, options)]
        seen = np.bincount(options.ride, weights=expected)
        unusual = abs(np.log2(logit_s / rules.usual_logit_s))
        likelihoods.append(float(np.log(seen[seen > 0]).sum() - rules.nats_an_octave * unusual))
    return rules.logits_s[int(np.argmax(likelihoods))]


def _trust(day: Day, which: Ints, toward: Ints, ground: Ground, rules: ChainingRules) -> float:
    """Share of the chained rides whose chain holds.

    Where something untapped happened in between, the next boarding is as far from the ride as that of any other card.
    So broken chains are at most so many that they would explain all far boardings, whatever is called far."""
    some = _sampled(which, rules.sample)
    if not len(some):
        return 1.0

    def nearest_s(seen: Ints) -> Floats:
        among = Candidates.of(day.rides, which[some], seen, ground)
        least_s = np.full(len(day.rides.call), np.inf)
        np.minimum.at(least_s, among.ride, among.cells.walk_s[among.entry])
        return least_s[which[some]]

    own_s, others_s = nearest_s(toward[some]), nearest_s(np.roll(toward[some], len(some) // 2))
    far_s = np.linspace(0.0, rules.walk_limit_m, 26)
    own, others = ((walks[:, None] > far_s).mean(axis=0) for walks in (own_s, others_s))
    told = others >= rules.least_far
    broken = min(1.0, float((own[told] / others[told]).min())) if told.any() else 0.0
    within = 1.0 - own[-1]
    found = max(0.0, 1.0 - broken * (1.0 - others[-1]) / within) if within > 0 else 0.0
    told_by = len(some) / (len(some) + rules.trust_rides)
    return told_by * found + (1.0 - told_by) * rules.trust
