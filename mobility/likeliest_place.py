"""The one place to name for a boarding: the one around which most of the probability lies, and how much that is."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.spatial import cKDTree

from mobility.card_taps import CardTaps, Floats, Ints
from mobility.line_places import SAME_PLACE_M, LinePlaces
from mobility.tap_evidence import Rides

NOWHERE = -1


def likeliest_places(taps: CardTaps, places: LinePlaces, rides: Rides, posterior: Floats) -> pl.DataFrame:
    """ProbableAlighting of every boarding, in the order of `taps.rows`. `posterior`: probability of every ride's place.

    A boarding without a position gets the busiest place of its line. Where a line is known at one place only, all
    places of the network stand in for its own; where these lie all at the boarding, the answer stays blank."""
    place, sure = _of_taps(taps, places, rides, posterior)
    tap = taps.rows["tap"].to_list()
    busiest = _busiest(taps, places)
    chosen = [
        (place[index], sure[index]) if index is not None else busiest[line]
        for index, line in zip(tap, taps.rows["line"].to_list(), strict=True)
    ]
    at = np.array([index for index, _ in chosen], dtype=np.int64)
    known = at != NOWHERE
    degrees = places.degrees[np.where(known, at, 0)]
    there = pl.Series(known)
    return taps.rows.select(
        "transaction_id",
        pl.when(there).then(pl.Series(degrees[:, 1])).alias("alighting_lat"),
        pl.when(there).then(pl.Series(degrees[:, 0])).alias("alighting_lon"),
        pl.Series("confidence", [float(min(1.0, max(0.0, mass))) for _, mass in chosen], dtype=pl.Float64),
    )


def _of_taps(taps: CardTaps, places: LinePlaces, rides: Rides, posterior: Floats) -> tuple[Ints, Floats]:
    at = np.full(taps.count, NOWHERE, dtype=np.int64)
    sure = np.zeros(taps.count)
    network = _network(places)
    for line in range(len(taps.lines)):
        part = places.of(line)
        mine = np.flatnonzero(taps.line == line)
        if not len(mine):
            continue
        around = _around(places.xy[part])
        here = np.stack([rides.here[rides.start[tap] : rides.start[tap + 1]] for tap in mine])
        weight = np.stack([posterior[rides.start[tap] : rides.start[tap + 1]] for tap in mine])
        mass = np.where(here, -1.0, _mass(weight, around))
        # of places that cover the same, the likelier one itself
        best = (mass + 1e-6 * weight).argmax(axis=1)
        at[mine] = part.start + best
        sure[mine] = mass[np.arange(len(mine)), best]
        for row in np.flatnonzero(sure[mine] <= 0.0):
            at[mine[row]], sure[mine[row]] = _elsewhere(network, places, taps.xy[mine[row]])
    return at, sure


def _busiest(taps: CardTaps, places: LinePlaces) -> dict[str, tuple[int, float]]:
    """Of each line the place around which most of its boardings happen, and their share."""
    boarded = np.bincount(places.own, minlength=len(places.xy)) + places.pseudo
    network = _network(places)
    busiest = {}
    for line, name in enumerate(taps.lines):
        part = places.of(line)
        if part.start == part.stop:
            busiest[name] = _elsewhere(network, places, None)
            continue
        weight = boarded[part] / boarded[part].sum()
        mass = _mass(weight[None, :], _around(places.xy[part]))[0]
        busiest[name] = (part.start + int(mass.argmax()), float(mass.max()))
    return busiest


def _network(places: LinePlaces) -> tuple[Ints, Floats]:
    """One entry of each place anybody boarded at, and its share of all boardings."""
    _, first = np.unique(places.xy, axis=0, return_index=True)
    share = places.all_share.mean(axis=0)[first]
    return first[share > 0], share[share > 0]


def _elsewhere(network: tuple[Ints, Floats], places: LinePlaces, boarded: Floats | None) -> tuple[int, float]:
    index, share = network
    if boarded is not None:
        away = np.hypot(*(places.xy[index] - boarded).T) > SAME_PLACE_M
        index, share = index[away], share[away]
    if not len(index):
        return NOWHERE, 0.0
    best = int(share.argmax())
    return int(index[best]), float(share[best])


def _around(xy: Floats) -> list[list[int]]:
    """For each place the places within SAME_PLACE_M of it, itself among them."""
    tree = cKDTree(xy)
    return [sorted(near) for near in tree.query_ball_point(xy, SAME_PLACE_M)]


def _mass(weight: Floats, around: list[list[int]]) -> Floats:
    """Probability within reach of each place, a row a boarding."""
    return np.stack([weight[:, near].sum(axis=1) for near in around], axis=1)
