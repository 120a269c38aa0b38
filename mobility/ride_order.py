"""Rides in order of card and time, compiled: what follows each, and which journey it is of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def followed(card: Ints, trip: Ints) -> tuple[Ints, Ints]:
    """Of each ride the card's next ride in another trip, -1 where there is none, and its first ride of the day.

    Rides without a card (-1) have no others."""
    count = len(card)
    following, first = np.full(count, -1, dtype=np.int64), np.arange(count)
    for ride in range(count - 2, -1, -1):
        if card[ride] >= 0 and card[ride] == card[ride + 1]:
            following[ride] = following[ride + 1] if trip[ride] == trip[ride + 1] else ride + 1
    for ride in range(1, count):
        if card[ride] >= 0 and card[ride] == card[ride - 1]:
            first[ride] = first[ride - 1]
    return following, first


@njit(cache=True, nogil=True)
def journeys_of(card: Ints, trip: Ints, following: Ints, changes: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Of each ride the first ride of its journey, and its place in the journey, counted from 1. `changes`: it goes on
    with the next ride; of companions side by side the second goes on with the second."""
    count = len(card)
    first, number = np.arange(count), np.ones(count, dtype=np.int64)
    begin = 0
    for ride in range(count):
        if card[ride] < 0 or card[ride] != card[begin] or trip[ride] != trip[begin]:
            begin = ride
        if changes[ride]:
            onward = following[ride]
            while onward < following[ride] + ride - begin and onward + 1 < count and trip[onward + 1] == trip[onward]:
                onward += 1
            if onward == following[ride] + ride - begin and card[onward] == card[ride]:
                first[onward], number[onward] = first[ride], number[ride] + 1
    return first, number
