"""In which order a card was tapped where the recorded times do not say: every order has a probability.

Taps of one recorded time are tried in all orders (very many in slices, by the card's counter); an order weighs what its
steps weigh together, and a step's weight is the sum over the orders it is in. The steps' scores come from the model of
alightings: rides that end near the next boarding, and counters of transfers that count.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise, permutations, product
from typing import Final

import numpy as np

from mobility.card_taps import Bools, CardTaps, Floats, Ints
from mobility.tally import tally

MOST_ORDERS: Final = 2000
NEVER: Final = -60.0


@dataclass(frozen=True)
class Links:
    """Steps that may be: tap `origin` is followed by tap `following`; `home`: it is the day's last, and `following` the
    day's first. `shapes`: cards alike in how many taps they have at a time."""

    origin: Ints
    following: Ints
    home: Bools
    shapes: list[DayShape]


@dataclass(frozen=True)
class DayShape:
    """Cards with the same numbers of taps at one time. `orders`: (orders, taps) positions; `step`, `back`: (cards,
    taps, taps) the link from one position to another, to the next or from the last to the first; -1 where there is
    none."""

    orders: Ints
    step: Ints
    back: Ints


def links_of(taps: CardTaps) -> Links:
    """Every step some order of the taps takes."""
    ends: list[tuple[int, int, bool]] = []
    days: dict[tuple[int, ...], list[tuple[Ints, Ints]]] = defaultdict(list)
    for begin, end in zip(taps.cards[:-1], taps.cards[1:], strict=True):
        if end - begin < 2:
            continue
        groups = _slices(_groups(taps, int(begin), int(end)))
        flat = [tap for group in groups for tap in group]
        where = {tap: place for place, tap in enumerate(flat)}
        step = np.full((len(flat), len(flat)), -1, dtype=np.int64)
        back = step.copy()
        for table, pairs, home in (
            (step, _next_pairs(groups), False),
            (back, list(product(groups[-1], groups[0])), True),
        ):
            for origin, following in pairs:
                if origin != following:
                    table[where[origin], where[following]] = len(ends)
                    ends.append((origin, following, home))
        days[tuple(len(group) for group in groups)].append((step, back))
    shapes = [
        DayShape(_orders(sizes), np.stack([step for step, _ in cards]), np.stack([back for _, back in cards]))
        for sizes, cards in sorted(days.items())
    ]
    table = np.array(ends, dtype=np.int64).reshape(-1, 3)
    return Links(table[:, 0], table[:, 1], table[:, 2].astype(bool), shapes)


def link_weights(links: Links, score: Floats) -> Floats:
    """Probability of each link, given the logarithm of what each weighs (up to a constant a tap)."""
    weights = np.zeros(len(links.origin))
    padded = np.append(score, NEVER)
    for day in links.shapes:
        before, after = day.orders[:, :-1], day.orders[:, 1:]
        home = day.back[:, day.orders[:, -1], day.orders[:, 0]]
        total = padded[day.step[:, before, after]].sum(axis=2) + padded[home]
        odds = np.exp(total - total.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        for place in range(before.shape[1]):
            _add(weights, day.step[:, before[:, place], after[:, place]], odds)
        _add(weights, home, odds)
    return weights


def _add(weights: Floats, link: Ints, odds: Floats) -> None:
    there = link >= 0
    weights += tally(link[there], odds[there], len(weights))


def _groups(taps: CardTaps, begin: int, end: int) -> list[list[int]]:
    times = taps.at_h[begin:end]
    return [
        sorted((int(begin + tap) for tap in np.flatnonzero(times == time)), key=lambda tap: (taps.transfer[tap], tap))
        for time in np.unique(times)
    ]


def _slices(groups: list[list[int]]) -> list[list[int]]:
    """The groups, the largest halved in the order of the counter until the orders are few enough to try."""
    groups = list(groups)
    while math.prod(math.factorial(len(group)) for group in groups) > MOST_ORDERS:
        largest = max(range(len(groups)), key=lambda index: len(groups[index]))
        group = groups[largest]
        groups[largest : largest + 1] = [group[: len(group) // 2], group[len(group) // 2 :]]
    return groups


def _next_pairs(groups: list[list[int]]) -> list[tuple[int, int]]:
    within = [pair for group in groups for pair in permutations(group, 2)]
    between = [pair for group, after in pairwise(groups) for pair in product(group, after)]
    return within + between


def _orders(sizes: tuple[int, ...]) -> Ints:
    starts = np.cumsum((0, *sizes))
    parts = [permutations(range(begin, begin + size)) for begin, size in zip(starts[:-1], sizes, strict=True)]
    return np.array([[place for part in order for place in part] for order in product(*parts)], dtype=np.int64)
