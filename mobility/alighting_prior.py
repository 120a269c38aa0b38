"""Where riders of a line get off before anything is known of the next tap, learned from all other cards' rides.

Flows are much the same there and back (Hora et al. 2017): a place draws those who leave for good as it sends those who
begin a journey there, and those who change as it sends those who come from another line. Rides between the same two
places, either way, are counted on top (a Dirichlet prior of `prior_rides`). What a card itself did never speaks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mobility.card_taps import CardTaps, Floats, Ints
from mobility.line_places import LinePlaces
from mobility.tally import tally
from mobility.tap_evidence import Rides

RIDE_M: Final = np.array([400.0, 1000.0, 2000.0, 4000.0, 7000.0, 12000.0, 20000.0, 35000.0])
# Hours at which the day's first and last third begin: people leave at other places in the morning than at night.
DAY_THIRDS_H: Final = np.array([10.0, 15.0])
SMOOTHING_RIDES: Final = 5.0
DESTINATION, TRANSFER = 0, 1


@dataclass(frozen=True)
class PriorRules:
    """`prior_rides`: rides that count as much as the draw of the places alone; `other_end`: what a ride that ends in a
    transfer tells of those that end at a destination, and the other way."""

    prior_rides: float = 30.0
    other_end: float = 0.3


class AlightingPrior:
    """Probability of each place for each ride, for rides that end at a destination and rides that end in a transfer."""

    def __init__(self, taps: CardTaps, places: LinePlaces, rides: Rides, rules: PriorRules) -> None:
        self._taps, self._places, self._rides, self._rules = taps, places, rides, rules
        away = np.hypot(*(places.xy[rides.place] - taps.xy[rides.tap]).T)
        self._ridden = np.searchsorted(RIDE_M, away, side="right") + (len(RIDE_M) + 1) * taps.mode[rides.tap]
        self._ridden_classes = (len(RIDE_M) + 1) * len(taps.modes)
        self._third = np.searchsorted(DAY_THIRDS_H, taps.at_h % 24.0, side="right")[rides.tap]
        self._pair, self._back, self._pairs = _pairs(taps, places, rides)
        self._liking = np.ones((2, self._ridden_classes))
        self._draw = [np.zeros(0), np.zeros(0)]
        begun = [taps.fresh, ~taps.fresh]
        self._boarded = [tally(places.own, one, len(places.xy)) for one in begun]
        self._begun = [np.where(one, 1.0, rules.other_end)[rides.tap] for one in begun]

    def shares(self, ended: tuple[Floats, Floats] | None) -> tuple[Floats, Floats]:
        """Prior of every ride's places, for (destination, transfer). `ended`: what is believed of every ride so far, by
        how it ends; None before the first round."""
        return self._share(DESTINATION, ended), self._share(TRANSFER, ended)

    def learn(self, ended: tuple[Floats, Floats]) -> None:
        """Learn how far people ride, in relation to what lies at that distance."""
        for end in (DESTINATION, TRANSFER):
            riders = tally(self._rides.tap, ended[end], self._taps.count)
            offered = self._by_ride(self._draw[end] / self._liking[end][self._ridden]) * riders[self._rides.tap]
            ridden = tally(self._ridden, ended[end], self._ridden_classes)
            expected = tally(self._ridden, offered, self._ridden_classes)
            self._liking[end] = (ridden + SMOOTHING_RIDES) / (expected + SMOOTHING_RIDES)

    def _share(self, end: int, ended: tuple[Floats, Floats] | None) -> Floats:
        rides, rules = self._rides, self._rules
        weight = self._boarding_draw(end)
        mine: Floats | None = None
        if ended is not None:
            mine = ended[end] + rules.other_end * ended[1 - end]
            weight = 0.5 * weight + self._alighting_draw(mine)
        weight = np.maximum(weight, 0.0) + self._places.pseudo[rides.place]
        draw = self._by_ride(weight * self._liking[end][self._ridden] * ~rides.here)
        self._draw[end] = draw
        if ended is None or mine is None:
            return draw
        counted = self._ridden_pairs(mine, (ended[0] + ended[1]) * self._begun[end])
        return self._by_ride((counted + rules.prior_rides * draw) * ~rides.here)

    def _boarding_draw(self, end: int) -> Floats:
        """Other riders who board at each place."""
        place, other = self._rides.place, self._rules.other_end
        itself = (place == self._places.own[self._rides.tap]) * self._begun[end]
        draw: Floats = self._boarded[end][place] + other * self._boarded[1 - end][place] - itself
        return draw

    def _alighting_draw(self, mine: Floats) -> Floats:
        """Other rides that are believed to end at each place, those of the same third of the day counted more."""
        place, count = self._rides.place, len(self._places.xy)
        whole_day = tally(place, mine, count)[place]
        same_third = tally(self._third * count + place, mine, 3 * count)[self._third * count + place]
        draw: Floats = same_third + 0.5 * whole_day - 1.5 * mine
        return draw

    def _ridden_pairs(self, there: Floats, back: Floats) -> Floats:
        """Other cards' rides between where each ride began and each place, either way."""
        counted = tally(self._pair, there, self._pairs)[self._pair] - there
        counted += tally(self._pair, back, self._pairs)[self._back]
        twin = self._rides.twin
        counted -= tally(twin[:, 0], back[twin[:, 1]], len(back))
        return np.maximum(counted, 0.0)

    def _by_ride(self, weight: Floats) -> Floats:
        """Weights scaled so that those of one ride sum to 1."""
        total = tally(self._rides.tap, weight, self._taps.count)
        scaled: Floats = weight / np.maximum(total, 1e-300)[self._rides.tap]
        return scaled


def _pairs(taps: CardTaps, places: LinePlaces, rides: Rides) -> tuple[Ints, Ints, int]:
    """A number for (place of boarding, place) of every ride, that of the way back, and how many numbers there are."""
    size = np.diff(places.start)
    offset = np.concatenate([[0], np.cumsum(size * size)])
    line = taps.line[rides.tap]
    here = places.own[rides.tap] - places.start[line]
    there = rides.place - places.start[line]
    base = offset[line]
    return base + here * size[line] + there, base + there * size[line] + here, int(offset[-1])
