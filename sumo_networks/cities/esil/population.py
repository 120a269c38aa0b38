"""The same people of Esil day after day: who is out today, and where to.

Every resident has a habit, drawn like the errands of one day, and keeps to it on most days. Some days they stay in,
some days they go elsewhere from the same home, and those who may be back within the recorded hour are so on some days
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from sumo_networks.cities.esil.riders import Errand, errands, outing, way_back
from sumo_networks.cities.esil.traffic import BEGIN_S

STAYS_IN: Final = 0.15
ELSEWHERE: Final = 0.15
MAY_RETURN: Final = 0.8
RETURNS: Final = 0.75
LATEST_RETURNER_S: Final = 900.0
JITTER_S: Final = 300.0


@dataclass(frozen=True)
class Resident:
    """A person with a habit; `may_return`: some days they are back within the hour."""

    habit: Errand
    may_return: bool


def residents(seed: int, riders: int, walkers: int) -> list[Resident]:
    """The people of a city; the same seed, the same people."""
    random = Random(f"residents {seed}")
    return [
        Resident(replace(habit, back=()), bool(habit.out) and random.random() < MAY_RETURN)
        for habit in errands(seed, riders, walkers)
    ]


def day_of(people: Sequence[Resident], seed: int) -> list[Errand]:
    """What each of `people` does on the day `seed`, in order of departure; ids are those of their habits."""
    random = Random(f"day {seed}")
    today = [_today(random, person) for person in people if random.random() >= STAYS_IN]
    return sorted(today, key=lambda errand: (errand.depart_s, errand.id))


def _today(random: Random, person: Resident) -> Errand:
    habit = person.habit
    shift_s = round((2 * random.random() - 1) * JITTER_S, 0)
    depart_s = max(float(BEGIN_S), habit.depart_s + shift_s)
    if not habit.out:
        return replace(habit, depart_s=depart_s)
    out, goal = outing(random, habit.home) if random.random() < ELSEWHERE else (habit.out, habit.goal)
    back = way_back(out) if person.may_return and random.random() < RETURNS else ()
    if back:
        # who comes back must find time for both rides before the recording ends
        depart_s = BEGIN_S + (depart_s - BEGIN_S) % LATEST_RETURNER_S
    return replace(habit, depart_s=depart_s, out=out, goal=goal, back=back, stay_s=240 + int(random.random() * 600))
