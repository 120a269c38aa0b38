"""Where rides may have ended, compiled: one walk along the rides of a day, each with the few calls it may end at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mobility.trip_times import NEVER_MS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Day(NamedTuple):
    """Where, on which trip and when each ride of a day was boarded, the place of each trip in `arrival_ms` (add a call;
    far in the future where it made no visit), and how much later a bus may come than the walk leaves time for."""

    boarding: Ints
    trip: Ints
    at_ms: Ints
    slot: Ints
    arrival_ms: Ints
    slack_ms: int


class Asked(NamedTuple):
    """Rides `which` whose card was next seen on the rides `toward`, and their cells."""

    which: Ints
    toward: Ints
    cell: Ints


class CellStops(NamedTuple):
    """Entries of cell c from start[c] to start[c + 1]: calls, rising, and the walk from each."""

    start: Ints
    call: Ints
    walk_ms: Floats


class Options(NamedTuple):
    """Calls at which rides may have ended: those of `ride[i]` (rising) from first[i] to first[i + 1], at least one.

    `draw`: how likely who left there would next be seen where the card was; `own`: how often the card's rider left
    there before, of no length where nobody is known."""

    ride: Ints
    first: Ints
    call: Ints
    draw: Floats
    own: Floats


class CellDraws(NamedTuple):
    """Of each entry of the cells the call, and how likely who leaves there would next be seen where the card was."""

    call: Ints
    draw: Floats


class Rode(NamedTuple):
    """`boarding` and riders (`party`) of each ride of a day, and the pair of each boarding call with the next one."""

    boarding: Ints
    party: Floats
    first_pair: Ints


@njit(cache=True, nogil=True)
def distinct(key: Ints) -> tuple[Ints, Ints]:
    """The different keys (not negative) as they first come, and of each key its place among them."""
    bits = 1
    while (1 << bits) < 2 * len(key):
        bits += 1
    mask, shift = (1 << bits) - 1, np.uint64(64 - bits)
    held = np.zeros(1 << bits, dtype=np.int32)
    different, number = np.empty(len(key), dtype=np.int64), np.empty(len(key), dtype=np.int64)
    found = 0
    for row in range(len(key)):
        slot = np.int64((np.uint64(key[row]) * GOLDEN) >> shift)
        while held[slot] > 0 and different[held[slot] - 1] != key[row]:
            slot = (slot + 1) & mask
        if held[slot] == 0:
            different[found] = key[row]
            found += 1
            held[slot] = found
        number[row] = held[slot] - 1
    return different[:found].copy(), number


@njit(cache=True, nogil=True)
def reachable(begin: int, end: int, asked: Asked, cells: CellStops, day: Day) -> tuple[Ints, npt.NDArray[np.int32]]:
    """Of the rides asked for, from `begin` to before `end`: at how many stops ahead each could have been left, where
    the card was seen later in time to walk there, and the entries of these, ride by ride."""
    most = 0
    for i in range(begin, end):
        most += cells.start[asked.cell[i] + 1] - cells.start[asked.cell[i]]
    count, entry = np.zeros(end - begin, dtype=np.int64), np.empty(most, dtype=np.int32)
    found = 0
    for i in range(begin, end):
        ride, toward, before = asked.which[i], asked.toward[i], found
        seen_ms, slot = day.at_ms[toward], day.slot[day.trip[ride]]
        leaves_ms = seen_ms + day.slack_ms if seen_ms > day.at_ms[ride] else NEVER_MS + 1
        for at in range(cells.start[asked.cell[i]], cells.start[asked.cell[i] + 1]):
            call = cells.call[at]
            if call > day.boarding[ride] and day.arrival_ms[slot + call] + cells.walk_ms[at] <= leaves_ms:
                entry[found] = at
                found += 1
        count[i - begin] = found - before
    return count, entry[:found].copy()


@njit(cache=True, nogil=True)
def copy_entries(
    begin: int, end: int, first: Ints, entry: npt.NDArray[np.int32], cells: CellDraws, call: Ints, draw: Floats
) -> None:
    """Write `call` and `draw` of the entries of the rides from `begin` to before `end`; ride i has first[i] and on."""
    for at in range(first[begin], first[end]):
        call[at], draw[at] = cells.call[entry[at]], cells.draw[entry[at]]


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(
    begin: int, end: int, options: Options, rode: Rode, shares: Floats, strangers: float, probability: Floats
) -> Floats:
    """Write the probability of each option of the rides from `begin` to before `end`, whose riders follow their own
    rides and `strangers` times `shares`. Returns the riders then believed to be of each pair of calls."""
    made = np.zeros(len(shares))
    for i in range(begin, end):
        ride = options.ride[i]
        boarding = rode.boarding[ride]
        pair_less_call = rode.first_pair[boarding] - boarding - 1
        total = 0.0
        for at in range(options.first[i], options.first[i + 1]):
            expected = strangers * shares[pair_less_call + options.call[at]]
            if len(options.own) > 0:
                expected += options.own[at]
            probability[at] = options.draw[at] * expected
            total += probability[at]
        for at in range(options.first[i], options.first[i + 1]):
            probability[at] /= total
            made[pair_less_call + options.call[at]] += probability[at] * rode.party[ride]
    return made


@njit(cache=True, nogil=True)
def riders_of_pairs(
    begin: int, end: int, options: Options, rode: Rode, pairs: int, counted: npt.NDArray[np.bool_], probability: Floats
) -> Floats:
    """Riders of each pair of calls, among the rides from `begin` to before `end` that are `counted`."""
    made = np.zeros(pairs)
    for i in range(begin, end):
        ride = options.ride[i]
        if counted[ride]:
            boarding = rode.boarding[ride]
            pair_less_call = rode.first_pair[boarding] - boarding - 1
            for at in range(options.first[i], options.first[i + 1]):
                made[pair_less_call + options.call[at]] += probability[at] * rode.party[ride]
    return made


@njit(cache=True, nogil=True)
def likeliest(begin: int, end: int, options: Options, probability: Floats, call: Ints, chance: Floats) -> None:
    """Write call and probability of the likeliest option of the rides from `begin` to before `end`, the earliest of
    equals."""
    for i in range(begin, end):
        best = options.first[i]
        for at in range(options.first[i] + 1, options.first[i + 1]):
            if probability[at] > probability[best]:
                best = at
        call[options.ride[i]], chance[options.ride[i]] = options.call[best], probability[best]


@njit(cache=True, nogil=True)
def likely(options: Options, probability: Floats, least: float) -> tuple[npt.NDArray[np.uint32], Ints, Floats]:
    """Ride and call of the options at least so probable, and the probability, summing to 1 for each ride."""
    kept = 0
    for at in range(len(probability)):
        if probability[at] >= least:
            kept += 1
    ride, call, chance = np.empty(kept, dtype=np.uint32), np.empty(kept, dtype=np.int64), np.empty(kept)
    found = 0
    for i in range(len(options.ride)):
        begin, total = found, 0.0
        for at in range(options.first[i], options.first[i + 1]):
            if probability[at] >= least:
                ride[found], call[found], chance[found] = options.ride[i], options.call[at], probability[at]
                total += probability[at]
                found += 1
        for at in range(begin, found):
            chance[at] /= total
    return ride, call, chance
