"""Where riders of whom nothing more is known get off: a share for every stop ahead.

Learned from the chained rides of the same pattern and boarding stop, smoothed by a prior (Dirichlet, so the posterior
mean is a weighted mean of both). The prior holds that flows are much the same there and back (Hora et al. 2017): a stop
draws riders in proportion to those who board around it towards where these came from, on top of a base all stops have,
damped for rides so short that people walk them. Riders whom no tap tells of are not like those whom one does: who
leaves where little can be boarded is seldom seen again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobility.line_stops import Floats, Ints, LineStops
from mobility.tally import tally

# Some always do not come back; and what is seen of a stop is never believed to be less than a tenth.
LEAST_TOLD, MOST_TOLD = 0.1, 0.9
BISECTIONS = 40


@dataclass(frozen=True)
class SharesRules:
    """`prior_rides`: how many chained rides the prior weighs; `base`: what a stop draws where nobody rides the other
    way, in units of the mean return flow; `zone_m`: stops this near are one place; `short_ride_m`: half of those who
    could ride this far walk instead."""

    prior_rides: float = 30.0
    base: float = 4.0
    zone_m: float = 300.0
    short_ride_m: float = 400.0


def prior_shares(riders: Floats, lines: LineStops, rules: SharesRules) -> Floats:
    """Share of each pair of calls before any alighting is known, summing to 1 for each boarding call that has stops
    ahead. `riders`: who boarded at each call."""
    boarding, alighting = lines.pair_calls
    willing = 1.0 - np.exp2(-np.maximum(lines.path_m[alighting] - lines.path_m[boarding], 1.0) / rules.short_ride_m)
    returning = _return_flows(riders, lines, rules)
    mean = _sums(returning, boarding, lines) / np.maximum(1, lines.last - np.arange(len(lines.stop)))
    return _shared((returning / np.maximum(mean, 1.0)[boarding] + rules.base) * willing, boarding, lines)


def chance_told(told: Floats, riders: float, boards_near: Floats, lines: LineStops) -> Floats:
    """How likely a tap tells of who rides between each pair of calls; `riders` are all, `told` the rides told of each
    pair.

    Who leaves where little can be boarded seldom taps near there again (data not missing at random: Little & Rubin
    2019, chapter 15). Of those who leave at a stop so many are told as board near it (`boards_near`, by stop), times
    the one factor under which the told ones stand for as many riders as there are."""
    go_on = boards_near[lines.stop[lines.pair_calls[1]]]
    low, high = 0.0, MOST_TOLD / max(float(go_on.max(initial=0.0)), LEAST_TOLD) / LEAST_TOLD
    for _ in range(BISECTIONS):
        factor = (low + high) / 2
        stand_for = float((told / np.clip(factor * go_on, LEAST_TOLD, MOST_TOLD)).sum())
        low, high = (factor, high) if stand_for > riders else (low, factor)
    return np.clip(high * go_on, LEAST_TOLD, MOST_TOLD)


def learned_shares(told: Floats, seen: Floats, prior: Floats, lines: LineStops, rules: SharesRules) -> Floats:
    """Share of each pair of calls among all riders, from the rides believed to be `told` of each, how likely they are
    to be (`seen`), and the shares held before, which weigh as many riders as stand behind `prior_rides` told ones."""
    boarding = lines.pair_calls[0]
    usual = _sums(prior * seen, boarding, lines)[boarding]
    return _shared(told / seen + rules.prior_rides / usual * prior, boarding, lines)


def untold_shares(shares: Floats, seen: Floats, lines: LineStops) -> Floats:
    """Share of each pair of calls among the riders whom no tap tells of."""
    return _shared(shares * (1.0 - seen), lines.pair_calls[0], lines)


def _shared(weight: Floats, boarding: Ints, lines: LineStops) -> Floats:
    return weight / _sums(weight, boarding, lines)[boarding]


def _sums(weight: Floats, boarding: Ints, lines: LineStops) -> Floats:
    return tally(boarding, weight, len(lines.stop))


def _return_flows(riders: Floats, lines: LineStops, rules: SharesRules) -> Floats:
    """For each pair, the riders who boarded around its alighting stop a bus on to around its boarding stop."""
    boarding, alighting = lines.pair_calls
    square = np.floor(np.stack([lines.x_m, lines.y_m]) / rules.zone_m).astype(np.int64)
    zone = np.unique(square, axis=1, return_inverse=True)[1].reshape(-1)[lines.stop]
    zones = len(lines.stop) + 1
    # a bus that serves several stops of a zone still offers one way there
    once = np.unique(boarding * zones + zone[alighting], return_index=True)[1]
    way = zone[boarding] * zones + zone[alighting]
    ways, place = np.unique(way[once], return_inverse=True)
    flow = tally(place.astype(np.int64), riders[boarding[once]], len(ways))
    back = zone[alighting] * zones + zone[boarding]
    found = np.minimum(np.searchsorted(ways, back), max(0, len(ways) - 1))
    return np.where(ways[found] == back, flow[found], 0.0) if len(ways) else np.zeros(len(boarding))
