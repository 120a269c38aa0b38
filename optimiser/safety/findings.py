"""What the checker says: one finding a broken rule and set of groups, each as one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from optimiser.signals import GroupKind

TOLERANCE_S = 1e-3
"""Times closer than this are the same: a millisecond is the resolution of controllers and of SUMO."""

LONGEST_S = 86_400.0
"""No time within a plan is longer than a day."""

GREEN_FLOOR_S = 4.0
"""No green is shorter than this, whatever a plan says of itself (HCM 2000, chapter 16: 4 s is the least walk)."""

AMBER_FLOOR_S = {
    GroupKind.VEHICLE: 3.0,
    GroupKind.BUS: 3.0,
    GroupKind.TRAM: 3.0,
    GroupKind.BICYCLE: 2.0,
    GroupKind.PEDESTRIAN: 0.0,
}
"""Least amber by kind of group: 3 s (MUTCD 2009 section 4D.26; RiLSA 2015 section 2.4 at 50 km/h), bicycles 2 s."""


class Rule(StrEnum):
    """What can be broken."""

    SCHEMA_VERSION = "schema_version"
    NO_GROUPS = "no_groups"
    INVALID_NUMBER = "invalid_number"
    UNKNOWN_GROUP = "unknown_group"
    UNKNOWN_STAGE = "unknown_stage"
    DUPLICATE = "duplicate"
    CYCLE = "cycle"
    MAX_CYCLE = "max_cycle"
    OUTSIDE_CYCLE = "outside_cycle"
    OVERLAPPING_INTERVALS = "overlapping_intervals"
    NEVER_GREEN = "never_green"
    MIN_GREEN = "min_green"
    MAX_GREEN = "max_green"
    MAX_RED = "max_red"
    FLASHING_GREEN = "flashing_green"
    AMBER_TOO_SHORT = "amber_too_short"
    AMBER_DOES_NOT_FIT = "amber_does_not_fit"
    RED_AMBER_DOES_NOT_FIT = "red_amber_does_not_fit"
    INTERGREEN = "intergreen"
    INTERGREEN_MISSING = "intergreen_missing"
    CONFLICTING_GREENS = "conflicting_greens"
    PEDESTRIAN_WALK = "pedestrian_walk"
    PEDESTRIAN_CLEARANCE = "pedestrian_clearance"
    PEDESTRIAN_WAIT = "pedestrian_wait"
    CYCLE_SUM = "cycle_sum"
    STAGE_LENGTH = "stage_length"
    STAGE_GREENS = "stage_greens"
    INTERSTAGE = "interstage"
    DETOUR = "detour"
    OFFSET = "offset"
    REFERENCE_GROUP = "reference_group"
    PRIORITY_WITHOUT_LINES = "priority_without_lines"
    OTHER_JUNCTION = "other_junction"
    OTHER_NETWORK = "other_network"
    OTHER_GROUPS = "other_groups"
    WEAKER_MIN_GREEN = "weaker_min_green"
    WEAKER_AMBER = "weaker_amber"
    WEAKER_CONFLICT = "weaker_conflict"
    WEAKER_INTERGREEN = "weaker_intergreen"
    WEAKER_PEDESTRIANS = "weaker_pedestrians"
    WEAKER_LIMITS = "weaker_limits"
    AMBER_MISSING = "amber_missing"
    RED_AMBER_TOO_SHORT = "red_amber_too_short"
    ILLEGAL_TRANSITION = "illegal_transition"
    DARK = "dark"
    NOT_RECORDED = "not_recorded"
    LOG_TIMES = "log_times"


@dataclass(frozen=True)
class Finding:
    """A rule that a plan or a log breaks.

    `at_s` is the second of the cycle (plan) or of the log at which it is worst; `measured` and `required` carry the
    unit of the rule (seconds, but for counts) and are None where the rule has no number."""

    junction: str
    rule: Rule
    groups: tuple[str, ...]
    at_s: float
    measured: float | None
    required: float | None
    message: str

    @property
    def deviation(self) -> float:
        """How far the measured value is from the required one; 0 where there is none."""
        if self.measured is None or self.required is None:
            return 0.0
        return abs(self.measured - self.required)


def worst_findings(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding a junction, rule and set of groups: the worst, of equals the first in time; sorted."""
    worst: dict[tuple[str, str, tuple[str, ...]], Finding] = {}
    for finding in found:
        key = (finding.junction, finding.rule.value, finding.groups)
        known = worst.get(key)
        if known is None or (finding.deviation, -finding.at_s) > (known.deviation, -known.at_s):
            worst[key] = finding
    return tuple(worst[key] for key in sorted(worst))


def seconds(value: float) -> str:
    """A time as a person reads it."""
    return f"{value:.1f}".removesuffix(".0") + " s"
