"""Cells of the OD matrix, compiled: journeys from one hour and origin after the other are spread over destinations.

What goes to the stops is summed in arrays as long as there are stops, and only the stops that were reached are written
and wiped again (the sparse accumulator of Gilbert, Moler & Schreiber 1992).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SURE, BY_HABIT, BY_SHARES, NOWHERE = range(4)


class Journeys(NamedTuple):
    """One entry a journey; `order` brings those of one `cell` (hour and origin) together, there those of one person.

    `known`: SURE, BY_HABIT, BY_SHARES or NOWHERE. `target`: the stop where a sure journey ends; the first of the rows
    of Ways.habit_stop, up to before `until`; or the call where its last leg boarded. `once`: of each person one journey
    an hour, so that sums over cells count nobody twice."""

    order: npt.NDArray[np.uint32]
    cell: Ints
    known: npt.NDArray[np.int8]
    target: Ints
    until: Ints
    person: Ints
    once: npt.NDArray[np.bool_]
    pax: Floats
    trust: Floats


class Ways(NamedTuple):
    """`stop`, `last` (of its pattern), `first_pair`: of each call; `shares`: of each pair of calls; `habit_stop`,
    `habit_chance`: where journeys told by habits may end. `stops`: how many there are."""

    stop: Ints
    last: Ints
    first_pair: Ints
    shares: Floats
    habit_stop: Ints
    habit_chance: Floats
    stops: int


class Cells(NamedTuple):
    """What comes out, sorted: `cell` of the origin and `stop` of the destination, passengers, passengers times trust,
    the different people: surely in the cell, and perhaps; and those who count here and in no other cell of the hour
    (who may have gone to many stops, at the least likely, as it is small cells whose people are added up)."""

    cell: npt.NDArray[np.uint32]
    stop: npt.NDArray[np.uint32]
    pax: Floats
    trust: Floats
    sure_cards: Ints
    probable_cards: Ints
    cards_once: Ints


class _Sums(NamedTuple):
    """Sums by stop for the origin at hand: as in Cells, the last person counted at each, and which stops have any."""

    reached: npt.NDArray[np.bool_]
    stops: Ints
    pax: Floats
    trust: Floats
    sure_cards: Ints
    sure_person: Ints
    habit_cards: Ints
    habit_person: Ints
    shared_cards: Ints
    sure_once: Ints
    probable_once: Ints


class _Boarded(NamedTuple):
    """Sums by the call where last legs boarded that only shares tell of."""

    calls: Ints
    pax: Floats
    cards: Ints
    person: Ints
    once: Ints


@njit(cache=True, nogil=True)
def fill_cells(begin: int, end: int, journeys: Journeys, ways: Ways) -> Cells:
    """The cells of the journeys from `begin` to before `end` in their order; no cell reaches beyond these."""
    cells = _room(begin, end, journeys, ways)
    sums = _no_sums(ways.stops)
    calls = len(ways.stop)
    boarded = _Boarded(
        np.empty(calls, np.int64),
        np.zeros(calls),
        np.zeros(calls, np.int64),
        np.full(calls, -1, np.int64),
        np.zeros(calls, np.int64),
    )
    written, at = 0, begin
    while at < end:
        cell, reached, called = journeys.cell[journeys.order[at]], 0, 0
        while at < end and journeys.cell[journeys.order[at]] == cell:
            journey = journeys.order[at]
            known = journeys.known[journey]
            if known == SURE:
                reached = _add_sure(journey, journeys, sums, reached)
            elif known == BY_HABIT:
                reached = _add_by_habit(journey, journeys, ways, sums, reached)
            elif known == BY_SHARES:
                called = _board(journey, journeys, boarded, called)
            at += 1
        reached = _add_by_shares(boarded, called, ways, sums, reached)
        written = _write(cell, sums, reached, cells, written)
    return Cells(
        cells.cell[:written],
        cells.stop[:written],
        cells.pax[:written],
        cells.trust[:written],
        cells.sure_cards[:written],
        cells.probable_cards[:written],
        cells.cards_once[:written],
    )


@njit(cache=True, nogil=True)
def once_an_hour(hour: Ints, person: Ints, known: npt.NDArray[np.int8], people: int) -> npt.NDArray[np.bool_]:
    """Which journeys that end somewhere are, as they come, the first of their person (under `people`) in the `hour`.

    Hours 64 apart count as one, so that a word holds them."""
    hours_had = np.zeros(people, np.uint64)
    once = np.zeros(len(hour), np.bool_)
    for journey in range(len(hour)):
        if known[journey] == NOWHERE:
            continue
        this = np.uint64(1) << np.uint64(hour[journey] % 64)
        once[journey] = hours_had[person[journey]] & this == 0
        hours_had[person[journey]] |= this
    return once


@njit(cache=True, nogil=True)
def _room(begin: int, end: int, journeys: Journeys, ways: Ways) -> Cells:
    """Room for all cells there can be."""
    most = 0
    for at in range(begin, end):
        journey = journeys.order[at]
        known, target = journeys.known[journey], journeys.target[journey]
        if known == SURE:
            most += 1
        elif known == BY_HABIT:
            most += journeys.until[journey] - target
        elif known == BY_SHARES:
            most += ways.last[target] - target
    return Cells(
        np.empty(most, np.uint32),
        np.empty(most, np.uint32),
        np.empty(most),
        np.empty(most),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )


@njit(cache=True, nogil=True)
def _no_sums(stops: int) -> _Sums:
    return _Sums(
        np.zeros(stops, np.bool_),
        np.empty(stops, np.int64),
        np.zeros(stops),
        np.zeros(stops),
        np.zeros(stops, np.int64),
        np.full(stops, -1, np.int64),
        np.zeros(stops, np.int64),
        np.full(stops, -1, np.int64),
        np.zeros(stops, np.int64),
        np.zeros(stops, np.int64),
        np.zeros(stops, np.int64),
    )


@njit(cache=True, nogil=True)
def _reach(stop: int, pax: float, trust: float, sums: _Sums, reached: int) -> int:
    if not sums.reached[stop]:
        sums.reached[stop] = True
        sums.stops[reached] = stop
        reached += 1
    sums.pax[stop] += pax
    sums.trust[stop] += pax * trust
    return reached


@njit(cache=True, nogil=True)
def _add_sure(journey: int, journeys: Journeys, sums: _Sums, reached: int) -> int:
    stop, person = journeys.target[journey], journeys.person[journey]
    if sums.sure_person[stop] != person:
        sums.sure_person[stop] = person
        sums.sure_cards[stop] += 1
    sums.sure_once[stop] += journeys.once[journey]
    after: int = _reach(stop, journeys.pax[journey], journeys.trust[journey], sums, reached)
    return after


@njit(cache=True, nogil=True)
def _add_by_habit(journey: int, journeys: Journeys, ways: Ways, sums: _Sums, reached: int) -> int:
    person, rarest = journeys.person[journey], journeys.target[journey]
    for row in range(journeys.target[journey], journeys.until[journey]):
        stop, chance = ways.habit_stop[row], ways.habit_chance[row]
        if sums.habit_person[stop] != person:
            sums.habit_person[stop] = person
            sums.habit_cards[stop] += 1
        if chance < ways.habit_chance[rarest]:
            rarest = row
        reached = _reach(stop, journeys.pax[journey] * chance, chance, sums, reached)
    if journeys.target[journey] < journeys.until[journey]:
        sums.probable_once[ways.habit_stop[rarest]] += journeys.once[journey]
    return reached


@njit(cache=True, nogil=True)
def _board(journey: int, journeys: Journeys, boarded: _Boarded, called: int) -> int:
    call, person = journeys.target[journey], journeys.person[journey]
    if boarded.cards[call] == 0:
        boarded.calls[called] = call
        called += 1
    if boarded.person[call] != person:
        boarded.person[call] = person
        boarded.cards[call] += 1
    boarded.once[call] += journeys.once[journey]
    boarded.pax[call] += journeys.pax[journey]
    return called


@njit(cache=True, nogil=True)
def _add_by_shares(boarded: _Boarded, called: int, ways: Ways, sums: _Sums, reached: int) -> int:
    """Journeys from the same origin with the same last boarding are spread together."""
    for call in boarded.calls[:called]:
        rarest, least = -1, 2.0
        for ahead in range(1, ways.last[call] - call + 1):
            stop, share = ways.stop[call + ahead], ways.shares[ways.first_pair[call] + ahead - 1]
            reached = _reach(stop, boarded.pax[call] * share, share, sums, reached)
            sums.shared_cards[stop] = max(sums.shared_cards[stop], boarded.cards[call])
            if share < least and sums.sure_cards[stop] == 0:
                rarest, least = stop, share
        if rarest >= 0:
            sums.probable_once[rarest] += boarded.once[call]
        boarded.pax[call], boarded.cards[call], boarded.person[call], boarded.once[call] = 0.0, 0, -1, 0
    return reached


@njit(cache=True, nogil=True)
def _write(cell: int, sums: _Sums, reached: int, cells: Cells, written: int) -> int:
    """Write the sums of all stops reached, in the order of the stops, and wipe them."""
    sums.stops[:reached].sort()
    for stop in sums.stops[:reached]:
        cells.cell[written], cells.stop[written] = cell, stop
        cells.pax[written], cells.trust[written] = sums.pax[stop], sums.trust[stop]
        cells.sure_cards[written] = sums.sure_cards[stop]
        cells.probable_cards[written] = max(sums.habit_cards[stop], sums.shared_cards[stop])
        cells.cards_once[written] = sums.sure_once[stop] if sums.sure_cards[stop] else sums.probable_once[stop]
        written += 1
        sums.reached[stop] = False
        sums.pax[stop], sums.trust[stop] = 0.0, 0.0
        sums.sure_cards[stop], sums.habit_cards[stop], sums.shared_cards[stop] = 0, 0, 0
        sums.sure_person[stop], sums.habit_person[stop] = -1, -1
        sums.sure_once[stop], sums.probable_once[stop] = 0, 0
    return written
