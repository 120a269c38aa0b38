"""What a search by simulation tries next: timings of other solutions, random changes, what has paid put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from optimiser.signals import Network
from sumo_networks.exchanges import exchanges
from sumo_networks.measure import RunMeasures
from sumo_networks.moves import Dice, Freedom, Pressure, again, draw_group_shift, draw_move
from sumo_networks.prices import Prices
from sumo_networks.race import Timings
from sumo_networks.starts import Incumbent
from sumo_networks.timings import Timing

# A candidate changes one to so many junctions, or to half of them where there are more.
MOST_MOVES: Final = 3
# So often a candidate begins with junctions that are shifted together.
SHIFTS_SHARE: Final = 0.2
# Every so many turns single junctions are tried as other solutions have them; after the first time those alone that
# lost least by then, so many times a batch.
EXCHANGE_EVERY: Final = 5
SECOND_LOOK: Final = 2
# What a place holds back is tried again with up to so many changes at its own junctions.
MOST_MENDS: Final = 2
# What a change gains around it must be over this share of all delay: less is chance. And what candidates that lose over
# LOSES_BY in all gain here and there is not believed.
LEAST_GAIN: Final = 0.002
LOSES_BY: Final = 0.03

Part = Mapping[str, tuple[Timing, str]]
"""Junctions that change together: by junction its new timing, and in words what was done to it."""
_Key = tuple[object, ...]


@dataclass(frozen=True)
class Candidate:
    """Changes of the incumbent, in parts that share no junction."""

    parts: tuple[Part, ...]

    @property
    def changes(self) -> dict[str, tuple[Timing, str]]:
        """All that changes, by junction."""
        return {junction: change for part in self.parts for junction, change in part.items()}

    def timings(self, base: Timings) -> dict[str, Timing]:
        """The incumbent's timings with these changes."""
        return {**base, **{junction: timing for junction, (timing, _) in self.changes.items()}}

    @property
    def shown(self) -> frozenset[_Key]:
        """What it changes: however two came about, with the same of it they show the same."""
        return frozenset(_key(name, timing) for name, (timing, _) in self.changes.items())

    def contains(self, other: Candidate) -> bool:
        """Whether it changes all that the other does, in the same way."""
        changes = self.changes
        return all(name in changes and changes[name][0] == timing for name, (timing, _) in other.changes.items())

    @property
    def what(self) -> str:
        """In words what is changed."""
        return "; ".join(f"{junction}: {done}" for junction, (_, done) in sorted(self.changes.items()))


