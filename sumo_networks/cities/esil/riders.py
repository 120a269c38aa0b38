"""Esil's buses and the people who ride and walk: lines, stops, and who goes where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final, TypeVar

from sumo_networks.cities.esil.streets import JOINTS, Block, Control, blocks
from sumo_networks.cities.esil.traffic import BEGIN_S, END_S

_T = TypeVar("_T")

STOP_FROM_M: Final = 40.0
STOP_TO_M: Final = 66.0
DWELL_S: Final = 12
_NEAR_M: Final = 200.0


@dataclass(frozen=True)
class Line:
    """A bus line: its way over the joints and its headway."""

    name: str
    path: tuple[str, ...]
    headway_s: int
    first_s: int


LINES: Final = (
    Line("10", ("W2", "A2", "B2", "M1", "C2", "D2", "E2", "X2"), 360, 0),
    Line("21", ("CS", "C1", "C2", "M2", "C3", "C4", "CN"), 420, 60),
    Line("32", ("W2", "A2", "B2", "M1", "C2", "M2", "C3", "C4", "CN"), 480, 120),
    Line("37", ("W3", "B3", "C3", "D3", "D2", "E2", "X2"), 480, 30),
    Line("44", ("BN", "B3", "B2", "B1", "C1", "D1", "X1"), 480, 200),
)


@dataclass(frozen=True)
class Course:
    """One direction of a line: flow id, way, stops (the blocks they lie on, in order)."""

    id: str
    line: Line
    path: tuple[str, ...]
    stops: tuple[Block, ...]


def courses() -> tuple[Course, ...]:
    """Both directions of every line."""
    return tuple(
        _course(f"{line.name}-{way}", line, path)
        for line in LINES
        for way, path in (("a", line.path), ("b", line.path[::-1]))
    )


def _course(name: str, line: Line, path: tuple[str, ...]) -> Course:
    every = blocks()
    driven = [every[pair] for pair in pairwise(path)]
    return Course(name, line, path, tuple(block for block in driven if has_stop(block)))


def has_stop(block: Block) -> bool:
    """Stops lie behind junctions, not behind crossings between them."""
    return JOINTS[block.start].control is not Control.CROSSING


def stop_id(block: Block) -> str:
    """Id of the busStop on a block."""
    return f"stop-{block.edge}"


def stop_blocks() -> list[Block]:
    """The blocks that have a stop, sorted."""
    return sorted({block.edge: block for course in courses() for block in course.stops}.values(), key=lambda b: b.edge)


def place_m(block: Block) -> tuple[float, float]:
    """Where the block's stop lies, from its start joint along the street."""
    a, b = JOINTS[block.start], JOINTS[block.end]
    share = min(1.0, STOP_TO_M / block.length_m)
    return a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)


@dataclass(frozen=True)
class Hop:
    """A ride on a line from stop to stop."""

    line: str
    board: Block
    alight: Block


@dataclass(frozen=True)
class Errand:
    """What one person does: leave home on foot, ride (none, one or two hops), be there, and perhaps come back."""

    id: str
    depart_s: float
    home: Block
    out: tuple[Hop, ...]
    goal: Block
    stay_s: int
    back: tuple[Hop, ...]

    @property
    def returns(self) -> bool:
        """Whether the person comes back within the hour."""
        return bool(self.back)


def errands(seed: int, riders: int, walkers: int) -> list[Errand]:
    """People in order of departure: `riders` who take the bus, six in ten of them there and back within the hour, one
    in eight with a change of lines; `walkers` who go on foot to a street nearby."""
    random = Random(seed)
    people = [_rider(random) for _ in range(riders)] + [_walker(random) for _ in range(walkers)]
    people.sort(key=lambda errand: (errand.depart_s, errand.home.edge, errand.goal.edge))
    return [
        Errand(f"p{number}", e.depart_s, e.home, e.out, e.goal, e.stay_s, e.back) for number, e in enumerate(people)
    ]


def _rider(random: Random) -> Errand:
    comes_back = random.random() < 0.6
    out = _hops(random)
    home, goal = _nearby(random, out[0].board), _nearby(random, out[-1].alight)
    # Who comes back must find time for both rides before the recording ends.
    latest_s = 900 if comes_back else END_S - BEGIN_S - 1200
    depart_s = BEGIN_S + round(random.random() * latest_s, 0)
    stay_s = 240 + int(random.random() * 600)
    return Errand("", depart_s, home, out, goal, stay_s, way_back(out) if comes_back else ())


def _walker(random: Random) -> Errand:
    home = _pick(random, sorted(blocks().values(), key=lambda block: block.edge))
    depart_s = BEGIN_S + round(random.random() * (END_S - BEGIN_S - 600), 0)
    return Errand("", depart_s, home, (), _nearby(random, home), 0, ())


def _hops(random: Random) -> tuple[Hop, ...]:
    every = courses()
    weights = [len(course.stops) / course.line.headway_s for course in every]
    course = random.choices(every, weights)[0]
    first = _hop(random, course, course.stops[:-1])
    if random.random() >= 0.125:
        return (first,)
    onward = [
        other
        for other in every
        if other.line.name != course.line.name
        and any(_apart_m(first.alight, stop) < _NEAR_M for stop in other.stops[:-1])
    ]
    if not onward:
        return (first,)
    other = _pick(random, onward)
    near = [stop for stop in other.stops[:-1] if _apart_m(first.alight, stop) < _NEAR_M]
    second = _hop(random, other, near)
    return (first, second) if _apart_m(first.board, second.alight) > _NEAR_M else (first,)


def _hop(random: Random, course: Course, starts: Sequence[Block]) -> Hop:
    """From one of `starts` to a stop further on; nobody rides one stop who could ride two."""
    board = _pick(random, starts)
    after = course.stops[course.stops.index(board) + 1 :]
    return Hop(course.line.name, board, _pick(random, after[1:] or after))


def outing(random: Random, home: Block) -> tuple[tuple[Hop, ...], Block]:
    """A ride from a stop near `home` to anywhere, and the street it is made for."""
    starts = [(course, stop) for course in courses() for stop in course.stops[:-1] if _apart_m(stop, home) < _NEAR_M]
    course, stop = _pick(random, starts)
    hop = _hop(random, course, [stop])
    return (hop,), _nearby(random, hop.alight)


def way_back(out: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """The same lines the other way, between the stops nearest to those of the way out; () where there is none."""
    back: list[Hop] = []
    for hop in reversed(out):
        found = [_reverse(hop, course) for course in courses() if course.line.name == hop.line]
        rides = [ride for ride in found if ride is not None]
        if not rides:
            return ()
        back.append(rides[0])
    return tuple(back)


def _reverse(hop: Hop, course: Course) -> Hop | None:
    """None on the course of the way out itself, and where both ends come to lie at one stop."""
    if hop.board in course.stops:
        return None
    board = min(course.stops, key=lambda stop: (_apart_m(stop, hop.alight), stop.edge))
    alight = min(course.stops, key=lambda stop: (_apart_m(stop, hop.board), stop.edge))
    return Hop(hop.line, board, alight) if course.stops.index(board) < course.stops.index(alight) else None


def _nearby(random: Random, block: Block) -> Block:
    """A street within some minutes' walk of a block's stop."""
    every = sorted(blocks().values(), key=lambda other: other.edge)
    return _pick(random, [other for other in every if _apart_m(other, block) < _NEAR_M])


def _apart_m(a: Block, b: Block) -> float:
    return math.dist(place_m(a), place_m(b))


def _pick(random: Random, among: Sequence[_T]) -> _T:
    return among[int(random.random() * len(among))]
