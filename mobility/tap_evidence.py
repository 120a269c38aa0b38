"""What a card's other taps tell of where a ride ended: one row a step and place the ride may have ended at.

Distances enter as classes. The chance that a rider who left at a place taps next where he did is the chance of that
class of distance, times the share of the place tapped among all taps in that class around the place left. So a tap in
the thick of a city's stops tells less than the same distance between two lonely stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mobility.card_taps import JOURNEY_H, UNKNOWN, Bools, CardTaps, Floats, Ints
from mobility.line_places import SAME_PLACE_M, LinePlaces
from mobility.tap_order import Links

SOON_H: Final = 1.0
# How the next tap follows, and whether it is the same line's: CONTINUING and SOON end in a transfer.
CONTINUING, SOON, LATE, HOME, HOME_SOON = range(5)
KINDS: Final = 10
COUNTER_STEPS: Final = 24
NONE: Final = -1


@dataclass(frozen=True)
class Rides:
    """One entry a tap and place of its line: `tap`, `place`, and `here`: it is where the ride began. `start`: first
    entry of each tap (and one past the last). `twin`: pairs of entries (a, b) of one card, so that b is the way back of
    a."""

    tap: Ints
    place: Ints
    start: Ints
    here: Bools
    twin: Ints


@dataclass(frozen=True)
class Evidence:
    """Of each link: `kind` (mode x KINDS + how it follows x 2 + same line), `transfer`: it ends in one, `counter`: how
    the card's counter goes on, `there`: share of the following tap's place, `around`: class of its distance from where
    the ride began, `around_share` of that class. Of each row (link, place): `link`, `ride`, `near`: class of the
    distance to the following tap, `near_share`; `again`: class of the distance to where the card boards the line at
    another time, -1 where it does not, `again_share`."""

    kind: Ints
    transfer: Bools
    counter: Ints
    there: Floats
    around: Ints
    around_share: Floats
    link: Ints
    ride: Ints
    near: Ints
    near_share: Floats
    again: Ints
    again_share: Floats


def rides_of(taps: CardTaps, places: LinePlaces) -> Rides:
    """Every place of its line for every tap."""
    count = np.diff(places.start)[taps.line]
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    tap = np.repeat(np.arange(taps.count), count)
    place = np.arange(start[-1]) - start[tap] + places.start[taps.line[tap]]
    here = np.hypot(*(places.xy[place] - taps.xy[tap]).T) <= SAME_PLACE_M
    twins = [
        (start[a] + places.own[b] - places.start[taps.line[a]], start[b] + places.own[a] - places.start[taps.line[b]])
        for begin, end in zip(taps.cards[:-1], taps.cards[1:], strict=True)
        for a in range(begin, end)
        for b in range(begin, end)
        if a != b and taps.line[a] == taps.line[b]
    ]
    return Rides(tap, place, start, here, np.array(twins, dtype=np.int64).reshape(-1, 2))


def evidence_of(taps: CardTaps, places: LinePlaces, links: Links, rides: Rides) -> Evidence:
    """Rows for every link and place, see Evidence."""
    origin, following = links.origin, links.following
    follows, same = _follows(taps, links), taps.line[origin] == taps.line[following]
    layer = np.select([follows == CONTINUING, follows < HOME], [0, 1], 2)
    count = np.diff(rides.start)[origin]
    link = np.repeat(np.arange(len(origin)), count)
    first_row = np.concatenate([[0], np.cumsum(count)])[:-1]
    ride = np.arange(len(link)) - first_row[link] + rides.start[origin[link]]
    place = rides.place[ride]
    near = places.distance_class(np.hypot(*(places.xy[place] - taps.xy[following[link]]).T))
    around = places.distance_class(np.hypot(*(taps.xy[origin] - taps.xy[following]).T))
    again = _again(taps, places, links, rides, first_row, len(link))
    line_ring = places.line_ring.mean(axis=0)
    return Evidence(
        kind=taps.mode[origin] * KINDS + follows * 2 + same,
        transfer=(follows == CONTINUING) | (follows == SOON),
        counter=_counter_step(taps, links),
        there=np.where(
            same, places.line_share[layer, places.own[following]], places.all_share[layer, places.own[following]]
        ),
        around=around,
        around_share=_ring(places, same, layer, places.own[origin], around),
        link=link,
        ride=ride,
        near=near,
        near_share=_ring(places, same[link], layer[link], place, near),
        again=again,
        again_share=np.where(again == NONE, 1.0, np.maximum(line_ring[place, np.maximum(again, 0)], 1e-9)),
    )


def _ring(places: LinePlaces, same: Bools, layer: Ints, place: Ints, ring: Ints) -> Floats:
    share = np.where(same, places.line_ring[layer, place, ring], places.all_ring[layer, place, ring])
    return np.maximum(share, 1e-9)


def _follows(taps: CardTaps, links: Links) -> Ints:
    gap_h = taps.at_h[links.following] - taps.at_h[links.origin]
    return np.select(
        [
            links.home & (-gap_h > JOURNEY_H),
            links.home,
            ~taps.fresh[links.following],
            gap_h <= SOON_H,
        ],
        [HOME, HOME_SOON, CONTINUING, SOON],
        LATE,
    ).astype(np.int64)


def _counter_step(taps: CardTaps, links: Links) -> Ints:
    """How the counter of transfers goes on, by the hours between: up by one, back to none, the same, more, less; the
    last class is that of counters nobody knows."""
    before, after = taps.transfer[links.origin], taps.transfer[links.following]
    hours = np.clip(np.floor(taps.at_h[links.following] - taps.at_h[links.origin]), 0, 3).astype(np.int64)
    step = np.select(
        [
            (before == UNKNOWN) | (after == UNKNOWN),
            after == before + 1,
            after == 0,
            after == before,
            after > before,
        ],
        [5, 0, 1, 2, 3],
        4,
    )
    steps: Ints = (hours * 6 + step).astype(np.int64)
    return steps


def _again(taps: CardTaps, places: LinePlaces, links: Links, rides: Rides, first_row: Ints, rows: int) -> Ints:
    """Class of the distance from each place to the nearest other boarding of the card on the same line, leaving out the
    ride itself and the tap that follows it, which has a say of its own."""
    again = np.full(rows, NONE, dtype=np.int64)
    card = np.repeat(np.arange(len(taps.cards) - 1), np.diff(taps.cards))
    for link, (origin, following) in enumerate(zip(links.origin, links.following, strict=True)):
        mates = np.arange(taps.cards[card[origin]], taps.cards[card[origin] + 1])
        mates = mates[taps.line[mates] == taps.line[origin]]
        if len(mates) < 2:
            continue
        spots = taps.xy[mates]
        other = (spots != taps.xy[origin]).any(axis=1) & (spots != taps.xy[following]).any(axis=1)
        if not other.any():
            continue
        xy = places.xy[places.of(taps.line[origin])]
        away = np.min([np.hypot(*(xy - spot).T) for spot in spots[other]], axis=0)
        again[first_row[link] : first_row[link] + len(xy)] = places.distance_class(away)
    return again