@dataclass(frozen=True)
class Proposer:
    """Proposes candidates around an incumbent, `batch` random ones at once. `others` are whole solutions to take
    timings over from, the best first, `most_exchanges` at once; `near` are the junctions where a change is felt first.

    `looked` keeps what timings of other solutions lost when they were last tried (a difference of scores); those in
    `barred` are neither looked at nor joined again."""

    network: Network
    others: tuple[Timings, ...]
    freedom: Freedom
    near: Mapping[str, frozenset[str]]
    rng: np.random.Generator
    batch: int
    most_exchanges: int
    looked: dict[_Key, float] = field(default_factory=dict)
    barred: set[_Key] = field(default_factory=set)

    def proposals(self, best: Incumbent, priced: Prices, turn: int) -> list[Candidate]:
        """What to try in a turn: single junctions as other solutions have them, else random changes, and what has just
        paid done once more."""
        exchanged = self._exchanges(best, priced) if turn % EXCHANGE_EVERY == 0 else []
        if exchanged:
            return exchanged
        followed = self._again(best, best.before) if best.before is not None and best.turn == turn else []
        # the first turn looks at other solutions, so no draw has been idle by then
        dice = Dice(self.rng, max(0, turn - max(best.turn, 1)))
        return _distinct([*followed, *self._drawn(best, priced, dice)])

    def remember(self, tried: Sequence[Candidate], losses: Sequence[float]) -> None:
        """Keep what changes of single junctions lost, for the next time that other solutions are looked at."""
        for candidate, loss in zip(tried, losses, strict=True):
            if len(candidate.changes) == 1:
                [(junction, (timing, _))] = candidate.changes.items()
                self.looked[_key(junction, timing)] = loss

    def bar(self, fallen: Candidate) -> None:
        """Keep a change that fell under other traffic, where it is but one, from being looked at or joined again."""
        if len(fallen.parts) == 1:
            self.barred.update(_keys(fallen.parts[0]))

    def joined(
        self,
        before: RunMeasures,
        tried: Sequence[tuple[Candidate, RunMeasures]],
        losses: Sequence[float],
        priced: Prices,
    ) -> list[Candidate]:
        """New candidates of the best parts, judged beside the incumbent's run `before` on the same seed: of every
        junction the part that paid most in its own neighbourhood, and the best candidate with those of the junctions
        that it leaves alone. Candidates that lose much in all are left out: what starves a network of traffic pays in
        many places."""
        gains: list[tuple[float, Part]] = []
        for (candidate, found), loss in zip(tried, losses, strict=True):
            for part in candidate.parts if loss < LOSES_BY else ():
                near = frozenset[str]().union(*(self.near[junction] for junction in part))
                gain = priced.around(before, near) - priced.around(found, near)
                if gain > LEAST_GAIN * priced.total_s and self.barred.isdisjoint(_keys(part)):
                    gains.append((gain, part))
        gains.sort(key=lambda one: -one[0])
        parts = [part for _, part in gains]
        leader = tried[min(range(len(tried)), key=losses.__getitem__)][0]
        known = [candidate.changes for candidate, _ in tried]
        joined: list[Candidate] = []
        for candidate in (Candidate(_apart(parts)), Candidate(_apart([*leader.parts, *parts]))):
            if candidate.changes and candidate.changes not in known:
                joined.append(candidate)
                known.append(candidate.changes)
        return joined

    def mended(self, held_back: Sequence[tuple[Candidate, Pressure]]) -> list[Candidate]:
        """Candidates that help more than they hurt, but too much in some place, with a change or two more at the
        junctions that they change already, drawn to where they hurt; half a batch of each."""
        found: list[Candidate] = []
        dice = Dice(self.rng)
        for candidate, pressure in held_back:
            for _ in range(max(1, self.batch // 2)):
                parts = [dict(part) for part in candidate.parts]
                for _ in range(dice.moves(MOST_MENDS)):
                    timings = {name: timing for part in parts for name, (timing, _) in part.items()}
                    move = draw_move(self.network, timings, (), pressure, self.freedom, dice)
                    if move is not None:
                        part = next(part for part in parts if move.junction in part)
                        part[move.junction] = move.timing, f"{part[move.junction][1]}, {move.what}"
                mended = Candidate(tuple(parts))
                if mended.changes != candidate.changes:
                    found.append(mended)
        return _distinct(found)

    def _exchanges(self, best: Incumbent, priced: Prices) -> list[Candidate]:
        """The timings that other solutions have at single junctions, first those of the best for every junction, the
        dearest junctions first; when they have been looked at before, those that lost least."""
        costs: dict[str, float] = {}
        for approach, cost in priced.by_approach(best.measures).items():
            costs[approach.junction] = costs.get(approach.junction, 0.0) + cost
        found: list[tuple[float, int, Candidate]] = []
        for name in sorted(best.timings, key=lambda name: (-costs.get(name, 0.0), name)):
            moves = exchanges(self.network.junction(name), best.timings[name], self.others, self.freedom)
            for rank, move in enumerate(moves):
                key = _key(name, move.timing)
                if key not in self.barred:
                    found.append((self.looked.get(key, 0.0), rank, Candidate(({name: (move.timing, move.what)},))))
        most = SECOND_LOOK * self.batch if self.looked else self.most_exchanges
        found.sort(key=lambda one: one[:2])
        return [candidate for _, _, candidate in found[:most]]

    def _again(self, best: Incumbent, before: Timings) -> list[Candidate]:
        """What made the incumbent, done once more; and what other solutions have at the junctions that it changed and
        was never looked at, such as their stages at the cycle that the junction has now."""
        parts: list[Part] = []
        fresh: list[Candidate] = []
        for name, timing in sorted(before.items()):
            junction, now = self.network.junction(name), best.timings[name]
            move = again(junction, timing, now, self.freedom)
            if move is not None:
                parts.append({name: (move.timing, move.what)})
            for offer in exchanges(junction, now, self.others, self.freedom) if now != timing else ():
                key = _key(name, offer.timing)
                if key not in self.looked and key not in self.barred:
                    fresh.append(Candidate(({name: (offer.timing, offer.what)},)))
        return [*([Candidate(tuple(parts))] if parts else []), *fresh[: self.batch]]

    def _drawn(self, best: Incumbent, priced: Prices, dice: Dice) -> list[Candidate]:
        """Candidates around the incumbent, each with moves at one to a few junctions."""
        pressure = priced.pressure(best.measures)
        drawn = (self._one_drawn(best.timings, pressure, dice) for _ in range(self.batch))
        return [candidate for candidate in drawn if candidate.parts]

    def _one_drawn(self, base: Timings, pressure: Pressure, dice: Dice) -> Candidate:
        """A candidate that may begin with junctions shifted together, which no other move changes then."""
        timings, changes = dict(base), dict[str, tuple[Timing, str]]()
        shifted: Part = {}
        if dice.rng.random() < SHIFTS_SHARE:
            moves = draw_group_shift(self.network, timings, self.near, pressure, self.freedom, dice)
            shifted = {move.junction: (move.timing, move.what) for move in moves}
        for _ in range(dice.moves(max(MOST_MOVES, len(base) // 2))):
            move = draw_move(self.network, timings, self.others, pressure, self.freedom, dice)
            if move is not None and move.junction not in shifted:
                before = changes.get(move.junction)
                timings[move.junction] = move.timing
                changes[move.junction] = move.timing, f"{before[1]}, {move.what}" if before else move.what
        singles = ({junction: change} for junction, change in changes.items())
        return Candidate((*([shifted] if shifted else []), *singles))


def _key(junction: str, timing: Timing) -> _Key:
    return junction, timing.sequence.stages, timing.durations_s, timing.start_s


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """What shows the same once."""
    return list({one.shown: one for one in reversed(candidates)}.values())[::-1]


def _keys(part: Part) -> list[_Key]:
    return [_key(junction, timing) for junction, (timing, _) in part.items()]


def _apart(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The first parts that share no junction with one before them."""

    def kept() -> Iterator[Part]:
        taken: set[str] = set()
        for part in parts:
            if taken.isdisjoint(part):
                taken.update(part)
                yield part

    return tuple(kept())
