"""Where riders who only tap on got off, where the order of taps is not known either: a posterior over places.

For each boarding: prior (alighting_prior) x likelihood of the card's other taps (tap_evidence), summed over the orders
in which they may have been made (tap_order). What the likelihood needs (how far people walk to the next tap by kind of
tap and mode, how often something happened in between that no tap tells of, how counters go on) is learned from the same
taps by expectation-maximisation (Dempster et al. 1977). The answer is the place with the most probability within 400 m,
and that probability is its confidence.

Two shares are not learned, as terminals hide them (where nearly all ride to one place and back, coming back there is no
evidence): nine of ten riders start the next trip where they left, and nine of ten end the day where they began it
(travel diaries: Barry et al. 2002). Both include trips of which one end was not tapped, which the model has apart and
finds about one in twenty, which leaves `returns` = 0.95 of the rest, chosen over 0.90 by its score on one half of
the SUBE cards (docs/mobility.md). Of a boarding of the line that does not follow directly, half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import dataframely as dy
import numpy as np
import polars as pl

from mobility.alighting_prior import DESTINATION, TRANSFER, AlightingPrior, PriorRules
from mobility.card_taps import CardTaps, Floats, Ints, card_taps
from mobility.geometry import Projection
from mobility.likeliest_place import likeliest_places
from mobility.line_places import LAYOUTS_M, LinePlaces, line_places
from mobility.schemas import ProbableAlighting
from mobility.tally import tally
from mobility.tap_evidence import COUNTER_STEPS, HOME, KINDS, NONE, Evidence, Rides, evidence_of, rides_of
from mobility.tap_order import Links, link_weights, links_of

# Taps believed in before any is seen, by class of distance: a short walk is the rule, and nothing is impossible.
NEAREST_TAPS: Final = (2.0, 1.0, 0.5, 0.3)
FURTHER_TAPS: Final = 0.2
FIRST_COUNTER: Final = np.tile([0.5, 0.35, 0.05, 0.05, 0.05, 1.0], COUNTER_STEPS // 6)
NEAR_CLASSES: Final = 3  # up to 500 m: the same place for a boarding of the same line
BREAK_TAPS: Final = 10.0


@dataclass(frozen=True)
class PosteriorRules:
    """`rounds` of expectation-maximisation; `returns`, `returns_home`, `returns_later`: see above; `breaks`: share of
    steps between which something was not tapped, before any is seen."""

    rounds: int = 12
    returns: float = 0.95
    returns_home: float = 0.9
    returns_later: float = 0.5
    breaks: float = 0.05
    prior: PriorRules = field(default_factory=PriorRules)


DEFAULT = PosteriorRules()


def probable_alightings(
    boardings: pl.DataFrame,
    shapes: pl.DataFrame,
    rules: PosteriorRules = DEFAULT,
    progress: Callable[[float], None] = lambda share: None,
) -> dy.DataFrame[ProbableAlighting]:
    """The likeliest alighting of every boarding. `boardings`: TapOn; `shapes`: line, longitude, latitude: points along
    the paths, may be empty. Returns ProbableAlighting, in the order of `boardings`. `progress` is told the share
    done."""
    known = boardings.filter(pl.col("latitude").is_not_null())
    projection = Projection.around(known["longitude"], known["latitude"])
    taps = card_taps(boardings, projection)
    paths = projection.project(shapes, "longitude", "latitude")
    links = links_of(taps)
    believed: list[Floats] = []
    for number, edges_m in enumerate(LAYOUTS_M):
        places = line_places(taps, paths, edges_m)
        rides = rides_of(taps, places)
        model = _Model(taps, places, links, rides, evidence_of(taps, places, links, rides), rules)
        for done in range(rules.rounds):
            model.turn()
            progress((number + (done + 1) / rules.rounds) / len(LAYOUTS_M))
        believed.append(model.posterior)
    legs = likeliest_places(taps, places, rides, np.mean(believed, axis=0))
    return ProbableAlighting.validate(legs)


class _Model:
    """Expectation-maximisation over the places of all rides; `posterior` is what is believed after the last turn."""

    def __init__(
        self, taps: CardTaps, places: LinePlaces, links: Links, rides: Rides, evidence: Evidence, rules: PosteriorRules
    ) -> None:
        kinds = KINDS * len(taps.modes)
        self._taps, self._links, self._rides, self._evidence, self._rules = taps, links, rides, evidence, rules
        self._prior = AlightingPrior(taps, places, rides, rules.prior)
        believed = np.full(places.classes, FURTHER_TAPS)
        believed[: len(NEAREST_TAPS)] = NEAREST_TAPS
        self._believed_taps = believed
        self._walk = np.tile(believed / believed.sum(), (kinds, 1))
        self._apart = self._walk.copy()
        self._again = self._walk.copy()
        self._breaks = np.full(kinds, rules.breaks)
        self._counter = FIRST_COUNTER
        self._linked = np.zeros(taps.count, dtype=bool)
        self._linked[links.origin] = True
        self._ended: tuple[Floats, Floats] | None = None
        self.posterior = np.zeros(len(rides.tap))

    def turn(self) -> None:
        """One expectation and one maximisation."""
        seen, count = self._evidence, len(self._links.origin)
        prior = self._prior.shares(self._ended)
        row_kind = seen.kind[seen.link]
        walked = (1.0 - self._breaks[row_kind]) * self._walk[row_kind, seen.near] / seen.near_share
        broken = self._breaks[seen.kind] * self._apart[seen.kind, seen.around] / seen.around_share
        likely = walked + broken[seen.link]
        expected = np.where(seen.transfer[seen.link], prior[TRANSFER][seen.ride], prior[DESTINATION][seen.ride])
        reached = tally(seen.link, expected * likely, count)
        again = np.where(seen.again == NONE, 1.0, self._again[row_kind, seen.again] / seen.again_share)
        joint = expected * likely * again
        score = np.log(np.maximum(reached * seen.there, 1e-300))
        score += np.where(self._links.home, 0.0, np.log(self._counter[seen.counter]))
        weight = link_weights(self._links, score)
        scale = weight / np.maximum(tally(seen.link, joint, count), 1e-300)
        believed = joint * scale[seen.link]
        self._believe(believed, prior[DESTINATION])
        self._maximise(believed, believed * walked / likely, weight)

    def _believe(self, believed: Floats, alone: Floats) -> None:
        """Take the rows' beliefs as the rides' posterior; a tap without any other of its card follows the prior."""
        seen, rides = self._evidence, self._rides
        posterior = tally(seen.ride, believed, len(rides.tap))
        posterior = np.where(self._linked[rides.tap], posterior, alone)
        changing = tally(seen.ride, believed * seen.transfer[seen.link], len(rides.tap))
        self.posterior = posterior
        self._ended = (np.maximum(posterior - changing, 0.0), changing)
        self._prior.learn(self._ended)

    def _maximise(self, believed: Floats, walked: Floats, weight: Floats) -> None:
        seen, rules = self._evidence, self._rules
        kinds = len(self._walk)
        row_kind = seen.kind[seen.link]
        broken = np.maximum(tally(seen.link, believed - walked, len(seen.kind)), 0.0)
        steps = tally(seen.kind, weight, kinds)
        self._breaks = (tally(seen.kind, broken, kinds) + rules.breaks * BREAK_TAPS) / (steps + BREAK_TAPS)
        self._walk = self._classes(row_kind, seen.near, walked)
        self._apart = self._classes(seen.kind, seen.around, broken)
        there = seen.again != NONE
        self._again = self._classes(row_kind[there], seen.again[there], believed[there])
        same = np.arange(kinds) % 2 == 1
        home = np.arange(kinds) % KINDS // 2 >= HOME
        self._walk[same] = _held(self._walk[same], np.full(int(same.sum()), rules.returns))
        self._again = _held(self._again, np.where(home & ~same, rules.returns_home, rules.returns_later))
        steps_taken = ~self._links.home
        counted = tally(seen.counter[steps_taken], weight[steps_taken], COUNTER_STEPS) + 0.5
        table = counted.reshape(-1, 6)
        table[:, :5] /= table[:, :5].sum(axis=1, keepdims=True)
        table[:, 5] = 1.0
        self._counter = table.ravel()

    def _classes(self, kind: Ints, distance: Ints, weight: Floats) -> Floats:
        """Share of each class of distance, a row a kind."""
        kinds, classes = len(self._breaks), len(self._believed_taps)
        counted = tally(kind * classes + distance, weight, kinds * classes).reshape(kinds, classes)
        counted += self._believed_taps
        shares: Floats = counted / counted.sum(axis=1, keepdims=True)
        return shares


def _held(shares: Floats, near: Floats) -> Floats:
    """The shares with those of the near classes scaled to sum to `near`, and the others to the rest."""
    held = shares.copy()
    held[:, :NEAR_CLASSES] *= (near / held[:, :NEAR_CLASSES].sum(axis=1))[:, None]
    held[:, NEAR_CLASSES:] *= ((1.0 - near) / held[:, NEAR_CLASSES:].sum(axis=1))[:, None]
    return held
