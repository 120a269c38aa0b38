"""National rules for ambers, intergreens and pedestrian times.

Sources: RiLSA 2015 (FGSV 321), section 2.5-2.6; MUTCD 2009 (rev. 2012) section 4D.26 and 4E.06 with the kinematic
equation of the ITE Guidelines for Determining Traffic Signal Change and Clearance Intervals (2020); GOST R 52289-2019,
section 7 with ODM 218.6.003-2011, section 6 (intermediate interval).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from optimiser.signals import GroupKind
from sumo_networks.errors import NetworkError

Turn = Literal["left", "through", "right", "u_turn"]


@dataclass(frozen=True)
class Profile:
    """Rules of one country; speeds m/s, times s, lengths m.

    `method`: "running" takes all times from the program in use; "rilsa" is crossing + clearing - entering time; "ite"
    is kinematic yellow + red clearance; "odm" the intermediate interval of ODM 218.6.003."""

    name: str
    method: Literal["running", "rilsa", "ite", "odm"]
    red_amber_s: float = 0.0
    flashing_green_s: float = 0.0
    min_green_s: float = 5.0
    min_walk_s: float = 5.0
    pedestrian_speed_m_s: float = 1.2
    clearing_speed_m_s: float = 10.0
    turning_speed_m_s: float = 7.0
    entering_speed_m_s: float = 11.1
    vehicle_length_m: float = 6.0
    reaction_s: float = 1.0
    deceleration_m_s2: float = 3.0

    def with_formula(self) -> Profile:
        """This profile, or where it has no formula for intergreens the one that computes them by RiLSA."""
        return profile_named("rilsa") if self.method == "running" else self

    def amber_s(self, speed_m_s: float) -> float:
        """Amber of vehicles by the approach's speed limit; 0 where the profile leaves it to the program in use."""
        if self.method == "running":
            return 0.0
        if self.method == "rilsa":
            kmh = speed_m_s * 3.6
            return 3.0 if kmh <= 50.5 else 4.0 if kmh <= 60.5 else 5.0
        if self.method == "odm":
            return 3.0
        yellow_s = self.reaction_s + speed_m_s / (2 * self.deceleration_m_s2)
        return min(6.0, max(3.0, float(math.ceil(yellow_s - 1e-9))))

    def intergreen_s(self, clearing: Clearing, entering_distance_m: float, entering_kind: GroupKind) -> float:
        """Least whole seconds from end of green of the clearing to start of green of the entering movement.

        Pedestrians clear the whole crossing before anyone enters: no entering time is taken off (MUTCD 4E.06)."""
        if self.method == "running":
            return 0.0
        if clearing.kind is GroupKind.PEDESTRIAN:
            return float(math.ceil(clearing.distance_m / self.pedestrian_speed_m_s - 1e-9))
        speed_m_s = self._clearing_speed_m_s(clearing)
        way_m = clearing.distance_m + self.vehicle_length_m
        if self.method == "rilsa":
            crossing_s = 3.0 if clearing.turn == "through" else 2.0
            needed_s = crossing_s + way_m / speed_m_s - self._entering_s(entering_distance_m, entering_kind)
        elif self.method == "ite":
            needed_s = self.amber_s(clearing.limit_m_s) + way_m / speed_m_s
        else:
            needed_s = speed_m_s / (2 * self.deceleration_m_s2) + way_m / speed_m_s
        return max(self.amber_s(clearing.limit_m_s), float(math.ceil(needed_s - 1e-9)))

    def _clearing_speed_m_s(self, clearing: Clearing) -> float:
        usual_m_s = self.clearing_speed_m_s if clearing.turn == "through" else self.turning_speed_m_s
        return min(usual_m_s, max(clearing.limit_m_s, 2.0))

    def _entering_s(self, distance_m: float, kind: GroupKind) -> float:
        return 0.0 if kind is GroupKind.PEDESTRIAN else distance_m / self.entering_speed_m_s


@dataclass(frozen=True)
class Clearing:
    """A movement that leaves the conflict area: how far it has to go, how it turns, and the speed limit it had."""

    kind: GroupKind
    distance_m: float
    turn: Turn
    limit_m_s: float


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("shipped", "running"),
        Profile("rilsa", "rilsa", red_amber_s=1.0),
        Profile(
            "mutcd",
            "ite",
            min_green_s=5.0,
            min_walk_s=7.0,
            pedestrian_speed_m_s=1.07,
            clearing_speed_m_s=15.0,
            turning_speed_m_s=8.9,
            vehicle_length_m=6.1,
            deceleration_m_s2=3.05,
        ),
        Profile(
            "cis",
            "odm",
            red_amber_s=2.0,
            flashing_green_s=3.0,
            min_green_s=7.0,
            min_walk_s=7.0,
            pedestrian_speed_m_s=1.3,
            clearing_speed_m_s=13.9,
            turning_speed_m_s=6.9,
            vehicle_length_m=5.0,
            deceleration_m_s2=4.0,
        ),
    )
}


def profile_named(name: str) -> Profile:
    """The profile of that name: shipped, rilsa, mutcd or cis. Raises NetworkError for another."""
    if name not in PROFILES:
        raise NetworkError(f"there is no profile {name!r}; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
