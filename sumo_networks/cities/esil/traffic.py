"""Esil's car traffic of the morning peak: who drives from where to where, by which streets, and when."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

from sumo_networks.cities.esil.streets import JOINTS, SPEED_MPS, Block, Control, Use, arms, blocks

BEGIN_S: Final = 27_000  # 07:30
END_S: Final = 30_600

# Vehicles an hour that come in and go out at each fringe in the morning. The town's offices lie in the north-east.
COMING_VEH_H: Final = {
    "W2": 630,
    "X2": 410,
    "CS": 620,
    "CN": 380,
    "W1": 150,
    "X1": 160,
    "W3": 170,
    "X3": 130,
    "W4": 80,
    "AS": 120,
    "AN": 100,
    "BN": 140,
    "DS": 170,
    "ES": 140,
}
GOING_VEH_H: Final = {
    "W2": 380,
    "X2": 650,
    "CS": 370,
    "CN": 590,
    "W1": 120,
    "X1": 180,
    "W3": 130,
    "X3": 200,
    "W4": 110,
    "AS": 80,
    "AN": 100,
    "BN": 140,
    "DS": 140,
    "ES": 140,
}
# Demand of each quarter of the hour as a share of its mean: the peak of the peak is 07:45 to 08:15.
_PROFILE: Final = (0.9, 1.1, 1.1, 0.9)
_BALANCING_ROUNDS: Final = 20
_TURN_COST_S: Final = {"s": 8.0, "r": 7.0, "l": 20.0, "": 0.0}
_DETOUR: Final = 1.12
_SECOND_WAY_SHARE: Final = 0.3

Path = tuple[str, ...]
Turn = tuple[str, str, str]


@dataclass(frozen=True)
class Car:
    """One vehicle: when it leaves, on which way over the joints, of which type."""

    id: str
    depart_s: float
    path: Path
    type: str


def trips_veh_h() -> dict[tuple[str, str], float]:
    """(from fringe, to fringe) → vehicles an hour, balanced to what comes in and goes out (Furness)."""
    names = sorted(COMING_VEH_H)
    trips = {(a, b): _affinity(a, b) for a in names for b in names if a != b}
    for _ in range(_BALANCING_ROUNDS):
        for side, totals in ((0, COMING_VEH_H), (1, GOING_VEH_H)):
            sums: defaultdict[str, float] = defaultdict(float)
            for pair, trip in trips.items():
                sums[pair[side]] += trip
            trips = {pair: trip * totals[pair[side]] / sums[pair[side]] for pair, trip in trips.items()}
    return trips


def _affinity(a: str, b: str) -> float:
    """Through traffic keeps to its arterial; from one small street to the next one hardly drives."""
    first, second = _use(a), _use(b)
    if Use.STREET not in (first, second):
        return 3.0 if first is second else 1.0
    return 1.0 if first is not second else 0.6


def _use(fringe: str) -> Use:
    return next(iter(arms()[fringe].values()))


def ways(weighted: dict[tuple[str, str], float]) -> dict[Path, float]:
    """Path over the joints → vehicles an hour: the fastest way, and a second one where it is hardly slower."""
    every = blocks()
    found: dict[Path, float] = {}
    for (a, b), trip in sorted(weighted.items()):
        first = _fastest(every, a, b, frozenset())
        second = _fastest(every, a, b, frozenset(pairwise(first)))
        if second != first and _cost_s(every, second) <= _DETOUR * _cost_s(every, first):
            found[first] = trip * (1 - _SECOND_WAY_SHARE)
            found[second] = trip * _SECOND_WAY_SHARE
        else:
            found[first] = trip
    return found


def _fastest(every: dict[tuple[str, str], Block], a: str, b: str, avoided: frozenset[tuple[str, str]]) -> Path:
    """Dijkstra over blocks with a cost for each turn; avoided blocks cost a quarter more."""
    start = next(block for block in every.values() if block.start == a)
    queue: list[tuple[float, Path]] = [(0.0, (start.start, start.end))]
    done: set[tuple[str, str]] = set()
    while queue:
        cost, path = heapq.heappop(queue)
        last = (path[-2], path[-1])
        if path[-1] == b:
            return path
        if last in done:
            continue
        done.add(last)
        block = every[last]
        for turn, joint in sorted(block.turns.items()):
            drive = _drive_s(block) * (1.25 if last in avoided else 1.0)
            heapq.heappush(queue, (cost + drive + _turn_s(block, turn), (*path, joint)))
    raise ValueError(f"no way from {a} to {b}: the street plan is not connected")


def _cost_s(every: dict[tuple[str, str], Block], path: Path) -> float:
    total = 0.0
    for a, b, c in zip(path, path[1:], path[2:], strict=False):
        block = every[a, b]
        turn = next(turn for turn, joint in block.turns.items() if joint == c)
        total += _drive_s(block) + _turn_s(block, turn)
    return total


def _drive_s(block: Block) -> float:
    return block.length_m / SPEED_MPS[block.use]


def _turn_s(block: Block, turn: str) -> float:
    return 4.0 if JOINTS[block.end].control is Control.CROSSING else _TURN_COST_S[turn]


def turning_veh_h(flows: dict[Path, float]) -> dict[Turn, float]:
    """(from joint, joint, to joint) → vehicles an hour."""
    turning: defaultdict[Turn, float] = defaultdict(float)
    for path, flow in flows.items():
        for a, b, c in zip(path, path[1:], path[2:], strict=False):
            turning[a, b, c] += flow
    return dict(turning)


def cars(seed: int) -> list[Car]:
    """The hour's vehicles in order of departure: Poisson arrivals on every way, one draw of them for each seed."""
    random = Random(seed)
    quarter_s = (END_S - BEGIN_S) / len(_PROFILE)
    drawn: list[tuple[float, Path, str]] = []
    for path, flow in sorted(ways(trips_veh_h()).items()):
        for number, share in enumerate(_PROFILE):
            now_s = 0.0
            while True:
                now_s += -math.log(1.0 - random.random()) * 3600 / (flow * share)
                if now_s >= quarter_s:
                    break
                kind = "truck" if random.random() < 0.03 else "van" if random.random() < 0.08 else "car"
                drawn.append((round(BEGIN_S + number * quarter_s + now_s, 1), path, kind))
    drawn.sort()
    return [Car(f"v{number}", *what) for number, what in enumerate(drawn)]
