"""Chains of a card's rides: which stop each ride probably ended at, and whether the rider changed there or stayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobility.alighting_shares import SharesRules, learned_shares
from mobility.habits import HabitRules, OwnRides
from mobility.journeys import TransferRules, transfers
from mobility.line_stops import Bools, Floats, Ints, LineStops
from mobility.ride_chain import Ground, Options, Rides, Surroundings, options
from mobility.tally import tally
from mobility.trip_times import TripTimes


@dataclass(frozen=True)
class ChainingRules:
    """`walk_limit_m`: straight line from the stop left to the next boarding; `slack_s`: so much later the bus may reach
    the stop than the walk leaves time for, as clocks differ; `access_s`: see Ground. `logits_s`: the one under which the next boardings are
    likeliest is taken (of two stops one of which is so much further, riders choose the nearer e times as often);
    `rounds` of expectation-maximisation; `sample`: rides enough to learn what holds for all; `least_far`: share of other
    cards' boardings that must lie beyond a distance for it to tell how many chains are broken."""

    walk_limit_m: float = 750.0
    slack_s: float = 60.0
    access_s: float = 150.0
    logits_s: tuple[float, ...] = (10.0, 20.0, 40.0, 80.0, 160.0)
    rounds: int = 3
    sample: int = 20_000
    least_far: float = 0.1


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
    ground = Ground(day.lines, day.times, around, rules.slack_s, rules.access_s)
    has_next = np.flatnonzero(rides.following >= 0)
    logit_s = _likeliest_logit(day, has_next, ground, rules)
    following = options(rides, has_next, rides.following[has_next], ground, logit_s)
    probability, believed = _believe(day, following, rules, sharing, habit)
    call, chance = _likeliest(following, probability, count)
    changes = transfers(rides, call, day.lines, day.times, changing)
    stayed = np.zeros(count, dtype=np.bool_)
    stayed[rides.first[(rides.following >= 0) & ~changes]] = True
    is_last = np.flatnonzero((rides.card >= 0) & (rides.following < 0) & stayed[rides.first])
    homeward = options(rides, is_last, rides.first[is_last], ground, logit_s)
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
    toward = day.rides.following[some]
    likelihoods = []
    for logit_s in rules.logits_s:
        among = options(day.rides, some, toward, ground, logit_s)
        seen = tally(among.ride, among.draw * day.prior[_pairs(day, among)], len(day.rides.call))
        likelihoods.append(float(np.log(seen[seen > 0]).sum()))
    return rules.logits_s[int(np.argmax(likelihoods))]


def _trust(day: Day, which: Ints, toward: Ints, ground: Ground, rules: ChainingRules) -> float:
    """Share of the chained rides whose chain holds.

    Where something untapped happened in between, the next boarding is as far from the ride as that of any other card.
    So broken chains are at most so many that they would explain all far boardings, whatever is called far."""
    some = _sampled(which, rules.sample)
    if not len(some):
        return 1.0

    def nearest_s(seen: Ints) -> Floats:
        among = options(day.rides, which[some], seen, ground, rules.logits_s[0])
        least_s = np.full(len(day.rides.call), np.inf)
        np.minimum.at(least_s, among.ride, among.walk_s)
        return least_s[which[some]]

    own_s, others_s = nearest_s(toward[some]), nearest_s(np.roll(toward[some], len(some) // 2))
    far_s = np.linspace(0.0, rules.walk_limit_m, 26)
    own, others = ((walks[:, None] > far_s).mean(axis=0) for walks in (own_s, others_s))
    told = others >= rules.least_far
    broken = min(1.0, float((own[told] / others[told]).min())) if told.any() else 0.0
    within = 1.0 - own[-1]
    return 1.0 - broken * (1.0 - others[-1]) / within if within > 0 else 1.0
